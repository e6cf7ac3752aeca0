"""The ground of kills and losses: a site per feed, a daemon that can be doomed while it runs, and people who act on it.

Not here: what is broken. People's acts follow from a seed alone, so the same can be played in a world in which nothing
is broken; ``Book`` remembers what was done, in order, under numbers that are the same in both worlds.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from daemons import ELENA_AE, SECRETS, Daemon, Desk, Site, site, until

from chaos import points
from connector import bootstrap
from connector.sandbox.agreed import DealType
from connector.sandbox.hubspot.feeds import events
from connector.sandbox.hubspot.feeds.webhooks import deliverer
from connector.sandbox.hubspot.schema import APP_CLIENT_ID, APP_CLIENT_SECRET

WATCHED = ("Opportunity", "Account", "Task", "Event")
SELDOM = "safety_poll_seconds = 3600"
"""Where changes are pushed: what is listened to is not polled besides."""

TICK = 5
"""Seconds between passes there; they take up what was put off, such as a second look at one's own writes."""

JOB_ROWS = 4
"""Rows from which they travel by a bulk job where jobs are what is tried."""

JOB_SECONDS = 0.2
STORE_ENV = "CHAOS_STORE_URL"
DOORS = range(20_000, 30_000)
"""Below the ports that systems give to outgoing connections."""

KILLED = -9
PATIENCE = 60.0
"""Seconds for anything to come to its end; on a quiet machine it takes two or three."""

FALLEN = ("tick.crashed", "live.crashed")
"""What a daemon says of a bug that it survived."""

LAST_WORD = "In the end nothing was promised."
CHANGED_MIND = "We promised a review in week {number} as well."


@dataclass(slots=True)
class Book:
    """What people did in one world, oldest first: ids of deals and accounts by number, and what must come of each."""

    deals: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    passing: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    says: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class World:
    """One site with one CRM under one feed, what people did there, and its daemon."""

    site: Site
    feed: str
    book: Book = field(default_factory=Book)
    daemon: Daemon | None = None
    store_url: str = ""

    @property
    def desk(self) -> Desk:
        """The CRM this is about."""
        return self.site.sf if self.feed.startswith("salesforce") else self.site.hs

    @property
    def doom(self) -> Path:
        """The file that says where the daemon is to die."""
        return self.site.folder / "doom"

    def start(self, at: str = "") -> Daemon:
        """Start the daemon, doomed or not."""
        self.doom.write_text(at)
        self.daemon = self.site.start(failpoint=f"@{self.doom}")
        return self.daemon

    def arm(self, at: str) -> None:
        """Doom the running daemon."""
        beside = self.doom.with_suffix(".new")
        beside.write_text(at)
        beside.replace(self.doom)

    @property
    def running(self) -> Daemon:
        """Its daemon. Raises AssertionError before the first start."""
        assert self.daemon is not None, "it was never started"
        return self.daemon

    def stop(self) -> None:
        """Stop the daemon in order."""
        if self.daemon is not None and self.daemon.stop() != 0:
            raise AssertionError(f"the daemon did not end in order:\n{self.daemon.said()}")

    def ready(self) -> None:
        """Wait until the daemon works, and hears what it is to hear."""
        wait(lambda: any(self.running.named(event) for event in CONNECTED), "the connection", self)
        wanted = LINES.get(self.feed, 0)
        wait(lambda: len({each["line"] for each in self.running.named("live.opened")}) >= wanted, "the lines", self)
        if self.feed == points.HS_HOOKS:
            wait(lambda: bool(self.running.named("hooks.opened")), "the door", self)

    def whole(self) -> bool:
        """Whether everything people did has come to its end, and nothing waits."""
        desk, book = self.desk, self.book
        return (
            all(desk.handed_off(deal) for deal in book.passing)
            and all(desk.held(deal) for deal in book.held)
            and all(self._says(deal, text) for deal, text in book.says.items())
            and not self.open("outbox")
        )

    def rested(self) -> bool:
        """Whether nothing waits to be read either, on any side."""
        return self.whole() and delivered(self) and not self.open("letter")

    def open(self, table: str) -> int:
        """Rows not done with: of the outbox, or letters not read; 1 while there is no ledger."""
        return int(self.ask(OPEN[table], default=1))

    def ask(self, statement: str, *, default: Any) -> Any:
        """One value from the ledger, read past the daemon; ``default`` while there is none."""
        try:
            if self.store_url:
                with psycopg.connect(self.store_url) as server:
                    found = server.execute(statement.encode()).fetchone()
            else:
                with contextlib.closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as file:
                    found = file.execute(statement).fetchone()
        except (sqlite3.OperationalError, psycopg.Error):
            return default
        return default if found is None else found[0]

    @property
    def file(self) -> Path:
        """The ledger's file, there or not."""
        return next((self.site.folder / "state").glob("*.db"), self.site.folder / "state" / "none.db")

    def _says(self, deal_id: str, text: str) -> bool:
        notes = self.desk.crm.notes_of(deal_id)
        return text in self.desk.see(deal_id).text("summary") and any(text in note.body for note in notes)


