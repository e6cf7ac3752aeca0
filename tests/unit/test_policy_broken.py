"""Broken configurations, each a different kind of mistake, and word for word what is said of them.

``tests/data/small`` is a configuration without mistakes; a case lays its own files over it.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.policy.load import load_all

DATA = Path(__file__).parent.parent / "data"
CASES = sorted(path.name for path in (DATA / "broken").iterdir())
SECRET = "not-for-the-file"
PLACED = re.compile(r"^[\w./-]+:\d+:\d+: .+")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(DATA / "small", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name in ("SF_CLIENT_ID", "SF_CLIENT_SECRET", "HS_ACCESS_TOKEN", "SF_BOTH_WAYS", "SF_BOTH_WAYS_FILE"):
        monkeypatch.setenv(name, f"value-of-{name}")
    return tmp_path


def test_the_ground_the_cases_stand_on_is_sound(folder: Path) -> None:
    settings, loaded = load_all(Path("config.toml"))
    assert [system.name for system in settings.systems] == ["sf", "hs"]
    assert set(loaded.policies) == {"sf", "hs"}


@pytest.mark.parametrize("case", CASES)
def test_every_mistake_is_told_at_once_with_its_place_and_what_to_do(folder: Path, case: str) -> None:
    shutil.copytree(DATA / "broken" / case, folder, dirs_exist_ok=True)
    expected = (folder / "expected.txt").read_text(encoding="utf-8").rstrip("\n")
    with pytest.raises(UserError) as told:
        load_all(Path("config.toml"))
    assert str(told.value) == expected
    assert all(PLACED.match(line) for line in expected.splitlines())
    assert SECRET not in str(told.value)


def test_there_are_at_least_ten_kinds() -> None:
    assert len(CASES) >= 10
