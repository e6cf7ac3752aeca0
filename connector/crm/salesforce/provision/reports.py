"""A report folder with completeness, first touch and what needs attention, and a dashboard over them.

Not here: the figures (the connector keeps them true in the deal's own fields). A report is left out, and said, when
the map lacks a field it shows. Report columns are named as the vendor names them (facts: Salesforce §5.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connector.crm.salesforce.provision.component import Component, Tree, leaf
from connector.crm.salesforce.provision.fields import CUSTOM, object_of
from connector.crm.salesforce.provision.options import ByHand, Options, Part
from connector.handoff.model import Gate, Kind
from connector.policy.crmmap import CrmMap

REPORTS = "Handoff_Reports"
DASHBOARDS = "Handoff_Dashboards"
DASHBOARD = "Handoff_Overview"
ALL_TIME = "INTERVAL_CUSTOM"
THIS_YEAR = "INTERVAL_CURY"
OWNER = "FULL_NAME"
"""The column of the deal's owner."""
_DEAL = ("OPPORTUNITY_NAME", "ACCOUNT_NAME")


@dataclass(frozen=True, slots=True)
class _Filter:
    """One criterion; ``path`` is canonical."""

    path: str
    operator: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class _Report:
    """One report. ``group`` is a column or a canonical path, ``average`` the figure its dashboard tile shows."""

    name: str
    title: str
    why: str
    group: str
    columns: tuple[str, ...]
    filters: tuple[_Filter, ...]
    average: str = ""
    logic: str = ""
    interval: str = THIS_YEAR

    @property
    def paths(self) -> tuple[str, ...]:
        """Every canonical path it needs."""
        named = (self.group, *self.columns, *(one.path for one in self.filters), self.average)
        return tuple(dict.fromkeys(name for name in named if name and not name.isupper()))


_BEGUN = _Filter("started_at", "notEqual")

CATALOGUE = (
    _Report(
        "Handoff_Completeness",
        "Handoff completeness",
        "How complete deals are handed over, by the rep who won them.",
        group=OWNER,
        columns=(*_DEAL, "CLOSE_DATE", "AMOUNT", "gate", "missing"),
        filters=(_BEGUN,),
        average="metric_completion",
    ),
    _Report(
        "Handoff_First_Touch",
        "Time to first touch",
        "How many hours customers wait for their CSM after the win, by CSM.",
        group="csm",
        columns=(*_DEAL, "CLOSE_DATE", "started_at", "first_touch_at", "metric_assign_minutes"),
        filters=(_BEGUN,),
        average="metric_ttft_hours",
    ),
    _Report(
        "Handoff_Needs_Attention",
        "Handoffs that need attention",
        "Deals held at the gate, and running handoffs whose customer nobody has been in touch with.",
        group="gate",
        columns=(*_DEAL, OWNER, "csm", "started_at", "missing"),
        filters=(_Filter("gate", "equals", Gate.HELD.value), _BEGUN, _Filter("first_touch_at", "equals")),
        logic="1 OR (2 AND 3)",
        interval=ALL_TIME,
    ),
    _Report(
        "Handoff_Overrides",
        "Handoff overrides",
        "Deals that were let through with gaps: who approved, why, until when.",
        group="override_approver",
        columns=(*_DEAL, OWNER, "CLOSE_DATE", "override_reason", "override_expires", "missing"),
        filters=(_Filter("gate", "equals", Gate.OVERRIDDEN.value),),
    ),
)
"""What a leader asks of handoffs, as far as the deal has a field for it."""

WITHOUT_FIELD = "escalations, time to kickoff, time to first value, milestone rate and ratings"


def reports(crm_map: CrmMap, options: Options, *, made: frozenset[str]) -> Part:
    """The folders, the reports the map has the fields for, and the dashboard. ``made``: custom fields being made."""
    if not options.reports:
        return Part()
    if object_of(crm_map, Kind.DEAL) != "Opportunity":
        return Part(by_hand=(_left("all of them", "They are built on the opportunity report type."),))
    whole, parts = [], []
    for one in CATALOGUE:
        lacking = [path for path in one.paths if not _shown(crm_map, path, made)]
        if lacking:
            parts.append(Part(by_hand=(_left(one.title, f"The map has no field for {', '.join(lacking)}."),)))
        else:
            whole.append(one)
    if whole:
        made_here = (
            _folder("ReportFolder", REPORTS),
            *(_component(crm_map, one) for one in whole),
            *_boards(crm_map, whole),
        )
        parts.append(Part(components=made_here))
    parts.append(Part(by_hand=(_left(f"On {WITHOUT_FIELD}", "No field of the deal holds them."),)))
    return Part.of(parts)


def _left(name: str, why: str) -> ByHand:
    return ByHand("Report", name, "Nothing to do: the connector's own pages show what the CRM has no field for.", why)


