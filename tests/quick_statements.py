"""One memory of compiled SQL for all SQLite stores of a test process, as a daemon has one for all its life.

Not here: the statements, and what they do; PostgreSQL, which has few stores. SQLAlchemy remembers what it compiled by
engine, and the tests open thousands: compiling the same hundred statements for each took longer than running them.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL

from connector.store import database

STATEMENTS = 2000
"""How many are remembered: all that the connector has, in all their shapes."""


@functools.cache
def _first() -> Engine:
    """An engine whose dialect has met SQLite, and knows its version."""
    engine = create_engine("sqlite://", query_cache_size=STATEMENTS)
    with engine.connect():
        return engine


def _remembering(url: URL, **options: Any) -> Engine:
    engine = create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        # Before anything is derived of it: what was compiled is found by the dialect and the statement.
        engine.dialect = _first().dialect
        engine._compiled_cache = _first()._compiled_cache
    return engine


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put it in the place of what makes engines for the store."""
    monkeypatch.setattr(database, "create_engine", _remembering)
