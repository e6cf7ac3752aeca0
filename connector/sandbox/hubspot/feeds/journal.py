"""The webhooks journal over HTTP: what an app subscribed to, which file comes next, and the files themselves.

Not the events (`log.py`). It counts against no limit of the portal (facts: HubSpot §2c). Settings: `journal_aged` is
the answer to an offset that is too old ("404", "410" or "earliest": no document says), `journal_url_s` how long the
address of a file is good, `journal_per_second` how often the app may ask (0 lifts it), `journal_upserts` (true)
whether a second subscription to the same takes the first one's place, which is not documented either.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sandbox.hubspot import access, ratelimit
from connector.sandbox.hubspot.derive import epoch_ms, iso
from connector.sandbox.hubspot.errors import Refused, invalid, not_found
from connector.sandbox.hubspot.feeds import log
from connector.sandbox.hubspot.feeds.log import ASSOCIATION, OBJECT, SUBSCRIPTIONS, File
from connector.sandbox.hubspot.feeds.source import Action
from connector.sandbox.hubspot.kinds import DATED, KINDS
from connector.sandbox.hubspot.oauth import APP_ONLY
from connector.sandbox.hubspot.schema import APP_CLIENT_SECRET, APP_ID, PORTAL_ID
from connector.sandbox.wire import trace_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from connector.sandbox.state import World

READ, SUBSCRIBED, SUBSCRIBE = (
    f"developer.webhooks_journal.{name}" for name in ("read", "subscriptions.read", "subscriptions.write")
)
# facts: HubSpot §2c
MOST_FILES = 100
PER_SECOND = 100
URL_S = 300
AGED = {"404": 404, "410": 410}
ASKED = "hubspot.journal.asked"
FILES_PATH = "/journal-files/"
TYPES = (OBJECT, ASSOCIATION)
FIRST_ID = 700_001


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of the app. `local` is the journal of one portal only."""

    world: World
    who: access.Caller
    params: dict[str, Any]
    local: bool
    portal: str
    base: str
    raw: bytes

    def body(self) -> dict[str, Any]:
        """The body, a JSON object. Raises Refused (400)."""
        try:
            found = json.loads(self.raw)
        except ValueError as problem:
            raise invalid(f"Invalid input JSON: {problem}") from problem
        if not isinstance(found, dict):
            raise invalid("Invalid input JSON: an object is expected")
        return found

    def files(self) -> list[File]:
        """The files of this journal, oldest first."""
        elsewhere = self.local and self.portal not in ("", str(PORTAL_ID))
        return [] if elsewhere else log.log(self.world).files()


Handler = Callable[[Asked], Response]