OPEN = {
    "outbox": "select count(*) from outbox where state not in ('applied', 'superseded')",
    "letter": "select count(*) from letter",
}

CONNECTED = ("system.connected", "lead.inherited")
"""Said once a system is worked on: by a process of its own, or by one that goes on where another of several died."""

LINES = {points.SF_EVENTS: len(WATCHED), points.HS_JOURNAL: 1}
"""Lines that must be up, by feed, before changes are heard of; webhooks count as one when the first is read."""


@contextlib.contextmanager
def world(folder: Path, feed: str, *, store_url: str = "") -> Iterator[World]:
    """An empty org or portal with a config for one feed, in a new folder that stays; its processes are ended.

    The ledger is a file in that folder, or in the PostgreSQL database at ``store_url``.
    """
    with site(folder, systems=("sf",) if feed.startswith("salesforce") else ("hs",)) as made:
        SETUPS[feed](made)
        if store_url:
            made.secrets = made.secrets | {STORE_ENV: store_url}
            config = folder / "config.toml"
            named = f'state = "state"\nstore_url_env = "{STORE_ENV}"'
            config.write_text(config.read_text().replace('state = "state"', named))
        yield World(made, feed, store_url=store_url)


def _first(*lines: str) -> str:
    return "\n".join(('first_run = "observe_old"', *lines))


def _polled(made: Site) -> None:
    made.configure(first_run=_first('change_events = "off"'))


def _events(made: Site) -> None:
    made.sandbox.pubsub.select(entities=WATCHED)
    address = f'pubsub_address = "{made.sandbox.pubsub_address}"'
    made.configure(poll=TICK, first_run=_first('change_events = "on"', SELDOM, address))


def _jobs(made: Site) -> None:
    made.sandbox.sf.settings["bulk_batch_s"] = JOB_SECONDS
    made.configure(first_run=_first('change_events = "off"', f"bulk_threshold = {JOB_ROWS}"))


def _hooks(made: Site) -> None:
    port = _door()
    made.secrets = SECRETS | {"HS_CLIENT_SECRET": APP_CLIENT_SECRET}
    address = f'webhook_url = "http://127.0.0.1:{port}/webhooks/hubspot/hs"'
    secret = 'client_secret_env = "HS_CLIENT_SECRET"'
    made.configure(poll=TICK, hooks=port, first_run=_first(secret, address, SELDOM, 'change_events = "on"'))
    with _environment(made.environment()):
        part = bootstrap.webhook_component(made.folder / "config.toml", "hs").content
    # What found nobody is brought again soon: a vendor takes a minute, and nobody is to wait for it here.
    made.hs.world.setting("webhooks", {**events.uploaded(part), "double": 0.3, "retry_s": (0.3, 0.5, 1, 1, 2, 2, 4, 8)})


