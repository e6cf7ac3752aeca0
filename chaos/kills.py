"""A daemon is killed with -9 at every point, on each CRM, with each feed, from many seeds, and started again.

Not here: which points there are and where they cannot be (``points``), what people do meanwhile (``ground``), and what
counts as lost or doubled (``picture``). Beside each world with a daemon that dies runs one whose daemon does not;
people do the same in both, and in the end the same must stand in both.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED as ANY
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from daemons import Daemon

from chaos import ground, guard, weather_postgres
from chaos.ground import KILLED, World
from chaos.picture import Difference, compare, judged, taken
from chaos.points import FEEDS, SF_JOBS, SF_SERVER, SPOTS, Spot, Way
from chaos.sections import Effort
from chaos.table import Row

SECTION = "kills"
WHOLE_SECONDS = 420.0
"""Until when further seeds are begun; the first is always played to its end."""

LINK = 11
"""Points of one chain: kills that follow each other in one world, whose ledger grows as it would."""

LINKS_A_SEED = 1000
"""A chain's number is its seed's times this and its place among that seed's chains."""

MOST_WORDS = 600
"""Characters of a note; the progress lines have all of it."""

CAUGHT = "after-call"
"""Where a daemon dies so that the next one finds a write in the air."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One kill: where, at which passage, and on which way."""

    point: str
    way: Way
    nth: int


