"""All that is stored of one account, contact or deal: finding it, and forgetting it so that nothing is found.

Not here: which columns can tell of somebody (``personal``), what is merely old (``retention``), and copies outside this
database. What an account's handoffs need in order that nothing is done twice stays: ids of deals and of what was made
for them, which name nobody once the CRM has forgotten them.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, delete, false, func, or_, select, tuple_, update
from sqlalchemy import String as AnyText

from connector.handoff.identity import digest
from connector.handoff.model import Kind, SystemName
from connector.store import codec
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part, chunks
from connector.store.heldrows import HoldKind
from connector.store.inbox import want_looks
from connector.store.ledger import IN_FLIGHT
from connector.store.personal import Whose, told_of
from connector.store.rows import LAST_TROUBLE, Look
from connector.store.schema import (
    answer,
    audit,
    cursor,
    effect,
    figure,
    handoff,
    hold,
    inbox,
    known_as,
    letter,
    metadata,
    outbox,
    product_event,
    ruling,
    tally,
    trial,
    written,
)
from connector.store.schema import system as system_table
from connector.store.states import State
from connector.store.trail import erase_payloads

LEAST_CHARS = 5
"""Shorter ids and words are not looked for within texts: they would be found everywhere."""

UNDER_WAY = (State.SENDING, State.UNKNOWN)
"""Writes that somebody must still hear about; they cannot be forgotten before."""

BY_DEAL: Mapping[str, str] = {
    **dict.fromkeys(
        ("handoff", "effect", "outbox", "audit", "inbox", "gain", "answer", "known_as", "figure", "ruling", "trial"),
        "deal_id",
    ),
    "hold": "name",
}
"""Tables whose rows are a deal's, and the column that says which."""


class About(StrEnum):
    """Whom or what is asked for."""

    ACCOUNT = "account"
    CONTACT = "contact"
    DEAL = "deal"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what: its id in the CRM, and further words by which it is known (names, mail addresses)."""

    system: SystemName
    about: About
    id: str
    words: tuple[str, ...] = ()

    def told_in(self, text: str) -> bool:
        """Whether a text names the subject. Names in any case; ids only as a whole."""
        if len(self.id) >= LEAST_CHARS and re.search(rf"(?<![0-9A-Za-z]){re.escape(self.id)}(?![0-9A-Za-z])", text):
            return True
        folded = text.casefold()
        return any(spelled.casefold() in folded for word in self.words for spelled in _spelled(word))


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored: rows by table, each a mapping by column; and the deals that are its own."""

    rows: Mapping[str, tuple[Mapping[str, Any], ...]]
    deals: tuple[str, ...]
    in_flight: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Rows by table."""
        return {table: len(rows) for table, rows in self.rows.items() if rows}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was done: rows by table, the row of the trail that tells of it, and what was found by a second look.

    ``proof`` with the subject's id gives the digest in that row; whoever has both can show whom it was about.
    """

    counts: Mapping[str, int]
    receipt: int
    proof: str
    left: Mapping[str, int] = field(default_factory=dict)


