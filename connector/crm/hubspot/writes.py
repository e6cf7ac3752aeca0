"""Writing to HubSpot: updates of deals and companies; tasks, notes and meetings by natural key with their links.

Not here: judging an answer (``delivery``), translating values (``fields``). An activity counts as applied only when
the portal confirmed the record and, after it, each of its links: the account's first and the deal's last, so that a
record found on its deal is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.crm.batch import chunks, waves
from connector.crm.hubspot import associations, wire
from connector.crm.hubspot.associations import CREATE_LIMIT, Pair
from connector.crm.hubspot.delivery import Confirmed, Delivery, Judged, Post, Row, trace_of
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.fields import Fields
from connector.crm.hubspot.lesser import send_without
from connector.crm.hubspot.reads import Reader
from connector.crm.hubspot.session import Session
from connector.crm.writing import (
    Applied,
    Operation,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import FIX, Fault, FaultCode
from connector.handoff.model import Kind, Ref, Value

WRITE_LIMIT = 100
"""Inputs per batch write (facts: HubSpot §3a)."""

KEYED = (Kind.TASK, Kind.NOTE, Kind.MEETING, Kind.EMAIL)
OPTIONAL = frozenset({Kind.MEETING, Kind.EMAIL})
"""Of these a portal may have no place for the key; then none is made, and reads look for none."""

EXTRA: Mapping[Kind, tuple[str, ...]] = {
    Kind.DEAL: ("pinned",),
    Kind.ACCOUNT: (),
    Kind.TASK: ("queue", "priority", "type"),
    Kind.NOTE: (),
    Kind.MEETING: ("attendees",),
    Kind.EMAIL: (),
}
"""What a record can do without: a queue that is gone, or a note that cannot be pinned, stops no handoff."""

TRACE = "objectWriteTraceId"

NO_KEY = (
    f"{{key}}: none is mapped, or the portal has not got its property. {FIX}map it, have handoff provision make it, "
    "start the daemon again; then: handoff retry"
)
"""Why a record is not made that nobody would find again."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the portal told at `connect` that writing depends on: its time, and the pipeline of a stage."""

    now: Callable[[], datetime]
    pipeline: Callable[[str], str]


