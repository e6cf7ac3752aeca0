"""What is listened to, and how far: topics, the feeds they stand in for, and the cursor over all of them.

Not here: streams (``stream``, ``feed``). A place on the bus is opaque bytes that mean nothing in another org.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.crm.salesforce.feeds import FEEDS
from connector.crm.salesforce.fields import Names
from connector.crm.salesforce.pubsub.events import KINDS
from connector.handoff.model import Kind

ADDRESS = "api.pubsub.salesforce.com:7443"
"""Where the bus is for every org (facts: Salesforce §2.1)."""

SILENCE = 300.0
"""Seconds without a word after which a stream counts as dead. A sign of life comes within 270 (facts: Salesforce
§2.2)."""

CUSTOM = "__c"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to listen. ``channel`` is a custom channel's name (``Handoff__chn``) instead of one topic per object.

    ``required``: that some topic cannot be had is a problem, not just slower. ``silence`` in seconds.
    """

    address: str = ADDRESS
    channel: str = ""
    required: bool = False
    silence: float = SILENCE


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, and the polled feeds that tell the same."""

    name: str
    feeds: frozenset[str]


def topics_of(names: Names, options: LiveOptions) -> tuple[Topic, ...]:
    """A custom channel alone, or a topic for each watched object."""
    if options.channel:
        return (Topic(f"/data/{options.channel}", frozenset(FEEDS)),)
    return tuple(Topic(f"/data/{event_of(names.object(kind))}", feeds_of(kind)) for kind in KINDS)


def event_of(object_name: str) -> str:
    """The name of an object's change event: ``OpportunityChangeEvent``, ``Deal__ChangeEvent``."""
    if object_name.endswith(CUSTOM):
        return object_name.removesuffix("c") + "ChangeEvent"
    return object_name + "ChangeEvent"


def feeds_of(kind: Kind) -> frozenset[str]:
    """The polled feeds of one kind of record."""
    return frozenset(feed.name for feed in FEEDS.values() if feed.kind is kind)


@dataclass(frozen=True, slots=True)
class Places:
    """How far each topic was heard, in which org."""

    org_id: str = ""
    at: Mapping[str, bytes] = field(default_factory=dict)

    def dump(self) -> str:
        """As text."""
        at = {topic: place.hex() for topic, place in sorted(self.at.items())}
        return json.dumps({"org": self.org_id, "at": at}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | None) -> Places:
        """From a text that `dump` made; a text that is none counts as nothing heard yet."""
        try:
            told = json.loads(text or "{}")
            at = {str(topic): bytes.fromhex(place) for topic, place in told["at"].items()}
            return cls(str(told["org"]), at)
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def in_org(self, org_id: str) -> Places:
        """The same if they are of this org, else none: a refreshed sandbox is another org (facts: Salesforce §7)."""
        return self if self.org_id == org_id else Places(org_id)
