"""What a HubSpot app must deliver, as the component file that its admin uploads: webhooks-hsmeta.json.

Not here: uploading (the vendor's own tool does that; webhooks of an app like this have no API, facts: HubSpot §2a) and
the app's other files, which that tool makes. Subscriptions are those whose events mean something here, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.crm.hubspot.fields import Fields
from connector.crm.hubspot.live.meaning import CALL, COMPANY, DEAL, EMAIL, MEETING, NOTE, TASK, Meaning
from connector.errors import Problem, UserError
from connector.handoff.model import Kind

FILE = "webhooks-hsmeta.json"
UID = "handoff_webhooks"
CONCURRENT = 10
"""The vendor's default; it must be above five (facts: HubSpot §2a)."""

MOST = 1000
"""Subscriptions of one app (facts: HubSpot §2a)."""

NEVER = frozenset({"hs_lastmodifieddate", "lastmodifieddate", "num_unique_conversion_events"})
"""Properties that cannot be subscribed to (facts: HubSpot §2a)."""

CLASSIC: Mapping[str, tuple[str, tuple[str, ...]]] = {
    DEAL: ("deal", ("creation", "deletion", "merge", "restore", "associationChange")),
    COMPANY: ("company", ("merge",)),
}
"""By type id: the word in classic subscriptions, and what is told besides properties. A merged company is another
account to its deals; one that is made or deleted changes nothing before a deal's link to it does."""

GENERIC: Mapping[str, tuple[str, tuple[str, ...]]] = {
    TASK: ("TASK", ("deletion", "restore")),
    NOTE: ("NOTE", ("deletion", "restore")),
    MEETING: ("MEETING_EVENT", ("creation", "associationChange")),
    CALL: ("CALL", ("creation", "associationChange")),
    EMAIL: ("EMAIL", ("creation", "associationChange")),
}
"""Types without classic subscriptions (facts: HubSpot §2a). An activity is often linked to its deal only after it was
made, and then the link is the news."""


def component(meaning: Meaning, fields: Fields, *, url: str) -> dict[str, Any]:
    """The file's content. Raises `UserError` when the mapping needs more subscriptions than an app may have."""
    keys = {fields.key(kind) for kind in (Kind.TASK, Kind.NOTE, Kind.MEETING)}
    classic = [each for type_id in CLASSIC for each in _classic(meaning, type_id, keys)]
    generic = [each for type_id in GENERIC for each in _generic(meaning, type_id, keys)]
    count = len(classic) + len(generic)
    if count > MOST:
        message = f"the mapped fields need {count:,} subscriptions, and an app has {MOST:,} at most; map fewer fields"
        raise UserError([Problem("HubSpot webhooks", "fields", message)])
    return {
        "uid": UID,
        "type": "webhooks",
        "config": {
            "settings": {"targetUrl": url, "maxConcurrentRequests": CONCURRENT},
            "subscriptions": {"crmObjects": generic, "legacyCrmObjects": classic, "hubEvents": []},
        },
    }


def subscriptions_in(made: Mapping[str, Any]) -> int:
    """How many subscriptions a component asks for."""
    return sum(len(each) for each in made["config"]["subscriptions"].values())


def _classic(meaning: Meaning, type_id: str, keys: set[str]) -> Iterator[dict[str, Any]]:
    word, verbs = CLASSIC[type_id]
    for verb in verbs:
        yield {"subscriptionType": f"{word}.{verb}", "active": True}
    for name in _properties(meaning, type_id, keys):
        yield {"subscriptionType": f"{word}.propertyChange", "propertyName": name, "active": True}


def _generic(meaning: Meaning, type_id: str, keys: set[str]) -> Iterator[dict[str, Any]]:
    word, verbs = GENERIC[type_id]
    for verb in verbs:
        yield {"subscriptionType": f"object.{verb}", "objectType": word, "active": True}
    for name in _properties(meaning, type_id, keys):
        yield {
            "subscriptionType": "object.propertyChange",
            "objectType": word,
            "propertyName": name,
            "active": True,
        }


def _properties(meaning: Meaning, type_id: str, keys: set[str]) -> list[str]:
    """Those that are followed. Keys are written once, by the connector itself, and say nothing new."""
    return sorted(meaning.followed(type_id) - NEVER - keys)
