"""Many messages for one person as one: the morning's digest, the week's list.

Not here: what is said and when it may go (``handoff.rules``), and sending (``dispatcher``). Each row keeps its own
outcome; the one message bears a key made of theirs, the same whenever the same rows are sent again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

from connector.handoff.plan import Notify

KEY_CHARS = 16


def bundles(notices: Sequence[Notify]) -> tuple[tuple[int, ...], ...]:
    """Which of these go in one message, by their places: all for one person by one way, in the order they came."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for place, notice in enumerate(notices):
        found.setdefault((notice.way, notice.to_id, notice.to_email), []).append(place)
    return tuple(tuple(places) for places in found.values())


def joined(notices: Sequence[Notify]) -> Notify:
    """These messages to one person as one; a single one stays as it is. Raises ValueError for none."""
    if not notices:
        raise ValueError("no messages to join")
    if len(notices) == 1:
        return notices[0]
    ordered = sorted(notices, key=lambda one: (one.deal_id, one.step))
    deals = len({one.deal_id for one in ordered})
    customers = f"{deals} deals" if deals > 1 else "one deal"
    made_of = "\n".join(one.key for one in ordered)
    return dataclasses.replace(
        ordered[0],
        key=f"together:{hashlib.sha256(made_of.encode()).hexdigest()[:KEY_CHARS]}:{ordered[0].to_id}",
        subject=f"Your handoffs: {len(ordered)} things on {customers}",
        text="\n\n".join(f"{one.subject}\n{one.text}" for one in ordered),
    )