def routes(world: World) -> list[Route]:
    """Every path of the journal, for the portal's port."""

    def at(path: str, method: str, kind: str, scope: str, do: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            trace = trace_of(request)
            trace.kind, trace.write = kind, scope == SUBSCRIBE
            try:
                return do(_admitted(world, request, await request.body(), scope))
            except Refused as refusal:
                return _refused(refusal)

        return Route(f"/webhooks-journal/{path}", endpoint, methods=[method])

    journals = [
        at(f"{journal}/{{version}}/{path}", method, "journal.read", READ, do)
        for journal in ("journal", "journal-local")
        for path, method, do in (
            ("earliest", "GET", _earliest),
            ("latest", "GET", _latest),
            ("offset/{offset}/next", "GET", _next),
            ("batch/earliest/{count}", "GET", _batch_earliest),
            ("batch/latest/{count}", "GET", _batch_latest),
            ("batch/{offset}/next/{count}", "GET", _batch_next),
            ("batch/read", "POST", _batch_read),
            ("status/{id}", "GET", _status),
        )
    ]
    subscriptions = [
        at(f"subscriptions/{{version}}{path}", method, "journal.subscriptions", scope, do)
        for path, method, scope, do in (
            ("", "POST", SUBSCRIBE, _subscribe),
            ("", "GET", SUBSCRIBED, _subscriptions),
            ("/portals/{portal}", "DELETE", SUBSCRIBE, _unsubscribe_portal),
            ("/{id}", "GET", SUBSCRIBED, _subscription),
            ("/{id}", "DELETE", SUBSCRIBE, _unsubscribe),
        )
    ]

    async def file(request: Request) -> Response:
        trace_of(request).kind = "journal.file"
        return _file(world, request)

    return [*journals, *subscriptions, Route(FILES_PATH + "{offset}", file, methods=["GET"])]


# one file after the other


def _earliest(asked: Asked) -> Response:
    return _one(asked, asked.files()[:1])


def _latest(asked: Asked) -> Response:
    return _one(asked, asked.files()[-1:])


def _next(asked: Asked) -> Response:
    return _one(asked, _after(asked)[:1])


def _batch_earliest(asked: Asked) -> Response:
    return _many(asked, asked.files()[: _count(asked)])


def _batch_latest(asked: Asked) -> Response:
    return _many(asked, asked.files()[-_count(asked) :])


def _batch_next(asked: Asked) -> Response:
    return _many(asked, _after(asked)[: _count(asked)])


def _batch_read(asked: Asked) -> Response:
    wanted = asked.body().get("inputs")
    if not isinstance(wanted, list) or not 0 < len(wanted) <= MOST_FILES:
        raise invalid(f"inputs must be a list of 1 to {MOST_FILES} offsets")
    by_offset = {file.offset: file for file in asked.files()}
    missing = [each for each in wanted if each not in by_offset]
    errors = [not_found(f"There is no journal entry {each}").row({"ids": [str(each)]}) for each in missing]
    return _many(asked, [by_offset[each] for each in wanted if each in by_offset], errors)


def _status(asked: Asked) -> Response:
    raise not_found(f"There is no snapshot {asked.params['id']}")


def _after(asked: Asked) -> list[File]:
    wanted, files = asked.params["offset"], asked.files()
    try:
        uuid.UUID(wanted)
    except ValueError as problem:
        raise invalid(f"{wanted!r} is no offset") from problem
    for number, file in enumerate(files):
        if file.offset == wanted:
            return files[number + 1 :]
    aged = str(asked.world.settings.get("journal_aged", "404"))
    if aged in AGED:
        words = f"The offset {wanted} does not exist or is past retention"
        raise Refused(status=AGED[aged], category="OBJECT_NOT_FOUND", message=words)
    return files


def _count(asked: Asked) -> int:
    count = asked.params["count"]
    if not count.isdigit() or not 1 <= int(count) <= MOST_FILES:
        raise invalid(f"the count must be between 1 and {MOST_FILES}, not {count!r}")
    return int(count)


def _one(asked: Asked, files: list[File]) -> Response:
    return JSONResponse(_shown(asked, files[0])) if files else Response(status_code=204)


def _many(asked: Asked, files: list[File], errors: list[dict[str, Any]] | None = None) -> Response:
    now = iso(asked.world.clock.now())
    body: dict[str, Any] = {"status": "COMPLETE", "startedAt": now, "completedAt": now}
    body["results"] = [_shown(asked, file) for file in files]
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return JSONResponse(body, status_code=207 if errors else 200)


def _shown(asked: Asked, file: File) -> dict[str, Any]:
    ends = asked.world.clock.now() + timedelta(seconds=float(asked.world.settings.get("journal_url_s", URL_S)))
    stamp = epoch_ms(ends)
    url = f"{asked.base}{FILES_PATH}{file.offset}?expires={stamp}&signature={_seal(file.offset, stamp)}"
    return {"url": url, "expiresAt": iso(ends), "currentOffset": file.offset}


def _file(world: World, request: Request) -> Response:
    # A file lies with a storage provider, which takes the address as the only proof and refuses a second one.
    if "authorization" in request.headers:
        return _storage(400, "InvalidArgument", "Only one auth mechanism allowed")
    offset, ends = request.path_params["offset"], request.query_params.get("expires", "")
    given = request.query_params.get("signature", "")
    if not ends.isdigit() or not hmac.compare_digest(_seal(offset, int(ends)), given):
        return _storage(403, "SignatureDoesNotMatch", "The signature does not match")
    if int(ends) <= epoch_ms(world.clock.now()):
        return _storage(403, "AccessDenied", "Request has expired")
    journal = log.log(world)
    file = next((each for each in journal.files() if each.offset == offset), None)
    if file is None:
        return _storage(404, "NoSuchKey", "The specified key does not exist.")
    trace_of(request).rows = file.last - file.first + 1
    return Response(journal.content(file), media_type="application/json")


def _storage(status: int, code: str, words: str) -> Response:
    return Response(
        f"<Error><Code>{code}</Code><Message>{words}</Message></Error>", status, media_type="application/xml"
    )


def _seal(offset: str, ends: int) -> str:
    return hmac.new(APP_CLIENT_SECRET.encode(), f"{offset}|{ends}".encode(), hashlib.sha256).hexdigest()


# subscriptions


def _subscribe(asked: Asked) -> Response:
    one = _wanted(asked)
    known = _known(asked.world)
    upserts = asked.world.settings.get("journal_upserts", True)
    same = next((each for each in known.values() if upserts and _place(each) == _place(one)), None)
    now = iso(asked.world.clock.now())
    number = same["id"] if same else max((int(each) for each in known), default=FIRST_ID - 1) + 1
    made = {"id": number, "appId": APP_ID, "createdAt": same["createdAt"] if same else now, "updatedAt": now, **one}
    asked.world.setting(SUBSCRIPTIONS, {**known, str(number): made})
    return JSONResponse(made)


def _subscriptions(asked: Asked) -> Response:
    return JSONResponse({"results": list(_known(asked.world).values())})


def _subscription(asked: Asked) -> Response:
    found = _known(asked.world).get(asked.params["id"])
    if found is None:
        raise not_found(f"There is no subscription {asked.params['id']}")
    return JSONResponse(found)


def _unsubscribe(asked: Asked) -> Response:
    _subscription(asked)
    left = {key: one for key, one in _known(asked.world).items() if key != asked.params["id"]}
    asked.world.setting(SUBSCRIPTIONS, left)
    return Response(status_code=204)


def _unsubscribe_portal(asked: Asked) -> Response:
    if asked.params["portal"] == str(PORTAL_ID):
        asked.world.setting(SUBSCRIPTIONS, {})
    return Response(status_code=204)


def _wanted(asked: Asked) -> dict[str, Any]:
    body = asked.body()
    kind = next((k for k in KINDS if k.type_id == body.get("objectTypeId")), None)
    actions = body.get("actions")
    if body.get("subscriptionType") not in TYPES:
        raise invalid(f"subscriptionType must be one of {', '.join(TYPES)} in this portal")
    if body.get("portalId") != PORTAL_ID:
        raise Refused(status=403, category="FORBIDDEN", message=f"The app is not installed in {body.get('portalId')}")
    if kind is None:
        raise invalid(f"Unable to infer object type from: {body.get('objectTypeId')}")
    if not isinstance(actions, list) or not actions or not set(actions) <= {each.value for each in Action}:
        raise invalid(f"actions must be some of {', '.join(Action)}")
    shared = "contacts" if kind.engagement else kind.table
    if f"crm.objects.{shared}.read" not in (asked.who.scopes or ()):
        raise access.lacking([f"crm.objects.{shared}.read"])
    lists = ("properties", "objectIds", "associatedObjectTypeIds")
    wrong = [name for name in lists if not isinstance(body.get(name, []), list)]
    if wrong:
        raise invalid(f"{', '.join(wrong)} must be a list")
    kept = {name: body[name] for name in lists if name in body}
    return {"portalId": PORTAL_ID, "objectTypeId": kind.type_id, "actions": actions, **kept} | {
        "subscriptionType": body["subscriptionType"]
    }


def _place(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["subscriptionType"], one["objectTypeId"], tuple(sorted(one.get("associatedObjectTypeIds") or ()))


def _known(world: World) -> dict[str, dict[str, Any]]:
    return world.settings.get(SUBSCRIPTIONS) or {}


# inside


def _admitted(world: World, request: Request, raw: bytes, scope: str) -> Asked:
    if request.path_params["version"] not in {version.name for version in DATED}:
        raise Refused(status=404, category="NOT_FOUND", message="No such path in this API version")
    who = access.caller(world, request.headers.get("authorization", ""))
    trace_of(request).caller = who.name
    # Only an app's own token reads the journal: no service key and no installation's (facts: HubSpot §2c, §7).
    if who.kind != APP_ONLY or scope not in (who.scopes or ()):
        raise access.lacking([scope])
    _throttle(world)
    return Asked(
        world=world,
        who=who,
        params=request.path_params,
        local="/journal-local/" in request.url.path,
        portal=request.query_params.get("installPortalId", ""),
        base=f"{request.url.scheme}://{request.url.netloc}",
        raw=raw,
    )


def _throttle(world: World) -> None:
    most = int(world.settings.get("journal_per_second", PER_SECOND))
    asked: deque[float] = world.scratch.setdefault(ASKED, deque())
    now = time.monotonic()
    while asked and asked[0] <= now - 1:
        asked.popleft()
    if 0 < most <= len(asked):
        raise ratelimit.Throttled(ratelimit.SEARCHES[0], policy="SECONDLY")
    asked.append(now)


def _refused(refusal: Refused) -> Response:
    correlation_id = str(uuid.uuid4())
    headers = {"X-HubSpot-Correlation-Id": correlation_id}
    return JSONResponse(refusal.body(correlation_id), status_code=refusal.status, headers=headers)
