"""The audit trail is a chain; what a row says may be erased, once, and nothing else of it can change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0002"
down_revision = "b0001"
branch_labels = None
depends_on = None
needs = "0005"

SAME = ("id", "at", "system", "deal_id", "generation", "kind", "who")
CHAINED = sa.text("hash IS NOT NULL")
UNCHAINED = sa.text("hash IS NULL")
SAYS_NO = "the audit trail is append-only"


def upgrade() -> None:
    # Columns that may be empty: code that knows nothing of them goes on adding rows, which are chained later.
    for name, kind in (
        ("seq", "BIGINT"),
        ("who", "VARCHAR"),
        ("salt", "VARCHAR"),
        ("digest", "VARCHAR"),
        ("hash", "VARCHAR"),
        ("erased", "BIGINT"),
    ):
        op.execute(f"ALTER TABLE audit ADD COLUMN {name} {kind}")
    op.create_index(
        "audit_chain", "audit", ["system", "seq"], unique=True, sqlite_where=CHAINED, postgresql_where=CHAINED
    )
    op.create_index("audit_unchained", "audit", ["id"], sqlite_where=UNCHAINED, postgresql_where=UNCHAINED)
    op.create_table(
        "chain",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True)),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER audit_no_update")
        op.execute(
            f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit WHEN NOT ({allowed('IS')}) "
            f"BEGIN SELECT RAISE(ABORT, '{SAYS_NO}'); END"
        )
    else:
        op.execute("DROP TRIGGER audit_no_change ON audit")
        op.execute(
            "CREATE TRIGGER audit_no_change BEFORE DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
        op.execute(
            "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW "
            f"WHEN (NOT ({allowed('IS NOT DISTINCT FROM')})) EXECUTE FUNCTION audit_append_only()"
        )


def allowed(same: str) -> str:
    """The two changes there are: a row without a place in the chain gets one; a row with one loses what it says."""

    def kept(*names: str) -> str:
        return " AND ".join(f"NEW.{name} {same} OLD.{name}" for name in names)

    chaining = (
        f"OLD.hash IS NULL AND NEW.hash IS NOT NULL AND NEW.seq IS NOT NULL AND NEW.salt IS NOT NULL "
        f"AND {kept('reason', 'data', 'digest', 'erased')}"
    )
    erasing = (
        f"OLD.hash IS NOT NULL AND OLD.erased IS NULL AND NEW.erased IS NOT NULL AND NEW.digest IS NOT NULL "
        f"AND NEW.salt IS NULL AND NEW.reason = '' AND NEW.data = '{{}}' AND {kept('hash', 'seq')}"
    )
    return f"{kept(*SAME)} AND (({chaining}) OR ({erasing}))"
