"""The live feed of one org: every topic's stream kept open, what it says turned into hints.

Not here: reading a stream (``stream``), an event (``events``), a refusal (``faults``). A line that cannot be had is
told as such and tried again; polling goes on meanwhile, so nothing here is ever urgent.
"""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from connector.crm.live import (
    Hints,
    Line,
    Sighting,
)
from connector.crm.salesforce.fields import Names
from connector.crm.salesforce.login import Identity
from connector.crm.salesforce.pubsub import faults
from connector.crm.salesforce.pubsub.events import Reader, read
from connector.crm.salesforce.pubsub.faults import Broken, Remedy
from connector.crm.salesforce.pubsub.schemas import Schemas
from connector.crm.salesforce.pubsub.stream import Pass, Stream, ask_topic
from connector.crm.salesforce.pubsub.topics import LiveOptions, Places, Topic, feeds_of, topics_of
from connector.crm.salesforce.pubsub.whereabouts import deals_of
from connector.crm.salesforce.session import SalesforceSession
from connector.errors import CrmError
from connector.handoff.model import Kind, Ref

IDLE = 0.25
"""Seconds without a word after which an empty hint is yielded, so that whoever listens can do other things."""

SETTLED = 5.0
"""Seconds after which a subscription that nobody refused counts as standing: the bus need not say anything for 270."""

ANSWERED = 0.2
"""The share of them that is enough once the bus has answered with headers."""

CONNECTING = 30.0
"""Seconds to wait for a connection."""

DEAL_FEEDS = feeds_of(Kind.DEAL)

STEADY = 10.0
"""A line that stood this long begins its waits anew when it breaks."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds before a line is tried again: the first time, and at most."""

    first: float
    most: float


WAITS: Mapping[Remedy, Waits] = {
    Remedy.AGAIN: Waits(0.25, 60.0),
    Remedy.RENEW: Waits(0.25, 300.0),
    Remedy.AFRESH: Waits(0.25, 60.0),
    Remedy.SLOWLY: Waits(60.0, 900.0),
    Remedy.REFUSED: Waits(600.0, 600.0),
}
DOUBLINGS = 12


@dataclass(slots=True)
class _State:
    """One topic's line. ``replay`` is the place to go on from; ``gap`` means that what came before may be missing."""

    topic: Topic
    stream: Stream | None = None
    replay: bytes | None = None
    gap: bool = True
    live: bool = False
    why: str = ""
    failures: int = 0
    retry_at: float = 0.0
    opened_at: float = 0.0
    connected_at: float | None = None
    live_since: float = 0.0
    heard_at: float = 0.0
    stale_token: str = ""
    spoke: bool = False

    def told(self) -> Line:
        """As the port tells it. Deals go on being polled until the line has told of one: an org in which nobody
        selected the object may let us listen all the same, and say nothing for ever (facts: Salesforce §2.5)."""
        spared = self.topic.feeds if self.spoke else self.topic.feeds - DEAL_FEEDS
        return Line(self.topic.name, spared, live=self.live, why=self.why)


@dataclass(slots=True)
class _Gathered:
    """What one round brings together for one yield."""

    sightings: list[Sighting] = field(default_factory=list)
    lines: dict[str, Line] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    sweep: str = ""
    heard: set[str] = field(default_factory=set)
    taken: list[tuple[Stream, int, int]] = field(default_factory=list)


