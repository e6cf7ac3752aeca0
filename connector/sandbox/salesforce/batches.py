"""sObject Collections: up to 200 records a call, an outcome for each, in the order of the request.

Not Composite and not Bulk. Facts: Salesforce §3.1.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import duplicates, soql, writes
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.ids import canonical
from connector.sandbox.salesforce.rowfaults import struck

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.salesforce.fields import Field, ObjectType

MAX_RECORDS = 200
MAX_CHUNKS = 10
MAX_RETRIEVED = 2_000
ROLLED_BACK = ApiError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and all-or-none was asked",
)

Result = dict[str, Any]
Step = tuple["Callable[[], Result]", str | None]


def create(ask: Ask) -> Reply:
    """POST /composite/sobjects."""
    steps = [_creation(ask, *_typed(ask, record)) for record in _records(ask)]
    return _run(ask, steps, all_or_none=_flag(ask.fields_of().get("allOrNone")))


def update(ask: Ask) -> Reply:
    """PATCH /composite/sobjects."""
    records = _records(ask)
    doubled = _doubled([canonical(str(_id_of(r))) for r in records])
    steps = [_change(ask, *_typed(ask, r), doubled) for r in records]
    return _run(ask, steps, all_or_none=_flag(ask.fields_of().get("allOrNone")))


def upsert(ask: Ask) -> Reply:
    """PATCH /composite/sobjects/X/ExternalId__c."""
    kind = ask.object_type(ask.path[2])
    key = writes.external_key(ask.seen_type(kind.name), ask.path[3])
    records = _records(ask)
    for record in records:
        if _typed(ask, record)[0].name != kind.name:
            raise ApiError("INVALID_TYPE", f"every record of this call must be a {kind.name}")
    doubled = _doubled([_key_of(r, key) for r in records])
    steps = [_upsertion(ask, kind, key, r, doubled) for r in records]
    return _run(ask, steps, all_or_none=_flag(ask.fields_of().get("allOrNone")))


def delete(ask: Ask) -> Reply:
    """DELETE /composite/sobjects?ids=a,b&allOrNone=."""
    ids = [i for i in ask.query.get("ids", "").split(",") if i]
    _check_size(len(ids))
    steps = [_removal(ask, record_id) for record_id in ids]
    return _run(ask, steps, all_or_none=_flag(ask.query.get("allOrNone")))


def retrieve(ask: Ask) -> Reply:
    """GET or POST /composite/sobjects/X with ids and fields: records in order, null for those not found."""
    kind = ask.object_type(ask.path[2])
    if ask.method == "POST":
        ids, names = ask.fields_of().get("ids"), ask.fields_of().get("fields")
    else:
        ids, names = ask.query.get("ids", "").split(","), ask.query.get("fields", "").split(",")
    if not isinstance(ids, list) or not isinstance(names, list) or not all(ids) or not all(names):
        raise ApiError("MISSING_ARGUMENT", "ids and fields must both be given")
    if len(ids) > MAX_RETRIEVED:
        raise ApiError("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MAX_RETRIEVED} ids")
    sight = ask.sight
    columns = soql.bind_all(sight, ask.seen_type(kind.name), [*names, "Id"])
    show = soql.shower(kind, columns, version=ask.version)
    table = ask.world.table(kind.name)
    rows = [table.get(canonical(str(i)) or "") for i in ids]
    ask.count(len(rows))
    shown = [row if row is not None and sight.sees(kind.name, row) else None for row in rows]
    return Reply(200, [show(row) if row is not None else None for row in shown])


def _creation(ask: Ask, kind: ObjectType, record: Result) -> Step:
    def do() -> Result:
        found = writes.prepare(ask.world, kind, record, creating=True, by=ask.user.id)
        duplicates.check(ask, kind, found)
        return {"id": writes.create(ask.world, kind, found, by=ask.user.id).id}

    _check_json(ask, kind, record, creating=True)
    return do, None


def _change(ask: Ask, kind: ObjectType, record: Result, doubled: set[str]) -> Step:
    record_id = _id_of(record)

    def do() -> Result:
        if not record_id:
            raise ApiError("MISSING_ARGUMENT", "Id not specified in an update call")
        if canonical(str(record_id)) in doubled:
            raise ApiError("DUPLICATE_VALUE", f"duplicate id in list: {record_id}")
        row = writes.live(ask.world, kind, record_id)
        found = writes.prepare(ask.world, kind, record, creating=False, by=ask.user.id)
        duplicates.check(ask, kind, found, row.id)
        return {"id": writes.update(ask.world, kind, row.id, found, by=ask.user.id).id}

    _check_json(ask, kind, record, creating=False)
    return do, canonical(str(record_id))


def _upsertion(ask: Ask, kind: ObjectType, key: Field, record: Result, doubled: set[str]) -> Step:
    value = _key_of(record, key)

    def do() -> Result:
        if not value:
            raise ApiError("MISSING_ARGUMENT", f"{key.name} not specified")
        if value in doubled:
            raise ApiError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", (key.name,))
        data = {n: v for n, v in record.items() if n.lower() != key.name.lower()}
        known = ask.world.table(kind.name).find_unique(key.name, value)
        found = writes.prepare(ask.world, kind, data, creating=known is None, by=ask.user.id)
        duplicates.check(ask, kind, found, known.id if known else "")
        row, created = writes.upsert(ask.world, kind, key, value, found, by=ask.user.id)
        return {"id": row.id, "created": created}

    _check_json(ask, kind, record, creating=True)
    return do, None


def _removal(ask: Ask, record_id: str) -> Step:
    def do() -> Result:
        org = catalog(ask.world)
        kind = org.object(org.object_of(record_id) or "")
        if kind is None:
            raise ApiError("MALFORMED_ID", f"malformed id {record_id}")
        row = writes.live(ask.world, kind, record_id)
        writes.delete(ask.world, kind, row.id, by=ask.user.id)
        return {"id": row.id}

    return do, canonical(record_id)


def _run(ask: Ask, steps: list[Step], *, all_or_none: bool) -> Reply:
    failing = struck(ask.trace.fault, len(steps))
    results: list[Result] = []
    with ask.world.transaction() as roll_back:
        for index, (do, record_id) in enumerate(steps):
            results.append(_outcome(do, failing.get(index), record_id))
        if all_or_none and not all(r["success"] for r in results):
            roll_back()
            results = [r if not r["success"] else _failed(ROLLED_BACK, r.get("id")) for r in results]
    ask.count(sum(r["success"] for r in results), write=True)
    return Reply(200, results)


def _outcome(do: Callable[[], Result], planted: ApiError | None, record_id: str | None) -> Result:
    if planted is not None:
        return _failed(planted, record_id)
    try:
        return {**do(), "success": True, "errors": []}
    except ApiError as error:
        return _failed(error, record_id)


def _failed(error: ApiError, record_id: str | None) -> Result:
    named = {"id": record_id} if record_id else {}
    return {**named, "success": False, "errors": error.rows()}


def _records(ask: Ask) -> list[Result]:
    records = ask.fields_of().get("records")
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise ApiError("JSON_PARSER_ERROR", "records must be a list of objects")
    _check_size(len(records))
    if len({_typed(ask, r)[0].setup for r in records}) > 1:
        # Facts: Salesforce §3.1: no mixing with setup objects.
        raise ApiError("MIXED_DML_OPERATION", "DML operation on setup object is not permitted with other objects")
    chunks = sum(1 for _ in itertools.groupby(_typed(ask, r)[0].name for r in records))
    if chunks > MAX_CHUNKS:
        raise ApiError(
            "LIMIT_EXCEEDED", f"the records change type {chunks} times: at most {MAX_CHUNKS} chunks are done"
        )
    return records


def _check_size(count: int) -> None:
    if count == 0:
        raise ApiError("MISSING_ARGUMENT", "no records given")
    if count > MAX_RECORDS:
        raise ApiError(
            "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MAX_RECORDS} records into this call"
        )


def _typed(ask: Ask, record: Result) -> tuple[ObjectType, Result]:
    name = record.get("attributes", {}).get("type") if isinstance(record.get("attributes"), dict) else None
    kind = catalog(ask.world).object(name) if isinstance(name, str) else None
    if kind is None or ask.sight.object(kind.name) is None:
        raise ApiError("INVALID_TYPE", f"sObject type '{name}' is not supported: every record needs attributes.type")
    return kind, record


def _check_json(ask: Ask, kind: ObjectType, record: Result, *, creating: bool) -> None:
    # A value of the wrong JSON type fails the whole call before any row is written.
    try:
        writes.prepare(ask.world, kind, record, creating=creating)
    except ApiError as error:
        if error.code == "JSON_PARSER_ERROR":
            raise


def _id_of(record: Result) -> Any:
    return next((v for n, v in record.items() if n.lower() == "id"), None)


def _key_of(record: Result, key: Field) -> str | None:
    value = next((v for n, v in record.items() if n.lower() == key.name.lower()), None)
    return value.strip() or None if isinstance(value, str) else None


def _doubled(values: list[str | None]) -> set[str]:
    return {v for v, n in Counter(values).items() if v and n > 1}


def _flag(value: Any) -> bool:
    return value is True or value == "true"
