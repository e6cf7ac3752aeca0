"""Product events counted: read once each, kept as counts per day, and asked for by the names an account answers to.

Not here: what is counted (``handoff.tallying``) and taking events in (``productevents``). Reading is by a mark on each
event, never by how far a number had grown: of two transactions the one with the lower number may be the later one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, tuple_, update

from connector.clock import zoned
from connector.handoff.counted import ProductFacts, Sort, Tally
from connector.handoff.model import SystemName
from connector.handoff.plan import AnswersTo, Phase
from connector.handoff.productbook import ProductPolicy
from connector.handoff.tallying import Counts, Happened, fold, masked
from connector.store.database import Database, Part, chunks
from connector.store.inbox import want_looks
from connector.store.rows import Look
from connector.store.schema import cursor, handoff, known_as, product_event, tally

READ_BATCH = 2000
"""Events that are counted in one transaction."""

GATHER = timedelta(minutes=5)
"""How long a look at a deal waits for more of the same customer's events."""

FOLLOWED = timedelta(days=180)
"""So long after its handoff began an event may still move a deal."""

WAY_LASTS = timedelta(days=30)
"""How long a way of naming accounts counts as in use after an event that was named so."""

SESSIONS_KEPT = timedelta(days=7)
"""Sessions of longer ago stand for no rescue any more, so they are not read."""

NOTE = "product-events"
"""Under this name, beside the feeds' cursors and without a system, stands since when events are counted, when the last
came, and which ways of naming accounts are in use."""


@dataclass(frozen=True, slots=True)
class EventsRead:
    """How many events were counted, how many of them named nobody, and how many deals are to be looked at."""

    events: int = 0
    nameless: int = 0
    deals: int = 0


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Events that were counted for no account: as they came, how often, and why."""

    source: str
    way: str
    name: str
    events: tuple[str, ...]
    count: int
    last: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The account of one deal: the names it answers to, and the ways it has one in."""

    account_id: str
    subjects: frozenset[str]
    ways: frozenset[str]


@dataclass(slots=True)
class _Note:
    since: datetime
    heard: datetime
    ways: dict[str, datetime] = field(default_factory=dict)


