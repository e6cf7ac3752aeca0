"""What a contract test may do outside the port: act as a person in the CRM, and as fate on the line.

``World`` is what the suite asks for; ``SandboxWorld`` gives it over either vendor's sandbox, ``MemoryWorld`` over the
CRM in memory. Not here: any expectation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from connector.clock import ManualClock
from connector.crm.memory import MemoryCRM
from connector.crm.port import (
    CRM,
)
from connector.handoff.model import Kind, Person, Stage, SystemName, TouchKind
from connector.sandbox import views
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World as SandboxState

MAYA = "maya.lindqvist@seller.example"
TOMAS = "tomas.reyes@seller.example"
LENA_WHO_LEFT = "lena.frost@seller.example"
ELENA_AE = "elena.marchetti@seller.example"

WRITES = r"batch/(upsert|update|create)|PATCH .*composite/sobjects|POST .*composite/(sobjects|graph)(\?|$)"
"""Requests of either vendor that change records."""


class World(Protocol):
    """The world behind one adapter. Values are canonical, ids are the CRM's."""

    crm: CRM
    page: int
    tells_self: bool
    open_stage: str
    won_stage: str

    def person(self, email: str) -> str: ...
    def add_account(self, *, name: str, country: str, csm: str | None = None) -> str: ...
    def add_deal(self, *, name: str, account: str | None = None, won: bool = False, **values: Any) -> str: ...
    def edit(self, deal_id: str, **values: Any) -> None: ...
    def move(self, deal_id: str, stage: str) -> None: ...
    def delete_deal(self, deal_id: str) -> None: ...
    def complete(self, task_id: str) -> None: ...
    def touch(self, deal_id: str, kind: TouchKind, *, by: str, at: datetime) -> None: ...
    def advance(self, seconds: float) -> None: ...
    def now(self) -> datetime: ...
    def lose_next_answer(self) -> None: ...
    def late(self, seconds: float) -> Any: ...
    def vendor_field(self, kind: Kind, name: str) -> str: ...


class SandboxWorld:
    """Either vendor's sandbox, seen through its views; ``fields`` names the vendor's field per (kind, name)."""

    def __init__(
        self,
        sandbox: Sandbox,
        state: SandboxState,
        crm: CRM,
        *,
        fields: Mapping[tuple[Kind, str], str],
        page: int,
        tells_self: bool,
    ) -> None:
        self.crm = crm
        self.page = page
        self.tells_self = tells_self
        self._state = state
        self._clock = sandbox.clock
        self._view = views.view(state)
        self._fields = fields
        self._rep = self._view.user_named(ELENA_AE).id
        self.open_stage = self._view.stage_of("proposal", "new").id
        self.won_stage = self._view.stage_of("won", "new").id

    def person(self, email: str) -> str:
        """The id of a person as deal fields hold it."""
        return self._view.user_named(email).id

    def add_account(self, *, name: str, country: str, csm: str | None = None) -> str:
        """A person makes an account."""
        with self._state.lock:
            return self._view.add_account({"name": name, "country": country, "csm": csm}, by=self._rep)

    def add_deal(self, *, name: str, account: str | None = None, won: bool = False, **values: Any) -> str:
        """A person makes a deal, and wins it if asked."""
        given = {"name": name, "close_date": date(2026, 12, 1), "owner": self._rep, "account": account, **values}
        with self._state.lock:
            deal_id = self._view.add_deal(given, stage=self.open_stage, deal_type="new", by=self._rep)
        if won:
            self.move(deal_id, self.won_stage)
        return deal_id

    def edit(self, deal_id: str, **values: Any) -> None:
        """A person edits a deal."""
        with self._state.lock:
            self._view.set_deal(deal_id, values, by=self._rep)

    def move(self, deal_id: str, stage: str) -> None:
        """A person drags a deal to a stage."""
        with self._state.lock:
            self._view.move_deal(deal_id, stage, by=self._rep)

    def delete_deal(self, deal_id: str) -> None:
        """A person deletes a deal."""
        table = "Opportunity" if "Opportunity" in self._state.tables else "deals"
        with self._state.lock:
            self._state.table(table).delete(deal_id, by=self._rep)

    def complete(self, task_id: str) -> None:
        """A person ticks a task off."""
        with self._state.lock:
            self._view.complete_task(task_id, by=self._rep)

    def touch(self, deal_id: str, kind: TouchKind, *, by: str, at: datetime) -> None:
        """A person logs a contact with the customer, at the time it happened."""
        with self._state.lock:
            if at <= self.now():
                with views.at_moment(self._clock, at):
                    self._log(deal_id, kind, by=by, at=at)
            else:
                self._log(deal_id, kind, by=by, at=at)

    def _log(self, deal_id: str, kind: TouchKind, *, by: str, at: datetime) -> None:
        self._view.add_activity(deal_id, kind.value, subject="Kick-off", body="", at=at, minutes=30, by=by)

    def advance(self, seconds: float) -> None:
        """Time passes at the vendor."""
        self._clock.advance(seconds)

    def now(self) -> datetime:
        """The vendor's time."""
        return self._clock.now()

    def lose_next_answer(self) -> None:
        """The next batch is done and the connection cut before the answer."""
        self._state.faults.add(system=self._state.name, match=WRITES, kind="reset_after", count=1)

    @contextmanager
    def late(self, seconds: float) -> Iterator[None]:
        """What is written meanwhile keeps its stamp and shows that much later."""
        self._state.settings["late_commit_ms"] = seconds * 1000
        try:
            yield
        finally:
            self._state.settings["late_commit_ms"] = 0

    def vendor_field(self, kind: Kind, name: str) -> str:
        """The vendor's name of a mapped field."""
        return self._fields[(kind, name)]


