"""What a transaction did, net: several writes of a record become one change, equal changes become one event.

Not the moment of commit and not the log (`capture.py`). Facts: Salesforce §2.4.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.pubsub.events import CREATE, DELETE, UNDELETE, UPDATE, Event
from connector.sandbox.salesforce.pubsub.shapes import STAMP, STAMPS, Shape, stamped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.rows import Row

DIFF_FROM = 1_000
"""Long text of at least so many characters may be sent as a unified diff (facts: Salesforce §2.4)."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a row; `before` are the values it replaced, `how` is a change type."""

    table: str
    row: Row
    how: str
    before: dict[str, Any]


def fold(writes: list[Write]) -> list[Write]:
    """One write per record: created and changed is created, changed twice keeps the first values."""
    found: dict[tuple[str, str], Write | None] = {}
    for write in writes:
        key = (write.table, write.row.id)
        first = found.get(key)
        found[key] = _then(first, write) if first else write
    return [write for write in found.values() if write is not None]


def event(net: Write, shape: Shape) -> Event:
    """The change of one record, before it is merged, numbered and dated."""
    row = net.row
    bare = Event(shape.entity, (row.id,), net.how, 0, row.modified_by, shape.schema_id)
    if net.how == DELETE:
        return bare
    now = stamped(row)
    if net.how != UPDATE:
        return dataclasses.replace(bare, body=shape.values(now))
    # Whoever created it and when is not in `before`; the stamp changes with every update.
    fields = shape.places.items()
    changed = [
        p for p, f in fields if p == STAMP or (f.name not in STAMPS and net.before.get(f.name) != now.get(f.name))
    ]
    before, body = shape.values(net.before, changed), shape.values(now, changed)
    diffed = [p for p in body if _is_diffed(shape, p, before.get(p), body[p])]
    for place in diffed:
        body[place] = unified(before[place], body[place])
    return dataclasses.replace(
        bare,
        changed=tuple(changed),
        nulled=tuple(place for place in changed if place not in body),
        diffed=tuple(diffed),
        body=body,
    )


def merge(events: Iterable[Event]) -> list[Event]:
    """Join equal changes of several records into one event that names them all."""
    found: dict[str, Event] = {}
    for each in events:
        alike = json.dumps([each.kind, each.user, each.changed, sorted(each.body.items())])
        known = found.get(alike)
        found[alike] = dataclasses.replace(known, ids=known.ids + each.ids) if known else each
    return list(found.values())


def finished(bare: Event, *, origin: str, key: str, number: int, commit: int, at: int) -> Event:
    """The event with its place in the transaction, and an id of its own."""
    own = str(uuid.uuid4())
    return dataclasses.replace(bare, origin=origin, key=key, number=number, commit=commit, at=at, uuid=own)


def unified(old: str, new: str) -> str:
    """A long text as the difference from what it was (facts: Salesforce §2.4)."""
    lines = difflib.unified_diff(old.split("\n"), new.split("\n"), lineterm="", n=0)
    body = [line for line in lines if not line.startswith(("--- ", "+++ "))]
    return "\n".join(["--- ", f"+++ {hashlib.sha256(new.encode()).hexdigest()}", *body])


def _is_diffed(shape: Shape, place: str, old: Any, new: Any) -> bool:
    if not shape.places[place].is_long or not isinstance(old, str) or len(new) < DIFF_FROM:
        return False
    return len(unified(old, new)) < len(new)


def _then(first: Write, second: Write) -> Write | None:
    if first.how == CREATE:
        return None if second.how == DELETE else dataclasses.replace(first, row=second.row)
    if second.how == UPDATE:
        return dataclasses.replace(first, row=second.row)
    if (first.how, second.how) in ((DELETE, UNDELETE), (UNDELETE, DELETE)):
        return None
    return second
