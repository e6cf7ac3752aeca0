"""HubSpot's failures in our words: what to do next, with the vendor's code and message beside it.

Not here: retrying (``session``) and deciding which row of a batch a failure belongs to (``writes``). The vendor
client's and urllib3's exceptions end here; nothing above this package sees them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hubspot.crm.deals.exceptions import ApiException
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

from connector.crm.hubspot import wire
from connector.errors import CrmError, Fault, FaultCode, RowUnread

LOCK_LASTS = timedelta(seconds=2)
"""A 423 lock is held for 2 s (facts: HubSpot §3d)."""

SECOND = timedelta(seconds=1)
WINDOW = timedelta(seconds=10)
"""The burst limit's rolling window (facts: HubSpot §3e)."""

MIGRATION_PAUSE = timedelta(minutes=5)
"""For a 477 that does not say how long; it may last up to a day (facts: HubSpot §3d)."""

LONGEST_ASKED = timedelta(days=1)
"""No answer asks for more (facts: HubSpot §3d); a proxy's may, and be no time at all."""

MIDNIGHT_LATE = timedelta(minutes=30)
MIDNIGHT_AGAIN = timedelta(minutes=2)
"""A day's limit that is reached just after midnight is yesterday's: the vendor's clock is behind ours, or its count is
begun anew a little later. To wait for the next midnight would cost the whole day."""

BY_STATUS: dict[int, FaultCode] = {
    400: FaultCode.REJECTED,
    401: FaultCode.AUTH_REVOKED,
    403: FaultCode.NOT_PERMITTED,
    404: FaultCode.RECORD_GONE,
    409: FaultCode.CONFLICT,
    423: FaultCode.ROW_LOCKED,
    429: FaultCode.THROTTLED,
    477: FaultCode.UNAVAILABLE,
}
"""Facts: HubSpot §3d. Other 4xx are `REJECTED`; 5xx depend on whether something was being written."""

BY_CODE: dict[str, FaultCode] = {
    "OBJECT_NOT_FOUND": FaultCode.RECORD_GONE,
    "NOT_FOUND": FaultCode.RECORD_GONE,
    "CONFLICTING_UNIQUE_VALUE": FaultCode.DUPLICATE,
    "OBJECT_ALREADY_EXISTS": FaultCode.DUPLICATE,
    "CONFLICT": FaultCode.CONFLICT,
    "MISSING_SCOPES": FaultCode.NOT_PERMITTED,
    "RATE_LIMITS": FaultCode.THROTTLED,
    "OBJECT_LOCKED": FaultCode.ROW_LOCKED,
    "LOCKED": FaultCode.ROW_LOCKED,
    "INTERNAL_ERROR": FaultCode.UNAVAILABLE,
    "SERVICE_UNAVAILABLE": FaultCode.UNAVAILABLE,
    "TIMEOUT": FaultCode.UNAVAILABLE,
}
"""The vendor's own codes, where they say more than the status or there is only a row's error."""

ABSENT = frozenset({"OBJECT_NOT_FOUND", "NOT_FOUND", "crm.associations.NO_ASSOCIATIONS_FOUND"})
"""What a batch read says of a record that is gone and of one that hangs on nothing."""

UNWRITABLE = frozenset({"PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"})
"""A mistake in the mapping, not in a row: every row that carries the property fails alike."""

DAILY = "DAILY"
_SECONDLY = ("SECONDLY", "RATE_LIMITS")
_NEVER_SENT = (NewConnectionError, ConnectTimeoutError, SSLError, ProxyError)


@dataclass(frozen=True, slots=True)
class Moments:
    """What a fault's times are reckoned from: now, and the portal's time zone (daily limits end at its midnight)."""

    now: datetime
    zone: str = "UTC"


