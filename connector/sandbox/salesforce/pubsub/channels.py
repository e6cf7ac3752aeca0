"""Channels and the entities selected for them, and what a topic's name means.

Not who may subscribe (`rights.py`). Metadata deployed as PlatformEventChannelMember ends here, in `select`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.catalog import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connector.sandbox.state import World

SETTING = "cdc"
STANDARD = "ChangeEvents"
"""The channel of every selected entity; single-entity topics show its members too (facts: Salesforce §2.1, §2.5)."""

CUSTOM_SUFFIX = "__chn"
MAX_SELECTED = 5
"""Entities over all channels without the add-on; one in many channels counts once (facts: Salesforce §2.6)."""

PREFIX = "/data/"
_EVENT = "ChangeEvent"
_CUSTOM_EVENT = "__ChangeEvent"


class SelectionError(ValueError):
    """A selection that an org without the add-on refuses, or one of an entity or channel that does not exist."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that exists. `entity` is set for a single-entity topic, else the whole channel is meant."""

    name: str
    channel: str
    entity: str = ""


def event_name(entity: str) -> str:
    """Opportunity -> OpportunityChangeEvent, Foo__c -> Foo__ChangeEvent."""
    return f"{entity[:-3]}{_CUSTOM_EVENT}" if entity.endswith("__c") else f"{entity}{_EVENT}"


def entity_of(name: str) -> str:
    """The entity that an entity's or a change event's name stands for."""
    if name.endswith(_CUSTOM_EVENT):
        return f"{name.removesuffix(_CUSTOM_EVENT)}__c"
    return name.removesuffix(_EVENT)


def select(world: World, channel: str, entities: Iterable[str]) -> None:
    """Make these the members of a channel, for good; entities by either name. Raises SelectionError.

    An empty selection leaves a custom channel in place, without members.
    """
    if channel != STANDARD and not channel.endswith(CUSTOM_SUFFIX):
        raise SelectionError(f"no channel {channel}: {STANDARD} or a name that ends in {CUSTOM_SUFFIX}")
    names = sorted({entity_of(name) for name in entities})
    unknown = [name for name in names if not _supported(world, name)]
    if unknown:
        raise SelectionError(f"no change events for {', '.join(unknown)}")
    changed = {**_members(world), channel: names}
    total = {name for members in changed.values() for name in members}
    if len(total) > MAX_SELECTED:
        raise SelectionError(f"{len(total)} entities selected, but only {MAX_SELECTED} are included")
    world.setting(SETTING, changed)


def selected(world: World, channel: str) -> frozenset[str]:
    """The entities of one channel."""
    return frozenset(_members(world).get(channel, ()))


def all_selected(world: World) -> frozenset[str]:
    """The entities of every channel."""
    return frozenset(name for members in _members(world).values() for name in members)


def is_selected(world: World, entity: str) -> bool:
    """Whether any channel holds the entity: asked at every write, so it is cheap."""
    kept: Mapping[str, Iterable[str]] = world.settings.get(SETTING) or {}
    return any(entity in (name, entity_of(name)) for names in kept.values() for name in names)


def find_topic(world: World, name: str) -> Topic | None:
    """The topic of this name, in its exact case; None when there is none (facts: Salesforce §2.1)."""
    tail = name.removeprefix(PREFIX)
    if tail == name:
        return None
    if tail == STANDARD:
        return Topic(name, STANDARD)
    if tail.endswith(CUSTOM_SUFFIX):
        return Topic(name, tail) if tail in _members(world) else None
    entity = entity_of(tail)
    if event_name(entity) != tail or not _supported(world, entity):
        return None
    return Topic(name, STANDARD, entity)


def carried(world: World, topic: Topic) -> frozenset[str]:
    """The entities whose events a topic carries now."""
    members = selected(world, topic.channel)
    return members & {topic.entity} if topic.entity else members


def _members(world: World) -> dict[str, list[str]]:
    kept: Mapping[str, Iterable[str]] = world.settings.get(SETTING) or {}
    return {channel: sorted({entity_of(n) for n in names}) for channel, names in kept.items()}


def _supported(world: World, entity: str) -> bool:
    kind = catalog(world).object(entity)
    return kind is not None and kind.name == entity and kind.writable and not getattr(kind, "setup", False)
