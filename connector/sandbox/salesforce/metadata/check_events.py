"""What makes a change-data channel, its members or a notification type one the org accepts.

Not the stream itself. Channel names, the DUPLICATE_VALUE and the allowance: facts: Salesforce §2.5, §2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata.check_fields import API_NAME, NAME_RULE
from connector.sandbox.salesforce.metadata.shapes import Flaw
from connector.sandbox.salesforce.pubsub import channels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

MAX_CHANNELS = 100
MAX_ENRICHED = 10
DUPLICATE = "DUPLICATE_VALUE"
WITHOUT_EVENTS = frozenset({"OpportunityTeamMember"})
"""Facts: Salesforce §2.5."""


def channel(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A PlatformEventChannel."""
    if not name.endswith("__chn"):
        yield _at(node, "The channel name must end in __chn")
    known = {n for n, _ in view.of("PlatformEventChannel")}
    if name.lower() not in known and len(known) >= MAX_CHANNELS:
        yield _at(node, f"LIMIT_EXCEEDED: the maximum number of custom channels is {MAX_CHANNELS}")


def member(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A PlatformEventChannelMember: one entity on one channel, once."""
    target, entity = node.get("eventChannel"), node.get("selectedEntity")
    if target != channels.STANDARD and view.get("PlatformEventChannel", target) is None:
        yield _at(node, f"In field: eventChannel - no PlatformEventChannel named {target} found")
    if not _selectable(view, entity):
        yield _at(node, f"In field: selectedEntity - no entity named {entity} found")
    others = list(view.of("PlatformEventChannelMember"))
    pairs = {(m.get("eventChannel"), m.get("selectedEntity")): n for n, m in others}
    holder = pairs.get((target, entity))
    if holder is not None or name.lower() in {n for n, _ in others}:
        problem = f"{DUPLICATE}: duplicate value found: PlatformEventChannelMember {holder or name} exists already"
        yield _at(node, problem)
        return
    selected = {m.get("selectedEntity") for _, m in others}
    if entity not in selected and len(selected) >= channels.MAX_SELECTED:
        most = f"the maximum number of selected entities for Change Data Capture is {channels.MAX_SELECTED}"
        yield _at(node, f"LIMIT_EXCEEDED: {most}")
    if sum(1 for _ in node.all("enrichedFields")) > MAX_ENRICHED:
        yield _at(node, f"LIMIT_EXCEEDED: a channel member has at most {MAX_ENRICHED} enriched fields")


def notification_type(_view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A CustomNotificationType."""
    if not API_NAME.fullmatch(name):
        yield _at(node, f"The Custom Notification Type Name {NAME_RULE}")
    if node.get("customNotifTypeName") != name:
        yield _at(node, f"customNotifTypeName must be the full name: {name}")


def _selectable(view: View, selected: str) -> bool:
    entity = channels.entity_of(selected)
    kind = view.object(entity)
    if kind is None or kind.name != entity or channels.event_name(entity) != selected or entity in WITHOUT_EVENTS:
        return False
    return kind.writable and not kind.setup


def _at(node: Node, problem: str) -> Flaw:
    return Flaw(problem, node.line, node.column)
