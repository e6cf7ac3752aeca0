"""The life of an outbox row, as data: the states, what each means, and which state may follow which.

Not here: who moves a row (``outbox``, ``record``) and the SQL that does it. The table's check constraint and its
partial indexes are made from this file, and a test holds the migrations to it.

    pending ──► sending ──► applied
       │           ├──────► unknown ──► applied | pending
       │           └──────► refused ──► pending | parked | superseded
       └──► superseded ◄── parked ──► pending
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where an outbox row stands."""

    PENDING = "pending"
    """Decided and recorded; may be claimed once ``available_at`` has come and its deal's earlier orders are settled."""

    SENDING = "sending"
    """Claimed by one worker until ``lease_until``; its attempt number fences off everyone else."""

    APPLIED = "applied"
    """Confirmed by the receiver. Final."""

    REFUSED = "refused"
    """Turned down by the receiver. Only passed through: the same transaction decides what follows."""

    UNKNOWN = "unknown"
    """Sent, but nobody knows whether it was done. Only looking it up by key gets it out of here."""

    PARKED = "parked"
    """Turned down for a reason that repeating will not mend; waits for a person, with the receiver's words."""

    SUPERSEDED = "superseded"
    """No longer wanted: a newer decision took its place, or the deal must be read again first. Final, never sent."""


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.PENDING: frozenset({State.SENDING, State.SUPERSEDED}),
    State.SENDING: frozenset({State.APPLIED, State.REFUSED, State.UNKNOWN}),
    State.APPLIED: frozenset(),
    State.REFUSED: frozenset({State.PENDING, State.PARKED, State.SUPERSEDED}),
    State.UNKNOWN: frozenset({State.APPLIED, State.PENDING}),
    State.PARKED: frozenset({State.PENDING, State.SUPERSEDED}),
    State.SUPERSEDED: frozenset(),
}

OPEN = (State.PENDING, State.SENDING, State.UNKNOWN)
"""A deal's later orders wait while one of its rows stands here; per deal and step at most one row does."""


def arrive(start: State, path: tuple[State, ...]) -> State:
    """Walk from ``start`` along ``path`` and return its last state. Raises ValueError on a step TRANSITIONS lacks."""
    here = start
    for there in path:
        if there not in TRANSITIONS[here]:
            raise ValueError(f"an outbox row cannot go from {here} to {there}")
        here = there
    return here


def state_in(states: tuple[State, ...], column: str = "state") -> str:
    """The SQL condition that ``column`` is one of ``states``, spelled with literals so that a partial index matches."""
    listed = ", ".join(f"'{state.value}'" for state in states)
    return f"{column} IN ({listed})"
