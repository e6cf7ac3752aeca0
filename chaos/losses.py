"""The ledger is lost: deleted, replaced by an old backup, or emptied; and what it takes until all is whole again.

Not here: what people do (``ground``) and what counts as lost or doubled (``picture``). Everything is compared with a
world with the same people whose ledger was kept; calls and seconds stand beside those of an ordinary start.
"""

from __future__ import annotations

import contextlib
import random
import re
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import psycopg

from chaos import ground, guard, weather_postgres
from chaos.ground import KILLED, World
from chaos.picture import Difference, compare, judged, taken
from chaos.points import HS_POLLED, SF_POLLED
from chaos.sections import Effort
from chaos.table import Row

SECTION = "losses"
FEEDS = (SF_POLLED, HS_POLLED)
IN_THE_MIDDLE = ("before-call:2", "after-call:2")
"""Between the account's CSM and the tasks, and between the tasks and the deal's own fields."""

TURNS = re.compile("accounts: of pool")
"""Whose turn it is stands in the ledger: from an old copy, a member of the pool may have one turn too many."""

BEFORE, BETWEEN = 2, 1
"""Handfuls of acts before an old backup is taken, and between that and the loss."""

SOON = 20
"""Seconds within which a look that is owed keeps a world from being at rest."""

DUE = {
    False: f"select count(*) from inbox where due_at < strftime('%Y-%m-%d %H:%M:%S', 'now', '+{SOON} seconds')",
    True: f"select count(*) from inbox where due_at < now() + interval '{SOON} seconds'",
}
PASSED = "select value from cursor where feed = 'last-pass'"
KNOWN = "select count(*) from handoff"

ONLY_KNOWN = ": metric_ae_hours is "
"""How long the AE took stands nowhere but in the ledger until the handoff is written: of one that was half made when
the ledger went nobody can say any more, so that the field stays empty (``handoff.rules.answering``)."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A way to lose a ledger. ``broke_off``: the daemon was killed in the middle of a handoff just before. ``aged``: an
    old ledger comes in its place, which knows nothing of later values and writes those it keeps once more."""

    what: str
    lose: Callable[[World], None]
    broke_off: bool = False
    aged: bool = False
    postgres: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """One loss on one CRM, from one seed."""

    loss: str
    feed: str
    seed: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Started:
    """What a start took until the ledger knew all that was handed off: seconds, calls to the CRM, those that wrote."""

    seconds: float
    calls: int
    writes: int


def run(effort: Effort) -> Iterator[Row]:
    """Every loss on both CRMs; in a short run both lose it in mid-handoff, and each in one more way by the seed."""
    folder = effort.place(SECTION)
    with ProcessPoolExecutor(effort.lanes, mp_context=get_context("spawn"), initializer=guard.lane) as lanes:
        for row in lanes.map(play, _trials(effort, folder)):
            effort.say(f"losses: {row.what}, {row.where}: {'held' if row.held else 'BROKEN'} {row.note}")
            yield row


def _trials(effort: Effort, folder: Path) -> list[Trial]:
    pairs = [(name, feed) for name in LOSSES for feed in FEEDS]
    if effort.short:
        chance = random.Random(effort.seed)
        worst = next(name for name, loss in LOSSES.items() if loss.broke_off)
        others = chance.sample([name for name in LOSSES if name != worst], 2)
        pairs = [(name, feed) for names in ((worst, worst), others) for name, feed in zip(names, FEEDS, strict=True)]
    return [Trial(name, feed, effort.seed, folder / str(number)) for number, (name, feed) in enumerate(pairs)]


def play(trial: Trial) -> Row:
    """Lose a ledger once and tell what became of it."""
    row = partial(Row, SECTION, trial.loss, trial.feed.replace(", polled", ""))
    try:
        with contextlib.ExitStack() as stack:
            url = ""
            if LOSSES[trial.loss].postgres:
                if not weather_postgres.installed():
                    return row(note="PostgreSQL is not installed here")
                url = stack.enter_context(weather_postgres.running(trial.folder)).url()
            broken = stack.enter_context(ground.world(trial.folder / "broken", trial.feed, store_url=url))
            whole = stack.enter_context(ground.world(trial.folder / "whole", trial.feed))
            return _lost(trial, broken, whole, row=row)
    except Exception as error:  # noqa: BLE001  # it is told, and fails the run
        return row(tried=1, other=1, note=f"{type(error).__name__}: {error}; {traceback.format_exc()[-300:]}")


def _lost(trial: Trial, broken: World, whole: World, *, row: Callable[..., Row]) -> Row:
    loss = LOSSES[trial.loss]
    both = (broken, whole)
    for each in both:
        each.start()
        each.ready()
    for number in range(BEFORE):
        _people(both, seed=f"{trial.seed} {number}")
    for each in both:
        ground.wait(partial(_quiet, each), "quiet", each)
    _copy(broken)
    for number in range(BETWEEN):
        _people(both, seed=f"{trial.seed} between {number}")
    for each in both:
        ground.wait(partial(_quiet, each), "quiet", each)
    broken.stop()
    ordinary = _start(broken)
    if loss.broke_off:
        _break_off(both, random.Random(trial.seed), seed=f"{trial.seed} broken off")
    else:
        broken.stop()
    known = broken.ask(KNOWN, default=0)
    loss.lose(broken)
    struck = int(broken.ask(KNOWN, default=0) < known)
    rebuilt = _start(broken)
    ground.wait(whole.whole, "all handoffs where nothing was lost", whole)
    _people(both, seed=f"{trial.seed} afterwards")
    for each in both:
        ground.wait(partial(_quiet, each), "quiet", each)
        each.stop()
    told = judged(broken, compare(taken(broken), taken(whole)))
    return _row(row, told, loss, Figures(struck, int(known), ordinary, rebuilt))


