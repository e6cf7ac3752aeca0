"""What an admin may choose about an installation, and what each part of it hands back.

Not here: what follows from the choices (``desired`` and the parts beside it).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from connector.crm.salesforce.provision.component import Component
from connector.errors import Problem

PREFIX = "Handoff_"
"""Everything we make in an org begins so; nothing else is ever changed."""
BYPASS = "Handoff_Gate_Bypass"
"""The custom permission that lets a save past the native gate, and the permission set that grants it."""
API_VERSION = "67.0"
"""Summer '26 (facts: Salesforce §4.4)."""


class Channel(StrEnum):
    """Where change events come from: the org's standard channel, a channel of our own, or nowhere (polling alone)."""

    OFF = "off"
    STANDARD = "standard"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Options:
    """The choices. Each default is the least that the whole handoff needs.

    ``activity_events`` also selects Task and Event; subscribing to those needs View All Data (facts: §2.5).
    ``ledger`` adds the object for orgs where Activity may get no external id. Six come from the org's own describe:
    ``permissionable`` names the standard fields (``Opportunity.Amount``) it marks as such, others cannot stand in a
    permission set; ``described`` has the vendor's type of each field that is there (``picklist``, ``percent``), by
    full name, since a formula asks a picklist differently from a text. ``ungranted`` are custom fields that are there
    and may not stand in a permission set (required ones), ``unwritten`` those nobody writes (formulas). ``won_stages``
    are the API names of the stages that count as won, ``tracked`` how many fields of an object keep their history.
    """

    api_version: str = API_VERSION
    channel: Channel = Channel.STANDARD
    activity_events: bool = False
    ledger: bool = False
    notifications: bool = True
    writes_owner: bool = False
    reports: bool = True
    track_history: bool = True
    permissionable: frozenset[str] = frozenset()
    described: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ungranted: frozenset[str] = frozenset()
    unwritten: frozenset[str] = frozenset()
    won_stages: tuple[str, ...] = ()
    tracked: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ByHand:
    """Something no metadata can do, or that we leave alone.

    ``type`` is the metadata type it would have been, ``detail`` what a person can do about it, ``why`` the reason.
    """

    type: str
    name: str
    detail: str
    why: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of the installation asks for, leaves to people, and finds wrong."""

    components: tuple[Component, ...] = ()
    by_hand: tuple[ByHand, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Part:
        """All parts as one, in their order."""
        joined = cls()
        for part in parts:
            joined = dataclasses.replace(
                joined,
                components=joined.components + part.components,
                by_hand=joined.by_hand + part.by_hand,
                problems=joined.problems + part.problems,
            )
        return joined