def _shown(crm_map: CrmMap, path: str, made: frozenset[str]) -> bool:
    """Whether the deal has a field for it that a report can name."""
    mapped = crm_map.get(Kind.DEAL, path)
    return mapped is not None and mapped.field.endswith(CUSTOM) and f"Opportunity.{mapped.field}" in made


def _column(crm_map: CrmMap, name: str) -> str:
    mapped = None if name.isupper() else crm_map.get(Kind.DEAL, name)
    return f"Opportunity.{mapped.field}" if mapped else name


def _folder(type: str, name: str) -> Component:
    share = (leaf("accessLevel", "View"), leaf("sharedTo", "AllInternalUsers"), leaf("sharedToType", "Group"))
    body = (("folderShares", share), leaf("name", "Handoff"))
    return Component(type, name, body, why="One place for what is reported of handoffs, open to everybody inside.")


def _component(crm_map: CrmMap, report: _Report) -> Component:
    average: Tree = ()
    if report.average:
        average = (("columns", (leaf("aggregateTypes", "Average"), leaf("field", _column(crm_map, report.average)))),)
    grouping = (
        leaf("dateGranularity", "Day"),
        leaf("field", _column(crm_map, report.group)),
        leaf("sortOrder", "Asc"),
    )
    body: Tree = (
        *average,
        *(("columns", (leaf("field", _column(crm_map, one)),)) for one in report.columns),
        leaf("description", report.why),
        ("filter", _filter(crm_map, report)),
        leaf("format", "Summary"),
        ("groupingsDown", grouping),
        leaf("name", report.title),
        leaf("reportType", "Opportunity"),
        leaf("scope", "organization"),
        leaf("showDetails", True),
        ("timeFrameFilter", (leaf("dateColumn", "CLOSE_DATE"), leaf("interval", report.interval))),
    )
    return Component("Report", f"{REPORTS}/{report.name}", body, why=report.why)


def _filter(crm_map: CrmMap, report: _Report) -> Tree:
    items: Tree = tuple(
        (
            "criteriaItems",
            (
                leaf("column", _column(crm_map, one.path)),
                leaf("operator", one.operator),
                leaf("value", _value(crm_map, one)),
            ),
        )
        for one in report.filters
    )
    return (*((leaf("booleanFilter", report.logic),) if report.logic else ()), *items)


def _value(crm_map: CrmMap, one: _Filter) -> str:
    mapped = crm_map.get(Kind.DEAL, one.path)
    return mapped.to_vendor(one.value) if mapped else one.value


def _boards(crm_map: CrmMap, whole: list[_Report]) -> Iterator[Component]:
    """The dashboard's folder and the dashboard, seen by each person with their own rights."""
    yield _folder("DashboardFolder", DASHBOARDS)
    sections: dict[str, list[tuple[str, Tree]]] = {"leftSection": [], "middleSection": [], "rightSection": []}
    for index, report in enumerate(whole):
        side = tuple(sections)[index % len(sections)]
        sections[side].append(("components", _tile(crm_map, report)))
    shown: Tree = tuple((side, (leaf("columnSize", "Medium"), *tiles)) for side, tiles in sections.items() if tiles)
    body: Tree = (
        leaf("backgroundEndColor", "#FFFFFF"),
        leaf("backgroundFadeDirection", "Diagonal"),
        leaf("backgroundStartColor", "#FFFFFF"),
        leaf("dashboardType", "LoggedInUser"),
        leaf("description", "Completeness, first touch, and what needs attention."),
        leaf("isGridLayout", False),
        *shown,
        leaf("textColor", "#000000"),
        leaf("title", "Handoffs"),
        leaf("titleColor", "#000000"),
        leaf("titleSize", 12),
    )
    why = "One page over the handoff reports."
    yield Component("Dashboard", f"{DASHBOARDS}/{DASHBOARD}", body, why)


def _tile(crm_map: CrmMap, report: _Report) -> Tree:
    """A bar per group: the average of the report's figure, or how many deals there are."""
    figure: Tree = (leaf("axisBinding", "y"), leaf("column", "RowCount"))
    if report.average:
        figure = (
            leaf("aggregate", "Average"),
            leaf("axisBinding", "y"),
            leaf("column", _column(crm_map, report.average)),
        )
    return (
        leaf("autoselectColumnsFromReport", False),
        leaf("chartAxisRange", "Auto"),
        ("chartSummary", figure),
        leaf("componentType", "Bar"),
        leaf("displayUnits", "Auto"),
        leaf("drillEnabled", False),
        leaf("drillToDetailEnabled", False),
        leaf("enableHover", True),
        leaf("expandOthers", False),
        leaf("groupingColumn", _column(crm_map, report.group)),
        leaf("header", report.title),
        leaf("legendPosition", "Bottom"),
        leaf("report", f"{REPORTS}/{report.name}"),
        leaf("showPercentage", False),
        leaf("showValues", True),
        leaf("sortBy", "RowLabelAscending"),
        leaf("useReportChart", False),
    )
