"""Silence is an alarm: no rows where rows are usual, no people, no accounts, wins without handoffs.

Not here: telling (``alarms``). What is usual is learned per feed, in working time by the team's calendar, so that
nights, weekends and holidays are no silence and a fresh install has none: the longest gap between two rows, over at
least `DAYS_KNOWN` working days on which there were some. An empty list is wrong only where it was not empty before.
That no handoff began is wrong only where the CRM shows wins that have none, more in a row than ever before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from connector.clock import zoned
from connector.engine.alarms import Cry, clear_alarm, raise_alarm
from connector.engine.parts import Shared, System
from connector.engine.people import PEOPLE_NOTE
from connector.engine.places import stored
from connector.handoff.calendar import elapsed, local_date
from connector.handoff.text import one_line
from connector.store import LIVE_NOTE, LiveNote, Win

RHYTHM = "rhythm:"
"""With it begin the names of what was learned, beside the feeds' cursors."""

ACCOUNTS_NOTE = "usual:accounts"
LINE = "line"
DAYS_KNOWN = 5
DAYS_KEPT = 10
GAPS_KEPT = 30
TIMES_LONGER = 3.0
"""A gap is unusual when it is this many times the longest one known. Work that comes at random leaves twice that behind
now and then: in a quarter with 48 deals it did so once on either CRM."""
RUN_LONGER = 2.0
"""So is a run of wins without a handoff that is this many times the longest one known."""

SAVED_EVERY = timedelta(minutes=10)
FEWEST_WINS = 5
"""With fewer wins nothing is said of there being no handoff."""

SILENT = "silent-"
"""With it begin the names of alarms about feeds and lines."""

NO_ERROR = "No error was reported."
WORDS = 500
"""Characters of an error that are told."""

