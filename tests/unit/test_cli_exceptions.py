"""``handoff exceptions`` over a ledger on disk: the queue, the week's count, the red flag as an exit code."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import pytest
from plans import a_plan
from typer.testing import CliRunner

from connector.cli.app import EXIT_FOUND, build
from connector.clock import SystemClock
from connector.handoff.model import HandoffKey, SystemName
from connector.handoff.plan import FieldCheck
from connector.store import Decided, open_store

HS = SystemName("hs")
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


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(mappings=MAPPINGS), encoding="utf-8")
    monkeypatch.setenv("HS_ACCESS_TOKEN", "pat-na1-test")
    (tmp_path / "state").mkdir()
    open_store(f"sqlite:///{tmp_path / 'state' / 'handoff.db'}", clock=SystemClock(), mode="tool").close()
    return path


def opened(config: Path, count: int, *, days_ago: float) -> None:
    """So many deals went on with a warning then."""
    store = open_store(f"sqlite:///{config.parent / 'state' / 'handoff.db'}", clock=SystemClock(), mode="tool")
    at = store.clock.now() - timedelta(days=days_ago)
    for number in range(count):
        plain = a_plan(f"D{number}-{days_ago}", key=HandoffKey(HS, f"D{number}-{days_ago}"))
        remember = dataclasses.replace(plain.remember, exempt="warned", exempt_at=at)
        gap = FieldCheck("champion", "Champion", present=False, why="")
        store.record(HS, [Decided(dataclasses.replace(plain, remember=remember, missing=(gap,)))], act=True)
    store.close()


def test_nothing_is_open(config: Path) -> None:
    result = CliRunner().invoke(build(("exceptions",)), ["exceptions", "--config", str(config)])
    assert (result.exit_code, result.stdout) == (0, "No exception is open.\nhs: 0 opened within a week.\n")


def test_the_queue_shows_all_and_the_week_decides_on_the_flag(config: Path) -> None:
    opened(config, 3, days_ago=2)
    opened(config, 2, days_ago=20)
    call = ["exceptions", "--config", str(config), "--json"]
    result = CliRunner().invoke(build(("exceptions",)), call)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["opened_within_a_week"], told["red_flags"]) == (0, {"hs": 3}, [])
    assert [(one["kind"], one["missing"]) for one in told["open"]] == [("warned", ["Champion"])] * 5
    opened(config, 1, days_ago=1)
    result = CliRunner().invoke(build(("exceptions",)), call)
    assert (result.exit_code, json.loads(result.stdout)["red_flags"]) == (EXIT_FOUND, ["hs"])
    result = CliRunner().invoke(build(("exceptions",)), call[:-1])
    assert "hs: 4 opened within a week: a red flag." in result.stdout
    assert "warning" in result.stdout
