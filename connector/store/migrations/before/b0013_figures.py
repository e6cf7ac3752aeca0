"""Figures: what every measure comes to for each handoff, one row each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0013"
down_revision = "b0012"
branch_labels = None
depends_on = None
needs = "0005"

_TEXTS = (
    *("title", "account_id", "account_name", "ae_id", "ae_name", "csm_id", "csm_name"),
    *("segment", "tier", "source", "deal_type", "currency", "phase", "stuck", "lacks"),
)
_MEASURES = (
    *("completion", "ae_hours", "assign", "told", "ttft", "kickoff", "ttfv", "milestones", "activation30"),
    *("onboarding", "drop", "accepted_first", "rating", "nps", "csat", "repeat_asks", "tickets30", "escalations"),
    *("overrides", "commitments_kept", "retention90", "retention365", "renewal_talk", "expansion", "complete"),
)


def upgrade() -> None:
    op.create_table(
        "figure",
        sa.Column("system", sa.String, primary_key=True),
        sa.Column("deal_id", sa.String, primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.String, nullable=False) for name in _TEXTS),
        sa.Column("amount", sa.BigInteger),
        sa.Column("won_at", sa.DateTime(timezone=True)),
        *(sa.Column(name, sa.String) for name in ("won_on", "won_week", "won_month", "activated_on", "activated_week")),
        sa.Column("won_weekday", sa.Integer),
        sa.Column("won_hour", sa.Integer),
        sa.Column("covered", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("funnel", sa.Integer, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(f"m_{name}", sa.BigInteger) for name in _MEASURES),
    )
    op.create_index("figure_won", "figure", ["won_on", "system"])
