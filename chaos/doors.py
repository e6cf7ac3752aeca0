"""Bad bodies at both doors of a real daemon over real sockets, while honest deliveries go on and are timed.

Not here: the bodies (``badbodies``) and who sends them (``throwing``). Nothing bad may be kept, nothing may make the
daemon fall or grow without end, and who delivers in good faith must not have to wait for it.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import queue
import random
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import requests
from daemons import SECRETS, Daemon, Site, free_port, site, until

from chaos.badbodies import HOOK, NUMBER, TRACK, Shot, Target, number_of, request
from chaos.sections import Effort
from chaos.table import Row
from chaos.throwing import HANGS, Honest, Thrown, be_honest, dawdle, fire, throw
from connector.sandbox.hubspot.schema import APP_CLIENT_SECRET

SECTION = "doors"
BODIES, SHORT_BODIES = 100_000, 2_000
QUIET_SECONDS, SHORT_QUIET_SECONDS = 6.0, 1.5
THROWERS = 2
PRELUDE = 20
"""Honest deliveries of each door that are kept as they were, to be played again."""

STRANGERS, SHOTS_EACH = 20, 100
"""Other callers who bring nothing good, and how often each tries."""

SLOW_LINES = 40
"""More than one caller may have."""

SECRET = "the secret of a source of events"
LONGEST_P99 = 1.0
"""Seconds. A vendor gives up after five (facts: HubSpot §2a)."""

MOST_GROWTH_MB = 160.0
"""Bodies in hand may have 32 MB, each of them may exist some times over while it is taken apart."""

MIB = 1024.0
START_SECONDS = 60.0
NAMED = 5
"""Wrong answers told in a note."""

LETTERS_KEPT = """\
create table letter_ever (body text not null);
create trigger letter_kept after insert on letter begin insert into letter_ever values (new.body); end;
"""

HEARD_SECONDS = 2.0
"""After which a caller that says nothing is looked at: whether it lives."""

SIEGE_SECONDS = 900.0
"""After which one that lives and says nothing is given up: a whole run throws for some minutes."""

Kept = Counter[tuple[str, str]]
"""What is kept, by door and by the mark of who sent it, or the number that stands for it."""


@dataclass(slots=True)
class Seen:
    """All that was seen of one run."""

    thrown: Thrown = field(default_factory=Thrown)
    quiet: Honest = field(default_factory=Honest)
    meanwhile: Honest = field(default_factory=Honest)
    besieged: Honest = field(default_factory=Honest)
    slow: int = 0
    asked: int = 0
    strangers: Counter[int] = field(default_factory=Counter)
    grown_mb: float = 0.0
    seconds: float = 0.0


def run(effort: Effort) -> Iterator[Row]:
    """One daemon, both doors."""
    port, page = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    hook = Target(HOOK, "/webhooks/hubspot/hs", f"{url}/webhooks/hubspot/hs", APP_CLIENT_SECRET)
    targets = (hook, Target(TRACK, "/events/app", f"{url}/events/app", SECRET))
    with site(effort.place(SECTION), systems=("hs",)) as made:
        _configure(made, hook, port=port, page=page)
        with made.daemon() as daemon:
            daemon.wait_for("hooks.opened")
            until(lambda: _answers(page), "the page")
            _keep_letters(made.database)
            replays = _prelude(port, targets, effort.seed)
            seen = _besiege(daemon, port, targets, replays, effort)
            trouble = _trouble(daemon) + _short_of(seen)
        kept = _kept(made.database)
    yield from _rows(seen)
    yield _honest(seen, kept)
    yield Row(
        SECTION,
        "the daemon itself",
        "both doors",
        other=len(trouble) + (seen.grown_mb > MOST_GROWTH_MB),
        note=f"grew by {seen.grown_mb:.0f} MB at most under {sum(seen.thrown.count.values()):,} bodies in "
        f"{seen.seconds:.0f} s. {'; '.join(trouble)[:300]}".strip(),
    )


def _configure(made: Site, hook: Target, *, port: int, page: int) -> None:
    made.secrets = SECRETS | {"HS_CLIENT_SECRET": APP_CLIENT_SECRET, "APP_SIGNING_SECRET": SECRET}
    lines = (
        'first_run = "observe_old"',
        'client_secret_env = "HS_CLIENT_SECRET"',
        f'webhook_url = "{hook.url}"',
        "[[sources]]",
        'name = "app"',
        'signing_secret_env = "APP_SIGNING_SECRET"',
    )
    made.configure(poll=3600, hooks=port, web=page, first_run="\n".join(lines))


def _prelude(port: int, targets: Sequence[Target], seed: int) -> list[tuple[str, bytes]]:
    """Honest deliveries whose bytes are kept: afterwards their caller is known to bring good things."""
    chance = random.Random(seed)
    found = []
    for target in targets:
        for number in range(PRELUDE):
            body = target.body(chance, f"prelude-{number}")
            data = request(target, target.headers(body), body)
            answer = fire(port, Shot(data, hang_up=False))
            if answer not in (200, 204):
                raise AssertionError(f"an honest delivery at {target.door} was answered {answer}")
            found.append((target.door, data))
    return found


def _besiege(
    daemon: Daemon, port: int, targets: Sequence[Target], replays: list[tuple[str, bytes]], effort: Effort
) -> Seen:
    context = multiprocessing.get_context("spawn")
    bodies, quiet = (SHORT_BODIES, SHORT_QUIET_SECONDS) if effort.short else (BODIES, QUIET_SECONDS)
    seen = Seen(asked=bodies)
    with _company(context, be_honest, port, targets, seed=effort.seed) as (stop, told):
        time.sleep(quiet)
        stop.set()
        seen.quiet = told()
    before = _memory(daemon, "VmRSS")
    effort.say(f"doors: quiet p99 {_p99(seen.quiet) * 1000:.0f} ms; {bodies:,} bad bodies begin")
    began = time.monotonic()
    with (
        _company(context, be_honest, port, targets, seed=effort.seed + 1) as (stop, told),
        _company(context, dawdle, port, targets, lines=SLOW_LINES, seed=effort.seed) as (stop_slow, slow),
    ):
        seen.thrown = _thrown(context, port, targets, replays, bodies=bodies, seed=effort.seed)
        for each in (stop, stop_slow):
            each.set()
        seen.meanwhile, seen.slow = told(), slow()
    seen.seconds = time.monotonic() - began
    effort.say(f"doors: {bodies:,} bad bodies in {seen.seconds:.0f} s, p99 {_p99(seen.meanwhile) * 1000:.0f} ms")
    with _company(context, be_honest, port, targets, seed=effort.seed + 2) as (stop, told):
        seen.strangers = _strangers(port, targets, effort)
        stop.set()
        seen.besieged = told()
    seen.grown_mb = _memory(daemon, "VmHWM") - before
    return seen


@contextlib.contextmanager
def _company(
    context: SpawnContext, who: Any, port: int, targets: Sequence[Target], **more: Any
) -> Iterator[tuple[Any, Callable[[], Any]]]:
    """Somebody who is at the doors, in a process of their own, from the beginning of the block until told to stop; and
    what asks them what they saw."""
    there, stop, out = context.Event(), context.Event(), context.Queue()
    tools = {"there": there, "stop": stop, "out": out}
    process = context.Process(target=who, args=(port, targets), kwargs={**more, **tools})
    process.start()
    try:
        if not there.wait(START_SECONDS):
            raise AssertionError("a caller did not come to the doors")
        yield stop, partial(_hear, process, out)
    finally:
        stop.set()
        process.join(60)
        if process.is_alive():
            process.kill()


def _hear(process: BaseProcess, out: Any) -> Any:
    """What somebody at the doors puts into their queue. Raises AssertionError when they end or hang without."""
    until_then = time.monotonic() + SIEGE_SECONDS
    while time.monotonic() < until_then:
        ended = not process.is_alive()  # asked first: what it said last is still there
        with contextlib.suppress(queue.Empty):
            return out.get(timeout=HEARD_SECONDS)
        if ended:
            raise AssertionError(f"somebody at the doors ended ({process.exitcode}) and did not tell what they saw")
    raise AssertionError("somebody at the doors told nothing")


def _thrown(
    context: SpawnContext,
    port: int,
    targets: Sequence[Target],
    replays: list[tuple[str, bytes]],
    *,
    bodies: int,
    seed: int,
) -> Thrown:
    outs = [context.Queue() for _ in range(THROWERS)]  # one each: whoever is killed may hold the lock of theirs
    processes = [
        context.Process(
            target=throw,
            args=(port, targets, replays),
            kwargs={"seed": seed * THROWERS + number, "times": bodies // THROWERS, "out": out},
        )
        for number, out in enumerate(outs)
    ]
    whole = Thrown()
    try:
        for process in processes:
            process.start()
        for process, out in zip(processes, outs, strict=True):
            part = _hear(process, out)
            whole.count += part.count
            whole.answers += part.answers
            whole.wrong += part.wrong
    finally:
        for process in processes:
            if process.pid is not None:
                process.join(HEARD_SECONDS)
                process.kill()
    return whole


def _strangers(port: int, targets: Sequence[Target], effort: Effort) -> Counter[int]:
    """Other callers, who never brought anything good, throw unsigned things as fast as they can."""
    chance = random.Random(effort.seed)
    found: Counter[int] = Counter()
    for number in range(STRANGERS // (4 if effort.short else 1)):
        for _ in range(SHOTS_EACH):
            target = chance.choice(targets)
            body = target.body(chance)
            data = request(target, target.headers(body, secret="guess"), body)
            found[fire(port, Shot(data), source=f"127.1.0.{number + 1}")] += 1
    return found


def _rows(seen: Seen) -> Iterator[Row]:
    """One row per kind, both doors together; what got past is told."""
    for kind in dict.fromkeys(kind for kind, _ in sorted(seen.thrown.count)):
        doors = {door: count for (each, door), count in seen.thrown.count.items() if each == kind}
        wrong = [line for line in seen.thrown.wrong if line.startswith(f"{kind} at ")]
        note = "; ".join(f"{door} {count:,}" for door, count in sorted(doors.items()))
        yield Row(
            SECTION,
            kind,
            "both doors",
            tried=sum(doors.values()),
            broken=sum(doors.values()),
            other=len(wrong),
            note=". ".join([note, *wrong[:NAMED]])[:600],
        )
    yield Row(SECTION, "slow: a byte now and then", "both doors", seen.slow, seen.slow, other=int(not seen.slow))
    tried, slowed = sum(seen.strangers.values()), seen.strangers[429]
    past = sum(count for answer, count in seen.strangers.items() if answer in (200, 204, 500, HANGS))
    note = f"{slowed:,} of them no longer read (429); honest p99 meanwhile {_p99(seen.besieged) * 1000:.0f} ms"
    yield Row(SECTION, "a flood from strangers", "both doors", tried, tried, other=past + (slowed == 0), note=note)


def _honest(seen: Seen, kept: Kept) -> Row:
    """What was delivered in good faith: there, once, and in time; and nothing beside it."""
    all_taken = [*seen.quiet.taken, *seen.meanwhile.taken, *seen.besieged.taken]
    all_taken += [(door, f"prelude-{each}") for door in (HOOK, TRACK) for each in range(PRELUDE)]
    marks = {(door, str(number_of(mark)) if door == HOOK else mark) for door, mark in all_taken}
    lost = sum(mark not in kept for mark in marks)
    doubled = sum(count - 1 for mark, count in kept.items() if mark in marks)
    strange = [f"{door} kept {mark[:60]!r}" for door, mark in kept if (door, mark) not in marks]
    refused = [*seen.quiet.refused, *seen.meanwhile.refused, *seen.besieged.refused]
    slow = _p99(seen.meanwhile) > LONGEST_P99
    note = (
        f"{len(all_taken):,} honest deliveries; p50/p99 quiet {_both(seen.quiet)}, under attack "
        f"{_both(seen.meanwhile)}. {'; '.join([*refused, *strange])[:300]}"
    )
    # Whoever delivered nothing was neither refused nor slow.
    silent = [
        phase for phase in (seen.quiet, seen.meanwhile, seen.besieged) if len({door for door, _ in phase.taken}) < 2
    ]
    other = len(strange) + len(refused) + slow + len(silent)
    return Row(SECTION, "honest deliveries meanwhile", "both doors", lost=lost, doubled=doubled, other=other, note=note)


def _both(honest: Honest) -> str:
    return f"{statistics.median(honest.seconds or [0.0]) * 1000:.0f}/{_p99(honest) * 1000:.0f} ms"


def _p99(honest: Honest) -> float:
    return statistics.quantiles(honest.seconds, n=100)[98] if len(honest.seconds) > 1 else 0.0


def _keep_letters(database: Path) -> None:
    """From now on the database keeps every letter by itself: one that is read is dropped, and a mere count of them does
    not tell one from another."""
    with contextlib.closing(sqlite3.connect(database, timeout=START_SECONDS)) as connection:
        connection.executescript(LETTERS_KEPT)


def _kept(database: Path) -> Kept:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        letters = connection.execute("select body from letter_ever").fetchall()
        events = connection.execute("select message_id from product_event").fetchall()
    return Counter([*((HOOK, _mark(body)) for (body,) in letters), *((TRACK, mark) for (mark,) in events)])


def _mark(letter: str) -> str:
    """The number of the event in a letter; all of the letter where it has none."""
    with contextlib.suppress(ValueError, TypeError, LookupError):
        told = json.loads(letter)
        return str((told[0] if isinstance(told, list) else told)[NUMBER])
    return letter


def _trouble(daemon: Daemon) -> list[str]:
    """What must not stand in its log: anything that fell over."""
    found = [] if daemon.process.poll() is None else [f"the daemon ended with {daemon.process.returncode}"]
    return found + [
        line[:120]
        for line in daemon.log.read_text(errors="replace").splitlines()
        if "Traceback" in line or "ASGI" in line
    ]


def _short_of(seen: Seen) -> list[str]:
    """What was not thrown, because a thrower fell over."""
    thrown = sum(seen.thrown.count.values())
    return [f"{thrown:,} of {seen.asked:,} bodies were thrown"] if thrown < seen.asked else []


def _memory(daemon: Daemon, which: str) -> float:
    """Megabytes, from /proc."""
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) / MIB for line in lines if line.startswith(f"{which}:"))


def _answers(page: int) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"http://127.0.0.1:{page}/healthz", timeout=5).ok
    return False
