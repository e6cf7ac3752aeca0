"""Put-backs and what undoes them: which win the ledger knows last, whether it was put back, what moved it again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Plain columns that may be empty: SQLite takes them without building the table anew.
    for name, kind in (
        ("last_win_at", MOMENT),
        ("put_back_at", MOMENT),
        ("put_back_refused", sa.Text()),
        ("bounces", sa.Text()),
    ):
        op.add_column("handoff", sa.Column(name, kind))
    # Whatever was won before a handoff's last decision has been seen: its history is no news.
    op.execute("UPDATE handoff SET last_win_at = COALESCE(decided_at, won_at) WHERE generation > 0")
