"""Short ways to play a dispatcher in tests of the store."""

from __future__ import annotations

from collections.abc import Callable

from plans import SYSTEM, a_plan

from connector.handoff.plan import Action
from connector.store import Applied, Claimed, Decided, OutboxRow, Result, Settlement, State, Store


def decide(store: Store, deal_id: str, *actions: Action, **changes: object) -> None:
    """Record one plan in act mode."""
    store.record(SYSTEM, [Decided(a_plan(deal_id, *actions, **changes))], act=True)


def claim(store: Store, *, owner: str = "worker", size: int = 200, seconds: float = 60) -> Claimed | None:
    """Claim the next lane."""
    return store.claim(SYSTEM, owner=owner, batch=lambda _lane: size, lease_seconds=seconds)


def applied(row: OutboxRow) -> Result:
    """The receiver did it."""
    return Applied(record_id=row.record_id or f"new-{row.step}")


def settle(store: Store, claimed: Claimed, result: Callable[[OutboxRow], Result] = applied) -> int:
    """Settle all rows of a claim alike."""
    return store.settle([Settlement(row.id, row.attempt, result(row)) for row in claimed.rows])


def send_all(store: Store) -> list[list[str]]:
    """Claim and confirm until nothing is left; the steps of each claim."""
    sent = []
    while claimed := claim(store):
        sent.append([row.step for row in claimed.rows])
        settle(store, claimed)
    return sent


def states(store: Store, deal_id: str = "D1") -> list[tuple[str, State]]:
    """Step and state of everything that was ever to be sent for a deal, oldest first."""
    return [(row.step, row.state) for row in store.rows(SYSTEM, deal_id)]
