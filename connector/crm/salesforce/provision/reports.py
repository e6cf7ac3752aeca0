"""A report folder with a report for each measure that has a field, and two dashboards over them.

Not here: the figures (the connector keeps them true in the deal's own fields) and which reports there are
(``handoff.measures.reporting``). A report is left out, and said, when the map lacks a field it needs. Report columns
are named as the vendor names them (facts: Salesforce §5.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from connector.crm.salesforce.provision.component import Component, Tree, leaf
from connector.crm.salesforce.provision.fields import CUSTOM, object_of
from connector.crm.salesforce.provision.options import PREFIX, ByHand, Options, Part
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.reporting import REPORTS as CATALOGUE
from connector.handoff.measures.reporting import WITHOUT_FIELD, Light, Only, Op, Report, Scale, Shows, scale
from connector.handoff.measures.summing import aim, shown_aim
from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import Targets
from connector.policy.crmmap import CrmMap

REPORTS = "Handoff_Reports"
DASHBOARDS = "Handoff_Dashboards"
OVERVIEW, PEOPLE = "Handoff_Overview", "Handoff_By_Person"
ALL_TIME = "INTERVAL_CUSTOM"
THIS_YEAR = "INTERVAL_CURY"
TITLE_CHARS, WHY_CHARS = 40, 255
"""Most of a report's name (facts: Salesforce §5.4) and of its description, as long as other descriptions."""

STANDARD: Mapping[str, str] = {
    "name": "OPPORTUNITY_NAME",
    "account.name": "ACCOUNT_NAME",
    "close_date": "CLOSE_DATE",
    "amount": "AMOUNT",
    "owner": "FULL_NAME",
}
"""How reports over opportunities name standard fields; custom ones are `Opportunity.X__c` and `Account.X__c`."""

OPERATORS: Mapping[Op, tuple[str, str]] = {
    Op.FILLED: ("notEqual", ""),
    Op.EMPTY: ("equals", ""),
    Op.ABOVE_ZERO: ("greaterThan", "0"),
    Op.IS: ("equals", ""),
}
AGGREGATES = {Shows.AVERAGE: "Average", Shows.SUM: "Sum"}
COLOURS: Mapping[Light, str] = {Light.GOOD: "#2E844A", Light.SHORT: "#DD7A01", Light.ALARM: "#BA0517"}
_CENT = Decimal("0.01")


def reports(crm_map: CrmMap, policy: Policy, options: Options, *, made: frozenset[str]) -> Part:
    """The folders, the reports the map has the fields for, and the dashboards. ``made``: custom fields being made."""
    if not options.reports:
        return Part()
    if object_of(crm_map, Kind.DEAL) != "Opportunity":
        return Part(by_hand=(_left("all of them", "They are built on the opportunity report type."),))
    whole, parts = [], []
    for one in CATALOGUE:
        lacking = [path for path in one.needs if _column(crm_map, path, made) is None]
        if lacking:
            parts.append(Part(by_hand=(_left(one.title, f"The map has no field for {', '.join(lacking)}."),)))
        elif one.field and crm_map.fields[one.field].type is not FieldType.NUMBER:
            why = f"{one.field} is no number in this map, and of words there is no {one.shows.value}."
            parts.append(Part(by_hand=(_left(one.title, why),)))
        else:
            whole.append(one)
    if whole:
        made_here = (
            _folder("ReportFolder", REPORTS),
            *(_component(crm_map, one, made) for one in whole),
            _folder("DashboardFolder", DASHBOARDS),
            *_boards(crm_map, whole, made, targets=policy.targets),
        )
        parts.append(Part(components=made_here))
    parts.append(Part(by_hand=(_left(f"On {', '.join(WITHOUT_FIELD)}", "No field of the deal holds them."),)))
    return Part.of(parts)


def _left(name: str, why: str) -> ByHand:
    return ByHand("Report", name, "Nothing to do: the connector's own pages show what the CRM has no field for.", why)


def _column(crm_map: CrmMap, path: str, made: frozenset[str]) -> str | None:
    """What a report calls a field; None for one that is not mapped, not made, or that no report can name."""
    if path in STANDARD:
        return STANDARD[path]
    mapped = crm_map.fields.get(path)
    if mapped is None or mapped.kind not in (Kind.DEAL, Kind.ACCOUNT) or not mapped.field.endswith(CUSTOM):
        return None
    name = f"{object_of(crm_map, mapped.kind)}.{mapped.field}"
    return name if name in made else None


def _folder(type: str, name: str) -> Component:
    share = (leaf("accessLevel", "View"), leaf("sharedTo", "AllInternalUsers"), leaf("sharedToType", "Group"))
    body = (("folderShares", share), leaf("name", "Handoff"))
    return Component(type, name, body, why="One place for what is reported of handoffs, open to everybody inside.")


def _place(report: Report) -> str:
    return f"{REPORTS}/{PREFIX}{report.name}"


