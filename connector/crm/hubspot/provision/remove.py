"""The way back: what of ours can be taken out of a portal, and how much data would go with it.

Not here: taking it out (``apply``). Properties go only when asked for, and one that holds data only when asked for a
second time; only those whose description bears our mark, whether the files still ask for them or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connector.crm.hubspot import wire
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.provision.definition import GROUP, Present
from connector.crm.hubspot.provision.desired import Desired, Group
from connector.crm.hubspot.provision.items import GROUP as A_GROUP
from connector.crm.hubspot.provision.items import PROPERTY, ArchiveGroup, ArchiveProperty, Item
from connector.crm.hubspot.provision.portal import PortalState
from connector.crm.hubspot.search import where
from connector.crm.hubspot.session import Session
from connector.crm.installer import Do
from connector.errors import Advice

GROUPS_MOST = 5
"""Filter groups that one search takes; a record counts that fits any of them (facts: HubSpot §1)."""

RESTORABLE = "in Settings → Properties → Archived it can be restored for 90 days"
UNCOUNTED = "what it holds could not be counted (a token that may read these records can)"
USED = "Whether a workflow, form or list uses it, the portal shows at Settings → Properties → Used in."


@dataclass(frozen=True, slots=True)
class Holding:
    """How many records have a property filled, as search counts them: archived records and the last moments are not
    in it."""

    records: int

    @property
    def is_empty(self) -> bool:
        """Whether no record has it filled."""
        return self.records == 0

    def __str__(self) -> str:
        return "filled on 1 record" if self.records == 1 else f"filled on {self.records:,} records"


Held = Mapping[str, Holding]


def ours(portal: PortalState) -> tuple[Present, ...]:
    """The properties that bear our mark."""
    return tuple(one for named in portal.properties.values() for one in named.values() if _is_ours(one))


def holdings(session: Session, properties: Sequence[Present]) -> dict[str, Holding]:
    """How many records hold data in each property, by key; one that search does not know is left out.

    One call for five that are empty together, and one for each of those that are not. Raises `CrmError`.
    """
    found: dict[str, Holding] = {}
    for name in dict.fromkeys(one.object for one in properties):
        here = [one for one in properties if one.object == name]
        for start in range(0, len(here), GROUPS_MOST):
            some = here[start : start + GROUPS_MOST]
            if _count(session, name, some) == 0:
                found |= {one.key: Holding(0) for one in some}
                continue
            for one in some:
                count = _count(session, name, [one])
                if count is not None:
                    found[one.key] = Holding(count)
    return found


def removal(
    desired: Desired, portal: PortalState, held: Held, *, with_fields: bool = False, even_with_data: bool = False
) -> tuple[Item, ...]:
    """The lines of the way back. ``held`` as `holdings` found it."""
    mine = ours(portal)
    lines = [_property(one, held.get(one.key), with_fields=with_fields, even_with_data=even_with_data) for one in mine]
    wanted = {one.definition.key for one in desired.wanted}
    known = {one.key for one in mine}
    for named in portal.properties.values():
        for one in named.values():
            if one.key in wanted and one.key not in known and not one.shipped:
                detail = "does not bear our mark: somebody else made it, so it stays"
                lines.append(Item(Do.KEEP, PROPERTY, one.key, detail))
    going = frozenset(item.name for item in lines if item.do is Do.REMOVE)
    return (*lines, *_groups(portal, going))


def _property(one: Present, held: Holding | None, *, with_fields: bool, even_with_data: bool) -> Item:
    if not with_fields:
        return Item(Do.KEEP, PROPERTY, one.key, "properties stay unless --with-fields is given")
    told = str(held) if held is not None else UNCOUNTED
    if (held is None or not held.is_empty) and not even_with_data:
        return Item(Do.KEEP, PROPERTY, one.key, f"{told}; it stays unless --even-with-data is given as well")
    lost = "" if held is not None and held.is_empty else "; THIS DATA IS LOST"
    act = ArchiveProperty(one.object, one.name)
    return Item(Do.REMOVE, PROPERTY, one.key, f"{told}{lost}; {RESTORABLE}", USED, act=act)


def _groups(portal: PortalState, going: frozenset[str]) -> Iterator[Item]:
    """Our group of each type of object goes when nothing is left in it."""
    for name, groups in portal.groups.items():
        if GROUP not in groups:
            continue
        group = Group(name)
        inside = [one for one in portal.properties.get(name, {}).values() if one.group == GROUP]
        left = [one.name for one in inside if one.key not in going]
        if left:
            stay = "1 property stays" if len(left) == 1 else f"{len(left)} properties stay"
            yield Item(Do.KEEP, A_GROUP, group.key, f"{stay} in it")
        else:
            yield Item(Do.REMOVE, A_GROUP, group.key, act=ArchiveGroup(group))


def _is_ours(one: Present) -> bool:
    return one.bears_our_mark and not one.shipped


def _count(session: Session, name: str, some: Sequence[Present]) -> int | None:
    """Records that have any of these filled; None when search refuses the question."""
    groups = [{"filters": [where(one.name, "HAS_PROPERTY")]} for one in some]
    body: wire.Json = {"filterGroups": groups, "limit": 1, "properties": []}
    try:
        told = session.search(name, body).get("total")
    except HubSpotError as error:
        if error.fault.advice is not Advice.PARK:
            raise
        return None
    return told if isinstance(told, int) else None
