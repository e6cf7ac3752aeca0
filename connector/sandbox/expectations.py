"""What must stand on a deal in the end, noted by the people of the scripted sales period while they act.

Kept in the world's scratch memory, apart from every record: the connector can neither see nor shape it.
It lives as long as the process; after a restart the tally judges from the records alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from connector.sandbox.state import World

Outcome = Literal["handed_off", "overridden", "held"]
_KEY = "expected"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The end a deal must come to. `says` must stand in its summary; `touched` means the CSM spoke to the customer."""

    outcome: Outcome
    story: str
    touched: bool = False
    says: str = ""


def expect(world: World, deal_id: str, outcome: Outcome, *, story: str) -> None:
    """Note the end of a deal."""
    expected(world)[deal_id] = Expectation(outcome, story)


def refine(world: World, deal_id: str, **more: Any) -> None:
    """Add to what is expected of a deal. Raises KeyError when nothing is expected yet."""
    known = expected(world)
    known[deal_id] = replace(known[deal_id], **more)


def withdraw(world: World, deal_id: str) -> None:
    """Expect nothing of a deal any more: it never came to its decisive moment."""
    expected(world).pop(deal_id, None)


def expected(world: World) -> dict[str, Expectation]:
    """Everything expected so far, by deal id."""
    found: dict[str, Expectation] = world.scratch.setdefault(_KEY, {})
    return found
