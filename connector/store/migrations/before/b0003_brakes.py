"""Brakes: what is held until a person saw it, what stands still, what gained effects of late, policies that ran."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0003"
down_revision = "b0002"
branch_labels = None
depends_on = None
needs = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("decided_at", MOMENT),
    )
    op.create_index("hold_state", "hold", ["system", "kind", "state", "at"])
    op.create_table(
        "gain",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("deal_id", sa.String(), primary_key=True),
        sa.Column("sort", sa.String(), nullable=False),
        sa.Column("mover", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index("gain_at", "gain", ["system", "at"])
    op.create_table(
        "policy",
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
