"""Whether a portal has room for what would be made: judged with numbers, before anything is written.

Not here: reading the limits (``portal``). Pure. HubSpot names no figures by edition, so only what it tells counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from connector.crm.hubspot.provision.definition import Definition
from connector.crm.hubspot.provision.desired import FILE, Desired
from connector.crm.hubspot.provision.portal import PortalState, Room
from connector.errors import Problem
from connector.handoff.model import Kind
from connector.policy.known import KNOWN

UNIQUE_MOST = 10
"""Properties with unique values that a type of object may have (facts: HubSpot §3b)."""


def no_room(desired: Desired, portal: PortalState, made: tuple[Definition, ...]) -> tuple[Problem, ...]:
    """Why what would be made cannot all be made; empty when it can, as far as the portal tells."""
    return tuple(_problems(desired, portal, made))


def _problems(desired: Desired, portal: PortalState, made: tuple[Definition, ...]) -> Iterator[Problem]:
    by_object = Counter(one.object for one in made)
    for name, count in by_object.items():
        room = portal.room_of(name)
        if room is not None and count > room.left:
            yield _full(f"on {name}", room, count, _needed(desired, name))
    if portal.room is not None and len(made) > portal.room.left:
        yield _full("in this portal", portal.room, len(made), _needed(desired))
    for name, count in Counter(one.object for one in made if one.unique).items():
        taken = sorted(one.name for one in portal.properties.get(name, {}).values() if one.unique and not one.shipped)
        if len(taken) + count > UNIQUE_MOST:
            words = (
                f"{count} more with unique values {'is' if count == 1 else 'are'} to be made on {name}, and of "
                f"{UNIQUE_MOST} {len(taken)} are there: {', '.join(taken)}; archive one that nothing uses"
            )
            yield Problem("limits", "unique values", words)


def _full(where: str, room: Room, count: int, needed: tuple[str, ...]) -> Problem:
    words = (
        f"{count} custom properties would be made {where}, and there is room for {room.left} "
        f"({room.used} of {room.limit} used): {count - room.left} too many. Archive what nobody uses, take a higher "
        f"edition, or take fields out of {FILE}"
    )
    if needed:
        words += f"; the connector itself cannot do without {', '.join(needed)}"
    return Problem("limits", "custom properties", words)


def _needed(desired: Desired, object_name: str = "") -> tuple[str, ...]:
    """The properties without which the connector does not start."""
    return tuple(
        one.definition.name
        for one in desired.wanted
        if object_name in ("", one.definition.object) and _is_required(one.mapped.kind, one.mapped.name)
    )


def _is_required(kind: Kind, name: str) -> bool:
    known = KNOWN.get(kind, {}).get(name)
    return (known is not None and known.required and known.written) or name == "key"
