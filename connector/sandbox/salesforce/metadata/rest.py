"""Metadata over REST: deployRequest posted, looked at and cancelled.

Not the SOAP calls (`soap.py`). Facts: Salesforce §5.2; the part names are the vendor's `json` and `file`, and
`entity_content` as its own JavaScript client sends it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.metadata import requests
from connector.sandbox.salesforce.permissions import has

if TYPE_CHECKING:
    from connector.sandbox.state import World

OPTION_PARTS = ("json", "entity_content")
FILE_PART = "file"
SHOWN = ("id", "deployOptions", "deployResult")
_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]+)\"|([^;\s]+))", re.IGNORECASE)
_NAME = re.compile(r"[;\s]name=\"([^\"]*)\"", re.IGNORECASE)
DENIED = "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions"


def post(ask: Ask) -> Reply:
    """POST /metadata/deployRequest."""
    may_deploy(ask.world, ask.user.id)
    parts = _parts(ask)
    options = next((parts[name] for name in OPTION_PARTS if name in parts), None)
    if options is None or FILE_PART not in parts:
        raise ApiError("INVALID_MULTIPART_REQUEST", "A part with deployOptions and a part named file are needed")
    try:
        given: dict[str, Any] = json.loads(options).get("deployOptions") or {}
    except (ValueError, AttributeError) as error:
        raise ApiError("JSON_PARSER_ERROR", f"The deployOptions cannot be read: {error}") from error
    who = str(ask.user.values.get("Name") or ask.user.values["Username"])
    made = requests.submit(ask.world, parts[FILE_PART], given, by=ask.user.id, name=who)
    ask.count(1, write=True)
    return Reply(201, {name: made[name] for name in ("id", "deployOptions")} | {"deployResult": made["deployResult"]})


def get(ask: Ask) -> Reply:
    """GET /metadata/deployRequest/<id>?includeDetails=true."""
    may_deploy(ask.world, ask.user.id)
    found = requests.look(ask.world, ask.path[2])
    body = {name: found[name] for name in SHOWN}
    if ask.query.get("includeDetails", "false").lower() != "true":
        body["deployResult"] = {**body["deployResult"], "details": None}
    return Reply(200, body)


def patch(ask: Ask) -> Reply:
    """PATCH /metadata/deployRequest/<id> {"deployResult": {"status": "Canceling"}}."""
    may_deploy(ask.world, ask.user.id)
    wanted = ask.fields_of().get("deployResult")
    if not isinstance(wanted, dict) or wanted.get("status") != "Canceling":
        raise ApiError("INVALID_FIELD", "Only a deployResult with the status Canceling can be sent")
    found = requests.cancel(ask.world, ask.path[2])
    ask.count(1, write=True)
    result = {"id": found["id"], "status": "Canceling", "done": False}
    return Reply(202, {"id": found["id"], "deployResult": result})


def may_deploy(world: World, user_id: str) -> None:
    """Refuse a user who may not change the setup. Raises ApiError."""
    allowed = ("CustomizeApplication", "ModifyMetadata", "ModifyAllData")
    if not any(has(world, user_id, permission) for permission in allowed):
        raise ApiError("INSUFFICIENT_ACCESS", DENIED)


def _parts(ask: Ask) -> dict[str, bytes]:
    kind = ask.headers.get("content-type", "")
    if not isinstance(ask.body, bytes) or not kind.lower().startswith("multipart/"):
        raise ApiError("UNSUPPORTED_MEDIA_TYPE", "deployRequest takes multipart/form-data")
    boundary = _BOUNDARY.search(kind)
    mark = b"\r\n--" + (boundary[1] or boundary[2]).encode() if boundary else b""
    found: dict[str, bytes] = {}
    for part in (b"\r\n" + ask.body).split(mark)[1:-1] if mark else ():
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head.decode("latin-1"))
        if name:
            found[name[1]] = content
    return found
