"""`/query`, `/queryAll` and the pages behind `nextRecordsUrl`.

Not the language (`grammar.py`) and not its meaning (`soql.py`).
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import columns, soql
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.grammar import parse

if TYPE_CHECKING:
    from connector.sandbox.salesforce.soql import Selection

CURSOR_LIFE = timedelta(days=2)
KEPT_CURSORS = 200
MIN_BATCH = 200
"""Facts: Salesforce §1.1."""

_BATCH = re.compile(r"batchSize=(\d+)", re.IGNORECASE)
_LOCATOR = re.compile(r"(01g\w+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A result that was too long for one page."""

    selection: Selection
    page_rows: int
    made_at: datetime


def query(ask: Ask) -> Reply:
    """GET /query?q= and GET /queryAll?q=, or GET /query/<locator>."""
    if len(ask.path) > 1:
        return _more(ask, ask.path[1])
    text = ask.query.get("q")
    if not text:
        raise ApiError("MALFORMED_QUERY", "A query is missing: the parameter q")
    deleted = ask.path[0].lower() == "queryall"
    asked_for = parse(text)
    selection = soql.run(ask.world, asked_for, version=ask.version, deleted=deleted, user_id=ask.user.id)
    if columns.asked(ask.query):
        return Reply(200, columns.columns(asked_for, asked_for.source))
    asked = _BATCH.search(ask.headers.get("sforce-query-options", ""))
    wanted = max(MIN_BATCH, int(asked[1])) if asked else soql.PAGE_ROWS
    page_rows = min(wanted, selection.page_rows)
    locator = ""
    if len(selection.rows) > page_rows:
        locator = _keep(ask, Cursor(selection, page_rows, ask.world.clock.now()))
    return _page(ask, selection, locator, start=0, page_rows=page_rows)


def _more(ask: Ask, text: str) -> Reply:
    found = _LOCATOR.fullmatch(text)
    cursor = _cursors(ask).get(found[1]) if found else None
    if found is None or cursor is None or ask.world.clock.now() - cursor.made_at > CURSOR_LIFE:
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    ask.trace.kind = "queryMore"
    return _page(ask, cursor.selection, found[1], start=int(found[2]), page_rows=cursor.page_rows)


def _page(ask: Ask, selection: Selection, locator: str, *, start: int, page_rows: int) -> Reply:
    end = min(start + page_rows, len(selection.rows))
    records = _disturbed(ask, [selection.show(row) for row in selection.rows[start:end]])
    ask.count(len(records))
    body: dict[str, Any] = {"totalSize": selection.total, "done": end >= len(selection.rows), "records": records}
    if not body["done"]:
        body["nextRecordsUrl"] = f"/services/data/v{ask.version}/query/{locator}-{end}"
    return Reply(200, body)


def _disturbed(ask: Ask, records: list[Any]) -> list[Any]:
    kind = ask.trace.fault.kind if ask.trace.fault else ""
    if kind == "duplicated":
        return list(itertools.chain.from_iterable((r, r) for r in records))
    if kind == "reordered":
        return random.Random(len(records)).sample(records, len(records))
    return records


def _keep(ask: Ask, cursor: Cursor) -> str:
    cursors = _cursors(ask)
    number = ask.world.scratch["cursor"] = ask.world.scratch.get("cursor", 0) + 1
    name = f"01gHO{number:010d}AAA"
    cursors[name] = cursor
    while len(cursors) > KEPT_CURSORS:
        del cursors[next(iter(cursors))]
    return name


def _cursors(ask: Ask) -> dict[str, Cursor]:
    found: dict[str, Cursor] = ask.world.scratch.setdefault("cursors", {})
    return found