def _door() -> int:
    """A free port that no outgoing connection is given in the moment before the daemon listens on it."""
    for port in random.SystemRandom().sample(DOORS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def _journal(made: Site) -> None:
    made.secrets = SECRETS | {"HS_CLIENT_ID": APP_CLIENT_ID, "HS_CLIENT_SECRET": APP_CLIENT_SECRET}
    lines = ('client_id_env = "HS_CLIENT_ID"', 'client_secret_env = "HS_CLIENT_SECRET"', 'change_events = "on"')
    made.configure(poll=TICK, first_run=_first(*lines, SELDOM))


SETUPS: dict[str, Callable[[Site], None]] = {
    points.SF_POLLED: _polled,
    points.SF_EVENTS: _events,
    points.SF_JOBS: _jobs,
    points.SF_SERVER: _polled,
    points.HS_POLLED: _polled,
    points.HS_HOOKS: _hooks,
    points.HS_JOURNAL: _journal,
}


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    with _ENVIRONMENT:
        before = dict(os.environ)
        os.environ.update(values)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


_ENVIRONMENT = threading.Lock()


def delivered(made: World) -> bool:
    """Whether the portal has nothing left to bring; True where it brings nothing."""
    if made.feed != points.HS_HOOKS:
        return True
    app = deliverer(made.desk.world)
    return bool(app.settled(0.01)) and not app.state()["waiting"]["later"]


def act(made: World, chance: random.Random) -> None:
    """A handful of acts in one world: wins of every kind, gaps filled and won again, minds changed.

    Only what had come to its end before is filled or changed, so that nothing depends on how fast the daemon is.
    """
    desk, book = made.desk, made.book
    gaps = [deal for deal in book.deals if deal in book.held]
    done = [deal for deal in book.deals if deal in book.passing]
    acts: list[Callable[[Desk, Book, random.Random], None]] = [_win, _win, _win_light, _win_large, _hold]
    acts += chance.sample((_override, _win_two, _win), 1)
    acts += [partial(_fill, deal=chance.choice(gaps))] if gaps else []
    acts += [partial(_change_mind, deal=chance.choice(done))] if done else []
    chance.shuffle(acts)
    for each in acts:
        each(desk, book, chance)


def _noted(book: Book, deal_id: str, among: set[str]) -> None:
    book.deals.append(deal_id)
    among.add(deal_id)


def _account(desk: Desk, book: Book) -> str:
    book.accounts.append(desk.account())
    return book.accounts[-1]


def _win(desk: Desk, book: Book, chance: random.Random) -> None:
    amount = chance.choice((4_000, 20_000, 35_000))
    _noted(book, desk.win(desk.deal(amount=amount, account=_account(desk, book))), book.passing)


def _win_large(desk: Desk, book: Book, chance: random.Random) -> None:
    amount = chance.choice((80_000, 120_000))
    _noted(book, desk.win(desk.deal(amount=amount, account=_account(desk, book))), book.passing)


def _win_light(desk: Desk, book: Book, chance: random.Random) -> None:
    kind: DealType = chance.choice(("renewal", "upsell"))
    deal = desk.deal(amount=5_000, deal_type=kind, account=_account(desk, book))
    _noted(book, desk.win(deal), book.passing)


def _win_two(desk: Desk, book: Book, _chance: random.Random) -> None:
    account = _account(desk, book)
    for _ in range(2):
        _noted(book, desk.win(desk.deal(account=account)), book.passing)


def _hold(desk: Desk, book: Book, chance: random.Random) -> None:
    gaps = chance.choice((("commitments", "risks"), ("use_case",), ("champion",)))
    deal = desk.deal(without=gaps, account=_account(desk, book))
    _noted(book, desk.win(deal, outcome="held"), book.held)


def _override(desk: Desk, book: Book, _chance: random.Random) -> None:
    deal = desk.deal(without=("use_case",), account=_account(desk, book), **desk.override())
    _noted(book, desk.win(deal, outcome="overridden"), book.passing)


def _fill(desk: Desk, book: Book, _chance: random.Random, *, deal: str) -> None:
    desk.do.set_fields(deal, desk.answers(amount=20_000, deal_type="new"), by=desk.see(deal).owner)
    desk.win(deal)
    book.held.discard(deal)
    book.passing.add(deal)


def _change_mind(desk: Desk, book: Book, _chance: random.Random, *, deal: str) -> None:
    book.says[deal] = CHANGED_MIND.format(number=len(book.deals))
    desk.do.set_fields(deal, {"commitments": book.says[deal]}, by=desk.user(ELENA_AE))


def change_everything(made: World) -> None:
    """Somebody changes their mind about every deal that was handed over, so that each is looked at and written anew."""
    for deal in [deal for deal in made.book.deals if deal in made.book.passing]:
        made.book.says[deal] = LAST_WORD
        made.desk.do.set_fields(deal, {"commitments": LAST_WORD}, by=made.desk.user(ELENA_AE))


def fallen(made: World) -> tuple[str, ...]:
    """What fell over in any of its daemons and was taken up again, so that only the log tells; one log has them all."""
    first = made.site.children[0]
    counts = {event: len(first.named(event)) for event in FALLEN}
    return tuple(f"{event} {count} times" for event, count in counts.items() if count)


def wait(ready: Callable[[], bool], what: str, made: World) -> float:
    """Seconds until ``ready()``. Raises AssertionError with the end of the daemon's log, at once when it has ended."""
    began = time.monotonic()

    def ready_or_dead() -> bool:
        if ready():
            return True
        if made.daemon is not None and made.daemon.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {made.daemon.process.returncode} before {what}")
        return False

    try:
        until(ready_or_dead, what, seconds=PATIENCE)
    except AssertionError as error:
        lost, said = made.desk.tally()["lost"][:3], made.daemon.said()[-1500:] if made.daemon else ""
        raise AssertionError(f"{error}; {made.open('outbox')} rows open; {lost}\n{said}") from None
    return time.monotonic() - began
