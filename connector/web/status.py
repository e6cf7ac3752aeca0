"""What operators ask: is each system running, how far behind is it, what is stuck, what was decided and why.

Not here: HTML and terminals (both lay out these same values). Read from the store alone, so that the daemon's page and
``handoff status`` in another process say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from connector.handoff.acting import EVERYBODY, Footing
from connector.handoff.model import SystemName
from connector.handoff.plan import Phase, Verdict
from connector.store import (
    ACTING_NOTE,
    CALLS,
    LAST_PASS,
    LAST_TROUBLE,
    LIVE_NOTE,
    POLICY_NOTE,
    SPARING,
    CoverageCount,
    LiveNote,
    Pause,
    RoundNote,
    State,
    Store,
)

DECISIONS_SHOWN = 25
ACTED = "act"
PARKED_SHOWN = 50
POLICY_NEWS = timedelta(days=1)
"""How long a changed policy is told of."""

LATE_AFTER = 5
"""A system whose last pass is older than this many polls is not running as it should."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One configured system, as its status is asked for."""

    name: SystemName
    vendor: str
    mode: str
    poll_seconds: float


@dataclass(frozen=True, slots=True)
class Covered:
    """How many closed-won deals have a handoff, or the reason why they have none."""

    what: str
    deals: int


COVERAGE_WORDS: Mapping[Phase, str] = {
    Phase.IN_FLIGHT: "handed over",
    Phase.WON: "won, not handed over: a CSM or an answer is missing",
    Phase.HELD: "held at the gate",
    Phase.REOPENED: "won and reopened",
    Phase.BEFORE_START: "won before the start, only observed",
}
"""Phases of deals that are or were won; deals that are open or lost need no handoff."""

OBSERVED_WORDS: Mapping[Footing, str] = {
    Footing.MODE: "only observed, because the mode is observe",
    Footing.OUTSIDE: "only observed: not in the pilot",
    Footing.BEFORE: "only observed: won before acting began for them",
    Footing.ACTED: "only observed: dropped by a person",
}
"""Why wins are only observed; old ones are told by their phase."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """One system now. ``lag_seconds`` is the age of the oldest look that is due, 0 when none is.

    ``live`` says how changes are found, ``live_trouble`` which lines are not up and why, ``rounds`` how far each slow
    reading beside the polls has come. ``still``: a person paused it. ``pauses`` are what they paused, ``alarms`` what
    wants a person, each with what to do; ``policy`` says that the mappings were changed of late.
    """

    name: SystemName
    vendor: str
    mode: str
    ok: bool
    trouble: str
    last_pass_at: datetime | None
    last_pass_age: str
    lag_seconds: float
    lag: str
    looks_due: int
    waiting: int
    unknown: int
    parked: int
    handed_over: int
    held: int
    coverage: tuple[Covered, ...]
    baseline: str
    calls: str
    sparing: bool
    live: str
    live_trouble: tuple[str, ...]
    rounds: tuple[str, ...]
    still: bool = False
    pauses: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    policy: str = ""
    acting: str = ""
    """For whom is acted since when, as a sentence; empty where that was not noted."""


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """One write the CRM refused, in its own words."""

    id: int
    system: SystemName
    deal_id: str
    step: str
    code: str
    message: str
    since: str


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision that changed something, with its reasons."""

    at: datetime
    system: SystemName
    deal_id: str
    phase: str
    gate: str
    reasons: tuple[str, ...]
    standing: str = ""
    """Whether it is acted on or only observed, and why; empty where that was not noted."""


@dataclass(frozen=True, slots=True)
class Status:
    """All of it, as of one moment."""

    at: datetime
    systems: tuple[SystemStatus, ...]
    parked: tuple[ParkedRow, ...]
    decisions: tuple[DecisionRow, ...]

    @property
    def ready(self) -> bool:
        """Whether every system is running; one that a person paused is as it should be."""
        return all(system.ok or system.still for system in self.systems)


