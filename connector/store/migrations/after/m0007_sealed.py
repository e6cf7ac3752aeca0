"""The audit trail is sealed: from here on no row comes in without its place in the chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NEEDS_PLACE = "an audit row needs its place in the chain"


def upgrade() -> None:
    # Up to this row there may be some of code that knew no chain; whatever comes later without one is nobody's.
    op.execute(
        sa.text(
            "INSERT INTO cursor (system, feed, value, updated_at) "
            "SELECT '', 'trail-sealed', CAST(COALESCE(MAX(id), 0) AS VARCHAR), CURRENT_TIMESTAMP FROM audit"
        )
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_chained BEFORE INSERT ON audit WHEN NEW.hash IS NULL "
            f"BEGIN SELECT RAISE(ABORT, '{NEEDS_PLACE}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION audit_needs_place() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{NEEDS_PLACE}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_chained BEFORE INSERT ON audit FOR EACH ROW WHEN (NEW.hash IS NULL) "
        "EXECUTE FUNCTION audit_needs_place()"
    )
