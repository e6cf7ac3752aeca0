"""SOQL by construction: statements made of checked names and typed values, lists that fit in a URL, and the URL itself.

Not here: which fields and objects are asked for (``fields``, ``reads``), and sending (``session``). Nothing but this
module makes a `Soql` or a `Where`, and the session takes nothing else, so no text from anywhere reaches a statement but
as a quoted value (``tests/architecture/test_statements.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, NewType
from urllib.parse import quote_plus

from connector.crm.batch import chunks_by_cost
from connector.plain import storable

URI_LIMIT = 16_384
"""Bytes of a whole request address; beyond it the answer is 414 (facts: Salesforce §1.1)."""

ADDRESS_ROOM = 384
"""Bytes kept for scheme, host and ``/services/data/vXX.X/``."""

SOQL_LIMIT = 100_000
"""Characters of one statement (facts: Salesforce §1.1)."""

PAGE = 2000
"""Rows of one answer (facts: Salesforce §1.1)."""

UNQUOTED = "',():=!*"
"""Legal in a query string as they are; encoding them would halve the ids that fit."""

ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


NAME = re.compile(r"[A-Za-z]\w{0,79}(\.[A-Za-z]\w{0,79}){0,5}", re.ASCII)
"""A field, an object, or a path over up to five relationships (facts: Salesforce §1.1)."""

COLUMN = re.compile(rf"{NAME.pattern}|COUNT\(Id\) [A-Za-z]\w*", re.ASCII)
ORDER = re.compile(rf"{NAME.pattern} (ASC|DESC)", re.ASCII)

Soql = NewType("Soql", str)
"""A whole statement."""

Where = NewType("Where", str)
"""A condition, complete in itself."""

Value = str | bool | datetime | date | None
Sign = Literal["=", "!=", ">", ">=", "<", "<=", "LIKE"]


@dataclass(frozen=True, slots=True)
class Open:
    """A statement but for the list of values its last condition asks for."""

    _head: str

    def of(self, values: Sequence[str]) -> Iterator[Soql]:
        """The statements, each short enough for a URL, that together ask for all these values; none for none."""
        for part in in_lists(values, around=self._head):
            yield Soql(self._head + part)


def is_name(text: str) -> bool:
    """Whether a text can name a field or an object."""
    return NAME.fullmatch(text) is not None


def name(text: str) -> str:
    """The text, if it can name a field or an object. Raises ValueError."""
    return _fitting(text, NAME)


def where(field: str, sign: Sign, value: Value) -> Where:
    """One test. Raises ValueError for what is no field."""
    return Where(f"{name(field)} {sign} {_written(value)}")


def among(field: str, values: Sequence[str]) -> Where:
    """A test for any of a few values; many are asked for with `select_in`."""
    return Where(f"{name(field)} IN ({', '.join(literal(each) for each in values)})")


def both(*tests: Where) -> Where:
    """All of them."""
    return Where(" AND ".join(tests))


def either(*tests: Where) -> Where:
    """Any of them. AND and OR side by side are an error, so what is joined by AND is put in brackets."""
    return Where(f"({' OR '.join(f'({each})' if ' AND ' in each else each for each in tests)})")


def query_path(soql: Soql, *, all_rows: bool = False) -> str:
    """The path of a query below the data root, encoded; ``all_rows`` shows archived and deleted rows too."""
    return ("queryAll/?q=" if all_rows else "query/?q=") + encoded(soql)


def tooling_path(soql: Soql) -> str:
    """The same for the API that tells of an org's set-up."""
    return f"tooling/query/?q={encoded(soql)}"


def encoded(text: str) -> str:
    """Text as it stands in the address."""
    return quote_plus(text, safe=UNQUOTED)


def literal(text: str) -> str:
    """A string in quotes; what no CRM can hold and no address can carry finds nothing."""
    return f"'{storable(text).translate(ESCAPES)}'"


def moment(value: datetime) -> str:
    """A datetime as SOQL writes it: UTC, whole seconds, no quotes."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(value: date) -> str:
    """A date as SOQL writes it."""
    return value.isoformat()


def columns(names: Iterable[str]) -> str:
    """A field list in order, without doubles: asking for a field twice is an error, in whatever case it is written."""
    kept: dict[str, str] = {}
    for each in names:
        kept.setdefault(each.lower(), _fitting(each, COLUMN))
    return ", ".join(kept.values())


def select(
    fields: Iterable[str],
    *,
    of: str,
    where: Where | None = None,
    group: str = "",
    order: Sequence[str] = (),
    limit: int | None = None,
) -> Soql:
    """A statement; ``order`` as ``Id ASC``. Raises ValueError for what is no name."""
    parts = ["SELECT", columns(fields), "FROM", name(of)]
    parts += [f"WHERE {where}"] if where else []
    parts += [f"GROUP BY {name(group)}"] if group else []
    parts += [f"ORDER BY {', '.join(_fitting(each, ORDER) for each in order)}"] if order else []
    parts += [f"LIMIT {limit:d}"] if limit else []
    return Soql(" ".join(parts))


def select_in(fields: Iterable[str], *, of: str, field: str, where: Where | None = None) -> Open:
    """A statement about the records whose ``field`` has one of the values that `Open.of` takes."""
    head = select(fields, of=of, where=where)
    return Open(f"{head} {'AND' if where else 'WHERE'} {name(field)} IN ")


def in_lists(values: Sequence[str], *, around: str) -> Iterator[str]:
    """Parenthesised lists of quoted values, each short enough that the statement ``around`` it fits in a URL."""
    room = URI_LIMIT - ADDRESS_ROOM - len("queryAll/?q=") - len(encoded(around))
    for part in chunks_by_cost(values, budget=room, cost=lambda value: len(encoded(literal(value))) + 1):
        yield "(" + ",".join(literal(value) for value in part) + ")"


def _fitting(text: str, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no name that a query may hold")
    return text


def _written(value: Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "TRUE" if value else "FALSE"
        case datetime():
            return moment(value)
        case date():
            return day(value)
        case str():
            return literal(value)


ALIVE = where("IsDeleted", "=", value=False)
"""For statements sent to ``queryAll``, which alone shows archived tasks and events but shows the recycle bin as well
(facts: Salesforce §1.1)."""
