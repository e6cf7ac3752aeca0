"""The ground of bad weather: one site with its daemon, wins on both CRMs, and the judging of what became of them.

Not here: any trouble (``weather`` and its modules). What is waited for is the state of the world, with a deadline.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import requests
from daemons import Daemon, Desk, Site, free_port, site, until

from chaos import ROOT
from chaos.sections import Effort
from chaos.table import Row
from connector.sandbox import agreed

CLOCKED = ROOT / "chaos" / "clocked"
DATABASE_ENV = "CHAOS_DATABASE_URL"
SINCE = 'first_run = "act_since"\nact_since = 2020-01-01'
NAMES = {"sf": "salesforce", "hs": "hubspot"}
OK = 200
DONE = ("applied", "superseded")
IDLE_CPU = 0.6
"""Processors that a daemon may use at most while nothing can be done."""
MOST_LINES = 5.0
"""Warnings and errors a second at most while trouble lasts; a loop that runs wild writes hundreds."""


class Clockwork:
    """The clock of daemon and sandbox together, moved by hand; ``skew`` is what the daemon's is ahead."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0.0
        self.skew = 0.0
        self._write()

    def _write(self) -> None:
        if not self.path.exists():
            self.path.write_bytes(bytes(8))
        with self.path.open("r+b") as file:
            file.write(struct.pack("d", self.offset + self.skew))

    def set(self, at: datetime, site_: Site) -> None:
        """Both clocks stand at this instant, and run on."""
        self.advance((at - site_.sandbox.clock.now()).total_seconds(), site_)

    def advance(self, seconds: float, site_: Site) -> None:
        """Move both on, the CRMs' first: nobody's clock goes back."""
        self.offset += seconds
        site_.sandbox.clock.advance(seconds)
        self._write()

    def wrong_by(self, seconds: float) -> None:
        """From now on the daemon's machine is off by so much."""
        self.skew = seconds
        self._write()


@dataclass(slots=True)
class Pitch:
    """One site under bad weather. ``broken`` counts strikes, ``complaints`` broken promises in words."""

    site: Site
    port: int
    clock: Clockwork
    database_url: str = ""
    broken: int = 0
    complaints: list[str] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    deals: dict[str, list[str]] = field(default_factory=lambda: {"sf": [], "hs": []})
    seen_red: bool = False

    @property
    def desks(self) -> tuple[Desk, ...]:
        """The CRMs that are connected."""
        chosen = self.site.changes.get("systems", ("sf", "hs"))
        return tuple(desk for desk in self.site.desks if desk.name in chosen)

    def start(self) -> Daemon:
        """A daemon that goes by the clockwork."""
        return self.site.start(PYTHONPATH=f"{CLOCKED}:{ROOT}", CHAOS_CLOCK=str(self.clock.path))

    def win(self, count: int = 3, **values: Any) -> None:
        """So many complete deals won on each CRM."""
        for desk in self.desks:
            self.deals[desk.name] += desk.won(count, **values)

    def rows(self) -> Counter[str]:
        """The outbox by state."""
        if not self.database_url:
            return self.site.outbox()
        with psycopg.connect(self.database_url, connect_timeout=2) as connection:
            return Counter(dict(connection.execute("select state, count(*) from outbox group by state").fetchall()))

    def open_rows(self) -> int:
        """Rows that are not done with; one where the ledger cannot be read."""
        try:
            return sum(count for state, count in self.rows().items() if state not in DONE)
        except (psycopg.Error, OSError, ValueError):
            return 1

    def whole(self) -> bool:
        """Whether every win is handed off and nothing waits."""
        done = all(desk.handed_off(deal) for desk in self.desks for deal in self.deals[desk.name])
        return done and not self.open_rows() and all(desk.clean for desk in self.desks)

    def recover(self, since: float, *, seconds: float = 90.0) -> None:
        """Wait until all is whole again, and note how long that took since the trouble ended."""
        try:
            until(self.whole, "all handoffs", seconds=seconds)
        except AssertionError as error:
            self.complain(str(error)[:150])
        self.recovery.append(time.monotonic() - since)

    def complain(self, words: str) -> None:
        """A promise was broken."""
        self.complaints.append(words)

    def must(self, kept: Any, words: str) -> None:
        """A promise: what ``kept`` says, or a complaint."""
        if not kept:
            self.complain(words)

    def ready(self) -> bool | None:
        """What readiness says; None when nobody answers."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=20).status_code == OK
        except requests.RequestException:
            return None

    def wait_red(self, what: str, *, seconds: float = 30.0) -> None:
        """Readiness must turn red while trouble lasts."""
        self._wait(lambda: self.ready() is False, f"readiness to turn red: {what}", seconds=seconds)
        self.seen_red = True

    def wait_green(self, *, seconds: float = 60.0) -> None:
        """Readiness must be green again by itself."""
        self._wait(self.ready, "readiness to turn green again", seconds=seconds)

    def wait_said(self, daemon: Daemon, event: str, *, seconds: float = 30.0, **wanted: Any) -> None:
        """A log event must be told."""
        self._wait(lambda: daemon.named(event, **wanted), f"log event {event}", seconds=seconds)

    def _wait(self, ready: Callable[[], Any], what: str, *, seconds: float) -> None:
        try:
            until(ready, what, seconds=seconds)
        except AssertionError as error:
            self.complain(str(error)[:150])

    @contextlib.contextmanager
    def calm(self, daemon: Daemon) -> Iterator[None]:
        """While this lasts the daemon must neither run wild nor flood its log."""
        pid = daemon.process.pid
        cpu, lines, began = cpu_seconds(pid), _alarms(daemon), time.monotonic()
        yield
        seconds = max(time.monotonic() - began, 1.0)
        if daemon.process.poll() is None:
            used = (cpu_seconds(pid) - cpu) / seconds
            self.must(used < IDLE_CPU, f"used {used:.2f} processors while nothing could be done")
        said = (_alarms(daemon) - lines) / seconds
        self.must(said < MOST_LINES, f"wrote {said:.0f} warnings a second")

    def end(self, daemon: Daemon) -> None:
        """An orderly end, without a crash on the way."""
        code = daemon.stop()
        self.must(code == 0, f"the daemon ended with {code}")
        for event in ("tick.crashed", "live.crashed", "row.parked"):
            found = daemon.named(event)
            self.must(not found, f"{event} {len(found)} times")

    def row(self, what: str, where: str, *, note: str = "") -> Row:
        """The judgement: the sandbox's own tally, and every record counted once more here."""
        lost = doubled = 0
        for desk in self.desks:
            tally = desk.tally()
            missing, twice = counted(desk, self.deals[desk.name])
            lost += max(len(tally["lost"]), missing)
            doubled += max(len(tally["doubled"]), twice)
        words = [*self.complaints, *([note] if note else []), *self.remarks]
        return Row(
            "weather",
            what,
            where,
            tried=1,
            broken=self.broken,
            lost=lost,
            doubled=doubled,
            other=len(self.complaints),
            recovery=tuple(self.recovery),
            note="; ".join(words),
        )


