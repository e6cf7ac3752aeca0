"""Before the close: for whom an open deal holds a place, and which deals are an exception."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0008"
down_revision = "b0007"
branch_labels = None
depends_on = None
needs = "0005"

EXEMPT = sa.text("exempt_at IS NOT NULL")
HELD = sa.text("early_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("handoff", sa.Column("early_id", sa.String()))
    op.create_index("handoff_early", "handoff", ["system", "early_id"], sqlite_where=HELD, postgresql_where=HELD)
    op.add_column("handoff", sa.Column("exempt", sa.String()))
    op.add_column("handoff", sa.Column("exempt_at", sa.DateTime(timezone=True)))
    op.create_index("handoff_exempt", "handoff", ["system", "exempt_at"], sqlite_where=EXEMPT, postgresql_where=EXEMPT)