class Subjects(Part):
    """Finding and forgetting."""

    def stored(self, subject: Subject) -> Stored:
        """Everything that is stored of a subject."""
        with self._db.read() as connection:
            deals = _deals(connection, subject)
            phases = select(handoff.c.deal_id).where(
                handoff.c.system == subject.system,
                handoff.c.deal_id.in_(deals),
                handoff.c.phase.in_([phase.value for phase in IN_FLIGHT]),
            )
            in_flight = tuple(connection.execute(phases.order_by(handoff.c.deal_id)).scalars())
            rows = {
                table.name: tuple(dict(row._mapping) for row in _rows(connection, table, subject, deals))
                for table in metadata.sorted_tables
            }
        return Stored({name: found for name, found in rows.items() if found}, deals, in_flight)

    def mentions(self, subject: Subject) -> Mapping[str, int]:
        """The second look: how many rows name the subject, in any column of text of any table, by ``table.column``."""
        found: dict[str, int] = {}
        with self._db.read() as connection:
            for table in metadata.sorted_tables:
                columns = [column for column in table.columns if isinstance(column.type, AnyText)]
                named = _named(columns, subject, is_sqlite=self._db.is_sqlite)
                for row in connection.execute(select(*columns).where(named)):
                    for column in columns:
                        value = row._mapping[column]
                        if value is not None and (value == subject.id or subject.told_in(value)):
                            place = f"{table.name}.{column.name}"
                            found[place] = found.get(place, 0) + 1
        return found

    def compact(self) -> None:
        """Let what was erased leave the file. Raises what the database does where it is too busy for it."""
        self._db.compact()

    def forget(self, subject: Subject, *, by: str) -> Forgotten:
        """Erase all that is stored of an account or contact, in one transaction, and look again.

        Writes under way (``sending``, ``unknown``) stay until it is known what became of them.
        """
        now = self._db.now()
        proof = secrets.token_hex(16)
        stored = self.stored(subject)
        with self._db.write() as connection:
            counts, deals = _erase(connection, subject, stored)
            looks = [Look(deal_id=each, due_at=now, reason="what was waiting for it was forgotten") for each in deals]
            want_looks(self._db, connection, subject.system, looks)
            told = [row["id"] for row in stored.rows.get("audit", ()) if row["erased"] is None]
            counts["audit"] = len(told)
            digest = hashlib.sha256(f"{proof}\n{subject.about}\n{subject.id}".encode()).hexdigest()
            data = {"what": subject.about.value, "subject": digest, "rows": counts}
            reason = f"what was stored of one {subject.about.value} was erased on request"
            entry = Entry(subject.system, None, 0, AuditKind.FORGOTTEN, reason, data, by=by)
            write_audit(connection, now, [entry])
            receipt = connection.execute(
                select(func.max(audit.c.id)).where(
                    audit.c.system == subject.system, audit.c.kind == AuditKind.FORGOTTEN.value
                )
            ).scalar_one()
            erase_payloads(connection, told, because=receipt)
        return Forgotten(counts, receipt, proof, self.mentions(subject))


def _spelled(word: str) -> set[str]:
    """A word as it is, and as it stands within JSON."""
    return {word, json.dumps(word, ensure_ascii=False)[1:-1], json.dumps(word)[1:-1]}


def _deals(connection: Connection, subject: Subject) -> tuple[str, ...]:
    """The deals that are the subject's own."""
    if subject.about is About.DEAL:
        return (subject.id,)
    if subject.about is About.CONTACT:
        return ()
    of_account = select(handoff.c.deal_id).where(handoff.c.system == subject.system, handoff.c.account_id == subject.id)
    written_to = select(outbox.c.deal_id).where(
        outbox.c.system == subject.system, outbox.c.kind == Kind.ACCOUNT.value, outbox.c.target == subject.id
    )
    found = {*connection.execute(of_account).scalars(), *connection.execute(written_to).scalars()}
    return tuple(sorted(found))


def _rows(connection: Connection, table: Table, subject: Subject, deals: Sequence[str]) -> Iterator[Row[Any]]:
    """A table's rows that are of the subject's deals, of its record, or name it."""
    told = told_of(Whose.CUSTOMERS).get(table.name, ())
    columns = [table.c[name] for name in told]
    ours: list[ColumnElement[bool]] = []
    if table.name in BY_DEAL and deals:
        ours.append(table.c[BY_DEAL[table.name]].in_(deals))
    if table is written:
        records = [(Kind.DEAL.value, deal) for deal in deals]
        if subject.about is About.ACCOUNT:
            records.append((Kind.ACCOUNT.value, subject.id))
        if records:
            ours.append(tuple_(written.c.kind, written.c.record_id).in_(records))
    in_system = table.c.system == subject.system if "system" in table.c else None
    known = _names(connection, subject, deals) if table in (tally, product_event) else frozenset[str]()
    by_name = table.c.subject.in_(sorted(known)) if known else false()
    own = and_(in_system, or_(*ours)) if ours and in_system is not None else or_(*ours) if ours else false()
    named = _named(columns, subject, is_sqlite=connection.dialect.name == "sqlite") if columns else false()
    if in_system is not None:
        named = and_(in_system, named)
    for row in connection.execute(select(table).where(or_(own, named, by_name)).order_by(*table.primary_key.columns)):
        if (
            (known and row.subject in known)
            or _is_own(table, row, subject, deals)
            or any(_tells(row._mapping[name], subject) for name in told)
        ):
            yield row


