"""The CRM in memory as a hostile place: many examples a second, strict as the strictest vendor.

Not here: the real adapters (``vendors``). Faults are acted out where a vendor's would be: before the work, after it,
in the middle of a batch, in single rows, and in what the feed tells.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from factories import HANDOFF_FIELDS, MANAGER, MAYA, PEOPLE, PRIYA, STAGES, TOMAS, WON_STAGE, a_policy

from chaos.machine.place import Book, Deal, Hung, Wrote
from connector.clock import ManualClock
from connector.crm.memory import LOST, MemoryCRM
from connector.crm.memory_fields import Refusal
from connector.crm.memory_past import SELF
from connector.crm.memory_rows import Row
from connector.crm.port import CRM, ChangePage, DealFacts
from connector.crm.writing import Refused, Unknown, Write, WriteOutcome
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import Kind, Person, Record, SystemName, Value

AE_TOO = "u-ae-2"
HANGING = (Kind.TASK, Kind.NOTE, Kind.MEETING)

CALLS: Mapping[str, FaultCode] = {
    "throttled": FaultCode.THROTTLED,
    "away": FaultCode.UNAVAILABLE,
    "session ended": FaultCode.AUTH_REVOKED,
    "day spent": FaultCode.QUOTA_EXHAUSTED,
}
"""Faults of whole calls, before any work was done."""

ROWS: Mapping[str, FaultCode] = {"row locked": FaultCode.ROW_LOCKED, "conflict": FaultCode.CONFLICT}
"""Faults of single rows."""

FEED = ("told twice", "told in disorder", "told late")
WRITING = ("reply lost", "half a batch")


class HostileCRM(MemoryCRM):
    """The CRM in memory with everything a vendor may do wrong; ``book`` notes each write of the connector."""

    def __init__(self, book: Book, **named: Any) -> None:
        super().__init__(**named)
        self.book = book
        self.planted: dict[str, int] = {}
        self.hidden: set[str] = set()
        self.dropped: set[str] = set()
        self.bin: dict[str, list[Row]] = {}
        self.ever: dict[str, Row] = {}

    def strikes(self, fault: str) -> bool:
        """Whether a planted fault strikes now; it is used up by one."""
        if not self.planted.get(fault):
            return False
        self.planted[fault] -= 1
        self.book.struck[fault] += 1
        return True

    def _called(self, label: str) -> None:
        for fault, code in CALLS.items():
            if self.strikes(fault):
                raise CrmError(Fault(code, fault.upper(), f"{label}: {fault}"))
        super()._called(label)

    def changes(self, feed: str, cursor: str) -> ChangePage:
        """As told, or twice, or in another order."""
        page = super().changes(feed, cursor)
        told = list(page.changes)
        if told and self.strikes("told twice"):
            told += told
        if told != told[::-1] and self.strikes("told in disorder"):
            told.reverse()
        return replace(page, changes=tuple(told))

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """As it is done, or done and the answer lost, or half of it done and the answer lost."""
        if self.planted.get("half a batch") and self.strikes("half a batch"):
            super().apply(writes[: (len(writes) + 1) // 2])
            return tuple(Unknown(LOST) for _ in writes)
        outcomes = super().apply(writes)
        if self.strikes("reply lost"):
            return tuple(Unknown(LOST) for _ in writes)
        return outcomes

    def _apply_row(self, write: Write) -> WriteOutcome:
        for fault, code in ROWS.items():
            if self.strikes(fault):
                return Refused(Fault(code, fault.upper(), f"{fault}, try again"))
        if write.kind is Kind.DEAL and (refused := self._not_his(write)):
            return Refused(refused)
        return super()._apply_row(write)

    def _not_his(self, write: Write) -> Fault | None:
        for name, value in write.values.items():
            if name in self.hidden:
                self.book.struck["field revoked"] += 1
                return Fault(FaultCode.NOT_PERMITTED, "FIELD_HIDDEN", f"you may not write {name}")
            if name in self.dropped and value is not None:
                self.book.struck["choice dropped"] += 1
                return Fault(FaultCode.REJECTED, "BAD_CHOICE", f"{name}: {value!r} is not one of its values")
        return None

    def _tell(self, deal_id: str, *, by: str) -> None:
        if self._late:
            self.book.struck["told late"] += 1
            self.book.blind = True
        super()._tell(deal_id, by=by)

    def _facts(self, row: Row) -> DealFacts:
        facts = super()._facts(row)
        seen = {name: value for name, value in facts.deal.values.items() if name not in self.hidden}
        return replace(facts, deal=Record(facts.deal.ref, seen))

    def _set(self, row: Row, values: Mapping[str, Value], *, by: str) -> None:
        before = dict(row.values)
        made = row.id not in self.ever
        self.ever[row.id] = row
        super()._set(row, values, by=by)
        after = {name: row.values.get(name) for name in values if made or row.values.get(name) != before.get(name)}
        if by == SELF:
            stood = {name: before.get(name) for name in after}
            self.book.we_wrote(Wrote(row.kind, row.id, row.key or "", made, stood, after))
        elif not made:
            self.book.people_wrote(row.id, after)

    def throw_away(self, deal_id: str) -> None:
        """A deal goes to the recycle bin with all that hangs on it."""
        rows = [
            self._rows[deal_id],
            *(self._rows[each] for each in self._hanging.get(deal_id, ()) if each in self._rows),
        ]
        self.bin[deal_id] = rows
        self.delete(deal_id)

    def take_out(self, deal_id: str) -> bool:
        """And comes back; False when it is not there."""
        rows = self.bin.pop(deal_id, [])
        for row in rows:
            self._rows[row.id] = row
            if row.id != deal_id:
                self._hanging[deal_id].append(row.id)
            if row.key:
                self._by_key[row.kind, row.key] = row.id
        if rows:
            rows[0].modified_at = self.server_time()
            self._tell(deal_id, by="person")
        return bool(rows)

    def give_account(self, deal_id: str, account_id: str | None) -> None:
        """A person puts a deal under another account."""
        row = self._rows[deal_id]
        row.account_id, row.modified_at, row.by = account_id, self.server_time(), "person"
        self._tell(deal_id, by="person")


class MemoryPlace:
    """Implements `chaos.machine.place.Place` over the CRM in memory."""

    system = SystemName("mem")
    won: str = WON_STAGE.id
    lost: str = "Closed Lost"
    opens: tuple[str, ...] = ("Negotiation",)
    reps: tuple[str, ...] = ("u-ae", AE_TOO)
    csms: tuple[str, ...] = (MAYA, TOMAS, PRIYA)
    full: Mapping[str, Value] = HANDOFF_FIELDS
    approver: str = MANAGER
    merges_deals: bool = True
    refusals: type[Exception] = Refusal
    faults: tuple[str, ...] = (*CALLS, *ROWS, *FEED, *WRITING)
    pickable: tuple[str, ...] = ("status", "gate")
    hideable: tuple[str, ...] = ("summary", "missing", "champion", "csm")

    def __init__(self, *, start: datetime, notes_have_keys: bool) -> None:
        self.name = "memory"
        self.policy = a_policy()
        self.book = Book()
        self._clock = ManualClock(start)
        people = (*PEOPLE.values(), Person(AE_TOO, "omar.diaz@seller.example", "Omar Diaz", manager_id=MANAGER))
        self._people = {each.id: each for each in people}
        self.crm = HostileCRM(
            self.book,
            system=self.system,
            clock=self._clock,
            people=people,
            stages=list(STAGES.values()),
            notes_have_keys=notes_have_keys,
            tells_history=notes_have_keys,
        )

    def connected(self) -> CRM:
        """It keeps nothing of a process."""
        return self.crm

    def now(self) -> datetime:
        """The vendor's time."""
        return self._clock.now()

    def advance(self, seconds: float) -> None:
        """The vendor's clock moves."""
        self._clock.advance(timedelta(seconds=seconds))

    # people

    def add_account(self, name: str) -> str:
        """A person makes an account."""
        return self.crm.add_account(name=name, industry="energy")

    def add_deal(self, account_id: str | None, values: Mapping[str, Value]) -> str:
        """A person makes a deal."""
        return self.crm.add_deal(stage=self.opens[0], account_id=account_id, **_loose(values))

    def edit(self, deal_id: str, values: Mapping[str, Value]) -> None:
        """A person edits a deal."""
        rest = dict(values)
        if "account" in rest:
            account = rest.pop("account")
            self.crm.give_account(deal_id, str(account) if account else None)
        if rest:
            self.crm.edit(deal_id, **_loose(rest))

    def edit_account(self, account_id: str, values: Mapping[str, Value]) -> None:
        """A person edits an account."""
        self.crm.edit(account_id, **_loose(values))

    def move(self, deal_id: str, stage: str) -> None:
        """A person drags a deal to a stage."""
        self.crm.edit(deal_id, stage=stage)

    def delete(self, deal_id: str) -> None:
        """A person deletes a deal."""
        self.crm.throw_away(deal_id)

    def restore(self, deal_id: str) -> bool:
        """And takes it out of the bin."""
        return self.crm.take_out(deal_id)

    def merge_deals(self, winner: str, loser: str) -> None:
        """A person merges two deals."""
        self.crm.merge(winner, loser)

    def merge_accounts(self, winner: str, loser: str) -> None:
        """A person merges two accounts."""
        for deal in self.deals():
            if deal.account_id == loser:
                self.crm.give_account(deal.id, winner)
        self.crm.delete(loser)

    def set_active(self, person: str, active: bool) -> None:
        """Somebody leaves, or comes back."""
        self.crm.set_person(replace(self._people[person], active=active))

    def complete_task(self, hung: Hung) -> None:
        """A person ticks a task off."""
        self.crm.edit(hung.id, status="done")

    def edit_hung(self, hung: Hung, text: str) -> None:
        """A person writes into a task or note."""
        name = "body" if hung.kind is Kind.NOTE else "subject"
        self.crm.edit(hung.id, **{name: text})

    def delete_hung(self, hung: Hung) -> None:
        """A person deletes a task or note."""
        self.crm.delete(hung.id)

    # fate

    def plant(self, fault: str, count: int) -> None:
        """The next so many times it can strike, it does."""
        if fault == "told late":
            self.crm.commit_late(timedelta(seconds=60 * count))
        else:
            self.crm.planted[fault] = count

    def drop_choice(self, name: str) -> None:
        """An admin takes the values off a list."""
        self.crm.dropped.add(name)

    def hide(self, name: str) -> None:
        """An admin hides a field from the connector."""
        self.crm.hidden.add(name)

    def heal(self) -> None:
        """As if nothing had been."""
        self.crm.planted.clear()
        self.crm.hidden.clear()
        self.crm.dropped.clear()
        self.crm.commit_late(timedelta())

    # what stands there

    def deals(self) -> Sequence[Deal]:
        """Every live deal."""
        return [
            Deal(
                row.id,
                won=STAGES[str(row.values["stage"])].is_won,
                closed=STAGES[str(row.values["stage"])].is_closed,
                won_at=row.stages[-1][0] if STAGES[str(row.values["stage"])].is_won else None,
                account_id=row.account_id if row.account_id in self.crm._rows else None,
                values=copy.copy(row.values),
            )
            for row in self.crm.rows(Kind.DEAL)
        ]

    def accounts(self) -> Sequence[str]:
        """Every live account."""
        return [row.id for row in self.crm.rows(Kind.ACCOUNT)]

    def hung(self, deal_id: str | None = None) -> Sequence[Hung]:
        """What hangs on a deal, or was ever made."""
        live = self.crm._rows
        rows = [row for row in self.crm.ever.values() if row.kind in HANGING]
        return [
            Hung(
                row.kind,
                row.id,
                row.key or "",
                row.deal_id,
                str(row.values.get("subject") or row.values.get("body") or ""),
                ours=bool(row.key),
                gone=row.id not in live,
                values=row.values,
            )
            for row in rows
            if deal_id is None or (row.deal_id == deal_id and row.id in live)
        ]


def _loose(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values to be handed on by name."""
    return dict(values)
