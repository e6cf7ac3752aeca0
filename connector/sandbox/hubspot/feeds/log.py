"""The journal of an app: what it subscribed to, in files by order of time, kept for three days of the sandbox's time.

Not the endpoints (`journal.py`). Events lie in a table of the world, so they are there again after a restart. Settings:
`journal_delay_s` between a change and its publication, `journal_file_events` (10,000 at most in a file).
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot.derive import EPOCH, epoch_ms, iso
from connector.sandbox.hubspot.feeds.source import Action, Change, Source
from connector.sandbox.hubspot.schema import APP, PORTAL_ID
from connector.sandbox.rows import AT_ONCE, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from connector.sandbox.rows import Table
    from connector.sandbox.state import World

PART = "feeds.journal"
SUBSCRIPTIONS = "journal_subscriptions"
"""Setting: what the app subscribed to, {id: as the API shows it}."""

EVENTS, FILES = "journal_events", "journal_files"
# facts: HubSpot §2c
RETENTION = timedelta(days=3)
FILE_EVENTS = 10_000
FILE_BYTES = 5_000_000

WINDOW_MS = 60_000
"""A file holds what was published within a minute, so that old events are not kept by young ones."""

OBJECT, ASSOCIATION = "OBJECT", "ASSOCIATION"
LINKS = (Action.LINKED, Action.UNLINKED)


@dataclass(frozen=True, slots=True)
class Told:
    """One event as text, and when it may be published (epoch milliseconds)."""

    number: int
    due: int
    text: str


@dataclass(frozen=True, slots=True)
class File:
    """One published file: the events numbered `first` to `last`."""

    offset: str
    published: int
    first: int
    last: int


class Log:
    """Events in order, and the files they were published in. Everything happens under the world's lock."""

    def __init__(self, world: World, source: Source) -> None:
        self._world = world
        self._events_table: Table = world.add_table(EVENTS)
        self._files_table: Table = world.add_table(FILES)
        self._events: deque[Told] = deque()
        self._files: list[File] = []
        self._numbers = itertools.count(1)
        self._sealed = 0
        self._loaded = False
        source.listeners.append(self.take)
        source.on_clear.append(self.forget)

    def take(self, change: Change) -> None:
        """Keep what the app has subscribed to of this change."""
        subscribed: Mapping[str, Any] = self._world.settings.get(SUBSCRIPTIONS) or {}
        named = [one for one in subscribed.values() if _fits(one, change)]
        if not named:
            return
        self._load()
        text = json.dumps(_event(change, named), separators=(",", ":"))
        latest = self._events[-1].due if self._events else 0
        delay = timedelta(seconds=float(self._world.settings.get("journal_delay_s", 0)))
        told = Told(next(self._numbers), max(latest, epoch_ms(self._world.clock.now() + delay)), text)
        self._events.append(told)
        self._keep(self._events_table, str(told.number), {"due": told.due, "text": told.text})

    def files(self) -> list[File]:
        """Every file within retention, oldest first; what is due by now is published."""
        self._load()
        self._publish()
        self._forget_old()
        return self._files

    def content(self, file: File) -> str:
        """What a file holds, as JSON."""
        skip = file.first - self._events[0].number if self._events else 0
        chosen = itertools.islice(self._events, max(0, skip), max(0, skip) + file.last - file.first + 1)
        told = ",".join(each.text for each in chosen)
        head = json.dumps({"offset": file.offset, "publishedAt": iso(_moment(file.published))})
        return f'{head[:-1]},"journalEvents":[{told}]}}'

    def expire(self) -> int:
        """Let everything age out now, published or not; returns how many files there were."""
        gone = len(self.files())
        self._drop_files(gone)
        for told in self._events:
            self._events_table.rewind(str(told.number), None)
            self._sealed = told.number
        self._events.clear()
        return gone

    def forget(self) -> None:
        """The portal was emptied, and with it the tables."""
        self._events.clear()
        self._files.clear()

    # inside

    def _load(self) -> None:
        # The state file is read after the portal is made.
        if self._loaded:
            return
        self._loaded = True
        events = sorted(self._events_table.live(), key=lambda row: int(row.id))
        self._events.extend(Told(int(r.id), r.values["due"], r.values["text"]) for r in events)
        files = (
            File(r.id, r.values["published"], r.values["first"], r.values["last"]) for r in self._files_table.live()
        )
        self._files = sorted(files, key=lambda file: file.first)
        self._sealed = self._files[-1].last if self._files else (self._events[0].number - 1 if self._events else 0)
        self._numbers = itertools.count(max(self._sealed, self._events[-1].number if self._events else 0) + 1)

    def _publish(self) -> None:
        now = epoch_ms(self._world.clock.now())
        most = int(self._world.settings.get("journal_file_events", FILE_EVENTS))
        group: list[Told] = []
        size = 0
        for told in self._unsealed():
            if told.due > now:
                break
            if group and (len(group) >= most or size > FILE_BYTES or told.due - group[0].due > WINDOW_MS):
                self._seal(group)
                group, size = [], 0
            group.append(told)
            size += len(told.text)
        if group:
            self._seal(group)

    def _unsealed(self) -> Iterable[Told]:
        if not self._events or self._events[-1].number <= self._sealed:
            return []
        return list(itertools.islice(self._events, max(0, self._sealed + 1 - self._events[0].number), None))

    def _seal(self, group: list[Told]) -> None:
        file = File(str(uuid.uuid4()), group[-1].due, group[0].number, group[-1].number)
        self._files.append(file)
        self._sealed = file.last
        values = {"published": file.published, "first": file.first, "last": file.last}
        self._keep(self._files_table, file.offset, values)

    def _forget_old(self) -> None:
        oldest = epoch_ms(self._world.clock.now() - RETENTION)
        gone = next((n for n, file in enumerate(self._files) if file.published >= oldest), len(self._files))
        self._drop_files(gone)

    def _drop_files(self, count: int) -> None:
        for file in self._files[:count]:
            self._files_table.rewind(file.offset, None)
            while self._events and self._events[0].number <= file.last:
                self._events_table.rewind(str(self._events.popleft().number), None)
        del self._files[:count]

    def _keep(self, table: Table, row_id: str, values: dict[str, Any]) -> None:
        now = self._world.round(self._world.clock.now())
        row = Row(row_id, values, now, now, APP, APP, AT_ONCE)
        table.put(row)
        self._world.record(table, row)