def _names(connection: Connection, subject: Subject, deals: Sequence[str]) -> frozenset[str]:
    """The digests by which the product's counts know the subject: an account's names, or a person's own address."""
    if subject.about is About.DEAL:
        return frozenset()
    found = set()
    for part in chunks(deals):
        query = select(known_as.c.subject).where(known_as.c.system == subject.system, known_as.c.deal_id.in_(part))
        found |= set(connection.execute(query).scalars())
    if subject.about is About.CONTACT:
        ways = connection.execute(select(tally.c.way).distinct()).scalars().all()
        found |= {
            digest(way, " ".join(word.split()).casefold()) for way in ways for word in (*subject.words, subject.id)
        }
    return frozenset(found)


def _is_own(table: Table, row: Row[Any], subject: Subject, deals: Sequence[str]) -> bool:
    if table is written:
        return row.record_id in deals or row.record_id == subject.id
    return table.name in BY_DEAL and row._mapping[BY_DEAL[table.name]] in deals


def _tells(value: str | None, subject: Subject) -> bool:
    return value is not None and (value == subject.id or subject.told_in(value))


def _named(columns: Iterable[Any], subject: Subject, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Rows that may name the subject; more than do, never fewer (`Subject.told_in` judges)."""
    place = func.instr if is_sqlite else func.strpos
    spelled = {form for word in subject.words for form in _spelled(word)}
    fold, folded = (func.folded, str.casefold) if is_sqlite else (func.lower, str.lower)
    forms = sorted({folded(form) for form in spelled})
    wanted: list[ColumnElement[bool]] = []
    for column in columns:
        wanted.append(column == subject.id)
        if len(subject.id) >= LEAST_CHARS:
            wanted.append(place(column, subject.id) > 0)
        wanted += [place(fold(column), form) > 0 for form in forms]
    return or_(*wanted) if wanted else false()


def _erase(connection: Connection, subject: Subject, stored: Stored) -> tuple[dict[str, int], set[str]]:
    """Erase everything but what the trail says, in the order in which everybody takes rows.

    Returns rows by table, and the deals for which something was waiting.
    """
    rows = stored.rows
    counts: dict[str, int] = {}
    counts["outbox"], deals = _drop_writes(connection, [row["id"] for row in rows.get("outbox", ())])
    counts["handoff"] = _blank_handoffs(connection, subject, rows.get("handoff", ()))
    counts["figure"] = _blank_figures(connection, rows.get("figure", ()))
    # That it was done is still known, and only where is not: a task's or note's own id names nobody and stays.
    its_own = and_(effect.c.system == subject.system, effect.c.record_id == subject.id)
    counts["effect"] = connection.execute(update(effect).where(its_own).values(record_id="")).rowcount
    counts["written"] = _remove(connection, written, rows)
    counts["hold"], held = _drop_holds(connection, rows.get("hold", ()))
    counts["inbox"] = _blank_looks(connection, rows.get("inbox", ()))
    counts["ruling"] = _blank_rulings(connection, rows.get("ruling", ()))
    for table in (letter, product_event, answer, tally, known_as, trial):
        counts[table.name] = _remove(connection, table, rows)
    deals |= held
    if any(row["feed"] == LAST_TROUBLE for row in rows.get("cursor", ())):
        troubles = and_(cursor.c.system == subject.system, cursor.c.feed == LAST_TROUBLE)
        counts["cursor"] = connection.execute(update(cursor).where(troubles).values(value="")).rowcount
    if rows.get("system"):
        at = system_table.c.system == subject.system
        counts["system"] = connection.execute(update(system_table).where(at).values(pause_reason="")).rowcount
    return {name: count for name, count in counts.items() if count}, deals


def _drop_writes(connection: Connection, ids: Sequence[int]) -> tuple[int, set[str]]:
    dropped, deals = 0, set[str]()
    for part in chunks(ids):
        rows = connection.execute(
            select(outbox.c.id, outbox.c.deal_id, outbox.c.state)
            .where(outbox.c.id.in_(part), outbox.c.state.not_in(UNDER_WAY))
            .order_by(outbox.c.id)
            .with_for_update()
        ).all()
        deals |= {row.deal_id for row in rows if row.state in (State.PENDING, State.PARKED)}
        dropped += connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows]))).rowcount
    return dropped, deals


def _blank_handoffs(connection: Connection, subject: Subject, rows: Sequence[Mapping[str, Any]]) -> int:
    blank: dict[str, Any] = {"plan": None, "put_back_refused": None, "reason": "", "looked_because": "", "digest": ""}
    for row in rows:
        values = blank | ({"account_id": None} if row["account_id"] == subject.id else {})
        of_deal = and_(handoff.c.system == row["system"], handoff.c.deal_id == row["deal_id"])
        connection.execute(update(handoff).where(of_deal).values(values))
    return len(rows)


def _blank_rulings(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """That a period was judged is still known, or it would be judged again."""
    for row in rows:
        keys = and_(*(ruling.c[name] == row[name] for name in ("system", "name", "period")))
        connection.execute(update(ruling).where(keys).values(subject="", text=""))
    return len(rows)


def _blank_figures(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """What was measured stays, of a handoff that names nobody any more."""
    for row in rows:
        keys = (figure.c.system == row["system"], figure.c.deal_id == row["deal_id"])
        connection.execute(update(figure).where(*keys).values(title="", account_id="", account_name=""))
    return len(rows)


def _blank_looks(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    for row in rows:
        of_deal = and_(inbox.c.system == row["system"], inbox.c.deal_id == row["deal_id"])
        connection.execute(update(inbox).where(of_deal).values(reason=""))
    return len(rows)


def _drop_holds(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> tuple[int, set[str]]:
    """A held deal is decided anew from the CRM; what a person paused stays paused, without their words."""
    for row in rows:
        at = and_(hold.c.system == row["system"], hold.c.kind == row["kind"], hold.c.name == row["name"])
        if row["kind"] == HoldKind.PAUSE:
            connection.execute(update(hold).where(at).values(why="", what="{}"))
        else:
            connection.execute(delete(hold).where(at))
    return len(rows), {row["name"] for row in rows if row["kind"] == HoldKind.DEAL}


def _remove(connection: Connection, table: Table, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    keys = list(table.primary_key.columns)
    removed = 0
    for part in chunks([tuple(row[key.name] for key in keys) for row in rows.get(table.name, ())]):
        removed += connection.execute(delete(table).where(tuple_(*keys).in_(part))).rowcount
    return removed


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A stored row as plain data: times as ISO text, JSON as data."""
    return {name: _plain(name, value) for name, value in row.items()}


def _plain(name: str, value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if name in JSON_COLUMNS and isinstance(value, str) and value:
        try:
            return codec.loads(value)
        except ValueError:
            return value
    return value


JSON_COLUMNS = frozenset(
    {"plan", "action", "data", "value", "what", "properties", "done_signals", "bounces", "marks", "briefed", "facts"}
)
