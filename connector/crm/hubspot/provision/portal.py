"""A portal as it stands: who it is, what it may hold, its properties, groups and pipelines, in few calls.

Not here: what it should have (``desired``) and records. The limits are read first: a portal without room is told before
anything else is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from connector.crm.hubspot import wire
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.portal import stages_of
from connector.crm.hubspot.provision.definition import Present, present
from connector.crm.hubspot.session import Session
from connector.errors import Advice
from connector.handoff.model import Stage

FORBIDDEN = 403
FREE_OR_STARTER = 100
"""Calls in the rolling window of such a portal; a marketplace app is told 110 in any (facts: HubSpot §3e)."""

ARCHIVED: Mapping[str, str] = {"archived": "true"}
NO_ROWS: Mapping[str, object] = {"inputs": []}
TYPE_IDS: Mapping[str, str] = {
    "deals": "0-3",
    "companies": "0-2",
    "tasks": "0-27",
    "notes": "0-46",
    "meetings": "0-47",
}
"""Names in paths -> type ids, by which limits are told (facts: HubSpot §2a, §6)."""

PEOPLES: Mapping[str, str] = {
    "STANDARD": "a PRODUCTION account",
    "DEVELOPER_TEST": "a developer test account",
    "SANDBOX": "a sandbox account",
    "APP_DEVELOPER": "a developer account",
}
"""Account types (facts: HubSpot §7) as an admin is told of them."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many custom properties there may be, and are."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        """How many more."""
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class Account:
    """Which portal this is."""

    id: str
    type: str = ""

    @property
    def is_standard(self) -> bool:
        """Whether people work there: an account of no known kind counts as one."""
        return self.type not in PEOPLES or self.type == "STANDARD"

    @property
    def kind(self) -> str:
        """Its kind in words."""
        return PEOPLES.get(self.type, PEOPLES["STANDARD"])


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One deal pipeline with its stages in their order."""

    id: str
    label: str
    stages: tuple[Stage, ...]

    @property
    def won(self) -> tuple[Stage, ...]:
        """Its won stages: by probability and the closed flag, never by id (facts: HubSpot §4)."""
        return tuple(stage for stage in self.stages if stage.is_won)


Named = Mapping[str, Present]


@dataclass(frozen=True, slots=True)
class PortalState:
    """Everything a plan compares with. ``rooms`` is by type id, ``room`` over all types; both may be unknown.

    ``properties`` and ``archived`` are by object and name, ``groups`` the names by object. ``burst`` is how many calls
    it allows in its rolling window, by which editions are told apart; 0 when it did not tell.
    """

    account: Account
    properties: Mapping[str, Named] = field(default_factory=dict)
    archived: Mapping[str, Named] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pipelines: tuple[Pipeline, ...] = ()
    rooms: Mapping[str, Room] = field(default_factory=dict)
    room: Room | None = None
    burst: int = 0
    unread: tuple[str, ...] = ()

    @property
    def has_logic(self) -> bool:
        """Whether its edition may have conditional property logic: Professional and above do (facts: HubSpot §4)."""
        return self.burst != FREE_OR_STARTER

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages of all pipelines."""
        return tuple(stage for pipeline in self.pipelines for stage in pipeline.stages)

    def get(self, object_name: str, name: str) -> Present | None:
        """A property that is there."""
        return self.properties.get(object_name, {}).get(name)

    def of_old(self, object_name: str, name: str) -> Present | None:
        """An archived property, whose name brings it back."""
        return self.archived.get(object_name, {}).get(name)

    def room_of(self, object_name: str) -> Room | None:
        """What the limits say of one type of object."""
        return self.rooms.get(TYPE_IDS.get(object_name, object_name))


def read_account(session: Session) -> Account:
    """Which portal a login belongs to. Raises `CrmError`."""
    told = session.get("account", session.paths.account("details"))
    return Account(str(told.get("portalId", "")), str(told.get("accountType") or ""))


def read_portal(session: Session, account: Account, objects: Iterable[str]) -> PortalState:
    """Three calls, and three for each type of object. Raises `CrmError`."""
    unread: list[str] = []
    room, rooms = _rooms(session, unread)
    named = tuple(objects)
    return PortalState(
        account=account,
        room=room,
        rooms=rooms,
        properties={name: _properties(session, name) for name in named},
        archived={name: _properties(session, name, query=ARCHIVED) for name in named},
        groups={name: _groups(session, name) for name in named},
        pipelines=read_pipelines(session),
        burst=session.burst_limit,
        unread=tuple(unread),
    )


def lacking(session: Session, objects: Iterable[str]) -> tuple[str, ...]:
    """Which scopes this login lacks to change the properties of these, in words. One call each, which changes nothing.

    A batch without a row is refused for having none, or before that for want of a scope. Raises `CrmError`.
    """
    return tuple(_lacking(session, objects))


def _lacking(session: Session, objects: Iterable[str]) -> Iterator[str]:
    for name in objects:
        try:
            session.change("scopes", "POST", session.paths.properties(name, "batch", "create"), NO_ROWS)
        except HubSpotError as error:
            if error.status == FORBIDDEN:
                wanted = " or ".join(sorted(error.names)) or error.fault.message
                yield f"{name}: {wanted}"
            elif not error.refuses_content:
                raise


def _rooms(session: Session, unread: list[str]) -> tuple[Room | None, dict[str, Room]]:
    try:
        told = session.get("limits", session.paths.limits("custom-properties"))
    except HubSpotError as error:
        if error.fault.advice is Advice.HALT:
            raise
        # It needs a scope of records, which a token that may only change properties has no other use for.
        unread.append(f"how many custom properties there may be ({error.fault.message}); a refusal would tell")
        return None, {}
    listed = (each for each in told.get("byObjectType") or () if isinstance(each, Mapping))
    rooms = {str(each.get("objectTypeId", "")): room for each in listed if (room := _room(each, "limit", "usage"))}
    return _room(told, "overallLimit", "overallUsage"), rooms


def _room(told: wire.Json, limit: str, usage: str) -> Room | None:
    most, used = told.get(limit), told.get(usage)
    return Room(most, used) if isinstance(most, int) and isinstance(used, int) else None


def _properties(session: Session, name: str, *, query: Mapping[str, str] | None = None) -> dict[str, Present]:
    told = session.get("properties", session.paths.properties(name), query=query)
    wanted = query is not None
    rows = (each for each in told.get("results") or () if bool(each.get("archived")) is wanted)
    return {found.name: found for found in (present(name, each) for each in rows)}


def _groups(session: Session, name: str) -> frozenset[str]:
    told = session.get("properties", session.paths.properties(name, "groups"))
    return frozenset(str(each.get("name", "")) for each in told.get("results") or () if not each.get("archived"))


def read_pipelines(session: Session) -> tuple[Pipeline, ...]:
    """The deal pipelines, in one call. Raises `CrmError`."""
    return tuple(_pipelines(session))


def _pipelines(session: Session) -> Iterator[Pipeline]:
    told = session.get("pipelines", session.paths.pipelines("deals"))
    for each in told.get("results") or ():
        if not each.get("archived"):
            yield Pipeline(str(each.get("id", "")), str(each.get("label", "")), stages_of(each))
