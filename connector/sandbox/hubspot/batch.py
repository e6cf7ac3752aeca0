"""Batches of up to 100 records: read, create, update, upsert, archive, with an outcome per row.

Not single records (`objects.py`). What HubSpot does with an invalid row of an update or upsert without trace ids
is not settled (facts: HubSpot §8.8); here it fails the batch, as a create does, and missing records never do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import records, render
from connector.sandbox.hubspot.asked import Asked, Reply, strings
from connector.sandbox.hubspot.derive import iso
from connector.sandbox.hubspot.errors import Refused, invalid, not_found

if TYPE_CHECKING:
    from connector.sandbox.rows import Row

BATCH_MOST = 100  # facts: HubSpot §3a
HISTORY_MOST = 50  # facts: HubSpot §1
TRACE = "objectWriteTraceId"


@dataclass(frozen=True, slots=True)
class _Made:
    """One input that passed its checks."""

    input: dict[str, Any]
    draft: records.Draft


def read(asked: Asked) -> Reply:
    """Records by id or unique value; those missing are one entry of `errors` together."""
    kind, body = asked.kind, asked.object()
    history = strings(body.get("propertiesWithHistory"), "propertiesWithHistory")
    inputs = asked.inputs(most=HISTORY_MOST if history else BATCH_MOST)
    want = render.wanted(asked.world, kind, names=strings(body.get("properties"), "properties"), history=history)
    archived = asked.flag("archived")
    found: dict[str, Row] = {}
    missing: list[str] = []
    for record_id in dict.fromkeys(_id(i) for i in inputs):
        row = records.find(asked.world, kind, record_id, id_property=_property(body), archived=archived)
        if row is None:
            missing.append(record_id)
        else:
            found[row.id] = row
    results = [render.record(asked.world, kind, row, want, version=asked.version) for row in found.values()]
    errors = []
    if missing:
        message = f"Could not get some {kind.singular.upper()} objects, they may be deleted or not exist."
        errors.append(not_found(message).row({"ids": missing}))
    return reply(asked, _settled(asked, results), errors, status=200)


def create(asked: Asked) -> Reply:
    """New records; with a unique trace id on every input a bad row fails alone, else the whole batch does."""

    def draft(item: dict[str, Any], taken: list[tuple[str, str]]) -> records.Draft:
        return records.draft(
            asked.world,
            asked.kind,
            item.get("properties", {}),
            version=asked.version,
            associations=item.get("associations"),
            taken=taken,
        )

    return _write(asked, draft, status=201)


def update(asked: Asked) -> Reply:
    """Changes by id or by a unique property."""

    def draft(item: dict[str, Any], taken: list[tuple[str, str]]) -> records.Draft:
        row = records.find(asked.world, asked.kind, _id(item), id_property=_unique_name(asked, item))
        if row is None:
            raise not_found(f"{asked.kind.label} {_id(item)} does not exist")
        return records.draft(
            asked.world, asked.kind, item.get("properties", {}), version=asked.version, row=row, taken=taken
        )

    _refuse_doubles(asked)
    return _write(asked, draft, status=200)


def upsert(asked: Asked) -> Reply:
    """Create or change by a unique property; each result says whether it is `new`. Takes no associations."""

    def draft(item: dict[str, Any], taken: list[tuple[str, str]]) -> records.Draft:
        name = _property(item)
        if not name:
            raise invalid("idProperty is required for upsert")
        records.unique_property(asked.world, asked.kind, name)
        row = records.find(asked.world, asked.kind, _id(item), id_property=name)
        sent = item.get("properties") or {}
        if not isinstance(sent, dict):
            raise invalid("Invalid input JSON: properties must be an object")
        properties = {name: _id(item), **sent}
        return records.draft(asked.world, asked.kind, properties, version=asked.version, row=row, taken=taken)

    _refuse_doubles(asked)
    return _write(asked, draft, status=200, with_new=True)


def archive(asked: Asked) -> Reply:
    """Archive; 204 whether the records were there or not (facts: HubSpot §3a)."""
    inputs = asked.inputs(most=BATCH_MOST)
    for item in inputs:
        records.archive(asked.world, asked.kind, _id(item), by=asked.by)
    return Reply(status=204, rows=len(inputs))


def envelope(results: list[dict[str, Any]], errors: list[dict[str, Any]], *, at: str) -> dict[str, Any]:
    """The body of every batch answer; `errors` and `numErrors` only when a row failed."""
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    return {**body, "numErrors": len(errors), "errors": errors} if errors else body


def reply(asked: Asked, results: list[dict[str, Any]], errors: list[dict[str, Any]], *, status: int) -> Reply:
    """A batch answer with the status this version gives it."""
    body = envelope(results, errors, at=iso(asked.world.clock.now()))
    return Reply(body, status=asked.version.status(status, failures=len(errors)), rows=len(results))


def struck(asked: Asked, index: int) -> Refused | None:
    """The refusal that a planted `partial` fault gives to every second row."""
    if asked.fault is None or asked.fault.kind != "partial" or index % 2 == 0:
        return None
    category = asked.fault.arg if isinstance(asked.fault.arg, str) else "INTERNAL_ERROR"
    return Refused(status=500, category=category, message="This input could not be processed. Try again.")


# inside


def _write(
    asked: Asked,
    draft: Callable[[dict[str, Any], list[tuple[str, str]]], records.Draft],
    *,
    status: int,
    with_new: bool = False,
) -> Reply:
    inputs = asked.inputs(most=BATCH_MOST)
    alone = _fail_alone(inputs)
    made: list[_Made] = []
    errors: list[dict[str, Any]] = []
    taken: list[tuple[str, str]] = []
    for index, item in enumerate(inputs):
        try:
            if hit := struck(asked, index):
                errors.append(hit.row(_context(item)))
                continue
            ready = draft(item, taken)
        except Refused as refusal:
            if not alone and refusal.category != "OBJECT_NOT_FOUND":
                raise
            errors.append(refusal.row(_context(item)))
            continue
        taken += records.unique_values(asked.world, asked.kind, ready.changes)
        made.append(_Made(input=item, draft=ready))
    results = [_commit(asked, one, with_new=with_new) for one in made]
    return reply(asked, results if status == 201 else _settled(asked, results), errors, status=status)


def _commit(asked: Asked, made: _Made, *, with_new: bool) -> dict[str, Any]:
    row = records.commit(asked.world, made.draft, by=asked.by)
    want = render.written(asked.world, asked.kind, made.draft.changes)
    body = render.record(asked.world, asked.kind, row, want, version=asked.version)
    if with_new:
        body["new"] = made.draft.row is None
    if made.input.get(TRACE):
        body[TRACE] = made.input[TRACE]
    return body


def _fail_alone(inputs: Iterable[dict[str, Any]]) -> bool:
    # facts: HubSpot §3d: a unique trace id on every input asks for an outcome per row.
    traces = [i.get(TRACE) for i in inputs]
    return all(isinstance(t, str) and t for t in traces) and len(set(traces)) == len(traces)


def _settled(asked: Asked, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # HubSpot promises no order: answers come by record id, so that pairing them with inputs by position shows.
    backwards = asked.fault is not None and asked.fault.kind == "reordered"
    return sorted(results, key=lambda r: int(r["id"]), reverse=backwards)


def _refuse_doubles(asked: Asked) -> None:
    # Two inputs for one record are refused as a whole, whatever the trace ids.
    counted = Counter((_property(item), _id(item).casefold()) for item in asked.inputs(most=BATCH_MOST))
    doubles = sorted(key[1] for key, n in counted.items() if n > 1)
    if doubles:
        raise invalid(f"Duplicate IDs found in batch input: [{', '.join(doubles)}]. IDs must be unique")


def _unique_name(asked: Asked, item: dict[str, Any]) -> str | None:
    name = _property(item)
    if name:
        records.unique_property(asked.world, asked.kind, name)
    return name


def _property(item: dict[str, Any]) -> str | None:
    found = item.get("idProperty")
    if found is not None and not isinstance(found, str):
        raise invalid("Invalid input JSON: idProperty must be a string")
    return found


def _id(item: dict[str, Any]) -> str:
    found = item.get("id")
    if not isinstance(found, str | int) or found == "":
        raise invalid("Invalid input JSON: every input needs an id")
    return str(found)


def _context(item: dict[str, Any]) -> dict[str, list[str]]:
    found = {"ids": [str(item["id"])]} if item.get("id") else {}
    return {**found, TRACE: [str(item[TRACE])]} if item.get(TRACE) else found
