"""SOQL text: literals that cannot break out of their quotes, lists that fit in a URL, and the URL itself.

Not here: which fields and objects are asked for (``fields``, ``reads``), and sending (``session``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from urllib.parse import quote_plus

from connector.crm.batch import chunks_by_cost

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


ALIVE = "IsDeleted = FALSE"
"""For statements sent to ``queryAll``, which alone shows archived tasks and events but shows the recycle bin as well
(facts: Salesforce §1.1)."""


def query_path(soql: str, *, all_rows: bool = False) -> str:
    """The path of a query below the data root, encoded; ``all_rows`` shows archived and deleted rows too."""
    return ("queryAll/?q=" if all_rows else "query/?q=") + encoded(soql)


def encoded(text: str) -> str:
    """Text as it stands in the address."""
    return quote_plus(text, safe=UNQUOTED)


def literal(text: str) -> str:
    """A string in quotes."""
    return f"'{text.translate(ESCAPES)}'"


def moment(value: datetime) -> str:
    """A datetime as SOQL writes it: UTC, whole seconds, no quotes."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(value: date) -> str:
    """A date as SOQL writes it."""
    return value.isoformat()


def columns(names: Iterable[str]) -> str:
    """A field list in order, without doubles: asking for a field twice is an error, in whatever case it is written."""
    kept: dict[str, str] = {}
    for name in names:
        kept.setdefault(name.lower(), name)
    return ", ".join(kept.values())


def select(
    fields: Iterable[str], *, of: str, where: str = "", group: str = "", order: str = "", limit: int | None = None
) -> str:
    """A statement. ``where`` may end open (``Id IN ``), for a list to follow; names come from the admin's map only."""
    parts = ["SELECT", columns(fields), "FROM", of]
    clauses = (("WHERE", where), ("GROUP BY", group), ("ORDER BY", order), ("LIMIT", str(limit) if limit else ""))
    return " ".join([*parts, *(f"{word} {text}" for word, text in clauses if text)])


def in_lists(values: Sequence[str], *, around: str) -> Iterator[str]:
    """Parenthesised lists of quoted values, each short enough that the statement ``around`` it fits in a URL."""
    room = URI_LIMIT - ADDRESS_ROOM - len(query_path(around))
    for part in chunks_by_cost(values, budget=room, cost=lambda value: len(encoded(literal(value))) + 1):
        yield "(" + ",".join(literal(value) for value in part) + ")"