class Writer:
    """Writes for one system. ``native`` holds the kinds whose key the portal itself keeps unique."""

    def __init__(self, session: Session, fields: Fields, reader: Reader, *, told: Told) -> None:
        self._session = session
        self._fields = fields
        self._reader = reader
        self._told = told
        self.native: frozenset[Kind] = frozenset(KEYED)
        self._known = {
            Kind.TASK: fields.task,
            Kind.NOTE: fields.note,
            Kind.MEETING: fields.meeting,
            Kind.EMAIL: fields.email,
        }
        self._fresh = {
            Kind.TASK: fields.new_task,
            Kind.NOTE: fields.new_note,
            Kind.MEETING: fields.new_meeting,
            Kind.EMAIL: fields.new_email,
        }

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """One outcome per row, in order. Raises `CrmError` only when nothing was sent."""
        kinds = {(write.kind, write.operation) for write in writes}
        if len(kinds) > 1:
            raise ValueError("a batch holds one kind and one operation")
        delivery = Delivery()
        rows = list(enumerate(writes))
        updates = [(index, write) for index, write in rows if write.record_id]
        fresh = [(index, write) for index, write in rows if not write.record_id]
        if any(write.operation is Operation.UPDATE or write.kind not in KEYED for _, write in fresh):
            raise ValueError("only tasks, notes and meetings can be made; an update needs a record id")
        if fresh and fresh[0][1].kind not in self.native and self._fields.key(fresh[0][1].kind):
            known, fresh = self._split_known(fresh)
            updates += known
        self._update(updates, delivery)
        if fresh:
            self._make(fresh, delivery)
        return tuple(delivery.outcomes[index] for index, _ in rows)

    def find(self, kind: Kind, keys: Mapping[str, str]) -> dict[str, str]:
        """Records by key. One that was made but does not hang on its deal yet is hung there; if that fails, it is not
        complete and so not found."""
        if kind not in KEYED or not keys or not self._fields.key(kind):
            return {}
        if kind not in self.native:
            return self._on_deals(kind, keys)
        found = self._reader.by_key(kind, tuple(keys))
        links = associations.read(self._session, self._fields.object(kind), "deals", tuple(found.values()))
        loose = {
            key: record_id
            for key, record_id in found.items()
            if not any(link.id == keys[key] for link in links.get(record_id, ()))
        }
        left = self._hang(kind, loose, keys) if loose else frozenset()
        return {key: record_id for key, record_id in found.items() if key not in left}

    def _hang(self, kind: Kind, loose: Mapping[str, str], keys: Mapping[str, str]) -> frozenset[str]:
        """Make the links of records by key; returns the keys that could not be hung on their deal."""
        deal_ids = tuple(keys[key] for key in loose)
        companies = associations.read(self._session, "deals", self._fields.object(Kind.ACCOUNT), deal_ids)
        delivery = Delivery()
        writes = []
        for index, (key, record_id) in enumerate(loose.items()):
            company = associations.primary(companies.get(keys[key], ()))
            parents = (Ref(Kind.DEAL, keys[key]), *((Ref(Kind.ACCOUNT, company),) if company else ()))
            writes.append((index, Write(kind, Operation.UPSERT, {}, key=key, parents=parents)))
            delivery.outcomes[index] = Applied(record_id)
        self._link(self._fields.object(kind), writes, delivery)
        return frozenset(str(write.key) for index, write in writes if not isinstance(delivery.outcomes[index], Applied))

    def _on_deals(self, kind: Kind, keys: Mapping[str, str]) -> dict[str, str]:
        """Records by key among those on the deals: for portals that do not keep keys unique."""
        object_name = self._fields.object(kind)
        links = associations.read(self._session, "deals", object_name, tuple(keys.values()))
        name = self._fields.key(kind)
        rows = self._reader.rows(object_name, associations.ids(links), (name,))
        held = {row.get(name): row.id for row in rows.values()}
        return {key: held[key] for key in keys if key in held}

    def _split_known(self, fresh: list[tuple[int, Write]]) -> tuple[list[tuple[int, Write]], list[tuple[int, Write]]]:
        keys = {write.key: write.parents[0].id for _, write in fresh if write.key and write.parents}
        held = self._on_deals(fresh[0][1].kind, keys)
        known = [(index, _with_id(write, held[write.key])) for index, write in fresh if write.key in held]
        return known, [(index, write) for index, write in fresh if write.key not in held]

    def _update(self, writes: Sequence[tuple[int, Write]], delivery: Delivery) -> None:
        """Change records by id. Two changes of one record may not share a call, so they travel one after the other."""
        rows = [
            Row(
                index=index,
                name=str(write.record_id),
                input={"id": write.record_id, "properties": self._changed(write), TRACE: trace_of(index)},
            )
            for index, write in writes
        ]
        if not rows:
            return
        object_name = self._fields.object(writes[0][1].kind)
        rewritten: dict[str, wire.Obj] = {}
        for wave in waves(rows, identity=lambda row: row.name):
            for part in chunks(wave, size=WRITE_LIMIT):
                delivery.deliver(part, self._batch(object_name, "update", rewritten=rewritten))
        self._settle_less(rows, writes, delivery, self._batch(object_name, "update", rewritten=rewritten))
        for index, write in writes:
            done = delivery.outcomes[index]
            if isinstance(done, Applied) and done.record_id in rewritten and write.kind not in KEYED:
                kept = self._fields.kept(write.kind, write.values, rewritten[done.record_id])
                delivery.outcomes[index] = replace(done, kept=tuple(kept.items()))

    def _settle_less(
        self, rows: Sequence[Row], writes: Sequence[tuple[int, Write]], delivery: Delivery, post: Post
    ) -> None:
        """Write what can be written of rows that one property kept from it, and say which values those are."""
        kind = writes[0][1].kind
        optional = frozenset(self._fields.property(kind, name) for name in EXTRA[kind] if self._fields.has(kind, name))
        left = send_without(rows, delivery, post, optional=optional, size=WRITE_LIMIT)
        for index, write in writes:
            done = delivery.outcomes[index]
            if index in left and isinstance(done, Applied):
                names = (name for name in write.values if self._fields.property(kind, name) in left[index])
                delivery.outcomes[index] = replace(done, left=frozenset(names))

    def _make(self, writes: Sequence[tuple[int, Write]], delivery: Delivery) -> None:
        kind = writes[0][1].kind
        object_name, key_name = self._fields.object(kind), self._fields.key(kind)
        native = kind in self.native
        rows = []
        for index, write in writes:
            if not write.key or not key_name:
                fault = Fault(FaultCode.REJECTED, "NO_KEY", NO_KEY.format(key=f"{kind.value}.key"))
                delivery.outcomes[index] = Refused(fault)
                continue
            made: dict[str, object] = {"properties": self._new(write, write.key), TRACE: trace_of(index)}
            if native:
                made |= {"id": write.key, "idProperty": key_name}
            else:
                made |= {"associations": _inline(object_name, write)}
            rows.append(Row(index=index, name=write.key, input=made))
        operation = "upsert" if native else "create"
        for wave in waves(rows, identity=lambda row: row.name):
            for part in chunks(wave, size=WRITE_LIMIT):
                delivery.deliver(part, self._batch(object_name, operation, key_name=key_name))
        if rows:
            self._settle_less(rows, writes, delivery, self._batch(object_name, operation, key_name=key_name))
        if native:
            made_rows = [(index, write) for index, write in writes if isinstance(delivery.outcomes[index], Applied)]
            self._link(object_name, made_rows, delivery)

    def _link(self, object_name: str, writes: Sequence[tuple[int, Write]], delivery: Delivery) -> None:
        """Hang fresh records on their account, then on their deal. What cannot be hung is not done."""
        for kind in (Kind.ACCOUNT, Kind.DEAL):
            rows = []
            for index, write in writes:
                made = delivery.outcomes[index]
                to_id = next((parent.id for parent in write.parents if parent.kind is kind), None)
                if isinstance(made, Applied) and to_id:
                    pair = {"from": made.record_id, "to": to_id}
                    rows.append(Row(index=index, name=made.record_id, input=pair, other=to_id))
            for part in chunks(rows, size=CREATE_LIMIT):
                self._link_part(object_name, kind, part, delivery)

    def _link_part(self, object_name: str, kind: Kind, rows: Sequence[Row], delivery: Delivery) -> None:
        linking = Delivery()

        def post(part: Sequence[Row]) -> Judged:
            pairs = {row.index: Pair(str(row.input["from"]), str(row.input["to"])) for row in part}
            answer = associations.link(
                self._session, object_name, self._fields.object(kind), tuple(dict.fromkeys(pairs.values()))
            )
            done = associations.confirmed(answer)
            confirmed = {trace_of(index): Confirmed(pair.from_id) for index, pair in pairs.items() if pair in done}
            return Judged(confirmed=confirmed, errors=wire.errors(answer))

        try:
            linking.deliver(rows, post)
        except HubSpotError as error:
            # The records are made; only their links are open. Looking them up by key finds them incomplete.
            fault = Fault(
                FaultCode.OUTCOME_UNKNOWN, error.fault.vendor_code, f"Made, not linked: {error.fault.message}"
            )
            delivery.outcomes.update((row.index, Unknown(fault)) for row in rows)
            return
        for index, outcome in linking.outcomes.items():
            if not isinstance(outcome, Applied):
                delivery.outcomes[index] = outcome

    def _batch(
        self,
        object_name: str,
        operation: str,
        *,
        key_name: str = "",
        rewritten: dict[str, wire.Obj] | None = None,
    ) -> Post:
        """One batch call. Records of which the answer warns that a value was not kept as sent go to ``rewritten``."""
        path = self._session.objects(object_name, "batch", operation)

        def post(part: Sequence[Row]) -> Judged:
            body = {"inputs": [row.input for row in part]}
            answer = wire.batch(self._session.send(f"{object_name}.batch.{operation}", path, body))
            confirmed: dict[str, Confirmed] = {}
            for result in answer.results:
                done = Confirmed(result.id, result.updated_at)
                names = (result.trace, result.get(key_name) if key_name else result.id)
                confirmed.update((name, done) for name in names if name)
                if result.normalized and rewritten is not None:
                    rewritten[result.id] = result
            return Judged(confirmed=confirmed, errors=answer.errors)

        return post

    def _changed(self, write: Write) -> dict[str, str]:
        if write.kind in KEYED:
            return self._known[write.kind](write.values)
        stage = write.values.get("stage") if write.kind is Kind.DEAL else None
        pipeline = self._told.pipeline(str(stage)) if stage else ""
        return self._fields.patch(write.kind, write.values, pipeline=pipeline)

    def _new(self, write: Write, key: str) -> dict[str, str]:
        return self._fresh[write.kind](_plain(write.values), key=key, now=self._told.now())


def _plain(values: Mapping[str, Value]) -> dict[str, Value]:
    """Without empty values: a record that is being made has nothing to clear, and a due time may not be empty."""
    return {name: value for name, value in values.items() if value is not None}


def _with_id(write: Write, record_id: str) -> Write:
    return replace(write, record_id=record_id)


def _inline(object_name: str, write: Write) -> list[dict[str, object]]:
    """Links that are made together with the record."""
    names = {Kind.DEAL: "deals", Kind.ACCOUNT: "companies"}
    return [
        associations.inline(object_name, names[parent.kind], parent.id)
        for parent in write.parents
        if parent.kind in names
    ]
