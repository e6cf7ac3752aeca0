"""Whether a threshold is breached: the figures of some periods in, a ruling with its evidence out.

Not here: summing figures (``handoff.measures``, the store) and what follows from a breach (``rules.governance``). A
period in which too few handoffs count says nothing: then the threshold is neither kept nor breached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from connector.handoff.governing.periods import DAY, Period
from connector.handoff.measures.model import Measure, Unit
from connector.handoff.measures.summing import Sum, shown
from connector.handoff.measures.summing import number as number_of
from connector.handoff.rulebook.governance import Threshold
from connector.handoff.rulebook.watch import Targets

PLACES = 2
MOST_DEALS = 10
"""How many deals the text of a task names; the command lists the rest."""


@dataclass(frozen=True, slots=True)
class Stood:
    """What a measure came to in one period: ``value`` in the unit people read (None: nothing counts), ``text`` the same
    with its unit, ``counted`` handoffs."""

    period: Period
    value: Decimal | None
    text: str
    counted: int


@dataclass(frozen=True, slots=True)
class Behind:
    """One deal behind a number, as the evidence names it."""

    deal_id: str
    title: str
    account: str
    said: str
    weight: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What came of one threshold for one period. ``breached`` is None where too few handoffs count."""

    threshold: Threshold
    period: Period
    breached: bool | None
    stood: tuple[Stood, ...]


def won_in(period: Period, measure: Measure, targets: Targets) -> tuple[date, date]:
    """Which wins a measure is about in a period: the first day of them and the first day after them.

    What counts only from a certain day after the win on is about those that came to that day within the period: how
    many of October's wins are lost by day 60 is not known before December is over.
    """
    days = measure.after_days if isinstance(measure.after_days, int) else int(getattr(targets, measure.after_days))
    lag = timedelta(days=days)
    return period.first - lag, period.end - lag


def stood(period: Period, measure: Measure, found: Sum, *, won: tuple[date, date]) -> Stood:
    """What a measure came to, from its sum over those wins."""
    exact = number_of(measure, found)
    value = None if exact is None or not found.counted else Decimal(repr(exact))
    text = shown(measure, found).text
    if won != (period.first, period.end):
        text += f" (won {won[0].isoformat()} to {(won[1] - DAY).isoformat()})"
    return Stood(period, value, text, found.counted)


def rule(threshold: Threshold, stood: Sequence[Stood]) -> Ruling:
    """Judge one threshold by the periods it asks for, the newest first; fewer are too few to say."""
    asked = tuple(stood[: threshold.runs])
    told = len(asked) == threshold.runs and all(enough(threshold, one) for one in asked)
    breached = all(is_off(threshold, one) for one in asked) if told else None
    if not told and any(enough(threshold, one) and not is_off(threshold, one) for one in asked):
        breached = False
    return Ruling(threshold, asked[0].period, breached, asked)


def enough(threshold: Threshold, stood: Stood) -> bool:
    """Whether enough handoffs count for the period to say something."""
    return stood.value is not None and stood.counted >= threshold.at_least


def is_off(threshold: Threshold, stood: Stood) -> bool:
    """Whether the number lies on the wrong side; the limit itself is on the right one."""
    if stood.value is None:
        return False
    return stood.value > threshold.limit if threshold.over else stood.value < threshold.limit


def step_of(name: str, period: str) -> str:
    """The step under which a breach is told, once. Its underscore is in no step of a playbook."""
    return f"breach_{name}_{period.lower()}"


def heaviest(deals: Iterable[Behind]) -> Behind | None:
    """The deal a breach hangs on: the one worth most of those behind it, the lower id of two."""
    return min(deals, key=lambda one: (-one.weight, one.deal_id), default=None)


def subject_of(ruling: Ruling, measure: Measure) -> str:
    """The line a breach is told by."""
    side = "above" if ruling.threshold.over else "below"
    runs = ruling.threshold.runs
    for_long = f", {runs} {_plural(ruling.period, runs)} running" if runs > 1 else ""
    return f"{measure.title} {side} {bound(ruling.threshold, measure)} in {ruling.period.title}{for_long}"


def text_of(ruling: Ruling, measure: Measure, deals: Sequence[Behind], *, behind: int, command: str) -> str:
    """The evidence: what to do, the numbers with how many handoffs they rest on, the deals behind, what to run."""
    threshold = ruling.threshold
    side = "above" if threshold.over else "below"
    source = f" ([targets] {threshold.target})" if threshold.target else ""
    lines = [f"Threshold {threshold.name}: {measure.title} must not be {side} {bound(threshold, measure)}{source}."]
    if threshold.advice:
        lines += ["", f"What to do: {threshold.advice}"]
    lines += ["", "The numbers:"]
    lines += [f"- {one.period.title}: {one.text}, of {one.counted} handoffs" for one in ruling.stood]
    if deals:
        lines += ["", f"The deals behind it ({behind}):"]
        named = deals[:MOST_DEALS]
        lines += [f"- {one.account or one.title} ({one.title}, {one.deal_id}): {one.said}" for one in named]
        left = behind - len(named)
        lines += [f"- and {left} more"] if left > 0 else []
    return "\n".join([*lines, "", f"The whole review: {command}"])


def bound(threshold: Threshold, measure: Measure) -> str:
    """The number a threshold draws its line at, with the measure's unit."""
    unit = "%" if measure.unit is Unit.PERCENT else measure.unit.value
    words = "" if measure.unit in (Unit.COUNT, Unit.SCORE) else f" {unit}"
    return f"{round(threshold.limit, PLACES).normalize():f}{words}"


def _plural(period: Period, count: int) -> str:
    return f"{period.cadence.value}{'' if count == 1 else 's'}"
