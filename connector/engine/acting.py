"""Since when is acted for whom: noted when a daemon takes a system up, read with each look at deals.

Not here: what follows for one deal (``handoff.pilot``). The note lies in the ledger, and on SQLite beside it, in the
file that outlives it. It is a time per group of deals: everybody, or one of those the pilot names. Acting begins for a
group when the daemon first runs with it; it goes on from where it was when the mode goes from act to pilot or from
pilot to act, so that no win in between is lost; and it begins anew where in between it was not acted for, so that no
old win gets tasks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from connector.engine.parts import Shared, System
from connector.handoff.acting import EVERYBODY, Acting, Reach
from connector.handoff.calendar import start_of_day
from connector.store import ACTING_NOTE, LAST_PASS

ACTING_BEGUN = "acting.begun"

RESTART = timedelta(hours=1)
"""Who changes the mode restarts the daemon: what was won meanwhile is new, if it was not away for longer than this."""

log = structlog.get_logger()


def acting_of(shared: Shared, system: System) -> Acting:
    """How far this daemon acts; for a group that it did not act for yet, from when on it would."""
    return Acting(system.reach, _starts(shared, system, _known(shared, system)))


def begin_acting(shared: Shared, system: System) -> None:
    """Note for whom is acted from now on. Called with a baseline, each time a system is taken up."""
    known = _known(shared, system)
    starts = _starts(shared, system, known)
    if known != starts:
        shared.store.keep_acting(system.name, _text(starts))
    if new := sorted(starts.keys() - (known or {}).keys()):
        since = {each: str(starts[each]) for each in new}
        log.info(ACTING_BEGUN, system=system.name, reach=system.reach.value, since=since)


def _starts(
    shared: Shared, system: System, known: Mapping[str, datetime | None] | None
) -> Mapping[str, datetime | None]:
    """The start of each group that is acted for in this mode."""
    if system.reach is Reach.OBSERVE:
        return {}
    pilot, before = system.policy.pilot, known or {}
    if system.reach is Reach.PILOT:
        if pilot.since is not None:
            # A day that is named holds whatever was noted.
            day = start_of_day(system.policy.calendar, pilot.since)
            return dict.fromkeys(pilot.groups, day)
        # Who was acted for with everybody else is acted for since then.
        begin = before[EVERYBODY] if EVERYBODY in before else _now(shared, system, first=known is None)
        return {each: before.get(each, begin) for each in pilot.groups}
    kept = {each: before[each] for each in pilot.groups if each in before}
    begin = before[EVERYBODY] if EVERYBODY in before else _now(shared, system, first=known is None)
    return {EVERYBODY: begin, **kept}


def _now(shared: Shared, system: System, *, first: bool) -> datetime | None:
    """When a group begins for which nothing was noted. ``first``: nothing was ever noted for this system."""
    if system.first_run_since is not None:
        return system.first_run_since
    store = shared.store
    if first and (
        store.acted_ever(system.name) or (system.reach is Reach.ACT and not store.only_observed(system.name))
    ):
        # A ledger from before this was noted, a true first run, or a lost one under which all was acted on. Of a lost
        # pilot it is not known who was in it since when, so it begins now: old wins never get tasks.
        return store.baseline(system.name)
    now = system.crm.server_time()
    ended = shared.store.cursor(system.name, LAST_PASS)
    with suppress(ValueError):
        last = datetime.fromisoformat(ended) if ended else None
        if last is not None and now - last <= RESTART:
            return min(last, now)
    return now


def _known(shared: Shared, system: System) -> Mapping[str, datetime | None] | None:
    """What was noted; None where nothing ever was, or it cannot be read."""
    text = shared.store.cursor(system.name, ACTING_NOTE) or shared.store.acting_before(system.name)
    with suppress(ValueError, TypeError, AttributeError):
        if text:
            return {name: datetime.fromisoformat(at) if at else None for name, at in json.loads(text).items()}
    return None


def _text(starts: Mapping[str, datetime | None]) -> str:
    return json.dumps({name: at.isoformat() if at else None for name, at in sorted(starts.items())})
