"""OAuth of the portal: tokens that are granted, live for half an hour of the sandbox's time, and die.

Not the check of every call (`access.py`), nor what a scope allows. Settings: `oauth_life_s` (1,800), `oauth_calls` (a
token dies after so many calls; 0 is never), `oauth_rotate` (a refresh token is good for one use), `oauth_errors`
("vendor" or "rfc": how a refusal is worded, which no source says), `app_scopes` (what the app may ask for).
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sandbox.hubspot import access
from connector.sandbox.hubspot.derive import epoch_ms
from connector.sandbox.hubspot.errors import Refused
from connector.sandbox.hubspot.schema import (
    APP,
    APP_CLIENT_ID,
    APP_CLIENT_SECRET,
    APP_ID,
    APP_REFRESH_TOKEN,
    PORTAL_ID,
)
from connector.sandbox.wire import trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from connector.sandbox.state import World

VERSIONS = frozenset({"v1", "v3", "2026-03", "2026-09"})
LIFE_S = 1800.0
"""Facts: HubSpot §7."""

FORM = "application/x-www-form-urlencoded"
GRANTS = "oauth"
"""Setting: refresh tokens, codes and access tokens that were given out."""

APP_ONLY = "client_credentials"
"""The kind of a token of the app itself, beside `access.OAUTH` of an installation."""

INSTALLER = 9001
JOURNAL_SCOPES = tuple(
    f"developer.webhooks_journal.{name}" for name in ("read", "subscriptions.read", "subscriptions.write")
)
OBJECT_SCOPES = (
    *(f"crm.objects.{name}.{verb}" for name in ("deals", "companies", "contacts") for verb in ("read", "write")),
    "crm.objects.owners.read",
    *(f"crm.schemas.{name}.{verb}" for name in ("deals", "companies", "contacts") for verb in ("read", "write")),
    *(f"crm.schemas.{name}.write" for name in ("tasks", "notes")),
    *(f"crm-pipelines-governance-{verb}" for verb in ("read", "write")),
)
DEAD_KEPT = timedelta(days=1)
"""How long a dead token is remembered, so that it is called expired and not unknown."""


@dataclass(frozen=True, slots=True)
class Wrong(Exception):
    """The token endpoint says no: HubSpot's word for it, the standard's (RFC 6749), and a sentence."""

    status: str
    error: str
    message: str


def routes(world: World) -> list[Route]:
    """Every OAuth path of the portal."""

    def at(path: str, do: Callable[[_Asked], Response], method: str, kind: str) -> Route:
        async def endpoint(request: Request) -> Response:
            trace_of(request).kind = kind
            return _answer(do, world, request, await request.body())

        return Route(f"/oauth/{{version}}{path}", endpoint, methods=[method])

    return [
        at("/token", _token, "POST", "oauth.token"),
        *(at(f"{where}/introspect", _introspect, "POST", "oauth.introspect") for where in ("", "/token")),
        *(at(f"{where}/revoke", _revoke, "POST", "oauth.revoke") for where in ("", "/token")),
        at("/access-tokens/{token}", _introspect, "GET", "oauth.introspect"),
        at("/refresh-tokens/{token}", _introspect, "GET", "oauth.introspect"),
        at("/refresh-tokens/{token}", _revoke, "DELETE", "oauth.revoke"),
    ]


def caller(world: World, token: str) -> access.Caller | None:
    """Whose call comes with this token, if it was granted here. Raises Refused (401) when it is dead by now."""
    minted = _state(world)["minted"].get(token)
    if minted is None:
        return None
    minted["calls"] += 1
    most = int(world.settings.get("oauth_calls", 0))
    if minted["ends"] <= epoch_ms(world.clock.now()) or 0 < most < minted["calls"]:
        kill(world, token)
    if minted["dead"]:
        raise Refused(status=401, category="EXPIRED_AUTHENTICATION", message="The OAuth token of this call expired.")
    return access.Caller(name=APP, kind=minted["use"], scopes=frozenset(minted["scopes"]))


access.OTHERS.append(caller)


def kill(world: World, *tokens: str) -> int:
    """End these access tokens, or all that were granted; returns how many lived."""
    minted = _state(world)["minted"]
    chosen = [t for t in (tokens or tuple(minted)) if t in minted and not minted[t]["dead"]]
    for token in chosen:
        minted[token]["dead"] = True
    _keep(world)
    return len(chosen)


def authorize(world: World, *, scopes: tuple[str, ...] = OBJECT_SCOPES, redirect_uri: str = "") -> str:
    """Install the app, as a person does on the consent page; returns the code that is good for one grant."""
    code = str(uuid.uuid4())
    _state(world)["codes"][code] = {"scopes": list(scopes), "redirect_uri": redirect_uri}
    _keep(world)
    return code


def app_scopes(world: World) -> tuple[str, ...]:
    """What the app may be granted."""
    return tuple(world.settings.get("app_scopes", (*OBJECT_SCOPES, *JOURNAL_SCOPES)))


# granting


@dataclass(frozen=True, slots=True)
class _Asked:
    world: World
    version: str
    form: Mapping[str, str]
    path: Mapping[str, str]

    def given(self, name: str) -> str:
        return self.form.get(name) or self.path.get(name, "")


def _token(asked: _Asked) -> Response:
    grant = _GRANTS.get(asked.given("grant_type"))
    if grant is None:
        raise Wrong("BAD_GRANT_TYPE", "unsupported_grant_type", "missing or unknown grant type")
    if asked.given("client_id") != APP_CLIENT_ID:
        raise Wrong("BAD_CLIENT_ID", "invalid_client", "missing or unknown client id")
    if asked.given("client_secret") != APP_CLIENT_SECRET:
        raise Wrong("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
    return JSONResponse(grant(asked))


def _by_refresh_token(asked: _Asked) -> dict[str, Any]:
    state, old = _state(asked.world), asked.given("refresh_token")
    grant = state["refresh"].get(old)
    if grant is None:
        raise Wrong("BAD_REFRESH_TOKEN", "invalid_grant", "missing or invalid refresh token")
    new = old
    if asked.world.settings.get("oauth_rotate"):
        new = f"na1-4242-refresh-{secrets.token_urlsafe(12)}"
        state["refresh"][new] = state["refresh"].pop(old)
    return {**_minted(asked.world, access.OAUTH, grant["scopes"]), "refresh_token": new}


def _by_code(asked: _Asked) -> dict[str, Any]:
    state = _state(asked.world)
    code = state["codes"].get(asked.given("code"))
    if code is None:
        raise Wrong("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code")
    if code["redirect_uri"] != asked.given("redirect_uri"):
        raise Wrong("BAD_REDIRECT_URI", "invalid_grant", "redirect URI does not match the one of the code")
    del state["codes"][asked.given("code")]
    refresh = f"na1-4242-refresh-{secrets.token_urlsafe(12)}"
    state["refresh"][refresh] = {"scopes": code["scopes"]}
    return {**_minted(asked.world, access.OAUTH, code["scopes"]), "refresh_token": refresh}


def _by_app(asked: _Asked) -> dict[str, Any]:
    scopes = asked.given("scope").split()
    unknown = sorted(set(scopes) - set(app_scopes(asked.world)))
    if unknown or not scopes:
        raise Wrong(
            "BAD_SCOPE", "invalid_scope", f"the app does not have the scopes: {' '.join(unknown) or 'none asked'}"
        )
    return _minted(asked.world, APP_ONLY, scopes)


_GRANTS: dict[str, Callable[[_Asked], dict[str, Any]]] = {
    "refresh_token": _by_refresh_token,
    "authorization_code": _by_code,
    "client_credentials": _by_app,
}


def _minted(world: World, use: str, scopes: list[str]) -> dict[str, Any]:
    life = float(world.settings.get("oauth_life_s", LIFE_S))
    now = world.clock.now()
    token = f"hs-{use}-{secrets.token_urlsafe(24)}"
    state = _state(world)
    long_ago = epoch_ms(now - DEAD_KEPT)
    state["minted"] = {t: m for t, m in state["minted"].items() if m["ends"] > long_ago}
    ends = epoch_ms(now + timedelta(seconds=life))
    state["minted"][token] = {"ends": ends, "use": use, "scopes": list(scopes), "calls": 0, "dead": False}
    _keep(world)
    return {
        "token_type": "bearer",
        "access_token": token,
        "expires_in": int(life),
        "token_use": "access_token" if use == access.OAUTH else APP_ONLY,
        "hub_id": PORTAL_ID,
        "scopes": list(scopes),
        **({"user_id": INSTALLER} if use == access.OAUTH else {}),
    }


# looking and taking back


def _introspect(asked: _Asked) -> Response:
    state, token = _state(asked.world), asked.given("token")
    shown = {"token": token, "hub_id": PORTAL_ID, "app_id": APP_ID, "client_id": APP_CLIENT_ID, "user_id": INSTALLER}
    if token in state["refresh"]:
        scopes = state["refresh"][token]["scopes"]
        use = {"active": True, "token_type": "refresh", "token_use": "refresh_token", "scopes": scopes}
        return JSONResponse({**shown, **use})
    minted = state["minted"].get(token)
    if minted is None:
        raise Wrong("BAD_TOKEN", "invalid_request", "missing or unknown token")
    left = max(0, minted["ends"] - epoch_ms(asked.world.clock.now())) // 1000
    alive = left > 0 and not minted["dead"]
    use = {"active": alive, "token_type": "access", "token_use": "access_token", "scopes": minted["scopes"]}
    signed = _signed(minted) if minted["use"] == access.OAUTH else {}
    return JSONResponse({**shown, **use, "expires_in": left, "is_private_distribution": True, **signed})


def _signed(minted: dict[str, Any]) -> dict[str, Any]:
    blank = ("scopes", "scopeToScopeGroupPks", "trialScopes", "trialScopeToScopeGroupPks", "signature", "newSignature")
    return {
        "signed_access_token": {
            **dict.fromkeys(blank, ""),
            "appId": APP_ID,
            "hubId": PORTAL_ID,
            "userId": INSTALLER,
            "installingUserId": INSTALLER,
            "expiresAt": minted["ends"],
            "hublet": "na1",
            "isPrivateDistribution": True,
            "isServiceAccount": False,
            "isUserLevel": False,
        }
    }


def _revoke(asked: _Asked) -> Response:
    token = asked.given("token")
    if _state(asked.world)["refresh"].pop(token, None) is None:
        kill(asked.world, token)
    _keep(asked.world)
    return Response(status_code=204)


# inside


def _state(world: World) -> dict[str, Any]:
    usual = {"refresh": {APP_REFRESH_TOKEN: {"scopes": list(OBJECT_SCOPES)}}, "codes": {}, "minted": {}}
    found: dict[str, Any] = world.settings.setdefault(GRANTS, usual)
    return found


def _keep(world: World) -> None:
    world.setting(GRANTS, _state(world))


def _answer(do: Callable[[_Asked], Response], world: World, request: Request, raw: bytes) -> Response:
    version = request.path_params["version"]
    if version not in VERSIONS or ("tokens/" in request.url.path and version != "v1"):
        return _refused(world, Wrong("NOT_FOUND", "invalid_request", "No such path in this API version"), status=404)
    if raw and request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
        return _refused(world, Wrong("UNSUPPORTED_MEDIA_TYPE", "invalid_request", f"send {FORM}"), status=415)
    form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return do(_Asked(world, version, form, request.path_params))
    except Wrong as wrong:
        return _refused(world, wrong, status=400)


def _refused(world: World, wrong: Wrong, *, status: int) -> Response:
    if world.settings.get("oauth_errors", "vendor") == "rfc":
        return JSONResponse({"error": wrong.error, "error_description": wrong.message}, status_code=status)
    body = {"status": wrong.status, "message": wrong.message, "correlationId": str(uuid.uuid4())}
    return JSONResponse(body, status_code=status, headers={"X-HubSpot-Correlation-Id": body["correlationId"]})
