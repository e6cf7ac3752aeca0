"""The HTTP face of the portal: who may call, how often, and how an answer or a refusal looks on the wire.

Not the endpoints (`paths.py`), nor planted faults of whole requests (the sandbox's wire acts those out).
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox.hubspot import access, oauth, paths, ratelimit, workflows
from connector.sandbox.hubspot.asked import Asked, Reply
from connector.sandbox.hubspot.errors import Refused, invalid, locked
from connector.sandbox.hubspot.feeds import journal
from connector.sandbox.wire import Trace, Vendor, trace_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from connector.sandbox.faults import Fault
    from connector.sandbox.screens.actions import Actions
    from connector.sandbox.state import World

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
MIGRATION_S = 600.0
GATEWAY = frozenset({502, 504, *range(521, 527)})
"""What something before the portal answers, without a body to parse (facts: HubSpot §3d)."""


def routes(world: World) -> list[Route]:
    """Every path of the vendor's API, for the portal's port."""

    async def endpoint(request: Request) -> Response:
        return _answer(world, request, await request.body())

    vendor = [
        Route(f"/{area}/{{rest:path}}", endpoint, methods=METHODS) for area in ("crm", "account-info", "automation")
    ]
    return [*vendor, *oauth.routes(world), *journal.routes(world)]


def actions(world: World) -> Actions:
    """What a person can do at this CRM's screens."""
    from connector.sandbox.screens.actions import Actions

    return Actions(world)


def refuse(kind: str, fault: Fault) -> Response:
    """The portal's reply to a planted fault of a whole request."""
    if kind == "429":
        usual = ratelimit.SEARCHES if "search" in fault.match else ratelimit.BURST
        message, policy = _THROTTLES.get(str(fault.arg), usual)
        return _refused(ratelimit.Throttled(message, policy=policy))
    if kind == "expired_token":
        return _refused(access.unauthenticated())
    status = int(kind)
    if status in GATEWAY:
        return Response(f"<html><body><h1>{status} Bad Gateway</h1></body></html>", status, media_type="text/html")
    return _refused(Refused(status=status, category="INTERNAL_ERROR", message="internal error"))


VENDOR = Vendor(refuse=refuse)
_THROTTLES = {"DAILY": ratelimit.DAILY, "SEARCH": ratelimit.SEARCHES}


# inside


def _answer(world: World, request: Request, raw: bytes) -> Response:
    trace, gate = trace_of(request), ratelimit.gate(world)
    found = paths.match(request.method, request.url.path)
    if not isinstance(found, paths.Match):
        return _refused(_no_such(found))
    try:
        who = access.caller(world, request.headers.get("authorization", ""))
    except Refused as refusal:
        return _refused(refusal)
    trace.caller = who.name
    workflows.run_due(world)
    try:
        reply = _handle(world, request, raw, found, trace, who)
    except Refused as refusal:
        response = _refused(refusal)
    else:
        trace.rows = reply.rows
        response = _response(reply)
        workflows.run_due(world)
    if not found.endpoint.is_search:
        response.headers.update(gate.headers(world, who=who))
    return response


def _handle(world: World, request: Request, raw: bytes, found: paths.Match, trace: Trace, who: access.Caller) -> Reply:
    trace.kind, trace.write = found.endpoint.label(found.params), found.endpoint.write
    ratelimit.gate(world).admit(world, search=found.endpoint.is_search, who=who)
    access.allow(who, found.endpoint.area, found.params, write=found.endpoint.write)
    if trace.fault is not None and trace.fault.kind == "row_lock":
        raise locked(found.params.get("id", "in this request"))
    if trace.fault is not None and trace.fault.kind == "migrating":
        raise _Migrating(int(trace.fault.seconds(MIGRATION_S)))
    return found.endpoint.handler(
        Asked(
            world=world,
            version=found.version,
            path=request.url.path,
            params=found.params,
            query=tuple(request.query_params.multi_items()),
            raw=raw,
            body=_json(raw),
            by=trace.caller,
            fault=trace.fault,
        )
    )


class _Migrating(Refused):
    """A 477: the portal is being moved; try again after that many seconds (facts: HubSpot §3d)."""

    def __init__(self, seconds: int) -> None:
        super().__init__(status=477, category="MIGRATION_IN_PROGRESS", message="This account is being migrated.")
        self.seconds = seconds


def _no_such(others: frozenset[str]) -> Refused:
    if others:
        return Refused(status=405, category="METHOD_NOT_ALLOWED", message="Method not allowed")
    return Refused(status=404, category="NOT_FOUND", message="No such path in this API version")


def _json(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError as problem:
        raise invalid(f"Invalid input JSON: {problem}") from problem


def _response(reply: Reply) -> Response:
    if reply.status == 204:
        return Response(status_code=204)
    return _JSON(reply.body, status_code=reply.status, headers=reply.headers)


def _refused(refusal: Refused) -> Response:
    correlation_id = str(uuid.uuid4())
    headers = {"X-HubSpot-Correlation-Id": correlation_id}
    if isinstance(refusal, _Migrating):
        headers["Retry-After"] = str(refusal.seconds)
    return _JSON(refusal.body(correlation_id), status_code=refusal.status, headers=headers)


class _JSON(Response):
    media_type = "application/json;charset=utf-8"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
