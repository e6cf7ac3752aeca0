"""What came of each threshold of [governance] for each period, so that each is judged and told once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0014"
down_revision = "b0013"
branch_labels = None
depends_on = None
needs = "0005"


def upgrade() -> None:
    op.create_table(
        "ruling",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("period", sa.String(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("breached", sa.Boolean(), nullable=False),
        sa.Column("deal_id", sa.String()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )
    op.create_index("ruling_deal", "ruling", ["system", "deal_id"])
