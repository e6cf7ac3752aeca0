"""The comparison of a pilot with the rest, and why a deal is only observed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0015"
down_revision = "b0014"
branch_labels = None
depends_on = None
needs = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("handoff", sa.Column("footing", sa.String()))
    op.create_table(
        "trial",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("deal_id", sa.String(), primary_key=True),
        sa.Column("generation", sa.Integer(), primary_key=True),
        sa.Column("acted", sa.Boolean(), nullable=False),
        sa.Column("ae", sa.String(), nullable=False),
        sa.Column("won_at", MOMENT),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("gaps_first", sa.Integer(), nullable=False),
        sa.Column("gaps_last", sa.Integer(), nullable=False),
        sa.Column("gaps", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("filled_at", MOMENT),
        sa.Column("had_csm", sa.Boolean(), nullable=False),
        sa.Column("would", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("csm", sa.String(), nullable=False),
        sa.Column("csm_at", MOMENT),
        sa.Column("tasks", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("touched_at", MOMENT),
        sa.Column("percent_first", sa.Integer(), nullable=False),
        sa.Column("percent_last", sa.Integer(), nullable=False),
        sa.Column("rating", sa.Integer()),
        sa.Column("feedback", sa.Text(), nullable=False),
    )
