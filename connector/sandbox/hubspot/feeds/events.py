"""Webhook subscriptions of an app, and a change as the events that they bring (facts: HubSpot §2a).

Not delivery (`webhooks.py`). An app is configured as the vendor's tool uploads it, or as a plain list.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from connector.sandbox.hubspot.feeds.source import Action, Change
from connector.sandbox.hubspot.kinds import KINDS, Kind, kind_of
from connector.sandbox.hubspot.schema import APP_CLIENT_SECRET, APP_ID, PORTAL_ID

# facts: HubSpot §2a
MOST_SUBSCRIPTIONS = 1_000
USUAL_CONCURRENT = 10
LEAST_CONCURRENT = 6
UNSUBSCRIBABLE = frozenset({"hs_lastmodifieddate", "lastmodifieddate", "num_unique_conversion_events"})
GENERIC = "object"
CLASSIC = frozenset({"contact", "company", "deal"})
PROPERTY_CHANGE, ASSOCIATION_CHANGE = "propertyChange", "associationChange"
VERBS = {
    Action.CREATE: "creation",
    Action.UPDATE: PROPERTY_CHANGE,
    Action.DELETE: "deletion",
    Action.MERGE: "merge",
    Action.RESTORE: "restore",
    Action.LINKED: ASSOCIATION_CHANGE,
    Action.UNLINKED: ASSOCIATION_CHANGE,
}
FIRST_SUBSCRIPTION = 900_001
MEETING_NAMES = {"meeting_event": "meetings"}
"""The vendor's name of meetings in generic subscriptions."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription, to a property of that name where it is to one; `generic` events tell the object's type."""

    id: int
    kind: Kind
    verb: str
    generic: bool
    name: str = ""

    @property
    def type(self) -> str:
        """As the vendor calls it, such as "deal.propertyChange"."""
        return f"{GENERIC if self.generic else self.kind.singular}.{self.verb}"


@dataclass(frozen=True, slots=True)
class App:
    """What an app is configured to. `via` is where its target is reached from here, as through a tunnel.

    `double` is the share of events sent twice, `shuffle` mixes them and lets some come late, `delay_s` holds all back
    in sandbox time, `timeout_s` and `retry_s` replace the vendor's; `unheard` is the share of deliveries whose answer
    gets lost on its way, and `lose` counts events that nobody is told of.
    """

    target_url: str
    secret: str
    app_id: int
    via: str
    max_concurrent: int
    subscriptions: tuple[Subscription, ...]
    double: float
    shuffle: bool
    unheard: float
    delay_s: float
    timeout_s: float | None
    retry_s: tuple[float, ...] | None
    by_what: Mapping[tuple[str, str], tuple[Subscription, ...]] = field(default_factory=dict)


def parse(raw: Mapping[str, Any]) -> App:
    """The app of a setting `webhooks`. Raises ValueError for what the vendor, or this sandbox, would not take."""
    target = str(raw.get("target_url", ""))
    via = str(raw.get("via") or target)
    if not is_loopback(via):
        raise ValueError(f"the sandbox delivers to this machine only, not to {via!r}")
    most = int(raw.get("max_concurrent", USUAL_CONCURRENT))
    if most < LEAST_CONCURRENT:
        raise ValueError(f"max_concurrent must be above {LEAST_CONCURRENT - 1}, not {most}")
    chosen = tuple(_subscriptions(raw.get("subscriptions", ())))
    if len(chosen) > MOST_SUBSCRIPTIONS:
        raise ValueError(f"an app has at most {MOST_SUBSCRIPTIONS} subscriptions, not {len(chosen)}")
    found: dict[tuple[str, str], list[Subscription]] = {}
    for each in chosen:
        found.setdefault((each.kind.table, each.verb), []).append(each)
    timeout, retry = raw.get("timeout_s"), raw.get("retry_s")
    return App(
        target_url=target,
        secret=str(raw.get("secret", APP_CLIENT_SECRET)),
        app_id=int(raw.get("app_id", APP_ID)),
        via=via,
        max_concurrent=most,
        subscriptions=chosen,
        double=float(raw.get("double", 0)),
        shuffle=bool(raw.get("shuffle", False)),
        unheard=float(raw.get("unheard", 0)),
        delay_s=float(raw.get("delay_s", 0)),
        timeout_s=None if timeout is None else float(timeout),
        retry_s=None if retry is None else tuple(map(float, retry)),
        by_what={key: tuple(some) for key, some in found.items()},
    )


def uploaded(part: Mapping[str, Any]) -> dict[str, Any]:
    """The setting `webhooks` for a component file that the vendor's tool uploads. Raises ValueError."""
    if part.get("type") != "webhooks" or not part.get("uid"):
        raise ValueError("a webhooks component has a uid and the type 'webhooks'")
    config = part.get("config") or {}
    settings, subscriptions = config.get("settings") or {}, config.get("subscriptions") or {}
    unknown = set(subscriptions) - {"crmObjects", "legacyCrmObjects", "hubEvents"}
    if unknown:
        raise ValueError(f"unknown kinds of subscriptions: {', '.join(sorted(unknown))}")
    if not settings.get("targetUrl"):
        raise ValueError("settings need a targetUrl")
    listed = [*subscriptions.get("crmObjects", ()), *subscriptions.get("legacyCrmObjects", ())]
    return {
        "target_url": settings["targetUrl"],
        "max_concurrent": settings.get("maxConcurrentRequests", USUAL_CONCURRENT),
        "subscriptions": listed,
    }


