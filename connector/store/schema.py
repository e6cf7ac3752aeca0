"""The tables, the same on SQLite and PostgreSQL, and the one column type that keeps times honest.

Not here: how the tables come to be (``migrations``; a test holds both to each other) and any query.
Text columns that hold JSON are written and read by ``codec`` alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from connector.handoff.measures.catalogue import PER_HANDOFF
from connector.store.states import OPEN, State, state_in


class Utc(TypeDecorator[datetime]):
    """An aware UTC time. PostgreSQL keeps the zone; SQLite gets fixed-width text that sorts as time does."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """``timestamptz`` on PostgreSQL, text of fixed width on SQLite."""
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: it would be a different moment on every machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the store takes aware times only")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002  # SQLAlchemy hands it over by name
    ) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A growing row number; SQLite only numbers rows by itself when the column is called INTEGER."""

metadata = MetaData()

system = Table(
    "system",
    metadata,
    Column("system", String, primary_key=True),
    Column("baseline", Utc),
    Column("paused_until", Utc),
    Column("pause_reason", Text),
)

cursor = Table(
    "cursor",
    metadata,
    Column("system", String, primary_key=True),
    Column("feed", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    # Empty when there is nothing to look at. The row stays, so that ``version`` never starts over: a look that was
    # taken out before could otherwise wipe one that came in since.
    Column("due_at", Utc),
    Column("reason", Text, nullable=False),
    Column("modified_at", Utc),
    Column("version", BigInteger, nullable=False),
)
Index("inbox_due", inbox.c.system, inbox.c.due_at)

handoff = Table(
    "handoff",
    metadata,
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("won_at", Utc),
    Column("left_won_at", Utc),
    Column("released_at", Utc),
    Column("gate", String),
    Column("csm_id", String),
    Column("assigned_at", Utc),
    Column("stage_before_win", String),
    Column("adopted", Boolean, nullable=False),
    Column("done_signals", Text, nullable=False),
    Column("last_win_at", Utc),
    Column("put_back_at", Utc),
    # The stage the CRM would not have the deal put back to, and its words.
    Column("put_back_refused", Text),
    Column("bounces", Text),
    # The version of the playbook it began with.
    Column("playbook", String),
    Column("marks", Text),
    # Where a person moved it to another one: the version before, and generation:version of what they chose.
    Column("moved_from", String),
    Column("moved_to", String),
    # Set while the deal waits for a CSM: since when, and for which pool.
    Column("waiting_since", Utc),
    Column("waiting_pool", String),
    Column("second_id", String),
    Column("amount", Double),
    # The answers as the CSM knows them.
    Column("briefed", Text),
    # For whom the deal holds a place before its close.
    Column("early_id", String),
    Column("early_until", Utc),
    # Set while the deal is an exception; since when it is, or last was, one.
    Column("exempt", String),
    Column("exempt_at", Utc),
    Column("account_id", String),
    Column("last_write_at", Utc),
    # The latest decision, for people to read.
    Column("phase", String),
    Column("mode", String),
    # Why it was only observed, where it was.
    Column("footing", String),
    Column("verdict", String),
    Column("segment", String, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("looked_because", Text, nullable=False),
    Column("plan", Text),
    Column("digest", String, nullable=False),
    Column("decided_at", Utc),
    Column("created_at", Utc, nullable=False),
)
Index("handoff_decided", handoff.c.system, handoff.c.decided_at)
Index("handoff_account", handoff.c.system, handoff.c.account_id)
Index("handoff_standing", handoff.c.system, handoff.c.phase, handoff.c.gate)
_WAITING = text("waiting_since IS NOT NULL")
Index(
    "handoff_waiting",
    handoff.c.system,
    handoff.c.waiting_since,
    sqlite_where=_WAITING,
    postgresql_where=_WAITING,
)
_EXEMPT = text("exempt_at IS NOT NULL")
Index(
    "handoff_exempt",
    handoff.c.system,
    handoff.c.exempt_at,
    sqlite_where=_EXEMPT,
    postgresql_where=_EXEMPT,
)
_HELD_EARLY = text("early_id IS NOT NULL")
Index(
    "handoff_early",
    handoff.c.system,
    handoff.c.early_id,
    sqlite_where=_HELD_EARLY,
    postgresql_where=_HELD_EARLY,
)

effect = Table(
    "effect",
    metadata,
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("step", String, primary_key=True),
    Column("record_id", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("at", Utc, nullable=False),
)

Index("effect_record", effect.c.system, effect.c.record_id)

KEPT = "kept "
"""Before a field's name: not what was written, but what the CRM made of it (its JSON names both)."""

written = Table(
    "written",
    metadata,
    Column("system", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("record_id", String, primary_key=True),
    Column("field", String, primary_key=True),
    Column("value", Text, nullable=False),
)

roster = Table(
    "roster",
    metadata,
    Column("system", String, primary_key=True),
    Column("person_id", String, primary_key=True),
    Column("accounts", Integer, nullable=False),
    Column("turn", BigInteger, nullable=False),
    # The sum of the amounts of the deals handed to them; empty until the first that is known.
    Column("revenue", Double),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("system", String, nullable=False),
    Column("deal_id", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("step", String, nullable=False),
    Column("key", String, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("operation", String, nullable=False),
    # What the row is about at the receiver: a record id or the key. Two rows of one batch must not share it.
    Column("target", String, nullable=False),
    Column("action", Text, nullable=False),
    Column("digest", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("available_at", Utc, nullable=False),
    Column("lease_owner", String),
    Column("lease_until", Utc),
    # The receiver's job the row travels in; such a row has no lease, the job says what became of it.
    Column("job_id", String),
    Column("claimed_at", Utc),
    Column("record_id", String),
    Column("modified_at", Utc),
    Column("fault_code", String),
    Column("vendor_code", Text),
    Column("message", Text),
    Column("created_at", Utc, nullable=False),
    Column("settled_at", Utc),
    CheckConstraint(state_in(tuple(State)), name="outbox_state_known"),
    sqlite_autoincrement=True,
)
_OPEN = text(state_in(OPEN))
_IN_JOB = text("job_id IS NOT NULL")
_PENDING = text(state_in((State.PENDING,)))
Index("outbox_claim", outbox.c.system, outbox.c.rank, outbox.c.id, sqlite_where=_PENDING, postgresql_where=_PENDING)
Index(
    "outbox_open",
    outbox.c.system,
    outbox.c.deal_id,
    outbox.c.step,
    unique=True,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)
Index("outbox_wait", outbox.c.system, outbox.c.deal_id, outbox.c.rank, sqlite_where=_OPEN, postgresql_where=_OPEN)
Index("outbox_state", outbox.c.system, outbox.c.state, outbox.c.settled_at)
Index("outbox_deal", outbox.c.system, outbox.c.deal_id, outbox.c.id)
Index("outbox_job", outbox.c.system, outbox.c.job_id, sqlite_where=_IN_JOB, postgresql_where=_IN_JOB)

job = Table(
    "job",
    metadata,
    Column("system", String, primary_key=True),
    # The receiver's own id.
    Column("job_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("rows", Integer, nullable=False),
    # Whether it is known to have been closed with all its rows in it.
    Column("loaded", Boolean, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("due_at", Utc, nullable=False),
    # The process that loads it; empty once nobody has to.
    Column("owner", String, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("at", Utc, nullable=False),
    Column("system", String, nullable=False),
    Column("deal_id", String),
    Column("generation", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("data", Text, nullable=False),
    # The row's place in its system's chain; empty until it has one (rows of code that knew no chain).
    Column("seq", BigInteger),
    # The person who did it; empty for the program itself.
    Column("who", String),
    Column("salt", String),
    # The digest of what the row said, once that is erased; before, it is made from salt, reason and data.
    Column("digest", String),
    Column("hash", String),
    # The number of the row that tells why this one says nothing any more.
    Column("erased", BigInteger),
    sqlite_autoincrement=True,
)
Index("audit_deal", audit.c.system, audit.c.deal_id, audit.c.id)
Index("audit_kind", audit.c.kind, audit.c.id)
_CHAINED, _UNCHAINED = text("hash IS NOT NULL"), text("hash IS NULL")
Index("audit_chain", audit.c.system, audit.c.seq, unique=True, sqlite_where=_CHAINED, postgresql_where=_CHAINED)
Index("audit_unchained", audit.c.id, sqlite_where=_UNCHAINED, postgresql_where=_UNCHAINED)

chain = Table(
    "chain",
    metadata,
    # Where each system's chain of audit rows ends, kept apart from the rows: a chain that was cut shows by it.
    Column("system", String, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String, nullable=False),
    Column("at", Utc),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("until", Utc, nullable=False),
    Column("epoch", BigInteger, nullable=False),
)

replica = Table(
    "replica",
    metadata,
    # A process's name; kept after its end for as long as rows it had claimed may still say so.
    Column("owner", String, primary_key=True),
    Column("version", String, nullable=False),
    Column("since", Utc, nullable=False),
    # Alive until then, unless it says so again.
    Column("until", Utc, nullable=False),
)

quota = Table(
    "quota",
    metadata,
    Column("system", String, primary_key=True),
    Column("budget", String, primary_key=True),
    # Calls a second; lower than the vendor's while it refuses some.
    Column("rate", Double, nullable=False),
    # Seconds since 1970, by the database's clock: when all that was taken will have been given back.
    Column("full_at", Double, nullable=False),
    Column("closed_until", Double, nullable=False),
    Column("lowered_at", Double, nullable=False),
)

hold = Table(
    "hold",
    metadata,
    Column("system", String, primary_key=True),
    # "deal": a deal whose changes a person must see first. "waits": a deal that a paused rule has something for.
    # "pause": the system (no name) or a rule of it stands still because a person said so.
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("at", Utc, nullable=False),
    Column("until", Utc),
    Column("who", String, nullable=False),
    Column("why", Text, nullable=False),
    # What would be written, as JSON: for people, and to know the same again.
    Column("what", Text, nullable=False),
    Column("decided_at", Utc),
)
Index("hold_state", hold.c.system, hold.c.kind, hold.c.state, hold.c.at)

gain = Table(
    "gain",
    metadata,
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("sort", String, nullable=False),
    Column("mover", String, nullable=False),
    Column("at", Utc, nullable=False),
)
Index("gain_at", gain.c.system, gain.c.at)

trial = Table(
    "trial",
    metadata,
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("acted", Boolean, nullable=False),
    Column("ae", String, nullable=False),
    Column("won_at", Utc),
    Column("first_at", Utc, nullable=False),
    Column("seen_at", Utc, nullable=False),
    # Required fields, and those that lacked at the first look and at the last.
    Column("asked", Integer, nullable=False),
    Column("gaps_first", Integer, nullable=False),
    Column("gaps_last", Integer, nullable=False),
    Column("gaps", Text, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("filled_at", Utc),
    # Whether a CSM stood there already; whom the rules chose first, by which rule; who stands there, since when.
    Column("had_csm", Boolean, nullable=False),
    Column("would", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("csm", String, nullable=False),
    Column("csm_at", Utc),
    Column("tasks", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("touched_at", Utc),
    Column("percent_first", Integer, nullable=False),
    Column("percent_last", Integer, nullable=False),
    Column("rating", Integer),
    Column("feedback", Text, nullable=False),
)

answer = Table(
    "answer",
    metadata,
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("field", String, primary_key=True),
    # A digest of what stands there, and since when: by it a copy on another deal is known.
    Column("print", String, nullable=False),
    Column("owner_id", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("at", Utc, nullable=False),
)
Index("answer_print", answer.c.system, answer.c.print)
Index("answer_at", answer.c.system, answer.c.at)

policy = Table(
    "policy",
    metadata,
    Column("digest", String, primary_key=True),
    # The mapping files by name, as JSON.
    Column("files", Text, nullable=False),
    Column("at", Utc, nullable=False),
)

playbook = Table(
    "playbook",
    metadata,
    Column("version", String, primary_key=True),
    Column("content", Text, nullable=False),
    Column("at", Utc, nullable=False),
)

product_event = Table(
    "product_event",
    metadata,
    # In the order in which they came, for whoever reads them.
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("source", String, nullable=False),
    # The sender's own id of it: what comes again is known by it.
    Column("message_id", String, nullable=False),
    Column("event", String, nullable=False),
    Column("user_id", String),
    Column("group_id", String),
    # When it happened, as the sender says, and when it came.
    Column("at", Utc, nullable=False),
    Column("received_at", Utc, nullable=False),
    # As it came, as JSON.
    Column("properties", Text, nullable=False),
    # Since when it is counted; from then on it does not say any more who it was.
    Column("read_at", Utc),
    # A digest of the name by which it told whose it is; empty for one that named nobody.
    Column("subject", String),
    sqlite_autoincrement=True,
)
_UNREAD = text("read_at IS NULL")
Index("product_event_unread", product_event.c.id, sqlite_where=_UNREAD, postgresql_where=_UNREAD)
Index("product_event_message", product_event.c.source, product_event.c.message_id, unique=True)
Index("product_event_at", product_event.c.at)

tally = Table(
    "tally",
    metadata,
    # A digest of the name by which events are told, and the way in which they told it.
    Column("subject", String, primary_key=True),
    # A measure's name; an event's own name stands after "event ".
    Column("measure", String, primary_key=True),
    Column("sort", String, primary_key=True),
    # A property's value, or a digest of a session; empty for all events together.
    Column("part", String, primary_key=True),
    # The day, UTC, as 2026-11-22.
    Column("day", String, primary_key=True),
    Column("way", String, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
)
Index("tally_last", tally.c.last_at)

known_as = Table(
    "known_as",
    metadata,
    # The names, as digests, to which the account of a deal answers in the product.
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("account_id", String, nullable=False),
)
Index("known_as_subject", known_as.c.subject)

ruling = Table(
    "ruling",
    metadata,
    Column("system", String, primary_key=True),
    # The threshold's name in [governance], and the period it was judged for.
    Column("name", String, primary_key=True),
    Column("period", String, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("breached", Boolean, nullable=False),
    # The deal on which a breach is told, and its handoff's number.
    Column("deal_id", String),
    Column("generation", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
)
Index("ruling_deal", ruling.c.system, ruling.c.deal_id)

letter = Table(
    "letter",
    metadata,
    # Never used twice, so that whoever drops what it read cannot drop what came in since.
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("system", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Utc, nullable=False),
    sqlite_autoincrement=True,
)
Index("letter_waiting", letter.c.system, letter.c.id)

figure = Table(
    "figure",
    metadata,
    # One row per handoff: a deal and its generation. Numbers stand before words: what comes late is slow to sum.
    Column("system", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("generation", Integer, primary_key=True),
    # Whether it is won now, and whether it has a handoff.
    Column("stands", Boolean, nullable=False),
    Column("covered", Boolean, nullable=False),
    # Days by the company's calendar, as 2026-11-22; a week by its Monday, a month as 2026-11.
    Column("won_on", String),
    Column("won_week", String),
    Column("won_month", String),
    Column("won_weekday", Integer),
    Column("won_hour", Integer),
    # Whole numbers, so that their sums are exact on every database.
    *(Column(f"m_{one.key}", BigInteger) for one in PER_HANDOFF),
    Column("activated_on", String),
    Column("activated_week", String),
    # How far the customer has come, as a number that grows.
    Column("funnel", Integer, nullable=False),
    # In hundredths.
    Column("amount", BigInteger),
    Column("won_at", Utc),
    Column("looked_at", Utc, nullable=False),
    Column("ae_id", String, nullable=False),
    Column("csm_id", String, nullable=False),
    Column("segment", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("source", String, nullable=False),
    Column("deal_type", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("ae_name", String, nullable=False),
    Column("csm_name", String, nullable=False),
    Column("title", String, nullable=False),
    Column("account_id", String, nullable=False),
    Column("account_name", String, nullable=False),
    Column("currency", String, nullable=False),
    # Signals and red flags that stand now, and what the handoff lacked, as JSON lists.
    Column("stuck", String, nullable=False),
    Column("lacks", String, nullable=False),
    Column("reason", Text, nullable=False),
    # What the values are made of, as JSON.
    Column("facts", Text, nullable=False),
    # The next day on which a promise of the sale is due that nobody kept yet, as 2026-11-22.
    Column("promise_due", String),
)
# In the order of weeks, which is how sums are shown.
Index("figure_won", figure.c.won_week, figure.c.won_on, figure.c.system)
# In the order of lists.
Index("figure_latest", figure.c.won_at.desc(), figure.c.system, figure.c.deal_id, figure.c.generation)
# How far the customers of those that have a handoff have come, and who has none.
Index("figure_funnel", *(figure.c[each] for each in ("covered", "stands", "funnel", "won_week", "won_on")))
# What filters choose from is read from these alone; they change with a handoff's first row and hardly ever after.
for _name, _columns in (
    ("figure_ae", ("ae_id", "ae_name", "system")),
    # With what activations per CSM and week are made of.
    ("figure_csm", ("csm_id", "activated_week", "won_week", "won_on", "stands", "csm_name", "system")),
    ("figure_segment", ("segment", "system")),
    ("figure_tier", ("tier", "system")),
    ("figure_source", ("source", "system")),
):
    Index(_name, *(figure.c[each] for each in _columns))
_STUCK, _PROMISED = text("stuck <> '[]'"), text("promise_due IS NOT NULL")
Index("figure_stuck", figure.c.won_at, sqlite_where=_STUCK, postgresql_where=_STUCK)
Index("figure_promised", figure.c.promise_due, sqlite_where=_PROMISED, postgresql_where=_PROMISED)
