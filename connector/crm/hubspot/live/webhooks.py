"""The live feed of a portal that delivers by webhooks: letters read, turned into hints, dropped once these were taken.

Not here: receiving them (``door`` and ``connector.web.hooks``) and what an event means (``meaning``). Letters come
late, twice and in any order; each is only a reason to look.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event as Stop

import structlog

from connector.crm.hubspot.live.delivered import event_of
from connector.crm.hubspot.live.meaning import FEEDS, Event, Meaning
from connector.crm.hubspot.live.reach import Address
from connector.crm.hubspot.live.whereabouts import deals_of
from connector.crm.hubspot.session import Session
from connector.crm.live import Hints, Letter, Letterbox, Line, Sighting
from connector.handoff.model import Ref

LETTER_GARBLED = "letter.garbled"

NAME = "webhooks"
AT_ONCE = 500
"""Letters read in one go: what they ask of the CRM fits into a call or two."""

IDLE = 0.5
"""Seconds without a letter after which an empty hint is yielded, so that whoever listens can do other things."""

MOMENT = 0.05
"""Seconds that letters gather between two readings of less than `AT_ONCE`: reading each as it comes would have the disk
do more for our reading than for what is delivered meanwhile."""

TOGETHER = 5.0
"""Seconds for which records whose deals must be asked of the portal wait for more of their kind: a portal in which
people mail all day would otherwise be asked for each mail, and a call answers for a thousand."""

LATELY = timedelta(hours=24)
"""The vendor tries a delivery again for that long (facts: HubSpot §2a). A kind of record that nothing was told of for
longer is polled at the usual pace: the portal may be quiet, or its subscription may be gone."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heard:
    """When each polled feed's kind of record was last told of; as text it is the feed's cursor."""

    at: Mapping[str, datetime]

    @classmethod
    def parse(cls, cursor: str | None) -> Heard:
        """From a cursor; another line's cursor, or none, is as if nothing was ever heard."""
        try:
            told = json.loads(cursor or "{}")
            return cls({feed: datetime.fromisoformat(told[feed]) for feed in FEEDS.values() if feed in told})
        except (ValueError, TypeError):
            return cls({})

    def text(self) -> str:
        """As a cursor."""
        return json.dumps({feed: at.isoformat() for feed, at in sorted(self.at.items())})

    def and_of(self, feeds: Iterable[str], at: datetime) -> Heard:
        """With these told of at a time."""
        return Heard({**self.at, **dict.fromkeys(feeds, at)})

    def lately(self, now: datetime) -> frozenset[str]:
        """The feeds that were told of lately."""
        return frozenset(feed for feed, at in self.at.items() if now - at <= LATELY)

    @property
    def last(self) -> datetime | None:
        """When anything was."""
        return max(self.at.values(), default=None)


Seen = tuple[Sighting, ...]
"""What one letter says."""


@dataclass(slots=True)
class _Asking:
    """Letters about records whose deals have to be asked for, kept back since a time (monotonic seconds)."""

    letters: dict[int, Seen] = field(default_factory=dict)
    since: float | None = None

    def add(self, letter_id: int, seen: Seen, *, now: float) -> None:
        """Keep one back."""
        self.letters[letter_id] = seen
        self.since = now if self.since is None else self.since

    def release(self) -> dict[int, Seen]:
        """All of them; none is kept back any more."""
        released, self.letters, self.since = self.letters, {}, None
        return released


