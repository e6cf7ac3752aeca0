"""Salesforce and HubSpot as hostile places: the real adapters and the vendors' own clients, over real sockets, against
the sandbox's org and portal in this process.

Not here: the CRM in memory. People act on the rows, as at a screen; faults are the sandbox's own, acted out on the line
or in single rows. Every write that the connector makes is heard as the sandbox commits it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from chaos import ROOT
from chaos.machine import strikes
from chaos.machine.place import Book, Deal, Hung, Wrote
from connector.clock import ManualClock
from connector.crm.port import CRM
from connector.handoff.model import Kind, SystemName, Value
from connector.handoff.rulebook.fields import FieldType
from connector.policy.load import load
from connector.sandbox import control, people, views
from connector.sandbox.faults import Fault, Faults
from connector.sandbox.rows import Row, Table
from connector.sandbox.server import Sandbox
from connector.sandbox.state import Watch, World
from connector.sandbox.wire import EAR

WRITES = r"batch/(upsert|update|create)|PATCH .*composite/sobjects|POST .*composite/(sobjects|graph)(\?|$)"
"""Requests of either vendor that change records."""

PATHS = r"/services/data/|/crm/"
"""Requests of either vendor that a fault of whole calls may hit; logins are left alone."""

FAULTS: Mapping[str, tuple[str, str, float | None]] = {
    "reply lost": (WRITES, "reset_after", None),
    "connection cut before": (PATHS, "reset_before", None),
    "throttled": (PATHS, "429", 1),
    "away": (PATHS, "503", None),
    "gateway": (PATHS, "502", None),
    "session ended": (PATHS, "expired_token", None),
    "row locked": (WRITES, "row_lock", None),
    "half a batch refused": (WRITES, "partial", None),
    "told twice": (PATHS, "duplicated", None),
    "told in disorder": (PATHS, "reordered", None),
}
"""What this world calls a fault: which requests it hits, the sandbox's kind, and its argument."""

CHANGES_MIND = "told late"
LATE_MS = 90_000
"""How late a change may show: well inside what the adapters look back."""


class Counting(Faults):
    """The sandbox's faults, with a count of those that struck.

    A fault of a whole request strikes when the request is met. One of rows may meet a request on which it has nothing
    to act: whether it struck is read off the answer.
    """

    def __init__(self, book: Book, names: Mapping[str, str]) -> None:
        super().__init__()
        self._book = book
        self._names = names
        self._met: Fault | None = None

    def take(self, system: str, method: str, path: str, **named: Any) -> Fault | None:
        """As before, and counted."""
        struck = super().take(system, method, path, **named)
        self._met = struck if struck is not None and struck.kind in strikes.ON_ROWS else None
        if struck is not None and self._met is None:
            self._count(struck)
        return struck

    def answered(self, body: bytes) -> None:
        """The sandbox answers the request that it took a fault for last: it works on one at a time."""
        met, self._met = self._met, None
        if met is not None and strikes.ON_ROWS[met.kind](body):
            self._count(met)

    def _count(self, struck: Fault) -> None:
        self._book.struck[self._names.get(struck.kind, struck.kind)] += 1


class Ear:
    """Hears every write of a world, and passes it on to whoever listened before."""

    def __init__(self, place: VendorPlace, before: Watch | None) -> None:
        self._place = place
        self._before = before

    def wrote(self, table: Table, row: Row, *, before: dict[str, Any], how: str) -> None:
        """A row was written."""
        self._place.hear(table, row, before=before, how=how)
        if self._before:
            self._before.wrote(table, row, before=before, how=how)

    def undid(self, table: Table, row_id: str) -> None:
        """The latest write of a row was rolled back."""
        writes = self._place.book.writes
        last = next((n for n in range(len(writes) - 1, -1, -1) if writes[n].record_id == row_id), None)
        if last is not None:
            del writes[last]
        if self._before:
            self._before.undid(table, row_id)

    def saving(self) -> AbstractContextManager[None]:
        """What is written inside belongs together."""
        return self._before.saving() if self._before else nullcontext()

    def cleared(self) -> None:
        """Every row was dropped."""
        if self._before:
            self._before.cleared()


