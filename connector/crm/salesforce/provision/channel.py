"""Which changes the org tells of as they happen, and the notification type by which people are told.

Not here: subscribing (the pubsub package) and sending. Members exist in metadata alone (facts: Salesforce §2.5).
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.crm.salesforce.provision.component import Component, leaf
from connector.crm.salesforce.provision.fields import CUSTOM, object_of
from connector.crm.salesforce.provision.options import ByHand, Channel, Options, Part
from connector.handoff.model import Kind
from connector.policy.crmmap import CrmMap

STANDARD_CHANNEL = "ChangeEvents"
CUSTOM_CHANNEL = "Handoff__chn"
NOTIFICATION = "Handoff"


def channel(crm_map: CrmMap, options: Options) -> Part:
    """The members of the chosen channel, and the channel itself when it is our own."""
    if options.channel is Channel.OFF:
        return Part()
    kinds = (Kind.DEAL, Kind.ACCOUNT, *((Kind.TASK, Kind.MEETING) if options.activity_events else ()))
    own = (_own_channel(),) if options.channel is Channel.CUSTOM else ()
    members = tuple(_member(object_of(crm_map, kind), options.channel) for kind in kinds)
    return Part(components=(*own, *members), by_hand=tuple(_left_out(options)))


def notification(options: Options) -> Part:
    """The type of the notice a CSM gets in Salesforce."""
    if not options.notifications:
        return Part()
    why = "Tells a CSM in Salesforce, on the desktop and the phone, that a handoff is theirs."
    body = (
        leaf("customNotifTypeName", NOTIFICATION),
        leaf("description", why),
        leaf("desktop", True),
        leaf("masterLabel", "Handoff"),
        leaf("mobile", True),
    )
    return Part(components=(Component("CustomNotificationType", NOTIFICATION, body, why),))


def change_event(object_name: str) -> str:
    """The event entity of an object: ``OpportunityChangeEvent``, ``Deal__ChangeEvent`` for Deal__c."""
    if object_name.endswith(CUSTOM):
        return f"{object_name.removesuffix('c')}ChangeEvent"
    return f"{object_name}ChangeEvent"


def _own_channel() -> Component:
    body = (leaf("channelType", "data"), leaf("label", "Handoff"))
    return Component("PlatformEventChannel", CUSTOM_CHANNEL, body, why="Change events for the connector alone.")


def _member(object_name: str, chosen: Channel) -> Component:
    event = change_event(object_name)
    why = f"Changes of {object_name} reach the connector within seconds; without it the next poll sees them."
    if chosen is Channel.CUSTOM:
        name, home = f"{CUSTOM_CHANNEL.replace('__', '_')}_{event.replace('__', '_')}", CUSTOM_CHANNEL
    else:
        # A single underscore, as the vendor's own examples have it (facts: Salesforce §2.5).
        name = f"{object_name.removesuffix(CUSTOM).replace('__', '_')}_ChangeEvent"
        home = STANDARD_CHANNEL
    body = (leaf("eventChannel", home), leaf("selectedEntity", event))
    return Component("PlatformEventChannelMember", name, body, why)


def _left_out(options: Options) -> Iterator[ByHand]:
    if not options.activity_events:
        yield ByHand(
            "PlatformEventChannelMember",
            "Task and Event",
            "Nothing to do: polling sees tasks and meetings. To have their events too, ask for activity events.",
            "Subscribing to them needs View All Data, the right to read everything in the org.",
        )
