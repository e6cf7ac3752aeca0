"""The webhooks journal of an app: read from where it was left, its entries turned into hints.

Not here: an entry's file (``entries``), what is told of (``subscriptions``), what an event means (``meaning``). A
journal that cannot be read is told as such and tried again; polling goes on meanwhile, so nothing here is ever urgent.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event
from urllib.parse import quote

from connector.crm.hubspot.live.entries import Entry, Files, Read, Unreadable, entries_of, read
from connector.crm.hubspot.live.errand import Errand
from connector.crm.hubspot.live.meaning import DEAL, FEEDS, OBJECT_NAMES, Meaning
from connector.crm.hubspot.live.pauses import AFRESH, DOUBLINGS, PAUSES, REFUSED, Pause
from connector.crm.hubspot.live.place import Place
from connector.crm.hubspot.live.subscriptions import Agreed, agree, existing
from connector.crm.hubspot.live.whereabouts import deals_of
from connector.crm.hubspot.session import Session, Waits
from connector.crm.live import Hints, Line, Sighting
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import Ref

LINE = "journal"
"""The line's name."""

SCOPES = (
    "developer.webhooks_journal.read",
    "developer.webhooks_journal.subscriptions.read",
    "developer.webhooks_journal.subscriptions.write",
    "crm.objects.deals.read",
    "crm.objects.companies.read",
    "crm.objects.contacts.read",
)
"""What the app's login asks for: the journal, its subscriptions, and the objects that it tells of; contacts stand for
tasks, notes, meetings, calls and emails too (facts: HubSpot §2c, §6)."""

ENTRIES = 20
"""Entries asked for in one call. More are allowed (100, facts: HubSpot §2c), but their addresses expire meanwhile."""

SIGHTINGS = 500
"""Most sightings in one hint: a file of 10,000 events is handed over and stored in portions."""

IDLE = 0.25
"""Seconds without a word after which an empty hint is yielded, so that whoever listens can do other things."""

LEAST = 0.001
"""Seconds that are worth waiting for."""

QUIET, QUIETEST = 1.0, 3.0
QUIET_GROWS = 300.0
"""Seconds between two questions: one at first, and three when nothing was told for ten minutes. They do not count
against the portal's limits (facts: HubSpot §2c)."""

GATHER = 0.5
"""Seconds from one question to the next at least: where much happens, one brings several entries."""

AGREE_EVERY = 900.0
"""Seconds after which the subscriptions are compared again: somebody may have taken one away."""

AGREE_AGAIN = 60.0
"""Seconds after which it is tried again when that failed."""

FILE_TRIES = 3
"""Times that an entry's address may turn out to be expired before the entry is left out."""

LOST_MOST = 3
"""Files in a row that could not be read, after which it is not the file: each has everything polled and gone through,
and a journal of nothing else would have that done without end."""

STEADY = 10.0
"""A line that stood this long begins its waits anew when it breaks."""

PLACE_GONE = frozenset({FaultCode.RECORD_GONE, FaultCode.REJECTED, FaultCode.CONFLICT})
"""How a place may be answered that is not known any more; not documented for this version (facts: HubSpot §2c)."""


class _PlaceGone(CrmError):
    """There is no going on from the place: it is older than what the journal keeps, or of another app."""


@dataclass(slots=True)
class _Found:
    """What one step brought. ``entry``: the one that was dealt with; ``lost``: why its file could not be read."""

    entry: Entry | None = None
    read: Read = field(default_factory=lambda: Read(()))
    lost: str = ""


class JournalFeed:
    """Implements `connector.crm.live.LiveFeed` for one portal. ``session`` is the portal's, ``app_session`` the app's.

    ``home`` gives the portal's id, which the journal's events are chosen by: one app may serve many.
    """

    def __init__(
        self,
        session: Session,
        app_session: Session,
        meaning: Meaning,
        *,
        home: Callable[[], str],
        files: Files,
        waits: Waits,
    ) -> None:
        self.session = session
        self.app_session = app_session
        self.meaning = meaning
        self.home = home
        self.files = files
        self.waits = waits

    def listen(self, cursor: str | None, stop: Event) -> Generator[Hints, None, None]:
        """Hints from after the cursor on."""
        yield from _Listening(self, cursor).rounds(stop)

    def deals_of(self, refs: Sequence[Ref]) -> Mapping[Ref, tuple[str, ...]]:
        """The deals that these hang on."""
        return deals_of(self.session, refs)

    def probe(self) -> tuple[Line, ...]:
        """Whether the app may read its journal and its subscriptions; nothing is changed."""
        feeds = frozenset(FEEDS.values())
        try:
            existing(self.app_session, self.home())
            self.newest()
        except CrmError as error:
            return (Line(LINE, feeds, live=False, why=_words(error.fault)),)
        return (Line(LINE, feeds, live=True),)

    def newest(self) -> tuple[Entry, ...]:
        """The newest entry; none while the journal is empty. Raises `CrmError`."""
        return entries_of(self.app_session.get("journal.latest", self.app_session.paths.journal("latest")))

    def after(self, offset: str, *, singly: bool) -> tuple[Entry, ...]:
        """The entries after a place, from the beginning for an empty one. Raises `CrmError`."""
        place = (quote(offset, safe=""), "next") if offset else ("earliest",)
        if singly:
            path = self.app_session.paths.journal(*(("offset", *place) if offset else place))
        else:
            path = self.app_session.paths.journal("batch", *place, str(ENTRIES))
        return entries_of(self.app_session.get("journal.next", path))


