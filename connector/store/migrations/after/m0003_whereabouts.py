"""From records back to deals: what a change event names is a task or an account, not the deal."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("effect_record", "effect", ["system", "record_id"])
    op.create_index("handoff_account", "handoff", ["system", "account_id"])
