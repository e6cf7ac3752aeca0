"""One record at a time: `/sobjects/<Object>` and what is below it.

Not describe (`describe.py`), not updated/deleted (`replication.py`), not batches (`batches.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import duplicates, soql, writes
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError, not_found
from connector.sandbox.salesforce.ids import canonical
from connector.sandbox.salesforce.rowfaults import struck

if TYPE_CHECKING:
    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.fields import ObjectType

CREATED = {"success": True, "errors": []}
BODY_SINCE = 46.0
"""From this API version on an upsert that updates answers 200 with a body, before 204 without."""


def create(ask: Ask) -> Reply:
    """POST /sobjects/X."""
    kind = ask.object_type(ask.path[1])
    _struck(ask)
    found = writes.prepare(ask.world, kind, ask.fields_of(), creating=True, by=ask.user.id)
    duplicates.check(ask, kind, found)
    row = writes.create(ask.world, kind, found, by=ask.user.id)
    ask.count(1, write=True)
    return Reply(201, {"id": row.id, **CREATED})


def read(ask: Ask) -> Reply:
    """GET /sobjects/X/id?fields=."""
    kind = ask.object_type(ask.path[1])
    return _show(ask, kind, _one(ask, kind, ask.path[2]))


def read_by_key(ask: Ask) -> Reply:
    """GET /sobjects/X/ExternalId__c/value."""
    kind, matches = _matches(ask)
    if not matches:
        raise not_found()
    return _show(ask, kind, matches[0]) if len(matches) == 1 else _choices(ask, kind, matches)


def update(ask: Ask) -> Reply:
    """PATCH /sobjects/X/id."""
    kind = ask.object_type(ask.path[1])
    row = _one(ask, kind, ask.path[2])
    _struck(ask)
    found = writes.prepare(ask.world, kind, ask.fields_of(), creating=False, by=ask.user.id)
    duplicates.check(ask, kind, found, row.id)
    writes.update(ask.world, kind, row.id, found, by=ask.user.id)
    ask.count(1, write=True)
    return Reply(204)


def delete(ask: Ask) -> Reply:
    """DELETE /sobjects/X/id."""
    kind = ask.object_type(ask.path[1])
    row = _one(ask, kind, ask.path[2])
    _struck(ask)
    writes.delete(ask.world, kind, row.id, by=ask.user.id)
    ask.count(1, write=True)
    return Reply(204)


def upsert_by_key(ask: Ask) -> Reply:
    """PATCH /sobjects/X/ExternalId__c/value: 201 created, 200 updated, 300 when several records hold the value."""
    kind, matches = _matches(ask)
    key = writes.external_key(kind, ask.path[2])
    body = ask.fields_of()
    if any(name.lower() == key.name.lower() for name in body):
        raise ApiError("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    if len(matches) > 1:
        return _choices(ask, kind, matches)
    _struck(ask)
    found = writes.prepare(ask.world, kind, body, creating=not matches, by=ask.user.id)
    duplicates.check(ask, kind, found, matches[0].id if matches else "")
    row, created = writes.upsert(ask.world, kind, key, ask.path[3], found, by=ask.user.id)
    ask.count(1, write=True)
    if not created and float(ask.version) < BODY_SINCE:
        return Reply(204)
    return Reply(201 if created else 200, {"id": row.id, **CREATED, "created": created})


def delete_by_key(ask: Ask) -> Reply:
    """DELETE /sobjects/X/ExternalId__c/value."""
    kind, matches = _matches(ask)
    if not matches:
        raise not_found()
    writes.delete(ask.world, kind, matches[0].id, by=ask.user.id)
    ask.count(1, write=True)
    return Reply(204)


def _matches(ask: Ask) -> tuple[ObjectType, list[Row]]:
    kind = ask.object_type(ask.path[1])
    key = writes.external_key(ask.seen_type(kind.name), ask.path[2])
    return kind, list(ask.world.table(kind.name).where(key.name, [ask.path[3]]))


def _one(ask: Ask, kind: ObjectType, record_id: str) -> Row:
    found = canonical(record_id)
    row = ask.world.table(kind.name).get(found, deleted=True) if found else None
    if row is None or not ask.sight.sees(kind.name, row):
        raise not_found()
    if row.deleted_at is not None:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted")
    return row


def _show(ask: Ask, kind: ObjectType, row: Row) -> Reply:
    names, sight, seen = ask.query.get("fields"), ask.sight, ask.seen_type(kind.name)
    columns = soql.bind_all(sight, seen, names.split(",") if names else [f.name for f in seen.fields.values()])
    if names:
        columns = list({c.parts: c for c in (*columns, *soql.bind_all(sight, seen, ["Id"]))}.values())
    ask.count(1)
    return Reply(200, soql.shower(kind, columns, version=ask.version)(row))


def _choices(ask: Ask, kind: ObjectType, rows: list[Row]) -> Reply:
    addresses: list[Any] = [soql.attributes(kind.name, row.id, ask.version)["url"] for row in rows]
    return Reply(300, addresses)


def _struck(ask: Ask) -> None:
    for error in struck(ask.trace.fault, 1).values():
        raise error
