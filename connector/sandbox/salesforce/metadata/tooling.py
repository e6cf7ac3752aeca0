"""The Tooling API: queries over the org's setup, and fields and rules made and changed one at a time.

Not the tables behind a query (`tooling_rows.py`) and not its evaluation (`tooling_query.py`). Facts: Salesforce §5.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import columns
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError, not_found
from connector.sandbox.salesforce.grammar import parse
from connector.sandbox.salesforce.metadata import applying, components, tooling_query, tooling_rows
from connector.sandbox.salesforce.metadata.checks import judge
from connector.sandbox.salesforce.metadata.jsonxml import to_node
from connector.sandbox.salesforce.metadata.rest import may_deploy
from connector.sandbox.salesforce.metadata.types import BY_NAME
from connector.sandbox.salesforce.metadata.view import View

if TYPE_CHECKING:
    from connector.sandbox.salesforce.metadata.store import Component
    from connector.sandbox.salesforce.metadata.tree import Node

WRITABLE = {"customfield": "CustomField", "validationrule": "ValidationRule"}
WHOLE = ("FullName", "Metadata")
"""Columns that only a query of at most one row may select."""


def query(ask: Ask) -> Reply:
    """GET /tooling/query?q=."""
    text = ask.query.get("q")
    if not text:
        raise ApiError("MALFORMED_QUERY", "A query is missing: the parameter q")
    asked = parse(text)
    entity = tooling_rows.find(asked.source)
    if entity is None:
        raise ApiError("INVALID_TYPE", f"sObject type '{asked.source}' is not supported.")
    found = tooling_query.run(asked, list(entity.rows(ask.world)), entity)
    if len(found) > 1 and any(c.path in WHOLE for c in asked.columns):
        raise ApiError(
            "MALFORMED_QUERY",
            "When retrieving results with Metadata or FullName fields, the query qualifications must specify no more "
            f"than one row for retrieval. Result size: {len(found)}",
        )
    if columns.asked(ask.query):
        return Reply(200, columns.columns(asked, entity.name))
    ask.count(len(found))
    if tooling_query.counts(asked):
        return Reply(200, _page(entity.name, [], size=len(found)))
    base = f"/services/data/v{ask.version}/tooling/sobjects/{entity.name}"
    records = [
        {"attributes": {"type": entity.name, "url": f"{base}/{row.get('Id')}"}, **tooling_query.show(row, asked)}
        for row in found
    ]
    return Reply(200, _page(entity.name, records, size=len(records)))


def create(ask: Ask) -> Reply:
    """POST /tooling/sobjects/CustomField or ValidationRule: {"FullName", "Metadata"}."""
    type = _type(ask)
    body = ask.fields_of()
    name = str(body.get("FullName") or "")
    if components.one(ask.world, type, name) is not None:
        raise ApiError("DUPLICATE_DEVELOPER_NAME", f"There is already a {type} with the name {name}.", ("FullName",))
    made = _save(ask, type, name, body)
    return Reply(201, {"id": made.id, "success": True, "errors": [], "warnings": [], "infos": []})


def read(ask: Ask) -> Reply:
    """GET /tooling/sobjects/X/id: every column, FullName and Metadata too."""
    entity = tooling_rows.find(ask.path[2])
    row = next((r for r in entity.rows(ask.world) if str(r["Id"])[:15] == ask.path[3][:15]), None) if entity else None
    if entity is None or row is None:
        raise not_found()
    ask.count(1)
    return Reply(200, {"attributes": {"type": entity.name}, **row})


def update(ask: Ask) -> Reply:
    """PATCH /tooling/sobjects/X/id: {"Metadata": the whole of it}."""
    type = _type(ask)
    known = _known(ask, type)
    body = ask.fields_of()
    refused = [name for name in body if name not in WHOLE]
    if refused:
        message = (
            f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this field"
        )
        raise ApiError("INVALID_FIELD_FOR_INSERT_UPDATE", message, tuple(refused))
    _save(ask, type, known.name, body)
    return Reply(204)


def delete(ask: Ask) -> Reply:
    """DELETE /tooling/sobjects/ValidationRule/id; facts name no DELETE for fields."""
    type = _type(ask)
    if type != "ValidationRule":
        raise ApiError("METHOD_NOT_ALLOWED", f"HTTP Method 'DELETE' not allowed for {type}")
    known = _known(ask, type)
    may_deploy(ask.world, ask.user.id)
    applying.drop(ask.world, type, known.name, by=ask.user.id)
    ask.count(1, write=True)
    return Reply(204)


def _save(ask: Ask, type: str, name: str, body: dict[str, Any]) -> Component:
    may_deploy(ask.world, ask.user.id)
    given = body.get("Metadata")
    if "." not in name or not isinstance(given, dict):
        raise ApiError("REQUIRED_FIELD_MISSING", "Required fields are missing: [FullName, Metadata]", ("FullName",))
    node: Node = to_node(type, {**given, "fullName": name.partition(".")[2]})
    found = judge(View(ask.world), type, name, node)
    if found:
        activity = "bad value for restricted picklist" in found[0].problem
        # Facts: Salesforce §3.4: the Tooling API's code for a field under Task or Event.
        code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" if activity else "FIELD_INTEGRITY_EXCEPTION"
        raise ApiError(code, found[0].problem, ("FullName",) if activity else ())
    ask.count(1, write=True)
    return applying.put(ask.world, type, name, node, by=ask.user.id)


def _type(ask: Ask) -> str:
    type = WRITABLE.get(ask.path[2].lower())
    if type is None or type not in BY_NAME:
        raise not_found()
    return type


def _known(ask: Ask, type: str) -> Component:
    found = next((c for c in components.every(ask.world, type) if c.id[:15] == ask.path[3][:15]), None)
    if found is None:
        raise not_found()
    return found


def _page(name: str, records: list[dict[str, Any]], *, size: int) -> dict[str, Any]:
    return {
        "size": size,
        "totalSize": size,
        "done": True,
        "queryLocator": None,
        "entityTypeName": name,
        "records": records,
    }
