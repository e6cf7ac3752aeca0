"""What the journal tells of one portal: the subscriptions this connector needs, compared with those that are there.

Not here: reading the journal (``journal``). Subscriptions belong to the app, and the app may serve other portals and
other programs: nothing is taken away here but what a new one of ours tells as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connector.crm.hubspot import wire
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.live.meaning import KINDS, Meaning
from connector.crm.hubspot.session import Session
from connector.errors import FaultCode

OBJECT = "OBJECT"
"""The kind of subscription that tells what happens to records (facts: HubSpot §2c)."""

ACTIONS = ("CREATE", "UPDATE", "DELETE", "MERGE", "RESTORE")
PLAIN_ACTIONS = ("CREATE", "UPDATE", "DELETE")
"""For a type that cannot be merged or restored, should the portal refuse those."""

NO_RECORDS: Mapping[str, object] = {"objectIds": []}
FORMS: tuple[tuple[tuple[str, ...], Mapping[str, object]], ...] = (
    (ACTIONS, {}),
    (ACTIONS, NO_RECORDS),
    (PLAIN_ACTIONS, {}),
    (PLAIN_ACTIONS, NO_RECORDS),
)
"""The forms of one wish, as they are tried."""

REFUSED = frozenset({FaultCode.REJECTED, FaultCode.CONFLICT, FaultCode.DUPLICATE})
"""What another form of the same wish may mend."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One that is there, for all records of a type in one portal."""

    id: str
    object_type_id: str
    actions: frozenset[str]
    properties: frozenset[str]
    app_id: str = ""

    def tells(self, actions: Iterable[str], properties: frozenset[str]) -> bool:
        """Whether these changes of these properties are told."""
        return self.actions.issuperset(actions) and self.properties >= properties


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the journal tells now. ``ids``: subscription by object type; ``refused``: type → why it is not told.

    ``app_ids`` are the app's own, as subscriptions name it.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    app_ids: frozenset[str] = frozenset()


def existing(session: Session, portal_id: str) -> tuple[Subscription, ...]:
    """The app's subscriptions to all records of a type in this portal. Raises `HubSpotError`."""
    data = session.get("journal.subscriptions", session.paths.journal_subscriptions())
    rows = [each for each in data.get("results") or () if isinstance(each, Mapping)]
    return tuple(_read(each) for each in rows if _is_ours(each, portal_id))


def agree(session: Session, meaning: Meaning, portal_id: str) -> Agreed:
    """Make the subscriptions that are missing or tell too little; those that do are left as they are.

    One call when all is as it should be. Raises `HubSpotError` where subscriptions cannot be had at all, and not for a
    type that alone is refused.
    """
    there = existing(session, portal_id)
    ids: dict[str, str] = {}
    refused: dict[str, str] = {}
    apps = {each.app_id for each in there if each.app_id}
    for object_type_id in KINDS:
        of_type = [each for each in there if each.object_type_id == object_type_id]
        wanted = meaning.followed(object_type_id)
        enough = next((each for each in of_type if each.tells(PLAIN_ACTIONS, wanted)), None)
        try:
            made = enough or _renew(session, portal_id, object_type_id, wanted, of_type)
        except HubSpotError as error:
            if error.fault.code not in REFUSED | {FaultCode.NOT_PERMITTED}:
                raise
            refused[object_type_id] = f"{error.fault.vendor_code}: {error.fault.message}"
            continue
        ids[object_type_id] = made.id
        apps |= {made.app_id} - {""}
    return Agreed(ids, refused, frozenset(apps))


def _renew(
    session: Session, portal_id: str, object_type_id: str, wanted: frozenset[str], of_type: Iterable[Subscription]
) -> Subscription:
    """A subscription that tells what is wanted and what those of the type told, in their place.

    Whether the portal changes the one that is there or makes a second one is not documented (facts: HubSpot §2c): a
    second one comes first and the old one goes after it, so that no change falls between the two.
    """
    former = list(of_type)
    properties = wanted.union(*(each.properties for each in former))
    made = _make(session, portal_id, object_type_id, properties)
    for each in former:
        # One without properties may tell of all of them: it is somebody else's, or means more than ours.
        if each.id != made.id and each.properties and made.tells(each.actions, each.properties):
            _drop(session, each)
    return made


def _make(session: Session, portal_id: str, object_type_id: str, properties: frozenset[str]) -> Subscription:
    """Subscribe, in the form the portal takes: on ``objectIds`` the sources differ (facts: HubSpot §2c)."""
    refusal: HubSpotError | None = None
    for actions, more in FORMS:
        wish: dict[str, object] = {
            "subscriptionType": OBJECT,
            "portalId": int(portal_id),
            "objectTypeId": object_type_id,
            "actions": list(actions),
            "properties": sorted(properties),
            **more,
        }
        try:
            answer = session.send("journal.subscribe", session.paths.journal_subscriptions(), wish)
        except HubSpotError as error:
            if error.fault.code not in REFUSED:
                raise
            refusal = refusal or error
        else:
            return _read({**wish, **{name: value for name, value in answer.items() if value is not None}})
    if refusal is None:
        raise AssertionError("one wish at least was sent")
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
        str(data.get("subscriptionType")) == OBJECT
        and str(data.get("portalId")) == portal_id
        and data.get("objectTypeId") in KINDS
        and not data.get("objectIds")
        and not data.get("deletedAt")
    )


def _read(data: wire.Json) -> Subscription:
    return Subscription(
        id=str(data.get("id", "")),
        object_type_id=str(data.get("objectTypeId", "")),
        actions=frozenset(map(str, data.get("actions") or ())),
        properties=frozenset(map(str, data.get("properties") or ())),
        app_id=str(data.get("appId") or ""),
    )
