"""``handoff demo --headless --days``: a whole quarter on both CRMs in minutes, by the sandbox's clock.

The people are the sandbox's. Real are adapters over HTTP, engine, ledger, the door for product events and
the shipped mappings with the lines of ``quarter_policy`` switched on. Not real: the daemon's own timer. The clock
stands still until somebody does something or something is due, and polls that could find nothing are left out. Two CRMs
are played by two processes side by side, each with a sandbox, a ledger and a copy of the files of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import multiprocessing
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from typing import Any

from connector import bootstrap
from connector.cli import demo_parts, quarter_policy
from connector.cli.floor import call_table
from connector.cli.quarter_show import show
from connector.cli.screen import Screen
from connector.crm.hooks import Delivery
from connector.engine.measuring import from_nothing
from connector.engine.onepass import Occasion, run_pass
from connector.engine.parts import System
from connector.errors import Problem, UserError
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.summing import shown
from connector.sandbox.people.parts import cast, daily
from connector.sandbox.people.quarter import Quarter, Track
from connector.sandbox.people.verdict import verdict
from connector.sandbox.server import Addresses, Sandbox
from connector.store.figures import Selection

SYSTEMS = {"sf": "salesforce", "hs": "hubspot"}
START = datetime(2027, 1, 11, 14, 0, tzinfo=UTC)
"""A Monday morning where the people of the quarter work."""
POLL = timedelta(seconds=15)
"""The daemon's own default."""
SOON = timedelta(minutes=10)
"""What the daemon has to do by itself and is as near as this is done on time: it follows from what was just done."""
GATHERED_AT = (time(9), time(21))
"""A clock that runs out later is looked at when somebody does something, or at one of these hours: a minute is real
only where somebody did something."""
PACE = {"sweep_minutes": 720, "reread_minutes": 10_080, "echo_seconds": 1_800}
"""What the daemon does by itself now and then. At its usual pace it would do it at each jump of the clock."""
ENDS_WITHIN = 15.0
"""Seconds that a quarter may take to stop when nobody wants it any more."""
MOST_PASSES = 40
"""At one moment; where more are needed, something is never done with."""
FALSE_ALARM = re.compile(r" (silent-[a-z]+|no-[a-z]+|place-[a-z]+):")
"""Alarms that a quarter gives no cause for: every feed is read, and everybody stays."""
ALL_THERE_ARE = 1_000_000
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of a name nobody can guess is made in it
"""Where Linux keeps files in memory."""
ROOM = 256 * 2**20
"""Bytes that a quarter's ledger may need there; it comes to some 10 MB."""
SOURCE, SECRET_ENV, SECRET = "product", "DEMO_EVENTS_SECRET", "sandbox-events"
SOURCES = f'\n[[sources]]\nname = "{SOURCE}"\nsigning_secret_env = "{SECRET_ENV}"\n'


@dataclass(slots=True)
class Stage:
    """Everything that plays: the sandbox, the daemon's parts over it, and a quarter of people on each CRM."""

    sandbox: Sandbox
    config: Path
    runtime: bootstrap.Runtime
    quarters: dict[str, Quarter] = field(default_factory=dict)
    passes: int = 0
    troubles: list[str] = field(default_factory=list)
    alarms: dict[str, list[str]] = field(default_factory=dict)
    changed_at: datetime | None = None

    def post(self, calls: list[Track]) -> None:
        """Bring product events to the daemon's door, signed as their sender signs them."""
        (entrance,) = bootstrap.entrances_of(self.runtime)
        for start in range(0, len(calls), 500):
            body = json.dumps({"batch": calls[start : start + 500]}).encode()
            signature = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
            mail = entrance.door.open(Delivery("POST", "", {"x-signature": signature}, body))
            entrance.post(mail.letters)

    def restart(self) -> None:
        """A new process on the same ledger, with the mappings as they are now."""
        self.runtime.shared.store.close()
        self.runtime = bootstrap.open_runtime(self.config, mode="daemon", console_logs=True, clock=self.sandbox.clock)


def play_quarter(
    folder: Path, *, days: int, deals: int, seed: int, as_json: bool, systems: Sequence[str] = tuple(SYSTEMS)
) -> int:
    """Play, print, and return the exit code: 0 only if every promise held on every CRM."""
    report = side_by_side(folder, days=days, deals=deals, seed=seed, systems=systems)
    if as_json:
        sys.stdout.write(json.dumps(report, indent=2, default=str) + "\n")
    else:
        show(report)
    return 0 if report["ok"] else 1


