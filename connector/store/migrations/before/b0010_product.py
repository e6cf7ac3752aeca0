"""Product events are read: what was counted of whom, by which names accounts answer, and which events were read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0010"
down_revision = "b0009"
branch_labels = None
depends_on = None
needs = "0005"

MOMENT = sa.DateTime(timezone=True)
UNREAD = sa.text("read_at IS NULL")


def upgrade() -> None:
    op.add_column("product_event", sa.Column("read_at", MOMENT))
    op.add_column("product_event", sa.Column("subject", sa.String()))
    op.create_index(
        "product_event_unread",
        "product_event",
        ["id"],
        sqlite_where=UNREAD,
        postgresql_where=UNREAD,
    )
    op.create_table(
        "tally",
        sa.Column("subject", sa.String(), primary_key=True),
        sa.Column("measure", sa.String(), primary_key=True),
        sa.Column("sort", sa.String(), primary_key=True),
        sa.Column("part", sa.String(), primary_key=True),
        sa.Column("day", sa.String(), primary_key=True),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
    )
    op.create_index("tally_last", "tally", ["last_at"])
    op.create_table(
        "known_as",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("deal_id", sa.String(), primary_key=True),
        sa.Column("subject", sa.String(), primary_key=True),
        sa.Column("account_id", sa.String(), nullable=False),
    )
    op.create_index("known_as_subject", "known_as", ["subject"])
