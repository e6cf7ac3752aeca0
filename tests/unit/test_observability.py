"""The files for monitoring: each query is PromQL over figures that there are, each alert says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml
from typer.testing import CliRunner

from connector.cli.alerts import Alert, Pace, alerts
from connector.cli.app import COMMANDS, build
from connector.cli.observability import DASHBOARD, RULES, pace_of, written
from connector.handoff.measures.catalogue import MEASURES
from connector.telemetry import Telemetry

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "observability"
OF_PROMETHEUS = {"up"}
ALERTS = list(alerts(Pace(15.0, 300.0)))


def known() -> set[str]:
    """The names under which this daemon's figures are scraped."""
    kinds = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return OF_PROMETHEUS | {
        f"{each.name}{ending}" for each in Telemetry().registry.collect() for ending in kinds.get(each.type, ("",))
    }


def named(query: str) -> set[str]:
    """The figures a query asks for; raises ValueError where it is no PromQL."""
    promql_parser.parse(query)
    return set(re.findall(r"(?:handoff_\w+|\bup\b)", query))


def queries() -> Iterator[str]:
    """Every query of the dashboard."""
    for panel in json.loads(written(Pace(15.0, 300.0))[DASHBOARD])["panels"]:
        yield from (target["expr"].replace("$system", ".*") for target in panel.get("targets", ()))


def test_the_shipped_files_are_what_the_command_writes_for_the_shipped_pace() -> None:
    for name, text in written(pace_of(Path("/there/is/none"))).items():
        assert (SHIPPED / name).read_text() == text, f"handoff observability deploy/observability writes {name} anew"


@pytest.mark.parametrize("alert", ALERTS, ids=[each.name for each in ALERTS])
def test_an_alert_asks_for_figures_that_there_are_and_names_system_consequence_and_command(alert: Alert) -> None:
    asked = named(alert.expr)
    assert asked
    assert asked <= known()
    assert "$labels.system" in alert.summary or "$labels.instance" in alert.summary
    assert alert.consequence.endswith(".")
    commands = set(re.findall(r"handoff ([a-z]+)", alert.command))
    assert commands
    assert commands <= set(COMMANDS)
    for command, option in re.findall(r"handoff ([a-z]+)[^;,:]*? (--[a-z-]+)", alert.command):
        taught = CliRunner().invoke(build((command, "status")), [command, "--help"]).output
        assert re.search(rf"{option}\b", taught), f"handoff {command} knows no {option}"


def test_the_rules_are_a_rule_file() -> None:
    (group,) = yaml.safe_load(written(Pace(15.0, 300.0))[RULES])["groups"]
    assert [each["alert"] for each in group["rules"]] == [each.name for each in ALERTS]
    assert {each["labels"]["severity"] for each in group["rules"]} == {"warning", "critical"}


def test_every_panel_asks_for_figures_that_there_are() -> None:
    asked = [named(query) for query in queries()]
    assert all(asked)
    assert set().union(*asked) <= known()


def test_every_measure_with_a_gauge_has_its_panel() -> None:
    titles = {panel["title"] for panel in json.loads(written(Pace(15.0, 300.0))[DASHBOARD])["panels"]}
    assert {each.title for each in MEASURES.values() if each.gauge} <= titles


def test_panels_do_not_lie_upon_each_other() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in json.loads(written(Pace(15.0, 300.0))[DASHBOARD])["panels"]:
        at = panel["gridPos"]
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells
        assert at["x"] + at["w"] <= 24
        cells |= taken


def test_a_slow_poll_makes_a_patient_alert(tmp_path: Path) -> None:
    late = {each.name: each.expr for each in alerts(Pace(300.0, 600.0))}
    assert "> 3000 unless" in late["HandoffNoPass"]
    assert "> 600 unless" in late["HandoffLate"]


def test_the_command_writes_both_files_and_says_what_to_do_with_them(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        build(("observability", "status")),
        ["observability", str(tmp_path / "new"), "--config", str(tmp_path / "none.toml")],
    )
    assert ran.exit_code == 0
    assert "rule_files" in ran.output
    assert {each.name for each in (tmp_path / "new").iterdir()} == {RULES, DASHBOARD}
