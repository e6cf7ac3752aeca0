"""Who is stuck: the episode of a stuck signal, when it calls for help, on what, and when the customer has moved on.

Not here: the task that is made of it (``rules.stuck``). An episode is known by the day on which it began, which is in
the task's key: a lost ledger finds it again there. That something did not happen proves nothing where events are not
known from its beginning on, or where nobody's events come any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from connector.handoff.case import Case
from connector.handoff.counted import Sort, Tally
from connector.handoff.milestones import reached, rows, since_of
from connector.handoff.model import CrmTask
from connector.handoff.productbook import Measure, Need, Stuck

START = "stuck-"
STALE = timedelta(hours=48)
"""A session that is over for so long needs no rescue within the next day."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Episode:
    """One customer stuck once: since ``begins``, on ``things`` (empty where events do not say); help is due ``due``.

    ``rests`` says why it cannot be told whether it is so; empty where it can.
    """

    signal: Stuck
    begins: datetime
    due: datetime
    things: tuple[str, ...] = ()
    rests: str = ""

    @property
    def step(self) -> str:
        """The name of its task, by the day on which it began."""
        return step_of(self.signal, self.begins.astimezone(UTC).date())


def step_of(signal: Stuck, day: date) -> str:
    """The name of the task of an episode that began on a day (UTC)."""
    return f"{START}{signal.name}-{day:%Y%m%d}"


def signals(case: Case) -> tuple[Stuck, ...]:
    """The signals that are meant for this deal."""
    policy = case.policy.product
    if policy is None or (policy.since and (won := since_of(case)) and won.date() < policy.since):
        return ()
    return tuple(signal for signal in policy.stuck if case.holds(signal.when))


def tasks(case: Case, signal: Stuck) -> dict[str, CrmTask]:
    """The tasks that were made for a signal's episodes, by step."""
    start = case.key(f"{START}{signal.name}-")
    found = {task.key: task for task in case.snapshot.tasks if task.key and task.key.startswith(start)}
    # One signal's name may begin like another's: what is left must be a day.
    return {
        f"{START}{signal.name}-{key.removeprefix(start)}": task
        for key, task in found.items()
        if key.removeprefix(start).isdigit()
    }


def episode(case: Case, signal: Stuck) -> Episode | None:
    """The episode that the customer is in; None where they are not stuck, or not any more."""
    won = since_of(case)
    if won is None:
        return None
    found = _in_session(case, signal) if signal.in_session else _unfinished(case, signal, won)
    if found is None or not won <= found.begins + _DAY or found.begins > won + signal.within:
        return None
    return found


def fired(case: Case, signal: Stuck) -> bool:
    """Whether the signal has called for help once."""
    now = episode(case, signal)
    return bool(tasks(case, signal)) or bool(now and now.due <= case.now and not now.rests)


def moved_on(case: Case, signal: Stuck, step: str) -> str:
    """By what the customer got out of the episode of this task, as part of a sentence; empty while they did not."""
    day = date.fromisoformat(step[-8:])
    now = episode(case, signal)
    if now is not None and now.step == step:
        return ""
    ends = signal.moved_on if signal.in_session else (signal.missing, *signal.moved_on)
    last = _session_on(case, signal, day)
    since = last.last if last else datetime.combine(day, time.min, tzinfo=UTC)
    for name in ends:
        if name and _happened(case, name, since=since):
            return f"{_words(name)} was seen"
    return ""


def _unfinished(case: Case, signal: Stuck, won: datetime) -> Episode | None:
    policy = case.policy.product
    seen = policy.measure(signal.seen.measure) if policy and signal.seen else None
    missing = policy.measure(signal.missing) if policy else None
    if policy is None or missing is None or (signal.seen and seen is None):
        return None
    if any(_happened(case, name, since=won) for name in signal.moved_on):
        return None
    if seen and seen.distinct and missing.distinct:
        return _by_thing(case, signal, seen, missing, since=won - _DAY)
    if reached(case, Need(signal.missing)).count:
        return None
    begins = won
    if signal.seen is not None:
        have = reached(case, signal.seen)
        if have.at is None:
            return None
        begins = have.at
    return Episode(signal, begins, begins + signal.after, rests=_unproven(case, missing, begins))


