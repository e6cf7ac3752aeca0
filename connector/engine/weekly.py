"""Once a week the figures of the leadership page go out by mail, by one process, to each address once.

Not here: what is said (the page's own words, handed in) and the mail server (``notifier``). Whom it went to stands in
the store, written after each mail: a process that dies between the two sends that one again under the same Message-ID.
A week in which nobody could send for days is left out, and so is the one in which it was switched on: its morning is
over.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from connector.engine.notifier import Letter
from connector.engine.parts import Shared
from connector.errors import Advice, CrmError
from connector.handoff.model import SystemName
from connector.store import failure

WEEKLY_SENT = "weekly.sent"
WEEKLY_DELAYED = "weekly.delayed"
WEEKLY_REFUSED = "weekly.refused"
WEEKLY_FAILED = "weekly.failed"

LOOKS_EVERY = 300.0
"""Seconds between two looks at whether it is time; so long, too, a mail server that took nothing is left alone."""

LEASE = "weekly"
LEASE_SECONDS = 300.0
SENT = "weekly-mail"
"""Under this name, beside the feeds' cursors and without a system, stands for which week it went to whom."""

NOBODYS = SystemName("")
WEEK, STILL_NEWS = timedelta(days=7), timedelta(days=3)
"""Figures that could not be sent for so long are not sent any more: the next week's are near."""

log = structlog.get_logger()


class Said(Protocol):
    """The week's figures in words and as a page."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def html(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Weekly:
    """To whom, on which day (0 is Monday) and at which hour of ``zone``. ``make`` says the figures as of a time,
    ``send`` raises `CrmError`."""

    to: tuple[str, ...]
    weekday: int
    hour: int
    zone: ZoneInfo
    make: Callable[[datetime], Said]
    send: Callable[[Letter], None]


def last_due(weekly: Weekly, now: datetime) -> datetime:
    """The latest moment at or before now at which it was to go out."""
    local = now.astimezone(weekly.zone)
    day = local.date() - timedelta(days=(local.weekday() - weekly.weekday) % 7)
    at = datetime.combine(day, time(weekly.hour), tzinfo=weekly.zone)
    if at > now:
        at = datetime.combine(day - WEEK, time(weekly.hour), tzinfo=weekly.zone)
    return at


def send_due(shared: Shared, weekly: Weekly) -> int:
    """Send this week's figures to those who did not get them yet. Returns to how many they went."""
    store, now = shared.store, shared.clock.now()
    at = last_due(weekly, now)
    if not _owed(shared, weekly, at) or not store.lease(LEASE, owner=shared.owner, ttl=LEASE_SECONDS):
        return 0
    try:
        owed, sent = _owed(shared, weekly, at), 0
        if not owed:
            return 0
        said = weekly.make(now)
        for address in owed:
            if shared.stopping.is_set() or not _sent(shared, weekly, said, at=at, address=address):
                break
            sent += 1
            # A mail server that let us wait too long has let another process begin, which goes on with the rest.
            if not store.lease(LEASE, owner=shared.owner, ttl=LEASE_SECONDS):
                break
        return sent
    finally:
        store.release(LEASE, shared.owner)


def _owed(shared: Shared, weekly: Weekly, at: datetime) -> tuple[str, ...]:
    """Who did not get the figures of that week yet."""
    kept = _kept(shared)
    week = _named(at)
    if kept is None:
        shared.store.set_cursor(NOBODYS, SENT, json.dumps({"week": week, "to": [_mark(each) for each in weekly.to]}))
        return ()
    if shared.clock.now() - at > STILL_NEWS:
        return ()
    had = kept[1] if kept[0] == week else ()
    return tuple(each for each in weekly.to if _mark(each) not in had)


def _kept(shared: Shared) -> tuple[str, tuple[str, ...]] | None:
    """The week that was sent last, and to whom; None where nothing that can be read stands there."""
    try:
        data = json.loads(shared.store.cursor(NOBODYS, SENT) or "")
        return str(data["week"]), tuple(map(str, data["to"]))
    except (ValueError, TypeError, LookupError):
        return None


def _sent(shared: Shared, weekly: Weekly, said: Said, *, at: datetime, address: str) -> bool:
    """Send one and note it. False where it is to be tried again later."""
    key = f"weekly:{_named(at)}:{_mark(address)}"
    try:
        weekly.send(Letter(key, address, said.subject, said.text, said.html))
        log.info(WEEKLY_SENT, week=_named(at))
    except CrmError as error:
        fault = error.fault
        if fault.advice is not Advice.PARK:
            log.warning(WEEKLY_DELAYED, vendor_code=fault.vendor_code, message=fault.message)
            return False
        log.warning(WEEKLY_REFUSED, vendor_code=fault.vendor_code, message=fault.message)
    kept = _kept(shared)
    had = kept[1] if kept is not None and kept[0] == _named(at) else ()
    shared.store.set_cursor(NOBODYS, SENT, json.dumps({"week": _named(at), "to": [*had, _mark(address)]}))
    return True


def _named(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _mark(address: str) -> str:
    """An address as the store keeps it: known again, and not readable."""
    return hashlib.sha256(address.casefold().encode()).hexdigest()[:16]


class WeeklyMail:
    """Looks now and then whether it is time, in a thread of its own."""

    def __init__(self, shared: Shared, weekly: Weekly) -> None:
        self._shared, self._weekly = shared, weekly
        self._thread = threading.Thread(target=self._run, name="weekly", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the mail in hand; the daemon is stopping."""
        self._thread.join()

    def _run(self) -> None:
        while not self._shared.stopping.wait(LOOKS_EVERY):
            try:
                send_due(self._shared, self._weekly)
            except Exception as error:  # noqa: BLE001  # the next look tries again
                log.warning(WEEKLY_FAILED, message=failure(error) or type(error).__name__)
