"""Several daemons on one PostgreSQL, as several containers would be: each with its own log, and its own line there.

Not here: what is broken (``replicas``). A member may run the code of another release, from a folder of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from daemons import Daemon, Desk, Ran, Site, site, until

from chaos import ROOT
from chaos.ground import KILLED
from chaos.weather_ground import counted
from chaos.weather_postgres import Line, Server, line

LAST_RELEASE = "32740a9c497cec7a69b286ce8e6f5067670a78d8"
"""The last commit of the release before this one: its code is run beside this one's."""

NEW_TABLES = re.compile(r"^\[(brakes|retention)\]\n(?:[^\[\n].*\n|\n)*", re.MULTILINE)
"""What the last release's config has no place for."""

CONFIG, LAST_CONFIG = "config.toml", "config-last.toml"
STORE_ENV = "CHAOS_DATABASE_URL"
BASELINES = "select system from system where baseline is not null"
OPEN = "select count(*) from outbox where state not in ('applied', 'superseded')"


@dataclass(slots=True)
class Member:
    """One daemon of a team and its line to the database."""

    name: str
    daemon: Daemon
    line: Line

    @property
    def pid(self) -> int:
        """Its process."""
        return self.daemon.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs (a stopped one does)."""
        return self.daemon.process.poll() is None

    def kill(self) -> None:
        """Kill it with -9. Raises AssertionError when it had ended by itself, for then nothing was broken."""
        os.kill(self.pid, signal.SIGKILL)
        self.die()

    def die(self) -> None:
        """Wait for it to be killed. Raises AssertionError when it ends in another way."""
        code = self.daemon.wait_killed()
        if code != KILLED:
            raise AssertionError(f"{self.name} was not killed, it ended with {code}: {self.daemon.said()[-200:]}")

    def applied(self) -> int:
        """Writes it has had confirmed, by its log."""
        return sum(each.get("applied", 0) for name in ("pass.done", "pass.helped") for each in self.daemon.named(name))


@dataclass(slots=True)
class Team:
    """One site, one database, any number of members; ``deals`` are the wins by CRM.

    Without a server the ledger is a file of the site, and one member works on it at a time; its line leads nowhere.
    """

    site: Site
    server: Server | None
    database: str
    stack: contextlib.ExitStack
    members: list[Member] = field(default_factory=list)
    deals: dict[str, list[str]] = field(default_factory=lambda: {"sf": [], "hs": []})

    @property
    def desks(self) -> tuple[Desk, ...]:
        """The CRMs that are connected."""
        return tuple(desk for desk in self.site.desks if desk.name in self.site.changes.get("systems", ("sf", "hs")))

    def url(self, port: int = 0) -> str:
        """The database's address, perhaps by way of a line."""
        assert self.server is not None, "a file has no address"
        return self.server.url(port).removesuffix("postgres") + self.database

    @property
    def port(self) -> int:
        """Where the server listens; 0 without one."""
        return self.server.port if self.server else 0

    def ask(self, statement: str) -> list[Any]:
        """Rows of the ledger, or nothing where it has no tables yet."""
        if self.server is None:
            with contextlib.closing(sqlite3.connect(f"file:{self.site.database}?mode=ro", uri=True)) as file:
                try:
                    return file.execute(statement).fetchall()
                except sqlite3.OperationalError:
                    return []
        with psycopg.connect(self.url(), autocommit=True) as connection:
            try:
                cursor = connection.execute(statement.encode())
                return cursor.fetchall() if cursor.description else []
            except psycopg.errors.UndefinedTable:
                return []

    def join(self, *, code: Path = ROOT, failpoint: str = "") -> Member:
        """One more daemon; ``code`` is the folder of the release it runs."""
        name = f"replica-{len(self.members) + 1}"
        own = self.stack.enter_context(line(self.port))
        log = self.site.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "connector", "run", "--config", self._config(code)],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.site.folder,
                env=self._environment(code, own.port, **_doom(failpoint)),
                start_new_session=True,
            )
        daemon = Daemon(process, log, 0)
        self.site.children.append(daemon)
        member = Member(name, daemon, own)
        self.members.append(member)
        return member

    def ready(self, *members: Member) -> None:
        """Wait until these run, every system is led, and wins count from now on."""
        for each in members or self.members:
            each.daemon.wait_for("daemon.started")
        until(lambda: not self.server or len(self.leaders()) == len(self.desks), "every system to be led")
        until(lambda: len(self.ask(BASELINES)) == len(self.desks), "the time from which wins count")

    def leaders(self) -> dict[str, str]:
        """Who leads which system, by the database."""
        rows = self.ask("select name, owner from lease where until > clock_timestamp() and name like 'pass:%'")
        return {name.removeprefix("pass:"): owner for name, owner in rows}

    def leads(self, member: Member) -> list[str]:
        """The systems a member leads."""
        return [system for system, owner in self.leaders().items() if f":{member.pid}:" in owner]

    def migrate(self, *arguments: str, code: Path = ROOT, failpoint: str = "") -> Ran:
        """``handoff migrate`` by a release's code."""
        return self.command("migrate", *arguments, code=code, failpoint=failpoint)

    def command(self, *arguments: str, code: Path = ROOT, failpoint: str = "") -> Ran:
        """A command by a release's code, run to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "connector", *arguments, "--config", self._config(code)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.site.folder,
            env=self._environment(code, self.port, **_doom(failpoint)),
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def win(self, count: int, **values: Any) -> None:
        """So many complete deals won on each CRM."""
        for desk in self.desks:
            self.deals[desk.name] += desk.won(count, **values)

    def open_rows(self) -> int:
        """Rows of the outbox that are not done with."""
        found = self.ask(OPEN)
        return int(found[0][0]) if found else 1

    def whole(self) -> bool:
        """Whether every win is handed off and nothing waits."""
        done = all(desk.handed_off(deal) for desk in self.desks for deal in self.deals[desk.name])
        return done and not self.open_rows()

    def wait(self, ready: Callable[[], object], what: str, *, seconds: float) -> None:
        """Look again and again until ``ready()``. Raises AssertionError after ``seconds``."""
        until(ready, what, seconds=seconds)

    def wait_whole(self, *, seconds: float = 90.0) -> float:
        """Seconds until everything is."""
        began = time.monotonic()
        until(self.whole, "all handoffs", seconds=seconds)
        return time.monotonic() - began

    def judged(self) -> tuple[int, int]:
        """Lost and doubled: by the sandbox's own judge, and by counting every record."""
        lost = doubled = 0
        for desk in self.desks:
            tally, (missing, twice) = desk.tally(), counted(desk, self.deals[desk.name])
            lost += max(len(tally["lost"]), missing)
            doubled += max(len(tally["doubled"]), twice)
        return lost, doubled

    def said(self, event: str, **wanted: Any) -> int:
        """How often the members logged an event, together."""
        return sum(len(each.daemon.named(event, **wanted)) for each in self.members)

    def calls(self) -> Counter[str]:
        """Requests by kind, of all CRMs together."""
        return Counter(call.kind for desk in self.desks for call in desk.world.journal.calls(system=desk.name))

    def stop(self) -> list[str]:
        """End everybody in order; complaints in words."""
        found = []
        for each in self.members:
            fine = (0,) if each.alive else (0, KILLED)
            if (code := each.daemon.stop()) not in fine:  # also of one that is no more: it may have fallen over
                found.append(f"{each.name} ended with {code}")
            found += [
                f"{each.name}: {event} {len(told)} times"
                for event in ("tick.crashed", "live.crashed", "row.parked")
                if (told := each.daemon.named(event))
            ]
        return found

    def _config(self, code: Path) -> str:
        return str(self.site.folder / (CONFIG if code == ROOT else LAST_CONFIG))

    def _environment(self, code: Path, port: int, **more: str) -> dict[str, str]:
        where = {STORE_ENV: self.url(port)} if self.server else {}
        return self.site.environment(**more) | {"PYTHONPATH": str(code), **where}


def _doom(failpoint: str) -> dict[str, str]:
    return {"HANDOFF_FAILPOINT": failpoint} if failpoint else {}


@contextlib.contextmanager
def team(folder: Path, server: Server | None, **changes: Any) -> Iterator[Team]:
    """A team without members yet, on a new database or file; its processes are ended, its folder stays."""
    database = "team_" + "".join(each if each.isalnum() else "_" for each in folder.name.lower())
    if server is not None:
        server.ask(f'create database "{database}"')
    asked = {"verify": 2, **changes}
    with contextlib.ExitStack() as stack, site(folder / "site", **asked) as made:
        text = (made.folder / CONFIG).read_text()
        if server is not None:
            made.secrets[STORE_ENV] = ""
            text = text.replace('state = "state"', f'store_url_env = "{STORE_ENV}"')
        (made.folder / CONFIG).write_text(text)
        (made.folder / LAST_CONFIG).write_text(NEW_TABLES.sub("", text))
        yield Team(made, server, database, stack)


def last_release(folder: Path) -> Path | None:
    """The code of the release before this one, in a folder; None where the history does not go back to it."""
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", LAST_RELEASE, "connector", "mappings"], capture_output=True, check=False
    )
    if packed.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
