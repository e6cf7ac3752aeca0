"""The line to one Salesforce org: tokens, timeouts, one renewal of an expired token, and a count of every call.

Not here: what is asked (``soql``, ``reads``, ``writes``) and what a failure means (``faults``). simple-salesforce
carries the requests; its own login, 401 recursion and missing timeouts are not used (facts: Salesforce §4.2, §4.3).
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from connector.clock import Clock
from connector.crm.retry import ReadRetry
from connector.crm.salesforce.faults import Usage, is_expired, of_token, translated
from connector.crm.salesforce.soql import query_path
from connector.errors import Advice, CrmError, Fault, FaultCode

API_VERSION = "67.0"
"""facts: Salesforce §4.1, §4.4"""

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 120.0
"""Seconds. The vendor ends a call after ten minutes (facts: Salesforce §3.1); a late answer counts as lost."""

CLIENT_ID = "handoff"
"""Sent as ``Sforce-Call-Options: client=…`` so that change events can name the writer (facts: Salesforce §2.4)."""

JWT_LIFE = timedelta(minutes=3)
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path, not a secret
GRANT_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
POOL = 4

HEAVY_PER_COMPOSITE = 5
"""Queries that one Composite call may carry (facts: Salesforce §3.1, unconfirmed there). An org that refuses is asked
statement by statement from then on."""

OnCall = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SalesforceLogin:
    """How to log in: client credentials when ``client_secret`` is set, else JWT bearer with ``private_key`` (PEM).

    ``base_url`` is the org's My Domain address; plain http only for loopback. ``org_id`` pins the org when set.
    """

    base_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    username: str = ""
    private_key: str = field(default="", repr=False)
    audience: str = "https://login.salesforce.com"
    org_id: str = ""
    api_version: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the token speaks for, from the token answer's ``id`` address: 18-character ids."""

    org_id: str
    user_id: str


