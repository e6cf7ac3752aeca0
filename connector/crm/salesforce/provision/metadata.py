"""The Metadata API of one org: retrieve and list over SOAP, deploy over REST, through the session's own connections.

Not here: what is asked for (``org``, ``apply``) and what the answers mean. Retrieval exists in SOAP alone; a deploy
goes by REST because its answer is JSON (facts: Salesforce §5.2).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from xml.sax.saxutils import escape

import requests
from simple_salesforce.util import exception_handler
from urllib3.filepost import encode_multipart_formdata

from connector.crm.salesforce.faults import CODES, MESSAGE_LIMIT, is_expired, translated
from connector.crm.salesforce.login import Token
from connector.crm.salesforce.provision.component import NAMESPACE, Tree, read, text_of
from connector.crm.salesforce.session import SalesforceSession
from connector.errors import CrmError, Fault, FaultCode

T = TypeVar("T")
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="{namespace}">'
    "<e:Header><m:SessionHeader><m:sessionId>{token}</m:sessionId></m:SessionHeader></e:Header>"
    "<e:Body>{body}</e:Body></e:Envelope>"
)
SOAP_HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
SOAP_PATH = "/services/Soap/m/{version}"
DEPLOY_PATH = "/services/data/v{version}/metadata/deployRequest"

LIST_AT_ONCE = 3
"""Types that one listMetadata call may ask for (facts: Salesforce §5.2, MDG)."""

FIRST_POLL, LONGEST_POLL = 0.5, 10.0
"""Seconds between two looks at work in progress; each wait is half as long again as the one before."""

RETRIEVE_PATIENCE = 600.0
"""Seconds of waiting after which a retrieve counts as lost; reading again costs nothing."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One component as the org lists it."""

    type: str
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The files of one retrieve, and what the org said it could not find or would not show."""

    archive: bytes
    warnings: tuple[str, ...]


class MetadataLine:
    """Speaks the Metadata API with a session's token. Every method raises `CrmError`; nothing here repeats a write."""

    def __init__(
        self,
        session: SalesforceSession,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session = session
        self._now = now
        self._sleep = sleep

    @property
    def session(self) -> SalesforceSession:
        """The line for records and queries of the same org."""
        return self._session

    def listed(self, types: Sequence[str]) -> Iterator[Listed]:
        """Every component of these types."""
        for start in range(0, len(types), LIST_AT_ONCE):
            asked = "".join(
                f"<m:queries><m:type>{one}</m:type></m:queries>" for one in types[start : start + LIST_AT_ONCE]
            )
            version = f"<m:asOfVersion>{self._session.api_version}</m:asOfVersion>"
            answer = self._soap("listMetadata", asked + version)
            for one in each(answer, "result"):
                yield Listed(text_of(one, "type"), text_of(one, "fullName"), text_of(one, "fileName"))

    def retrieve(self, members: Mapping[str, Sequence[str]]) -> Retrieved:
        """The present files of these components, by type. A member that does not exist is only a warning."""
        types = "".join(_asked(kind, names) for kind, names in members.items() if names)
        version = self._session.api_version
        request = (
            f"<m:retrieveRequest><m:apiVersion>{version}</m:apiVersion><m:singlePackage>true</m:singlePackage>"
            f"<m:unpackaged>{types}<m:version>{version}</m:version></m:unpackaged></m:retrieveRequest>"
        )
        job = text_of(dig(self._soap("retrieve", request), "result"), "id")
        asked = f"<m:asyncProcessId>{escape(job)}</m:asyncProcessId><m:includeZip>true</m:includeZip>"
        waited = 0.0
        for wait in waits():
            told = dig(self._soap("checkRetrieveStatus", asked), "result")
            if text_of(told, "done") == "true":
                return _retrieved(told)
            if waited > RETRIEVE_PATIENCE:
                break
            self._sleep(wait)
            waited += wait
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "RETRIEVE_TOO_SLOW", f"retrieve {job} was not done in ten minutes"))

    def start_deploy(self, archive: bytes, *, check_only: bool) -> str:
        """Hand over a package; the id under which the org works on it. OUTCOME_UNKNOWN when the answer is lost."""
        # No testLevel: a production org refuses every deploy that says NoTestRun, and without the word it runs no tests
        # for a package that has no Apex in it (GitHub forcedotcom/cli, issue 2105).
        options = {"checkOnly": check_only, "rollbackOnError": True, "singlePackage": True, "ignoreWarnings": True}
        body, content_type = encode_multipart_formdata(
            [
                ("json", ("", json.dumps({"deployOptions": options}).encode(), "application/json")),
                ("file", ("deploy.zip", archive, "application/zip")),
            ]
        )
        job = str(self._rest(self._deploy_path(), form=(body, content_type)).get("id") or "")
        if not job:
            raise CrmError(Fault(FaultCode.OUTCOME_UNKNOWN, "UNREADABLE_ANSWER", "a deploy was taken without an id"))
        return job

    def deploy_status(self, job: str) -> Mapping[str, Any]:
        """How a deploy stands: the vendor's ``deployResult``, with every component's outcome."""
        path = f"{self._deploy_path()}/{job}?includeDetails=true"
        found = self._rest(path).get("deployResult")
        if not isinstance(found, Mapping):
            raise CrmError(Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", "a deploy's state came without a result"))
        return found

    def _deploy_path(self) -> str:
        return DEPLOY_PATH.format(version=self._session.api_version)

    def _soap(self, call: str, inner: str) -> Tree:
        """The response element of one SOAP call."""

        def ask(token: Token) -> Tree:
            body = ENVELOPE.format(
                namespace=NAMESPACE, token=escape(token.access), body=f"<m:{call}>{inner}</m:{call}>"
            )
            url = token.instance_url.rstrip("/") + SOAP_PATH.format(version=self._session.api_version)
            with translated(write=False, usage=lambda: self._session.usage, now=self._now):
                reply = self._session.http.post(url, data=body.encode(), headers=SOAP_HEADERS, allow_redirects=False)
            return _opened(call, reply)

        return self._with_token(ask)

    def _rest(self, path: str, *, form: tuple[bytes, str] | None = None) -> Mapping[str, Any]:
        """The JSON object that answers a GET, or a POST of a form (its body and content type)."""

        def ask(token: Token) -> Mapping[str, Any]:
            headers = {"Authorization": f"Bearer {token.access}", "Accept": "application/json"}
            method, data = "GET", None
            if form is not None:
                method, (data, headers["Content-Type"]) = "POST", form
            url = token.instance_url.rstrip("/") + path
            with translated(write=form is not None, usage=lambda: self._session.usage, now=self._now):
                reply = self._session.http.request(method, url, data=data, headers=headers, allow_redirects=False)
                if reply.status_code >= requests.codes.multiple_choices:
                    exception_handler(reply)
                told = reply.json()
            return told if isinstance(told, Mapping) else {}

        return self._with_token(ask)

    def _with_token(self, ask: Callable[[Token], T]) -> T:
        """Ask, and once more with a fresh token if the one in use had expired: nothing was done then."""
        token = self._session.token()
        try:
            return ask(token)
        except CrmError as error:
            if not is_expired(error):
                raise
        return ask(self._session.renew(token.access))


def waits() -> Iterator[float]:
    """Seconds between looks at work in progress, without end."""
    wait = FIRST_POLL
    while True:
        yield wait
        wait = min(LONGEST_POLL, wait * 1.5)


def dig(tree: Tree, *tags: str) -> Tree:
    """The elements inside the first child of that tag, and so on down; empty where there is none."""
    for tag in tags:
        tree = next((inner for name, inner in tree if name == tag and not isinstance(inner, str)), ())
    return tree


def each(tree: Tree, tag: str) -> Iterator[Tree]:
    """The children of that tag that hold elements."""
    return (inner for name, inner in tree if name == tag and not isinstance(inner, str))


def _asked(kind: str, names: Sequence[str]) -> str:
    members = "".join(f"<m:members>{escape(name)}</m:members>" for name in names)
    return f"<m:types>{members}<m:name>{kind}</m:name></m:types>"


def _opened(call: str, reply: requests.Response) -> Tree:
    """What stands in the response element. Raises `CrmError` for a SOAP fault and for anything that is no SOAP."""
    try:
        _, envelope = read(reply.content)
    except ValueError as error:
        words = f"{call} was answered with HTTP {reply.status_code} and no SOAP: {error}"
        raise CrmError(Fault(FaultCode.UNAVAILABLE, f"HTTP {reply.status_code}", words)) from error
    body = dig(envelope, "Body")
    fault = dig(body, "Fault")
    if fault:
        code = text_of(fault, "faultcode").rpartition(":")[2] or "SOAP_FAULT"
        # The words begin with the code once more.
        words = text_of(fault, "faultstring").removeprefix(f"{code}:").strip()[:MESSAGE_LIMIT]
        raise CrmError(Fault(CODES.get(code, FaultCode.REJECTED), code, words))
    return dig(body, f"{call}Response")


def _retrieved(told: Tree) -> Retrieved:
    if text_of(told, "status") not in ("Succeeded", ""):
        words = text_of(told, "errorMessage") or text_of(told, "status")
        raise CrmError(Fault(FaultCode.REJECTED, text_of(told, "errorStatusCode") or "RETRIEVE_FAILED", words))
    warnings = tuple(text_of(one, "problem") for one in each(told, "messages"))
    return Retrieved(base64.b64decode(text_of(told, "zipFile")), warnings)
