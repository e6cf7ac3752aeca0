"""The answers as the CSM knows them, so that a change is told once, old beside new."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0009"
down_revision = "b0008"
branch_labels = None
depends_on = None
needs = "0005"


def upgrade() -> None:
    op.add_column("handoff", sa.Column("briefed", sa.Text()))
