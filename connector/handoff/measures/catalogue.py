"""The one table of measures. Computation, CRM field, report column, page, gauge and guide all come from it.

Not here: what is known of a handoff (``facts``) and sums (``summing``). Numbers in brackets name the documents the
process comes from. What counts only from a certain day on counts then whatever came out: a handoff that succeeds early
must not flatter a share in which those that will fail do not count yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from connector.handoff.measures.facts import Facts, seconds
from connector.handoff.measures.model import Better, Clock, Measure, Unit, Way
from connector.handoff.model import DealType

FIRST_MONTH = 30
QUARTER = 90
YEAR = 365
DROP_AFTER = "drop_after_days"
"""The key of ``[targets]`` after how many days without first value a customer counts as dropped."""

PROMOTER, PASSIVE, MOST_LIKELY = 900, 700, 1000
"""Answers to "would you recommend us" from 0 to 10, in hundredths: from 9 on people promote, below 7 they detract. This
is how the Net Promoter Score is defined; an NPS field that holds other numbers than 0 to 10 is taken for a score."""

_RUNS = "handoffs that began"
_WON = "deals that are closed-won, those held at the gate too"
_FIRST = "handoffs of new customers"
_FICTION = "deals won before the connector began to act, whose times would be fiction; deals that were reopened or lost"
_AGAIN = f"renewals and upsells, whose customer was counted with the first deal; {_FICTION}"


_UNSEEN = (
    "deals for which no activation milestone is meant, and customers of whose use of the product nothing can be seen; "
    f"{_AGAIN}"
)


def _completion(facts: Facts) -> int | None:
    return None if facts.short is None else int(not facts.short)


def _ae_hours(facts: Facts) -> int | None:
    if facts.released_at is None or facts.asked_at is None or facts.answered_at is None:
        return None
    return seconds(facts.asked_at, facts.answered_at)


def _since_win(name: str, facts: Facts) -> int | None:
    return facts.since_win(getattr(facts, name))


def _kickoff(facts: Facts) -> int | None:
    return facts.kickoff_days if facts.began_at else None


def _ttfv(facts: Facts) -> int | None:
    at, began = facts.activated_at, facts.began_at
    if at is None or began is None or facts.deal_type is not DealType.NEW:
        return None
    return seconds(facts.kickoff_at if facts.kickoff_at and facts.kickoff_at <= at else began, at)


def _milestones(facts: Facts) -> int | None:
    if not facts.past(FIRST_MONTH) or not facts.steps_due:
        return None
    return facts.steps_done * 100 // facts.steps_due


def _reaches(facts: Facts, days: int) -> int | None:
    """Whether first value was reached within so many days, once these are over."""
    if not facts.activates or not facts.past(days) or facts.deal_type is not DealType.NEW:
        return None
    return int(facts.by_day(facts.activated_at, days))


def _activation30(facts: Facts) -> int | None:
    return _reaches(facts, FIRST_MONTH) if facts.released_at else None


def _onboarding(facts: Facts) -> int | None:
    return _reaches(facts, facts.drop_days) if facts.released_at else None


def _drop(facts: Facts) -> int | None:
    reached = _reaches(facts, facts.drop_days)
    return None if reached is None else 1 - reached


def _accepted_first(facts: Facts) -> int | None:
    if facts.rejections:
        return 0
    return 1 if facts.accepted else None


def _of_first(name: str, facts: Facts) -> int | None:
    value: int | None = getattr(facts, name)
    return value if facts.deal_type is DealType.NEW else None


def _nps(facts: Facts) -> int | None:
    said = _of_first("nps", facts)
    if said is None or not 0 <= said <= MOST_LIKELY:
        return said
    return 10_000 if said >= PROMOTER else 0 if said >= PASSIVE else -10_000


def _repeat_asks(facts: Facts) -> int | None:
    return None if facts.repeat_asks is None else int(facts.repeat_asks > 0)


def _tickets30(facts: Facts) -> int | None:
    return _of_first("tickets", facts) if facts.past(FIRST_MONTH) else None


def _escalations(facts: Facts) -> int | None:
    return int(facts.escalations > 0) if facts.released_at and facts.began_at else None


def _overrides(facts: Facts) -> int | None:
    return int(facts.overridden) if facts.released_at and facts.began_at else None


def _commitments_kept(facts: Facts) -> int | None:
    return facts.promises_kept * 100 // facts.promises_due if facts.promises_due else None


def _retention(days: int, facts: Facts) -> int | None:
    if "churned_at" not in facts.watched or not facts.past(days) or facts.deal_type is not DealType.NEW:
        return None
    return int(not facts.left_by(days))


def _renewal_talk(facts: Facts) -> int | None:
    known = [at for at in (facts.renewal_talk_at, facts.renewed_at) if at and facts.won_at and at > facts.won_at]
    return facts.since_win(min(known, default=None)) if facts.deal_type is DealType.NEW else None


def _expansion(facts: Facts) -> int | None:
    if "expansion" not in facts.watched or not facts.past(YEAR) or not facts.amount or facts.amount < 0:
        return None
    return (facts.expansion or 0) * 100 // facts.amount if facts.deal_type is DealType.NEW else None


def _complete(facts: Facts) -> int | None:
    return int(facts.complete) if facts.released_at and facts.complete is not None else None


def _over_many(_: Facts) -> int | None:
    return None


def _standing(value: Callable[[Facts], int | None]) -> Callable[[Facts], int | None]:
    """Of a deal that is not won any more, or whose type gets no handoff, nothing counts."""

    def found(facts: Facts) -> int | None:
        return value(facts) if facts.stands and not facts.excluded else None

    return found


_TABLE = (
    Measure(
        key="completion",
        title="Complete at close",
        unit=Unit.PERCENT,
        clock=Clock.NONE,
        way=Way.SHARE,
        better=Better.HIGHER,
        starts="",
        ends="the win",
        counts=f"{_WON}: yes where every required field said enough when the deal was won, no where one did not",
        excludes="deals of which nobody knows any more how they stood at the win; deals that were reopened or lost",
        target="completion_percent",
        alarm="completion_red_percent",
        source="[1] Definition Alignment Terms; [3] Measuring Handoff Quality; [4] Measuring Handoff Quality",
        field="metric_completion",
        gauge=True,
        value=_standing(_completion),
        uses=("short",),
    ),
    Measure(
        key="ae_hours",
        title="AE's time for the answers",
        unit=Unit.HOURS,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the deal comes into a stage in which it says what is missing, else the win",
        ends="nothing required is missing",
        counts=f"{_RUNS}, once nothing is missing",
        excludes="handoffs that began before this was measured, or that are known from the CRM alone. Nothing is held "
        "against [targets] ae_writing_minutes: those are minutes of writing, and a CRM only tells how long it all took",
        target="",
        alarm="",
        source="[1] 2d Pilot; [4] Phase 2: The Handoff Document",
        field="metric_ae_hours",
        gauge=False,
        value=_standing(_ae_hours),
        uses=("asked_at", "answered_at"),
    ),
    Measure(
        key="assign",
        title="Win to CSM",
        unit=Unit.MINUTES,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the win",
        ends="the handoff has its first CSM",
        counts=f"{_RUNS} and have a CSM",
        excludes=_FICTION,
        target="",
        alarm="",
        source="[1] 2c; [4] CRM Automation",
        field="metric_assign_minutes",
        gauge=True,
        value=_standing(partial(_since_win, "assigned_at")),
        uses=("won_at", "assigned_at"),
    ),
    Measure(
        key="told",
        title="Win to CSM told",
        unit=Unit.MINUTES,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the win",
        ends="the first message to the CSM has left; one that was told before the win took no time",
        counts=f"{_RUNS} and whose CSM was told by a message of the connector's",
        excludes=f"handoffs whose messages are not known any more; {_FICTION}",
        target="csm_told_minutes",
        alarm="",
        source="[1] 2c; [4] CRM Automation",
        field="",
        gauge=True,
        value=_standing(partial(_since_win, "told_at")),
        uses=("won_at", "told_at"),
    ),
    Measure(
        key="ttft",
        title="Time to first touch",
        unit=Unit.HOURS,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the win",
        ends="the CSM's first call, email or meeting with the customer; notes and tasks do not count",
        counts=f"{_RUNS} and whose customer was touched",
        excludes=_FICTION,
        target="first_touch_hours",
        alarm="first_touch_alarm_hours",
        source="[1] Definition Alignment Terms, 4a; [2] Speed Metrics; [4] Measuring Handoff Quality",
        field="metric_ttft_hours",
        gauge=True,
        value=_standing(partial(_since_win, "first_touch_at")),
        uses=("won_at", "first_touch_at"),
    ),
    Measure(
        key="kickoff",
        title="Win to kickoff",
        unit=Unit.WORKING_DAYS,
        clock=Clock.BUSINESS,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the win",
        ends="the CSM's first meeting with the customer begins, and was held",
        counts=f"{_RUNS} and whose kickoff was held",
        excludes=_FICTION,
        target="kickoff_working_days",
        alarm="",
        source="[2] Speed Metrics; [4] Measuring Handoff Quality",
        field="metric_kickoff_days",
        gauge=True,
        value=_standing(_kickoff),
        uses=("won_at", "kickoff_at", "kickoff_days"),
    ),
    Measure(
        key="ttfv",
        title="Time to first value",
        unit=Unit.DAYS,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the kickoff; the win where there was none before first value",
        ends="the customer reaches the activation milestone",
        counts=f"{_FIRST} who reached it",
        excludes=_AGAIN,
        target="first_value_days",
        alarm="",
        source="[0] Measuring handoff effectiveness; [2] Speed Metrics; [3] Measuring Handoff Quality",
        field="metric_ttfv_days",
        gauge=True,
        value=_standing(_ttfv),
        uses=("won_at", "kickoff_at", "activated_at"),
    ),
    Measure(
        key="milestones",
        title="Milestones reached",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.HIGHER,
        starts="the win",
        ends=f"day {FIRST_MONTH}",
        counts=f"{_RUNS} {FIRST_MONTH} days ago: of the playbook's steps due by then, those that were done by then",
        excludes=f"handoffs without a playbook; {_FICTION}",
        target="milestones_percent",
        alarm="",
        source="[2] Quality Metrics; [3] The 30-Day Activation Plan",
        field="metric_milestones",
        gauge=True,
        value=_standing(_milestones),
        after_days=FIRST_MONTH,
        uses=("steps_due", "steps_done"),
        most=100,
    ),
    Measure(
        key="activation30",
        title="Activated by day 30",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.SHARE,
        better=Better.HIGHER,
        starts="the win",
        ends=f"day {FIRST_MONTH}",
        counts=f"{_FIRST} that were won {FIRST_MONTH} days ago: yes where the activation milestone was reached by then",
        excludes=_UNSEEN,
        target="activation_day30_percent",
        alarm="",
        source="[3] Measuring Handoff Quality",
        field="",
        gauge=True,
        value=_standing(_activation30),
        after_days=FIRST_MONTH,
        uses=("won_at", "activated_at"),
    ),
    Measure(
        key="onboarding",
        title="Onboarding completed",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.SHARE,
        better=Better.HIGHER,
        starts="the win",
        ends=f"the day [targets] {DROP_AFTER} names",
        counts=f"{_FIRST} that began and are as old: yes where the customer reached first value by then",
        excludes=_UNSEEN,
        target="onboarding_percent",
        alarm="",
        source="[4] Measuring Handoff Quality",
        field="",
        gauge=True,
        value=_standing(_onboarding),
        after_days=DROP_AFTER,
        uses=("won_at", "activated_at"),
    ),
    Measure(
        key="drop",
        title="Drop rate",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.SHARE,
        better=Better.LOWER,
        starts="the win",
        ends=f"the day [targets] {DROP_AFTER} names",
        counts="new customers' wins that are as old, those held at the gate too: yes where the customer had not "
        "reached the activation milestone by then",
        excludes=_UNSEEN,
        target="drop_percent",
        alarm="drop_percent",
        source="[0] Measuring handoff effectiveness",
        field="",
        gauge=True,
        value=_standing(_drop),
        after_days=DROP_AFTER,
        uses=("won_at", "activated_at"),
    ),
    Measure(
        key="accepted_first",
        title="Accepted the first time",
        unit=Unit.PERCENT,
        clock=Clock.NONE,
        way=Way.SHARE,
        better=Better.HIGHER,
        starts="",
        ends="",
        counts=f"{_RUNS} and that the CSM accepted or rejected: yes where it was never rejected",
        excludes="handoffs nobody has judged yet; deals that were reopened or lost",
        target="",
        alarm="",
        source="[1] Escalation Path; [4] Accountability",
        field="",
        gauge=False,
        value=_standing(_accepted_first),
        uses=("accepted", "rejections"),
    ),
    Measure(
        key="rating",
        title="CSM's rating",
        unit=Unit.SCORE,
        clock=Clock.NONE,
        way=Way.MEAN,
        better=Better.HIGHER,
        starts="",
        ends="",
        counts="handoffs that the CSM rated, from 1 to 5",
        excludes="deals that were reopened or lost",
        target="",
        alarm="",
        source="[3] Measuring Handoff Quality; [4] Accountability",
        field="handoff_rating",
        gauge=True,
        value=_standing(lambda facts: facts.rating),
        uses=("rating",),
    ),
    Measure(
        key="nps",
        title="NPS",
        unit=Unit.SCORE,
        clock=Clock.NONE,
        way=Way.MEAN,
        better=Better.HIGHER,
        starts="",
        ends="",
        counts=f"{_FIRST} whose account has an answer: from 0 to 10 it counts as +100 from 9 on, 0 from 7 on, -100 "
        "below; any other number is taken for a score",
        excludes=_AGAIN,
        target="nps",
        alarm="",
        source="[3] Measuring Handoff Quality; [4] Measuring Handoff Quality",
        field="account.nps",
        gauge=True,
        value=_standing(_nps),
        uses=("nps",),
        least=-10_000,
        most=10_000,
    ),
    Measure(
        key="csat",
        title="CSAT",
        unit=Unit.SCORE,
        clock=Clock.NONE,
        way=Way.MEAN,
        better=Better.HIGHER,
        starts="",
        ends="",
        counts=f"{_FIRST} whose account has an answer",
        excludes=_AGAIN,
        target="csat",
        alarm="",
        source="[2] Quality Metrics",
        field="account.csat",
        gauge=True,
        value=_standing(partial(_of_first, "csat")),
        uses=("csat",),
    ),
    Measure(
        key="repeat_asks",
        title="Asked the customer again",
        unit=Unit.PERCENT,
        clock=Clock.NONE,
        way=Way.SHARE,
        better=Better.LOWER,
        starts="",
        ends="",
        counts="handoffs whose CSM says how often the customer had to repeat something: yes where it was once or more",
        excludes="deals that were reopened or lost",
        target="",
        alarm="",
        source="[1] Common Gotchas, Troubleshooting Guide",
        field="repeat_asks",
        gauge=True,
        value=_standing(_repeat_asks),
        uses=("repeat_asks",),
    ),
    Measure(
        key="tickets30",
        title="Support tickets in 30 days",
        unit=Unit.COUNT,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the win",
        ends=f"day {FIRST_MONTH}",
        counts=f"{_FIRST} that were won {FIRST_MONTH} days ago and whose account says how many there were",
        excludes=_AGAIN,
        target="",
        alarm="",
        source="[2] Quality Metrics",
        field="account.tickets_30",
        gauge=False,
        value=_standing(_tickets30),
        after_days=FIRST_MONTH,
        uses=("tickets",),
    ),
    Measure(
        key="escalations",
        title="Escalated",
        unit=Unit.PERCENT,
        clock=Clock.NONE,
        way=Way.SHARE,
        better=Better.LOWER,
        starts="",
        ends="",
        counts=f"{_RUNS}: yes where a rung of the escalation ladder came, or a red flag was raised",
        excludes=_FICTION,
        target="escalations_percent",
        alarm="escalations_percent",
        source="[1] 4a Maintenance Schedule",
        field="metric_escalations",
        gauge=True,
        value=_standing(_escalations),
        uses=("escalations",),
    ),
    Measure(
        key="overrides",
        title="Let through by override",
        unit=Unit.PERCENT,
        clock=Clock.NONE,
        way=Way.SHARE,
        better=Better.LOWER,
        starts="",
        ends="",
        counts=f"{_RUNS}: yes where a manager let the deal through with gaps",
        excludes=_FICTION,
        target="",
        alarm="",
        source="[1] 2d QA / Test, 3c Hypercare, Troubleshooting Guide",
        field="metric_overrides",
        gauge=True,
        value=_standing(_overrides),
        uses=("overridden",),
    ),
    Measure(
        key="commitments_kept",
        title="Promises kept",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.HIGHER,
        starts="the handoff",
        ends="each promise's day",
        counts="handoffs with promises whose day has come or that are settled: the share of them that was kept",
        excludes="promises without a date that are still open; deals that were reopened or lost",
        target="",
        alarm="",
        source="[3] Commitments AE made; [4] Phase 2: The Handoff Document",
        field="",
        gauge=False,
        value=_standing(_commitments_kept),
        uses=("promises_due", "promises_kept"),
        most=100,
    ),
    Measure(
        key="retention90",
        title="Kept for 90 days",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.SHARE,
        better=Better.HIGHER,
        starts="the win",
        ends=f"day {QUARTER}",
        counts=f"{_FIRST} that were won {QUARTER} days ago: yes where the account had not churned by then",
        excludes=_AGAIN,
        target="churn_90_days_percent",
        alarm="",
        source="[2] Business Impact Metrics; [3] Measuring Handoff Quality; [4] Measuring Handoff Quality",
        field="account.churned_at",
        gauge=True,
        value=_standing(partial(_retention, QUARTER)),
        after_days=QUARTER,
        uses=("won_at", "churned_at"),
    ),
    Measure(
        key="retention365",
        title="Kept for a year",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.SHARE,
        better=Better.HIGHER,
        starts="the win",
        ends=f"day {YEAR}",
        counts=f"{_FIRST} that were won {YEAR} days ago: yes where the account had not churned by then",
        excludes=_AGAIN,
        target="",
        alarm="",
        source="[3] Measuring Handoff Quality",
        field="account.churned_at",
        gauge=True,
        value=_standing(partial(_retention, YEAR)),
        after_days=YEAR,
        uses=("won_at", "churned_at"),
    ),
    Measure(
        key="renewal_talk",
        title="Time to first renewal talk",
        unit=Unit.DAYS,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.LOWER,
        starts="the win",
        ends="the first talk about the renewal, as the account says; the renewal itself where no talk is told of",
        counts=f"{_FIRST} with whom there was one",
        excludes=_AGAIN,
        target="renewal_talk_days",
        alarm="",
        source="[2] Business Impact Metrics",
        field="account.renewal_talk_at",
        gauge=False,
        value=_standing(_renewal_talk),
        uses=("won_at", "renewal_talk_at", "renewed_at"),
    ),
    Measure(
        key="expansion",
        title="Expansion in the first year",
        unit=Unit.PERCENT,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.HIGHER,
        starts="the win",
        ends=f"day {YEAR}",
        counts=f"{_FIRST} that were won {YEAR} days ago: what the account bought since, in percent of the deal",
        excludes=f"deals without an amount; {_AGAIN}",
        target="expansion_percent",
        alarm="",
        source="[2] Business Impact Metrics",
        field="account.expansion_amount",
        gauge=False,
        value=_standing(_expansion),
        after_days=YEAR,
        uses=("amount", "expansion"),
        least=None,
    ),
    Measure(
        key="velocity",
        title="Activations per CSM and week",
        unit=Unit.COUNT,
        clock=Clock.WALL,
        way=Way.MEAN,
        better=Better.HIGHER,
        starts="the week of the CSM's first win in the time asked for",
        ends="the last week of that time",
        counts="customers who reached the activation milestone, by their CSM and the week in which they did; a week in "
        "which none did counts as none",
        excludes="weeks before the CSM had a handoff, and weeks to come; handoffs without a CSM; renewals and upsells, "
        "whose customer was counted with the first deal",
        target="",
        alarm="",
        source="[0] Measuring handoff effectiveness",
        field="",
        gauge=False,
        value=_over_many,
        uses=("activated_at",),
        per_handoff=False,
    ),
    Measure(
        key="complete",
        title="Handoff complete",
        unit=Unit.PERCENT,
        clock=Clock.NONE,
        way=Way.SHARE,
        better=Better.HIGHER,
        starts="",
        ends="",
        counts=f"{_RUNS}: yes where required fields, CSM and the CSM's review are there, as commission asks for it",
        excludes="deals that were reopened or lost; it rests where no field is mapped for it",
        target="",
        alarm="",
        source="[1] Definition Alignment Terms; [2] Common Implementation Challenges and Solutions",
        field="complete",
        gauge=True,
        value=_standing(_complete),
        uses=("complete",),
    ),
)

MEASURES: Mapping[str, Measure] = {one.key: one for one in _TABLE}
"""Every measure by its key, in the order in which they are shown."""

PER_HANDOFF = tuple(one for one in _TABLE if one.per_handoff)
"""Those of which each handoff has a value of its own."""


def values_of(facts: Facts) -> dict[str, int | None]:
    """Every measure's value for one handoff, by key."""
    return {one.key: one.value(facts) for one in PER_HANDOFF}
