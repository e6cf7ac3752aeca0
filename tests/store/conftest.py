"""A store on each database, with a clock that moves when told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import NOW, SYSTEM
from postgres_server import server_of

from connector.clock import ManualClock
from connector.store import Store, open_store


@pytest.fixture
def clock() -> ManualClock:
    """It is `NOW`."""
    return ManualClock(NOW)


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A new, empty PostgreSQL database."""
    with server_of(request.config).database() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A PostgreSQL database that every migration has run on and nothing else; only to be copied."""
    with server_of(request.config).database() as url:
        open_store(url, clock=ManualClock(NOW)).close()
        yield url


@pytest.fixture
def copied_url(request: pytest.FixtureRequest, migrated_url: str) -> Iterator[str]:
    """A copy of it: what opening a store in an empty database comes to, in a tenth of the time."""
    with server_of(request.config).database(like=migrated_url) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'handoff.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    """A new database of each kind: empty, but for tests that are given a store in it, who find it migrated."""
    copied = request.param == "postgres" and "store" in request.fixturenames
    name: str = request.getfixturevalue("copied_url" if copied else f"{request.param}_url")
    return name


@pytest.fixture
def store(url: str, clock: ManualClock) -> Iterator[Store]:
    """An open store whose system has a baseline."""
    opened = open_store(url, clock=clock)
    opened.set_baseline(SYSTEM, NOW)
    yield opened
    opened.close()
