"""Sending rows by sObject Collections, 200 at a time, with one outcome per row.

Not here: what to send and when (``engine``). Rows with a record id are updated by it; rows without are made by our key
in the way the org allows (``keys``). A note is created: it must have been looked for before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from connector.crm.batch import chunks, waves
from connector.crm.salesforce import lookups, members, pairs
from connector.crm.salesforce.faults import odd_answer, of_row
from connector.crm.salesforce.fields import ACTIVITIES, Names
from connector.crm.salesforce.keys import KeyMode
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import ALIVE, select_in
from connector.crm.salesforce.wire import fields_of
from connector.crm.writing import (
    Applied,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.handoff.model import Kind

BATCH = 200
"""Records of one Collections call (facts: Salesforce §3.1)."""

KEYED = ACTIVITIES
"""Objects whose custom external id makes an upsert possible (facts: Salesforce §3.4)."""

COLLECTIONS = "composite/sobjects"


SILENT = "Amount"
"""Of an opportunity with products: a write of it succeeds and changes nothing (facts: Salesforce §7)."""

CENT = Decimal("0.01")


class Verb(StrEnum):
    """The three Collections calls, and the one that makes a row and its key's row together."""

    UPDATE = "collections.update"
    UPSERT = "collections.upsert"
    CREATE = "collections.create"
    PAIR = "composite.graph"


MAKING: Mapping[KeyMode, Verb] = {
    KeyMode.UPSERT: Verb.UPSERT,
    KeyMode.LEDGER: Verb.PAIR,
    KeyMode.MARKER: Verb.CREATE,
}
METHODS: Mapping[Verb, str] = {Verb.UPDATE: "PATCH", Verb.UPSERT: "PATCH", Verb.CREATE: "POST"}


@dataclass(frozen=True, slots=True)
class _Row:
    """One row on its way: where it stood in the request, and what is sent."""

    place: int
    write: Write
    sent: Mapping[str, Any]


