"""Assignment: deals that wait for a CSM, second CSMs, and what each CSM's customers pay."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0007"
down_revision = "b0006"
branch_labels = None
depends_on = None
needs = "0005"

MOMENT = sa.DateTime(timezone=True)
WAITING = sa.text("waiting_since IS NOT NULL")


def upgrade() -> None:
    op.add_column("handoff", sa.Column("waiting_since", MOMENT))
    op.add_column("handoff", sa.Column("waiting_pool", sa.String()))
    op.add_column("handoff", sa.Column("second_id", sa.String()))
    op.add_column("handoff", sa.Column("amount", sa.Double()))
    op.create_index(
        "handoff_waiting",
        "handoff",
        ["system", "waiting_since"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.add_column("roster", sa.Column("revenue", sa.Double()))
