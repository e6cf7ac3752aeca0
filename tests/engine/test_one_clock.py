"""One clock for engine and store: a machine whose clock is wrong must neither look late nor send again at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connector import bootstrap
from connector.clock import ManualClock
from connector.store import Store
from connector.store.database import Database

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
MAPPINGS = Path(__file__).parents[2] / "mappings"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example config with secrets that open nothing."""
    for name in ("SF_CLIENT_ID", "SF_CLIENT_SECRET", "HS_ACCESS_TOKEN"):
        monkeypatch.setenv(name, "none")
    (tmp_path / "mappings").symlink_to(MAPPINGS)
    file = tmp_path / "config.toml"
    file.write_text(EXAMPLE.read_text())
    return file


def test_the_engine_goes_by_the_stores_clock(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database server whose time is ten minutes off this machine's, as PostgreSQL's may be."""

    def skewed(database: Database) -> ManualClock:
        return ManualClock(database.now() + timedelta(minutes=10))

    monkeypatch.setattr(Database, "clock", property(skewed))
    shared = bootstrap.open_runtime(config, mode="read").shared
    try:
        assert isinstance(shared.store, Store)
        assert isinstance(shared.clock, ManualClock)
    finally:
        shared.store.close()
