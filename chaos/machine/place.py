"""What a hostile world may do in one CRM, in words that fit every vendor; and what it keeps of what was written there.

Not here: any vendor (``memory``, ``vendors``), any rule of when things happen (``story``), any judgement (``judge``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from connector.crm.port import CRM
from connector.handoff.model import Kind, SystemName, Value
from connector.handoff.rulebook.policy import Policy


@dataclass(frozen=True, slots=True)
class Wrote:
    """One record as the connector wrote it: the fields that changed, by canonical name, and what stood there before.

    ``made`` tells a new record. ``key`` is the natural key it carries, empty for a person's own record.
    """

    kind: Kind
    record_id: str
    key: str
    made: bool
    before: Mapping[str, Value]
    after: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Hung:
    """A task, note or meeting as it stands, or stood when it was deleted."""

    kind: Kind
    id: str
    key: str
    deal_id: str
    text: str
    ours: bool
    gone: bool = False
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deal:
    """A live deal: its stage as the CRM classes it, and its fields by canonical name.

    ``won_at`` is when the CRM itself says that a won deal came to its stage; None of one that is not won.
    """

    id: str
    won: bool
    closed: bool
    won_at: datetime | None
    account_id: str | None
    values: Mapping[str, Value]


@dataclass(slots=True)
class Book:
    """What was written. ``writes`` are the connector's since they were cleared; ``struck`` counts the faults.

    ``said`` holds what people last gave to each field of each record until the connector wrote it again, ``last`` what
    the connector gave it. ``blind``: the CRM shows changes late, so nobody can know of an edit.
    """

    writes: list[Wrote] = field(default_factory=list)
    said: dict[tuple[str, str], Any] = field(default_factory=dict)
    last: dict[tuple[str, str], Any] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    blind: bool = False

    def people_wrote(self, record_id: str, after: Mapping[str, Any]) -> None:
        """Somebody else than the connector changed these fields."""
        self.said.update({(record_id, name): value for name, value in after.items()})

    def we_wrote(self, wrote: Wrote) -> None:
        """The connector did. Over a person's words it must not, once it has written that field itself."""
        self.writes.append(wrote)
        for name, value in wrote.after.items():
            at = (wrote.record_id, name)
            if name == "stage":
                continue  # people's; the judge knows when the gate may put it back
            if at in self.said and at in self.last and self.said[at] != self.last[at] and not self.blind:
                self.wrongs.append(
                    f"a person's {name} of {wrote.kind.value} {wrote.record_id} was overwritten: "
                    f"{self.said[at]!r} -> {value!r}"
                )
            self.said.pop(at, None)
            self.last[at] = value


class Place(Protocol):
    """One CRM in the hands of people and of fate. Ids are the CRM's; field names are canonical."""

    name: str
    system: SystemName
    policy: Policy
    book: Book
    won: str
    lost: str
    opens: tuple[str, ...]
    reps: tuple[str, ...]
    csms: tuple[str, ...]
    full: Mapping[str, Value]
    """What fills every field that the gate asks for."""
    approver: str
    """Who may let a deal through; empty where the policy names nobody here."""
    merges_deals: bool
    refusals: type[Exception]
    """What the CRM raises when it refuses a person's act."""
    faults: tuple[str, ...]
    pickable: tuple[str, ...]
    """Choice fields of deals whose list of values an admin may change."""
    hideable: tuple[str, ...]
    """Fields of deals that an admin may take from the connector."""

    def connected(self) -> CRM:
        """The adapter as a process that has just started makes it."""
        ...

    def now(self) -> datetime:
        """The vendor's time."""
        ...

    def advance(self, seconds: float) -> None:
        """The vendor's clock moves, back too."""
        ...

    # people

    def add_account(self, name: str) -> str: ...
    def add_deal(self, account_id: str | None, values: Mapping[str, Value]) -> str: ...
    def edit(self, deal_id: str, values: Mapping[str, Value]) -> None: ...
    def edit_account(self, account_id: str, values: Mapping[str, Value]) -> None: ...
    def move(self, deal_id: str, stage: str) -> None: ...
    def delete(self, deal_id: str) -> None: ...
    def restore(self, deal_id: str) -> bool: ...
    def merge_deals(self, winner: str, loser: str) -> None: ...
    def merge_accounts(self, winner: str, loser: str) -> None: ...
    def set_active(self, person: str, active: bool) -> None: ...
    def complete_task(self, hung: Hung) -> None: ...
    def edit_hung(self, hung: Hung, text: str) -> None: ...
    def delete_hung(self, hung: Hung) -> None: ...

    # fate

    def plant(self, fault: str, count: int) -> None:
        """One of ``faults``, for the next so many times it can strike."""
        ...

    def drop_choice(self, name: str) -> None: ...
    def hide(self, name: str) -> None: ...
    def heal(self) -> None:
        """No more faults; every field and choice as it was."""
        ...

    # what stands there

    def deals(self) -> Sequence[Deal]:
        """Every live deal, oldest first."""
        ...

    def accounts(self) -> Sequence[str]:
        """Every live account, oldest first."""
        ...

    def hung(self, deal_id: str | None = None) -> Sequence[Hung]:
        """What hangs on one live deal; without one, everything that was ever made, deleted ones included."""
        ...