def read_status(store: Store, watched: Sequence[Watched], *, now: datetime) -> Status:
    """The status of these systems."""
    parked = store.parked()
    return Status(
        at=now,
        systems=tuple(_system(store, each, now=now) for each in watched),
        parked=tuple(
            ParkedRow(
                id=row.id,
                system=row.system,
                deal_id=row.deal_id,
                step=row.step,
                code=row.error.vendor_code if row.error else "",
                message=row.error.message if row.error else "",
                since=age(now - (row.settled_at or row.created_at)),
            )
            for row in parked[:PARKED_SHOWN]
        ),
        decisions=tuple(
            DecisionRow(
                at=row.at,
                system=row.system,
                deal_id=row.deal_id or "",
                phase=str(row.data.get("phase", "")),
                gate=str(row.data.get("gate") or ""),
                reasons=_reasons(row.data),
                standing=str(row.data.get("standing", "")),
            )
            for row in store.decisions(DECISIONS_SHOWN)
        ),
    )


def with_trouble(status: Status, troubles: Mapping[SystemName, str]) -> Status:
    """The status with what this process knows and the store may not: passes that broke off."""
    systems = tuple(
        replace(each, ok=False, trouble=troubles[each.name]) if troubles.get(each.name) else each
        for each in status.systems
    )
    return replace(status, systems=systems)


def unreadable_status(watched: Sequence[Watched], trouble: str, *, now: datetime) -> Status:
    """What can be said while the store cannot be read: that no system is ready, and why."""
    return Status(at=now, systems=tuple(_unread(each, trouble) for each in watched), parked=(), decisions=())


def _unread(watched: Watched, trouble: str) -> SystemStatus:
    return SystemStatus(
        name=watched.name,
        vendor=watched.vendor,
        mode=watched.mode,
        ok=False,
        trouble=trouble,
        last_pass_at=None,
        last_pass_age="not known",  # noqa: S106  # an age, no secret
        lag_seconds=0.0,
        lag="not known",
        looks_due=0,
        waiting=0,
        unknown=0,
        parked=0,
        handed_over=0,
        held=0,
        coverage=(),
        baseline="not known",
        calls="",
        sparing=False,
        live="not known",
        live_trouble=(),
        rounds=(),
    )


def _system(store: Store, watched: Watched, *, now: datetime) -> SystemStatus:
    counts = store.counts(watched.name)
    paused = store.paused(watched.name)
    ended = store.cursor(watched.name, LAST_PASS)
    last_pass = datetime.fromisoformat(ended) if ended else None
    due = store.next_due(watched.name)
    lag = max(0.0, (now - due).total_seconds()) if due else 0.0
    late = last_pass is None or now - last_pass > timedelta(seconds=max(60.0, LATE_AFTER * watched.poll_seconds))
    trouble = f"paused until {paused[0]:%H:%M:%S} UTC: {paused[1]}" if paused else ""
    pauses = store.pauses(watched.name)
    alarms = store.alarms(watched.name)
    still = next((_paused(each) for each in pauses if not each.rule), "")
    trouble = trouble or still
    if not trouble:
        trouble = store.cursor(watched.name, LAST_TROUBLE) or ""
    if not trouble and late:
        trouble = "no pass has ended yet" if last_pass is None else f"the last pass ended {age(now - last_pass)} ago"
    if not trouble:
        trouble = "; ".join(each.subject for each in alarms if each.stops)
    coverage = store.coverage(watched.name)
    note = LiveNote.parse(store.cursor(watched.name, LIVE_NOTE), now=now)
    calls = store.cursor(watched.name, CALLS) or ""
    baseline = store.baseline(watched.name)
    return SystemStatus(
        name=watched.name,
        vendor=watched.vendor,
        mode=watched.mode,
        ok=not trouble,
        trouble=trouble,
        last_pass_at=last_pass,
        last_pass_age=f"{age(now - last_pass)} ago" if last_pass else "never",
        lag_seconds=round(lag, 1),
        lag=age(timedelta(seconds=lag)) if lag else "none",
        looks_due=store.due_looks(watched.name),
        waiting=sum(counts.get(state, 0) for state in (State.PENDING, State.SENDING)),
        unknown=counts.get(State.UNKNOWN, 0),
        parked=counts.get(State.PARKED, 0),
        handed_over=sum(each.deals for each in coverage if each.phase is Phase.IN_FLIGHT and each.mode == ACTED),
        held=sum(each.deals for each in coverage if each.phase is Phase.HELD and each.mode == ACTED),
        coverage=_covered(coverage),
        baseline=f"{baseline:%Y-%m-%d %H:%M} UTC" if baseline else "not yet known",
        calls=calls.partition(" ")[0],
        sparing=calls.endswith(SPARING),
        live=_live(note, watched, now=now),
        live_trouble=tuple(f"{line} is polled: {why}" for line, why in note.lines.items() if why) if note else (),
        rounds=_rounds(store, watched, now=now),
        still=trouble == still != "",
        pauses=tuple(_paused(each) for each in pauses),
        alarms=tuple(f"{each.text.splitlines()[0].rstrip('.')}. What to do: {each.next}" for each in alarms),
        policy=_policy(store.cursor(watched.name, POLICY_NOTE), now=now),
        acting=_acting(store.cursor(watched.name, ACTING_NOTE)),
    )


