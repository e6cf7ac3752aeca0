"""Between the old version and the new: what `check` and `migrate` say of a ledger that is behind."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connector import bootstrap
from connector.cli import check
from connector.cli.app import build
from connector.clock import SystemClock
from connector.crm.port import Examination
from connector.store import Step, Upgraded, open_store
from connector.store.upgrade import AFTER, BEFORE

MAPPINGS = Path(__file__).parents[2] / "mappings"
CONFIG = f"""
mappings = "{MAPPINGS}"
[[systems]]
name = "hs"
vendor = "hubspot"
access_token_env = "UPGRADE_TOKEN"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A daemon's folder whose ledger another version made."""
    monkeypatch.setenv("UPGRADE_TOKEN", "x")
    (tmp_path / "state").mkdir()
    ledger = tmp_path / "state" / "handoff.db"
    open_store(f"sqlite:///{ledger}", clock=SystemClock()).close()
    with sqlite3.connect(ledger) as connection:
        connection.execute("DELETE FROM alembic_version")
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return file


def test_a_new_version_is_checked_before_it_has_brought_the_ledger_up_to_date(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "check_system", lambda *_: Examination(()))
    commands = build(("check", "status"))
    done = CliRunner().invoke(commands, ["check", "--config", str(config)])
    assert done.exit_code == 0
    assert "Database: of an older version" in done.output
    assert "hs: all well." in done.output
    told = CliRunner().invoke(commands, ["check", "--config", str(config), "--json"])
    assert "handoff migrate" in json.loads(told.output)["store"]


def test_migrate_says_each_step_to_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Upgraded((Step(BEFORE, "b0001", "Of [governance], once"),), (Step(AFTER, "0001", "And [this] later"),))
    monkeypatch.setattr(bootstrap, "migrate_store", lambda *_, **__: result)
    done = CliRunner().invoke(build(("check", "migrate")), ["migrate"])
    assert "Of [governance], once" in done.output
    assert "And [this] later" in done.output
