"""What the journal tells of one portal: the subscriptions this connector needs, compared with those that are there.

Not here: reading the journal (``journal``). Subscriptions belong to the app, and the app may serve other portals and
other programs: nothing is taken away here but what a new one of ours tells as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from connector.crm.hubspot import wire
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.live.meaning import COMPANY, CONTACTS, DEAL, KINDS, Meaning
from connector.crm.hubspot.session import Session
from connector.errors import FaultCode

OBJECT, ASSOCIATION = "OBJECT", "ASSOCIATION"
"""The kinds of subscription: what happens to records, and to links between them (facts: HubSpot §2c)."""

PLAIN_ACTIONS = frozenset({"CREATE", "UPDATE", "DELETE"})
ACTIONS = PLAIN_ACTIONS | {"MERGE", "RESTORE"}
"""Not every type can be merged or restored; where the portal refuses those, the plain ones are enough."""

LINK_ACTIONS = frozenset({"ASSOCIATION_ADDED", "ASSOCIATION_REMOVED"})
LINKS = "links"
"""The name of the wish to be told of links: an email is logged first and hung on its deal a moment later."""

NO_RECORDS: Mapping[str, object] = {"objectIds": []}

REFUSED = frozenset({FaultCode.REJECTED, FaultCode.CONFLICT, FaultCode.DUPLICATE})
"""What another form of the same wish may mend."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be told, by the name it has here: an object type, or `LINKS`. ``enough`` of ``actions`` will do."""

    name: str
    kind: str
    object_type_id: str
    actions: frozenset[str]
    enough: frozenset[str]
    properties: frozenset[str] = frozenset()
    far_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscription:
    """One that is there, for all records of a type in one portal."""

    id: str
    kind: str
    object_type_id: str
    actions: frozenset[str]
    properties: frozenset[str]
    far_types: frozenset[str]
    app_id: str = ""

    def tells(self, actions: frozenset[str], properties: frozenset[str], far_types: frozenset[str]) -> bool:
        """Whether these changes are told of these properties, or of links to these types."""
        return self.actions >= actions and self.properties >= properties and self.far_types >= far_types


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the journal tells now. ``ids``: subscription by the wish's name; ``refused``: name → why it is not told.

    ``app_ids`` are the app's own, as subscriptions name it.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    app_ids: frozenset[str] = frozenset()


def wishes(meaning: Meaning) -> tuple[Wish, ...]:
    """All that this connector wants to be told."""
    of_records = (Wish(each, OBJECT, each, ACTIONS, PLAIN_ACTIONS, meaning.followed(each)) for each in KINDS)
    far_types = frozenset({COMPANY, *CONTACTS})
    return (*of_records, Wish(LINKS, ASSOCIATION, DEAL, LINK_ACTIONS, LINK_ACTIONS, far_types=far_types))


def existing(session: Session, portal_id: str) -> tuple[Subscription, ...]:
    """The app's subscriptions to all records of a type in this portal. Raises `HubSpotError`."""
    data = session.get("journal.subscriptions", session.paths.journal_subscriptions())
    rows = [each for each in data.get("results") or () if isinstance(each, Mapping)]
    return tuple(_read(each) for each in rows if _is_ours(each, portal_id))


def agree(session: Session, meaning: Meaning, portal_id: str) -> Agreed:
    """Make the subscriptions that are missing or tell too little; those that do are left as they are.

    One call when all is as it should be. Raises `HubSpotError` where subscriptions cannot be had at all, and not for a
    wish that alone is refused.
    """
    there = existing(session, portal_id)
    ids: dict[str, str] = {}
    refused: dict[str, str] = {}
    apps = {each.app_id for each in there if each.app_id}
    for wish in wishes(meaning):
        alike = [each for each in there if (each.kind, each.object_type_id) == (wish.kind, wish.object_type_id)]
        enough = next((each for each in alike if each.tells(wish.enough, wish.properties, wish.far_types)), None)
        try:
            made = enough or _renew(session, portal_id, wish, alike)
        except HubSpotError as error:
            if error.fault.code not in REFUSED | {FaultCode.NOT_PERMITTED}:
                raise
            refused[wish.name] = f"{error.fault.vendor_code}: {error.fault.message}"
            continue
        ids[wish.name] = made.id
        apps |= {made.app_id} - {""}
    return Agreed(ids, refused, frozenset(apps))


def _renew(session: Session, portal_id: str, wish: Wish, former: Sequence[Subscription]) -> Subscription:
    """A subscription that tells what is wished and what those like it told, in their place.

    Whether the portal changes the one that is there or makes a second one is not documented (facts: HubSpot §2c): a
    second one comes first and the old one goes after it, so that no change falls between the two.
    """
    wider = replace(
        wish,
        properties=wish.properties.union(*(each.properties for each in former)),
        far_types=wish.far_types.union(*(each.far_types for each in former)),
    )
    made = _make(session, portal_id, wider)
    for each in former:
        # One that names no properties, or no types, may tell of all: it is somebody else's, or means more than ours.
        named = each.properties if each.kind == OBJECT else each.far_types
        if each.id != made.id and named and made.tells(each.actions, each.properties, each.far_types):
            _drop(session, each)
    return made


def _make(session: Session, portal_id: str, wish: Wish) -> Subscription:
    """Subscribe, in the form the portal takes: on ``objectIds`` the sources differ (facts: HubSpot §2c)."""
    refusal: HubSpotError | None = None
    plain: dict[str, object] = {
        "subscriptionType": wish.kind,
        "portalId": int(portal_id),
        "objectTypeId": wish.object_type_id,
    }
    if wish.kind == OBJECT:
        plain["properties"] = sorted(wish.properties)
    else:
        plain["associatedObjectTypeIds"] = sorted(wish.far_types)
    for actions in dict.fromkeys((wish.actions, wish.enough)):
        for more in ({}, NO_RECORDS):
            body: dict[str, object] = {**plain, "actions": sorted(actions), **more}
            try:
                answer = session.send("journal.subscribe", session.paths.journal_subscriptions(), body)
            except HubSpotError as error:
                if error.fault.code not in REFUSED:
                    raise
                refusal = refusal or error
            else:
                return _read({**body, **{name: value for name, value in answer.items() if value is not None}})
    if refusal is None:
        raise AssertionError("one form at least was sent")
    raise refusal


def _drop(session: Session, subscription: Subscription) -> None:
    """Take one away; one that is gone already is as good."""
    try:
        session.change("journal.unsubscribe", "DELETE", session.paths.journal_subscriptions(subscription.id))
    except HubSpotError as error:
        if error.fault.code is not FaultCode.RECORD_GONE:
            raise


def _is_ours(data: wire.Json, portal_id: str) -> bool:
    """For all records of a watched type in this portal, and not taken away."""
    return (
        data.get("subscriptionType") in (OBJECT, ASSOCIATION)
        and str(data.get("portalId")) == portal_id
        and data.get("objectTypeId") in KINDS
        and not data.get("objectIds")
        and not data.get("deletedAt")
    )


def _read(data: wire.Json) -> Subscription:
    return Subscription(
        id=str(data.get("id", "")),
        kind=str(data.get("subscriptionType", "")),
        object_type_id=str(data.get("objectTypeId", "")),
        actions=frozenset(map(str, data.get("actions") or ())),
        properties=frozenset(map(str, data.get("properties") or ())),
        far_types=frozenset(map(str, data.get("associatedObjectTypeIds") or ())),
        app_id=str(data.get("appId") or ""),
    )
