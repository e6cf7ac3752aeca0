"""The journal's entries: where each one's file lies, fetching the file, and its lines as events.

Not here: which entry comes next (``journal``) and what an event means (``meaning``). A file lies with a storage
provider, behind an address that is signed and soon expires: our token never goes there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import DecodeError, HTTPError

from connector.crm.hubspot import wire
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.live.meaning import FEEDS, KINDS, Action, Event
from connector.errors import Fault, FaultCode
from connector.settings.file import is_loopback

FILE_BYTES = 32 * 1024 * 1024
"""More than a file holds: 10,000 events or 5 MB (facts: HubSpot §2c)."""

FILE_SECONDS = 60.0
"""For a whole file. It need not come faster than that, but it must not come for ever."""

CHUNK = 256 * 1024
REDIRECTS = 3
OK = 200
MOVED = frozenset({301, 302, 303, 307, 308})
STALE = frozenset({400, 403, 404, 410})
"""How a storage provider answers an address whose signature has expired."""

ACTIONS: Mapping[str, Action] = {
    **{action.value: action for action in Action},
    "ASSOCIATION_ADDED": Action.ASSOCIATION,
    "ASSOCIATION_REMOVED": Action.ASSOCIATION,
}
OTHER_IDS = ("primaryObjectId", "newObjectId", "mergedObjectId", "mergedObjectIds")
"""Where merges name the other records (facts: HubSpot §2a); for the journal that is not documented."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place, and where its file lies for a while."""

    offset: str
    url: str


@dataclass(frozen=True, slots=True)
class Read:
    """What one file says of one portal, and when it was published. ``unclear``: feeds of which something was said that
    cannot be read."""

    events: tuple[Event, ...]
    unclear: frozenset[str] = frozenset()
    at: datetime | None = None


class Unreadable(Exception):
    """A file that will not be better the next time it is read: too large, or no journal."""


def entries_of(answer: wire.Json) -> tuple[Entry, ...]:
    """The entries of an answer, single or batch; none for an empty one (facts: HubSpot §2c: 204 is nothing new).

    Raises `HubSpotError` for an answer that tells of something else: it must not look like a quiet portal.
    """
    if not answer:
        return ()
    listed = answer.get("results") if "results" in answer else [answer]
    rows = [each for each in listed or () if isinstance(each, Mapping)]
    if any(not (row.get("url") and row.get("currentOffset")) for row in rows):
        raise _away("NO_ENTRY", "the journal's answer names no entry")
    return tuple(Entry(str(row["currentOffset"]), str(row["url"])) for row in rows)