@dataclass(frozen=True, slots=True)
class Chain:
    """Kills that follow each other in one world, from one seed."""

    feed: str
    seed: int
    strikes: tuple[Strike, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class Died:
    """What became of one strike: seconds from the restart to whole, or what went wrong, and the number of the last deal
    anybody had made by then."""

    strike: Strike
    seconds: float | None = None
    trouble: str = ""
    deals: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a chain."""

    chain: Chain
    died: tuple[Died, ...]
    difference: Difference = field(default_factory=Difference)
    trouble: str = ""


def run(effort: Effort) -> Iterator[Row]:
    """Kill for as long as the effort allows; one row per point and feed."""
    folder = effort.place(SECTION)
    ended: list[Ended] = []
    for each in _played(_chains(effort, folder), effort):
        ended.append(each)
        kills = sum(died.seconds is not None for died in each.died)
        effort.say(f"kills: {each.chain.feed}, seed {each.chain.seed}: {kills} kills {_told(each)}")
    yield from _rows(ended, short=effort.short)


def _told(each: Ended) -> str:
    troubles = [each.trouble, each.difference.words]
    return "; ".join(filter(None, troubles)) or "and nothing lost or doubled"


# which chains


def _chains(effort: Effort, folder: Path) -> Iterator[Sequence[Chain]]:
    """Rounds of chains: a whole run plays round after round, a short one a single round of a rotating selection."""
    if effort.short:
        yield tuple(_links(_selected(effort.seed), seed=effort.seed, folder=folder))
        return
    number = 0
    while True:
        seed = effort.seed + number
        possible = {feed: [spot for spot in SPOTS if feed not in spot.never] for feed in FEEDS}
        yield tuple(_links(possible, seed=seed, folder=folder))
        number += 1


def _selected(seed: int) -> dict[str, list[Spot]]:
    """Every point on one feed, every feed with some: which, the seed chooses. The rare ones choose first."""
    chance = random.Random(seed)
    chosen: dict[str, list[Spot]] = {feed: [] for feed in FEEDS}
    spots = chance.sample(SPOTS, len(SPOTS))
    for spot in sorted(spots, key=lambda each: -len(each.never)):
        feeds = [feed for feed in FEEDS if feed not in spot.never]
        # A start on PostgreSQL waits for the lease of the process that died: only what can be nowhere else goes there.
        feeds = [feed for feed in feeds if feed != SF_SERVER] or feeds
        fewest = min(len(chosen[feed]) for feed in feeds)
        chosen[chance.choice([feed for feed in feeds if len(chosen[feed]) == fewest])].append(spot)
    return chosen


def _links(spots: dict[str, list[Spot]], *, seed: int, folder: Path) -> Iterator[Chain]:
    """Cut each feed's points into chains, in an order by chance; those of a first start come first."""
    for number in range(0, max(map(len, spots.values())), LINK):
        for feed in FEEDS:
            chance = random.Random(f"{seed} {feed}")
            order = chance.sample(spots[feed], len(spots[feed]))
            order.sort(key=lambda spot: SPOTS.index(spot) if spot.way is Way.FIRST else len(SPOTS))
            link = order[number : number + LINK]
            if link:
                strikes = tuple(_strike(spot, feed, chance) for spot in link)
                name = f"{feed.replace(', ', '-').replace(' ', '-')}-{seed}-{number}"
                yield Chain(feed, seed * LINKS_A_SEED + number, strikes, folder / name)


def _strike(spot: Spot, feed: str, chance: random.Random) -> Strike:
    way, passages = spot.way_on(feed)
    return Strike(spot.point.value, way, chance.randint(1, passages))


# playing them


def _played(rounds: Iterable[Sequence[Chain]], effort: Effort) -> Iterator[Ended]:
    """Play chains in as many lanes as there are; after the first round only as long as there is time."""
    began = time.monotonic()
    with ProcessPoolExecutor(effort.lanes, mp_context=get_context("spawn"), initializer=guard.lane) as lanes:
        waiting: set[Future[Ended]] = set()
        for number, chains in enumerate(rounds):
            for chain in chains:
                if number and time.monotonic() - began > WHOLE_SECONDS - ground.PATIENCE / 2:
                    yield from (each.result() for each in waiting)
                    return
                while len(waiting) >= effort.lanes:
                    done, waiting = wait(waiting, return_when=ANY)
                    yield from (each.result() for each in done)
                waiting.add(lanes.submit(play, chain))
        yield from (each.result() for each in waiting)


def play(chain: Chain) -> Ended:
    """Play one chain, beside a world with the same people in which nothing is killed."""
    died: list[Died] = []
    left = list(chain.strikes)
    try:
        with ExitStack() as stack:
            url = stack.enter_context(weather_postgres.running(chain.folder)).url() if chain.feed == SF_SERVER else ""
            broken = stack.enter_context(ground.world(chain.folder / "broken", chain.feed, store_url=url))
            whole = stack.enter_context(ground.world(chain.folder / "whole", chain.feed))
            for each in (whole, *(() if left[0].way is Way.FIRST else (broken,))):
                each.start()
                each.ready()
            while left:
                # Those of a first start follow each other before anything is well: there is one first start only.
                count = max(1, sum(strike.way is Way.FIRST for strike in left))
                died += _struck(broken, whole, left[:count], seed=f"{chain.seed} {len(left)}")
                del left[:count]
            # After all the kills everything is looked at anew, and nothing may be done a second time.
            for each in (broken, whole):
                ground.change_everything(each)
            for each in (broken, whole):
                ground.wait(each.rested, "rest", each)
                each.stop()
            return Ended(chain, tuple(died), judged(broken, compare(taken(broken), taken(whole))))
    except Exception as error:  # noqa: BLE001  # it is told, and fails the run
        trouble = f"{type(error).__name__}: {error}"
        if left:
            died.append(Died(left[0], trouble=trouble))
        return Ended(chain, tuple(died), trouble=f"{trouble}\n{traceback.format_exc()}")


def _struck(broken: World, whole: World, strikes: Sequence[Strike], *, seed: str) -> list[Died]:
    """Kill at each of these, start again, and wait until all is whole in both worlds."""

    def people() -> None:
        for each in (broken, whole):
            ground.act(each, random.Random(seed))

    for strike in strikes:
        WAYS[strike.way](broken, f"{strike.point}:{strike.nth}:{seed}", people, random.Random(seed))
    began = time.monotonic()
    broken.start()
    broken.ready()
    if strikes[0].way is Way.FIRST:
        people()
    ground.wait(broken.whole, f"all handoffs after a kill at {strikes[-1].point}", broken)
    seconds = time.monotonic() - began
    ground.wait(whole.whole, "all handoffs where nothing was killed", whole)
    return [Died(strike, seconds, deals=len(broken.book.deals)) for strike in strikes]


People = Callable[[], None]


def _first(broken: World, at: str, _people: People, _chance: random.Random) -> None:
    killed(broken.start(at), at)


def _live(broken: World, at: str, people: People, _chance: random.Random) -> None:
    broken.arm(at)
    people()
    killed(broken.running, at)


def _at_start(broken: World, at: str, people: People, _chance: random.Random) -> None:
    broken.stop()
    people()
    killed(broken.start(at), at)


def _aftermath(broken: World, at: str, people: People, chance: random.Random) -> None:
    nth = 1 if broken.feed == SF_JOBS else chance.randint(1, 3)
    _live(broken, f"{CAUGHT}:{nth}:before {at}", people, chance)
    killed(broken.start(at), at)


def _term(broken: World, at: str, people: People, chance: random.Random) -> None:
    broken.arm(at)
    since = broken.desk.seq()
    people()
    wanted = chance.randint(0, 3)
    ground.wait(lambda: broken.desk.writes(since) >= wanted, f"{wanted} writes", broken)
    broken.running.process.send_signal(signal.SIGTERM)
    killed(broken.running, at)


WAYS: Mapping[Way, Callable[[World, str, People, random.Random], None]] = {
    Way.FIRST: _first,
    Way.LIVE: _live,
    Way.START: _at_start,
    Way.AFTERMATH: _aftermath,
    Way.TERM: _term,
}


def killed(victim: Daemon, at: str) -> None:
    """Wait for the kill. Raises AssertionError when it does not come, which fails the run: nothing would be proved."""
    try:
        code = victim.process.wait(ground.PATIENCE)
    except subprocess.TimeoutExpired:
        code = None
    if code != KILLED:
        raise AssertionError(f"it was not killed at {at} (it ended with {code}):\n{victim.said()[-800:]}")


# what became of them


def _rows(ended: Sequence[Ended], *, short: bool) -> Iterator[Row]:
    """One row per point and feed; a point that was never come to is told as one that did not strike."""
    tried: dict[tuple[str, str], list[Died]] = {}
    seeds: dict[tuple[str, str], set[int]] = {}
    broke: dict[tuple[str, str], Counter[str]] = {}
    words: dict[tuple[str, str], list[str]] = {}
    for each in ended:
        for died in each.died:
            tried.setdefault((died.strike.point, each.chain.feed), []).append(died)
            seeds.setdefault((died.strike.point, each.chain.feed), set()).add(each.chain.seed // LINKS_A_SEED)
        for kind, what in _broken(each):
            place = (_blamed(each, what).strike.point if each.died else "", each.chain.feed)
            broke.setdefault(place, Counter())[kind] += 1
            words.setdefault(place, []).append(what)
    for spot in SPOTS:
        for feed in FEEDS:
            place = (spot.point.value, feed)
            if feed in spot.never and not short:
                yield Row(SECTION, *place, note=spot.never[feed])
            elif place in tried or not short:
                row = _row(place, tried.get(place, []), broke.get(place, Counter()), words.get(place, []))
                yield replace(row, seeds=tuple(sorted(seeds.get(place, ()))))


def _row(place: tuple[str, str], died: Sequence[Died], broke: Counter[str], words: Sequence[str]) -> Row:
    seconds = tuple(round(each.seconds, 2) for each in died if each.seconds is not None)
    return Row(
        SECTION,
        *place,
        tried=len(died) or 1,
        broken=len(seconds),
        lost=broke["lost"],
        doubled=broke["doubled"],
        other=broke["other"],
        recovery=seconds,
        note="; ".join([*words, *(each.trouble for each in died if each.trouble)])[:MOST_WORDS],
    )


def _broken(ended: Ended) -> Iterator[tuple[str, str]]:
    """Every broken promise of a chain and its kind."""
    for kind in ("lost", "doubled", "other"):
        yield from ((kind, what) for what in getattr(ended.difference, kind))
    if ended.trouble:
        yield "other", ended.trouble


def _blamed(ended: Ended, what: str) -> Died:
    """The strike in whose time the deal was made that this is about; else the last."""
    number = re.search(r"deal (\d+)", what)
    return next((each for each in ended.died if number and int(number[1]) <= each.deals), ended.died[-1])
