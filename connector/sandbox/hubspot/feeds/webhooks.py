"""Delivery of webhooks: batches signed and posted to the app's target, tried again over a day of the sandbox's time.

Not which events there are (`events.py`). It posts to this machine only. What waits is lost with the process.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import itertools
import json
import random
import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import requests

from connector.sandbox.hubspot.derive import epoch_ms
from connector.sandbox.hubspot.feeds import events
from connector.sandbox.hubspot.feeds.events import App
from connector.sandbox.hubspot.feeds.source import Change, Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from connector.sandbox.state import World

SETTING = "webhooks"
PART = "feeds.webhooks"
# facts: HubSpot §2a
BATCH = 100
TIMEOUT_S = 5.0
MOST_RETRIES = 10
RETRY_S = (60, 300, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 18_000, 25_200)
"""Sandbox seconds before each retry: nobody has published them, only that ten of them fill a day."""
SPREAD = (0.8, 1.05)
"""By how much a pause is stretched by chance, so that ten never exceed a day."""

LINGER_S = 0.02
"""How long the first event of a batch waits for more."""
LOOK_AGAIN_S = 0.05
IDLE_S = 1.0
LATE_SHARE, LATE_S = 0.1, 2.0
KEPT_LOG = 1_000
# What is decoded in an address before it is signed (facts: HubSpot §2b).
_DECODED = {f"%{ord(char):02X}": char for char in ":/?@!$'()*,;"}


@dataclass(slots=True)
class Batch:
    """Events that travel together, and how often they were tried."""

    events: list[dict[str, Any]]
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery: `status` 0 is no answer, and `error` says why."""

    at: datetime
    attempt: int
    events: int
    status: int
    error: str
    ms: float


@dataclass(slots=True)
class Statistics:
    """What became of the events so far."""

    made: int = 0
    doubled: int = 0
    lost: int = 0
    delivered: int = 0
    given_up: int = 0
    requests: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    refused: str = ""


