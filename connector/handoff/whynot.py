"""Why something is not there: no handoff written, no task, no message, an empty figure. For ``explain``.

Not here: why something is (each rule's own reason says that). Pure; the same rules are asked as in `decide`, so that
these sentences cannot say something else than what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from connector.handoff.acting import Footing
from connector.handoff.case import Case, listed
from connector.handoff.conditions import filled, holds
from connector.handoff.decide import decide, weigh
from connector.handoff.measures.catalogue import PER_HANDOFF
from connector.handoff.measures.model import Measure
from connector.handoff.model import Kind, Snapshot
from connector.handoff.plan import Notify, Phase, Plan, Upsert
from connector.handoff.rulebook.conditions import Condition, Test
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.notify import MOMENTS, Moment
from connector.handoff.steps import chosen

TASK, MESSAGE, FIGURE, ACTED = "no task", "no message", "empty figure", "not acted on"


@dataclass(frozen=True, slots=True)
class WhyNot:
    """What is not there (a kind and its name), and why, as a sentence."""

    what: str
    name: str
    why: str


def why_not(snapshot: Snapshot, policy: Policy, now: datetime) -> tuple[WhyNot, ...]:
    """Everything that somebody may miss on a deal. Raises ValueError as `decide` does."""
    case, _ = weigh(snapshot, policy, now)
    plan = decide(snapshot, policy, now)
    found: list[WhyNot] = []
    if plan.standing.observed:
        found.append(WhyNot(ACTED, "", plan.standing.why))
    found += [WhyNot(TASK, "", why) for why in [_no_tasks(case, plan)] if why]
    found += _no_messages(case, plan)
    found += _empty_figures(case, plan)
    return tuple(found)


# --- tasks ------------------------------------------------------------------------------------------------------------


def _no_tasks(case: Case, plan: Plan) -> str:
    """Why nothing of a playbook is made now; empty where something is, or stands there."""
    if any(isinstance(each, Upsert) and each.kind in (Kind.TASK, Kind.MEETING) for each in plan.actions):
        return ""
    if case.excluded:
        return f"Deals of type {case.snapshot.deal_type.value} get no handoff by this policy."
    match case.outcome:
        case Phase.OPEN:
            return "Tasks begin with the win; the deal is open."
        case Phase.HELD:
            then = "Tasks are made once they are filled, or a manager lets it through."
            return f"Held at the gate: {case.gap_count}. {then}"
        case Phase.BEFORE_START:
            return "The deal was won before the connector began; old wins never get tasks."
        case Phase.LOST:
            return "The deal is lost."
        case Phase.REOPENED:
            return "The deal was reopened; what is there stays, and nothing new is made until it is won again."
    if chosen(case) is None:
        return f"No playbook is meant for this deal: {_unfit(case)}."
    if plan.standing.footing in (Footing.BEFORE, Footing.OUTSIDE, Footing.MODE):
        return ""
    left = [task for task in plan.tasks if task.state != "done"]
    if not left:
        return "Every step of its playbook is done."
    return "" if case.snapshot.tasks else "Each step waits for what it begins with; the table of tasks says for what."


def _unfit(case: Case) -> str:
    """Why no playbook fits, the first test of each that does not hold."""
    words = []
    for book in case.policy.playbooks:
        failing = first_failing(case, book.when)
        if failing is not None and not book.adds:
            words.append(f"{book.name!r} asks for {failing}")
    return listed(words) or "there is none"


def first_failing(case: Case, condition: Condition) -> str | None:
    """The first test of a condition that this deal does not pass, with what stands there; None where all hold."""
    for test in condition.tests:
        if not holds(Condition((test,)), case.value):
            value = case.value(test.field)
            shown = f"{value:f}" if isinstance(value, Decimal) else value
            return f"{_test_words(case, test)} (it is {'empty' if not filled(value) else shown})"
    return None


def _test_words(case: Case, test: Test) -> str:
    operand = listed(test.operand) if isinstance(test.operand, tuple) else test.operand
    return f"{case.label(test.field)} {test.op.value.replace('_', ' ')} {operand}"


# --- messages ---------------------------------------------------------------------------------------------------------


def _no_messages(case: Case, plan: Plan) -> Iterator[WhyNot]:
    """Of each moment at which people may be told: why nobody is told now. What is told, or was, is not in it."""
    told = {each.step for each in plan.actions if isinstance(each, Notify)} | set(case.ledger.effects)
    for moment in MOMENTS:
        step = f"notify-{moment.name}"
        if step in told or any(each.startswith(f"{step}-") for each in told):
            continue
        yield WhyNot(MESSAGE, moment.name, _unsaid(case, moment))


def _unsaid(case: Case, moment: Moment) -> str:
    if moment.name not in case.policy.notify.moments:
        return "[notify] moments of process.toml does not name it."
    if not moment.happened(case):
        return f"Nothing of that kind happened: somebody is told {moment.news}, once."
    person = moment.to(case)
    if person is None:
        return "There is nobody to tell: the person it is for is not known."
    if not person.active:
        return f"{person.name} is not active in the CRM."
    return f"{person.name} has no mail address in the CRM." if not person.email else "It could not be written."


# --- figures ----------------------------------------------------------------------------------------------------------


def _empty_figures(case: Case, plan: Plan) -> Iterator[WhyNot]:
    values: Mapping[str, int | None] = plan.figure.values if plan.figure is not None else {}
    for measure in PER_HANDOFF:
        if values.get(measure.key) is None:
            yield WhyNot(FIGURE, measure.title, _uncounted(case, plan, measure))


def _uncounted(case: Case, plan: Plan, measure: Measure) -> str:
    """Why a handoff has no value of a measure: the first reason that holds."""
    return next(why for judge in _REASONS if (why := judge(case, plan, measure)))


def _not_begun(case: Case, plan: Plan, measure: Measure) -> str:
    del measure
    if plan.figure is None and not case.snapshot.stage.is_won:
        return "The deal is not won, so nothing is measured yet."
    if case.outcome is Phase.BEFORE_START:
        return "The deal was won before the connector began; its times would be fiction."
    return ""


def _unmapped(case: Case, plan: Plan, measure: Measure) -> str:
    """Figures that are read from a field which people or another system fill."""
    del plan
    path = measure.field
    if not path or path.startswith(("metric_", "complete")):
        return ""
    if path not in case.policy.fields:
        return f"It is read from {path}, which no mapping names; map a field under that name."
    return "" if filled(case.value(path)) else f"{case.label(path)} is empty in the CRM."


def _unreached(case: Case, plan: Plan, measure: Measure) -> str:
    del plan
    if case.outcome is Phase.HELD:
        return f"The deal is held at the gate: {case.gap_count}."
    if isinstance(measure.after_days, int) and measure.after_days and case.won_at is not None:
        days = (case.now - case.won_at).days
        if days < measure.after_days:
            return f"It counts from day {measure.after_days} after the win; this is day {days}."
    return ""


def _by_definition(case: Case, plan: Plan, measure: Measure) -> str:
    """What the definition says: the end has not come, or the deal does not count."""
    del case, plan
    ends = f"It ends with {measure.ends}, which has not happened or is not known. " if measure.ends else ""
    counts = f"Counted are {measure.counts}. " if measure.counts else ""
    excluded = f"Not counted: {measure.excludes}." if measure.excludes else ""
    return f"{ends}{counts}{excluded}".strip() or "Nothing is known yet that it could be made of."


_REASONS: tuple[Callable[[Case, Plan, Measure], str], ...] = (_not_begun, _unmapped, _unreached, _by_definition)
