"""Product events: what people did in the product, as its sources tell it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0004"
down_revision = "b0003"
branch_labels = None
depends_on = None
needs = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "product_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("user_id", sa.String()),
        sa.Column("group_id", sa.String()),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("properties", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("product_event_message", "product_event", ["source", "message_id"], unique=True)
    op.create_index("product_event_at", "product_event", ["at"])
