"""The one table of measures holds the rest together: known names, shipped mappings, fields that are made, and reports.

Not here: whether a figure is right (``tests/unit``) and the guide's table of it (``test_docs``).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.crm.hubspot.provision.desired import desired as properties
from connector.crm.hubspot.provision.reports import report_clicks
from connector.crm.salesforce.provision.desired import desired as components
from connector.crm.salesforce.provision.options import Options
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.keeping import KEPT
from connector.handoff.measures.model import Measure
from connector.handoff.measures.reporting import REPORTS, Report
from connector.handoff.model import Kind, SystemName
from connector.handoff.rulebook.fields import FieldOwner
from connector.policy.known import KNOWN, KnownField
from connector.policy.load import load
from connector.policy.meaning import MEANING

ROOT = Path(__file__).parents[2]
SF, HS = SystemName("sf"), SystemName("hs")
LOADED = load(ROOT / "mappings", {SF: "salesforce", HS: "hubspot"})
CARRIED = tuple(one for one in MEASURES.values() if one.field)
ORG = components(LOADED.maps[SF], LOADED.policies[SF], Options())
PORTAL = properties(LOADED.maps[HS], LOADED.policies[HS])
CLICKS = {item.name for item in report_clicks(LOADED.maps[HS], LOADED.policies[HS])}


def known(path: str) -> KnownField:
    kind, _, name = path.rpartition(".")
    return KNOWN[Kind(kind) if kind else Kind.DEAL][name]


@pytest.mark.parametrize("measure", CARRIED, ids=lambda one: one.key)
def test_the_field_of_a_measure_is_known_mapped_made_and_explained(measure: Measure) -> None:
    wanted = known(measure.field)
    assert measure.field in MEANING
    for system in (SF, HS):
        mapped = LOADED.maps[system].fields[measure.field]
        assert mapped.type in wanted.types
        assert (mapped.owner is FieldOwner.DAEMON) is wanted.written
    org = LOADED.maps[SF].fields[measure.field]
    home = "Opportunity" if org.kind is Kind.DEAL else "Account"
    assert ("CustomField", f"{home}.{org.field}") in {each.key for each in ORG.components}
    portal = LOADED.maps[HS].fields[measure.field]
    assert portal in [each.mapped for each in PORTAL.wanted]


@pytest.mark.parametrize("measure", CARRIED, ids=lambda one: one.key)
def test_a_measure_with_a_field_is_reported_under_its_title(measure: Measure) -> None:
    over = [one for one in REPORTS if measure.field in one.needs]
    assert over, "no report shows this field"
    assert any(one.measure and MEASURES[one.measure].field == measure.field for one in over)
    for one in over:
        assert not one.measure or one.title.startswith(MEASURES[one.measure].title)


@pytest.mark.parametrize("report", REPORTS, ids=lambda one: one.name)
def test_a_report_is_made_in_the_org_and_clicked_together_in_the_portal(report: Report) -> None:
    assert ("Report", f"Handoff_Reports/Handoff_{report.name}") in {each.key for each in ORG.components}
    assert report.title in CLICKS
    assert [path for path in report.columns if path not in LOADED.maps[HS].fields] == []


def test_every_metric_field_is_some_measures() -> None:
    metrics = {name for name in KNOWN[Kind.DEAL] if name.startswith("metric_")}
    assert metrics == {one.field for one in CARRIED if one.field.startswith("metric_")}
    assert {one.field for one in KEPT} <= metrics
