"""`/sobjects/X/updated` and `/sobjects/X/deleted`: ids changed in a window of whole minutes.

Not change data capture: nothing is pushed. Facts: Salesforce §1.2.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.values import parse_datetime, wire_datetime

if TYPE_CHECKING:
    from connector.sandbox.rows import Row, Table

LOOKBACK = timedelta(days=30)
DELETED_LOOKBACK = timedelta(days=15)
MAX_IDS = 600_000
TICK = timedelta(microseconds=1)


def updated(ask: Ask) -> Reply:
    """Ids of records created or changed in the window, and how far the answer can be trusted."""
    table, low, high = _window(ask, LOOKBACK)
    sight = ask.sight
    ids = [r.id for r in _seen(table, low, high) if r.deleted_at is None and sight.sees(table.name, r)]
    if len(ids) > MAX_IDS:
        raise ApiError("EXCEEDED_ID_LIMIT", f"more than {MAX_IDS} ids")
    ask.count(len(ids))
    return Reply(200, {"ids": ids, "latestDateCovered": _covered(table, high)})


def deleted(ask: Ask) -> Reply:
    """Records deleted in the window."""
    table, low, high = _window(ask, DELETED_LOOKBACK)
    gone: list[dict[str, Any]] = [
        {"id": row.id, "deletedDate": wire_datetime(row.deleted_at)}
        for row in _seen(table, low, high)
        if row.deleted_at is not None
    ]
    ask.count(len(gone))
    return Reply(
        200,
        {
            "deletedRecords": gone,
            "earliestDateAvailable": wire_datetime(table.world.clock.now() - DELETED_LOOKBACK),
            "latestDateCovered": _covered(table, high),
        },
    )


def _window(ask: Ask, lookback: timedelta) -> tuple[Table, datetime, datetime]:
    kind = ask.object_type(ask.path[1])
    low, high = _minute(ask, "start"), _minute(ask, "end")
    now = ask.world.clock.now()
    if low >= high:
        raise ApiError("INVALID_REPLICATION_DATE", "startDate before endDate, by a minute or more")
    if low < now - lookback - timedelta(minutes=1):
        raise ApiError("INVALID_REPLICATION_DATE", f"startDate cannot be more than {lookback.days} days ago")
    return ask.world.table(kind.name), low, high


def _minute(ask: Ask, name: str) -> datetime:
    moment = parse_datetime(ask.query.get(name, ""))
    if moment is None:
        raise ApiError("INVALID_REPLICATION_DATE", f"{name} must be an ISO date and time with a zone")
    return moment.replace(second=0)


def _seen(table: Table, low: datetime, high: datetime) -> list[Row]:
    hidden = {row.id for row in table.not_yet_visible(table.world.clock.now())}
    return [r for r in table.modified_between(low, high - TICK, deleted=True) if r.id not in hidden]


def _covered(table: Table, high: datetime) -> str:
    # A transaction that has not committed keeps the safe date at its own start.
    open_since = [row.modified_at for row in table.not_yet_visible(table.world.clock.now())]
    return wire_datetime(min([high, *open_since]))
