"""Many daemons on one page, from ledgers here and files from elsewhere."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connector.cli.app import build
from connector.clock import ManualClock
from connector.errors import UserError
from connector.handoff.model import SystemName
from connector.store import ALARM, LAST_PASS, Alarm, open_store

MAPPINGS = Path(__file__).parents[2] / "mappings"
CONFIG = """
mappings = "{mappings}"
[daemon]
mode = "act"
[[systems]]
name = "sf"
vendor = "salesforce"
base_url = "https://acme.my.salesforce.com"
client_id_env = "OVERVIEW_ID"
client_secret_env = "OVERVIEW_SECRET"
"""
SF = SystemName("sf")


def run(*arguments: str) -> Result:
    """The command, as typed."""
    return CliRunner().invoke(build(("overview", "status")), ["overview", *arguments])


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A daemon's folder whose last pass was just now."""
    folder = tmp_path / "acme"
    (folder / "state").mkdir(parents=True)
    (folder / "config.toml").write_text(CONFIG.format(mappings=MAPPINGS))
    for name in ("OVERVIEW_ID", "OVERVIEW_SECRET"):
        monkeypatch.setenv(name, "x")
    now = datetime.now(UTC)
    store = open_store(f"sqlite:///{folder / 'state' / 'handoff.db'}", clock=ManualClock(now))
    store.set_cursor(SF, LAST_PASS, now.isoformat())
    store.close()
    return folder


def raise_alarm(client: Path) -> None:
    """Something there wants a person, and says whose deal it is about."""
    store = open_store(f"sqlite:///{client / 'state' / 'handoff.db'}", clock=ManualClock(datetime.now(UTC)))
    alarm = Alarm("x", "Nordlys AS is stuck", "Nordlys AS is stuck", "call them", since=datetime.now(UTC))
    store.set_cursor(SF, ALARM + "x", alarm.dump())
    store.close()


def test_a_folder_stands_for_its_config_and_a_daemon_that_runs_wants_nobody(client: Path) -> None:
    told = run(str(client), "--json")
    assert told.exit_code == 0, told.output
    (line,) = json.loads(told.stdout)["systems"]
    assert (line["place"], line["system"], line["mode"], line["trouble"]) == ("acme", "sf", "act", "")


def test_an_alarm_wants_a_person_and_what_travels_names_neither_deal_nor_person(client: Path, tmp_path: Path) -> None:
    raise_alarm(client)
    told = run(str(client / "config.toml"), "--json")
    assert told.exit_code == 1
    assert "Nordlys" not in told.stdout
    brought = tmp_path / "acme.json"
    brought.write_text(told.stdout)
    shutil.rmtree(client)
    shown = run(str(brought))
    assert shown.exit_code == 1
    assert "1 alarm" in shown.stdout


def test_a_client_whose_secrets_are_not_here_is_a_line_that_says_what_to_do(
    client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "nordlys"
    shutil.copytree(client, other)
    (other / "config.toml").write_text((client / "config.toml").read_text().replace("OVERVIEW_ID", "OVERVIEW_NOT_SET"))
    told = run(str(client), str(other), "--json")
    assert told.exit_code == 1
    here, there = json.loads(told.stdout)["systems"]
    assert here["trouble"] == ""
    assert "OVERVIEW_NOT_SET" in there["trouble"]
    assert "handoff overview --json where the daemon runs" in there["trouble"]


@pytest.mark.parametrize("text", ["", "{}", '{"format": "another", "systems": []}', "[1]"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    told = run(str(file))
    assert isinstance(told.exception, UserError)
    assert "write it anew" in str(told.exception)