@dataclass(frozen=True, slots=True)
class Figures:
    """Whether the loss struck, deals the ledger knew, an ordinary start and the one after the loss."""

    struck: int
    deals: int
    ordinary: Started
    rebuilt: Started


def _row(row: Callable[..., Row], told: Difference, loss: Loss, figures: Figures) -> Row:
    ordinary, rebuilt = figures.ordinary, figures.rebuilt
    needless = 0 if loss.broke_off or loss.aged else rebuilt.writes
    turns = [each for each in told.other if loss.aged and TURNS.match(each)]
    gone = [each for each in told.lost if loss.broke_off and ONLY_KNOWN in each]
    told = replace(
        told,
        lost=tuple(each for each in told.lost if each not in gone),
        other=tuple(each for each in told.other if each not in turns),
    )
    words = [
        f"{figures.deals} deals known; {rebuilt.calls} calls, {rebuilt.writes} of them writes",
        f"an ordinary start: {ordinary.seconds:.1f} s, {ordinary.calls} calls",
        f"{len(turns)} pool went on from an old turn" if turns else "",
        f"{len(gone)} figure that nothing but the ledger knew" if gone else "",
        f"{needless} writes though nothing was missing" if needless else "",
        told.words,
    ]
    return row(
        tried=1,
        broken=figures.struck,
        lost=len(told.lost),
        doubled=len(told.doubled),
        other=len(told.other) + needless,
        recovery=(round(rebuilt.seconds, 2),),
        note="; ".join(filter(None, words)),
    )


def _people(both: tuple[World, World], *, seed: str) -> None:
    for each in both:
        ground.act(each, random.Random(seed))
    for each in both:
        ground.wait(each.whole, "all handoffs", each)


def _break_off(both: tuple[World, World], chance: random.Random, *, seed: str) -> None:
    """Leave half-made handoffs behind in the one world, and whole ones in the other."""
    broken = both[0]
    at = f"{chance.choice(IN_THE_MIDDLE)}:{seed}"
    broken.arm(at)
    for each in both:
        ground.act(each, random.Random(seed))
    code = broken.running.process.wait(ground.PATIENCE)
    if code != KILLED:
        raise AssertionError(f"it was not killed at {at} (it ended with {code})")


def _start(made: World) -> Started:
    """Start the daemon, and wait until a pass is through, all that was handed off is known, and no look is owed."""
    since, began, at = made.desk.seq(), time.monotonic(), datetime.now(UTC)
    made.start()
    ground.wait(lambda: _passed(made, at) and _quiet(made) and _knows_all(made), "the ledger", made)
    calls = made.desk.world.journal.calls(since, system=made.desk.name)
    return Started(time.monotonic() - began, len(calls), sum(call.write for call in calls))


def _passed(made: World, since: datetime) -> bool:
    told = made.ask(PASSED, default="")
    return bool(told) and datetime.fromisoformat(told) > since


def _knows_all(made: World) -> bool:
    return int(made.ask(KNOWN, default=0)) >= len(made.book.passing)


def _quiet(made: World) -> bool:
    """Whether all is whole and no look is owed soon."""
    return made.whole() and not made.ask(DUE[bool(made.store_url)], default=1)


# ways to lose a ledger


def _kept_at(made: World) -> Path:
    return made.site.folder / "backup.db"


def _copied_to(made: World) -> Path:
    return made.site.folder / "copied.db"


def _copy(made: World) -> None:
    """A backup while the daemon runs, as an operator makes it; and one that somebody made by another program."""
    if made.store_url:
        return
    _command(made, "backup", str(_kept_at(made)))
    with (
        contextlib.closing(sqlite3.connect(made.file)) as source,
        contextlib.closing(sqlite3.connect(_copied_to(made))) as target,
    ):
        source.backup(target)


def _delete(made: World) -> None:
    """Delete the database with everything beside it, also the note of when acting began."""
    for path in made.file.parent.iterdir():
        path.unlink()


def _restore(made: World) -> None:
    """``handoff restore``, as an operator does it."""
    _command(made, "restore", str(_kept_at(made)), "--yes")


def _copy_back(made: World) -> None:
    """Put an old copy in the place of the database, past every command."""
    file = made.file
    _empty(made)
    file.write_bytes(_copied_to(made).read_bytes())


def _command(made: World, *arguments: str) -> None:
    ran = made.site.run(*arguments)
    if ran.code:
        raise AssertionError(f"handoff {arguments[0]} ended with {ran.code}: {ran.text[:300]}")


def _empty(made: World) -> None:
    """An empty database file; what SQLite keeps beside it goes too."""
    file = made.file
    for suffix in ("-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(b"")


def _empty_server(made: World) -> None:
    with psycopg.connect(made.store_url, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")


LOSSES: Mapping[str, Loss] = {
    each.what: each
    for each in (
        Loss("file deleted", _delete),
        Loss("file deleted in mid-handoff", _delete, broke_off=True),
        Loss("handoff backup, and handoff restore later", _restore, aged=True),
        Loss("handoff backup, and handoff restore in mid-handoff", _restore, broke_off=True, aged=True),
        Loss("old copy of the file put back in mid-handoff", _copy_back, broke_off=True, aged=True),
        Loss("empty database", _empty),
        Loss("PostgreSQL emptied", _empty_server, postgres=True),
        Loss("PostgreSQL emptied in mid-handoff", _empty_server, broke_off=True, postgres=True),
    )
}
