"""Time plays tricks: a CRM is out for a day, nights that lack an hour or have one twice, a leap day, a wrong clock.

Not here: the arithmetic of working hours (the core's own tests). Daemon and sandbox share one clock that is moved by
hand (``weather_ground.Clockwork``), so what takes a day or a night here takes seconds.
"""

from __future__ import annotations

import calendar
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from daemons import Desk, until

from chaos.sections import Effort
from chaos.table import Row
from chaos.weather_ground import NAMES, Pitch, feed_words, pitch
from chaos.weather_postgres import running
from chaos.weather_store import BOTH

ZONE = ZoneInfo("America/New_York")
"""Where the shipped policy's team works (mappings/process.toml, calendar)."""
WEEK = timedelta(days=7)
FOREVER = 10**7
HOURS_OUT, AT_ONCE = 24, 4
MOST_SECONDS = 20.0
"""Until a win is handed off, whatever the clock says."""
OFF = 600.0
STEP = timedelta(minutes=30)
LOOKS = 2
"""Polls that the daemon is left after each step of the clock."""


def outage(effort: Effort, *, name: str) -> Row:
    """A CRM answers nothing but 503 for 24 hours, in which people go on winning; the other CRM must not notice."""
    with pitch(effort, f"outage-{name}") as on:
        on.win(2)
        daemon = on.start()
        until(on.whole, "the first handoffs")
        out = next(desk for desk in on.desks if desk.name == name)
        fine = next(desk for desk in on.desks if desk.name != name)
        out.fault("503", ".*", count=FOREVER)
        on.wait_red("a CRM is out")
        for _ in range(0, HOURS_OUT, AT_ONCE):
            on.clock.advance(AT_ONCE * 3600, on.site)
            on.win(AT_ONCE)
            wins = on.deals[fine.name]
            until(lambda wins=wins: all(fine.handed_off(each) for each in wins), "the other CRM to go on")  # type: ignore[misc]
        on.must(not any(out.handed_off(each) for each in on.deals[name][2:]), "the outage was none")
        on.broken += 1
        on.must(daemon.named("pass.failed", system=name), "no pass.failed was told")
        seen, back = out.seq(), time.monotonic()
        out.world.faults.clear()
        on.recover(back)
        calls = len(out.world.journal.calls(seen, system=name))
        on.wait_green()
        on.end(daemon)
        note = f"caught up {HOURS_OUT} wins with {calls} calls"
        return on.row("24 hours of outage", f"{NAMES[name]}, polled", note=note)


def night(effort: Effort, *, what: str) -> Row:
    """The same wins in a plain week and a week later, over the switch: each task must be due a week later to the
    day, and nobody is told anything twice."""
    moments = MOMENTS[what](datetime.now(UTC).year + 1)
    with pitch(effort, what) as on:
        on.site.edit(
            "process.toml", 'country = "US"', "# no public holidays, for they are in one week and not in the other"
        )
        on.clock.set(moments[0] - WEEK - timedelta(hours=1), on.site)
        daemon = on.start()
        plain = [_won_at(on, moment - WEEK) for moment in moments]
        _walk_to(on, moments[0] - timedelta(hours=2))
        turned = [_won_at(on, moment) for moment in moments]
        _walk_to(on, moments[-1] + timedelta(hours=8))
        on.broken += 1
        on.recover(time.monotonic())
        for before, now in zip(plain, turned, strict=True):
            for desk in on.desks:
                was, came = _dues(desk, before[desk.name]), _dues(desk, now[desk.name])
                off = {step: (str(was[step]), str(came[step])) for step in was if came[step] - was[step] != WEEK}
                on.must(was and not off, f"{NAMES[desk.name]}: due otherwise than a week before: {off}")
        keys = Counter(message.key for message in on.site.sandbox.sf.messages)
        on.must(max(keys.values(), default=0) <= 1, f"told twice: {[key for key, count in keys.items() if count > 1]}")
        on.end(daemon)
        note = f"{len(moments)} wins on each CRM, from {moments[0]:%Y-%m-%d %H:%M} UTC, against the week before"
        return on.row(what, f"{feed_words(BOTH)}, SQLite", note=note)


