"""Handoffs that a person moved to another playbook: from which one, and to which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0011"
down_revision = "b0010"
branch_labels = None
depends_on = None
needs = "0005"


def upgrade() -> None:
    op.add_column("handoff", sa.Column("moved_from", sa.String()))
    op.add_column("handoff", sa.Column("moved_to", sa.String()))
