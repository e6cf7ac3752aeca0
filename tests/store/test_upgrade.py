"""Two chains of migrations: what only adds runs beside the last release, the rest when none of it is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from plans import NOW, SYSTEM
from sqlalchemy import Engine, create_engine, inspect, text

from connector.clock import ManualClock
from connector.errors import UserError
from connector.failpoints import Failpoint
from connector.store import Mode, migrate, open_store
from connector.store import upgrade as upgrading
from connector.store.upgrade import AFTER, BEFORE, FOUNDATION, present

pytestmark = pytest.mark.real_migrations

ADDED = [step.revision for step in upgrading.steps() if step.chain is BEFORE]
TAKEN = [step.revision for step in upgrading.steps() if step.chain is AFTER and step.revision > FOUNDATION]

OLD_JOB = (
    "INSERT INTO job (system, job_id, kind, operation, rows, loaded, asked, opened_at, due_at)"
    " VALUES ('sf-test', 'J1', 'deal', 'update', 1, false, 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)


@pytest.fixture
def last_release(url: str) -> Iterator[Engine]:
    """A database as the last release left it."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = upgrading._config()
        config.attributes["connection"] = connection
        command.upgrade(config, FOUNDATION)
        connection.execute(text(OLD_JOB))
    yield engine
    engine.dispose()


def test_an_empty_database_gets_both_chains(url: str, clock: ManualClock) -> None:
    done = migrate(url, clock=clock, after=False)
    assert [step.revision for step in done.done if step.chain is BEFORE] == ADDED
    assert done.done[-1].revision == TAKEN[-1]
    assert done.left == ()
    assert migrate(url, clock=clock, after=True) == upgrading.Upgraded()


def test_the_first_half_leaves_the_last_release_what_it_needs(
    last_release: Engine, url: str, clock: ManualClock
) -> None:
    """On SQLite nobody else can be there, so both halves run."""
    result = migrate(url, clock=clock, after=False)
    alone = last_release.dialect.name == "sqlite"
    assert [step.revision for step in result.done] == ADDED + (TAKEN if alone else [])
    assert [step.revision for step in result.left] == ([] if alone else TAKEN)
    with last_release.begin() as connection:
        assert present(connection) == (TAKEN[-1] if alone else FOUNDATION)
        if not alone:
            connection.execute(text(OLD_JOB.replace("J1", "J2")))
    if not alone:
        second = migrate(url, clock=clock, after=True)
        assert [step.revision for step in second.done] == TAKEN
    with last_release.connect() as connection:
        assert {row.owner for row in connection.execute(text("SELECT owner FROM job"))} == {""}


def test_a_daemon_brings_the_first_half_itself(last_release: Engine, url: str, clock: ManualClock) -> None:
    with pytest.raises(UserError, match="handoff migrate"):
        open_store(url, clock=clock, mode=Mode.READ)
    store = open_store(url, clock=clock)
    store.set_baseline(SYSTEM, NOW)
    with last_release.connect() as connection:
        assert present(connection, BEFORE) == ADDED[-1]
    reader = open_store(url, clock=clock, mode=Mode.READ)
    assert [job.id for job in reader.jobs(SYSTEM)] == ["J1"]
    reader.close()
    store.close()


def test_what_a_later_release_added_is_no_hindrance(url: str, clock: ManualClock) -> None:
    open_store(url, clock=clock).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {BEFORE.table} SET version_num = 'b9999'"))
    for mode in Mode:
        open_store(url, clock=clock, mode=mode).close()
    engine.dispose()


def test_an_upgrade_that_skips_an_unfinished_one_is_refused(
    last_release: Engine, url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of a release after next builds upon what was never taken away: nobody knows whether older code runs."""
    if last_release.dialect.name == "sqlite":
        pytest.skip("SQLite runs both halves at once")
    migrate(url, clock=clock, after=False)
    later = upgrading.Step(BEFORE, "b9999", "later", needs=TAKEN[-1])
    known = upgrading.steps()
    monkeypatch.setattr(upgrading, "_steps", lambda _folder: (*known, later))
    with pytest.raises(UserError, match="handoff migrate --after"):
        open_store(url, clock=clock)


def test_a_half_run_is_no_run(last_release: Engine, url: str, clock: ManualClock) -> None:
    """A step that fails takes all others of its run back with it."""
    with last_release.begin() as connection:
        connection.execute(text("CREATE TABLE quota (something INTEGER)"))
    with pytest.raises(Exception, match="quota"):
        migrate(url, clock=clock, after=True)
    with last_release.connect() as connection:
        assert "replica" not in inspect(connection).get_table_names()
        assert present(connection, BEFORE) is None


LEASE = "INSERT INTO lease (name, owner, until, epoch) VALUES ('pass:sf', '{owner}', {until}, 1)"
REPLICA = "INSERT INTO replica (owner, version, since, until) VALUES ('{owner}', '{version}', {until}, {until})"
SOON, LONG_AGO = "clock_timestamp() + interval '1 minute'", "clock_timestamp() - interval '1 minute'"


@pytest.mark.postgres
def test_nothing_is_taken_away_while_older_code_runs(postgres_url: str, clock: ManualClock) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        config = upgrading._config()
        config.attributes["connection"] = connection
        command.upgrade(config, FOUNDATION)
    migrate(postgres_url, clock=clock, after=False)
    older = (LEASE.format(owner="last release", until=SOON), REPLICA.format(owner="older", version="b0", until=SOON))
    for row in older:
        with engine.begin() as connection:
            connection.execute(text(row))
        with pytest.raises(UserError, match="older version still works"):
            migrate(postgres_url, clock=clock, after=True)
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE lease SET until = {LONG_AGO}"))
            connection.execute(text(f"UPDATE replica SET until = {LONG_AGO}"))
    with engine.begin() as connection:
        connection.execute(text(REPLICA.format(owner="new", version=ADDED[-1], until=SOON)))
    engine.dispose()
    assert [step.revision for step in migrate(postgres_url, clock=clock, after=True).done] == TAKEN


def test_what_breaks_after_any_step_leaves_nothing_behind(
    sqlite_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steps run in one go, the point at which a process can be killed comes after each of them."""
    at: list[Failpoint] = []
    monkeypatch.setattr(upgrading, "passing", at.append)
    migrate(sqlite_url, clock=clock, after=True)
    assert at == [Failpoint.IN_MIGRATION] * len(upgrading.steps())

    def break_off(_point: Failpoint) -> None:
        at.append(_point)
        if len(at) == len(upgrading.steps()) - 1:
            raise KeyboardInterrupt

    at.clear()
    monkeypatch.setattr(upgrading, "passing", break_off)
    other = sqlite_url.replace("handoff.db", "other.db")
    with pytest.raises(KeyboardInterrupt):
        migrate(other, clock=clock, after=True)
    engine = create_engine(other)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
