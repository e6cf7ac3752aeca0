"""Until when an open deal holds the place of the CSM it was given to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0012"
down_revision = "b0011"
branch_labels = None
depends_on = None
needs = "0005"


def upgrade() -> None:
    op.add_column("handoff", sa.Column("early_until", sa.DateTime(timezone=True)))