class Deliverer:
    """The sender of one portal. Threads run only while something waits."""

    def __init__(self, world: World, source: Source) -> None:
        self.statistics = Statistics()
        self.log: deque[Attempt] = deque(maxlen=KEPT_LOG)
        self._world = world
        self._raw: Any = None
        self._app: App | None = None
        self._to_lose = 0
        self._news = threading.Condition()
        self._fresh: deque[dict[str, Any]] = deque()
        self._later: list[tuple[int, int, Batch]] = []
        self._order = itertools.count()
        self._busy = 0
        self._thread: threading.Thread | None = None
        self._closing = False
        self._local = threading.local()
        self._chance = random.Random(f"webhooks:{world.name}")
        source.listeners.append(self.take)
        source.on_clear.append(self.forget)

    def app(self) -> App | None:
        """What the setting configures; None without one, or when it was refused."""
        raw = self._world.settings.get(SETTING)
        if raw is not self._raw:
            self._raw, self._app = raw, None
            try:
                self._app = events.parse(raw) if raw else None
                self.statistics.refused = ""
            except ValueError as error:
                self.statistics.refused = str(error)
            self._to_lose = int(raw.get("lose", 0)) if raw and self._app else 0
        return self._app

    def take(self, change: Change) -> None:
        """Send what the app has subscribed to of this change."""
        app = self.app()
        if app is None:
            return
        made = list(events.events(app, change))
        if not made:
            return
        with self._news:
            for event in made:
                self._take(app, event)
            self._wake()

    def forget(self) -> None:
        """Drop what waits: the portal was emptied."""
        with self._news:
            self._fresh.clear()
            self._later.clear()
            self._news.notify_all()

    def close(self) -> None:
        """End the threads; what waits is not sent any more."""
        with self._news:
            self._closing, thread = True, self._thread
            self._news.notify_all()
        if thread is not None:
            thread.join(TIMEOUT_S)

    def retry_now(self) -> int:
        """Let everything that waits for its time go now; returns how many batches."""
        with self._news:
            self._later = [(0, number, batch) for _, number, batch in self._later]
            heapq.heapify(self._later)
            self._wake()
            return len(self._later)

    def settled(self, seconds: float) -> bool:
        """Wait until nothing is to be sent now; False when that took longer. Retries to come do not count."""
        until = time.monotonic() + seconds
        with self._news:
            while self._fresh or self._busy or self._due():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._news.wait(min(left, LOOK_AGAIN_S))
        return True

    def state(self) -> dict[str, Any]:
        """What the control port shows: figures, and the latest attempts."""
        app, told = self.app(), self.statistics
        with self._news:
            waiting = {"fresh": len(self._fresh), "later": sum(len(b.events) for *_, b in self._later)}
        return {
            "target_url": app.target_url if app else "",
            "subscriptions": len(app.subscriptions) if app else 0,
            **{name: getattr(told, name) for name in ("made", "doubled", "lost", "delivered", "given_up", "requests")},
            "failed": dict(told.failed),
            "refused": told.refused,
            "waiting": waiting,
            "attempts": list(self.log)[-20:],
        }

    # inside; with `_news` held

    def _take(self, app: App, event: dict[str, Any]) -> None:
        self.statistics.made += 1
        if self._to_lose:
            self._to_lose -= 1
            self.statistics.lost += 1
            return
        twice = self._chance.random() < app.double
        self.statistics.doubled += twice
        for _ in range(1 + twice):
            late = LATE_S * self._chance.random() if app.shuffle and self._chance.random() < LATE_SHARE else 0.0
            if app.delay_s or late:
                self._hold(Batch([event]), app.delay_s + late)
            else:
                self._fresh.append(event)

    def _hold(self, batch: Batch, seconds: float) -> None:
        due = epoch_ms(self._world.clock.now() + timedelta(seconds=seconds))
        heapq.heappush(self._later, (due, next(self._order), batch))

    def _due(self) -> bool:
        return bool(self._later) and self._later[0][0] <= epoch_ms(self._world.clock.now())

    def _wake(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._run, name="hubspot-webhooks", daemon=True)
            self._thread.start()
        self._news.notify_all()

    def _next(self, app: App) -> Batch | None:
        # Single events whose time has come travel with the fresh ones; a batch that failed stays together.
        while self._due():
            batch = heapq.heappop(self._later)[2]
            if batch.attempt:
                return batch
            self._fresh.extend(batch.events)
        if not self._fresh:
            return None
        if app.shuffle:
            mixed = list(self._fresh)
            self._chance.shuffle(mixed)
            self._fresh = deque(mixed)
        return Batch([self._fresh.popleft() for _ in range(min(BATCH, len(self._fresh)))])

    # inside; the threads

    def _run(self) -> None:
        with ThreadPoolExecutor(thread_name_prefix="hubspot-webhook") as pool:
            while (work := self._await()) is not None:
                pool.submit(self._deliver, *work)

    def _await(self) -> tuple[App, Batch] | None:
        idle_since = time.monotonic()
        lingered = False
        with self._news:
            while not self._closing:
                app = self.app()
                if app is None:
                    self._fresh.clear()
                elif self._busy < app.max_concurrent:
                    if len(self._fresh) < BATCH and self._fresh and not lingered:
                        lingered = True
                        self._news.wait(LINGER_S)
                        continue
                    batch = self._next(app)
                    if batch is not None:
                        self._busy += 1
                        return app, batch
                if self._fresh or self._busy or self._later:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since >= IDLE_S:
                    break
                self._news.wait(LOOK_AGAIN_S if self._later else IDLE_S)
            self._thread = None
            return None

    def _deliver(self, app: App, batch: Batch) -> None:
        began = time.monotonic()
        status, error = self._post(app, batch)
        if not error and self._chance.random() < app.unheard:
            status, error = 0, "unheard"
        done = 200 <= status < 300
        with self._news:
            self._busy -= 1
            self.statistics.requests += 1
            ms = round((time.monotonic() - began) * 1000, 1)
            now = self._world.clock.now()
            self.log.append(Attempt(now, batch.attempt, len(batch.events), status, error, ms))
            if done:
                self.statistics.delivered += len(batch.events)
            else:
                self.statistics.failed[error or str(status)] += 1
                self._again(app, batch)
            self._news.notify_all()

    def _again(self, app: App, batch: Batch) -> None:
        if batch.attempt >= MOST_RETRIES or self._closing:
            self.statistics.given_up += len(batch.events)
            return
        pauses = app.retry_s or RETRY_S
        pause = pauses[min(batch.attempt, len(pauses) - 1)] * self._chance.uniform(*SPREAD)
        self._hold(Batch(batch.events, batch.attempt + 1), pause)

    def _post(self, app: App, batch: Batch) -> tuple[int, str]:
        body = json.dumps([{**event, "attemptNumber": batch.attempt} for event in batch.events]).encode()
        headers = signed(app, body, stamp=epoch_ms(self._world.clock.now()))
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False
        try:
            reply = session.post(
                app.via, data=body, headers=headers, timeout=app.timeout_s or TIMEOUT_S, allow_redirects=False
            )
        except requests.Timeout:
            return 0, "timeout"
        except requests.RequestException as error:
            return 0, type(error).__name__
        return reply.status_code, ""


def signed(app: App, body: bytes, *, stamp: int) -> Mapping[str, str]:
    """The headers of a delivery: signature v3 with its time, and v1 beside it (facts: HubSpot §2b)."""
    uri = app.target_url
    for code, char in _DECODED.items():
        uri = uri.replace(code, char).replace(code.lower(), char)
    text = b"POST" + uri.encode() + body + str(stamp).encode()
    mac = hmac.new(app.secret.encode(), text, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "HubSpot Connect 2.0 (sandbox)",
        "X-HubSpot-Signature": hashlib.sha256(app.secret.encode() + body).hexdigest(),
        "X-HubSpot-Signature-Version": "v1",
        "X-HubSpot-Signature-v3": base64.b64encode(mac).decode(),
        "X-HubSpot-Request-Timestamp": str(stamp),
    }


def install(world: World, source: Source) -> Deliverer:
    """Send the webhooks of a new portal."""
    found = world.parts[PART] = Deliverer(world, source)
    return found


def deliverer(world: World) -> Deliverer:
    """Who sends this portal's webhooks. Raises KeyError for a world that is no portal."""
    found: Deliverer = world.parts[PART]
    return found