class Writer:
    """Sends batches to one org."""

    def __init__(self, session: SalesforceSession, names: Names) -> None:
        self._session = session
        self._names = names

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """One outcome per row, in order. Raises `CrmError` only when nothing at all was sent."""
        if writes and writes[0].kind is Kind.MEMBER:
            return self._join(writes)
        rows: dict[Verb, list[_Row]] = {}
        for place, write in enumerate(self._looked_for(writes)):
            verb = self._verb(write)
            rows.setdefault(verb, []).append(_Row(place=place, write=write, sent=self._sent(write, verb)))
        outcomes: dict[int, WriteOutcome] = {}
        for verb, group in rows.items():
            if verb is Verb.PAIR:
                self._send_pairs(group, outcomes)
                continue
            # Rows of one account side by side: fewer lock conflicts (facts: Salesforce §3.1).
            group.sort(key=lambda row: (_account_of(row.write), row.write.record_id or "", row.place))
            for wave in waves(group, identity=_identity):
                for part in chunks(wave, size=BATCH):
                    self._send(verb, part, outcomes)
            self._read_back(group, outcomes)
        return tuple(outcomes[place] for place in range(len(writes)))

    def _join(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        going = [write for write in writes if members.leaves(write)]
        gone = iter(self._take_off(going) if going else ())
        coming = [write for write in writes if not members.leaves(write)]
        put = iter(self._put_on(coming) if coming else ())
        return tuple(next(gone) if members.leaves(write) else next(put) for write in writes)

    def _take_off(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """Take people off deals' teams who are there in the role in which they were put there."""
        try:
            known = members.on_deals(self._session, writes, role=self._names.crm_map.teams.deal)
            ids = sorted({known[seat] for write in writes if (seat := members.seat(write)) in known})
            told: dict[str, WriteOutcome] = {}
            for part in chunks(ids, size=BATCH):
                path = f"{COLLECTIONS}?ids={','.join(part)}&allOrNone=false"
                answer = self._session.write("collections.delete", path, method="DELETE", body=None)
                results = answer if isinstance(answer, list) and len(answer) == len(part) else [None] * len(part)
                told.update((each, _taken_off(each, one)) for each, one in zip(part, results, strict=True))
        except CrmError as error:
            if error.fault.advice is Advice.VERIFY:
                return tuple(Unknown(error.fault) for _ in writes)
            if error.fault.advice is Advice.PARK:
                return tuple(Refused(error.fault) for _ in writes)
            raise
        # Who is not there, or in another role by now, is a person's business.
        return tuple(told.get(known.get(members.seat(write), ""), Applied(write.parents[0].id)) for write in writes)

    def _put_on(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        outcomes: dict[int, WriteOutcome] = {}
        try:
            known = members.on_accounts(self._session, writes)
        except CrmError as error:
            if error.fault.advice is not Advice.PARK:
                raise
            # No teams on accounts here, or none that this login may see: those of deals are another matter.
            known = {}
            hidden = Refused(error.fault)
            outcomes.update({place: hidden for place, each in enumerate(writes) if members.seat(each)[0] == "account"})
        first: dict[members.Seat, int] = {}
        for place, write in enumerate(writes):
            first.setdefault(members.seat(write), place)
        # Rows of one account side by side: each of its team locks it (facts: Salesforce §6.6).
        rows = [
            _Row(place, writes[place], members.sent(writes[place], self._names.crm_map, known=known))
            for place in sorted(first.values(), key=lambda place: _account_of(writes[place]))
            if place not in outcomes
        ]
        for verb, group in (
            (Verb.CREATE, [row for row in rows if "id" not in row.sent]),
            (Verb.UPDATE, [row for row in rows if "id" in row.sent]),
        ):
            # Types side by side: a request may change its type ten times only (facts: Salesforce §3.1).
            group.sort(key=lambda row: str(row.sent["attributes"]["type"]))
            for part in chunks(group, size=BATCH):
                self._send(verb, part, outcomes)
        # Two deals of one account put its CSM on the account's team once: one row, and both have its outcome.
        return tuple(outcomes[first[members.seat(write)]] for write in writes)

    def _verb(self, write: Write) -> Verb:
        if write.record_id:
            return Verb.UPDATE
        if write.kind not in KEYED:
            return Verb.CREATE
        return MAKING[self._names.key_mode]

    def _looked_for(self, writes: Sequence[Write]) -> list[Write]:
        """Where nothing but this writer keeps a key from being used twice, what is there already is updated."""
        if self._names.key_mode is not KeyMode.MARKER:
            return list(writes)
        found: dict[tuple[Kind, str], str] = {}
        for kind in KEYED:
            keys = {
                write.key: write.parents[0].id
                for write in writes
                if write.kind is kind and write.key and write.parents and not write.record_id
            }
            if keys:
                told = lookups.find(self._session, self._names, kind, keys)
                found.update({(kind, key): record_id for key, record_id in told.items()})
        return [
            dataclasses.replace(write, record_id=found[write.kind, write.key])
            if not write.record_id and write.key and (write.kind, write.key) in found
            else write
            for write in writes
        ]

    def _send_pairs(self, rows: Sequence[_Row], outcomes: dict[int, WriteOutcome]) -> None:
        """Make what is not there yet; what turns out to be there is brought up to date, as an upsert would."""
        made = pairs.make(self._session, [self._pair(row) for row in rows])
        outcomes.update(zip((row.place for row in rows), made, strict=True))
        there = [
            row
            for row, outcome in zip(rows, made, strict=True)
            if isinstance(outcome, Refused) and outcome.fault.code is FaultCode.DUPLICATE
        ]
        if not there:
            return
        keys = {row.write.key or "": row.write.parents[0].id for row in there}
        try:
            known = lookups.find(self._session, self._names, there[0].write.kind, keys)
        except CrmError:
            return  # refused as duplicates, which has the deals read again: nothing is lost but time
        writes = [
            (row.place, dataclasses.replace(row.write, record_id=known.get(row.write.key or ""))) for row in there
        ]
        updates = [
            _Row(place=place, write=write, sent=self._sent(write, Verb.UPDATE))
            for place, write in writes
            if write.record_id
        ]
        for part in chunks(updates, size=BATCH):
            self._send(Verb.UPDATE, part, outcomes)
        for row in updates:
            outcome = outcomes[row.place]
            if isinstance(outcome, Refused) and outcome.fault.code is FaultCode.RECORD_GONE:
                # It was made, or its key would not be kept: a person threw it away, and it is not made again.
                outcomes[row.place] = Applied(str(row.sent["id"]))

    def _pair(self, row: _Row) -> pairs.Pair:
        write = row.write
        return pairs.Pair(
            object_name=self._names.object(write.kind),
            values=row.sent,
            key=write.key or "",
            deal_id=write.parents[0].id if write.parents else "",
        )

    def _sent(self, write: Write, verb: Verb) -> dict[str, Any]:
        names = self._names
        sent = {"attributes": {"type": names.object(write.kind)}, **fields_of(write, names)}
        if verb is Verb.UPDATE:
            return {**sent, "id": write.record_id}
        parent = names.column(write.kind, "deal")
        if parent and write.parents:
            sent[parent] = write.parents[0].id
        key_field = self._key_field(write.kind)
        if key_field and write.key:
            sent[key_field] = write.key
        return sent

    def _key_field(self, kind: Kind) -> str | None:
        return self._names.column(kind, "key") if kind in KEYED else None

    def _send(self, verb: Verb, rows: Sequence[_Row], outcomes: dict[int, WriteOutcome]) -> None:
        kind = rows[0].write.kind
        key_field = self._key_field(kind)
        path = f"{COLLECTIONS}/{self._names.object(kind)}/{key_field}" if verb is Verb.UPSERT else COLLECTIONS
        body = {"allOrNone": False, "records": [dict(row.sent) for row in rows]}
        try:
            answer = self._session.write(verb.value, path, method=METHODS[verb], body=body)
        except CrmError as error:
            self._failed(verb, rows, outcomes, error)
            return
        if not isinstance(answer, list) or len(answer) != len(rows):
            lost = Unknown(odd_answer(f"{len(rows)} rows were sent and the answer is not {len(rows)} results"))
            outcomes.update({row.place: lost for row in rows})
            return
        for row, result in zip(rows, answer, strict=True):
            outcomes[row.place] = _outcome(row, result, key_field=key_field)

    def _read_back(self, rows: Sequence[_Row], outcomes: dict[int, WriteOutcome]) -> None:
        """Ask again for fields that Salesforce may pass over in silence, and only for those."""
        doubtful = [
            row for row in rows if SILENT in row.sent and "id" in row.sent and isinstance(outcomes[row.place], Applied)
        ]
        if not doubtful:
            return
        ids = sorted({str(row.sent["id"]) for row in doubtful})
        asked = select_in(["Id", SILENT], of=self._names.object(Kind.DEAL), where=ALIVE, field="Id")
        try:
            told = list(self._session.read_all(list(asked.of(ids))))
        except CrmError:
            return  # the rows are done as far as the vendor says; the next look reads them again
        kept = {str(row["Id"]): row.get(SILENT) for _, row in told}
        for row in doubtful:
            asked, now = row.sent[SILENT], kept.get(str(row.sent["id"]), row.sent[SILENT])
            if not _same_amount(asked, now):
                words = (
                    f"Salesforce accepted {SILENT} = {asked} and kept {now}: an opportunity with products takes its "
                )
                words += "amount from them. What to do: take the amount out of what the connector writes"
                outcomes[row.place] = Refused(Fault(FaultCode.REJECTED, "VALUE_NOT_KEPT", words))

    def _failed(self, verb: Verb, rows: Sequence[_Row], outcomes: dict[int, WriteOutcome], error: CrmError) -> None:
        """A whole call failed: lost is unknown; refused for what it held is tried in halves; else nothing was done."""
        fault = error.fault
        if fault.advice is Advice.VERIFY:
            outcomes.update({row.place: Unknown(fault) for row in rows})
        elif fault.code is FaultCode.REJECTED and len(rows) > 1:
            # One row's unknown field or malformed value spoils the whole request before any row is looked at.
            middle = len(rows) // 2
            self._send(verb, rows[:middle], outcomes)
            self._send(verb, rows[middle:], outcomes)
        elif outcomes or fault.advice is Advice.PARK:
            outcomes.update({row.place: Refused(fault) for row in rows})
        else:
            raise error


def _taken_off(record_id: str, result: Any) -> WriteOutcome:
    if not isinstance(result, Mapping):
        return Unknown(odd_answer("a deleted row's result is not an object"))
    return Applied(record_id) if result.get("success") else Refused(of_row(result.get("errors") or (), key_field=None))


def _outcome(row: _Row, result: Any, *, key_field: str | None) -> WriteOutcome:
    if not isinstance(result, Mapping):
        return Unknown(odd_answer("a row's result is not an object"))
    if result.get("success"):
        record_id = str(result.get("id") or row.write.record_id or "")
        return Applied(record_id) if record_id else Unknown(odd_answer("a row succeeded without an id"))
    fault: Fault = of_row(result.get("errors") or (), key_field=key_field)
    return Refused(fault)


def _same_amount(asked: Any, kept: Any) -> bool:
    if asked is None or kept is None:
        return asked is kept
    return abs(Decimal(str(asked)) - Decimal(str(kept))) <= CENT


def _identity(row: _Row) -> str:
    """Two rows of one record cannot travel in one call: the vendor refuses doubled ids and keys."""
    return row.write.record_id or row.write.key or f"row {row.place}"


def _account_of(write: Write) -> str:
    return next((ref.id for ref in write.parents if ref.kind is Kind.ACCOUNT), "")