class SalesforceLive:
    """Implements `connector.crm.port.LiveFeed` for one org."""

    def __init__(
        self,
        session: SalesforceSession,
        names: Names,
        options: LiveOptions,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        settled: float = SETTLED,
        waits: Mapping[Remedy, Waits] = WAITS,
    ) -> None:
        self._session = session
        self._names = names
        self._options = options
        self._monotonic = monotonic
        self._settled = settled
        self._waits = waits

    def listen(self, cursor: str | None, stop: Event) -> Generator[Hints, None, None]:
        """Hints from after the cursor on."""
        with closing(_Listening(self, cursor)) as listening:
            while not stop.is_set():
                yield from listening.round()

    def deals_of(self, refs: Sequence[Ref]) -> Mapping[Ref, tuple[str, ...]]:
        """The deals that these hang on."""
        return deals_of(self._session, self._names, refs)

    def probe(self) -> tuple[Line, ...]:
        """Ask for each topic whether it may be listened to."""
        door = self._door("")
        found: list[Line] = []
        refused: Broken | None = None
        for topic in topics_of(self._names, self._options):
            if refused is None or refused.remedy is not Remedy.AGAIN:  # a bus out of reach is so for every topic
                refused = ask_topic(self._options.address, topic.name, door=door)
            why = str(refused) if refused else ""
            found.append(Line(topic.name, topic.feeds, live=refused is None, why=why))
        return tuple(found)

    def _door(self, stale: str) -> Pass:
        """Today's token, another one than ``stale``. Raises `CrmError`."""
        token = self._session.token()
        if token.access == stale:
            token = self._session.renew(stale)
        return Pass(token.access, token.instance_url, token.identity.org_id)


