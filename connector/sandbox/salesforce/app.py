"""The org on its port: which path and method goes to which handler, and how requests and replies look on the wire.

Not the handlers, and not journal, faults or the Date header (`wire.py`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sandbox.salesforce import (
    actions,
    auth,
    batches,
    bulk,
    bulk_query,
    composite,
    describe,
    permissions,
    query,
    replication,
    sobjects,
)
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError, OAuthError, not_found
from connector.sandbox.salesforce.metadata import hooks, soap
from connector.sandbox.salesforce.metadata.routes import ROUTES, settle_before
from connector.sandbox.salesforce.pubsub.capture import capture, origin
from connector.sandbox.wire import Vendor, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from connector.sandbox.faults import Fault
    from connector.sandbox.state import World

MAX_URI_BYTES = 16_384
"""Facts: Salesforce §1.1."""

METHODS = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"]
NOT_JSON = ("multipart/", "text/csv", "text/xml", "application/xml")
"""Bodies that reach their handler as bytes."""
_VERSION = re.compile(r"v(\d+)\.0")
_CLIENT = re.compile(r"client=([^;,\s]+)")


def routes(world: World) -> list[Route]:
    """The vendor API as Starlette routes."""
    hooks.install(world)
    endpoint = _Endpoint(world)
    return [
        Route("/services/{path:path}", endpoint.serve, methods=METHODS),
        Route("//services/{path:path}", endpoint.serve, methods=METHODS),
        Route("/id/{path:path}", endpoint.serve, methods=METHODS),
    ]


def dispatch(ask: Ask) -> Reply:
    """Send a request below /services/data/vXX.X/ to its handler. Raises ApiError."""
    found = _match(ask)
    if not found:
        raise not_found()
    if ask.method not in found:
        allowed = ",".join(found)
        raise ApiError("METHOD_NOT_ALLOWED", f"HTTP Method '{ask.method}' not allowed. Allowed are {allowed}")
    kind, handler = found[ask.method]
    ask.trace.kind = kind if ask.trace.kind in ("other", "composite") and kind != "composite" else ask.trace.kind
    return handler(ask)


Handlers = dict[str, tuple[str, "Callable[[Ask], Reply]"]]


def _composite(ask: Ask) -> Reply:
    reply = composite.composite(ask, dispatch)
    ask.trace.kind = "composite"
    return reply


def _graph(ask: Ask) -> Reply:
    reply = composite.graph(ask, dispatch)
    ask.trace.kind = "composite.graph"
    return reply


# Path pattern -> method -> (kind in the journal, handler). "*" stands for one segment.
TABLE: dict[tuple[str, ...], Handlers] = {
    (): {"GET": ("index", describe.index)},
    ("query",): {"GET": ("query", query.query)},
    ("queryall",): {"GET": ("queryAll", query.query)},
    ("query", "*"): {"GET": ("queryMore", query.query)},
    ("queryall", "*"): {"GET": ("queryMore", query.query)},
    ("actions", "standard"): {"GET": ("actions", actions.every)},
    ("actions", "standard", "*"): {"GET": ("action.describe", actions.describe), "POST": ("action", actions.invoke)},
    ("limits",): {"GET": ("limits", describe.limits)},
    ("sobjects",): {"GET": ("describe.global", describe.every)},
    ("sobjects", "*"): {"GET": ("sobject.info", describe.basic), "POST": ("sobject.create", sobjects.create)},
    ("sobjects", "*", "describe"): {"GET": ("describe", describe.one)},
    ("sobjects", "*", "updated"): {"GET": ("updated", replication.updated)},
    ("sobjects", "*", "deleted"): {"GET": ("deleted", replication.deleted)},
    ("sobjects", "*", "*"): {
        "GET": ("sobject.get", sobjects.read),
        "PATCH": ("sobject.update", sobjects.update),
        "DELETE": ("sobject.delete", sobjects.delete),
    },
    ("sobjects", "*", "*", "*"): {
        "GET": ("sobject.get", sobjects.read_by_key),
        "PATCH": ("sobject.upsert", sobjects.upsert_by_key),
        "DELETE": ("sobject.delete", sobjects.delete_by_key),
    },
    ("composite",): {"POST": ("composite", _composite)},
    ("composite", "graph"): {"POST": ("composite.graph", _graph)},
    ("composite", "sobjects"): {
        "POST": ("collections.create", batches.create),
        "PATCH": ("collections.update", batches.update),
        "DELETE": ("collections.delete", batches.delete),
    },
    ("composite", "sobjects", "*"): {
        "GET": ("collections.get", batches.retrieve),
        "POST": ("collections.get", batches.retrieve),
    },
    ("composite", "sobjects", "*", "*"): {"PATCH": ("collections.upsert", batches.upsert)},
    ("jobs", "ingest"): {"GET": ("bulk.list", bulk.every), "POST": ("bulk.open", bulk.create)},
    ("jobs", "ingest", "*"): {
        "GET": ("bulk.ask", bulk.one),
        "PATCH": ("bulk.close", bulk.change),
        "DELETE": ("bulk.delete", bulk.delete),
    },
    ("jobs", "ingest", "*", "batches"): {"PUT": ("bulk.load", bulk.upload)},
    ("jobs", "ingest", "*", "successfulresults"): {"GET": ("bulk.results", bulk.results)},
    ("jobs", "ingest", "*", "failedresults"): {"GET": ("bulk.results", bulk.results)},
    ("jobs", "ingest", "*", "unprocessedrecords"): {"GET": ("bulk.results", bulk.results)},
    ("jobs", "query"): {"GET": ("bulkquery.list", bulk_query.every), "POST": ("bulkquery.open", bulk_query.create)},
    ("jobs", "query", "*"): {
        "GET": ("bulkquery.ask", bulk_query.one),
        "PATCH": ("bulkquery.close", bulk_query.change),
        "DELETE": ("bulkquery.delete", bulk_query.delete),
    },
    ("jobs", "query", "*", "results"): {"GET": ("bulkquery.results", bulk_query.results)},
    **ROUTES,
}


def _match(ask: Ask) -> Handlers:
    path = tuple(segment.lower() for segment in ask.path)
    for pattern, handlers in TABLE.items():
        if len(pattern) == len(path) and all(p in ("*", s) for p, s in zip(pattern, path, strict=True)):
            return handlers
    return {}


class _Endpoint:
    def __init__(self, world: World) -> None:
        self._world = world

    async def serve(self, request: Request) -> Response:
        """Answer one request, whatever it is."""
        trace = trace_of(request)
        try:
            reply = await self._answer(request)
        except OAuthError as error:
            reply = Reply(400, error.body())
        except ApiError as error:
            reply = Reply(error.status, error.body())
        trace.write = trace.write and reply.status < 400
        if reply.body is None or isinstance(reply.body, bytes):
            return Response(reply.body, reply.status, headers=reply.headers)
        return JSONResponse(reply.body, status_code=reply.status, headers=reply.headers)

    async def _answer(self, request: Request) -> Reply:
        raw = request.scope["raw_path"].decode("latin-1")
        if len(raw) + len(request.scope["query_string"]) > MAX_URI_BYTES:
            raise ApiError("URI_TOO_LONG", "The length of the URI exceeds the 16,384 byte limit")
        parts = [unquote(p) for p in raw.split("/") if p]
        base = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
        if parts[:3] == ["services", "oauth2", "token"]:
            trace_of(request).kind = "token"
            form = dict(parse_qsl((await request.body()).decode()))
            return Reply(200, auth.token(self._world, form, request.headers.get("authorization", ""), base))
        if parts == ["services", "oauth2", "revoke"]:
            trace_of(request).kind = "revoke"
            auth.revoke(self._world, dict(parse_qsl((await request.body()).decode())).get("token", ""))
            return Reply(200)
        if parts == ["services", "data"]:
            trace_of(request).kind = "versions"
            return Reply(200, describe.versions())
        if parts[:3] == ["services", "Soap", "m"]:
            # The session stands in the envelope; the reply is XML whatever happens.
            status, xml = soap.serve(self._world, tuple(parts[3:]), await request.body(), trace_of(request))
            return Reply(status, xml, {"content-type": soap.CONTENT_TYPE})
        user = self._caller(request)
        if parts[:3] == ["services", "oauth2", "userinfo"] or parts[0] == "id":
            trace_of(request).kind = "identity"
            return Reply(200, auth.identity(self._world, user, base))
        if not permissions.has(self._world, user.id, "ApiEnabled"):
            # The login succeeds and every call after it is refused, in words that speak of the whole org. The facts
            # have nothing of it; the code and its words are as users report them (restforce issues 219 and 646 at
            # GitHub), the status is unconfirmed.
            raise ApiError("API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization.")
        ask = await self._ask(request, user, parts, base)
        settle_before(ask)
        with capture(self._world).saving(origin(ask.version, ask.headers.get("sforce-call-options", ""))):
            return dispatch(ask)

    def _caller(self, request: Request) -> Any:
        user = auth.caller(self._world, request.headers.get("authorization", ""))
        client = _CLIENT.search(request.headers.get("sforce-call-options", ""))
        trace_of(request).caller = str(user.values["Username"]) + (f";{client[0]}" if client else "")
        describe.use_one(self._world)
        total, used = describe.usage(self._world)
        if used > total:
            raise ApiError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        return user

    async def _ask(self, request: Request, user: Any, parts: list[str], base: str) -> Ask:
        version = _VERSION.fullmatch(parts[2]) if parts[:2] == ["services", "data"] else None
        if version is None or int(version[1]) > describe.NEWEST:
            raise not_found()
        if int(version[1]) < describe.OLDEST:
            raise ApiError("UNSUPPORTED_API_VERSION", f"API version {version[1]}.0 is retired")
        return Ask(
            world=self._world,
            user=user,
            version=f"{version[1]}.0",
            method=request.method,
            path=tuple(parts[3:]),
            query=request.query_params,
            headers={k.lower(): v for k, v in request.headers.items()},
            body=_parsed(await request.body(), request.headers.get("content-type", "")),
            trace=trace_of(request),
            base_url=base,
        )


def _parsed(raw: bytes, content_type: str) -> Any:
    if content_type.lower().startswith(NOT_JSON):
        return raw
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError as error:
        raise ApiError("JSON_PARSER_ERROR", f"Unexpected character in the request body: {error}") from error


REFUSALS = {
    # No 429 in this API: a spent quota is a 403 with a code (facts: Salesforce §3.3).
    "429": ApiError("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."),
    "500": ApiError("UNKNOWN_EXCEPTION", "An unexpected error occurred. ErrorId: sandbox"),
    "503": ApiError("SERVER_UNAVAILABLE", "Server is temporarily unavailable"),
    "expired_token": ApiError("INVALID_SESSION_ID", "Session expired or invalid"),
}


def _refuse(kind: str, _fault: Fault) -> Response:
    if kind not in REFUSALS:
        return Response(f"<html><body><h1>{kind} Bad Gateway</h1></body></html>", int(kind), media_type="text/html")
    error = REFUSALS[kind]
    return JSONResponse(error.body(), status_code=error.status)


def _headers(world: World) -> dict[str, str]:
    total, used = describe.usage(world)
    return {"Sforce-Limit-Info": f"api-usage={used}/{total}"}


VENDOR = Vendor(refuse=_refuse, headers=_headers)
