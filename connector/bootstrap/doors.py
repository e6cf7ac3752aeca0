"""The way in for what others bring: one entrance per system that takes webhooks and per source of product events.

Not here: what an entrance does (``connector.web.hooks``) and each vendor's door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from connector.crm.hooks import Door
from connector.crm.port import CRM
from connector.handoff.model import SystemName
from connector.settings import Settings, SourceSettings, SystemSettings, Vendor
from connector.store import Store
from connector.web import track
from connector.web.hooks import Entrance

MakeDoor = Callable[[SystemSettings, CRM, Callable[[], datetime]], Door]

OF_EVENTS = "events:"
"""Before a source's name where figures and log name a door, since a system may have the same name."""

OK = 200


def entrances(
    settings: Settings, crms: Mapping[str, CRM], store: Store, *, doors: Mapping[Vendor, MakeDoor]
) -> Sequence[Entrance]:
    """All ways in; empty where nobody brings anything."""
    now = store.clock.now
    taking = [each for each in settings.systems if each.webhook_url and each.live]
    return [
        *(_of_system(each, doors[each.vendor](each, crms[each.name], now), store) for each in taking),
        *(_of_source(each, store, now) for each in settings.sources),
    ]


def _of_system(system: SystemSettings, door: Door, store: Store) -> Entrance:
    post = store.letterbox(SystemName(system.name)).post
    return Entrance(system.name, urlsplit(system.webhook_url).path, door, post)


def _of_source(source: SourceSettings, store: Store, now: Callable[[], datetime]) -> Entrance:
    secrets = [source.signing_secret, *([source.previous_secret] if source.previous_secret else ())]
    door = track.TrackDoor(secrets=[each.get_secret_value() for each in secrets], now=now)
    return Entrance(
        f"{OF_EVENTS}{source.name}",
        f"{track.PATH}{source.name}",
        door,
        store.event_box(source.name).post,
        most_bytes=track.MOST_BYTES,
        thanks=OK,
    )
