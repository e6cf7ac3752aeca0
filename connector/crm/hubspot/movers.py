"""Who moved a deal, from the source that HubSpot notes beside each value of a property's history.

Not here: people's names (the core looks the user id up) and what is done about a mover. The words HubSpot uses for
sources are not listed anywhere in its reference (facts: HubSpot §1 names the fields only), so one that is not known
here is nobody known, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector.crm.hubspot import wire
from connector.handoff.moves import NOBODY_KNOWN, Mover, MoverKind

KINDS: Mapping[str, MoverKind] = {
    **dict.fromkeys(("CRM_UI", "CRM_UI_BULK_ACTION", "MOBILE_IOS", "MOBILE_ANDROID", "CRM_MOBILE"), MoverKind.PERSON),
    **dict.fromkeys(
        ("AUTOMATION_PLATFORM", "WORKFLOWS", "AUTOMATION_JOURNEY", "BOT", "SEQUENCES"), MoverKind.AUTOMATION
    ),
    **dict.fromkeys(("INTEGRATION", "INTEGRATIONS_PLATFORM", "API", "SALESFORCE"), MoverKind.INTEGRATION),
    **dict.fromkeys(("IMPORT", "CONTACTS_IMPORT"), MoverKind.IMPORT),
}

USER = "userId:"

Own = frozenset[tuple[str, str]]
"""Sources known to be this connector: type and id."""


def own_sources(marks: Sequence[wire.Moment]) -> Own:
    """The sources that wrote a property only this connector writes: so it knows its own app without being told its id.

    A person may have typed into it; a person is no source of ours.
    """
    return frozenset(
        (each.source, each.source_id)
        for each in marks
        if KINDS.get(each.source) is MoverKind.INTEGRATION and each.source_id
    )


def mover_of(entry: wire.Moment, own: Own) -> Mover:
    """Who made this entry of a history."""
    if (entry.source, entry.source_id) in own:
        return Mover(MoverKind.SELF, entry.source_id)
    kind = KINDS.get(entry.source)
    if kind is None:
        return NOBODY_KNOWN
    if kind is MoverKind.PERSON:
        named = entry.source_id.removeprefix(USER) if entry.source_id.startswith(USER) else ""
        return Mover(kind, entry.user or named)
    return Mover(kind, entry.label or entry.source_id)