def side_by_side(folder: Path, *, days: int, deals: int, seed: int, systems: Sequence[str]) -> dict[str, Any]:
    """Play each CRM in a process of its own and give the figures of all. Raises `UserError` when one of them dies."""
    began = monotonic()
    context = multiprocessing.get_context("spawn")
    heard: dict[str, Connection] = {}
    with ExitStack() as playing:
        for name in systems:
            heard[name], told = context.Pipe(duplex=False)
            play = partial(_play_one, told, folder / name, days=days, deals=deals, seed=seed, system=name)
            process = context.Process(target=play, name=f"quarter-{name}", daemon=True)
            process.start()
            told.close()
            playing.callback(_end, process)
        reports = [_heard(name, each) for name, each in heard.items()]
    return {**together(reports), "seconds": round(monotonic() - began, 1)}


def _end(process: BaseProcess) -> None:
    """Have it put its ledger away; one that is over already is not touched."""
    process.terminate()
    process.join(ENDS_WITHIN)
    if process.is_alive():
        process.kill()


def _heard(name: str, ear: Connection) -> dict[str, Any]:
    try:
        report: dict[str, Any] = ear.recv()
    except EOFError:
        problem = Problem("", SYSTEMS[name], "its quarter stopped by itself; what it said stands above")
        raise UserError([problem]) from None
    return report


def _play_one(told: Connection, folder: Path, *, days: int, deals: int, seed: int, system: str) -> None:
    """In a process of its own; who started it ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    screen, began = Screen(stderr=True), monotonic()

    def say(line: str) -> None:
        screen.print(f"{SYSTEMS[system]}: {line}, {monotonic() - began:.0f} s", highlight=False)

    report = quarter(folder, days=days, deals=deals, seed=seed, systems=[system], say=say)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # all is put away; it ends by itself
    told.send(report)


def together(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of several CRMs' quarters in one report."""
    first = dict(reports[0])
    for each in reports[1:]:
        first |= {name: each[name] for name in SYSTEMS.values() if name in each}
        first["passes"] += each["passes"]
        first["cpu_seconds"] = max(first["cpu_seconds"], each["cpu_seconds"])
        first["troubles"] = [*first["troubles"], *each["troubles"]]
        first["same_files"] = first["same_files"] and each["files"] == first["files"]
        first["ok"] = first["ok"] and each["ok"]
    first["ok"] = first["ok"] and first["same_files"]
    return first


def quarter(
    folder: Path, *, days: int, deals: int, seed: int, systems: Sequence[str], say: Any = lambda _: None
) -> dict[str, Any]:
    """Play in this process and give the figures. Everything but the seconds hangs on the seed alone."""
    began, busy = monotonic(), process_time()
    with played(folder, days=days, deals=deals, seed=seed, systems=systems, say=say) as stage:
        report = {SYSTEMS[name]: figures(stage, name) for name in systems}
    return {
        "days": days,
        "deals": deals,
        "seed": seed,
        "changed_at": stage.changed_at.isoformat() if stage.changed_at else "",
        **report,
        "files": _digests(folder / "mappings"),
        "same_files": True,
        "passes": stage.passes,
        "troubles": stage.troubles,
        "ok": not stage.troubles and not any(each["broken"] for each in report.values()),
        "seconds": round(monotonic() - began, 1),
        "cpu_seconds": round(process_time() - busy, 1),
    }


@contextmanager
def played(
    folder: Path, *, days: int, deals: int, seed: int, systems: Sequence[str], say: Any = lambda _: None
) -> Iterator[Stage]:
    """A quarter that is over, with everything still standing there."""
    with _stage(folder, systems) as stage:
        for name in systems:
            world = stage.sandbox.worlds[name]
            people = cast(name, seed=seed, deals=deals, start=START, days=days)
            stage.quarters[name] = Quarter(world, people, start=START, days=days, post=stage.post)
        _settle(stage, stage.runtime.systems)
        _through(stage, days=days, say=say)
        yield stage


