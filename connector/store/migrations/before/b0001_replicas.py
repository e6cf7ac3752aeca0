"""Replicas: who is alive, what they may ask of a vendor together, and whose an unloaded job is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0001"
down_revision = None
branch_labels = None
depends_on = None
needs = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "replica",
        sa.Column("owner", sa.String(), primary_key=True),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
    )
    op.create_table(
        "quota",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("budget", sa.String(), primary_key=True),
        sa.Column("rate", sa.Double(), nullable=False),
        sa.Column("full_at", sa.Double(), nullable=False),
        sa.Column("closed_until", sa.Double(), nullable=False),
        sa.Column("lowered_at", sa.Double(), nullable=False),
    )
    # Plain and empty: code that knows nothing of it goes on writing jobs.
    op.execute("ALTER TABLE job ADD COLUMN owner VARCHAR")
