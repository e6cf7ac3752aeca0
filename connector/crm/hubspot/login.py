"""How calls to a portal are authorised: a token that stays, or one that is granted for half an hour and renewed.

Not here: sending calls (``session``). A token is renewed ahead of its end and under one lock, so that of several
threads one asks and all get the same (facts: HubSpot §7); a 401 is worth one renewal and no more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from connector.clock import Clock
from connector.crm.hubspot import faults
from connector.crm.hubspot.paths import Paths
from connector.errors import Advice, CrmError

RENEW_BEFORE = 300.0
"""Seconds before its end at which a token is renewed; of a very short one, half its life."""

RENEW_AGAIN = 15.0
"""Seconds after a failed renewal before the next, while the token lasts: each caller would wait for one otherwise."""

USUAL_LIFE = 1800.0
"""Seconds a token lasts when the answer does not say (facts: HubSpot §7)."""


class Login(Protocol):
    """Gives the token for each call."""

    def token(self) -> str:
        """A token that is good now. Raises `CrmError` when none can be had."""
        ...

    def refused(self, token: str) -> bool:
        """The portal answered 401 to this token. True when another one is worth one more try."""
        ...


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A service key, or the token of a private or project app: it lasts until somebody revokes it."""

    value: str = field(repr=False)

    def token(self) -> str:
        """The same each time."""
        return self.value

    def refused(self, token: str) -> bool:
        """There is no other."""
        del token
        return False


@dataclass(frozen=True, slots=True)
class App:
    """An app of the vendor's: what its calls and its webhooks are signed with. With ``refresh_token`` it is installed
    in the portal by OAuth, and that is the login."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where tokens are granted, and by which clock they last. ``monotonic`` gives seconds that never run backwards."""

    base_url: str
    paths: Paths
    clock: Clock
    monotonic: Callable[[], float]
    timeout: tuple[float, float]
    on_call: Callable[[str], None]


class GrantedToken:
    """A token that an OAuth grant gives for a while. ``form`` is what the token endpoint is sent."""

    def __init__(self, desk: Desk, form: Mapping[str, str], *, what: str) -> None:
        self._desk = desk
        self._form = dict(form)
        self._what = what
        self._http = urllib3.PoolManager(retries=False)
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at = self._ends_at = 0.0

    def token(self) -> str:
        """The token, renewed when its end is near. While the old one lasts, a failed renewal is tried again later."""
        with self._lock:
            now = self._desk.monotonic()
            if self._token and now < self._renew_at:
                return self._token
            try:
                self._renew()
            except CrmError as error:
                if not self._token or now >= self._ends_at or error.fault.advice is Advice.HALT:
                    raise
                self._renew_at = min(self._desk.monotonic() + RENEW_AGAIN, self._ends_at)
            return self._token

    def refused(self, token: str) -> bool:
        """Forget a token that a 401 came for, unless another thread has renewed it already."""
        with self._lock:
            if self._token == token:
                self._token = ""
            return True

    def _renew(self) -> None:
        asked_at = self._desk.monotonic()
        told = self._ask()
        life = _seconds(told.get("expires_in"))
        self._token = str(told["access_token"])
        self._ends_at = asked_at + life
        self._renew_at = asked_at + max(life - RENEW_BEFORE, life / 2)
        # HubSpot keeps refresh tokens as they are; one that came new all the same is the one to use from now on.
        if "refresh_token" in self._form and told.get("refresh_token"):
            self._form["refresh_token"] = str(told["refresh_token"])

    def _ask(self) -> Mapping[str, Any]:
        self._desk.on_call("token")
        connect, read = self._desk.timeout
        try:
            reply = self._http.urlopen(
                "POST",
                self._desk.base_url.rstrip("/") + self._desk.paths.token(),
                body=urlencode(self._form),
                headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
                timeout=urllib3.Timeout(connect=connect, read=read),
                redirect=False,
            )
        except HTTPError as error:
            raise faults.from_transport(error, writing=False) from error
        told = _json(reply.data)
        if reply.status != 200 or not told.get("access_token"):
            moments = faults.Moments(now=self._desk.clock.now())
            raise faults.of_token(reply.status, told, reply.headers, what=self._what, moments=moments)
        return told


def portal_login(desk: Desk, *, token: str, app: App | None) -> Login:
    """The login to the portal: a token that lasts where there is one, else the app's by OAuth."""
    if token or app is None:
        return StaticToken(token)
    form = {"grant_type": "refresh_token", "client_id": app.client_id, "client_secret": app.client_secret}
    return GrantedToken(desk, {**form, "refresh_token": app.refresh_token}, what="the refresh token")


def app_login(desk: Desk, app: App, *, scopes: Sequence[str]) -> Login:
    """The app's own login, for the journal of what happens in the portals that installed it (facts: HubSpot §2c)."""
    form = {"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": app.client_secret}
    return GrantedToken(desk, {**form, "scope": " ".join(scopes)}, what="the app's client id and secret")


def _seconds(told: object) -> float:
    try:
        life = float(str(told))
    except ValueError:
        return USUAL_LIFE
    return life if life > 0 else USUAL_LIFE


def _json(raw: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(raw)
    except ValueError:
        return {}
    return told if isinstance(told, Mapping) else {}
