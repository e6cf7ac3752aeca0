"""The reports of the measures, as clicks: HubSpot has no API that makes one.

Not here: which reports there are and what they say (``handoff.measures.reporting``) and the figures, which the
connector keeps true in the deal's own properties. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.crm.hubspot.provision.items import Item
from connector.crm.installer import Do
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.reporting import REPORTS, WITHOUT_FIELD, Only, Op, Report, Shows
from connector.handoff.measures.summing import aim, shown_aim
from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import Targets
from connector.policy.crmmap import CrmMap

REPORT, DASHBOARD = "Report", "Handoffs"
EDITION = "Reports of your own take Professional or Enterprise of any hub; each figure stands on the deal all the same."
LEFT = "The connector's own pages show what the portal has no property for."
_OPERATORS: Mapping[Op, str] = {
    Op.FILLED: "is known",
    Op.EMPTY: "is unknown",
    Op.ABOVE_ZERO: "is greater than 0",
    Op.IS: "is any of",
}


def report_clicks(crm_map: CrmMap, policy: Policy) -> Iterator[Item]:
    """The dashboard, then each report for which the map has the fields, then what is left out."""
    whole = [one for one in REPORTS if _has(crm_map, one)]
    if whole:
        steps = (
            "Reporting → Dashboards → Create dashboard → New dashboard",
            f"Name {DASHBOARD}; who may see it: everyone may view; Create",
        )
        detail = "one page over the reports below: make it first, and add each to it"
        yield Item(Do.BY_HAND, "Dashboard", DASHBOARD, detail, EDITION, steps=steps)
    for one in whole:
        yield _item(crm_map, one, policy.targets)
    left = [one.title for one in REPORTS if one not in whole]
    detail = f"nothing to do: no property holds {', '.join((*left, *WITHOUT_FIELD))}"
    yield Item(Do.BY_HAND, REPORT, "the other figures", detail, LEFT)


def _has(crm_map: CrmMap, report: Report) -> bool:
    """Whether the map has what the report needs; of a choice there is no average."""
    there = all(path in crm_map.fields for path in report.needs)
    return there and (not report.field or crm_map.fields[report.field].type is FieldType.NUMBER)


def _item(crm_map: CrmMap, report: Report, targets: Targets) -> Item:
    named = [crm_map.fields[path] for path in (*report.needs, *report.columns) if path in crm_map.fields]
    # The name of its company can stand beside any deal; other properties of companies take the builder.
    joins = any(mapped.kind is Kind.ACCOUNT and mapped.name != "name" for mapped in named)
    source = "Custom report builder → Deals, and Companies beside them" if joins else "Single object → Deals → Next"
    shown = [_label(crm_map, path) for path in dict.fromkeys(report.columns) if path in crm_map.fields]
    value = f"{report.shows.value} of {_label(crm_map, report.field)}" if report.field else "count of deals"
    then = f", broken down by {_label(crm_map, report.then)}" if report.then else ""
    steps = (
        f"Reporting → Reports → Create report → {source}",
        f"Filters: {_filters(crm_map, report)}",
        f"Properties: {', '.join(shown)}",
        f"Chart: bars, by {_label(crm_map, report.by)}{then}, the {value}",
        f"Save as {report.title}, on the dashboard {DASHBOARD}",
    )
    aimed = _aimed(report, targets)
    return Item(Do.BY_HAND, REPORT, report.title, aimed or "a list to work through", report.why, steps=steps)


def _aimed(report: Report, targets: Targets) -> str:
    measure = MEASURES.get(report.measure)
    if measure is None:
        return ""
    wanted = shown_aim(measure, aim(measure, targets))
    return f"aimed at: {wanted}" if wanted and report.shows is Shows.AVERAGE else "a figure without a target"


def _filters(crm_map: CrmMap, report: Report) -> str:
    found = [_filter(crm_map, one) for one in report.filters]
    if not report.all_time:
        found.append(f"{_label(crm_map, 'close_date')} is this year")
    words = "; ".join(found)
    if report.either:
        words += f"; or, as a second group: {'; '.join(_filter(crm_map, one) for one in report.either)}"
    return words


def _filter(crm_map: CrmMap, one: Only) -> str:
    value = f" {crm_map.fields[one.path].to_vendor(one.value)}" if one.value else ""
    return f"{_label(crm_map, one.path)} {_OPERATORS[one.op]}{value}"


def _label(crm_map: CrmMap, path: str) -> str:
    mapped = crm_map.fields.get(path)
    words = path.rpartition(".")[2].replace("_", " ").capitalize()
    return (mapped.label or words) if mapped else words
