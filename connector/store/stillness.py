"""What stands still, in sentences for ``plan``, ``explain`` and the page: pauses, and a deal that is held.

Not here: what that means (``engine``), and ending it (``resume``, ``release``).
"""

from __future__ import annotations

from connector.handoff.model import SystemName
from connector.store.heldrows import HoldState
from connector.store.store import Store


def pauses_said(store: Store, system: SystemName) -> list[str]:
    """What a person paused of a system, a sentence each."""
    return [
        f"{system}: {'the rule ' + each.rule if each.rule else 'the whole system'} is paused by {each.by}"
        + (f" until {each.until:%Y-%m-%d %H:%M} UTC" if each.until else "")
        + (f": {each.why}" if each.why else "")
        + ". Nothing of it is written meanwhile."
        for each in store.pauses(system)
    ]


def held_said(store: Store, system: SystemName, deal_id: str) -> list[str]:
    """That a deal waits for a person, or was let be by one."""
    found = store.holds(system, [deal_id]).get(deal_id)
    if found is None or found.state is HoldState.RELEASED:
        return []
    if found.state is HoldState.DROPPED:
        return [f"{found.who} let this win be; it gets no handoff until it is won anew."]
    return [f"Held since {found.at:%Y-%m-%d %H:%M} UTC, because too much changed at once: {found.why} handoff release"]
