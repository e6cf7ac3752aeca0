"""How few calls the same work could have taken, by the vendors' own batch sizes.

Not here: counting calls (the sandbox's journal does). Per kind of call the floor is the rows that went through it,
divided by the most rows one such call may carry, rounded up. A poll that found nothing carries no rows; it is counted
on its own line, because how often to look is a choice and no batch size bounds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

BATCH: Mapping[str, int] = {
    "query": 2000,
    "queryMore": 2000,
    "composite": 2000,
    "collections.get": 2000,
    "collections.update": 200,
    "collections.create": 200,
    "collections.upsert": 200,
    "collections.delete": 200,
    "batch.read": 100,
    "batch.update": 100,
    "batch.create": 100,
    "batch.upsert": 100,
    "search": 200,
    "associations.batch.read": 1000,
    "associations.batch.create": 2000,
    "associations.batch.default": 2000,
    "owners": 500,
}
"""Rows one call of a kind may carry (facts: Salesforce §1.1 and §3.1, HubSpot §1, §3a and §3c)."""


def batch_of(kind: str) -> int | None:
    """The most rows one call of this kind carries; None for calls that are about one thing, such as a token."""
    if kind in BATCH:
        return BATCH[kind]
    # HubSpot kinds name the object too: "deals.batch.read", "search.deals".
    head, _, tail = kind.partition(".")
    return BATCH.get(tail, BATCH.get(head))


def call_table(calls: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Calls by kind with their floor; ``idle_polls`` are reads that brought nothing."""
    kinds: dict[str, dict[str, int]] = {}
    idle = 0
    for call in calls:
        kind, rows = str(call["kind"]), int(call["rows"])
        if rows == 0 and not call["write"] and batch_of(kind):
            idle += 1
            continue
        entry = kinds.setdefault(kind, {"calls": 0, "rows": 0})
        entry["calls"] += 1
        entry["rows"] += rows
    for kind, entry in kinds.items():
        batch = batch_of(kind)
        entry["floor"] = max(1, math.ceil(entry["rows"] / batch)) if batch else entry["calls"]
    total = sum(entry["calls"] for entry in kinds.values())
    floor = sum(entry["floor"] for entry in kinds.values())
    return {
        "calls": dict(sorted(kinds.items())),
        "calls_total": total,
        "calls_floor": floor,
        "floor_means": "the same rows in full batches, as if all had come at once",
        "idle_polls": idle,
        "ratio": round(total / floor, 3) if floor else None,
    }
