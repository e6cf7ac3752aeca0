"""The migrations build what schema.py says, and the database keeps its own promises."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import quick_schema
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from plans import NOW, SYSTEM, a_deal_patch, a_plan
from sqlalchemy import Engine, create_engine, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from connector.clock import ManualClock
from connector.errors import UserError
from connector.store import Decided, Mode, State, Store, open_store
from connector.store import upgrade as upgrading
from connector.store.schema import handoff, metadata

pytestmark = pytest.mark.real_migrations

BEFORE_TABLE = ("table", upgrading.BEFORE.table)


@pytest.fixture
def raw(store: Store, url: str) -> Iterator[Engine]:
    """The same database without the store in between."""
    engine = create_engine(url)
    yield engine
    engine.dispose()


def test_migrations_and_schema_agree(raw: Engine) -> None:
    with raw.connect() as connection:
        only = {"compare_type": True, "include_name": lambda name, kind, _parents: (kind, name) != BEFORE_TABLE}
        context = MigrationContext.configure(connection, opts=only)
        assert compare_metadata(context, metadata) == []


def test_indexes_cover_the_same_rows(raw: Engine) -> None:
    """Autogenerate does not compare the conditions of partial indexes."""
    found = {}
    for table in metadata.tables.values():
        for index in inspect(raw).get_indexes(table.name):
            options = index.get("dialect_options", {})
            where = options.get(f"{raw.dialect.name}_where", "")
            found[index["name"]] = (index["column_names"], bool(index["unique"]), quoted(str(where)))
    wanted = {}
    for table in metadata.tables.values():
        for one in table.indexes:
            where = one.dialect_options[raw.dialect.name].get("where")
            columns = [column.name for column in one.columns]
            wanted[one.name] = (columns, bool(one.unique), quoted(str(where)) if where is not None else set())
    assert found == wanted


def test_check_constraint_names_every_state(raw: Engine) -> None:
    (constraint,) = inspect(raw).get_check_constraints("outbox")
    assert quoted(constraint["sqltext"]) == {state.value for state in State}


def quoted(condition: str) -> set[str]:
    return set(re.findall(r"'(\w+)'", condition))


def test_a_state_nobody_knows_is_refused(store: Store, raw: Engine) -> None:
    store.record(SYSTEM, [Decided(a_plan("D1", a_deal_patch()))], act=True)
    with pytest.raises(IntegrityError), raw.begin() as connection:
        connection.execute(text("UPDATE outbox SET state = 'lost'"))


@pytest.mark.parametrize("statement", ["UPDATE audit SET reason = 'nothing'", "DELETE FROM audit"])
def test_audit_can_only_grow(store: Store, raw: Engine, statement: str) -> None:
    store.record(SYSTEM, [Decided(a_plan("D1", a_deal_patch()))], act=True)
    before = store.audit(SYSTEM, "D1")
    with pytest.raises(DBAPIError, match="append-only"), raw.begin() as connection:
        connection.execute(text(statement))
    assert store.audit(SYSTEM, "D1") == before != ()


def test_opening_again_keeps_what_is_there(store: Store, url: str, clock: ManualClock) -> None:
    store.close()
    again = open_store(url, clock=clock)
    assert again.baseline(SYSTEM) == NOW
    again.close()


def test_newer_schema_is_refused(raw: Engine, store: Store, url: str, clock: ManualClock) -> None:
    with raw.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    for mode in Mode:
        with pytest.raises(UserError, match="newer version"):
            open_store(url, clock=clock, mode=mode)


def test_what_was_decided_before_an_upgrade_is_no_news_after_it() -> None:
    """The version before 0005 did not keep the last win it knew: a history must not tell of it as unseen."""
    engine = create_engine("sqlite://")
    config = upgrading._config()
    row = {
        **dict.fromkeys(("segment", "reason", "looked_because", "digest"), ""),
        "system": SYSTEM, "generation": 1, "adopted": False, "done_signals": "{}", "percent": 0, "created_at": NOW,
    }  # fmt: skip
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        old = [
            {**row, "deal_id": "D1", "won_at": NOW, "decided_at": NOW + timedelta(hours=1)},
            {**row, "deal_id": "D2", "won_at": NOW, "decided_at": None},
            {**row, "deal_id": "D3", "generation": 0, "won_at": None, "decided_at": NOW},
        ]
        connection.execute(insert(handoff).inline(), old)
        command.upgrade(config, "0005")
        found = dict(connection.execute(select(handoff.c.deal_id, handoff.c.last_win_at)).all())
    assert found == {"D1": NOW + timedelta(hours=1), "D2": NOW, "D3": None}


@pytest.mark.postgres
def test_replicas_that_start_together_migrate_once(postgres_url: str, clock: ManualClock) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            open_store(postgres_url, clock=clock).close()
        except BaseException as error:  # noqa: BLE001  # a thread's failure must reach the test
            failures.append(error)

    replicas = [threading.Thread(target=start) for _ in range(4)]
    for replica in replicas:
        replica.start()
    for replica in replicas:
        replica.join()
    assert failures == []


def test_the_tests_own_short_way_makes_the_same_schema(tmp_path: Path) -> None:
    def pictured(path: Path) -> object:
        with closing(sqlite3.connect(path)) as file:
            master = file.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
            return master, [file.execute(f"SELECT * FROM {each}").fetchall() for each in quick_schema.HISTORIES[:2]]

    open_store(f"sqlite:///{tmp_path / 'migrated.db'}", clock=ManualClock(NOW)).close()
    with pytest.MonkeyPatch.context() as patched:
        quick_schema.use(patched)
        for name in ("first.db", "second.db"):
            open_store(f"sqlite:///{tmp_path / name}", clock=ManualClock(NOW)).close()
    assert pictured(tmp_path / "second.db") == pictured(tmp_path / "migrated.db")
