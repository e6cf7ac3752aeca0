"""One Subscribe call: what it asked for, what it was sent, and when it ends.

Not authentication (`rights.py`) and not gRPC's own business (`server.py`). A stream lives on one server thread and
reads the log under `log.news`; whatever needs the world's lock is done before that.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.pubsub import channels, messages, refusals
from connector.sandbox.salesforce.pubsub.line import setting
from connector.sandbox.salesforce.pubsub.log import Corrupted
from connector.sandbox.salesforce.pubsub.refusals import CODES, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.sandbox.salesforce.pubsub.channels import Topic
    from connector.sandbox.salesforce.pubsub.events import Event
    from connector.sandbox.salesforce.pubsub.org import Org

MAX_OUTSTANDING = 100
"""More is clamped (facts: Salesforce §2.2)."""

MAX_OVER_REQUESTS = 10
"""Requests in a row that found nothing drained, until the stream overflows: the vendor names no number."""

MAX_RESPONSE_BYTES = 3_000_000
"""Facts: Salesforce §2.2."""

SCAN = 500
REORDER_WAIT_S = 1.0
LONGEST_WAIT_S = 1.0


class Stream:
    """The state of one call. `ask` and `end` are called by the thread that reads requests.

    `on_open` is called once the stream has its place in the log: what is committed later is told.
    """

    def __init__(self, org: Org, user_id: str, rpc_id: str, *, on_open: Callable[[], None]) -> None:
        self._org = org
        self._on_open = on_open
        self._log = org.capture.log
        self._planted = org.capture.line.planted
        self._user = user_id
        self._rpc_id = rpc_id
        self._inbox: deque[Any] = deque()
        self._ended = False
        self._topic: Topic | None = None
        self._cursor = 0
        self._credits = 0
        self._over = 0
        self._begun = self._quiet_since = time.monotonic()
        self._lonely_since: float | None = None
        self._cuts = self._planted.cuts

    def ask(self, request: Any) -> None:
        """Take one more FetchRequest."""
        with self._log.news:
            self._inbox.append(request)
            self._log.news.notify_all()

    def end(self) -> None:
        """The client will ask no more, or is gone."""
        with self._log.news:
            self._ended = True
            self._log.news.notify_all()

    def responses(self) -> Iterator[Any]:
        """The responses, as they come due, until the stream ends. Raises Refused."""
        while not self._ended and not self._org.closing:
            self._check_line()
            while self._inbox:
                self._take(self._inbox.popleft())
            until_due = self._log.release()
            entities = self._entities()
            with self._log.news:
                events = self._pick(entities)
                if not events and not self._inbox and not self._is_stale():
                    self._log.news.wait(min(until_due or LONGEST_WAIT_S, self._patience()))
                    continue
            if events:
                yield self._response(events)
            elif self._is_stale():
                if not self._credits:
                    return
                self._quiet_since = time.monotonic()
                yield self._fetched([], self._log.replay_id(self._cursor))

    # requests

    def _take(self, request: Any) -> None:
        if self._topic is None:
            self._open(request)
        elif request.topic_name not in ("", self._topic.name):
            raise refusals.OTHER_TOPIC
        if request.num_requested <= 0:
            raise refusals.BAD_COUNT
        self._over = self._over + 1 if self._credits >= MAX_OUTSTANDING else 0
        if self._over >= MAX_OVER_REQUESTS:
            raise refusals.OVERFLOW
        self._credits = min(MAX_OUTSTANDING, self._credits + request.num_requested)

    def _open(self, request: Any) -> None:
        topic = self._org.topic(self._user, request.topic_name)
        preset = request.replay_preset
        if preset == messages.CUSTOM and not request.replay_id:
            raise refusals.NO_REPLAY
        with self._log.news:
            if preset == messages.CUSTOM:
                try:
                    self._cursor = self._log.place(request.replay_id)
                except Corrupted as error:
                    raise refusals.BAD_REPLAY from error
            else:
                self._cursor = self._log.last if preset == messages.LATEST else self._log.first - 1
        self._topic = topic
        self._on_open()

    # events

    def _entities(self) -> frozenset[str]:
        if self._topic is None:
            return frozenset()
        # What the user may not be told is left out without a word (facts: Salesforce §2.5).
        return channels.carried(self._org.world, self._topic) & self._org.sees(self._user).entities

    def _pick(self, entities: frozenset[str]) -> list[Event]:
        if self._planted.silent or not self._credits:
            return []
        found: list[Event] = []
        place = self._cursor
        while len(found) < self._credits and (chunk := self._log.after(place, SCAN)):
            for event in chunk:
                place = event.seq
                if event.entity in entities:
                    found.append(event)
                    if len(found) == self._credits:
                        break
        if not found:
            self._cursor = max(self._cursor, place)
        return [] if self._waits_for_company(found) else found

    def _waits_for_company(self, found: list[Event]) -> bool:
        # A single event cannot come out of order, so it waits for a second one, but not for ever.
        if not self._planted.reordered or len(found) != 1:
            self._lonely_since = None
            return False
        self._lonely_since = self._lonely_since or time.monotonic()
        return time.monotonic() - self._lonely_since < REORDER_WAIT_S

    def _response(self, picked: list[Event]) -> Any:
        granted = self._org.capture.line.deliver(self._org.world, len(picked))
        if not granted:
            raise refusals.NO_ALLOCATION
        sent: list[Any] = []
        size = 0
        for event in picked[:granted]:
            told = self._org.consumer_event(self._user, event)
            size += len(told.event.payload)
            if sent and size > MAX_RESPONSE_BYTES:
                break
            sent.append(told)
            self._cursor = event.seq
        self._credits -= len(sent)
        self._over = 0
        self._quiet_since = time.monotonic()
        latest = sent[-1].replay_id
        return self._fetched(self._troubled(sent), latest)

    def _troubled(self, sent: list[Any]) -> list[Any]:
        if self._planted.reordered and len(sent) > 1:
            self._planted.reordered -= 1
            sent = sent[::-1]
        twice = min(self._planted.doubled, len(sent))
        self._planted.doubled -= twice
        return [each for index, event in enumerate(sent) for each in ([event, event] if index < twice else [event])]

    def _fetched(self, sent: list[Any], latest: bytes) -> Any:
        return messages.FetchResponse(
            events=sent, latest_replay_id=latest, rpc_id=self._rpc_id, pending_num_requested=self._credits
        )

    # time

    def _limit_s(self) -> float:
        return setting(self._org.world, "pubsub_keepalive_s" if self._credits else "pubsub_idle_close_s")

    def _is_stale(self) -> bool:
        if self._topic is None or self._planted.silent:
            return False
        return time.monotonic() - self._quiet_since >= self._limit_s()

    def _patience(self) -> float:
        now = time.monotonic()
        ends = [LONGEST_WAIT_S, self._quiet_since + self._limit_s() - now]
        if self._planted.cut_every_s is not None:
            ends.append(self._begun + self._planted.cut_every_s - now)
        if self._lonely_since is not None:
            ends.append(self._lonely_since + REORDER_WAIT_S - now)
        return max(0.001, min(ends))

    def _check_line(self) -> None:
        every = self._planted.cut_every_s
        if self._planted.cuts == self._cuts and (every is None or time.monotonic() - self._begun < every):
            return
        code = self._planted.cut_code if self._planted.cuts != self._cuts else ""
        raise Refused("UNAVAILABLE", CODES + code, "The stream was ended.") if code else refusals.BROKEN
