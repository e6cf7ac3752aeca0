"""Bring a database to the schema this version needs, or say why it cannot be used.

Not here: what a version changes (``migrations/versions``). Runs inside the caller's transaction, so a migration
that fails leaves the database as it was.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from connector.errors import Problem, UserError

MIGRATION_LOCK = 0x68616E646F6666
"""PostgreSQL advisory lock, so that replicas that start together migrate once ("handoff" in ASCII)."""


def head() -> str:
    """The newest schema version this code knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def present(connection: Connection) -> str | None:
    """The database's schema version; None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def is_current(connection: Connection) -> bool:
    """Whether the database has the schema this version needs. Raises UserError when its schema is newer."""
    found = present(connection)
    if found == head():
        return True
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise UserError(
            [
                Problem(
                    where="store",
                    key="daemon.store_url_env",
                    message=f"the database was written by a newer version (schema {found}, this one knows {head()}); "
                    "run that version, or restore the backup made before it",
                )
            ]
        )
    return False


def upgrade(connection: Connection) -> None:
    """Run the pending migrations. Raises UserError when the schema is newer than this code."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    if is_current(connection):
        return
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
