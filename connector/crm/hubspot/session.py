"""One line to one HubSpot portal: sends JSON, reads JSON, keeps to the rates, counts every call.

Not here: what is asked (``search``, ``reads``, ``writes``, ``associations``), where it lives (``paths``) and how a call
is authorised (``login``). The vendor client gives transport only: its own methods speak paths that HubSpot retires, and
its retries would send a write twice.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hubspot import HubSpot
from hubspot.crm.deals.exceptions import ApiException
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from connector.clock import Clock, SystemClock
from connector.crm.budget import RESERVE, Burst, Company, Meter, Rate, Ration, Treasury, Unmetered, ration
from connector.crm.hubspot import faults, wire
from connector.crm.hubspot.login import Login
from connector.crm.hubspot.paths import Paths
from connector.crm.port import DailyCalls
from connector.crm.retry import ReadRetry
from connector.errors import FaultCode

BASE_URL = "https://api.hubapi.com"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
SEARCHES_PER_SECOND = 5
"""Per portal (facts: HubSpot §1). The window is a little longer than a second, for calls bunch up on the way."""

SEARCH_WINDOW = 1.05
SEARCH, BURST, DAILY = "search", "burst", "daily"
"""The portal's three budgets, as the figures name them."""

PAUSES = 10
"""All processes pause for this part of the window when an answer says that nothing is left of it."""

LIMIT_HEADERS = "x-hubspot-ratelimit-"
UNAUTHORISED, THROTTLED = 401, 429


@dataclass(frozen=True, slots=True)
class Waits:
    """How time passes for this session; tests hand in their own."""

    clock: Clock
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