def wrong_clock(effort: Effort, *, store: str) -> Row:
    """The machine's clock is ten minutes ahead, is set back to ten minutes late while writes wait, and then right."""
    if store == "SQLite":
        return _wrong_clock(effort, store, "")
    with running(effort.folder / f"weather-clock-{store}") as server:
        return _wrong_clock(effort, store, server.url())


def _wrong_clock(effort: Effort, store: str, url: str) -> Row:
    with pitch(effort, f"clock-{store}", database=url) as on:
        on.clock.wrong_by(OFF)
        daemon = on.start()
        for off in (OFF, -OFF, OFF, 0.0):
            for desk in on.desks:
                desk.fault("503", r"(PATCH|POST) .*(/composite/sobjects|batch/)", count=2, skip=1)
            seen = [desk.seq() for desk in on.desks]
            on.win(2)
            until(lambda seen=seen: any(map(Desk.writes, on.desks, seen)), "the first write")  # type: ignore[misc]
            on.clock.wrong_by(off)
            on.broken += 1
            on.recover(time.monotonic())
        on.must(max(on.recovery) < MOST_SECONDS, f"took {max(on.recovery):.0f} s to hand a win off")
        on.end(daemon)
        return on.row("clock 10 min ahead, back to 10 min late, and right", f"{feed_words(BOTH)}, {store}")


def _won_at(on: Pitch, moment: datetime) -> Mapping[str, str]:
    """One win on each CRM at this moment, handed off before the clock goes on; the deals by system."""
    _walk_to(on, moment)
    on.win(1)
    made = {desk.name: on.deals[desk.name][-1] for desk in on.desks}
    until(lambda: all(desk.handed_off(made[desk.name]) for desk in on.desks), f"the handoffs of {moment}")
    return made


def _walk_to(on: Pitch, moment: datetime) -> None:
    """Move the clock on in steps, with a few passes between them; a long way is taken in a hundred."""
    left = moment - on.site.sandbox.clock.now()
    step = max(STEP, left / 12)
    while left > timedelta():
        on.clock.advance(min(step, left).total_seconds(), on.site)
        seen = [desk.seq() for desk in on.desks]
        until(
            lambda seen=seen: all(  # type: ignore[misc]
                desk.seq() - since >= LOOKS for desk, since in zip(on.desks, seen, strict=True)
            ),
            "a look after the clock moved",
        )
        left = moment - on.site.sandbox.clock.now()


def _dues(desk: Desk, deal_id: str) -> dict[str, date]:
    """The day each task is due; both CRMs are told a day, HubSpot by its noon in UTC."""
    with desk.world.lock:
        tasks = desk.crm.tasks_of(deal_id)
    return {task.subject.partition(":")[0]: task.due.astimezone(UTC).date() for task in tasks if task.due}


def _sunday(year: int, month: int, nth: int) -> date:
    days = [day for day in calendar.Calendar().itermonthdates(year, month) if day.month == month and day.weekday() == 6]
    return days[nth - 1]


def _wall(day: date, hour: int, minute: int = 0, *, fold: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE, fold=fold).astimezone(UTC)


def _spring(year: int) -> Sequence[datetime]:
    """Friday at the end of work, the last minute before the hour that is not there, the first after it."""
    night_of = _sunday(year, 3, 2)
    friday = night_of - timedelta(days=2)
    return (_wall(friday, 16, 30), _wall(night_of, 1, 59), _wall(night_of, 3, 1))


def _autumn(year: int) -> Sequence[datetime]:
    """Friday at the end of work, and half past one twice."""
    night_of = _sunday(year, 11, 1)
    friday = night_of - timedelta(days=2)
    return (_wall(friday, 16, 30), _wall(night_of, 1, 30), _wall(night_of, 1, 30, fold=1))


def _leap(year: int) -> Sequence[datetime]:
    """The day before the leap day, the leap day at its beginning and end."""
    while not calendar.isleap(year):
        year += 1
    return (_wall(date(year, 2, 28), 15), _wall(date(year, 2, 29), 0, 1), _wall(date(year, 2, 29), 16, 45))


MOMENTS = {
    "night without its third hour (spring)": _spring,
    "night with an hour twice (autumn)": _autumn,
    "leap day": _leap,
}