class SalesforceSession:
    """One org's line, for one thread. Every method raises `CrmError`. ``bundle`` False forbids Composite."""

    def __init__(
        self,
        login: SalesforceLogin,
        *,
        on_call: OnCall,
        clock: Clock,
        retry: ReadRetry,
        timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
    ) -> None:
        self._login = login
        self._on_call = on_call
        self._clock = clock
        self._retry = retry
        self._http = _http(login.base_url, timeouts=timeouts, seen=self._see)
        self._sdk: Salesforce | None = None
        self._identity = Identity("", "")
        self._date: datetime | None = None
        self._usage: Usage = (0, 0)
        self.bundle = True

    @property
    def identity(self) -> Identity:
        """Who we are; logs in if that has not happened."""
        self._client()
        return self._identity

    @property
    def usage(self) -> Usage:
        """Calls used and allowed today, as last told."""
        return self._usage

    def server_time(self) -> datetime:
        """The ``Date`` of the last answer; asks for one if there was none yet. Whole seconds, UTC."""
        if self._date is None:
            self.read("limits", "limits/")
        if self._date is None:
            raise CrmError(Fault(FaultCode.UNAVAILABLE, "NO_DATE", "the CRM's answer carried no Date header"))
        return self._date

    def read(self, label: str, path: str, *, body: Any = None) -> Any:
        """The JSON of one GET, or of a POST when there is a body; tried again briefly while the fault is transient."""
        return self._retry(lambda: self._call(label, path, method="POST" if body else "GET", body=body, write=False))

    def query(self, soql: str) -> Iterator[list[Mapping[str, Any]]]:
        """The pages of a query's records. Each page is one call; a short page is not the end (facts: §1.1)."""
        yield from self._pages(self.query_page(soql))

    def query_page(self, soql: str) -> dict[str, Any]:
        """The first page of a query, as the vendor answers it."""
        return _checked(self.read("query", query_path(soql)))

    def read_all(self, statements: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Every row of several queries, each with its statement's place; five statements share one call if they may."""
        for start in range(0, len(statements), HEAVY_PER_COMPOSITE):
            group = statements[start : start + HEAVY_PER_COMPOSITE]
            for offset, first in enumerate(self._first_pages(group)):
                for page in self._pages(first):
                    yield from ((start + offset, row) for row in page)

    def write(self, label: str, path: str, *, method: str, body: Any) -> Any:
        """Send one write, once. OUTCOME_UNKNOWN when the answer is lost."""
        return self._call(label, path, method=method, body=body, write=True)

    def _pages(self, answer: dict[str, Any]) -> Iterator[list[Mapping[str, Any]]]:
        while True:
            yield answer["records"]
            if answer.get("done", True) or not answer.get("nextRecordsUrl"):
                return
            locator = str(answer["nextRecordsUrl"]).rpartition("/")[2]
            answer = _checked(self.read("queryMore", f"query/{locator}"))

    def _first_pages(self, statements: Sequence[str]) -> list[dict[str, Any]]:
        if len(statements) == 1 or not self.bundle:
            return [self.query_page(each) for each in statements]
        data_root = f"/services/data/v{self._login.api_version}/"
        parts = [
            {"method": "GET", "url": data_root + query_path(each), "referenceId": f"q{number}"}
            for number, each in enumerate(statements)
        ]
        try:
            answer = self.read("composite", "composite", body={"allOrNone": False, "compositeRequest": parts})
        except CrmError as error:
            if error.fault.advice not in (Advice.PARK, Advice.REREAD):
                raise
            self.bundle = False
            return self._first_pages(statements)
        told = answer.get("compositeResponse") if isinstance(answer, Mapping) else None
        pages = [_page_in(each) for each in told or ()]
        pages += [None] * (len(statements) - len(pages))
        # A statement that failed inside is asked alone: that gives its own error, or its own second try.
        return [page or self.query_page(each) for page, each in zip(pages, statements, strict=True)]

    def _call(self, label: str, path: str, *, method: str, body: Any, write: bool) -> Any:
        try:
            return self._send(label, path, method=method, body=body, write=write)
        except CrmError as error:
            if not is_expired(error):
                raise
        # Nothing was done: the vendor looks at the token first. One fresh token, one more try.
        self._sdk = None
        return self._send(label, path, method=method, body=body, write=write)

    def _send(self, label: str, path: str, *, method: str, body: Any, write: bool) -> Any:
        sdk = self._client()
        data = None if body is None else json.dumps(body, allow_nan=False)
        self._on_call(label)
        with translated(write=write, usage=lambda: self._usage, now=self._clock.now):
            return sdk.restful(path, method=method, data=data, allow_redirects=False)

    def _client(self) -> Salesforce:
        if self._sdk is None:
            token = self._fetch_token()
            self._identity = _identity(str(token.get("id", "")))
            if self._login.org_id and self._login.org_id[:15] != self._identity.org_id[:15]:
                words = f"this login belongs to org {self._identity.org_id}, not to {self._login.org_id}"
                raise CrmError(Fault(FaultCode.AUTH_REVOKED, "WRONG_ORG", words))
            instance = str(token.get("instance_url") or self._login.base_url)
            sdk = Salesforce(
                session_id=str(token["access_token"]),
                instance_url=instance,
                session=self._http,
                version=self._login.api_version,
                parse_float=Decimal,
            )
            sdk.headers.pop("X-PrettyPrint", None)
            _plain_http_for(self._http, instance)
            self._sdk = sdk
        return self._sdk

    def _fetch_token(self) -> Mapping[str, Any]:
        """Asked for by ourselves: the SDK knows no timeouts here and no other address than salesforce.com."""
        login = self._login
        form = {"grant_type": "client_credentials"}
        auth: tuple[str, str] | None = (login.client_id, login.client_secret)
        if not login.client_secret:
            form, auth = {"grant_type": GRANT_JWT, "assertion": _assertion(login, now=self._clock.now())}, None
        self._on_call("token")
        with translated(write=False, usage=lambda: self._usage, now=self._clock.now):
            reply = self._http.post(
                login.base_url.rstrip("/") + TOKEN_PATH,
                data=form,
                auth=auth,
                headers={"Accept": "application/json"},
                allow_redirects=False,
            )
        answer = _json(reply)
        if reply.status_code != requests.codes.ok or not isinstance(answer, Mapping) or not answer.get("access_token"):
            raise CrmError(of_token(reply.status_code, answer))
        return answer

    def _see(self, reply: requests.Response) -> None:
        """Note the vendor's clock and the day's calls, whatever the answer was."""
        date = reply.headers.get("Date", "")
        if date:
            with contextlib.suppress(ValueError):  # a proxy's odd date is no reason to fail a call
                self._date = parsedate_to_datetime(date).astimezone(UTC)
        told = Salesforce.parse_api_usage(reply.headers.get("Sforce-Limit-Info", "")).get("api-usage")
        if told is not None:
            self._usage = (told.used, told.total)


class _Transport(HTTPAdapter):
    """Gives every request timeouts, speaks plain http to loopback, and shows every answer to the session."""

    def __init__(self, *, timeouts: tuple[float, float], seen: Callable[[requests.Response], None]) -> None:
        self._timeouts = timeouts
        self._seen = seen
        self.plain: frozenset[str] = frozenset()
        super().__init__(pool_connections=POOL, pool_maxsize=POOL)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one prepared request. The SDK hard-codes https; a loopback sandbox has none (facts: libraries §8)."""
        parts = urlsplit(request.url or "")
        if parts.scheme == "https" and parts.netloc in self.plain:
            request.url = parts._replace(scheme="http").geturl()
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeouts
        reply = super().send(request, *args, **kwargs)
        self._seen(reply)
        return reply


def is_loopback(host: str | None) -> bool:
    """Whether plain http to this host stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _http(
    base_url: str, *, timeouts: tuple[float, float], seen: Callable[[requests.Response], None]
) -> requests.Session:
    http = requests.Session()
    transport = _Transport(timeouts=timeouts, seen=seen)
    http.mount("https://", transport)
    http.mount("http://", transport)
    http.headers["Sforce-Call-Options"] = f"client={CLIENT_ID}"
    http.auth = _keep_bearer
    _plain_http_for(http, base_url)
    return http


def _keep_bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without an auth of its own, requests would let a .netrc entry replace the bearer token."""
    return request


def _plain_http_for(http: requests.Session, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "http":
        return
    if not is_loopback(parts.hostname):
        words = f"{url} is plain http; a token travels by https only (plain http is for loopback)"
        raise CrmError(Fault(FaultCode.AUTH_REVOKED, "PLAIN_HTTP", words))
    transport = http.get_adapter("https://")
    if isinstance(transport, _Transport):
        transport.plain |= {parts.netloc}
        http.trust_env = False  # no proxy stands between this machine and itself


def _assertion(login: SalesforceLogin, *, now: datetime) -> str:
    claims = {"iss": login.client_id, "sub": login.username, "aud": login.audience, "exp": now + JWT_LIFE}
    try:
        return jwt.encode(claims, login.private_key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        words = f"the private key cannot sign: {type(error).__name__}; it must be an RSA key in PEM form"
        raise CrmError(Fault(FaultCode.AUTH_REVOKED, "BAD_PRIVATE_KEY", words)) from error


def _identity(address: str) -> Identity:
    """From ``https://login.salesforce.com/id/<org>/<user>``; there is no cheaper way to learn either."""
    parts = address.rstrip("/").split("/")
    return Identity(org_id=parts[-2], user_id=parts[-1]) if len(parts) >= 3 else Identity("", "")


def _json(reply: requests.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


def _page_in(part: Any) -> dict[str, Any] | None:
    """The page in one part of a Composite answer; None when that part failed."""
    body = part.get("body") if isinstance(part, Mapping) else None
    return body if isinstance(body, dict) and isinstance(body.get("records"), list) else None


def _checked(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict) or not isinstance(answer.get("records"), list):
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", "a query was answered without records"))
    return answer
