"""Jobs: many rows handed to a receiver at once, to be asked about later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
IN_JOB = sa.text("job_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("job_id", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("loaded", sa.Boolean(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
    )
    # A plain column: SQLite takes it without building the table anew, which millions of rows would feel.
    op.execute("ALTER TABLE outbox ADD COLUMN job_id VARCHAR")
    op.create_index(
        "outbox_job", "outbox", ["system", "job_id"], sqlite_where=IN_JOB, postgresql_where=IN_JOB
    )