class _Listening:
    """One time of listening: the lines' states, and the queue that their threads fill."""

    def __init__(self, live: SalesforceLive, cursor: str | None) -> None:
        self._live = live
        self._places = Places.parse(cursor)
        self._lines = [_State(topic) for topic in topics_of(live._names, live._options)]
        self._heard: queue.SimpleQueue[tuple[Stream, Any]] = queue.SimpleQueue()
        self._schemas: Schemas | None = None
        self._asking: Stream | None = None
        self._reader: Reader | None = None
        self._told_at = self._places
        self._first = True

    def round(self) -> Iterator[Hints]:
        """See to every line, wait a moment for news, and yield what there is. Asked again, it was taken."""
        found = _Gathered()
        if self._first:
            found.lines = {line.topic.name: line.told() for line in self._lines}
            self._first = False
        for line in self._lines:
            self._tend(line, found)
        for stream, what in self._news():
            state = next((each for each in self._lines if each.stream is stream), None)
            if state is not None:
                self._hear(state, what, found)
        yield self._hints(found)
        for stream, events, pending in found.taken:
            stream.took(events, pending=pending)

    def close(self) -> None:
        """Kill every stream."""
        for line in self._lines:
            self._hang_up(line)

    # what comes in

    def _news(self) -> Iterator[tuple[Stream, Any]]:
        """Everything that is there, after waiting a moment for the first. Bounded by what the streams may send."""
        try:
            yield self._heard.get(timeout=IDLE)
            while True:
                yield self._heard.get_nowait()
        except queue.Empty:
            return

    def _hear(self, line: _State, what: Any, found: _Gathered) -> None:
        line.heard_at = self._live._monotonic()
        if isinstance(what, Broken):
            self._break(line, what, found)
            return
        self._stand(line, found)
        stream = line.stream
        if stream is None or not self._read(line, stream, what, found):
            return
        place = what.events[-1].replay_id if what.events else what.latest_replay_id
        if place:
            line.replay = bytes(place)
            self._places = replace(self._places, at={**self._places.at, line.topic.name: line.replay})
        found.taken.append((stream, len(what.events), int(what.pending_num_requested)))

    def _read(self, line: _State, stream: Stream, response: Any, found: _Gathered) -> bool:
        """Turn a response's events into sightings; False when the line broke over it."""
        import grpc

        self._asking = stream
        try:
            for each in response.events:
                self._take(read(self._known().get(each.event.schema_id), bytes(each.event.payload)), line, found)
        except grpc.RpcError as error:
            self._break(line, faults.broken(error), found)
            return False
        except ValueError as error:
            # Going on from the same place would meet it again. What it was about is found by polling.
            self._break(line, Broken(Remedy.SLOWLY, "UNREADABLE_EVENT", str(error)), found)
            self._forget(line)
            return False
        return True

    def _take(self, event: Any, line: _State, found: _Gathered) -> None:
        if self._reader is None:
            raise AssertionError("a stream is opened with a login, and the login makes the reader")
        seen = self._reader.seen(event)
        found.sightings += seen.sightings
        found.heard |= {feed for kind in {each.ref.kind for each in seen.sightings} for feed in feeds_of(kind)}
        if not line.spoke and any(each.ref.kind is Kind.DEAL for each in seen.sightings):
            line.spoke = True
            found.lines[line.topic.name] = line.told()
        if seen.unnamed is not None:
            found.missed |= line.topic.feeds
            found.sweep = f"{event.entity}: {seen.why}"

    def _known(self) -> Schemas:
        if self._schemas is None:
            self._schemas = Schemas(lambda schema_id: self._asking.schema(schema_id) if self._asking else "")
        return self._schemas

    def _hints(self, found: _Gathered) -> Hints:
        moved = self._places != self._told_at
        self._told_at = self._places
        return Hints(
            sightings=tuple(found.sightings),
            cursor=self._places.dump() if moved else "",
            lines=tuple(found.lines.values()),
            missed=frozenset(found.missed),
            sweep=found.sweep,
            heard=frozenset(found.heard),
        )

    # the lines

    def _tend(self, line: _State, found: _Gathered) -> None:
        now, options = self._live._monotonic(), self._live._options
        stream = line.stream
        if stream is None:
            if now >= line.retry_at:
                self._open(line, found)
            return
        if line.connected_at is None and stream.connected:
            line.connected_at = now
        if line.connected_at is None and now - line.opened_at > CONNECTING:
            self._break(line, Broken(Remedy.AGAIN, "NO_CONNECTION", options.address), found)
        elif now - line.heard_at > options.silence:
            words = f"not a word for {options.silence:.0f} s, not even a sign of life"
            self._break(line, Broken(Remedy.AGAIN, "SILENCE", words), found)
        elif not line.live and line.connected_at is not None:
            patience = self._live._settled * (ANSWERED if stream.answered else 1.0)
            if now - line.connected_at >= patience:
                self._stand(line, found)

    def _open(self, line: _State, found: _Gathered) -> None:
        try:
            door = self._live._door(line.stale_token)
            if self._reader is None:
                self._begin(self._live._session.identity)
        except CrmError as error:
            self._break(line, Broken(Remedy.AGAIN, error.fault.vendor_code, error.fault.message), found)
            return
        line.opened_at = line.heard_at = self._live._monotonic()
        line.connected_at = None
        line.stream = Stream(
            self._live._options.address,
            line.topic.name,
            replay_id=line.replay,
            door=door,
            heard=lambda stream, what: self._heard.put((stream, what)),
        )

    def _begin(self, identity: Identity) -> None:
        """Now it is known whose org this is, and with that whether the cursor is of any use."""
        self._places = self._places.in_org(identity.org_id)
        self._reader = Reader(self._live._names, user_id=identity.user_id)
        for line in self._lines:
            line.replay = self._places.at.get(line.topic.name)
            line.gap = line.replay is None

    def _stand(self, line: _State, found: _Gathered) -> None:
        """The line is up. If it began at the end, what went by before is polled now that nothing new can be missed."""
        if line.live:
            return
        line.live, line.why, line.live_since = True, "", self._live._monotonic()
        line.stale_token = ""
        found.lines[line.topic.name] = line.told()
        if line.gap:
            found.missed |= line.topic.feeds
            line.gap = False

    def _break(self, line: _State, broken: Broken, found: _Gathered) -> None:
        now = self._live._monotonic()
        if line.live and now - line.live_since >= STEADY:
            line.failures = 0
        if broken.remedy is Remedy.RENEW and line.stream is not None:
            line.stale_token = line.stream.door.token
        self._hang_up(line)
        line.live, line.why = False, str(broken)
        if broken.remedy is Remedy.AFRESH:
            self._forget(line)
        waits = self._live._waits[broken.remedy]
        ceiling = min(waits.most, waits.first * 2.0 ** min(line.failures, DOUBLINGS))
        line.failures += 1
        line.retry_at = now + random.uniform(ceiling / 2, ceiling)  # noqa: S311  # spread, not secrecy
        found.lines[line.topic.name] = line.told()

    def _forget(self, line: _State) -> None:
        """Begin at the end next time."""
        line.replay, line.gap = None, True
        kept = {topic: place for topic, place in self._places.at.items() if topic != line.topic.name}
        self._places = replace(self._places, at=kept)

    def _hang_up(self, line: _State) -> None:
        if line.stream is not None:
            line.stream.close()
            line.stream = None