def _through(stage: Stage, *, days: int, say: Any) -> None:
    """From one moment at which something happens to the next, until the quarter is over."""
    end, half, week = START + timedelta(days=days), START + timedelta(days=days / 2), 0
    while (moment := _next(stage)) < end:
        now = stage.sandbox.clock.now()
        stage.sandbox.clock.freeze(max(moment, now))
        if (weeks := (stage.sandbox.clock.now() - START).days // 7) > week:
            week = weeks
            say(f"week {week} of {math.ceil(days / 7)}")
        if stage.changed_at is None and moment >= half:
            quarter_policy.add_step(stage.config.parent / "mappings")
            stage.restart()
            stage.changed_at = stage.sandbox.clock.now()
        acted = [name for name, each in stage.quarters.items() if each.act(stage.sandbox.clock.now())]
        _poll(stage, acted)


def _next(stage: Stage) -> datetime:
    """When something happens next: somebody does something, or the daemon has something to do by itself."""
    ahead = [at for each in stage.quarters.values() if (at := each.next_at) is not None]
    near = stage.sandbox.clock.now() + SOON
    for system in stage.runtime.systems:
        if (due := stage.runtime.shared.store.next_due(system.name)) is not None:
            ahead.append(due if due <= near else next(daily(due, due + timedelta(days=2), GATHERED_AT)))
    return min(ahead, default=datetime.max.replace(tzinfo=UTC))


def _poll(stage: Stage, acted: Sequence[str]) -> None:
    """The daemon's next tick, and those after it while there is something to do."""
    clock = stage.sandbox.clock
    passed = (clock.now() - START) // POLL + 1
    clock.freeze(START + passed * POLL)
    store = stage.runtime.shared.store
    due = {each.name for each in stage.runtime.systems if (at := store.next_due(each.name)) and at <= clock.now()}
    _settle(stage, [each for each in stage.runtime.systems if each.name in {*acted, *due}])


def _settle(stage: Stage, systems: Sequence[System]) -> None:
    """Pass after pass, a tick apart, until nothing more is due. What was written is seen with whatever comes next."""
    clock, waiting = stage.sandbox.clock, list(systems)
    for _ in range(MOST_PASSES):
        still = []
        for system in waiting:
            result = run_pass(stage.runtime.shared, system, occasion=Occasion.TICK)
            stage.passes += 1
            if result.error:
                stage.troubles.append(f"{clock.now().isoformat()} {system.name}: {result.error}"[:300])
            due = stage.runtime.shared.store.next_due(system.name)
            if due is not None and due <= clock.now() + POLL:
                still.append(system)
            else:
                _note_alarms(stage, system)
        waiting = still
        if not waiting:
            return
        clock.advance(POLL.total_seconds())
    stage.troubles.append(f"{clock.now().isoformat()}: never done on {', '.join(each.name for each in waiting)}")


def _note_alarms(stage: Stage, system: System) -> None:
    """Remember which alarms were raised, and when first."""
    known = stage.alarms.setdefault(system.name, [])
    for alarm in stage.runtime.shared.store.alarms(system.name):
        told = f"{alarm.since:%Y-%m-%d %H:%M} {alarm.name}: {alarm.subject}"
        if not any(line.startswith(f"{alarm.since:%Y-%m-%d %H:%M} {alarm.name}:") for line in known):
            known.append(told)


def _digests(mappings: Path) -> dict[str, str]:
    """What the files that both CRMs share say, for whoever doubts that they are the same."""
    shared = [path for path in sorted(mappings.rglob("*.toml")) if path.stem not in SYSTEMS.values()]
    return {str(path.relative_to(mappings)): hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in shared}


def figures(stage: Stage, name: str) -> dict[str, Any]:
    """What came of one CRM's quarter, as the sandbox tells it."""
    judged = verdict(stage.quarters[name], changed_at=stage.changed_at)
    made = [asdict(each) for each in stage.sandbox.worlds[name].journal.calls(system=name)]
    calls, handoffs = call_table(made), max(judged.handed_off, 1)
    moments: dict[datetime, list[dict[str, Any]]] = {}
    for each in made:
        moments.setdefault(each["at"], []).append(each)
    by_moment = sum(call_table(each)["calls_floor"] for each in moments.values())
    alarms = stage.alarms.get(name, [])
    told = judged.told()
    measured = _measured(stage, name)
    return {
        **told,
        "broken": [
            *told["broken"],
            *(f"a false alarm, {each}" for each in alarms if FALSE_ALARM.search(each)),
            *(f"a figure differs from nothing: {each}" for each in measured["differences"]),
        ],
        "measured": measured,
        "alarms": alarms,
        "calls_per_handoff": round(calls["calls_total"] / handoffs, 1),
        "calls_floor_by_moment_per_handoff": round(by_moment / handoffs, 1),
        "calls_floor_per_handoff": round(calls["calls_floor"] / handoffs, 1),
        "calls": {**calls, "floor_by_moment": by_moment, "times_floor_by_moment": _times(calls, by_moment)},
    }


def _measured(stage: Stage, name: str) -> dict[str, Any]:
    """Every figure worked out anew and compared with what was kept, after all calls were counted."""
    shared = stage.runtime.shared
    (system,) = (each for each in stage.runtime.systems if each.name == name)
    found = from_nothing(shared, system)
    (sums,) = shared.store.sums(Selection(systems=(name,)), targets=system.policy.targets).values()
    return {
        "handoffs": found.handoffs,
        "waiting": found.waiting,
        "unread": found.unread,
        "differences": [f"{one.deal_id} {one.name}: {one.kept}, now {one.found}" for one in found.differences],
        "numbers": {key: shown(MEASURES[key], one).text for key, one in sums.items() if one.counted},
        "counted": {key: one.counted for key, one in sums.items() if one.counted},
        "corrected": len(shared.store.corrections(systems=(name,), limit=ALL_THERE_ARE)),
    }


def _times(calls: Mapping[str, Any], floor: int) -> float | None:
    return round(calls["calls_total"] / floor, 3) if floor else None


@contextmanager
def _stage(folder: Path, systems: Sequence[str]) -> Iterator[Stage]:
    """The sandbox, standing still at the beginning, and the daemon's parts over it."""
    with Sandbox.running() as sandbox, _ledger(folder / "state") as state:
        sandbox.clock.freeze(START)
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        config = _write_config(folder, sandbox.addresses, systems, state=state)
        secrets = {
            **demo_parts.SANDBOX_SECRETS,
            "CHAT_WEBHOOK_URL": f"{sandbox.control_url}/sink/chat",
            SECRET_ENV: SECRET,
        }
        with _environment(secrets):
            runtime = bootstrap.open_runtime(config, mode="daemon", console_logs=True, clock=sandbox.clock)
            stage = Stage(sandbox, config, runtime)
            try:
                yield stage
            finally:
                stage.runtime.shared.store.close()


@contextmanager
def _ledger(keep: Path) -> Iterator[Path]:
    """Where the ledger is kept meanwhile: in memory where the machine offers that, for a disk makes sure of each of ten
    thousand transactions. Afterwards it stands in ``keep``."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        yield keep
        return
    with TemporaryDirectory(prefix="handoff-quarter-", dir=MEMORY) as quick:
        yield Path(quick) / "state"
        shutil.copytree(Path(quick) / "state", keep, dirs_exist_ok=True)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """The sandbox's public credentials where config.toml looks for them, meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                del os.environ[name]
            else:
                os.environ[name] = old


def _write_config(folder: Path, at: Addresses, systems: Sequence[str], *, state: Path) -> Path:
    port = {each: int(getattr(at, each).rpartition(":")[2]) for each in ("control", "sf", "hs")}
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "mappings").exists():
        raise UserError([Problem(str(folder), "--folder", "a quarter begins in an empty folder; add --fresh")])
    demo_parts.write_config(
        folder, demo_parts.Ports(**port, web=demo_parts.WISHED.web), poll_seconds=POLL.total_seconds()
    )
    quarter_policy.switch_on(folder / "mappings")
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8")
    for name in set(SYSTEMS) - set(systems):
        begin = text.index(f'[[systems]]\nname = "{name}"')
        end = text.index("\n\n", begin)
        text = text[:begin] + text[end:]
    pace = "".join(f"{name} = {value}\n" for name, value in PACE.items())
    text = text.replace("echo_seconds = 10\n", pace, 1).replace(
        'state = "state"', f"state = {json.dumps(str(state))}", 1
    )
    path.write_text(text + SOURCES, encoding="utf-8")
    return path
