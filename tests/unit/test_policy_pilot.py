"""[pilot] of process.toml as it is read: what it comes to, and what is wrong with it, by line."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.handoff.model import SystemName
from connector.handoff.rulebook.pilot import NO_PILOT, Pilot
from connector.policy.load import load, load_all

ROOT = Path(__file__).parents[2]


def written(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "mappings"
    shutil.copytree(ROOT / "mappings", folder)
    with (folder / "process.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")
    return folder


def pilot(folder: Path) -> Pilot:
    return load(folder, {SystemName("sf"): "salesforce"}).policies[SystemName("sf")].pilot


def told(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        pilot(folder)
    return str(error.value)


def test_a_mapping_without_it_loads_as_before(tmp_path: Path) -> None:
    assert pilot(written(tmp_path, "")) is NO_PILOT


def test_what_is_named_there(tmp_path: Path) -> None:
    text = '[pilot]\nowners = ["Ana.Ek@seller.example"]\ndeals = ["006A"]\nsince = 2026-11-02\n'
    text += "when = { amount = { at_least = 5 } }"
    found = pilot(written(tmp_path, text))
    assert (found.owners, found.deals, found.since) == (("ana.ek@seller.example",), ("006A",), date(2026, 11, 2))
    assert found.when is not None
    assert found.groups[:2] == ("deal:006A", "owner:ana.ek@seller.example")


def test_slips_are_told_with_their_line_and_the_nearest_name(tmp_path: Path) -> None:
    text = '[pilot]\npools = ["growht"]\nwhen = { amonut = { at_least = 5 } }\nowner = ["a@b.example"]'
    words = told(written(tmp_path, text))
    assert "process.toml:" in words
    assert "pilot.owner" in words
    assert "owners" in words
    text = '[pilot]\npools = ["entrprise"]\ndeals = ["x", "x"]\nwhen = { amonut = { at_least = 5 } }'
    words = told(written(tmp_path / "2", text))
    assert "no pool is called 'entrprise'; did you mean 'enterprise'?" in words
    assert "did you mean 'amount'?" in words
    assert "x stands here twice" in words


def test_mode_pilot_without_anybody_in_it_is_a_mistake_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SF_CLIENT_ID", "SF_CLIENT_SECRET", "HS_ACCESS_TOKEN"):
        monkeypatch.setenv(name, "x")
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    written(tmp_path, "")
    (tmp_path / "config.toml").write_text(text.replace('mode = "observe"', 'mode = "pilot"'), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_all(tmp_path / "config.toml")
    assert 'config.toml:15:8: daemon.mode: is "pilot", and [pilot] of process.toml takes no deal in' in str(error.value)