class _Listening:
    """One time of listening: the place, how the line stands, and what is still to be read of the last answer."""

    def __init__(self, feed: JournalFeed, cursor: str | None) -> None:
        self._feed = feed
        self._place = Place.parse(cursor, feed.home())
        self._stored = self._place
        self._agreed: Agreed | None = None
        self._agreed_at = 0.0
        self._waiting: deque[Entry] = deque()
        self._singly = False
        self._stale = self._lost = 0
        self._missed: set[str] = set()
        self._sweep = ""
        self._live = self._spoke = False
        self._why = ""
        self._lines: dict[str, Line] = {}
        self._failures = 0
        self._asked_at = 0.0
        self._live_since = self._news_at = self._now()
        self._not_before = 0.0

    def rounds(self, stop: Event) -> Generator[Hints, None, None]:
        """Read, hand over, wait. Asked for the next, what was yielded was taken."""
        yield self._hints()
        while not stop.is_set():
            rest = self._not_before - self._now()
            if rest > 0:
                self._feed.waits.wait(min(IDLE, max(rest, LEAST)))
                yield Hints()
                continue
            errand = Errand(self._step)
            while not errand.over(IDLE):
                if stop.is_set():
                    return
                yield Hints()
            yield from self._outcome(errand)

    # one step, on a thread of its own

    def _step(self) -> _Found:
        if self._agreed is None or self._now() - self._agreed_at >= AGREE_EVERY:
            self._keep_agreed()
        if self._place.offset is None:
            self._begin()
        elif not self._waiting:
            self._asked_at = self._now()
            self._waiting.extend(self._next(self._place.offset))
        if not self._waiting:
            return _Found()
        entry = self._waiting[0]
        try:
            return _Found(entry, self._read(entry))
        except Unreadable as error:
            return _Found(entry, lost=str(error))

    def _keep_agreed(self) -> None:
        """Agree, and again now and then. What was agreed on once goes on being told while that cannot be asked."""
        try:
            self._agree()
        except CrmError:
            if self._agreed is None:
                raise
            self._agreed_at += AGREE_AGAIN

    def _agree(self) -> None:
        """See to the subscriptions. What one that is new did not tell yet has to be polled."""
        feed = self._feed
        agreed = agree(feed.app_session, feed.meaning, self._place.portal_id)
        if not agreed.ids.keys() & FEEDS.keys():
            why = next(iter(agreed.refused.values()), "nothing may be subscribed to")
            raise CrmError(Fault(FaultCode.NOT_PERMITTED, "NO_SUBSCRIPTION", why))
        if self._agreed is None and not self._place.is_kept(self._server_now()):
            self._miss_all("the place in the journal is older than what it keeps")
            self._place = replace(self._place, offset=None)
        self._agreed, self._agreed_at = agreed, self._now()
        fresh = {each for each, id_ in agreed.ids.items() if self._place.told.get(each) != id_}
        self._missed |= {FEEDS[each] for each in fresh if each in FEEDS}
        self._place = replace(self._place, told=agreed.ids)

    def _begin(self) -> None:
        """Begin at the newest entry, which may tell of something that no search shows yet; all before it is polled."""
        newest = self._feed.newest()
        self._missed |= set(FEEDS.values())
        self._waiting.extend(newest)
        if not newest:
            self._place = replace(self._place, offset="")

    def _next(self, offset: str) -> tuple[Entry, ...]:
        """What comes after a place. A portal that does not know the batch form is asked for one at a time."""
        try:
            return self._feed.after(offset, singly=self._singly)
        except CrmError as error:
            if error.fault.code not in PLACE_GONE:
                raise
            if self._singly:
                raise _PlaceGone(error.fault) from error
        try:
            found = self._feed.after(offset, singly=True)
        except CrmError as error:
            raise _PlaceGone(error.fault) if error.fault.code in PLACE_GONE else error from error
        self._singly = True
        return found

    def _read(self, entry: Entry) -> Read:
        feed = self._feed
        own = self._agreed.app_ids if self._agreed else frozenset()
        return read(feed.files.fetch(entry.url), self._place.portal_id, own=own, now=self._server_now())

    # what came of it

    def _outcome(self, errand: Errand[_Found]) -> Iterator[Hints]:
        try:
            found = errand.result()
        except CrmError as error:
            yield self._failed(error)
            return
        self._stand()
        if found.entry is None:
            self._rest()
            yield self._hints()
            return
        self._waiting.popleft()
        self._stale, self._news_at = 0, self._now()
        if not self._waiting:
            self._not_before = self._asked_at + GATHER
        self._lost = self._lost + 1 if found.lost else 0
        if found.lost:
            self._miss_all(f"{found.lost}; what it told is looked for by polling")
        self._missed |= found.read.unclear
        yield from self._portions(found.entry, found.read)
        if self._lost >= LOST_MOST:
            self._waiting.clear()
            self._place = replace(self._place, offset=None)
            self._break(Fault(FaultCode.REJECTED, "UNREADABLE", found.lost), REFUSED)
            yield self._hints()

    def _portions(self, entry: Entry, read: Read) -> Iterator[Hints]:
        """An entry's sightings; the place is behind the entry only with the last of them."""
        meaning = self._feed.meaning
        portion: list[Sighting] = []
        heard: set[str] = set()
        for event in read.events:
            portion += meaning.of(event)
            heard |= {FEEDS[event.object_type_id]} if event.object_type_id in FEEDS else set()
            if len(portion) >= SIGHTINGS:
                yield Hints(sightings=tuple(portion), heard=frozenset(heard))
                portion.clear()
        self._spoke = self._spoke or FEEDS[DEAL] in heard
        self._place = replace(self._place, offset=entry.offset, at=read.at or self._place.at)
        yield replace(self._hints(), sightings=tuple(portion), heard=frozenset(heard))

    def _hints(self) -> Hints:
        """What is to be said of lines, place and what was missed since it was last said."""
        lines = {line.name: line for line in self._told()}
        changed = tuple(line for name, line in lines.items() if self._lines.get(name) != line)
        self._lines = lines
        moved = self._place != self._stored and bool(self._place.offset)
        self._stored = self._place
        hints = Hints(
            cursor=self._place.dump() if moved else "",
            lines=changed,
            missed=frozenset(self._missed) if self._live else frozenset(),
            sweep=self._sweep if self._live else "",
        )
        if self._live:
            self._missed, self._sweep = set(), ""
        return hints

    def _told(self) -> Iterator[Line]:
        """The journal's line, and one for each type that it may not tell of. Deals go on being polled until it has told
        of one: an app that is not installed in the portal is let read its journal all the same, and hears nothing."""
        agreed = self._agreed or Agreed()
        feeds = {FEEDS[each] for each in agreed.ids if each in FEEDS}
        yield Line(LINE, frozenset(feeds if self._spoke else feeds - {FEEDS[DEAL]}), live=self._live, why=self._why)
        for each, why in agreed.refused.items():
            yield Line(_line_of(each), frozenset({FEEDS[each]} if each in FEEDS else ()), live=False, why=why)
        for each in agreed.ids:
            if _line_of(each) in self._lines:  # it was refused before
                yield Line(_line_of(each), frozenset(), live=True)

    def _stand(self) -> None:
        if not self._live:
            self._live, self._why, self._live_since = True, "", self._now()

    def _rest(self) -> None:
        """Nothing new: ask again in a moment, a longer one when it has been quiet for long."""
        now = self._now()
        self._not_before = now + min(QUIETEST, QUIET + (now - self._news_at) / QUIET_GROWS)

    def _failed(self, error: CrmError) -> Hints:
        """Ask again for an address that expired, give up a place that is gone, else be down for a while."""
        fault = error.fault
        entry = self._waiting[0] if self._waiting else None
        self._waiting.clear()
        if entry is not None and fault.code is FaultCode.RECORD_GONE:
            self._stale += 1
            if self._stale >= FILE_TRIES:
                self._stale = 0
                self._place = replace(self._place, offset=entry.offset)
                self._miss_all("a file of the journal is gone; what it told is looked for by polling")
            self._not_before = self._now() + QUIET
            return self._hints()
        if isinstance(error, _PlaceGone):
            if self._failures == 0:
                self._miss_all(f"the place in the journal is not known any more ({fault.vendor_code})")
            self._place = replace(self._place, offset=None)
        self._break(fault, AFRESH if isinstance(error, _PlaceGone) else PAUSES.get(fault.code, REFUSED))
        return self._hints()

    def _break(self, fault: Fault, pause: Pause) -> None:
        now = self._now()
        if self._live and now - self._live_since >= STEADY:
            self._failures = 0
        self._live, self._why = False, _words(fault)
        ceiling = min(pause.most, pause.first * 2.0 ** min(self._failures, DOUBLINGS))
        self._failures += 1
        wait = random.uniform(ceiling / 2, ceiling)  # noqa: S311  # spread, not secrecy
        if fault.retry_at is not None:
            asked = (fault.retry_at - self._feed.waits.clock.now()).total_seconds()
            wait = max(wait, min(asked, REFUSED.most))
        self._not_before = now + wait

    def _miss_all(self, why: str) -> None:
        self._missed |= set(FEEDS.values())
        self._sweep = why

    def _now(self) -> float:
        return self._feed.waits.monotonic()

    def _server_now(self) -> datetime:
        return self._feed.app_session.server_time or self._feed.waits.clock.now()


def _line_of(wish: str) -> str:
    """The line that one refused wish gets of its own."""
    return f"{LINE} of {OBJECT_NAMES.get(wish, wish)}"


def _words(fault: Fault) -> str:
    return f"{fault.vendor_code}: {fault.message}" if fault.vendor_code else fault.message