class Tallies(Part):
    """Counts of product events."""

    def read_events(self, policy: ProductPolicy, *, limit: int = READ_BATCH) -> EventsRead:
        """Count the events that nobody counted yet, one batch, and ask for a look at deals for which one matters."""
        unread = product_event.c.read_at.is_(None)
        with self._db.read() as connection:  # mostly there are none, and who only looks keeps nobody waiting
            if connection.execute(select(product_event.c.id).where(unread).limit(1)).first() is None:
                return EventsRead()
        now = self._db.now()
        query = select(product_event).where(unread).order_by(product_event.c.id)
        with self._db.write() as connection:
            rows = connection.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
            if not rows:
                return EventsRead()
            events = [Happened(row.event, row.at, row.user_id, row.group_id, _read(row.properties)) for row in rows]
            counts = fold(policy, events)
            telling = _telling(connection, policy, counts)
            self._add(connection, counts)
            for row, event, named in zip(rows, events, counts.names, strict=True):
                user, kept = masked(policy, event)
                values = {
                    "read_at": now,
                    "user_id": user,
                    "properties": json.dumps(kept, separators=(",", ":")),
                    "subject": named.subject if named else None,
                }
                connection.execute(update(product_event).where(product_event.c.id == row.id).values(values))
            _put_note(self._db, connection, counts, now)
            deals = self._wake(connection, telling, now)
        nameless = sum(named is None for named in counts.names)
        return EventsRead(len(rows), nameless, deals)

    def product_facts(
        self, system: SystemName, asked: Mapping[str, Asked], measures: Sequence[str]
    ) -> Mapping[str, ProductFacts]:
        """What was counted of the accounts of these deals."""
        now = self._db.now()
        subjects = sorted({one for each in asked.values() for one in each.subjects})
        rows: dict[str, list[Tally]] = {}
        claimed: dict[str, set[str]] = {}
        with self._db.read() as connection:
            note = _note(connection)
            for part in chunks(subjects):
                query = select(tally).where(tally.c.subject.in_(part), tally.c.measure.in_(measures))
                for row in connection.execute(query):
                    if row.sort != Sort.SESSION or row.last_at > now - SESSIONS_KEPT:
                        rows.setdefault(row.subject, []).append(_tally(row))
                named = select(known_as.c.subject, known_as.c.account_id).distinct()
                for row in connection.execute(named.where(known_as.c.system == system, known_as.c.subject.in_(part))):
                    claimed.setdefault(row.subject, set()).add(row.account_id)
        for each in asked.values():  # those that are about to be remembered
            for subject in each.subjects:
                claimed.setdefault(subject, set()).add(each.account_id)
        in_use = {way for way, at in note.ways.items() if at > now - WAY_LASTS} if note else set()
        return {deal_id: _facts(each, rows, claimed, note, in_use=in_use) for deal_id, each in asked.items()}

    def unmatched_events(self, system: SystemName, policy: ProductPolicy) -> tuple[Unmatched, ...]:
        """Events that count for no account of a system, the most frequent first; as far back as events are kept."""
        ways = {
            way.kind: f"{way.take} as {way.by.value}{' ' + way.field if way.field else ''}" for way in policy.identities
        }
        told: dict[tuple[str, str, str, str], list[Any]] = {}
        with self._db.read() as connection:
            owners: dict[str, set[str]] = {}
            for row in connection.execute(
                select(known_as.c.subject, known_as.c.account_id).where(known_as.c.system == system).distinct()
            ):
                owners.setdefault(row.subject, set()).add(row.account_id)
            columns = [
                product_event.c[name] for name in ("source", "event", "user_id", "group_id", "properties", "subject")
            ]
            query = select(*columns, func.count().label("times"), func.max(product_event.c.at).label("last"))
            for one in connection.execute(query.where(product_event.c.read_at.is_not(None)).group_by(*columns)):
                accounts = owners.get(one.subject or "", set())
                if len(accounts) == 1:
                    continue
                way, name = _shown(policy, one)
                key = (one.source, ways.get(way, ""), name, _why(one.subject, len(accounts)))
                told.setdefault(key, []).append(one)
        found = [
            Unmatched(
                source,
                way,
                name,
                tuple(sorted({row.event for row in rows})),
                sum(row.times for row in rows),
                max(row.last for row in rows),
                why,
            )
            for (source, way, name, why), rows in told.items()
        ]
        return tuple(sorted(found, key=lambda one: (-one.count, one.source, one.name)))

    def actions_of(self, subjects: frozenset[str], *, since: datetime, until: datetime) -> Mapping[str, int]:
        """How often each event and measure was counted between two days; what is counted by values, each value once."""
        found: dict[str, int] = {}
        values: dict[str, set[str]] = {}
        wanted = (tally.c.day >= since.date().isoformat(), tally.c.day < until.date().isoformat())
        with self._db.read() as connection:
            for part in chunks(sorted(subjects)):
                for row in connection.execute(select(tally).where(tally.c.subject.in_(part), *wanted)):
                    if row.sort == Sort.EVENTS:
                        found[row.measure] = found.get(row.measure, 0) + _count(row)
                    elif row.sort == Sort.VALUE:
                        values.setdefault(row.measure, set()).add(row.part)
        return found | {measure: len(parts) for measure, parts in values.items()}

    def handoffs_of_accounts(self, system: SystemName) -> Mapping[str, datetime]:
        """The first deal of each account that had a handoff, and when that began."""
        query = (
            select(handoff.c.deal_id, handoff.c.account_id, handoff.c.won_at, handoff.c.released_at)
            .where(handoff.c.system == system, handoff.c.account_id.is_not(None), handoff.c.released_at.is_not(None))
            .order_by(handoff.c.released_at, handoff.c.deal_id)
        )
        found: dict[str, tuple[str, datetime]] = {}
        with self._db.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.account_id, (row.deal_id, row.won_at or row.released_at))
        return dict(found.values())

    def counted_since(self) -> datetime | None:
        """Since when events are counted; None where none ever came."""
        with self._db.read() as connection:
            note = _note(connection)
        return note.since if note else None

    def _add(self, connection: Connection, counts: Counts) -> None:
        rows = [
            {
                "subject": subject,
                "measure": one.measure,
                "sort": one.sort.value,
                "part": one.part,
                "day": one.day.isoformat(),
                "way": counts.ways[subject],
                "count": one.count,
                "first_at": one.first,
                "last_at": one.last,
            }
            for subject, tallies in counts.tallies.items()
            for one in tallies
        ]
        if not rows:
            return
        rows.sort(key=lambda row: tuple(str(row[name]) for name in ("subject", "measure", "sort", "part", "day")))
        statement = self._db.insert(tally)
        new = statement.excluded
        earlier, later = (func.min, func.max) if self._db.is_sqlite else (func.least, func.greatest)
        changed = {
            "count": tally.c.count + new.count,
            "first_at": earlier(tally.c.first_at, new.first_at),
            "last_at": later(tally.c.last_at, new.last_at),
        }
        keys = ["subject", "measure", "sort", "part", "day"]
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)

    def _wake(self, connection: Connection, subjects: set[str], now: datetime) -> int:
        """Ask for a look at the deals in handoff whose accounts answer to these names."""
        woken: dict[SystemName, set[str]] = {}
        for part in chunks(sorted(subjects)):
            query = (
                select(known_as.c.system, known_as.c.deal_id)
                .join(handoff, (handoff.c.system == known_as.c.system) & (handoff.c.deal_id == known_as.c.deal_id))
                .where(known_as.c.subject.in_(part), handoff.c.phase == Phase.IN_FLIGHT.value)
                .where(handoff.c.released_at > now - FOLLOWED)
            )
            for row in connection.execute(query):
                woken.setdefault(SystemName(row.system), set()).add(row.deal_id)
        for system in sorted(woken):
            due = now + GATHER
            looks = [Look(deal_id=each, due_at=due, reason="the customer was active") for each in sorted(woken[system])]
            want_looks(self._db, connection, system, looks)
        return sum(len(each) for each in woken.values())


