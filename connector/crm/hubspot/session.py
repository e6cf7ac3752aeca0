"""One connection to one HubSpot portal: sends JSON, reads JSON, keeps to the rates, counts every call.

Not here: what is asked (``search``, ``reads``, ``writes``, ``associations``). The vendor client gives transport and
authorisation only: its own methods speak paths that HubSpot retires, and its retries would send a write twice.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hubspot import HubSpot
from hubspot.crm.deals.exceptions import ApiException
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from connector.clock import Clock, SystemClock
from connector.crm.budget import Burst, Rate
from connector.crm.hubspot import faults, wire
from connector.crm.retry import ReadRetry

API_VERSION = "2026-09"
"""The dated version in every path (facts: HubSpot §A)."""

BASE_URL = "https://api.hubapi.com"
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
SEARCHES_PER_SECOND = 5
"""Per portal (facts: HubSpot §1). The window is a little longer than a second, for calls bunch up on the way."""

SEARCH_WINDOW = 1.05


@dataclass(frozen=True, slots=True)
class Waits:
    """How time passes for this session; tests hand in their own."""

    clock: Clock
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep


REAL_WAITS = Waits(clock=SystemClock())


class Session:
    """Calls to one portal. Raises `faults.HubSpotError` for every answer outside 2xx and for every lost connection."""

    def __init__(
        self,
        *,
        token: str,
        base_url: str = BASE_URL,
        version: str = API_VERSION,
        on_call: Callable[[str], None] | None = None,
        waits: Waits = REAL_WAITS,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
    ) -> None:
        client = HubSpot(access_token=token, host=base_url.rstrip("/"), retry=Retry(0))
        # Every access to basic_api builds a new connection pool (facts: HubSpot §3f), so one is kept.
        self._api = client.crm.deals.basic_api.api_client
        self._timeout = timeout
        self._on_call = on_call or (lambda _: None)
        self._waits = waits
        self._searches = Rate(
            limit=SEARCHES_PER_SECOND, seconds=SEARCH_WINDOW, monotonic=waits.monotonic, wait=waits.wait
        )
        self._burst = Burst(monotonic=waits.monotonic, wait=waits.wait)
        self._retry = ReadRetry(clock=waits.clock, sleep=waits.wait)
        self._server_time: datetime | None = None
        self.version = version
        self.zone = "UTC"

    @property
    def server_time(self) -> datetime | None:
        """The ``Date`` of the last answer, in UTC with whole seconds; None before the first."""
        return self._server_time

    def get(self, kind: str, path: str, *, query: Mapping[str, str] | None = None) -> wire.Json:
        """Read by GET. Tried again when the portal is busy or away for a moment."""

        def once() -> wire.Json:
            self._burst.take()
            return self._call(kind, "GET", path, query=tuple((query or {}).items()))

        return self._retry(once)

    def ask(self, kind: str, path: str, body: wire.Json) -> wire.Json:
        """Read by POST (batch reads). Tried again like `get`. Records that are not there are missing from the answer;
        a row that could not be read for any other reason fails the call, for it would look as if it were gone."""

        def once() -> wire.Json:
            self._burst.take()
            data = self._call(kind, "POST", path, body=body)
            faults.refuse_incomplete(wire.errors(data))
            return data

        return self._retry(once)

    def search(self, object_name: str, body: wire.Json) -> wire.Json:
        """One search page, never faster than the portal allows searches; the burst window does not count them."""

        def once() -> wire.Json:
            self._searches.take()
            try:
                return self._call(f"search.{object_name}", "POST", self.objects(object_name, "search"), body=body)
            finally:
                self._searches.answered()

        return self._retry(once)

    def send(self, kind: str, path: str, body: wire.Json) -> wire.Json:
        """Write by POST. Sent exactly once: a lost reply raises with code ``OUTCOME_UNKNOWN``."""
        self._burst.take()
        return self._call(kind, "POST", path, body=body, writing=True)

    def objects(self, object_name: str, *rest: str) -> str:
        """The path of an object type's endpoint."""
        return "/".join(("/crm/objects", self.version, object_name, *rest))

    def associations(self, from_object: str, to_object: str, *rest: str) -> str:
        """The path of an association batch endpoint."""
        return "/".join(("/crm/associations", self.version, from_object, to_object, "batch", *rest))

    def _call(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: wire.Json | None = None,
        writing: bool = False,
    ) -> wire.Json:
        self._on_call(kind)
        status, headers, content = self._exchange(method, path, query=query, body=body, writing=writing)
        self._note(headers)
        try:
            data = json.loads(content) if content else {}
        except ValueError:
            data = None
        if not isinstance(data, Mapping):
            raise faults.from_garbage(status, writing=writing)
        return data

    def _exchange(
        self, method: str, path: str, *, query: Sequence[tuple[str, str]], body: wire.Json | None, writing: bool
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            reply = self._api.call_api(
                path,
                method,
                query_params=list(query),
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                auth_settings=["oauth2"],
                _preload_content=False,
                _request_timeout=self._timeout,
            )
            return reply.status, reply.headers, reply.data
        except (ApiException, UnicodeDecodeError, AttributeError) as error:
            answer = _answer_behind(error)
            self._note(answer.headers or {})
            raise faults.from_api(answer, writing=writing, moments=self._moments()) from error
        except HTTPError as error:
            raise faults.from_transport(error, writing=writing) from error

    def _moments(self) -> faults.Moments:
        return faults.Moments(now=self._waits.clock.now(), zone=self.zone)

    def _note(self, headers: Mapping[str, Any]) -> None:
        """Learn the portal's time and how much of the burst window is left. Searches carry no rate headers."""
        told = {str(name).lower(): str(value) for name, value in headers.items()}
        if "date" in told:
            with contextlib.suppress(ValueError):  # a proxy's odd date is no reason to fail a call
                self._server_time = parsedate_to_datetime(told["date"]).astimezone(UTC)
        left = told.get("x-hubspot-ratelimit-remaining", "")
        interval = told.get("x-hubspot-ratelimit-interval-milliseconds", "")
        if left.isdigit() and interval.isdigit():
            self._burst.note(remaining=int(left), interval=int(interval) / 1000)


def _answer_behind(error: Exception) -> ApiException:
    """The vendor client fails while decoding an error body that is not UTF-8 or not there; the answer is behind it."""
    if isinstance(error, ApiException):
        return error
    if isinstance(error.__context__, ApiException):
        return error.__context__
    raise error