def _by_thing(case: Case, signal: Stuck, seen: Measure, missing: Measure, *, since: datetime) -> Episode | None:
    """What was begun and not finished, thing by thing; the oldest day's things are one episode."""
    finished: dict[str, datetime] = {}
    for row in rows(case, missing, Sort.VALUE):
        finished[row.part] = max(row.last, finished.get(row.part, row.last))
    begun: dict[str, datetime] = {}
    for row in rows(case, seen, Sort.VALUE):
        if row.first >= since and (row.part not in finished or finished[row.part] < row.first):
            begun.setdefault(row.part, row.first)
    if not begun:
        return None
    begins = min(begun.values())
    things = tuple(sorted(part for part, at in begun.items() if at.date() == begins.date()))
    return Episode(signal, begins, begins + signal.after, things, _unproven(case, missing, begins))


def _in_session(case: Case, signal: Stuck) -> Episode | None:
    found = [one for one in _sessions(case, signal) if one.last > case.now - STALE]
    for one in reversed(found):
        if not any(_happened(case, name, since=one.last) for name in signal.moved_on):
            return Episode(signal, one.first, one.last + signal.after, _values_during(case, one))
    return None


def _sessions(case: Case, signal: Stuck) -> Iterator[Tally]:
    """The sessions with so many events as the signal asks for, the earliest first; one that passed midnight is one."""
    policy = case.policy.product
    measure = policy.measure(signal.seen.measure) if policy and signal.seen else None
    whole: dict[str, Tally] = {}
    for row in rows(case, measure, Sort.SESSION) if measure else ():
        before = whole.get(row.part)
        if before is None:
            whole[row.part] = row
        else:
            count, last = before.count + row.count, max(before.last, row.last)
            whole[row.part] = Tally(row.measure, row.sort, row.part, before.day, count, before.first, last)
    return (one for one in whole.values() if one.count >= signal.in_session)


def _session_on(case: Case, signal: Stuck, day: date) -> Tally | None:
    if not signal.in_session:
        return None
    return next((one for one in _sessions(case, signal) if one.first.astimezone(UTC).date() == day), None)


def _values_during(case: Case, session: Tally) -> tuple[str, ...]:
    policy = case.policy.product
    measure = policy.measure(session.measure) if policy else None
    found = rows(case, measure, Sort.VALUE) if measure and measure.distinct else ()
    return tuple(sorted({row.part for row in found if row.first <= session.last and session.first <= row.last}))


def _happened(case: Case, name: str, *, since: datetime) -> bool:
    """Whether a measure was counted at or after a moment."""
    policy = case.policy.product
    measure = policy.measure(name) if policy else None
    if measure is None:
        return False
    if measure.field:
        have = reached(case, Need(name))
        return bool(have.count)
    sort = Sort.VALUE if measure.distinct else Sort.EVENTS
    return any(row.last >= since for row in rows(case, measure, sort))


def _unproven(case: Case, missing: Measure, begins: datetime) -> str:
    """Why it proves nothing that something was not counted; empty where it does."""
    facts, policy = case.snapshot.product, case.policy.product
    if missing.field or policy is None:
        return ""
    if facts.ambiguous:
        return "other accounts answer to the same name in the product"
    if not facts.named or facts.unnamed:
        return "the account's name in the product is not known"
    if facts.since is None or facts.since > begins:
        return "product events are not known from its beginning on"
    if facts.heard_at is None or case.now - facts.heard_at > policy.silent_after:
        return "no product events come at all at present"
    return ""


def _words(name: str) -> str:
    return name.replace("_", " ")