class WebhookFeed:
    """Implements `connector.crm.live.LiveFeed` for one portal. ``home`` tells the portal's id once it is known."""

    def __init__(
        self,
        *,
        session: Session,
        meaning: Meaning,
        letterbox: Letterbox,
        address: Address,
        home: Callable[[], str],
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._meaning = meaning
        self._box = letterbox
        self._address = address
        self._home = home
        self._now = now
        self._monotonic = monotonic
        self._in_hand: tuple[int, ...] = ()

    def listen(self, cursor: str | None, stop: Stop) -> Generator[Hints, None, None]:
        """Hints from the letters that wait and those that come.

        Without a cursor, the letters that were in hand when the last time of listening ended are dropped unread: one of
        them may be what it crashed over. Polling finds what they told.
        """
        heard = Heard.parse(cursor)
        if cursor is None:
            self._put_away()
        line = self._line(heard)
        yield Hints(lines=(line,), cursor=heard.text(), missed=line.feeds)
        asking = _Asking()
        while not stop.is_set():
            waiting = self._box.take(AT_ONCE + len(asking.letters))
            fresh = [letter for letter in waiting if letter.id not in asking.letters]
            if not fresh:
                self._box.wait(IDLE)
            ready, feeds = self._sort(fresh, asking)
            if asking.since is not None and self._monotonic() - asking.since >= TOGETHER:
                ready |= asking.release()
            if feeds:
                heard = heard.and_of(feeds, max(letter.at for letter in fresh))
            before, line = line, self._line(heard)
            self._in_hand = tuple(ready)
            yield Hints(
                sightings=tuple(coalesced(each for seen in ready.values() for each in seen)),
                cursor=heard.text() if feeds else "",
                lines=(line,) if line != before else (),
                heard=feeds,
            )
            self._put_away()
            if len(fresh) < AT_ONCE:
                stop.wait(MOMENT)

    def deals_of(self, refs: Sequence[Ref]) -> Mapping[Ref, tuple[str, ...]]:
        """The deals that these hang on. Raises `CrmError`."""
        return deals_of(self._session, refs)

    def probe(self) -> tuple[Line, ...]:
        """Whether the address answers a delivery that is signed as the app would sign it."""
        why = self._address.trouble()
        return (Line(NAME, frozenset(FEEDS.values()), live=not why, why=why),)

    def _put_away(self) -> None:
        self._box.drop(self._in_hand)
        self._in_hand = ()

    def _line(self, heard: Heard) -> Line:
        feeds = heard.lately(self._now())
        if feeds:
            return Line(NAME, feeds, live=True)
        if heard.last is None:
            why = f"no delivery yet: nothing that the app signed has come to {self._address.url}"
        else:
            why = f"no delivery since {heard.last:%Y-%m-%d %H:%M} UTC"
        return Line(NAME, frozenset(FEEDS.values()), live=False, why=why)

    def _sort(self, letters: Sequence[Letter], asking: _Asking) -> tuple[dict[int, Seen], frozenset[str]]:
        """What the letters say, by letter, and which feeds' kinds of record they are about. What has to be asked about
        is added to ``asking`` instead; too much of it is not waited with."""
        ready: dict[int, Seen] = {}
        feeds: set[str] = set()
        home = self._home()
        for letter in letters:
            event = self._event(letter, home)
            seen = self._meaning.of(event) if event else ()
            if any(each.ask and not each.deal_ids for each in seen):
                asking.add(letter.id, seen, now=self._monotonic())
            else:
                ready[letter.id] = seen
            if event and event.object_type_id in FEEDS:
                feeds.add(FEEDS[event.object_type_id])
        if len(asking.letters) >= AT_ONCE:
            ready |= asking.release()
        return ready, frozenset(feeds)

    def _event(self, letter: Letter, home: str) -> Event | None:
        try:
            told = json.loads(letter.body)
            if home and str(told.get("portalId", home)) != home:
                return None
            return event_of(told, came_at=letter.at)
        except (ValueError, TypeError, AttributeError) as error:
            # Signed, and yet not what the vendor describes: told, and no reason to stop reading the others.
            log.warning(LETTER_GARBLED, system=self._meaning.system, error=type(error).__name__)
            return None


def coalesced(sightings: Iterable[Sighting]) -> Iterator[Sighting]:
    """Sightings of one record by one stamp as one: a person's hand among them outweighs our own, a mapped field an
    unmapped one. Stamps are not mixed, for own writes are known by theirs."""
    found: dict[tuple[Ref, datetime], Sighting] = {}
    for each in sightings:
        key = (each.ref, each.modified_at)
        known = found.get(key)
        found[key] = each if known is None else _both(known, each)
    yield from found.values()


def _both(one: Sighting, other: Sighting) -> Sighting:
    return replace(
        one,
        deal_ids=tuple(dict.fromkeys((*one.deal_ids, *other.deal_ids))),
        by_self=one.by_self and other.by_self,
        ask=one.ask or other.ask,
        minor=one.minor and other.minor,
    )
