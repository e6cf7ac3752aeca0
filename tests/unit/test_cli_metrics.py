"""``handoff metrics`` over a ledger on disk: numbers, groups, definitions, corrections, differences.

Not here: sums (``tests/store/test_figures.py``) and reading a CRM anew (``tests/engine/test_measures_on_crms.py``).
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connector.cli.app import build
from connector.cli.metrics_show import compared, comparison_data
from connector.clock import SystemClock
from connector.engine.measuring import Comparison, Difference
from connector.errors import UserError
from connector.handoff.measures.catalogue import MEASURES, values_of
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure, Who
from connector.handoff.model import SystemName
from connector.store import open_store

HS = SystemName("hs")
WON = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
CONFIG = """\
mappings = "{mappings}"
[daemon]
mode = "act"
[[systems]]
name = "hs"
vendor = "hubspot"
access_token_env = "HS_ACCESS_TOKEN"
"""


def a_figure(number: int, *, hours: int, csm: str = "Maya Lindqvist") -> Figure:
    won = WON + timedelta(days=number)
    facts = Facts(at=won, won_at=won, released_at=won, short=False, first_touch_at=won + timedelta(hours=hours))
    return Figure(
        system=HS,
        deal_id=f"D{number}",
        generation=1,
        facts=facts,
        csm=Who(csm.split()[0].lower(), csm),
        won_on=won.date(),
        won_weekday=won.weekday(),
        won_hour=won.hour,
        phase="in_flight",
        values=values_of(facts),
    )


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(mappings=MAPPINGS), encoding="utf-8")
    monkeypatch.setenv("HS_ACCESS_TOKEN", "pat-na1-test")
    (tmp_path / "state").mkdir()
    store = open_store(f"sqlite:///{tmp_path / 'state' / 'handoff.db'}", clock=SystemClock(), mode="tool")
    hours = [2, 4, 6, 8, 10, 12, 14, 40]
    store.put_right([a_figure(number, hours=each) for number, each in enumerate(hours)])
    store.put_right([a_figure(8, hours=20, csm="Tomas Reyes")])
    store.put_right([dataclasses.replace(a_figure(8, hours=12, csm="Tomas Reyes"))], by="ops@seller.example")
    store.close()
    return path


def ask(config: Path, *words: str) -> Result:
    return CliRunner().invoke(build(("metrics",)), ["metrics", "--config", str(config), *words])


def asked(config: Path, *words: str) -> Any:
    result = ask(config, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_measure_with_its_number_and_its_sums(config: Path) -> None:
    (group,) = asked(config)["groups"]
    assert set(group["measures"]) == set(MEASURES)
    ttft = group["measures"]["ttft"]
    # 2 + 4 + 6 + 8 + 10 + 12 + 14 + 40 + 12 hours of nine; eight of them within 24.
    assert (ttft["number"], ttft["counted"], ttft["met"], ttft["few"], ttft["on_target"]) == (12, 9, 8, False, True)
    assert group["measures"]["nps"]["number"] is None
    assert asked(config)["coverage"] == {"won": 9, "handed": 9, "reasons": {}, "unexplained": 0}
    shown = ask(config).stdout
    assert "12 h" in shown
    assert "too few to judge" not in shown
    assert "9 of 9 closed-won deals have a handoff." in shown


def test_groups_and_nobody_judged_on_three_deals(config: Path) -> None:
    maya, tomas = asked(config, "--by", "csm", "--measure", "ttft")["groups"]
    assert (maya["label"], maya["measures"]["ttft"]["counted"], maya["measures"]["ttft"]["few"]) == (
        "Maya Lindqvist",
        8,
        False,
    )
    assert tomas["measures"]["ttft"]["few"] is True
    shown = ask(config, "--by", "csm", "--measure", "ttft").stdout
    assert "12 h (8)" in shown
    assert "12 h (1)?" in shown
    only = asked(config, "--since", "2026-03-09", "--until", "2026-03-10", "--weekday", "mon", "--hour", "14")
    assert only["groups"][0]["measures"]["ttft"]["total"] == 40 * 3600


def test_definitions_are_those_of_the_table(config: Path) -> None:
    (one,) = asked(config, "define", "ttft")
    assert (one["clock"], one["target"], one["field"]) == (
        "wall clock",
        "[targets] first_touch_hours",
        "metric_ttft_hours",
    )
    assert [each["key"] for each in asked(config, "define")] == list(MEASURES)


def test_what_was_put_right_is_listed(config: Path) -> None:
    (one,) = asked(config, "--corrections")
    assert (one["deal"], one["measure"], one["before"], one["after"], one["by"]) == (
        "D8",
        "ttft",
        20 * 3600,
        12 * 3600,
        "ops@seller.example",
    )
    assert one["said"].startswith("Time to first touch was 20 h, is now 12 h: ")
    assert asked(config, "--corrections", "--since", "2999-01-01") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--measure", "charm"), "is no measure; use one of: accepted_first"),
        (("define", "charm"), "is no measure"),
        (("--weekday", "Mo"), "is no day of the week"),
        (("--system", "sf"), "there is no system 'sf'"),
        (("--apply",), "it goes with --from-nothing only"),
    ],
)
def test_mistakes_say_what_there_is(config: Path, words: tuple[str, ...], says: str) -> None:
    error = ask(config, *words).exception
    assert isinstance(error, UserError)
    assert says in str(error.problems[0])


def test_differences_are_shown_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    apart = Difference(HS, "D1", 1, "ttft", "3600", "7200")
    found = Comparison(handoffs=9, waiting=1, unread=0, differences=(apart,), right=())
    compared({"hs": found}, applied=False, as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "hs: 9 handoffs worked out anew: 1 values differ; 1 deals wait for a look and were left out." in said
    assert "To put them right: the same with --apply." in said
    assert comparison_data(found)["differences"] == [
        {"deal": "D1", "generation": 1, "what": "ttft", "kept": "3600", "found": "7200"}
    ]
    compared({"hs": dataclasses.replace(found, differences=(), waiting=0)}, applied=False, as_json=False)
    assert capsys.readouterr().out == "hs: 9 handoffs worked out anew: they agree to the last digit.\n"