PEOPLE_ALARM = "no-people"
ACCOUNTS_ALARM = "no-accounts"
WINS_ALARM = "no-wins"
HANDOFFS_ALARM = "no-handoffs"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is known of one feed or line: when it last told something, on which days, and the longest gap (seconds) on
    each of the last days."""

    last: datetime
    days: tuple[str, ...] = ()
    gaps: tuple[float, ...] = ()

    def dump(self) -> str:
        """As text."""
        return json.dumps([self.last.isoformat(), self.days, self.gaps])

    @classmethod
    def parse(cls, text: str | None) -> Rhythm | None:
        """From a text that `dump` made; None for none."""
        if not text:
            return None
        last, days, gaps = json.loads(text)
        return cls(zoned(last), tuple(str(day) for day in days), tuple(float(gap) for gap in gaps))

    def limit(self, least: timedelta) -> timedelta | None:
        """How much working time may pass without a word; None while too little is known."""
        if len(self.days) < DAYS_KNOWN:
            return None
        return max(least, timedelta(seconds=TIMES_LONGER * max(self.gaps, default=0.0)))


def watch_feeds(shared: Shared, system: System) -> None:
    """Learn from what was heard, and raise an alarm for what has grown silent."""
    note = stored(shared, system, LIVE_NOTE, lambda text: LiveNote.parse(text, now=shared.clock.now()))
    if note is not None and note.last_event is not None and not all(note.lines.values()):
        system.heard[LINE] = note.last_event
    lines = (LINE,) if note is not None and not all(note.lines.values()) else ()
    if shared.limits.silent:
        for name in system.crm.feeds():
            _watch(shared, system, name, trouble=_unread(system, name))
        for name in lines:
            _watch(shared, system, name, trouble=_down(note))
    _let_go(shared, system, listens=note is not None)


def _let_go(shared: Shared, system: System, *, listens: bool) -> None:
    """End alarms of what is watched no longer: the limit or the line was switched off, or the feed is gone."""
    watched = {SILENT + name for name in (*system.crm.feeds(), *((LINE,) if listens else ()))}
    for alarm in shared.store.alarms(system.name):
        if alarm.name.startswith(SILENT) and (not shared.limits.silent or alarm.name not in watched):
            clear_alarm(shared, system, alarm.name)


def _watch(shared: Shared, system: System, name: str, *, trouble: str) -> None:
    known = stored(shared, system, RHYTHM + name, Rhythm.parse)
    if known is not None and known.last > shared.clock.now() + SAVED_EVERY:
        # It was learned by a clock that was ahead: nothing would be silence until then.
        known = replace(known, last=shared.clock.now())
        shared.store.set_cursor(system.name, RHYTHM + name, known.dump())
    heard = system.heard.get(name)
    if heard is not None and (known is None or heard > known.last):
        clear_alarm(shared, system, SILENT + name)
        if known is None or heard - known.last >= SAVED_EVERY:
            shared.store.set_cursor(system.name, RHYTHM + name, _learned(shared, system, known, heard).dump())
        return
    limit = known.limit(shared.limits.silent) if known else None
    if known is None or limit is None:
        return
    quiet = elapsed(system.policy.calendar, known.last, max(known.last, shared.clock.now()))
    if quiet <= limit:
        return
    hours = int(quiet.total_seconds() // 3600)
    what = "the live line" if name == LINE else f"the feed {name}"
    raise_alarm(
        shared,
        system,
        SILENT + name,
        Cry(
            subject=f"{what} has said nothing for {hours} working hours",
            text=f"{what.capitalize()} brought something on {len(known.days)} working days of late, and nothing for "
            f"{hours} working hours. {trouble or NO_ERROR}",
            next="see in the CRM whether this login still may read those records (handoff check), and whether people "
            "work there as usual; the sweep goes on looking for wins meanwhile.",
        ),
    )


def _unread(system: System, feed: str) -> str:
    """What kept a feed from being read since it last brought something, as a sentence; empty when nothing did."""
    fault = system.unread.get(feed)
    if fault is None:
        return ""
    until = f" to {fault.over:%Y-%m-%d %H:%M}" if fault.over else " on,"
    return f"It could not be read from {fault.since:%Y-%m-%d %H:%M}{until} UTC: {one_line(fault.words, limit=WORDS)}"


def _down(note: LiveNote | None) -> str:
    """Which lines are not live, and why."""
    down = {line: why for line, why in note.lines.items() if why} if note is not None else {}
    return (
        f"Not live: {one_line('; '.join(f'{line}: {why}' for line, why in down.items()), limit=WORDS)}" if down else ""
    )


def _learned(shared: Shared, system: System, known: Rhythm | None, heard: datetime) -> Rhythm:
    calendar = system.policy.calendar
    day = local_date(calendar, heard)
    if known is None:
        return Rhythm(heard, _with_day((), day) if _is_working(system, day) else ())
    gap = elapsed(calendar, known.last, heard)
    limit = known.limit(shared.limits.silent)
    # What was an alarm does not become usual at once.
    gap = min(gap, limit) if limit is not None else gap
    days = _with_day(known.days, day) if _is_working(system, day) else known.days
    gaps = [*known.gaps]
    # One for each day: a busy morning of twenty short ones must not make a quiet week forgotten.
    longest = gaps.pop() if gaps and local_date(calendar, known.last) == day else 0.0
    return Rhythm(heard, days, (*gaps, max(longest, gap.total_seconds()))[-GAPS_KEPT:])


def _with_day(days: tuple[str, ...], day: date) -> tuple[str, ...]:
    return (*(each for each in days if each != day.isoformat()), day.isoformat())[-DAYS_KEPT:]


def _is_working(system: System, day: date) -> bool:
    calendar = system.policy.calendar
    return day not in calendar.holidays and any(window.weekday == day.weekday() for window in calendar.windows)


def note_people(shared: Shared, system: System) -> None:
    """Remember that there were people, and end the alarm that there are none."""
    if not system.people:
        return
    clear_alarm(shared, system, PEOPLE_ALARM)
    count = str(len(system.people))
    if shared.store.cursor(system.name, PEOPLE_NOTE) != count:
        shared.store.set_cursor(system.name, PEOPLE_NOTE, count)


def cry_for_people(shared: Shared, system: System) -> None:
    """The list of people is empty that was not empty before: nothing is decided until it is back."""
    known = shared.store.cursor(system.name, PEOPLE_NOTE) or str(len(system.people))
    raise_alarm(
        shared,
        system,
        PEOPLE_ALARM,
        Cry(
            subject="the CRM's list of people is empty",
            text=f"The CRM lists nobody, though it listed {known} people before. By that every CSM has left, so "
            "nothing is decided or sent until the list is back.",
            next="see whether this login may still read users (handoff check).",
            stops=True,
        ),
    )


def accounts_gone(shared: Shared, system: System, counts: Mapping[str, int]) -> bool:
    """Whether no CSM has an account any more though they had; then the counts are not to be taken over."""
    total = sum(counts.values())
    known = stored(shared, system, ACCOUNTS_NOTE, int) or 0
    if total or not known:
        clear_alarm(shared, system, ACCOUNTS_ALARM)
        if total != known:
            shared.store.set_cursor(system.name, ACCOUNTS_NOTE, str(total))
        return False
    raise_alarm(
        shared,
        system,
        ACCOUNTS_ALARM,
        Cry(
            subject="the CRM shows no account with a CSM any more",
            text=f"CSMs had {known} accounts at the sweep before, and none now. Caps go by the last count meanwhile.",
            next="see whether this login may still read accounts and the CSM field (handoff check).",
        ),
    )
    return True


def watch_wins(shared: Shared, system: System, *, listed: int, since: datetime) -> None:
    """Hold how many deals the CRM lists as won against the handoffs of that time."""
    if not system.act:
        return
    expected = shared.store.handed_since(system.name, since) if listed == 0 else 0
    if expected >= FEWEST_WINS:
        raise_alarm(
            shared,
            system,
            WINS_ALARM,
            Cry(
                subject="the CRM lists no won deals any more",
                text=f"The CRM lists no deal won since {since:%Y-%m-%d}, though {expected} handoffs of that time are "
                "under way. New wins would not be seen.",
                next="see whether this login may still read deals, and whether the won stage changed (handoff check).",
            ),
        )
    else:
        clear_alarm(shared, system, WINS_ALARM)


def watch_handoffs(shared: Shared, system: System, wins: Sequence[Win], *, whole: bool) -> None:
    """Whether handoffs still come of wins. ``wins`` are what the CRM lists and was decided on, ``whole`` all since the
    start. Where few wins are, or most are of a type that gets no handoff, a run without is usual."""
    if not system.act:
        return
    newest = max((one.at for one in wins if one.handed), default=None)
    without = sorted(one.at for one in wins if not one.handed and (newest is None or one.at > newest))
    usual = shared.store.longest_without(system.name) if len(without) >= FEWEST_WINS else 0
    if len(without) >= FEWEST_WINS and len(without) > RUN_LONGER * usual:
        before = f"at most {usual} in a row" if usual else "never so many"
        raise_alarm(
            shared,
            system,
            HANDOFFS_ALARM,
            Cry(
                subject=f"{len(without)} wins in a row and not one handoff",
                text=f"The CRM lists {len(without)} deals won since {without[0]:%Y-%m-%d} that were looked at, and not "
                f"one has a handoff; before, it was {before}.",
                next="handoff explain with one of them says why; often it is the mapping of the deal type or the won "
                "stage, or that no CSM can be assigned.",
            ),
        )
    elif whole or newest is not None:
        # A shorter list that shows no handoff cannot tell where the run began.
        clear_alarm(shared, system, HANDOFFS_ALARM)
