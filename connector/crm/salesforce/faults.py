"""Salesforce's failures in the connector's words: one table by vendor code, one by HTTP status, one for the wire.

Not here: message texts to branch on (they only travel along), and what is done about a fault (``connector.errors``).
This is the only place where exceptions of simple-salesforce and requests are caught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import requests
from simple_salesforce.exceptions import SalesforceError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from connector.crm.salesforce.hints import hint
from connector.errors import CrmError, Fault, FaultCode

MESSAGE_LIMIT = 2000
"""Characters of the vendor's words that are kept: an HTML error page is not a message."""

QUOTA_CODE = "REQUEST_LIMIT_EXCEEDED"
EXPIRED_CODE = "INVALID_SESSION_ID"
UNAUTHORIZED = 401
RENEWABLE = frozenset({EXPIRED_CODE, "INVALID_AUTH_HEADER", f"HTTP {UNAUTHORIZED}"})
"""What a token that is over is answered with: the documented code (facts: Salesforce §3.3), or a 401 of something in
front of the API, which has no code of Salesforce's or no body at all."""
DUPLICATE_CODE = "DUPLICATE_VALUE"
INVALID_JOB_STATE = "INVALIDJOBSTATE"
"""A Bulk job cannot go from its state to the one that was asked for."""
VERSION_CODE = "UNSUPPORTED_API_VERSION"
GONE = 410
"""The status of every path below a retired version (facts: Salesforce §3.3, §4.4)."""

CODES: Mapping[str, FaultCode] = {
    # facts: Salesforce §3.3; a code that is not listed is a refusal of what was sent
    "UNABLE_TO_LOCK_ROW": FaultCode.ROW_LOCKED,
    "SERVER_UNAVAILABLE": FaultCode.UNAVAILABLE,
    "QUERY_TIMEOUT": FaultCode.UNAVAILABLE,
    "REQUEST_RUNNING_TOO_LONG": FaultCode.UNAVAILABLE,
    "TXN_SECURITY_METERING_ERROR": FaultCode.UNAVAILABLE,
    "UNKNOWN_EXCEPTION": FaultCode.UNAVAILABLE,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": FaultCode.UNAVAILABLE,
    "PROCESSING_HALTED": FaultCode.UNAVAILABLE,
    QUOTA_CODE: FaultCode.THROTTLED,
    EXPIRED_CODE: FaultCode.AUTH_REVOKED,
    VERSION_CODE: FaultCode.NOT_SUPPORTED,
    "API_DISABLED_FOR_ORG": FaultCode.AUTH_REVOKED,
    "API_CURRENTLY_DISABLED": FaultCode.AUTH_REVOKED,
    "INVALID_LOGIN": FaultCode.AUTH_REVOKED,
    "ENTITY_IS_DELETED": FaultCode.RECORD_GONE,
    "NOT_FOUND": FaultCode.RECORD_GONE,
    DUPLICATE_CODE: FaultCode.DUPLICATE,
    "INSUFFICIENT_ACCESS": FaultCode.NOT_PERMITTED,
    "INSUFFICIENT_ACCESS_OR_READONLY": FaultCode.NOT_PERMITTED,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": FaultCode.NOT_PERMITTED,
    "INVALID_FIELD_FOR_INSERT_UPDATE": FaultCode.NOT_PERMITTED,
    "FUNCTIONALITY_NOT_ENABLED": FaultCode.NOT_PERMITTED,
}

ROW_CODES: Mapping[str, FaultCode] = {EXPIRED_CODE: FaultCode.UNAVAILABLE}
"""Where one row says something else than a whole call: a session that ended between two rows is renewed by the next
call, and is no reason to stop the system."""

STATUSES: Mapping[int, FaultCode] = {
    UNAUTHORIZED: FaultCode.AUTH_REVOKED,
    403: FaultCode.NOT_PERMITTED,
    404: FaultCode.RECORD_GONE,
    408: FaultCode.UNAVAILABLE,
    GONE: FaultCode.NOT_SUPPORTED,
    429: FaultCode.THROTTLED,
}
"""For replies without a code the table knows; below 500 anything else is a refusal, from 500 on an outage."""

IN_DOUBT = frozenset({"UNKNOWN_EXCEPTION", "REQUEST_RUNNING_TOO_LONG"})
"""Codes after which a whole write may nevertheless have been done."""

TOKEN_STATUS_FAULTS: Mapping[bool, FaultCode] = {True: FaultCode.UNAVAILABLE, False: FaultCode.AUTH_REVOKED}

Usage = tuple[int, int]
"""Calls used and calls allowed today, as the vendor's last answer said; (0, 0) when it never said."""


@contextmanager
def translated(*, write: bool, usage: Callable[[], Usage], now: Callable[[], datetime]) -> Iterator[None]:
    """Turn what the SDK and its HTTP library raise into `CrmError`. A write whose answer is lost is OUTCOME_UNKNOWN."""
    try:
        yield
    except SalesforceError as error:
        raise CrmError(_of_reply(error, write=write, usage=usage(), now=now())) from error
    except (requests.RequestException, ValueError) as error:
        raise CrmError(_of_wire(error, write=write)) from error


