"""Before the close: for whom an open deal holds a place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0008"
down_revision = "b0007"
branch_labels = None
depends_on = None
needs = "0005"

HELD = sa.text("early_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("handoff", sa.Column("early_id", sa.String()))
    op.create_index("handoff_early", "handoff", ["system", "early_id"], sqlite_where=HELD, postgresql_where=HELD)