PEOPLE = (
    Person("p-maya", MAYA, "Maya Lindqvist"),
    Person("p-tomas", TOMAS, "Tomas Reyes"),
    Person("p-lena", LENA_WHO_LEFT, "Lena Frost", active=False),
    Person("p-elena", ELENA_AE, "Elena Marchetti"),
)
STAGES = (
    Stage("proposal", "Proposal", is_won=False, is_closed=False),
    Stage("won", "Closed Won", is_won=True, is_closed=True),
    Stage("lost", "Closed Lost", is_won=False, is_closed=True),
)


class MemoryWorld:
    """The CRM in memory, on a clock that moves when told."""

    open_stage = "proposal"
    won_stage = "won"
    tells_self = True
    page = 3

    def __init__(self, *, notes_have_keys: bool) -> None:
        self._clock = ManualClock(datetime(2026, 11, 2, 9, 30, tzinfo=UTC))
        self._memory = MemoryCRM(
            system=SystemName("mem"),
            clock=self._clock,
            people=PEOPLE,
            stages=STAGES,
            page_size=self.page,
            notes_have_keys=notes_have_keys,
        )
        self.crm: CRM = self._memory

    def person(self, email: str) -> str:
        """The id of a person."""
        return next(person.id for person in PEOPLE if person.email == email)

    def add_account(self, *, name: str, country: str, csm: str | None = None) -> str:
        """A person makes an account."""
        return self._memory.add_account(name=name, country=country, csm=csm)

    def add_deal(self, *, name: str, account: str | None = None, won: bool = False, **values: Any) -> str:
        """A person makes a deal, and wins it if asked."""
        numbers = {key: Decimal(value) for key, value in values.items() if isinstance(value, int)}
        given = {"close_date": date(2026, 12, 1), "owner": self.person(ELENA_AE), **values, **numbers}
        deal_id = self._memory.add_deal(stage=self.open_stage, account_id=account, name=name, **given)
        if won:
            self.move(deal_id, self.won_stage)
        return deal_id

    def edit(self, deal_id: str, **values: Any) -> None:
        """A person edits a deal."""
        self._memory.edit(deal_id, **values)

    def move(self, deal_id: str, stage: str) -> None:
        """A person drags a deal to a stage."""
        self._memory.edit(deal_id, stage=stage)

    def delete_deal(self, deal_id: str) -> None:
        """A person deletes a deal."""
        self._memory.delete(deal_id)

    def complete(self, task_id: str) -> None:
        """A person ticks a task off."""
        self._memory.edit(task_id, status="done")

    def touch(self, deal_id: str, kind: TouchKind, *, by: str, at: datetime) -> None:
        """A person logs a contact with the customer."""
        self._memory.add_touch(deal_id, kind, by=by, at=at)

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._clock.advance(timedelta(seconds=seconds))

    def now(self) -> datetime:
        """The time."""
        return self._clock.now()

    def lose_next_answer(self) -> None:
        """The next batch is done and its answer lost."""
        self._memory.lose_answers()

    @contextmanager
    def late(self, seconds: float) -> Iterator[None]:
        """What is written meanwhile shows that much later."""
        self._memory.commit_late(timedelta(seconds=seconds))
        yield
        self._memory.commit_late(timedelta())

    def vendor_field(self, kind: Kind, name: str) -> str:
        """The canonical name is the only one here."""
        del kind
        return name
