"""Figures: what every measure comes to for each handoff, one row each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0013"
down_revision = "b0012"
branch_labels = None
depends_on = None
needs = "0005"

_MEASURES = (
    *("completion", "ae_hours", "assign", "told", "ttft", "kickoff", "ttfv", "milestones", "activation30"),
    *("onboarding", "drop", "accepted_first", "rating", "nps", "csat", "repeat_asks", "tickets30", "escalations"),
    *("overrides", "commitments_kept", "retention90", "retention365", "renewal_talk", "expansion", "complete"),
)
_WORDS = (
    *("ae_id", "csm_id", "segment", "tier", "source", "deal_type", "phase", "ae_name", "csm_name"),
    *("title", "account_id", "account_name", "currency", "stuck", "lacks"),
)


def upgrade() -> None:
    op.create_table(
        "figure",
        sa.Column("system", sa.String, primary_key=True),
        sa.Column("deal_id", sa.String, primary_key=True),
        sa.Column("generation", sa.Integer, primary_key=True),
        sa.Column("stands", sa.Boolean, nullable=False),
        sa.Column("covered", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.String) for name in ("won_on", "won_week", "won_month")),
        *(sa.Column(name, sa.Integer) for name in ("won_weekday", "won_hour")),
        *(sa.Column(f"m_{name}", sa.BigInteger) for name in _MEASURES),
        *(sa.Column(name, sa.String) for name in ("activated_on", "activated_week")),
        sa.Column("funnel", sa.Integer, nullable=False),
        sa.Column("amount", sa.BigInteger),
        sa.Column("won_at", sa.DateTime(timezone=True)),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in _WORDS),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reason", "facts")),
        sa.Column("promise_due", sa.String),
    )
    for name, columns in (
        ("figure_won", ["won_week", "won_on", "system"]),
        ("figure_funnel", ["covered", "stands", "funnel", "won_week", "won_on"]),
        ("figure_ae", ["ae_id", "ae_name", "system"]),
        ("figure_csm", ["csm_id", "activated_week", "won_week", "won_on", "stands", "csm_name", "system"]),
        ("figure_segment", ["segment", "system"]),
        ("figure_tier", ["tier", "system"]),
        ("figure_source", ["source", "system"]),
    ):
        op.create_index(name, "figure", columns)
    op.create_index("figure_latest", "figure", [sa.text("won_at DESC"), "system", "deal_id", "generation"])
    for name, column, where in (
        ("figure_stuck", "won_at", sa.text("stuck <> '[]'")),
        ("figure_promised", "promise_due", sa.text("promise_due IS NOT NULL")),
    ):
        op.create_index(name, "figure", [column], sqlite_where=where, postgresql_where=where)
