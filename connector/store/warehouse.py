"""One query to a database of the company's own, read further each time: a row is an event.

Not here: when it is asked (``engine.warehouse``) and what the events count for (``tallies``). It reads only: in a
transaction that may not write where the database knows such, and that is rolled back in any case. The login should be
one that may only read; this cannot see to that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, column, create_engine, make_url, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from connector.plain import scrubbed
from connector.store.productevents import ProductEvent

PAGE = 5_000
"""Rows asked for at a time."""

MOST_PAGES = 50
"""Pages of one reading; the next goes on where it ended."""

MOST_TIED = 200_000
"""Rows with one and the same cursor that are read as one page; beyond that the column is none to go on by."""

LONGEST = 255
MOST_PROPERTIES = 16_000
"""Characters of a row's properties: what is longer is no event's."""

_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
"""How a connection is told that it may not write, where no option of the driver's does."""


class QueryFailed(Exception):
    """The database would not answer, or what it answers are no events; the message says which, without its address."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query. ``columns`` say what a row tells: ``event``, ``at``, ``cursor``, and if it does ``user_id``,
    ``group_id``, ``id``; ``event`` may instead be one name for all rows. ``properties`` are further columns."""

    name: str
    url: str
    sql: str
    at: str
    cursor: str
    event: str = ""
    event_column: str = ""
    user_id: str = ""
    group_id: str = ""
    id: str = ""
    properties: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is asked for, each once."""
        names = (self.at, self.cursor, self.event_column, self.user_id, self.group_id, self.id, *self.properties)
        return tuple(dict.fromkeys(name for name in names if name))


PATIENCE = {"connect_timeout": 10, "tcp_user_timeout": 60_000}
"""For PostgreSQL, where its address does not say otherwise: seconds for a connection, milliseconds for a line that has
fallen silent. Other drivers have names of their own for these; they belong into the address."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """How many rows were events, how many were not, and where the next reading begins, as text."""

    rows: int
    skipped: int
    place: str | None
    more: bool = False


def fetch(query: Query, place: str | None, post: Callable[[Sequence[str]], None], *, page: int = PAGE) -> Fetched:
    """Read what is new and post it page by page. ``place`` is where the last reading ended.

    Rows at that very place are read again: others may have come to stand beside them. Posting knows them. Raises
    `QueryFailed`, and what ``post`` raises; the place is then that of the last page that was posted.
    """
    engine = _engine(query.url)
    rows = skipped = 0
    try:
        with engine.connect() as connection:
            _only_read(connection)
            for number in range(1, MOST_PAGES + 1):
                found, is_full = _page(connection, query, place, size=page)
                letters = [letter for row in found if (letter := _letter(query, row))]
                post(letters)
                rows, skipped = rows + len(letters), skipped + len(found) - len(letters)
                if found:
                    place = _written(found[-1][query.cursor])
                if not is_full:
                    return Fetched(rows, skipped, place)
                if number == MOST_PAGES:
                    break
            return Fetched(rows, skipped, place, more=True)
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()
        raise QueryFailed(said[0][:LONGEST] if said else type(error).__name__) from error
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        options: dict[str, Any] = {"poolclass": NullPool}
        if parsed.get_backend_name() == "postgresql":
            options["execution_options"] = {"postgresql_readonly": True}
            parsed = parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed
            if parsed.get_driver_name() in ("psycopg", "psycopg2"):
                options["connect_args"] = {name: value for name, value in PATIENCE.items() if name not in parsed.query}
        return create_engine(parsed, **options)
    except (SQLAlchemyError, ValueError, ModuleNotFoundError) as error:
        raise QueryFailed(f"its address cannot be used: {type(error).__name__}; is the driver installed?") from error


def _only_read(connection: Connection) -> None:
    statement = _READ_ONLY.get(connection.dialect.name)
    if statement:
        connection.exec_driver_sql(statement)


def _page(
    connection: Connection, query: Query, place: str | None, *, size: int
) -> tuple[list[Mapping[str, Any]], bool]:
    """The rows from a place on, and whether there may be more. Where a whole page stands at one place, a longer one."""
    sql = query.sql.strip().rstrip(";").replace(":", r"\:")
    inner = text(sql).columns(*(column(name) for name in query.columns)).subquery("events")
    by = inner.c[query.cursor]
    wanted = select(*(inner.c[name] for name in query.columns)).order_by(by)
    wanted = wanted.where(by.is_not(None) if place is None else by >= _told(place))
    while True:
        found: list[Mapping[str, Any]] = [dict(row._mapping) for row in connection.execute(wanted.limit(size))]
        is_full = len(found) == size
        if not is_full or place is None or _written(found[-1][query.cursor]) != place:
            return found, is_full
        size *= 2
        if size > MOST_TIED:
            raise QueryFailed(f"more than {MOST_TIED} rows share one value of {query.cursor!r}; name another column")


def _letter(query: Query, row: Mapping[str, Any]) -> str | None:
    at = _moment(row[query.at])
    event = query.event or _text(row.get(query.event_column))
    if at is None or not event:
        return None
    properties = json.dumps({name: _plain(row[name]) for name in query.properties if row[name] is not None})
    if len(properties) > MOST_PROPERTIES:
        return None
    return ProductEvent(
        message_id=_text(row.get(query.id)) or _digest(row),
        event=event,
        at=at.isoformat(),
        user_id=_text(row.get(query.user_id)) or None,
        group_id=_text(row.get(query.group_id)) or None,
        properties=properties,
    ).letter()


def _digest(row: Mapping[str, Any]) -> str:
    told = json.dumps({name: _plain(value) for name, value in row.items()}, sort_keys=True)
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return scrubbed(value.isoformat() if isinstance(value, date) else str(value))


def _text(value: Any) -> str:
    text_ = scrubbed(str(_plain(value))).strip() if value is not None else ""
    return text_[:LONGEST] if text_.isprintable() else ""


def _moment(value: Any) -> datetime | None:
    """A time without a zone is taken for UTC: what else it might be, nobody can know."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "str": str,
}


def _written(value: Any) -> str:
    """A place as text that gives the same value again."""
    kinds: Iterator[tuple[str, type]] = iter(
        (("int", int), ("float", float), ("decimal", Decimal), ("datetime", datetime), ("date", date))
    )
    kind = next((name for name, each in kinds if isinstance(value, each)), "str")
    return f"{kind} {value.isoformat() if isinstance(value, date) else value}"


def _told(place: str) -> Any:
    kind, _, value = place.partition(" ")
    return _KINDS[kind](value)
