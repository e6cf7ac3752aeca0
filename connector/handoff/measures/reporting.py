"""The reports that a CRM shows of the measures: by whom they are grouped, what stands beside the figure, who is listed.

Not here: how a vendor's report is built (each adapter knows), and the measures' own words (``catalogue``): a report's
title, its figure's field and what it says come from there. A measure without a field has no report.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.model import SMALLEST, Better, Measure, Way
from connector.handoff.measures.summing import aim
from connector.handoff.model import Gate
from connector.handoff.rulebook.watch import Targets

AE, CSM, APPROVER = "owner", "csm", "override_approver"
"""By whose field of the deal a report is grouped."""
WHO = {AE: "AE", CSM: "CSM", APPROVER: "approver", "gate": "verdict"}
DEAL = ("name", "account.name")
WHEN = (*DEAL, "close_date")


class Shows(StrEnum):
    """What is made of the listed deals: the field's average or sum, or how many they are."""

    AVERAGE = "average"
    SUM = "sum"
    COUNT = "count"


class Op(StrEnum):
    """Which deals are listed."""

    FILLED = "is filled"
    EMPTY = "is empty"
    ABOVE_ZERO = "is above 0"
    IS = "is"


@dataclass(frozen=True, slots=True)
class Only:
    """One condition; ``path`` is canonical, ``value`` our own word."""

    path: str
    op: Op
    value: str = ""


BEGUN = Only("started_at", Op.FILLED)


@dataclass(frozen=True, slots=True)
class Report:
    """One report over won deals, by their close date. ``name`` never changes: the CRM knows the report by it.

    ``by`` and ``then`` are what it is grouped by, all paths canonical. ``only`` must all hold, or ``either`` one of two
    groups of them. ``suffix`` is added to the measure's title, ``says`` stands for its words. ``all_time``: not of this
    year alone.
    """

    name: str
    measure: str
    by: str
    columns: tuple[str, ...]
    shows: Shows = Shows.AVERAGE
    then: str = ""
    only: tuple[Only, ...] = ()
    either: tuple[Only, ...] = ()
    suffix: str = ""
    says: str = ""
    all_time: bool = False

    @property
    def title(self) -> str:
        """What people read above it."""
        return f"{MEASURES[self.measure].title}{self.suffix}" if self.measure else self.suffix

    @property
    def field(self) -> str:
        """The canonical field whose average or sum it shows; empty for a count."""
        return MEASURES[self.measure].field if self.measure and self.shows is not Shows.COUNT else ""

    @property
    def filters(self) -> tuple[Only, ...]:
        """Which deals are listed: of an average only those that count, which are those whose field is filled."""
        return (*self.only, Only(self.field, Op.FILLED)) if self.field else self.only

    @property
    def needs(self) -> tuple[str, ...]:
        """The canonical paths without which there is no such report; a column that is not mapped is left out."""
        listed = (one.path for one in (*self.filters, *self.either))
        return tuple(dict.fromkeys(path for path in (self.by, self.then, self.field, *listed) if path))

    @property
    def why(self) -> str:
        """What it shows, in a sentence."""
        if self.says:
            return self.says
        measure = MEASURES[self.measure]
        what = f"from {measure.starts} to {measure.ends}" if measure.starts and measure.ends else measure.counts
        return f"The {self.shows.value} by {WHO[self.by]}: {what}."