def write_names(db: Database, connection: Connection, system: SystemName, decided: Mapping[str, AnswersTo]) -> None:
    """Remember to which names the accounts of these deals answer now."""
    before: dict[tuple[str, str], str] = {}
    for part in chunks(sorted(decided)):
        query = select(known_as).where(known_as.c.system == system, known_as.c.deal_id.in_(part))
        before |= {(row.deal_id, row.subject): row.account_id for row in connection.execute(query)}
    there = {(deal_id, one): each.account_id for deal_id, each in decided.items() for one in each.subjects}
    for keys in chunks(sorted(before.keys() - there.keys())):
        pairs = tuple_(known_as.c.deal_id, known_as.c.subject)
        connection.execute(delete(known_as).where(known_as.c.system == system, pairs.in_(keys)))
    new = [
        {"system": system, "deal_id": deal_id, "subject": subject, "account_id": account}
        for (deal_id, subject), account in sorted(there.items())
        if before.get((deal_id, subject)) != account
    ]
    if new:
        statement = db.insert(known_as)
        changed = {"account_id": statement.excluded.account_id}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["system", "deal_id", "subject"], set_=changed), new
        )


def _telling(connection: Connection, policy: ProductPolicy, counts: Counts) -> set[str]:
    """The subjects of whom an event could change what is decided: the first of a day or a value, and any that is still
    asked for. Ten thousand more of what nobody asks for make no look."""
    wanted = policy.most_wanted()
    declared = {measure.name for measure in policy.measures}
    told = {subject: [one for one in rows if one.measure in declared] for subject, rows in counts.tallies.items()}
    there: set[tuple[str, str, str, str, str]] = set()
    totals: dict[tuple[str, str, str], int] = {}
    for part in chunks(sorted(subject for subject, rows in told.items() if rows)):
        query = select(tally).where(tally.c.subject.in_(part), tally.c.measure.in_(sorted(declared)))
        for row in connection.execute(query):
            there.add((row.subject, row.measure, row.sort, row.part, row.day))
            group = row.part if row.sort == Sort.SESSION else ""
            key = (row.subject, f"{row.measure} {row.sort}", group)
            totals[key] = totals.get(key, 0) + _count(row)
    found = set()
    for subject, rows in told.items():
        for one in rows:
            is_new = (subject, one.measure, one.sort.value, one.part, one.day.isoformat()) not in there
            group = one.part if one.sort is Sort.SESSION else ""
            before = totals.get((subject, f"{one.measure} {one.sort.value}", group), 0)
            if is_new or before < wanted.get(one.measure, 1):
                found.add(subject)
    return found


