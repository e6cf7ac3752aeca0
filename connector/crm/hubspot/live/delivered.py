"""One event as a webhook brings it, classic or generic, in the connector's own terms.

Not here: what follows from an event (``meaning``) and how it came (``door``). A field may be absent, of another type,
or one of two names for the same: what cannot be made out is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connector.crm.hubspot.live.meaning import (
    CALL,
    COMPANY,
    DEAL,
    EMAIL,
    MEETING,
    NOTE,
    TASK,
    Action,
    Event,
)

TYPES: Mapping[str, str] = {
    "DEAL": DEAL,
    "COMPANY": COMPANY,
    "TASK": TASK,
    "NOTE": NOTE,
    "MEETING": MEETING,
    "MEETING_EVENT": MEETING,
    "CALL": CALL,
    "EMAIL": EMAIL,
}
"""By the word in ``deal.creation``, in ``DEAL_TO_COMPANY`` and in generic subscriptions (facts: HubSpot §2a)."""

GENERIC = "object"
ACTIONS: Mapping[str, Action] = {
    "creation": Action.CREATE,
    "propertyChange": Action.UPDATE,
    "deletion": Action.DELETE,
    "privacyDeletion": Action.DELETE,
    "merge": Action.MERGE,
    "restore": Action.RESTORE,
    "associationChange": Action.ASSOCIATION,
}
OWN_SOURCE = "INTEGRATION"
LATEST_MILLIS = 10**14
"""Far beyond any time an event can bear, and still a date."""


def event_of(told: Mapping[str, Any], *, came_at: datetime) -> Event | None:
    """One event as delivered, classic or generic; None when it is of a kind that nothing follows from.

    The vendor's table calls the kind ``eventType``, its examples ``subscriptionType`` (facts: HubSpot §2a).
    """
    word, _, verb = str(told.get("subscriptionType") or told.get("eventType") or "").partition(".")
    action = ACTIONS.get(verb)
    object_type = _type(told.get("objectTypeId") if word.lower() == GENERIC else word)
    if action is None or not object_type:
        return None
    event = Event(
        object_type_id=object_type,
        object_id=_id(told.get("objectId")),
        action=action,
        at=_moment(told.get("occurredAt")) or came_at,
        changed=frozenset({str(told["propertyName"])} if told.get("propertyName") else ()),
        by_self=_is_own(told),
    )
    if action is Action.MERGE:
        return _of_merge(event, told)
    return _of_link(event, told) if action is Action.ASSOCIATION else event


def _of_merge(event: Event, told: Mapping[str, Any]) -> Event:
    """The record that remains, and those that went into it, of which one may remain under a new id."""
    primary = _id(told.get("primaryObjectId")) or event.object_id
    others = (_id(told.get("newObjectId")), *map(_id, told.get("mergedObjectIds") or ()), event.object_id)
    also = tuple(dict.fromkeys(each for each in others if each and each != primary))
    return replace(event, object_id=primary, also=also)


def _of_link(event: Event, told: Mapping[str, Any]) -> Event:
    """Both ends. The words for them stand in ``associationType``; generic events may give type ids instead."""
    near_word, _, far_word = str(told.get("associationType") or "").partition("_TO_")
    near = _type(told.get("fromObjectTypeId")) or _type(near_word) or event.object_type_id
    far = _type(told.get("toObjectTypeId")) or _type(far_word)
    near_id, far_id = _id(told.get("fromObjectId")) or event.object_id, _id(told.get("toObjectId"))
    return replace(event, object_type_id=near, object_id=near_id, also=(f"{far}:{far_id}",) if far and far_id else ())


def _type(word: Any) -> str:
    """A type id, of a type id or a word; empty for none, and for a word that means nothing here."""
    text = str(word or "")
    return text if text[:1].isdigit() else TYPES.get(text.upper(), "")


def _id(value: Any) -> str:
    """A record's id as text; empty for what is none (an absent ``newObjectId`` may be null, 0 or -1)."""
    text = str(value) if value is not None else ""
    return text if text.isdecimal() and text != "0" else ""


def _moment(value: Any) -> datetime | None:
    text = str(value) if value is not None else ""
    if not text.isdecimal() or int(text) > LATEST_MILLIS:
        return None
    return datetime.fromtimestamp(int(text) / 1000, tz=UTC)


def _is_own(told: Mapping[str, Any]) -> bool:
    """Whether the app whose webhook this is made the change itself. How the vendor names an app there is not documented
    (facts: HubSpot §2a has a user only), so an own write may also go unrecognised: the ledger knows its stamp."""
    source = str(told.get("sourceId") or "").removeprefix("appId:")
    return str(told.get("changeSource") or "") == OWN_SOURCE and source != "" and source == str(told.get("appId"))