class VendorPlace(ABC):
    """Implements `chaos.machine.place.Place` for one vendor's sandbox."""

    name: str
    system: SystemName
    tables: ClassVar[Mapping[str, Kind]]
    """The vendor's tables by the kind of what stands in them."""
    field_of_key: str
    merges_deals: bool
    pickable: tuple[str, ...] = ()
    hideable: tuple[str, ...] = ()
    refusals: type[Exception] = Exception

    def __init__(self, sandbox: Sandbox, world: World, *, start: datetime, clock: ManualClock) -> None:
        self.sandbox, self.world, self.machine_clock = sandbox, world, clock
        self.book = Book()
        self.changed: set[strikes.Change] = set()
        """What an admin changed in the setup."""
        self.faults = (*FAULTS, CHANGES_MIND)
        self._begin(start)
        loaded = load(ROOT / "mappings", {self.system: self.name})
        self.map, self.policy = loaded.maps[self.system], loaded.policies[self.system]
        self.canonical = {(one.kind, one.field): one.name for one in self.map.fields.values()}
        self.view = views.view(world)
        stages = [each for each in self.view.stages() if each.pipeline == self.view.stage_of("won", "new").pipeline]
        self.won, self.lost = self.view.stage_of("won", "new").id, self.view.stage_of("lost", "new").id
        self.opens = (self.view.stage_of("proposal", "new").id, *(each.id for each in stages if not each.closed))
        self.reps = tuple(self._named(each.email) for each in people.with_role(people.AE)[:2])
        self.csms = tuple(self._named(each.email) for each in people.with_role(people.CSM)[:3])
        self.full: Mapping[str, Value] = {
            need.field: _filling(self.policy.fields[need.field].type) for need in self.policy.gate.requirements
        }
        self.approver = self._named(people.APPROVERS[0])
        world.watch = Ear(self, world.watch if not isinstance(world.watch, Ear) else world.watch._before)

    @abstractmethod
    def connected(self) -> CRM:
        """The adapter as a process that has just started makes it."""

    @abstractmethod
    def is_us(self, by: str) -> bool:
        """Whether a write is signed by the connector."""

    def _begin(self, start: datetime) -> None:
        """An org or portal with people and nothing else."""
        names = {kind: name for name, (_, kind, _) in FAULTS.items()}
        self.world.faults = self._faults = Counting(self.book, names)
        self.world.parts[EAR] = self._overhear
        self.sandbox.clock.freeze(start)
        with self.world.lock:
            self.world.clear()
            self._furnish()
            control.furnish_people({self.world.name: self.world})

    @abstractmethod
    def _furnish(self) -> None: ...

    def _overhear(self, *, answer: bytes, **_: Any) -> None:
        """The sandbox has worked on a request: which faults does its answer show?"""
        self._faults.answered(answer)
        for what in self.changed:
            if strikes.shows(what, answer):
                self.book.struck[what.name] += 1

    def hear(self, table: Table, row: Row, *, before: dict[str, Any], how: str) -> None:
        """A row was written: by the connector, or by somebody else."""
        kind = self.tables.get(table.name)
        if kind is None or how == "DELETE":
            return
        if row.visible_at > self.now():
            self.book.struck[CHANGES_MIND] += 1
            self.book.blind = True
        made = how == "CREATE"
        names = row.values.keys() | before.keys()
        changed = {name for name in names if row.values.get(name) != before.get(name)}
        after = {self._word(kind, name): row.values.get(name) for name in changed if not self.derived(kind, name)}
        stood = {self._word(kind, name): before.get(name) for name in changed if not self.derived(kind, name)}
        if not self.is_us(row.modified_by):
            self.book.people_wrote(row.id, {} if made else after)
        elif made or after:
            self.book.we_wrote(Wrote(kind, row.id, self.key(kind, row), made, stood, after))

    @abstractmethod
    def derived(self, kind: Kind, name: str) -> bool:
        """Whether the vendor keeps a field by itself."""

    @abstractmethod
    def key(self, kind: Kind, row: Row) -> str:
        """The natural key a record carries."""

    def _word(self, kind: Kind, name: str) -> str:
        return self.canonical.get((kind, name), name)

    def _named(self, email: str) -> str:
        return self.view.user_named(email).id

    # time

    def now(self) -> datetime:
        """The vendor's time."""
        return self.sandbox.clock.now()

    def advance(self, seconds: float) -> None:
        """The vendor's clock moves."""
        self.sandbox.clock.advance(seconds)

    # people

    def add_account(self, name: str) -> str:
        """A person makes an account."""
        with self.world.lock:
            return self.view.add_account({"name": name, "country": "Germany", "industry": "Energy"}, by=self.reps[0])

    def add_deal(self, account_id: str | None, values: Mapping[str, Value]) -> str:
        """A person makes a deal."""
        given = {"close_date": date(2026, 12, 1), **plain(values), "account": account_id}
        with self.world.lock:
            return self.view.add_deal(given, stage=self.opens[0], deal_type="new", by=self.reps[0])

    def edit(self, deal_id: str, values: Mapping[str, Value]) -> None:
        """A person edits a deal."""
        rest = plain(values)
        with self.world.lock:
            if "account" in rest:
                self._give_account(deal_id, rest.pop("account"))
            if rest:
                self.view.set_deal(deal_id, rest, by=self.reps[0])

    @abstractmethod
    def _give_account(self, deal_id: str, account_id: str) -> None: ...

    def edit_account(self, account_id: str, values: Mapping[str, Value]) -> None:
        """A person edits an account."""
        named = {one.name: one.field for one in self.map.fields.values() if one.kind is Kind.ACCOUNT}
        changes = {named[name]: value for name, value in plain(values).items()}
        with self.world.lock:
            self._table(Kind.ACCOUNT).update(account_id, changes, by=self.reps[0])

    def move(self, deal_id: str, stage: str) -> None:
        """A person drags a deal to a stage."""
        with self.world.lock:
            self.view.move_deal(deal_id, stage, by=self.reps[0])

    def complete_task(self, hung: Hung) -> None:
        """A person ticks a task off."""
        with self.world.lock:
            self.view.complete_task(hung.id, by=self.reps[0])

    def edit_hung(self, hung: Hung, text: str) -> None:
        """A person writes into a task or note; what identifies it stays, as it stands where nobody looks."""
        name = self._field(hung.kind, "body" if hung.kind is Kind.NOTE else "subject")
        with self.world.lock:
            row = self._table(hung.kind).rows[hung.id]
            kept = f"{text}\n{row.values.get(name)}" if hung.kind is Kind.NOTE else text
            self._table(hung.kind).update(hung.id, {name: kept}, by=self.reps[0])

    def delete_hung(self, hung: Hung) -> None:
        """A person deletes a task or note."""
        self._delete(hung.kind, hung.id)

    def delete(self, deal_id: str) -> None:
        """A person deletes a deal."""
        self._delete(Kind.DEAL, deal_id)

    @abstractmethod
    def _delete(self, kind: Kind, record_id: str) -> None: ...

    # fate

    def plant(self, fault: str, count: int) -> None:
        """The next so many times it can strike, it does."""
        if fault == CHANGES_MIND:
            self.world.settings["late_commit_ms"] = LATE_MS
            return
        match, kind, arg = FAULTS[fault]
        self.world.faults.add(system="*", match=match, kind=kind, count=count, arg=arg)

    @abstractmethod
    def drop_choice(self, name: str) -> None:
        """An admin takes the values off a list."""

    @abstractmethod
    def hide(self, name: str) -> None:
        """An admin hides a field from the connector."""

    @abstractmethod
    def restore(self, deal_id: str) -> bool: ...

    @abstractmethod
    def merge_deals(self, winner: str, loser: str) -> None: ...

    @abstractmethod
    def merge_accounts(self, winner: str, loser: str) -> None: ...

    @abstractmethod
    def set_active(self, person: str, active: bool) -> None: ...

    def heal(self) -> None:
        """As if nothing had been."""
        self.world.faults.clear()
        self.world.settings["late_commit_ms"] = 0
        self.changed.clear()

    # what stands there

    def deals(self) -> Sequence[Deal]:
        """Every live deal."""
        with self.world.lock:
            found = [
                Deal(
                    one.id,
                    won=one.stage.won,
                    closed=one.stage.closed,
                    won_at=(self.view.wins(one.id) or [one.created_at])[-1] if one.stage.won else None,
                    account_id=one.account or None,
                    values={
                        **one.fields,
                        "name": one.name,
                        "amount": None if one.amount is None else Decimal(one.amount),
                    },
                )
                for one in self.view.deals()
            ]
        return sorted(found, key=lambda one: one.id)

    def accounts(self) -> Sequence[str]:
        """Every live account."""
        with self.world.lock:
            return sorted(each.id for each in self.view.accounts())

    def hung(self, deal_id: str | None = None) -> Sequence[Hung]:
        """What hangs on a deal, or was ever made."""
        with self.world.lock:
            return list(self._hung(deal_id))

    def _hung(self, deal_id: str | None) -> Iterator[Hung]:
        for name, kind in self.tables.items():
            if kind in (Kind.DEAL, Kind.ACCOUNT):
                continue
            for row in list(self.world.table(name).rows.values()):
                on, gone = self._parent(kind, row), row.deleted_at is not None
                if deal_id is not None and (gone or on != deal_id):
                    continue
                text = str(row.values.get(self._field(kind, "subject" if kind is not Kind.NOTE else "body")) or "")
                ours = self.is_us(row.created_by)
                yield Hung(kind, row.id, self.key(kind, row), on, text, ours=ours, gone=gone, values=row.values)

    @abstractmethod
    def _parent(self, kind: Kind, row: Row) -> str: ...

    def _field(self, kind: Kind, name: str) -> str:
        return next(one.field for one in self.map.fields.values() if one.kind is kind and one.name == name)

    def _table(self, kind: Kind) -> Table:
        return self.world.table(next(name for name, each in self.tables.items() if each is kind))


def plain(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values as people's screens take them."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _filling(of_type: FieldType) -> Value:
    """Something that fills a field of this type."""
    match of_type:
        case FieldType.DATE:
            return date(2026, 12, 15)
        case FieldType.NUMBER:
            return Decimal(18000)
        case _:
            return "What the customer said, in a rep's words"


@contextmanager
def running() -> Iterator[Sandbox]:
    """One sandbox for many worlds; its rates, which go by real time, are lifted."""
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        yield sandbox
