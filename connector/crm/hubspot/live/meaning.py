"""What one event of a portal means here: which records to look at, and whether that can wait.

Not here: how an event arrives and is spelled (``journal``, ``webhooks``), and the records themselves. An event's values
are never used, only which properties changed: it may be late, doubled or overtaken by another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connector.crm.hubspot.fields import (
    DEAL_TYPE,
    OWNER,
    PIPELINE,
    STAGE,
    TASK_COMPLETED_AT,
    TOUCH_PROPERTIES,
    Fields,
)
from connector.crm.live import Sighting
from connector.handoff.model import Kind, Ref, SystemName
from connector.handoff.rulebook.fields import FieldOwner
from connector.policy.crmmap import CrmMap

DEAL, COMPANY, TASK, NOTE, MEETING, CALL, EMAIL = "0-3", "0-2", "0-27", "0-46", "0-47", "0-48", "0-49"
"""HubSpot's own object types (facts: HubSpot §2c, §6)."""

KINDS: Mapping[str, Kind] = {
    DEAL: Kind.DEAL,
    COMPANY: Kind.ACCOUNT,
    TASK: Kind.TASK,
    NOTE: Kind.NOTE,
    MEETING: Kind.MEETING,
    CALL: Kind.MEETING,
    EMAIL: Kind.MEETING,
}
"""What each type is here. A call or an email is a contact like a meeting and has no kind of its own; its `Ref` carries
the type before the id (`ref_of`), for ids are unique within one type only."""

OBJECT_NAMES: Mapping[str, str] = {
    DEAL: "deals",
    COMPANY: "companies",
    TASK: "tasks",
    NOTE: "notes",
    MEETING: "meetings",
    CALL: "calls",
    EMAIL: "emails",
}
"""What HubSpot calls each type in paths."""

BORROWED = frozenset({CALL, EMAIL})
"""Types that have no kind of their own here."""

CONTACTS = frozenset({MEETING, CALL, EMAIL})
"""What counts as a touch of the customer."""

FEEDS: Mapping[str, str] = {DEAL: "deal", TASK: "task", MEETING: "meeting", CALL: "call", EMAIL: "email"}
"""The polled feed that tells of the same records (`HubSpotCRM.feeds`). Companies and notes are not polled."""

SYSTEM_OWN: Mapping[str, frozenset[str]] = {
    DEAL: frozenset({STAGE, PIPELINE, DEAL_TYPE, OWNER, "closedate", "notes_last_contacted"}),
    TASK: frozenset({"hs_task_status", TASK_COMPLETED_AT}),
    MEETING: frozenset(TOUCH_PROPERTIES["meetings"]),
    CALL: frozenset(TOUCH_PROPERTIES["calls"]),
    EMAIL: frozenset(TOUCH_PROPERTIES["emails"]),
    NOTE: frozenset({"hs_note_body"}),
}
"""HubSpot's own properties that are followed whether they are mapped or not. ``notes_last_contacted`` of a deal moves
with every call, email and meeting that is logged on it (facts: HubSpot §4), so a touch also shows on the deal."""


class Action(StrEnum):
    """What happened to a record."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    MERGE = "MERGE"
    RESTORE = "RESTORE"
    ASSOCIATION = "ASSOCIATION"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. ``changed`` names properties, empty when the event does not tell; ``at`` is the vendor's clock.

    ``also`` are other records it speaks of: ids of the same type (merged ones), or ``type:id`` of another type (the far
    end of an association). ``by_self``: the event itself says that this connector made the change.
    """

    object_type_id: str
    object_id: str
    action: Action
    at: datetime
    changed: frozenset[str] = frozenset()
    by_self: bool = False
    also: tuple[str, ...] = ()


def ref_of(object_type_id: str, object_id: str) -> Ref:
    """A record of a watched type. Raises KeyError for another type."""
    kind = KINDS[object_type_id]
    return Ref(kind, f"{object_type_id}:{object_id}" if object_type_id in BORROWED else object_id)


