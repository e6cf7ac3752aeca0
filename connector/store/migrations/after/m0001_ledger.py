"""Inbox, ledger, outbox, audit and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PENDING = sa.text("state IN ('pending')")
OPEN = sa.text("state IN ('pending', 'sending', 'unknown')")
KNOWN = "state IN ('pending', 'sending', 'applied', 'refused', 'unknown', 'parked', 'superseded')"


def upgrade() -> None:
    op.create_table(
        "system",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("baseline", MOMENT),
        sa.Column("paused_until", MOMENT),
        sa.Column("pause_reason", sa.Text()),
    )
    op.create_table(
        "cursor",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("feed", sa.String(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )
    op.create_table(
        "inbox",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("deal_id", sa.String(), primary_key=True),
        sa.Column("due_at", MOMENT),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("modified_at", MOMENT),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_index("inbox_due", "inbox", ["system", "due_at"])
    create_ledger()
    create_outbox()
    create_audit()
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
    )


def create_ledger() -> None:
    op.create_table(
        "handoff",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("deal_id", sa.String(), primary_key=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("won_at", MOMENT),
        sa.Column("left_won_at", MOMENT),
        sa.Column("released_at", MOMENT),
        sa.Column("gate", sa.String()),
        sa.Column("csm_id", sa.String()),
        sa.Column("assigned_at", MOMENT),
        sa.Column("stage_before_win", sa.String()),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("done_signals", sa.Text(), nullable=False),
        sa.Column("account_id", sa.String()),
        sa.Column("last_write_at", MOMENT),
        sa.Column("phase", sa.String()),
        sa.Column("mode", sa.String()),
        sa.Column("verdict", sa.String()),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("looked_because", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text()),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_index("handoff_decided", "handoff", ["system", "decided_at"])
    op.create_index("handoff_standing", "handoff", ["system", "phase", "gate"])
    op.create_table(
        "effect",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("deal_id", sa.String(), primary_key=True),
        sa.Column("generation", sa.Integer(), primary_key=True),
        sa.Column("step", sa.String(), primary_key=True),
        sa.Column("record_id", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "written",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("record_id", sa.String(), primary_key=True),
        sa.Column("field", sa.String(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
    )
    op.create_table(
        "roster",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("person_id", sa.String(), primary_key=True),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
    )


def create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=True),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("available_at", MOMENT, nullable=False),
        sa.Column("lease_owner", sa.String()),
        sa.Column("lease_until", MOMENT),
        sa.Column("claimed_at", MOMENT),
        sa.Column("record_id", sa.String()),
        sa.Column("modified_at", MOMENT),
        sa.Column("fault_code", sa.String()),
        sa.Column("vendor_code", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT),
        sa.CheckConstraint(KNOWN, name="outbox_state_known"),
        sqlite_autoincrement=True,
    )
    for name, columns, unique, where in (
        ("outbox_claim", ["system", "rank", "id"], False, PENDING),
        ("outbox_open", ["system", "deal_id", "step"], True, OPEN),
        ("outbox_wait", ["system", "deal_id", "rank"], False, OPEN),
        ("outbox_state", ["system", "state", "settled_at"], False, None),
        ("outbox_deal", ["system", "deal_id", "id"], False, None),
    ):
        op.create_index(name, "outbox", columns, unique=unique, sqlite_where=where, postgresql_where=where)


def create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("deal_id", sa.String()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_deal", "audit", ["system", "deal_id", "id"])
    op.create_index("audit_kind", "audit", ["kind", "id"])
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER audit_no_{verb} BEFORE {verb.upper()} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
