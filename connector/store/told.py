"""What the audit trail tells of a write: what stood there before, as it was read or last written, and what after.

Not here: the trail itself (``audit``). Of a long text, and of the body of a task, note or message, only its digest and
its length are told: enough to see that it changed and to prove which text it was, too little to read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from connector.store import codec
from connector.store.database import chunks
from connector.store.schema import outbox
from connector.store.states import State

TOLD_CHARS = 200
"""Longest text that is told whole: a picklist value, a title, a name; longer ones are prose."""

UNKNOWN = {"unknown": True}
"""Stands for a value of before that nobody kept: the ledger was lost since, or never read the field."""

PROSE = frozenset({"body", "text"})
"""Values that are prose however short they are."""


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Encoded values as the trail tells them."""
    return {name: _told(name, value) for name, value in values.items()}


def told_write(
    action: Mapping[str, Any], *, before: Mapping[str, Any], left: frozenset[str], kept: Mapping[str, Any]
) -> dict[str, Any]:
    """``before`` and ``after`` of a confirmed action. ``left`` were not written, ``kept`` is what was made of a value
    (encoded). ``before`` is what was last written, for actions that do not say what they found. Each value of after has
    one of before, if only `UNKNOWN`; a record that the write made has none, and its before is None."""
    match action["type"]:
        case "patch":
            after = {name: kept.get(name, value) for name, value in action["values"].items() if name not in left}
            found = _found(action["expected"], after)
            return {"record": f"{action['ref']['kind']} {action['ref']['id']}", "before": found} | {
                "after": told(after)
            }
        case "upsert":
            was = _found(before, action["values"]) if action["record_id"] else None
            return {"record": action["kind"], "before": was, "after": told(action["values"])}
    return {
        "record": "message",
        "before": None,
        "after": told({name: action[name] for name in ("to_email", "subject", "text")}),
    }


def last_written(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, Mapping[str, Any]]:
    """What earlier rows of the same step wrote last, by row: of rows that change a record made before."""
    changing = {row.id: row for row in rows if row.operation == "upsert" and '"record_id":null' not in row.action}
    if not changing:
        return {}
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for part in chunks(sorted({row.deal_id for row in changing.values()})):
        query = (
            select(outbox.c.system, outbox.c.deal_id, outbox.c.step, outbox.c.action)
            .where(
                outbox.c.system.in_({row.system for row in changing.values()}),
                outbox.c.deal_id.in_(part),
                outbox.c.operation == "upsert",
                outbox.c.state == State.APPLIED,
                outbox.c.id.not_in(changing),
            )
            .order_by(outbox.c.id)
        )
        for row in connection.execute(query):
            found[row.system, row.deal_id, row.step] = codec.loads(row.action)["values"]
    return {row.id: found.get((row.system, row.deal_id, row.step), {}) for row in changing.values()}


def _found(known: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What stood in each field of ``after``, as far as it is known."""
    return {name: _told(name, known[name]) if name in known else UNKNOWN for name in after}


def _told(name: str, value: Any) -> Any:
    if isinstance(value, str) and (name in PROSE or len(value) > TOLD_CHARS):
        return {"text": codec.digest(value), "chars": len(value)}
    return value