REPORTS = (
    Report(
        "Completeness",
        "completion",
        AE,
        (*WHEN, "amount", "gate", "missing"),
        only=(BEGUN,),
        says="How many percent of the required fields were filled at the win, by AE. A deal is complete at 100.",
    ),
    Report("AE_Time", "ae_hours", AE, (*WHEN, "csm", "quality"), only=(BEGUN,)),
    Report("Assignment", "assign", CSM, (*WHEN, "started_at"), only=(BEGUN,)),
    Report("First_Touch", "ttft", CSM, (*WHEN, "started_at", "first_touch_at"), only=(BEGUN,)),
    Report("Kickoff", "kickoff", CSM, (*WHEN, "started_at"), only=(BEGUN,)),
    Report("First_Value", "ttfv", CSM, (*WHEN, "go_live_date"), only=(BEGUN,)),
    Report("Milestones", "milestones", CSM, (*WHEN, "status"), only=(BEGUN,)),
    Report("Rating", "rating", AE, (*WHEN, "csm", "handoff_feedback"), only=(BEGUN,)),
    Report(
        "Repeat_Asks",
        "repeat_asks",
        AE,
        (*WHEN, "csm", "repeat_asks", "handoff_feedback"),
        Shows.COUNT,
        only=(BEGUN, Only("repeat_asks", Op.ABOVE_ZERO)),
        says="Deals whose customer was asked again for what they had told Sales, by AE.",
    ),
    Report("NPS", "nps", CSM, WHEN, only=(BEGUN,), says="The average of the accounts' NPS field, by CSM."),
    Report("CSAT", "csat", CSM, WHEN, only=(BEGUN,)),
    Report("Tickets", "tickets30", CSM, WHEN, only=(BEGUN,)),
    Report(
        "Escalations",
        "escalations",
        CSM,
        (*WHEN, "owner", "status"),
        only=(BEGUN,),
        says="The share of handoffs that went up the ladder or had a red flag, by CSM: 1 is yes, 0 is no.",
    ),
    Report(
        "Overrides",
        "overrides",
        APPROVER,
        (*DEAL, "owner", "close_date", "override_reason", "override_expires", "missing"),
        Shows.COUNT,
        only=(BEGUN, Only("metric_overrides", Op.ABOVE_ZERO)),
        says="Deals that were let through with gaps: who approved, why, until when.",
    ),
    Report(
        "Left",
        "retention90",
        CSM,
        (*WHEN, "owner", "account.churned_at", "gate", "metric_ttft_hours"),
        Shows.COUNT,
        only=(BEGUN, Only("account.churned_at", Op.FILLED)),
        suffix=": who left",
        says="Customers who left, by the CSM who took them over: when, and how their handoff was.",
        all_time=True,
    ),
    Report(
        "Renewal_Talk",
        "renewal_talk",
        CSM,
        (*WHEN, "account.renewal_talk_at"),
        Shows.COUNT,
        only=(BEGUN, Only("account.renewal_talk_at", Op.FILLED)),
        says="Customers with whom the renewal was talked of, by CSM, and when.",
        all_time=True,
    ),
    Report(
        "Expansion",
        "expansion",
        CSM,
        (*WHEN, "amount"),
        Shows.SUM,
        only=(BEGUN,),
        says="What customers bought on top since the win, by CSM, beside what the deal was worth.",
        all_time=True,
    ),
    Report(
        "Complete",
        "complete",
        AE,
        (*WHEN, "amount", "csm", "completed_at", "missing"),
        Shows.COUNT,
        then="complete",
        only=(BEGUN,),
        says="Handoffs that are complete, and since when, beside those that are not, by AE. Commission may hang on it.",
    ),
    Report(
        "Needs_Attention",
        "",
        "gate",
        (*DEAL, "owner", "csm", "started_at", "missing"),
        Shows.COUNT,
        only=(Only("gate", Op.IS, Gate.HELD.value),),
        either=(BEGUN, Only("first_touch_at", Op.EMPTY)),
        suffix="Handoffs that need attention",
        says="Deals held at the gate, and running handoffs whose customer nobody has been in touch with.",
        all_time=True,
    ),
)
"""In the order in which they are shown. The last is a list to work through rather than a figure."""

WITHOUT_FIELD = tuple(one.title for one in MEASURES.values() if not one.field)
"""What no field holds, so that no report of the CRM can show it."""


class Light(StrEnum):
    """How a figure stands to what is aimed at."""

    GOOD = "good"
    SHORT = "short"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the lights change, in what the field holds: ``lights`` are those below, between and above the bounds."""

    low: Decimal
    high: Decimal
    lights: tuple[Light, Light, Light]


def scale(report: Report, targets: Targets) -> Scale | None:
    """The scale of an average; None where nothing is aimed at."""
    measure = MEASURES.get(report.measure)
    if measure is None or report.shows is not Shows.AVERAGE:
        return None
    wanted, alarm = aim(measure, targets), aim(measure, targets, alarm=True)
    if wanted is None:
        return None
    aimed = _in_field(measure, wanted)
    edge = aimed if alarm is None else _in_field(measure, alarm)
    off = Light.SHORT if alarm is None else Light.ALARM
    beyond = aimed * 2 or Decimal(1)
    if measure.better is Better.HIGHER:
        if edge < aimed:
            return Scale(edge, aimed, (Light.ALARM, Light.SHORT, Light.GOOD))
        return Scale(aimed, beyond, (off, Light.GOOD, Light.GOOD))
    if edge > aimed:
        return Scale(aimed, edge, (Light.GOOD, Light.SHORT, Light.ALARM))
    return Scale(aimed, beyond, (Light.GOOD, off, off))


FULL = "metric_completion"
"""The one field of a share that holds percent: how many of the required fields were filled. The others hold 0 or 1."""


def _in_field(measure: Measure, wanted: int) -> Decimal:
    if measure.way is Way.SHARE:
        return Decimal(wanted) if measure.field == FULL else Decimal(wanted) / 100
    return Decimal(wanted) / SMALLEST[measure.unit]
