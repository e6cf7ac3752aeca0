"""PostgreSQL servers to be broken: a primary, a standby that follows it, and lines between that can be cut or frozen.

Not here: what breaks when (``weather_store``). All on loopback, without fsync: what dies here is the process, not the
machine, so what it handed to the operating system stands. Servers are ended by the pid in their own folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from daemons import free_port, until
from psycopg import sql

TOOLS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
SETTINGS = "-c fsync=off -c max_connections=60 -c max_wal_senders=4 -c wal_level=replica -c hot_standby=on"
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
PORTS_TRIED = 5
STANDBY_NAME = "chaos_standby"
PASSWORD = "the-ledger's-own-password-90210"
"""Said at every login, and taken unasked: what is shown is where it turns up afterwards (``secrets``)."""

TABLES = "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
DUMPED, NOT_DUMPED = ".copy", ".not-dumped.txt"
DUMP_MS = 5_000
"""How long a dump waits for a table that somebody has locked."""


def installed() -> bool:
    """Whether PostgreSQL's own programs are there: a wheel's server has no standby."""
    return bool(TOOLS) or shutil.which("pg_basebackup") is not None


def _tool(name: str) -> str:
    found = shutil.which(name)
    return found or str(TOOLS[-1].with_name(name))


@dataclass(slots=True)
class Server:
    """One PostgreSQL server with a folder and a port of its own."""

    home: Path
    port: int

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.home / "data"

    def url(self, port: int = 0, **parameters: str) -> str:
        """The address of its database, perhaps by way of another port."""
        asked = "&".join(f"{name}={value}" for name, value in parameters.items())
        login = f"postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{port or self.port}"
        return f"postgresql://{login}/postgres" + (f"?{asked}" if asked else "")

    def create(self) -> None:
        """A new, empty cluster."""
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication postgres 127.0.0.1/32 trust\n")

    def copy(self, port: int) -> None:
        """Become a standby of whoever listens on that port."""
        source = f"host=127.0.0.1 port={port} user=postgres application_name={STANDBY_NAME}"
        self._run("pg_basebackup", "-D", str(self.data), "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"{SETTINGS} -c listen_addresses=127.0.0.1 -p {self.port} -k {self.home}"
        self._run("pg_ctl", "start", "-w", "-D", str(self.data), "-l", str(self.home / "log"), "-o", options)

    def start_somewhere(self) -> None:
        """The first start: on another port where somebody took this one meanwhile."""
        for _ in range(PORTS_TRIED):
            self.port = free_port()
            with contextlib.suppress(RuntimeError):
                self.start()
                return
        self.start()

    def stop(self, how: str = "fast") -> None:
        """End it: ``fast`` in order, ``immediate`` as if it had crashed."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-w", "-m", how, "-D", str(self.data))

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self.data))

    def ask(self, statement: str) -> list[Any]:
        """The rows of one statement."""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def leave(self, keep: Path) -> None:
        """Put what it wrote of itself into ``keep``, and every row of every database; a server that is down by then,
        as an old primary is, leaves a file that says so."""
        keep.mkdir(parents=True, exist_ok=True)
        for name in ("log", "output"):
            if (self.home / name).exists():
                shutil.copyfile(self.home / name, keep / f"pg-{self.port}-{name}.log")
        try:
            for (database,) in self.ask("select datname from pg_database where not datistemplate"):
                self._dump(database, keep / f"pg-{self.port}-{database}{DUMPED}")
        except (psycopg.Error, OSError) as error:
            (keep / f"pg-{self.port}{NOT_DUMPED}").write_text(f"{type(error).__name__}: {error}\n")

    def _dump(self, database: str, file: Path) -> None:
        address = self.url().removesuffix("postgres") + database
        options = f"-c lock_timeout={DUMP_MS}"
        with psycopg.connect(address, connect_timeout=5, options=options) as connection, file.open("wb") as out:
            for schema, table in connection.execute(TABLES).fetchall():
                named = sql.Identifier(schema, table)
                out.write(f"{schema}.{table}\n".encode())
                with connection.cursor().copy(sql.SQL("copy {} to stdout").format(named)) as rows:
                    for row in rows:
                        out.write(row)

    def _run(self, *command: str) -> None:
        # By a program of its own, not by subprocess: that would fork this process, with the sandbox's threads in it.
        whom = AS_POSTGRES if os.geteuid() == 0 else ()  # PostgreSQL refuses to run as root
        with (self.home / "output").open("ab") as output:
            done = subprocess.run(
                [*whom, _tool(command[0]), *command[1:]],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
            )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {(self.home / 'output').read_text()[-500:]}")


@contextlib.contextmanager
def server(keep: Path | None = None) -> Iterator[Server]:
    """A place for a server; what it holds is dumped into ``keep`` at the end, if told so, then it is ended and
    removed."""
    # Not under the run's own folder: the server's user must be able to walk there.
    home = Path(tempfile.mkdtemp(prefix="handoff-chaos-pg-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    made = Server(home, free_port())
    try:
        yield made
    finally:
        if keep is not None:
            made.leave(keep)
        with contextlib.suppress(RuntimeError):
            made.stop("immediate")
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def running(keep: Path | None = None) -> Iterator[Server]:
    """A server that is up."""
    with server(keep) as made:
        made.create()
        made.start_somewhere()
        yield made


@contextlib.contextmanager
def pair(keep: Path, *, synchronous: bool) -> Iterator[tuple[Server, Server, Line]]:
    """A primary, a standby that has caught up, and the line between them."""
    with running(keep) as primary, server(keep) as standby, line(primary.port) as between:
        standby.copy(between.port)
        standby.start()
        until(lambda: primary.ask("select 1 from pg_stat_replication where state = 'streaming'"), "the standby")
        if synchronous:
            primary.ask(f"alter system set synchronous_standby_names = '{STANDBY_NAME}'")
            primary.ask("select pg_reload_conf()")
            until(lambda: primary.ask("select 1 from pg_stat_replication where sync_state = 'sync'"), "to be in step")
        yield primary, standby, between


class Line:
    """A TCP line on loopback that leads to one port, and later perhaps to another; it may be frozen."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, target: int) -> None:
        """New connections go there; those that are open are cut."""
        self._target = target
        self.cut()

    def freeze(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flowing.clear()

    def thaw(self) -> None:
        """What was held back arrives, and everything passes again."""
        self._flowing.set()

    def cut(self) -> None:
        """Break what is open."""
        with self._lock:
            cut, self._open = self._open, []
        for one in cut:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        """End the line."""
        self._listener.close()
        self.cut()  # before it may flow again: what is frozen never arrives
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65_536):
                self._flowing.wait()
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def line(target: int) -> Iterator[Line]:
    """A line to a port, closed afterwards."""
    made = Line(target)
    try:
        yield made
    finally:
        made.close()