GROUPS: Mapping[str, str] = {
    "deal": "the deal {}",
    "owner": "the deals of {}",
    "csm": "the customers of {}",
    "pool": "the pool {}",
    "when": "the pilot's filter",
}
"""How a group of the pilot is called, by what its name begins with."""


def _acting(note: str | None) -> str:
    """For whom is acted since when. What was acted for with the pilot goes on beside everybody."""
    starts = json.loads(note) if note else None
    if starts is None:
        return ""
    if not starts:
        return "Acts for nobody; all wins are observed."
    if EVERYBODY in starts:
        return f"Acts on wins since {_since_when(starts[EVERYBODY])}."
    told = []
    for name, at in starts.items():
        kind, _, which = name.partition(":")
        told.append(f"{GROUPS.get(kind, name).format(which)} since {_since_when(at)}")
    return f"Acts on wins of {', '.join(told)}; all others are observed."


def _since_when(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC" if at else "the first run"


def _paused(pause: Pause) -> str:
    what = f"the rule {pause.rule} is paused" if pause.rule else "paused"
    until = f" until {pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else ""
    return f"{what} by {pause.by}{until}{': ' + pause.why if pause.why else ''}"


def _policy(note: str | None, *, now: datetime) -> str:
    """That the mappings are not what they were yesterday."""
    told = json.loads(note) if note else {}
    if not told.get("before") or now - (since := datetime.fromisoformat(told["since"])) > POLICY_NEWS:
        return ""
    return (
        f"the policy changed at {since:%Y-%m-%d %H:%M} UTC, from {told['before'][:8]} to {told['digest'][:8]}: "
        "handoff plan --policy-diff"
    )


def _live(note: LiveNote | None, watched: Watched, *, now: datetime) -> str:
    """How changes are found: as they happen, or by asking."""
    if note is None or all(note.lines.values()):
        return f"polled every {watched.poll_seconds:g} s"
    heard = f"last heard {age(now - note.last_event)} ago" if note.last_event else "nothing heard yet"
    return f"live, {heard}"


def _rounds(store: Store, watched: Watched, *, now: datetime) -> tuple[str, ...]:
    """How far each round has come, or what the last one found."""
    told = ((name, RoundNote.parse(text)) for name, text in store.rounds(watched.name).items())
    return tuple(_round(name, note, now=now) for name, note in told if note is not None and note.pages)


def _round(name: str, note: RoundNote, *, now: datetime) -> str:
    read = f"{note.rows:,}" + (f" of about {note.of:,}" if note.of and note.ended is None else "")
    when = f"ended {age(now - note.ended)} ago" if note.ended else f"under way since {note.began:%Y-%m-%d %H:%M} UTC"
    return f"{name} {when}: {read} records read, {note.found:,} deals looked at again"


def _covered(counts: Sequence[CoverageCount]) -> tuple[Covered, ...]:
    """Every won deal once: what was done about it, and what was only observed and would be done."""
    done = [
        Covered(words, sum(each.deals for each in counts if each.phase is phase and each.mode == ACTED))
        for phase, words in COVERAGE_WORDS.items()
    ]
    seen = [each for each in counts if each.phase in COVERAGE_WORDS and each.mode != ACTED]
    watched = [
        Covered(words, sum(each.deals for each in seen if (each.footing or Footing.MODE.value) == footing.value))
        for footing, words in OBSERVED_WORDS.items()
    ]
    return (*done, *watched)


def _reasons(data: Any) -> tuple[str, ...]:
    """What was found and led to something; a rule that found all in order is not news."""
    findings = data.get("findings", ())
    observed = [data["standing"]] if data.get("mode") == "observe" and data.get("standing") else []
    telling = [each["reason"] for each in findings if each.get("verdict") != Verdict.IN_SYNC.value]
    return (*observed, *(telling or [each["reason"] for each in findings[:1]]))


def age(delta: timedelta) -> str:
    """A span in the one unit people would use."""
    seconds = max(0, int(delta.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
