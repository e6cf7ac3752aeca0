"""The endpoints of associations, on v4 and on the dated paths, whose answers have the same shape.

Not the rules (`links.py`).
"""

from __future__ import annotations

from typing import Any

from connector.sandbox.hubspot import batch, links
from connector.sandbox.hubspot.asked import Asked, Reply, is_number, listed
from connector.sandbox.hubspot.errors import Refused, invalid
from connector.sandbox.hubspot.kinds import Kind, kind_of

# facts: HubSpot §3c
READ_MOST = 1_000
CREATE_MOST = 2_000
PAGE_MOST = 500
USUAL = {"associationCategory": links.HUBSPOT_DEFINED}


def list_page(asked: Asked) -> Reply:
    """GET the records linked with one record."""
    kind, to, record_id = asked.kind, kind_of(asked.params["to"]), asked.params["id"]
    limit = asked.number("limit", PAGE_MOST, most=PAGE_MOST)
    results, after = _page(links.linked(asked.world, kind, record_id, to), asked.one("after"), limit)
    body: dict[str, Any] = {"results": results}
    if after:
        body["paging"] = {"next": {"after": after}}
    return Reply(body, rows=len(results))


def put_default(asked: Asked) -> Reply:
    """PUT the unlabelled association of two records; repeating it changes nothing."""
    kind, to, record_id, to_id = _ends(asked)
    links.link(asked.world, kind, record_id, to, to_id, by=asked.by)
    return batch.reply(asked, _default(kind, record_id, to, to_id), [], status=200)


def put_labels(asked: Asked) -> Reply:
    """PUT the labels of an association; those not sent are taken off."""
    kind, to, record_id, to_id = _ends(asked)
    if not isinstance(asked.body, list) or not asked.body:
        raise invalid("Invalid input JSON: a list of association types is expected")
    types = _types(asked.body)
    before = dict(links.linked(asked.world, kind, record_id, to)).get(to_id, frozenset())
    now = links.link(asked.world, kind, record_id, to, to_id, by=asked.by, types=types)
    dropped = before - set(types) - {links.default_type(kind, to)}
    links.unlink_types(asked.world, kind, record_id, to, to_id, types=dropped, by=asked.by)
    return Reply(_labelled(kind, record_id, to, to_id, now - dropped), status=201, rows=1)


def delete(asked: Asked) -> Reply:
    """DELETE every association of two records; 204 whether there was one or not."""
    kind, to, record_id, to_id = _ends(asked)
    links.unlink(asked.world, kind, record_id, to, to_id, by=asked.by)
    return Reply(status=204, rows=1)


def batch_default(asked: Asked) -> Reply:
    """Unlabelled associations of many pairs."""
    kind, to = kind_of(asked.params["from"]), kind_of(asked.params["to"])
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for index, item in enumerate(asked.inputs(most=CREATE_MOST)):
        record_id, to_id = _id(item, "from"), _id(item, "to")
        try:
            _strike(asked, index)
            links.link(asked.world, kind, record_id, to, to_id, by=asked.by)
            results += _default(kind, record_id, to, to_id)
        except Refused as refusal:
            errors.append(refusal.row({"fromObjectId": [record_id], "toObjectId": [to_id]}))
    return batch.reply(asked, results, errors, status=200)


def batch_create(asked: Asked) -> Reply:
    """Associations of many pairs with the types given for each; 201 (facts: tools.md)."""
    kind, to = kind_of(asked.params["from"]), kind_of(asked.params["to"])
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for index, item in enumerate(asked.inputs(most=CREATE_MOST)):
        record_id, to_id, types = _id(item, "from"), _id(item, "to"), _types(listed(item.get("types"), "types"))
        try:
            _strike(asked, index)
            now = links.link(asked.world, kind, record_id, to, to_id, by=asked.by, types=types)
            results.append(_labelled(kind, record_id, to, to_id, now))
        except Refused as refusal:
            errors.append(refusal.row({"fromObjectId": [record_id], "toObjectId": [to_id]}))
    return batch.reply(asked, results, errors, status=201)


def batch_read(asked: Asked) -> Reply:
    """The linked records of many; a record without any is an entry of `errors`."""
    kind, to = kind_of(asked.params["from"]), kind_of(asked.params["to"])
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    rows = 0
    for item in asked.inputs(most=READ_MOST):
        record_id = str(item.get("id", ""))
        found, after = _page(links.linked(asked.world, kind, record_id, to), item.get("after"), PAGE_MOST)
        if not found:
            errors.append(_none(kind, record_id, to))
            continue
        rows += len(found)
        entry: dict[str, Any] = {"from": {"id": record_id}, "to": found}
        results.append({**entry, "paging": {"next": {"after": after}}} if after else entry)
    answer = batch.reply(asked, results, errors, status=200)
    return Reply(answer.body, status=answer.status, rows=rows)