def _facts(
    asked: Asked,
    rows: Mapping[str, Sequence[Tally]],
    claimed: Mapping[str, set[str]],
    note: _Note | None,
    *,
    in_use: set[str],
) -> ProductFacts:
    own = {subject for subject in asked.subjects if claimed.get(subject, set()) <= {asked.account_id}}
    tallies: dict[str, list[Tally]] = {}
    for subject in sorted(own):
        for one in rows.get(subject, ()):
            tallies.setdefault(one.measure, []).append(one)
    return ProductFacts(
        since=note.since if note else None,
        heard_at=note.heard if note else None,
        tallies={measure: tuple(found) for measure, found in tallies.items()},
        ambiguous=own != asked.subjects,
        named=bool(asked.subjects),
        unnamed=tuple(sorted(in_use - asked.ways)),
    )


def _count(row: Any) -> int:
    """A tally's count: a row has a method of that name."""
    found: int = row._mapping["count"]
    return found


def _tally(row: Any) -> Tally:
    return Tally(
        row.measure, Sort(row.sort), row.part, date.fromisoformat(row.day), _count(row), row.first_at, row.last_at
    )


def _read(properties: str) -> dict[str, Any]:
    try:
        told = json.loads(properties)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _shown(policy: ProductPolicy, row: Any) -> tuple[str, str]:
    """The way by which an event that was counted named its account, and the name as far as it is still kept."""
    kept = _read(row.properties)
    for way in policy.identities:
        told = {"user_id": row.user_id, "group_id": row.group_id}.get(way.take, kept.get(way.take.partition(".")[2]))
        if told:
            return way.kind, str(told)
    return "", ""


def _why(subject: str | None, accounts: int) -> str:
    if subject is None:
        return "it names no account: none of the ways of product.toml finds a name in it"
    if accounts:
        return f"{accounts} accounts answer to this name, so it is counted for none of them"
    return "no account of a deal in handoff answers to this name"


def _note(connection: Connection) -> _Note | None:
    query = select(cursor.c.value).where(cursor.c.system == "", cursor.c.feed == NOTE)
    value = connection.execute(query).scalar_one_or_none()
    if not value:
        return None
    told = json.loads(value)
    return _Note(zoned(told["since"]), zoned(told["heard"]), {way: zoned(at) for way, at in told["ways"].items()})


def _put_note(db: Database, connection: Connection, counts: Counts, now: datetime) -> None:
    note = _note(connection) or _Note(now, now)
    note.heard = max(note.heard, now)
    note.ways |= dict.fromkeys(counts.ways.values(), now)
    ways = {way: at.isoformat() for way, at in sorted(note.ways.items())}
    value = json.dumps({"since": note.since.isoformat(), "heard": note.heard.isoformat(), "ways": ways})
    statement = db.insert(cursor)
    row = {"system": "", "feed": NOTE, "value": value, "updated_at": now}
    changed = {"value": statement.excluded.value, "updated_at": statement.excluded.updated_at}
    connection.execute(statement.on_conflict_do_update(index_elements=["system", "feed"], set_=changed), row)
