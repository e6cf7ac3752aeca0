"""Digests of answers, by which a copy on another deal is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0005"
down_revision = "b0004"
branch_labels = None
depends_on = None
needs = "0005"


def upgrade() -> None:
    op.create_table(
        "answer",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("deal_id", sa.String(), primary_key=True),
        sa.Column("field", sa.String(), primary_key=True),
        sa.Column("print", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("answer_print", "answer", ["system", "print"])
    op.create_index("answer_at", "answer", ["system", "at"])