def _component(crm_map: CrmMap, report: Report, made: frozenset[str]) -> Component:
    figure: Tree = ()
    if report.field:
        aggregate = leaf("aggregateTypes", AGGREGATES[report.shows])
        figure = (("columns", (aggregate, leaf("field", _column(crm_map, report.field, made)))),)
    beside = (_column(crm_map, path, made) for path in report.columns)
    groups = (_column(crm_map, path, made) for path in (report.by, report.then) if path)
    why = _cut(report.why, WHY_CHARS)
    body: Tree = (
        *figure,
        *(("columns", (leaf("field", column),)) for column in beside if column),
        leaf("description", why),
        ("filter", tuple(_filter(crm_map, report, made))),
        leaf("format", "Summary"),
        *(
            ("groupingsDown", (leaf("dateGranularity", "Day"), leaf("field", column), leaf("sortOrder", "Asc")))
            for column in groups
        ),
        leaf("name", _cut(report.title, TITLE_CHARS)),
        leaf("reportType", "Opportunity"),
        leaf("scope", "organization"),
        leaf("showDetails", True),
        (
            "timeFrameFilter",
            (leaf("dateColumn", "CLOSE_DATE"), leaf("interval", ALL_TIME if report.all_time else THIS_YEAR)),
        ),
    )
    return Component("Report", _place(report), body, why=why)


def _filter(crm_map: CrmMap, report: Report, made: frozenset[str]) -> Iterator[tuple[str, str | Tree]]:
    first, second = len(report.filters), len(report.either)
    if second:
        numbers = [str(number) for number in range(1, first + second + 1)]
        yield leaf("booleanFilter", f"({' AND '.join(numbers[:first])}) OR ({' AND '.join(numbers[first:])})")
    for one in (*report.filters, *report.either):
        operator, value = OPERATORS[one.op]
        shown = (leaf("operator", operator), leaf("value", _word(crm_map, one) or value))
        yield "criteriaItems", (leaf("column", _column(crm_map, one.path, made)), *shown)


def _word(crm_map: CrmMap, one: Only) -> str:
    mapped = crm_map.fields.get(one.path)
    return mapped.to_vendor(one.value) if mapped and one.value else one.value


def _boards(crm_map: CrmMap, whole: Iterable[Report], made: frozenset[str], *, targets: Targets) -> Iterator[Component]:
    """One page with a light for each figure that is aimed at, and one with a bar for each person."""
    figures = [(one, scale(one, targets)) for one in whole]
    lights = [_light(crm_map, one, made, found, targets) for one, found in figures if found]
    lists = [_bars(crm_map, one, made) for one, _ in figures if one.shows is Shows.COUNT]
    people = [_bars(crm_map, one, made) for one, _ in figures if one.shows is not Shows.COUNT]
    if lights or lists:
        why = "How handoffs stand to what is aimed at, and what needs attention."
        yield _board(OVERVIEW, "Handoffs", why, [*lights, *lists])
    if people:
        yield _board(
            PEOPLE, "Handoffs by person", "Each figure by AE or CSM. A few deals say little of anybody.", people
        )


def _board(name: str, title: str, why: str, tiles: list[Tree]) -> Component:
    """A dashboard in three columns, seen by each person with their own rights."""
    sections: dict[str, list[tuple[str, Tree]]] = {"leftSection": [], "middleSection": [], "rightSection": []}
    for index, tile in enumerate(tiles):
        sections[tuple(sections)[index % len(sections)]].append(("components", tile))
    shown: Tree = tuple((side, (leaf("columnSize", "Medium"), *held)) for side, held in sections.items() if held)
    body: Tree = (
        leaf("backgroundEndColor", "#FFFFFF"),
        leaf("backgroundFadeDirection", "Diagonal"),
        leaf("backgroundStartColor", "#FFFFFF"),
        leaf("dashboardType", "LoggedInUser"),
        leaf("description", why),
        leaf("isGridLayout", False),
        *shown,
        leaf("textColor", "#000000"),
        leaf("title", title),
        leaf("titleColor", "#000000"),
        leaf("titleSize", 12),
    )
    return Component("Dashboard", f"{DASHBOARDS}/{name}", body, why)


def _light(crm_map: CrmMap, report: Report, made: frozenset[str], found: Scale, targets: Targets) -> Tree:
    """One number in the colour of how it stands, with what is aimed at beneath it."""
    low, middle, high = (COLOURS[light] for light in found.lights)
    measure = MEASURES[report.measure]
    return (
        leaf("autoselectColumnsFromReport", False),
        ("chartSummary", (leaf("aggregate", "Average"), leaf("column", _column(crm_map, report.field, made)))),
        leaf("componentType", "Metric"),
        leaf("displayUnits", "Auto"),
        leaf("footer", f"Aimed at: {shown_aim(measure, aim(measure, targets))}"),
        leaf("header", report.title),
        leaf("indicatorBreakpoint1", _plain(found.low)),
        leaf("indicatorBreakpoint2", _plain(found.high)),
        leaf("indicatorHighColor", high),
        leaf("indicatorLowColor", low),
        leaf("indicatorMiddleColor", middle),
        leaf("metricLabel", report.title),
        leaf("report", _place(report)),
        leaf("showRange", False),
    )


def _bars(crm_map: CrmMap, report: Report, made: frozenset[str]) -> Tree:
    """A bar per group: the average or sum of the report's figure, or how many deals there are."""
    figure: Tree = (leaf("axisBinding", "y"), leaf("column", "RowCount"))
    if report.field:
        column = leaf("column", _column(crm_map, report.field, made))
        figure = (leaf("aggregate", AGGREGATES[report.shows]), leaf("axisBinding", "y"), column)
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
        leaf("groupingColumn", _column(crm_map, report.by, made)),
        leaf("header", report.title),
        leaf("legendPosition", "Bottom"),
        leaf("report", _place(report)),
        leaf("showPercentage", False),
        leaf("showValues", True),
        leaf("sortBy", "RowLabelAscending"),
        leaf("useReportChart", False),
    )


def _plain(bound: Decimal) -> str:
    return f"{bound.quantize(_CENT):f}"


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
