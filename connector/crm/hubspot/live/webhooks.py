"""The live feed of a portal that delivers by webhooks: letters read, turned into hints, dropped once these were taken.

Not here: receiving them (``door`` and ``connector.web.hooks``) and what an event means (``meaning``). Letters come
late, twice and in any order; each is only a reason to look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event as Stop
from typing import Any

import structlog

from connector.crm.hubspot.live.meaning import (
    CALL,
    COMPANY,
    DEAL,
    EMAIL,
    FEEDS,
    MEETING,
    NOTE,
    TASK,
    Action,
    Event,
    Meaning,
)
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

LATELY = timedelta(hours=24)
"""The vendor tries a delivery again for that long (facts: HubSpot §2a). A kind of record that nothing was told of for
longer is polled at the usual pace: the portal may be quiet, or its subscription may be gone."""

TYPES: Mapping[str, str] = {
    "DEAL": DEAL,
    "COMPANY": COMPANY,
    "TASK": TASK,
    "NOTE": NOTE,
    "MEETING": MEETING,
    "MEETING_EVENT": MEETING,
    "CALL": CALL,
    "EMAIL": EMAIL,
}
"""By the word in ``deal.creation``, in ``DEAL_TO_COMPANY`` and in generic subscriptions (facts: HubSpot §2a)."""

GENERIC = "object"
ACTIONS: Mapping[str, Action] = {
    "creation": Action.CREATE,
    "propertyChange": Action.UPDATE,
    "deletion": Action.DELETE,
    "privacyDeletion": Action.DELETE,
    "merge": Action.MERGE,
    "restore": Action.RESTORE,
    "associationChange": Action.ASSOCIATION,
}
OWN_SOURCE = "INTEGRATION"
LATEST_MILLIS = 10**14
"""Far beyond any time an event can bear, and still a date."""

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
    ) -> None:
        self._session = session
        self._meaning = meaning
        self._box = letterbox
        self._address = address
        self._home = home
        self._now = now
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
        while not stop.is_set():
            letters = self._box.take(AT_ONCE)
            if not letters:
                self._box.wait(IDLE)
            self._in_hand = tuple(letter.id for letter in letters)
            sightings, feeds = self._read(letters)
            if feeds:
                heard = heard.and_of(feeds, max(letter.at for letter in letters))
            before, line = line, self._line(heard)
            yield Hints(
                sightings=sightings,
                cursor=heard.text() if feeds else "",
                lines=(line,) if line != before else (),
                heard=feeds,
            )
            self._put_away()

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

    def _read(self, letters: Sequence[Letter]) -> tuple[tuple[Sighting, ...], frozenset[str]]:
        """What the letters say, and which feeds' kinds of record they are about."""
        sightings: list[Sighting] = []
        feeds: set[str] = set()
        home = self._home()
        for letter in letters:
            event = self._event(letter, home)
            if event is None:
                continue
            sightings += self._meaning.of(event)
            feeds |= {FEEDS[each] for each in (event.object_type_id,) if each in FEEDS}
        return tuple(coalesced(sightings)), frozenset(feeds)

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


def event_of(told: Mapping[str, Any], *, came_at: datetime) -> Event | None:
    """One event as delivered, classic or generic; None when it is of a kind that nothing follows from.

    The vendor's table calls the kind ``eventType``, its examples ``subscriptionType`` (facts: HubSpot §2a).
    """
    word, _, verb = str(told.get("subscriptionType") or told.get("eventType") or "").partition(".")
    action = ACTIONS.get(verb)
    object_type = _type(told.get("objectTypeId") if word.lower() == GENERIC else word)
    if action is None or not object_type:
        return None
    event = Event(
        object_type_id=object_type,
        object_id=_id(told.get("objectId")),
        action=action,
        at=_moment(told.get("occurredAt")) or came_at,
        changed=frozenset({str(told["propertyName"])} if told.get("propertyName") else ()),
        by_self=_is_own(told),
    )
    if action is Action.MERGE:
        return _of_merge(event, told)
    return _of_link(event, told) if action is Action.ASSOCIATION else event


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


def _of_merge(event: Event, told: Mapping[str, Any]) -> Event:
    """The record that remains, and those that went into it, of which one may remain under a new id."""
    primary = _id(told.get("primaryObjectId")) or event.object_id
    others = (_id(told.get("newObjectId")), *map(_id, told.get("mergedObjectIds") or ()), event.object_id)
    also = tuple(dict.fromkeys(each for each in others if each and each != primary))
    return replace(event, object_id=primary, also=also)


def _of_link(event: Event, told: Mapping[str, Any]) -> Event:
    """Both ends. The words for them stand in ``associationType``; generic events may give type ids instead."""
    near_word, _, far_word = str(told.get("associationType") or "").partition("_TO_")
    near = _type(told.get("fromObjectTypeId")) or _type(near_word) or event.object_type_id
    far = _type(told.get("toObjectTypeId")) or _type(far_word)
    near_id, far_id = _id(told.get("fromObjectId")) or event.object_id, _id(told.get("toObjectId"))
    return replace(event, object_type_id=near, object_id=near_id, also=(f"{far}:{far_id}",) if far and far_id else ())


def _type(word: Any) -> str:
    """A type id, of a type id or a word; empty for none, and for a word that means nothing here."""
    text = str(word or "")
    return text if text[:1].isdigit() else TYPES.get(text.upper(), "")


def _id(value: Any) -> str:
    """A record's id as text; empty for what is none (an absent ``newObjectId`` may be null, 0 or -1)."""
    text = str(value) if value is not None else ""
    return text if text.isdecimal() and text != "0" else ""


def _moment(value: Any) -> datetime | None:
    text = str(value) if value is not None else ""
    if not text.isdecimal() or int(text) > LATEST_MILLIS:
        return None
    return datetime.fromtimestamp(int(text) / 1000, tz=UTC)


def _is_own(told: Mapping[str, Any]) -> bool:
    """Whether the app whose webhook this is made the change itself. How the vendor names an app there is not documented
    (facts: HubSpot §2a has a user only), so an own write may also go unrecognised: the ledger knows its stamp."""
    source = str(told.get("sourceId") or "").removeprefix("appId:")
    return str(told.get("changeSource") or "") == OWN_SOURCE and source != "" and source == str(told.get("appId"))
