"""Bring a database to the schema this version needs, or say why it cannot be used.

Not here: what a version changes (``migrations/before``, ``migrations/after``) and why there are two chains
(docs/adr/0021). Runs inside the caller's transaction, so a migration that fails leaves the database as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from connector.errors import Problem, UserError
from connector.failpoints import Failpoint, passing

MIGRATION_LOCK = 0x68616E646F6666
"""PostgreSQL advisory lock, so that replicas that start together migrate once ("handoff" in ASCII)."""

LOCK_SECONDS = 10
"""How long a step may wait for a table others use: whoever comes after it waits behind it meanwhile."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps in one row: the ``folder`` they lie in, and the ``table`` that remembers how far a database is."""

    folder: str
    table: str


BEFORE = Chain("before", "before_version")
"""What only adds: run while the last release still works. It keeps a table of its own, unknown to that release."""

AFTER = Chain("after", "alembic_version")
"""The schema up to `FOUNDATION`, and from there on what takes something away: run when no older code is left."""

FOUNDATION = "0005"
"""The last step from the time of one chain: whatever starts brings a database up to here."""


VERSION_TABLES = (BEFORE.table, AFTER.table)


@dataclass(frozen=True, slots=True)
class Step:
    """One migration; ``title`` is the first line of its file, ``needs`` the step of `AFTER` it is built upon."""

    chain: Chain
    revision: str
    title: str
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What a run did, and what is left for when no older code is: revisions in the order they go."""

    done: tuple[Step, ...] = ()
    left: tuple[Step, ...] = ()


def head(chain: Chain = AFTER) -> str:
    """The newest step of a chain this code knows."""
    return _scripts(chain).get_current_head() or ""


def present(connection: Connection, chain: Chain = AFTER) -> str | None:
    """How far a database is in a chain; None when it has not begun."""
    return MigrationContext.configure(connection, opts={"version_table": chain.table}).get_current_revision()


def is_current(connection: Connection) -> bool:
    """Whether this version can work with the database as it is. Raises UserError when its schema is newer."""
    _refuse_newer(connection)
    built_on = {step.needs for step in steps() if step.chain is BEFORE}
    return not any(step.chain is BEFORE or step.revision <= max(built_on) for step in _owed(connection))


def upgrade(connection: Connection, *, after: bool = True) -> Upgraded:
    """Run what is pending; with ``after`` also what takes something away. An empty database gets everything.

    Raises UserError when the schema is newer than this code, or so old that an earlier upgrade was never finished.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    _refuse_newer(connection)
    everything = after or present(connection) is None
    done: list[Step] = []
    left: list[Step] = []
    owed = _owed(connection)
    if (
        after
        and present(connection) is not None
        and any(step.chain is AFTER and step.revision > FOUNDATION for step in owed)
    ):
        _refuse_beside_older(connection)
    for step in owed:
        if step.chain is AFTER and step.revision > FOUNDATION and not everything:
            left.append(step)
            continue
        if left and any(step.needs == each.revision for each in left):
            raise _unfinished(step)
        done.append(step)
    for chain, run in groupby(done, key=lambda step: step.chain):
        _run(connection, chain, upto=[*run][-1].revision)
    return Upgraded(tuple(done), tuple(left))


def steps() -> tuple[Step, ...]:
    """All migrations in the order an empty database gets them: each as late as those that build upon it allow."""
    return _steps(_folder())


def _owed(connection: Connection) -> list[Step]:
    found = {chain: _reached(connection, chain) for chain in (BEFORE, AFTER)}
    return [step for step in steps() if _positions(step.chain)[step.revision] > found[step.chain]]


def _reached(connection: Connection, chain: Chain) -> int:
    """The place of the database's last step; what only adds may have gone on beyond what this code knows."""
    revision = present(connection, chain)
    if revision is None:
        return -1
    return _positions(chain).get(revision, len(_positions(chain)))


def _run(connection: Connection, chain: Chain, *, upto: str) -> None:
    """Steps of one chain that follow each other, in one go: Alembic reads all of its files anew each time."""
    script = _scripts(chain)
    config = _config(chain)
    config.attributes["connection"] = connection
    config.attributes["after_each"] = lambda **_told: passing(Failpoint.IN_MIGRATION)
    with EnvironmentContext(config, script, fn=lambda found, _: script._upgrade_revs(upto, found)):
        script.run_env()


def _refuse_newer(connection: Connection) -> None:
    found = present(connection)
    if found is None or found in _positions(AFTER):
        return
    raise _problem(
        f"the database was written by a newer version (schema {found}, this one knows {head()}); "
        "run that version, or restore the backup made before it"
    )


def _refuse_beside_older(connection: Connection) -> None:
    """What older code needs is not taken away while some runs: it holds a lease and does not say that it lives, or says
    so with an older version."""
    if connection.dialect.name != "postgresql":
        return
    holders = "SELECT owner FROM lease WHERE until > clock_timestamp() AND name LIKE 'pass:%'"
    if present(connection, BEFORE) is not None:
        holders += (
            " AND owner NOT IN (SELECT owner FROM replica)"
            " UNION SELECT owner FROM replica WHERE until > clock_timestamp() AND version < :own"
        )
    found = sorted(connection.execute(text(holders), {"own": head(BEFORE)} if ":own" in holders else {}).scalars())
    if found:
        raise _problem(
            f"an older version still works on this database ({', '.join(found)}); stop it, wait a minute if it was "
            "killed, then: handoff migrate --after"
        )


def _unfinished(step: Step) -> UserError:
    return _problem(
        f"step {step.revision} builds upon {step.needs}, which an earlier upgrade left for when no older code runs; "
        "stop what is left of the older version, then: handoff migrate --after"
    )


def _problem(message: str) -> UserError:
    return UserError([Problem(where="store", key="daemon.store_url_env", message=message)])


def _positions(chain: Chain) -> dict[str, int]:
    return {step.revision: place for place, step in enumerate(each for each in steps() if each.chain == chain)}


@lru_cache(maxsize=4)
def _steps(_folder: Path) -> tuple[Step, ...]:
    return tuple(_in_order(_row(BEFORE), _row(AFTER)))


def _in_order(before: Sequence[Step], after: Sequence[Step]) -> Iterator[Step]:
    waiting = list(after)
    for step in before:
        while any(each.revision == step.needs for each in waiting):
            yield waiting.pop(0)
        yield step
    yield from waiting


def _row(chain: Chain) -> list[Step]:
    scripts = reversed(list(_scripts(chain).walk_revisions()))
    return [Step(chain, each.revision, each.doc.strip(), getattr(each.module, "needs", "")) for each in scripts]


def _scripts(chain: Chain) -> ScriptDirectory:
    return _read_scripts(_folder(), chain)


@lru_cache(maxsize=8)
def _read_scripts(_folder: Path, chain: Chain) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(chain))


def _folder() -> Path:
    return Path(__file__).parent / "migrations"


def _config(chain: Chain = AFTER) -> Config:
    config = Config()
    folder = _folder()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(folder / chain.folder).replace("%", "%%"))
    config.attributes["version_table"] = chain.table
    return config
