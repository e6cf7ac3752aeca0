"""HTTP to one Salesforce org: timeouts on every request, plain http for loopback alone, and a look at every answer.

Not here: tokens (``login``) and what is asked (``session``). The SDK sets no timeouts and hard-codes https
(facts: Salesforce §4.2, libraries §8), so both are settled below it, where no call can forget them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from connector.crm.budget import Company, Room
from connector.errors import CrmError, Fault, FaultCode

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 120.0
"""Seconds. The vendor ends a call after ten minutes (facts: Salesforce §3.1); a late answer counts as lost."""

CLIENT_ID = "handoff"
"""Sent as ``Sforce-Call-Options: client=…`` so that change events can name the writer (facts: Salesforce §2.4)."""

CALLS_AT_ONCE = 4
"""Requests in flight per org, by all processes together (but at least one each). An org lets 25 calls last longer than
20 seconds at a time, a developer org 5 (facts: Salesforce §3.1): this many of ours never use them up."""

Seen = Callable[[requests.Response], None]


class Transport(HTTPAdapter):
    """Gives every request timeouts, speaks plain http to loopback, and shows every answer to the session."""

    def __init__(self, *, timeouts: tuple[float, float], seen: Seen, company: Company) -> None:
        self._timeouts = timeouts
        self._seen = seen
        self._room = Room(CALLS_AT_ONCE, company)
        self.plain: frozenset[str] = frozenset()
        super().__init__(pool_connections=CALLS_AT_ONCE, pool_maxsize=CALLS_AT_ONCE)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one prepared request; waits while as many as may be are under way."""
        parts = urlsplit(request.url or "")
        if parts.scheme == "https" and parts.netloc in self.plain:
            request.url = parts._replace(scheme="http").geturl()
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeouts
        with self._room:
            reply = super().send(request, *args, **kwargs)
        self._seen(reply)
        return reply


def open_http(
    base_url: str,
    *,
    timeouts: tuple[float, float],
    seen: Seen,
    allow_duplicates: bool = False,
    company: Company | None = None,
) -> requests.Session:
    """The connections to one org, with the headers that every request carries. Raises `CrmError` for plain http.

    ``allow_duplicates``: save although a duplicate rule would only warn (facts: Salesforce §3.3).
    """
    http = requests.Session()
    transport = Transport(timeouts=timeouts, seen=seen, company=company or Company())
    http.mount("https://", transport)
    http.mount("http://", transport)
    http.headers["Sforce-Call-Options"] = f"client={CLIENT_ID}"
    if allow_duplicates:
        http.headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true"
    http.auth = _keep_bearer
    plain_http_for(http, base_url)
    return http


def plain_http_for(http: requests.Session, url: str) -> None:
    """Let an address be spoken to without encryption if it is this machine's own. Raises `CrmError` if it is not."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return
    if not is_loopback(parts.hostname):
        words = f"{url} is plain http; a token travels by https only (plain http is for loopback)"
        raise CrmError(Fault(FaultCode.AUTH_REVOKED, "PLAIN_HTTP", words))
    transport = http.get_adapter("https://")
    if isinstance(transport, Transport):
        transport.plain |= {parts.netloc}
        http.trust_env = False  # no proxy stands between this machine and itself


def is_loopback(host: str | None) -> bool:
    """Whether plain http to this host stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _keep_bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without an auth of its own, requests would let a .netrc entry replace the bearer token."""
    return request
