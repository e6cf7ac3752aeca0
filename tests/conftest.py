"""Lets every test module import the connector from this folder's parent, and `factories` and its like by plain name.

Also puts the slowest folders first, so that no worker begins a file of minutes when the others have nothing left.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

gc.disable()  # until all tests are collected: what is imported stays, so looking for rubbish in it finds none

TESTS = Path(__file__).resolve().parent

for folder in (TESTS.parent, TESTS):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import quick_schema  # noqa: E402  # it needs the folders above
import quick_statements  # noqa: E402

SLOWEST_FIRST = ("system", "e2e", "clients", "contract", "property", "engine", "sandbox", "store")
"""Folders by how long their files take; those not named come last."""


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that was run in this process has pointed the log at a stream which is closed by now."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _quick_schema(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty SQLite stores get the schema that the migrations made for the first one."""
    if request.node.get_closest_marker("real_migrations") is None:
        quick_schema.use(monkeypatch)


@pytest.fixture(autouse=True)
def _quick_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one store compiled serves the next."""
    quick_statements.use(monkeypatch)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order files by folder; the order within a file stays."""
    items.sort(key=_turn)


def pytest_collection_finish() -> None:
    """Every module and test is there: whoever looks for rubbish from here on need not look through them."""
    gc.freeze()
    gc.enable()


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
    return SLOWEST_FIRST.index(folder) if folder in SLOWEST_FIRST else len(SLOWEST_FIRST)
