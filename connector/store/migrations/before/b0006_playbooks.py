"""Playbooks of handoffs: which one each began with, as text; and moments that leave no other trace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0006"
down_revision = "b0005"
branch_labels = None
depends_on = None
needs = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "playbook",
        sa.Column("version", sa.String(), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    # Empty for handoffs that began before: their steps are read from what was decided and done of them.
    op.add_column("handoff", sa.Column("playbook", sa.String()))
    op.add_column("handoff", sa.Column("marks", sa.Text()))