class Files:
    """Fetches files. ``at_home``: the portal is on this machine, and so may its files be."""

    def __init__(
        self,
        *,
        timeout: tuple[float, float],
        at_home: bool,
        limit: int = FILE_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        # A plain client, without a default header: what it is handed is an address of somebody else's.
        self._http = urllib3.PoolManager(retries=False)
        self._timeout = urllib3.Timeout(connect=timeout[0], read=timeout[1])
        self._at_home = at_home
        self._limit = limit
        self._monotonic = monotonic

    def fetch(self, url: str) -> Any:
        """A file's JSON. Raises `HubSpotError` when it cannot be had now, `Unreadable` when it never can."""
        raw = self._bytes(url)
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Unreadable("a file of the journal is no JSON") from error

    def _bytes(self, url: str) -> bytearray:
        try:
            for _ in range(REDIRECTS + 1):
                self._judge(url)
                reply = self._http.request(
                    "GET", url, headers={"Accept": "application/json"}, timeout=self._timeout, preload_content=False
                )
                onward = reply.headers.get("Location") if reply.status in MOVED else None
                if onward is None:
                    return self._whole(reply)
                reply.close()
                url = urljoin(url, onward)
        except DecodeError as error:
            raise Unreadable("a file of the journal is compressed in a way that cannot be read") from error
        except HTTPError as error:
            raise _away("NO_FILE", f"a file of the journal did not arrive: {type(error).__name__}") from error
        except ValueError as error:
            raise Unreadable("a file of the journal lies at an address that is none") from error
        raise Unreadable("a file of the journal is sent from one address to the next")

    def _judge(self, url: str) -> None:
        """Only encrypted addresses, for whoever can change a file on its way decides what is looked at."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https" and host:
            return
        if not (parts.scheme == "http" and self._at_home and is_loopback(host)):
            raise Unreadable("a file of the journal lies at an address without encryption")

    def _whole(self, reply: urllib3.BaseHTTPResponse) -> bytearray:
        until = self._monotonic() + FILE_SECONDS
        raw = bytearray()
        try:
            if reply.status != OK:
                code = FaultCode.RECORD_GONE if reply.status in STALE else FaultCode.UNAVAILABLE
                words = f"a file of the journal is answered with {reply.status}"
                raise HubSpotError(Fault(code, str(reply.status), words), status=reply.status)
            for part in reply.stream(CHUNK):
                raw += part
                if len(raw) > self._limit:
                    raise Unreadable(f"a file of the journal is larger than {self._limit} bytes")
                if self._monotonic() > until:
                    raise _away("SLOW_FILE", f"a file of the journal did not arrive within {FILE_SECONDS:.0f} s")
        except BaseException:
            reply.close()  # what is left of it must not be waited for
            raise
        return raw


def read(file: Any, portal_id: str, *, own: frozenset[str], now: datetime) -> Read:
    """A file's events of this portal; those of others, and of kinds that are not watched, are left out.

    ``own`` are the ids under which this connector makes changes; ``now`` stands in for a time that is not told.
    Raises `Unreadable` for what is no journal.
    """
    if not isinstance(file, Mapping) or not isinstance(file.get("journalEvents"), list):
        raise Unreadable("a file of the journal has no events in it")
    published = wire.moment(str(file.get("publishedAt") or "")) or now
    events: list[Event] = []
    unclear: set[str] = set()
    for line in file["journalEvents"]:
        if not isinstance(line, Mapping):
            unclear.update(FEEDS.values())
            continue
        object_type_id = str(line.get("objectTypeId") or "")
        if str(line.get("portalId") or portal_id) != portal_id or object_type_id not in KINDS:
            continue
        event = _event(line, object_type_id, published, own)
        if event is not None:
            events.append(event)
        elif object_type_id in FEEDS:
            unclear.add(FEEDS[object_type_id])
    return Read(tuple(events), frozenset(unclear), published)


def _event(line: wire.Json, object_type_id: str, published: datetime, own: frozenset[str]) -> Event | None:
    object_id = _id(line.get("objectId"))
    if not object_id:
        return None
    action = ACTIONS.get(str(line.get("action") or "").upper(), Action.OTHER)
    changes = line.get("propertyChanges")
    by = _by(line, changes)
    return Event(
        object_type_id=object_type_id,
        object_id=object_id,
        action=action,
        at=wire.moment(str(line.get("occurredAt") or "")) or published,
        changed=frozenset(_names(changes)),
        by_self=bool(by) and by <= own,
        also=tuple(_others(line)),
    )


def _names(changes: Any) -> Iterator[str]:
    """The properties that changed: keys of an object, or a list of names or of objects that hold one."""
    if isinstance(changes, Mapping):
        yield from map(str, changes)
    elif isinstance(changes, list):
        for each in changes:
            name = each.get("propertyName") or each.get("name") if isinstance(each, Mapping) else each
            if isinstance(name, str):
                yield name


def _by(line: wire.Json, changes: Any) -> frozenset[str]:
    """Whoever the event says made the change; empty where it does not say."""
    inner = changes.values() if isinstance(changes, Mapping) else changes if isinstance(changes, list) else ()
    told = [line, *(each for each in inner if isinstance(each, Mapping))]
    return frozenset(_id(each.get("sourceId")) for each in told if _id(each.get("sourceId")))


def _others(line: wire.Json) -> Iterator[str]:
    for name in OTHER_IDS:
        value = line.get(name)
        for each in value if isinstance(value, list) else (value,):
            if _id(each):
                yield _id(each)
    far_type, far_id = str(line.get("associatedObjectTypeId") or ""), _id(line.get("associatedObjectId"))
    if far_type and far_id:
        yield f"{far_type}:{far_id}"


def _id(value: object) -> str:
    """An id, told as a number or as text."""
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""


def _away(code: str, words: str) -> HubSpotError:
    return HubSpotError(Fault(FaultCode.UNAVAILABLE, code, words))
