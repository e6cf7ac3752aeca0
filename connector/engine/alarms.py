"""Alarms: tell a person once that something wants them, keep saying so on the page, and take it back when it is over.

Not here: what is worth an alarm (``masschange``, ``silence``, ``ageing``). An alarm is kept in the store, so that it is
told once whatever restarts and however many replicas run; a message that could not be sent is tried every minute.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import structlog

from connector.engine.parts import Shared, System
from connector.errors import CrmError
from connector.handoff.plan import Notify, Order
from connector.store import ALARM, Alarm

ALARM_RAISED = "alarm.raised"
ALARM_CLEARED = "alarm.cleared"
ALARM_DELAYED = "alarm.delayed"

TELL_AGAIN = timedelta(minutes=1)
"""After a message that could not be sent: a chat service that hangs holds up a pass a minute, not every one."""

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True, slots=True)
class Cry:
    """What to tell: ``text`` in sentences, ``next`` what to do. ``stops``: work waits, readiness turns red.

    ``again``: how long until people are told once more while it stands; None never.
    """

    subject: str
    text: str
    next: str
    stops: bool = False
    again: timedelta | None = None


def raise_alarm(shared: Shared, system: System, name: str, cry: Cry) -> None:
    """Raise an alarm, or bring one that stands up to date. People are told when it is new, or ``again`` has passed."""
    now = shared.clock.now()
    known = next((each for each in shared.store.alarms(system.name) if each.name == name), None)
    alarm = Alarm(
        name=name,
        subject=cry.subject,
        text=cry.text,
        next=cry.next,
        since=known.since if known else now,
        told_at=known.told_at if known else None,
        stops=cry.stops,
    )
    if known is None:
        log.error(ALARM_RAISED, system=system.name, alarm=name, subject=cry.subject, text=cry.text, next=cry.next)
        # Kept before it is told: whoever goes on after a kill in between tells it again under the same key.
        shared.store.set_cursor(system.name, ALARM + name, alarm.dump())
    stale = alarm.told_at is not None and cry.again is not None and now - alarm.told_at >= cry.again
    if alarm.told_at is None or stale:
        alarm = dataclasses.replace(alarm, told_at=now) if _told(shared, system, alarm) else alarm
    if alarm != known:
        shared.store.set_cursor(system.name, ALARM + name, alarm.dump())


def clear_alarm(shared: Shared, system: System, name: str) -> None:
    """The cause is gone; nothing happens when the alarm does not stand."""
    if shared.store.forget_alarm(system.name, name):
        log.info(ALARM_CLEARED, system=system.name, alarm=name)


def tell_untold(shared: Shared, system: System) -> None:
    """Try again to tell what could not be told, and show how many alarms stand."""
    standing = shared.store.alarms(system.name)
    for alarm in standing:
        if alarm.told_at is None and _told(shared, system, alarm):
            told = dataclasses.replace(alarm, told_at=shared.clock.now())
            shared.store.set_cursor(system.name, ALARM + alarm.name, told.dump())
    shared.telemetry.alarms.labels(system=system.name).set(len(standing))


def _told(shared: Shared, system: System, alarm: Alarm) -> bool:
    """Whether people were told. Where nobody is named, the log and the page are all there is."""
    if shared.alert is None:
        return True
    now = shared.clock.now()
    if _is_too_soon(system.untold.get(alarm.name), now):
        return False
    # The same at each try: of two channels the one that has it is not told again because the other is away.
    key = f"{system.name}:alarm:{alarm.name}:{alarm.told_at or alarm.since:%Y%m%dT%H%M%S}"
    notice = Notify(
        step=f"alarm-{alarm.name}",
        order=Order.NOTIFY,
        key=key,
        to_email="",
        to_name="",
        subject=f"Handoff connector, {system.name}: {alarm.subject}",
        text=f"{alarm.text}\n\nWhat to do: {alarm.next}",
        fingerprint=key,
        reason=alarm.subject,
    )
    try:
        shared.alert(notice)
    except CrmError as error:
        system.untold[alarm.name] = now
        log.warning(ALARM_DELAYED, system=system.name, alarm=alarm.name, vendor_code=error.fault.vendor_code)
        return False
    return True


def _is_too_soon(tried_at: datetime | None, now: datetime) -> bool:
    # A clock that was set back must not keep anybody from being told.
    return tried_at is not None and timedelta() <= now - tried_at < TELL_AGAIN