def of_row(errors: Sequence[Mapping[str, Any]], *, key_field: str | None) -> Fault:
    """The fault of one row of a Collections answer, whose errors carry ``statusCode`` (facts: Salesforce §3.1).

    A duplicate is ours only if it names our key field or no field at all; another unique field is the admin's matter.
    """
    first = errors[0] if errors else {}
    vendor_code = str(first.get("statusCode") or first.get("errorCode") or "NO_REASON_GIVEN")
    code = ROW_CODES.get(vendor_code) or CODES.get(vendor_code, FaultCode.REJECTED)
    fields = [str(name) for name in first.get("fields") or ()]
    if code is FaultCode.DUPLICATE and (key_field is None or (fields and key_field not in fields)):
        code = FaultCode.REJECTED
    words = "; ".join(str(each.get("message", "")) for each in errors) or "the row failed without a reason"
    named = f" (fields: {', '.join(fields)})" if fields else ""
    told = _advised((words + named)[:MESSAGE_LIMIT], hint(vendor_code, fields))
    return Fault(code=code, vendor_code=vendor_code, message=told)


def _advised(told: str, advice: str) -> str:
    return f"{told}{'' if told.endswith(('.', '!', '?')) else '.'} What to do: {advice}" if advice else told


def of_token(status: int, body: Any) -> Fault:
    """The fault of a token request that was answered with something else than a token.

    OAuth's body is an object; an org that is too busy to look at the request answers as its other endpoints do.
    """
    told = _first(body)
    vendor_code = str(told.get("error") or told.get("errorCode") or f"HTTP {status}")
    words = str(told.get("error_description") or told.get("message") or "the token endpoint gave no reason")
    code = CODES.get(vendor_code) or TOKEN_STATUS_FAULTS[status >= 500 or status == 429]
    return Fault(code=code, vendor_code=vendor_code, message=words[:MESSAGE_LIMIT])


def odd_answer(what: str) -> Fault:
    """An answer of success whose body has not the documented shape: a write may have been done."""
    return Fault(code=FaultCode.OUTCOME_UNKNOWN, vendor_code="UNREADABLE_ANSWER", message=what)


def is_expired(error: CrmError) -> bool:
    """Whether a fresh token may help."""
    return error.fault.vendor_code in RENEWABLE


def is_version(error: CrmError) -> bool:
    """Whether the org does not speak the API version that was asked for."""
    return error.fault.code is FaultCode.NOT_SUPPORTED


def _of_reply(error: SalesforceError, *, write: bool, usage: Usage, now: datetime) -> Fault:
    told = _first(error.content)
    if "errorCode" not in told and told.get("errors"):
        told = _first(told["errors"])  # an action's result, refused as a whole (facts: Salesforce §6.5, unconfirmed)
    vendor_code = str(told.get("errorCode") or told.get("statusCode") or f"HTTP {error.status}")
    words = str(told.get("message") or _plain(error.content))[:MESSAGE_LIMIT]
    code = CODES.get(vendor_code) or _by_status(error.status)
    retry_at = None
    if vendor_code == QUOTA_CODE and 0 < usage[1] <= usage[0]:
        # The same code stands for too many calls at once and too many today; only the counter tells which.
        code, retry_at = FaultCode.QUOTA_EXHAUSTED, now + timedelta(hours=1)
    unproven = error.status >= 500 and vendor_code != "SERVER_UNAVAILABLE"
    if write and (unproven or vendor_code in IN_DOUBT):
        code = FaultCode.OUTCOME_UNKNOWN
    if code is FaultCode.AUTH_REVOKED:
        words = _advised(words, hint(vendor_code, ()))
    return Fault(code=code, vendor_code=vendor_code, message=words, retry_at=retry_at)


def _by_status(status: int) -> FaultCode:
    if status >= 500:
        return FaultCode.UNAVAILABLE
    return STATUSES.get(status, FaultCode.REJECTED)


def _of_wire(error: Exception, *, write: bool) -> Fault:
    lost = write and not never_sent(error)
    return Fault(
        code=FaultCode.OUTCOME_UNKNOWN if lost else FaultCode.UNAVAILABLE,
        vendor_code=type(error).__name__,
        message=str(error)[:MESSAGE_LIMIT],
    )


def never_sent(error: BaseException) -> bool:
    """Whether the request cannot have reached the vendor: the connection was never made."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.InvalidURL):
        return True
    reason = error.args[0] if error.args else None
    cause = getattr(reason, "reason", reason)
    return isinstance(cause, ConnectTimeoutError | NewConnectionError)


def _first(content: Any) -> Mapping[str, Any]:
    """The first error of a body: documented as an array, but a few endpoints answer a bare object."""
    if isinstance(content, list):
        content = content[0] if content else None
    return content if isinstance(content, Mapping) else {}


def _plain(content: Any) -> str:
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    return "the answer was a web page, not an API answer" if text.lstrip().startswith("<") else text