def batch_archive(asked: Asked) -> Reply:
    """Remove every association of many pairs; 204."""
    kind, to = kind_of(asked.params["from"]), kind_of(asked.params["to"])
    inputs = asked.inputs(most=CREATE_MOST)
    for item in inputs:
        for target in listed(item.get("to"), "to"):
            links.unlink(asked.world, kind, _id(item, "from"), to, _id({"to": target}, "to"), by=asked.by)
    return Reply(status=204, rows=len(inputs))


def batch_archive_labels(asked: Asked) -> Reply:
    """Take some types off many pairs; 204."""
    kind, to = kind_of(asked.params["from"]), kind_of(asked.params["to"])
    inputs = asked.inputs(most=CREATE_MOST)
    for item in inputs:
        types = _types(listed(item.get("types"), "types"))
        links.unlink_types(asked.world, kind, _id(item, "from"), to, _id(item, "to"), types=types, by=asked.by)
    return Reply(status=204, rows=len(inputs))


def labels(asked: Asked) -> Reply:
    """GET the association types between two object types."""
    kind, to = kind_of(asked.params["from"]), kind_of(asked.params["to"])
    links.default_type(kind, to)
    return Reply({"results": [_spec(n) for n in sorted(links.KNOWN[(kind.table, to.table)])]})


# inside


def _ends(asked: Asked) -> tuple[Kind, Kind, str, str]:
    return asked.kind, kind_of(asked.params["to"]), asked.params["id"], asked.params["to_id"]


def _id(item: dict[str, Any], end: str) -> str:
    found = item.get(end)
    if not isinstance(found, dict) or not found.get("id"):
        raise invalid(f"Invalid input JSON: every input needs {end}.id")
    return str(found["id"])


def _types(raw: list[Any]) -> list[int]:
    try:
        pairs = [(int(t["associationTypeId"]), t["associationCategory"]) for t in raw]
    except (KeyError, TypeError, ValueError) as problem:
        raise invalid(f"Invalid input JSON: {problem} in an association type") from problem
    if not pairs or any(named != links.category(type_id) for type_id, named in pairs):
        raise invalid("Every association needs types, each with the category it has in this portal")
    return [type_id for type_id, _ in pairs]


def _page(
    pairs: list[tuple[str, frozenset[int]]], after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    if after and not is_number(str(after)):
        raise invalid(f"after must be a paging cursor, not {after!r}")
    rest = [p for p in pairs if not after or int(p[0]) > int(after)]
    results = [
        {"toObjectId": other, "associationTypes": [_spec(n) for n in sorted(types)]} for other, types in rest[:limit]
    ]
    return results, rest[limit - 1][0] if len(rest) > limit else None


def _spec(type_id: int) -> dict[str, Any]:
    return {"category": links.category(type_id), "typeId": type_id, "label": links.label(type_id)}


def _default(kind: Kind, record_id: str, to: Kind, to_id: str) -> list[dict[str, Any]]:
    # One entry for each direction.
    return [
        {"from": {"id": a}, "to": {"id": b}, "associationSpec": {**USUAL, "associationTypeId": type_id}}
        for a, b, type_id in (
            (record_id, to_id, links.default_type(kind, to)),
            (to_id, record_id, links.default_type(to, kind)),
        )
    ]


def _labelled(kind: Kind, record_id: str, to: Kind, to_id: str, types: frozenset[int]) -> dict[str, Any]:
    return {
        "fromObjectTypeId": kind.type_id,
        "fromObjectId": record_id,
        "toObjectTypeId": to.type_id,
        "toObjectId": to_id,
        "labels": [text for n in sorted(types) if (text := links.label(n))],
    }


def _none(kind: Kind, record_id: str, to: Kind) -> dict[str, Any]:
    refusal = Refused(
        status=404,
        category="OBJECT_NOT_FOUND",
        sub_category="crm.associations.NO_ASSOCIATIONS_FOUND",
        message=f"No {to.singular} is associated with {kind.singular} {record_id}.",
    )
    return refusal.row({"fromObjectId": [record_id], "fromObjectType": [kind.singular], "toObjectType": [to.singular]})


def _strike(asked: Asked, index: int) -> None:
    if hit := batch.struck(asked, index):
        raise hit
