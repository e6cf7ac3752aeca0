"""When a step begins: with the handoff, after another step, at a stage, when a field says so, on a day from an anchor.

Not here: how long it may take from then on (``steps``). A trigger that fires by what the deal shows at one moment is
remembered as a mark, so that a field which is emptied again takes nothing back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.handoff.calendar import days_from, local_date, opening
from connector.handoff.case import Case
from connector.handoff.rescue import fired
from connector.handoff.rulebook.calendars import Calendar, Days
from connector.handoff.rulebook.playbooks import RELEASED, WON, PlaybookTask, Trigger, TriggerKind
from connector.handoff.signals import happened

_BEGAN = "began:"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Begin:
    """``at`` is when the step's clock starts, or a guess while ``fired`` is False; ``waits_for`` then says for what.

    ``foreseen`` is when the trigger fires by itself, where that is known; ``seen`` is to be remembered.
    """

    at: datetime
    fired: bool = True
    waits_for: str = ""
    foreseen: datetime | None = None
    seen: datetime | None = None


def mark_of(step: str) -> str:
    """Under which name it is remembered when a step's trigger fired."""
    return _BEGAN + step


def begin(case: Case, spec: PlaybookTask, *, guess: datetime) -> Begin:
    """When a step with a trigger of its own begins; ``guess`` is used while nobody can tell.

    Raises ValueError when the calendar has no working hours.
    """
    trigger = spec.trigger
    if trigger is None:
        return Begin(guess)
    if (known := case.ledger.marks.get(mark_of(spec.step))) is not None:
        return Begin(known)
    if trigger.kind is TriggerKind.TIME:
        return _by_time(case, spec, trigger, guess=guess)
    if trigger.kind is TriggerKind.STAGE:
        if not in_stage(case, trigger.stage):
            return Begin(guess, fired=False, waits_for=f"the deal enters {trigger.stage}")
        since = max(case.snapshot.stage_since or case.now, guess)
        return Begin(since, seen=since)
    if trigger.kind in _IN_PRODUCT:
        seen = _in_product(case, trigger)
        waits = f"it happens: {told(trigger)}"
        return Begin(max(seen, guess), seen=max(seen, guess)) if seen else Begin(guess, fired=False, waits_for=waits)
    if not case.holds(trigger.when):
        return Begin(guess, fired=False, waits_for=f"{_fields(case, trigger)} {_says(trigger)}")
    return Begin(case.now, seen=case.now)


def in_stage(case: Case, name: str) -> bool:
    """Whether the deal stands in a stage, named by its label or its id."""
    stage = case.snapshot.stage
    return name.strip().casefold() in {stage.label.strip().casefold(), stage.id.strip().casefold()}


def anchor_day(case: Case, anchor: str, *, calendar: Calendar) -> date | None:
    """The local day of an anchor; None while its field is empty."""
    if anchor in (WON, RELEASED):
        moment = (case.won_at if anchor == WON else None) or case.released_at
        return local_date(calendar, moment) if moment else None
    value = case.value(anchor)
    if isinstance(value, datetime):
        return local_date(calendar, value)
    return value if isinstance(value, date) else None


def told(trigger: Trigger, *, label: str = "") -> str:
    """A trigger in words, e.g. ``7 days after the win``, as pictures and reasons show it."""
    match trigger.kind:
        case TriggerKind.STAGE:
            return f"when the deal enters {trigger.stage}"
        case TriggerKind.WHEN:
            names = " and ".join(dict.fromkeys(test.field for test in trigger.when.tests))
            return f"when {label or names} {_says(trigger)}"
        case TriggerKind.MILESTONE:
            return f"when the customer reaches {trigger.name.replace('_', ' ')}"
        case TriggerKind.EVENT:
            often = f" {trigger.at_least} times" if trigger.at_least > 1 else ""
            return f"when {trigger.name.replace('_', ' ')} is counted{often} in the product"
        case TriggerKind.STUCK:
            return f"when the customer is stuck ({trigger.name})"
        case TriggerKind.TIME:
            unit = "working day" if trigger.counted is Days.WORKING else "day"
            name = {WON: "the win", RELEASED: "the release"}.get(trigger.anchor, label or trigger.anchor)
            if trigger.weekday is not None:
                return f"on {WEEKDAYS[trigger.weekday]} in week {trigger.days} after {name}"
            if not trigger.days:
                return f"on the day of {name}"
            count = abs(trigger.days)
            side = "before" if trigger.days < 0 else "after"
            return f"{count} {unit}{'s' if count > 1 else ''} {side} {name}"


_IN_PRODUCT = frozenset({TriggerKind.MILESTONE, TriggerKind.EVENT, TriggerKind.STUCK})


def _in_product(case: Case, trigger: Trigger) -> datetime | None:
    if trigger.kind is TriggerKind.STUCK:
        policy = case.policy.product
        signal = next((one for one in policy.stuck if one.name == trigger.name), None) if policy else None
        return case.now if signal and fired(case, signal) else None
    is_milestone = trigger.kind is TriggerKind.MILESTONE
    return happened(case, trigger.name, at_least=trigger.at_least, is_milestone=is_milestone)


def _by_time(case: Case, spec: PlaybookTask, trigger: Trigger, *, guess: datetime) -> Begin:
    calendar = case.calendar_for(spec.owner)
    day = anchor_day(case, trigger.anchor, calendar=calendar)
    if day is None:
        return Begin(guess, fired=False, waits_for=f"{case.label(trigger.anchor)} is filled")
    if trigger.weekday is None:
        on = days_from(calendar, day, trigger.days, working=trigger.counted is Days.WORKING)
    else:
        first = day + timedelta(days=(trigger.weekday - day.weekday() - 1) % 7 + 1)
        on = days_from(calendar, first, 7 * (trigger.days - 1), working=False)
    # What should have begun before the handoff did begins with it.
    at = max(opening(calendar, on), guess)
    if at <= case.now:
        return Begin(at)
    return Begin(
        at,
        fired=False,
        waits_for=f"its day comes, {case.day(at)}: {told(trigger, label=_label(case, trigger))}",
        foreseen=at,
    )


def _label(case: Case, trigger: Trigger) -> str:
    return "" if trigger.anchor in (WON, RELEASED) else case.label(trigger.anchor)


def _fields(case: Case, trigger: Trigger) -> str:
    return " and ".join(dict.fromkeys(case.label(test.field) for test in trigger.when.tests))


def _says(trigger: Trigger) -> str:
    plural = len({test.field for test in trigger.when.tests}) > 1
    return "say so" if plural else "says so"