REAL_WAITS = Waits(clock=SystemClock())


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, as often as it may be sent. ``writing``: a lost answer leaves open what became of it."""

    kind: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    writing: bool = False
    budget: str = BURST


class Session:
    """Calls to one portal, from any thread. Raises `faults.HubSpotError` for every answer outside 2xx and for every
    lost connection."""

    def __init__(
        self,
        *,
        login: Login,
        base_url: str = BASE_URL,
        paths: Paths | None = None,
        on_call: Callable[[str], None] | None = None,
        meter: Meter | None = None,
        company: Company | None = None,
        treasury: Treasury | None = None,
        waits: Waits = REAL_WAITS,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        client = HubSpot(host=base_url.rstrip("/"), retry=Retry(0))
        # Every access to basic_api builds a new connection pool (facts: HubSpot §3f), so one is kept.
        self._api = client.crm.deals.basic_api.api_client
        self._login = login
        self._timeout = timeout
        self._on_call = on_call or (lambda _: None)
        self._meter: Meter = meter or Unmetered()
        self._waits = waits
        self._searches = Rate(
            limit=SEARCHES_PER_SECOND, seconds=SEARCH_WINDOW, monotonic=waits.monotonic, wait=waits.wait
        )
        self._burst = Burst(monotonic=waits.monotonic, wait=waits.wait)
        self._company = company or Company()
        self._treasury = treasury
        self._rations: dict[tuple[str, int, float], Ration] = {}
        self._retry = ReadRetry(clock=waits.clock, sleep=waits.wait)
        self._server_time: datetime | None = None
        self._daily: DailyCalls | None = None
        self._daily_at = 0.0
        self._burst_limit = 0
        self._window = 0.0
        self.paths = paths or Paths()
        self.zone = "UTC"

    @property
    def server_time(self) -> datetime | None:
        """The ``Date`` of the last answer, in UTC with whole seconds; None before the first."""
        return self._server_time

    @property
    def daily(self) -> DailyCalls | None:
        """The day's calls of all apps together; None where the portal does not tell (OAuth, facts: HubSpot §3e)."""
        return self._daily

    @property
    def daily_age(self) -> float:
        """Seconds since the portal told of the day's calls; 0 where it does not tell."""
        return self._waits.monotonic() - self._daily_at if self._daily is not None else 0.0

    @property
    def burst_limit(self) -> int:
        """Calls that the portal allows this app in its rolling window; 0 before it told."""
        return self._burst_limit

    def get(self, kind: str, path: str, *, query: Mapping[str, str] | None = None) -> wire.Json:
        """Read by GET. Tried again when the portal is busy or away for a moment."""
        return self._retry(lambda: self._call(_Call(kind, "GET", path, query=tuple((query or {}).items()))))

    def ask(self, kind: str, path: str, body: wire.Json) -> wire.Json:
        """Read by POST (batch reads). Tried again like `get`. Records that are not there are missing from the answer;
        a row that could not be read for any other reason fails the call, for it would look as if it were gone."""

        def once() -> wire.Json:
            data = self._call(_Call(kind, "POST", path, body=body))
            faults.listed(data)
            faults.refuse_incomplete(wire.errors(data))
            return data

        return self._retry(once)

    def search(self, object_name: str, body: wire.Json) -> wire.Json:
        """One search page, never faster than the portal allows searches; the burst window does not count them."""
        call = _Call(f"search.{object_name}", "POST", self.objects(object_name, "search"), body=body, budget=SEARCH)

        def once() -> wire.Json:
            data = self._call(call)
            faults.listed(data)
            return data

        return self._retry(once)

    def send(self, kind: str, path: str, body: wire.Json) -> wire.Json:
        """Write by POST. Sent exactly once: a lost reply raises with code ``OUTCOME_UNKNOWN``."""
        return self.change(kind, "POST", path, body)

    def change(self, kind: str, method: str, path: str, body: Any = None) -> wire.Json:
        """Write by any method. Sent exactly once, like `send`; an answer without a body is an empty one."""
        return self._call(_Call(kind, method, path, body=body, writing=True))

    def objects(self, object_name: str, *rest: str) -> str:
        """The path of an object type's endpoint."""
        return self.paths.objects(object_name, *rest)

    def associations(self, from_object: str, to_object: str, *rest: str) -> str:
        """The path of an association batch endpoint."""
        return self.paths.associations(from_object, to_object, *rest)

    def _call(self, call: _Call) -> wire.Json:
        """Send a call; once more with a fresh token when the portal would not have this one: it looks at the token
        before anything else, so nothing was done."""
        token = self._login.token()
        try:
            status, content = self._send(call, token)
        except faults.HubSpotError as error:
            if error.status != UNAUTHORISED or not self._login.refused(token):
                raise
            status, content = self._send(call, self._login.token())
        try:
            data = json.loads(content) if content else {}
        except ValueError:
            data = None
        if not isinstance(data, Mapping):
            raise faults.from_garbage(status, writing=call.writing)
        return data

    def _send(self, call: _Call, token: str) -> tuple[int, bytes]:
        shared = self._ration(call.budget)
        waited = self._searches.take() if call.budget == SEARCH else self._burst.take()
        waited += shared.take() if shared is not None else 0.0
        if waited > 0:
            self._meter.waited(call.budget, waited)
        self._on_call(call.kind)
        try:
            status, headers, content = self._exchange(call, token)
        except faults.HubSpotError as error:
            if error.status == THROTTLED:
                self._slow_down(call, error)
            raise
        finally:
            if call.budget == SEARCH:
                self._searches.answered()
        self._note(headers)
        return status, content

    def _exchange(self, call: _Call, token: str) -> tuple[int, Mapping[str, str], bytes]:
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
        }
        try:
            reply = self._api.call_api(
                call.path,
                call.method,
                query_params=list(call.query),
                header_params=headers,
                body=call.body,
                auth_settings=[],
                _preload_content=False,
                _request_timeout=self._timeout,
            )
            return reply.status, reply.headers, reply.data
        except (ApiException, UnicodeDecodeError, AttributeError) as error:
            answer = _answer_behind(error)
            self._note(answer.headers or {})
            raise faults.from_api(answer, writing=call.writing, moments=self._moments()) from error
        except HTTPError as error:
            raise faults.from_transport(error, writing=call.writing) from error

    def _slow_down(self, call: _Call, error: faults.HubSpotError) -> None:
        """A budget is used up, by us or by others: no call of its kind goes out before there is room again."""
        fault = error.fault
        until = fault.retry_at - self._waits.clock.now() if fault.retry_at else faults.WINDOW
        if fault.code is FaultCode.QUOTA_EXHAUSTED:
            self._meter.refused(DAILY)  # the engine pauses the system
            return
        self._meter.refused(call.budget)
        seconds = min(until, faults.WINDOW).total_seconds()
        if shared := self._ration(call.budget):
            shared.refused(seconds)
        if call.budget == SEARCH:
            self._searches.refused(seconds)
        else:
            self._burst.refused(seconds)

    def _ration(self, budget: str) -> Ration | None:
        """What this process may take of a budget that it shares; None where there is no other, or no limit is known."""
        if self._treasury is None or self._company.members < 2:
            return None
        limit, seconds = (SEARCHES_PER_SECOND, SEARCH_WINDOW) if budget == SEARCH else (self._burst_limit, self._window)
        if not limit or not seconds:
            return None
        key = (budget, limit, seconds)
        if key not in self._rations:
            self._rations[key] = ration(
                self._treasury,
                budget,
                limit=limit,
                seconds=seconds,
                company=self._company,
                monotonic=self._waits.monotonic,
                wait=self._waits.wait,
            )
        return self._rations[key]

    def _moments(self) -> faults.Moments:
        return faults.Moments(now=self._waits.clock.now(), zone=self.zone)

    def _note(self, headers: Mapping[str, Any]) -> None:
        """Learn the portal's time and how much of each budget is left. Searches carry no rate headers."""
        told = {str(name).lower(): str(value) for name, value in headers.items()}
        if "date" in told:
            with contextlib.suppress(ValueError):  # a proxy's odd date is no reason to fail a call
                self._server_time = parsedate_to_datetime(told["date"]).astimezone(UTC)
        limits = {
            name.removeprefix(LIMIT_HEADERS): int(value)
            for name, value in told.items()
            if name.startswith(LIMIT_HEADERS) and value.isdigit()
        }
        self._burst_limit = limits.get("max", self._burst_limit)
        if "remaining" in limits and "interval-milliseconds" in limits:
            self._window = limits["interval-milliseconds"] / 1000
            self._burst.note(remaining=limits["remaining"], interval=self._window)
            if limits["remaining"] <= RESERVE and (shared := self._ration(BURST)):
                shared.used_up(self._window / PAUSES)
            self._meter.left(BURST, limits["remaining"])
        if "daily" in limits and "daily-remaining" in limits:
            left = limits["daily-remaining"]
            self._daily = DailyCalls(used=max(limits["daily"] - left, 0), allowed=limits["daily"])
            self._daily_at = self._waits.monotonic()
            self._meter.left(DAILY, left)
        self._meter.left(SEARCH, self._searches.allowed)


def _answer_behind(error: Exception) -> ApiException:
    """The vendor client fails while decoding an error body that is not UTF-8 or not there; the answer is behind it."""
    if isinstance(error, ApiException):
        return error
    if isinstance(error.__context__, ApiException):
        return error.__context__
    raise error