def is_loopback(url: str) -> bool:
    """Whether an address leads nowhere but to this machine."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def events(app: App, change: Change) -> Iterator[dict[str, Any]]:
    """The events of one change, one per subscription and property, without number and attempt."""
    # A new record tells its first values too.
    verbs = (VERBS[Action.CREATE], PROPERTY_CHANGE) if change.action is Action.CREATE else (VERBS[change.action],)
    for verb in verbs:
        for each in app.by_what.get((change.kind.table, verb), ()):
            if verb != PROPERTY_CHANGE:
                yield {**_base(app, each, change), **_more(change)}
            elif each.name in change.values:
                told = {"propertyName": each.name, "propertyValue": change.values[each.name]}
                yield {**_base(app, each, change), "objectId": int(change.record_id), **told}


# inside


def _subscriptions(raw: Iterable[Mapping[str, Any]]) -> Iterator[Subscription]:
    for number, one in enumerate(raw, start=FIRST_SUBSCRIPTION):
        if one.get("active", True) is False:
            continue
        name, _, verb = str(one.get("subscriptionType") or one.get("eventType") or "").partition(".")
        if verb not in VERBS.values():
            raise ValueError(f"unknown subscription type {name}.{verb}")
        if name != GENERIC and name not in CLASSIC:
            raise ValueError(f"there is no classic subscription for {name!r}")
        generic = name == GENERIC
        about = str(one.get("objectTypeId") or one.get("objectType") or one.get("objectName") or "")
        prop = str(one.get("propertyName") or "")
        if (verb == PROPERTY_CHANGE) != bool(prop):
            raise ValueError(f"{name}.{verb} needs {'a' if not prop else 'no'} propertyName")
        if prop in UNSUBSCRIBABLE:
            raise ValueError(f"{prop} cannot be subscribed to")
        yield Subscription(
            id=int(one.get("id", number)),
            kind=_kind(about if generic else name),
            verb=verb,
            generic=generic,
            name=prop,
        )


def _kind(name: str) -> Kind:
    wanted = MEETING_NAMES.get(name.lower(), name)
    if wanted.lower() not in {n for k in KINDS for n in (k.table, k.singular, k.type_id)}:
        raise ValueError(f"unknown object type {name!r}")
    return kind_of(wanted)


def _base(app: App, subscription: Subscription, change: Change) -> dict[str, Any]:
    found: dict[str, Any] = {
        "eventId": change.number,
        "subscriptionId": subscription.id,
        "portalId": PORTAL_ID,
        "appId": app.app_id,
        "occurredAt": change.at,
        "subscriptionType": subscription.type,
        "changeSource": change.source,
        "sourceId": change.source_id,
    }
    if subscription.generic:
        found |= {"objectTypeId": change.kind.type_id, "isSensitive": False}
    return found


def _more(change: Change) -> dict[str, Any]:
    if change.link is not None:
        return {
            "associationType": f"{change.kind.singular}_to_{change.link.kind.singular}".upper(),
            "fromObjectId": int(change.record_id),
            "toObjectId": int(change.link.record_id),
            "associationRemoved": change.action is Action.UNLINKED,
            "isPrimaryAssociation": change.link.primary,
        }
    if change.merger is not None:
        return {
            "objectId": int(change.record_id),
            "primaryObjectId": int(change.merger.winner),
            "mergedObjectIds": [int(each) for each in change.merger.losers],
            "newObjectId": int(change.merger.result),
            "numberOfPropertiesMoved": change.merger.moved,
        }
    flag = {"changeFlag": "NEW"} if change.action is Action.CREATE else {}
    return {"objectId": int(change.record_id), **flag}