def type_of(ref: Ref) -> tuple[str, str]:
    """The object type and the vendor's id behind a `Ref` of `ref_of`. Raises KeyError for a kind that has none."""
    before, colon, record_id = ref.id.partition(":")
    return (before, record_id) if colon else (TYPES[ref.kind], ref.id)


TYPES: Mapping[Kind, str] = {kind: each for each, kind in KINDS.items() if each not in BORROWED}


class Meaning:
    """Events of one portal as sightings of records."""

    def __init__(self, fields: Fields, map: CrmMap, system: SystemName) -> None:
        self._system = system
        self._followed = {each: _followed(fields, map, each) for each in KINDS}
        kept = {each.field for each in map.of(Kind.DEAL) if each.owner is FieldOwner.DAEMON}
        self._read_of_deals = self._followed[DEAL] - (kept - SYSTEM_OWN[DEAL])

    @property
    def system(self) -> SystemName:
        """Whose events these are."""
        return self._system

    def followed(self, object_type_id: str) -> frozenset[str]:
        """The properties of a type whose change matters: the mapped ones and those of HubSpot's own; empty for a type
        that is not watched."""
        return self._followed.get(object_type_id, frozenset())

    def of(self, event: Event) -> tuple[Sighting, ...]:
        """The records to look at for this event, none when it is about nothing that is watched."""
        found = tuple(dict.fromkeys(self._seen(event)))
        deals = tuple(each for each in found if each.deal_ids)
        # Where a link was made or taken away, the deal at either end is all there is to look at.
        return deals if deals and event.action is Action.ASSOCIATION else found

    def _seen(self, event: Event) -> Iterator[Sighting]:
        for object_type_id, object_id in _records(event):
            if object_type_id not in KINDS or not object_id or _is_idle(object_type_id, event.action):
                continue
            is_deal = object_type_id == DEAL
            yield Sighting(
                ref=ref_of(object_type_id, object_id),
                modified_at=event.at,
                deal_ids=(object_id,) if is_deal else (),
                by_self=event.by_self,
                ask=not is_deal and not event.by_self and self._is_telling(object_type_id, event),
                minor=is_deal and self._is_minor(event),
            )

    def _is_minor(self, event: Event) -> bool:
        """Whether a deal changed in nothing that is read of it; an event that does not say what changed is none.

        What the connector itself keeps true counts as not read, and so does what was hung on the deal, but for its
        account: nearly always both are our own doing, and where it is a person's, it is seen a moment later.
        """
        if event.action is Action.ASSOCIATION:
            return COMPANY not in {object_type_id for object_type_id, _ in _records(event)}
        return event.action is Action.UPDATE and bool(event.changed) and not event.changed & self._read_of_deals

    def _is_telling(self, object_type_id: str, event: Event) -> bool:
        """Whether it is worth asking which deals the record hangs on, where the ledger does not know.

        Notes of other people have no consequence here, and of a deleted record the portal tells no links any more.
        """
        if object_type_id == NOTE or event.action in (Action.DELETE, Action.ASSOCIATION):
            return False
        if event.action is Action.UPDATE and event.changed:
            return bool(event.changed & self._followed[object_type_id])
        return True


def _is_idle(object_type_id: str, action: Action) -> bool:
    """Whether nothing follows from it: a fresh company, note or task has nothing to say yet; a call is a touch."""
    return action is Action.CREATE and object_type_id not in (DEAL, *CONTACTS)


def _records(event: Event) -> Iterator[tuple[str, str]]:
    yield event.object_type_id, event.object_id
    for each in event.also:
        before, colon, record_id = each.partition(":")
        yield (before, record_id) if colon else (event.object_type_id, each)


def _followed(fields: Fields, map: CrmMap, object_type_id: str) -> frozenset[str]:
    """Mapped properties that the portal has, and those of HubSpot's own. Calls and emails have no mapping."""
    own = SYSTEM_OWN.get(object_type_id, frozenset())
    if object_type_id in BORROWED:
        return own
    kind = KINDS[object_type_id]
    return own | {each.field for each in map.of(kind) if each.field}.intersection(fields.read_names(kind))