def install(world: World, source: Source) -> Log:
    """Keep the journal of a new portal. To be called before its state file is read."""
    found = world.parts[PART] = Log(world, source)
    return found


def log(world: World) -> Log:
    """The journal of this portal. Raises KeyError for a world that is no portal."""
    found: Log = world.parts[PART]
    return found


def _fits(one: Mapping[str, Any], change: Change) -> bool:
    if one["objectTypeId"] != change.kind.type_id or change.action.value not in one["actions"]:
        return False
    if one.get("objectIds") and int(change.record_id) not in one["objectIds"]:
        return False
    if change.action in LINKS:
        far = one.get("associatedObjectTypeIds")
        return one["subscriptionType"] == ASSOCIATION and (
            not far or (change.link is not None and change.link.kind.type_id in far)
        )
    if one["subscriptionType"] != OBJECT:
        return False
    wanted = one.get("properties")
    return change.action is not Action.UPDATE or not wanted or any(name in change.values for name in wanted)


def _event(change: Change, named: list[Mapping[str, Any]]) -> dict[str, Any]:
    # The outer fields are the vendor's (facts: HubSpot §2c); those of associations are told by third parties only.
    found: dict[str, Any] = {
        "type": ASSOCIATION if change.action in LINKS else OBJECT,
        "portalId": PORTAL_ID,
        "objectTypeId": change.kind.type_id,
        "objectId": int(change.record_id),
        "action": change.action.value,
        "occurredAt": iso(_moment(change.at)),
    }
    if change.link is not None:
        return found | {
            "associatedObjectTypeId": change.link.kind.type_id,
            "associatedObjectId": int(change.link.record_id),
            "associationType": f"{change.kind.singular}_to_{change.link.kind.singular}".upper(),
        }
    if change.merger is not None:
        merged = [int(each) for each in change.merger.losers]
        return found | {"primaryObjectId": int(change.merger.winner), "mergedObjectIds": merged}
    if change.values:
        some = {name for one in named for name in one.get("properties") or change.values}
        found["propertyChanges"] = {n: v for n, v in change.values.items() if n in some}
    return found


def _moment(at: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at)