class HubSpotError(CrmError):
    """A call that failed. ``status`` is 0 when there was no answer; ``names`` holds every id its body mentions;
    ``unwritable`` the properties the portal does not have or never lets anyone write."""

    def __init__(
        self,
        fault: Fault,
        *,
        status: int = 0,
        names: frozenset[str] = frozenset(),
        unwritable: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(fault)
        self.status = status
        self.names = names
        self.unwritable = unwritable

    @property
    def refuses_content(self) -> bool:
        """The answer is about some record that was sent, so the others may still be good."""
        return self.fault.code in CONTENT_FAULTS


CONTENT_FAULTS = frozenset({FaultCode.REJECTED, FaultCode.DUPLICATE, FaultCode.CONFLICT, FaultCode.RECORD_GONE})


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    data: Mapping[str, Any]
    headers: Mapping[str, str]
    text: str
    codes: tuple[str, ...] = field(default=())


def from_api(error: ApiException, *, writing: bool, moments: Moments) -> HubSpotError:
    """Translate an answer outside 2xx."""
    answer = _answer(error)
    code = _code(answer, writing=writing)
    fault = Fault(
        code=code,
        vendor_code=_vendor_code(answer),
        message=_message(answer),
        retry_at=_retry_at(code, answer, moments),
    )
    listed = wire.errors(answer.data)
    names = wire.context_names(answer.data.get("context")).union(*(each.names for each in listed))
    unwritable = frozenset[str]().union(*(each.names for each in listed if UNWRITABLE.intersection(each.codes)))
    return HubSpotError(fault, status=answer.status, names=names, unwritable=unwritable)


def from_transport(error: HTTPError, *, writing: bool) -> HubSpotError:
    """Translate a connection that failed: never made, or cut while something may have been done."""
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    name = type(cause).__name__
    if isinstance(cause, _NEVER_SENT):
        return HubSpotError(Fault(FaultCode.UNAVAILABLE, name, f"HubSpot could not be reached: {cause}"))
    code = FaultCode.OUTCOME_UNKNOWN if writing else FaultCode.UNAVAILABLE
    return HubSpotError(Fault(code, name, f"HubSpot's reply did not arrive: {cause}"))


def from_garbage(status: int, *, writing: bool) -> HubSpotError:
    """Translate a 2xx whose body is no JSON object."""
    code = FaultCode.OUTCOME_UNKNOWN if writing else FaultCode.UNAVAILABLE
    return HubSpotError(Fault(code, str(status), "HubSpot's reply could not be read"), status=status)


def listed(data: wire.Json) -> list[wire.Json]:
    """The rows of an answer that must have some, be they none. Raises `HubSpotError` for an answer without a list: an
    empty body, or a proxy's words, must not look as if all records were gone."""
    rows = data.get("results")
    paging = data.get("paging") or {}
    following = paging.get("next") if isinstance(paging, Mapping) else paging
    sound = isinstance(rows, list) and all(isinstance(each, Mapping) for each in rows)
    if not sound or not isinstance(following, Mapping | None):
        raise HubSpotError(Fault(FaultCode.UNAVAILABLE, "NO_RESULTS", "HubSpot's reply holds no list of results"))
    return rows  # type: ignore[return-value]  # it is sound


BAD_REQUEST = 400
REFUSED_GRANTS = frozenset({400, 401, 403})
"""How the token endpoint says that it does not know what it was given (facts: HubSpot §7)."""


def of_token(
    status: int, told: Mapping[str, Any], headers: Mapping[str, str], *, what: str, moments: Moments
) -> HubSpotError:
    """Translate an answer of the token endpoint that carries no token. ``what`` names the credentials it was given."""
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    named = str(told.get("error") or told.get("status") or told.get("category") or status)
    words = str(told.get("error_description") or told.get("message") or f"HTTP {status} without a token")
    if status in REFUSED_GRANTS:
        message = f"HubSpot refuses {what}: {words}"
        return HubSpotError(Fault(FaultCode.AUTH_REVOKED, named, message), status=status)
    answer = _Answer(status=status, data=told, headers=lowered, text="")
    code = FaultCode.UNAVAILABLE if status < BAD_REQUEST else _code(answer, writing=False)
    retry_at = _retry_at(code, answer, moments)
    return HubSpotError(Fault(code, named, f"No token was granted: {words}", retry_at=retry_at), status=status)


class UnreadRow(HubSpotError, RowUnread):
    """A batch read that lists an error of some of its rows."""

    def __init__(self, fault: Fault, *, ids: frozenset[str] = frozenset()) -> None:
        super().__init__(fault, names=ids)
        self.ids = ids


def refuse_incomplete(errors: tuple[wire.RowError, ...]) -> None:
    """Raise when a batch read lists an error other than that a record or a link is not there."""
    wrong = [error for error in errors if not ABSENT.intersection(error.codes)]
    if wrong:
        code = wrong[0].codes[0] if wrong[0].codes else ""
        fault = Fault(FaultCode.UNAVAILABLE, code, f"A row could not be read: {wrong[0].message}")
        raise UnreadRow(fault, ids=frozenset[str]().union(*(error.names for error in wrong)))


def endless() -> HubSpotError:
    """What to raise when an answer goes on naming a next page that brings nothing."""
    return HubSpotError(Fault(FaultCode.UNAVAILABLE, "ENDLESS_PAGES", "HubSpot names a next page without end"))


def of_row(error: wire.RowError) -> Fault:
    """The fault of one row of a batch."""
    code = next((BY_CODE[each] for each in error.codes if each in BY_CODE), FaultCode.REJECTED)
    if "CONFLICTING_UNIQUE_VALUE" in error.message:
        code = FaultCode.DUPLICATE
    return Fault(code=code, vendor_code=error.codes[0] if error.codes else "", message=error.message)


def _answer(error: ApiException) -> _Answer:
    body = error.body
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        data = json.loads(text)
    except ValueError:
        data = {}
    data = data if isinstance(data, Mapping) else {}
    inner = [each for each in data.get("errors") or () if isinstance(each, Mapping)]
    keys = ("code", "subCategory", "category", "policyName", "errorType")
    codes = tuple(str(each[key]) for each in (*inner, data) for key in keys if each.get(key))
    headers = {str(name).lower(): str(value) for name, value in (error.headers or {}).items()}
    return _Answer(status=int(error.status or 0), data=data, headers=headers, text=text, codes=codes)


def _code(answer: _Answer, *, writing: bool) -> FaultCode:
    if answer.status >= 500 or answer.status == 0:
        return FaultCode.OUTCOME_UNKNOWN if writing else FaultCode.UNAVAILABLE
    if answer.status == 429:
        return FaultCode.QUOTA_EXHAUSTED if DAILY in answer.codes else FaultCode.THROTTLED
    if answer.status == 400 and "CONFLICTING_UNIQUE_VALUE" in answer.text:
        return FaultCode.DUPLICATE
    if answer.status in (400, 409):
        return next((BY_CODE[each] for each in answer.codes if each in BY_CODE), BY_STATUS[answer.status])
    return BY_STATUS.get(answer.status, FaultCode.REJECTED)


def _vendor_code(answer: _Answer) -> str:
    policy = answer.data.get("policyName")
    return str(policy) if policy else answer.codes[0] if answer.codes else str(answer.status)


def _message(answer: _Answer) -> str:
    message = str(answer.data.get("message") or "")
    if not message:
        return f"HTTP {answer.status} without a HubSpot error body"
    scopes = sorted({name for each in wire.errors(answer.data) for name in each.names})
    if answer.status == 403 and scopes:
        return f"{message} Scopes to add: {', '.join(scopes)}"
    details = [each.message for each in wire.errors(answer.data) if each.message and each.message not in message]
    return "; ".join([message, *details[:3]])


def _retry_at(code: FaultCode, answer: _Answer, moments: Moments) -> datetime | None:
    wait = answer.headers.get("retry-after", "")
    if wait.isdecimal():
        return moments.now + timedelta(seconds=min(int(wait[:9]), LONGEST_ASKED.total_seconds()))
    if code is FaultCode.QUOTA_EXHAUSTED:
        return _midnight(moments)
    if code is FaultCode.ROW_LOCKED:
        return moments.now + LOCK_LASTS
    if code is FaultCode.THROTTLED:
        return moments.now + (SECOND if any(each in _SECONDLY for each in answer.codes) else WINDOW)
    return moments.now + MIGRATION_PAUSE if answer.status == 477 else None


def _midnight(moments: Moments) -> datetime:
    """The next midnight where the portal is: daily limits begin anew then (facts: HubSpot §3d)."""
    try:
        zone = ZoneInfo(moments.zone)
    except (KeyError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    local = moments.now.astimezone(zone)
    if timedelta(hours=local.hour, minutes=local.minute) < MIDNIGHT_LATE:
        return moments.now + MIDNIGHT_AGAIN
    tomorrow = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return tomorrow.astimezone(moments.now.tzinfo)
