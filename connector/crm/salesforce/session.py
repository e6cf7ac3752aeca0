"""The line to one Salesforce org: one token for all threads, one renewal when it expires, a count of every call.

Not here: how a token is got (``login``), timeouts (``transport``), what is asked (``soql``, ``reads``, ``writes``) and
what a failure means (``faults``). simple-salesforce carries the requests; its own login, 401 recursion and missing
timeouts are not used (facts: Salesforce §4.2, §4.3).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.util import exception_handler

from connector.clock import Clock
from connector.crm.budget import Company
from connector.crm.retry import ReadRetry
from connector.crm.salesforce.faults import Usage, is_expired, is_version, translated
from connector.crm.salesforce.login import Identity, SalesforceLogin, Token, log_in
from connector.crm.salesforce.soql import Soql, query_path
from connector.crm.salesforce.transport import CONNECT_TIMEOUT, READ_TIMEOUT, open_http, plain_http_for
from connector.errors import Advice, CrmError, Fault, FaultCode

HEAVY_PER_COMPOSITE = 5
"""Queries that one Composite call may carry (facts: Salesforce §3.1, unconfirmed there). An org that refuses is asked
statement by statement from then on."""

VERSIONS_PATH = "/services/data"

OnCall = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Line:
    """A token and the SDK that speaks with it."""

    token: Token
    sdk: Salesforce


class SalesforceSession:
    """One org's line, shared by threads. Every method raises `CrmError`. ``bundle`` False forbids Composite."""

    def __init__(
        self,
        login: SalesforceLogin,
        *,
        on_call: OnCall,
        clock: Clock,
        retry: ReadRetry,
        timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        allow_duplicates: bool = False,
        company: Company | None = None,
    ) -> None:
        self._login = login
        self._on_call = on_call
        self._clock = clock
        self._retry = retry
        self._http = open_http(
            login.base_url, timeouts=timeouts, seen=self._see, allow_duplicates=allow_duplicates, company=company
        )
        self._logging_in = threading.Lock()
        self._line: _Line | None = None
        self._date: datetime | None = None
        self._usage: Usage = (0, 0)
        self.bundle = True

    @property
    def identity(self) -> Identity:
        """Who we are; logs in if that has not happened."""
        return self.token().identity

    @property
    def api_version(self) -> str:
        """The version in every path, such as ``67.0``."""
        return self._login.api_version

    @property
    def http(self) -> requests.Session:
        """The connections, for the few addresses that are not below the data root (the Metadata API's SOAP)."""
        return self._http

    @property
    def usage(self) -> Usage:
        """Calls used and allowed today by everybody in the org, as last told; zeros when it never was."""
        return self._usage

    def token(self) -> Token:
        """The token in use; logs in if there is none."""
        return self._open().token

    def renew(self, stale: str) -> Token:
        """A token other than ``stale``: whoever of several threads comes first logs in, the others get theirs."""
        with self._logging_in:
            if self._line is not None and self._line.token.access == stale:
                self._line = None
        return self.token()

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

    def query(self, soql: Soql) -> Iterator[list[Mapping[str, Any]]]:
        """The pages of a query's records. Each page is one call; a short page is not the end (facts: §1.1)."""
        yield from self._pages(self.query_page(soql))

    def query_page(self, soql: Soql, *, all_rows: bool = False) -> dict[str, Any]:
        """The first page of a query, as the vendor answers it; ``all_rows`` shows archived and deleted rows too."""
        return _checked(self.read("queryAll" if all_rows else "query", query_path(soql, all_rows=all_rows)))

    def read_all(self, statements: Sequence[Soql]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Every row of several queries, each with its statement's place; five statements share one call if they may.

        Archived rows are among them, and deleted ones too unless the statement says `soql.ALIVE`.
        """
        for start in range(0, len(statements), HEAVY_PER_COMPOSITE):
            group = statements[start : start + HEAVY_PER_COMPOSITE]
            for offset, first in enumerate(self.first_pages(group)):
                if isinstance(first, Fault):
                    raise CrmError(first)
                for page in self._pages(first):
                    yield from ((start + offset, row) for row in page)

    def write(self, label: str, path: str, *, method: str, body: Any) -> Any:
        """Send one write, once. OUTCOME_UNKNOWN when the answer is lost."""
        return self._call(label, path, method=method, body=body, write=True)

    def text(self, label: str, path: str) -> str:
        """The text of one GET whose answer is no JSON but CSV; tried again briefly while the fault is transient."""
        return self._retry(
            lambda: self._renewing(lambda line: self._send_text(line, label, path, method="GET", body=None))
        )

    def put_csv(self, label: str, path: str, body: bytes) -> None:
        """Send CSV, once. OUTCOME_UNKNOWN when the answer is lost."""
        self._renewing(lambda line: self._send_text(line, label, path, method="PUT", body=body))

    def _pages(self, answer: dict[str, Any]) -> Iterator[list[Mapping[str, Any]]]:
        while True:
            yield answer["records"]
            if answer.get("done", True) or not answer.get("nextRecordsUrl"):
                return
            locator = str(answer["nextRecordsUrl"]).rpartition("/")[2]
            answer = _checked(self.read("queryMore", f"query/{locator}"))

    def first_pages(self, statements: Sequence[Soql]) -> list[dict[str, Any] | Fault]:
        """The first page of each of at most five queries, archived and deleted rows included, in one call if it may be.

        One of several that fails alone is told by its fault; raises `CrmError` when the whole call fails.
        """
        if len(statements) == 1:
            return [self.query_page(statements[0], all_rows=True)]
        if not self.bundle:
            return self._one_by_one(statements)
        data_root = f"/services/data/v{self._login.api_version}/"
        parts = [
            {"method": "GET", "url": data_root + query_path(each, all_rows=True), "referenceId": f"q{number}"}
            for number, each in enumerate(statements)
        ]
        try:
            answer = self.read("composite", "composite", body={"allOrNone": False, "compositeRequest": parts})
        except CrmError as error:
            if error.fault.advice not in (Advice.PARK, Advice.REREAD):
                raise
            self.bundle = False
            return self._one_by_one(statements)
        told = answer.get("compositeResponse") if isinstance(answer, Mapping) else None
        pages = [_page_in(each) for each in told or ()]
        pages += [None] * (len(statements) - len(pages))
        # A statement that failed inside is asked alone: that gives its own error, or its own second try.
        failed = [each for page, each in zip(pages, statements, strict=True) if page is None]
        alone = iter(self._one_by_one(failed))
        return [next(alone) if page is None else page for page in pages]

    def _one_by_one(self, statements: Sequence[Soql]) -> list[dict[str, Any] | Fault]:
        told: list[dict[str, Any] | Fault] = []
        for each in statements:
            try:
                told.append(self.query_page(each, all_rows=True))
            except CrmError as error:
                if error.fault.advice is Advice.HALT:
                    raise
                told.append(error.fault)
        return told

    def _call(self, label: str, path: str, *, method: str, body: Any, write: bool) -> Any:
        return self._renewing(lambda line: self._send(line, label, path, method=method, body=body, write=write))

    def _renewing(self, send: Callable[[_Line], T]) -> T:
        line = self._open()
        try:
            return send(line)
        except CrmError as error:
            if is_version(error):
                raise CrmError(self._version_refused()) from error
            if not is_expired(error):
                raise
        # Nothing was done: the vendor looks at the token first. One fresh token, one more try.
        self.renew(line.token.access)
        return send(self._open())

    def _send(self, line: _Line, label: str, path: str, *, method: str, body: Any, write: bool) -> Any:
        data = None if body is None else json.dumps(body, allow_nan=False)
        self._on_call(label)
        with translated(write=write, usage=lambda: self._usage, now=self._clock.now):
            return line.sdk.restful(path, method=method, data=data, allow_redirects=False)

    def _send_text(self, line: _Line, label: str, path: str, *, method: str, body: bytes | None) -> str:
        headers = {"Authorization": f"Bearer {line.token.access}", "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = "text/csv; charset=UTF-8"
        self._on_call(label)
        with translated(write=body is not None, usage=lambda: self._usage, now=self._clock.now):
            url = line.sdk.base_url + path
            reply = self._http.request(method, url, data=body, headers=headers, allow_redirects=False)
            if reply.status_code >= requests.codes.multiple_choices:
                exception_handler(reply, name=path)
            return reply.content.decode("utf-8-sig")

    def _open(self) -> _Line:
        line = self._line
        if line is not None:
            return line
        with self._logging_in:
            if self._line is None:
                self._line = self._log_in()
            return self._line

    def _log_in(self) -> _Line:
        self._on_call("token")
        with translated(write=False, usage=lambda: self._usage, now=self._clock.now):
            token = log_in(self._login, self._http, now=self._clock.now())
        plain_http_for(self._http, token.instance_url)
        sdk = Salesforce(
            session_id=token.access,
            instance_url=token.instance_url,
            session=self._http,
            version=self._login.api_version,
            parse_float=Decimal,
        )
        sdk.headers.pop("X-PrettyPrint", None)
        return _Line(token, sdk)

    def _version_refused(self) -> Fault:
        """The org does not speak our version: say which it speaks, so that the admin can choose."""
        words = f"this org does not answer API version {self._login.api_version}: it was retired or is not there yet"
        with contextlib.suppress(CrmError), translated(write=False, usage=lambda: self._usage, now=self._clock.now):
            self._on_call("versions")
            told = self._http.get(self._login.base_url.rstrip("/") + VERSIONS_PATH, allow_redirects=False).json()
            spoken = [str(each["version"]) for each in told]
            words += f"; it answers {spoken[0]} to {spoken[-1]}"
        return Fault(FaultCode.NOT_SUPPORTED, "UNSUPPORTED_API_VERSION", words + ". Set api_version in config.toml")

    def _see(self, reply: requests.Response) -> None:
        """Note the vendor's clock and the day's calls, whatever the answer was."""
        date = reply.headers.get("Date", "")
        if date:
            with contextlib.suppress(ValueError):  # a proxy's odd date is no reason to fail a call
                self._date = parsedate_to_datetime(date).astimezone(UTC)
        told = Salesforce.parse_api_usage(reply.headers.get("Sforce-Limit-Info", "")).get("api-usage")
        if told is not None:
            self._usage = (told.used, told.total)


def _page_in(part: Any) -> dict[str, Any] | None:
    """The page in one part of a Composite answer; None when that part failed."""
    body = part.get("body") if isinstance(part, Mapping) else None
    return body if isinstance(body, dict) and isinstance(body.get("records"), list) else None


def _checked(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict) or not isinstance(answer.get("records"), list):
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", "a query was answered without records"))
    return answer