def counted(desk: Desk, deals: list[str]) -> tuple[int, int]:
    """Effects that are missing, and those that stand there twice, by the records of each handoff."""
    missing = twice = 0
    for deal_id in deals:
        deal = desk.see(deal_id)
        with desk.world.lock:
            tasks = Counter(task.subject.partition(":")[0] for task in desk.crm.tasks_of(deal_id))
            notes = sum(agreed.is_summary(note.title) for note in desk.crm.notes_of(deal_id))
            csms = sum(change.field == "csm" and bool(change.new) for change in desk.crm.history(deal_id))
        expected = Counter(agreed.subjects(deal.deal_type))
        missing += sum((expected - tasks).values()) + (notes < 1) + (csms < 1)
        twice += sum((tasks - expected).values()) + max(0, notes - 1) + max(0, csms - 1)
    return missing, twice


@contextlib.contextmanager
def pitch(
    effort: Effort, name: str, *, folder: Path | None = None, database: str = "", **changes: Any
) -> Iterator[Pitch]:
    """A site of its own for one condition; its folder stays."""
    place = folder or effort.place(f"weather-{name}")
    port = free_port()
    with site(place / "site", first_run=SINCE, web=port, **changes) as made:
        if database:
            made.secrets[DATABASE_ENV] = database
            config = made.folder / "config.toml"
            config.write_text(
                config.read_text().replace('state = "state"', f'state = "state"\nstore_url_env = "{DATABASE_ENV}"')
            )
        try:
            yield Pitch(made, port, Clockwork(place / "clock"), database_url=database)
        finally:
            made.stop_all()


def feed_words(names: tuple[str, ...]) -> str:
    """Where a row was played."""
    return ", ".join(NAMES[name] for name in names)


def _alarms(daemon: Daemon) -> int:
    return sum(each.get("level") != "info" for each in daemon.events())


def cpu_seconds(pid: int) -> float:
    """Processor time of a living process so far, by the kernel's own figures (man 5 proc, /proc/pid/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> dict[str, int]:
    """Bytes by name as the kernel tells them of a living process: VmRSS, VmSize, ..."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[0].startswith("Vm")}
