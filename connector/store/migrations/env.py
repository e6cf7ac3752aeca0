"""Alembic's entry point: runs the steps of one chain on the connection it is handed.

Not here: where that connection comes from, locks and messages (``connector.store.upgrade``). There is no offline
mode and no alembic.ini: the database's address lives in config.toml only.
"""

from __future__ import annotations

from alembic import context

from connector.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    target_metadata=metadata,
    render_as_batch=True,
    on_version_apply=context.config.attributes.get("after_each"),
)
with context.begin_transaction():
    context.run_migrations()
