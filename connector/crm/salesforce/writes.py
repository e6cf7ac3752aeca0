"""Sending rows by sObject Collections, 200 at a time, with one outcome per row.

Not here: what to send and when (``engine``). Rows with a record id are updated by it; rows without are upserted by our
key where the object can carry one, and created where it cannot: a note must have been looked for before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connector.crm.batch import chunks, waves
from connector.crm.port import Applied, Refused, Unknown, Write, WriteOutcome
from connector.crm.salesforce.faults import odd_answer, of_row
from connector.crm.salesforce.fields import Names
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.wire import fields_of
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.handoff.model import Kind

BATCH = 200
"""Records of one Collections call (facts: Salesforce §3.1)."""

KEYED = frozenset({Kind.TASK, Kind.MEETING})
"""Objects whose custom external id makes an upsert possible (facts: Salesforce §3.4)."""

COLLECTIONS = "composite/sobjects"


class Verb(StrEnum):
    """The three Collections calls."""

    UPDATE = "collections.update"
    UPSERT = "collections.upsert"
    CREATE = "collections.create"


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
        rows: dict[Verb, list[_Row]] = {}
        for place, write in enumerate(writes):
            verb = self._verb(write)
            rows.setdefault(verb, []).append(_Row(place=place, write=write, sent=self._sent(write, verb)))
        outcomes: dict[int, WriteOutcome] = {}
        for verb, group in rows.items():
            # Rows of one account side by side: fewer lock conflicts (facts: Salesforce §3.1).
            group.sort(key=lambda row: (_account_of(row.write), row.write.record_id or "", row.place))
            for wave in waves(group, identity=_identity):
                for part in chunks(wave, size=BATCH):
                    self._send(verb, part, outcomes)
        return tuple(outcomes[place] for place in range(len(writes)))

    def _verb(self, write: Write) -> Verb:
        if write.record_id:
            return Verb.UPDATE
        return Verb.UPSERT if write.kind in KEYED and self._key_field(write.kind) else Verb.CREATE

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


def _outcome(row: _Row, result: Any, *, key_field: str | None) -> WriteOutcome:
    if not isinstance(result, Mapping):
        return Unknown(odd_answer("a row's result is not an object"))
    if result.get("success"):
        record_id = str(result.get("id") or row.write.record_id or "")
        return Applied(record_id) if record_id else Unknown(odd_answer("a row succeeded without an id"))
    fault: Fault = of_row(result.get("errors") or (), key_field=key_field)
    return Refused(fault)


def _identity(row: _Row) -> str:
    """Two rows of one record cannot travel in one call: the vendor refuses doubled ids and keys."""
    return row.write.record_id or row.write.key or f"row {row.place}"


def _account_of(write: Write) -> str:
    return next((ref.id for ref in write.parents if ref.kind is Kind.ACCOUNT), "")
