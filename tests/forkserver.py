"""Child processes of the connector without the second that importing it takes: each is forked off a server that has.

Not here: which commands are run (``daemons``). A child is a process of its own, with its own pid, session, environment
and files, and is killed like any other; what it shares with its brothers is the code they were born with, and the seed
of Python's hashes. Linux alone: elsewhere, and where ``HANDOFF_TEST_EXEC`` is set, ``start`` starts an interpreter.

Whoever is forked dies with its parent, so nothing outlives the tests, however they end.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXEC = "HANDOFF_TEST_EXEC"
LOADED = (
    "connector.cli.app",
    "connector.cli.check",
    "connector.cli.daemon",
    "connector.cli.once",
    "connector.bootstrap",
    "connector.crm.hubspot",
    "connector.crm.salesforce",
    "connector.crm.salesforce.pubsub",
    "connector.engine.ways",
    "connector.web.server",
    "apscheduler.triggers.interval",
    "dateutil.easter",
    "holidays.countries",
    "holidays.groups",
    "multiprocessing.pool",
    "typer._adapters",
)
"""What a daemon has imported by the time it works, so that no child has to."""

BEFORE_PYTHON = frozenset(
    {
        *("PYTHONPATH", "PYTHONHASHSEED", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONOPTIMIZE"),
        *("PYTHONDEVMODE", "PYTHONMALLOC", "LC_ALL", "LC_CTYPE", "LANG", "LD_PRELOAD", "LD_LIBRARY_PATH"),
    }
)
"""Variables that only a new interpreter heeds."""

LENGTH = struct.Struct("!I")
STATUS = struct.Struct("!ii")
"""The child's pid, and later how it ended (0 until then)."""

BORN_WITHIN = 60.0
"""Seconds in which the server forks a child; it takes thousandths, and a stuck test should say where it is stuck."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that comes when the parent dies."""


class Forked:
    """A child, with what the tests use of ``subprocess.Popen``."""

    def __init__(self, told: int) -> None:
        self._told = told
        self.returncode: int | None = None
        assert select.select([told], [], [], BORN_WITHIN)[0], f"no child was born within {BORN_WITHIN:.0f} s"
        born = self._read()
        assert born, "the server of children is gone; what it said stands in the output"
        self.pid = STATUS.unpack(born)[0]

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal unless it is known to have ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> bytes:
        return os.read(self._told, STATUS.size)

    def _end(self) -> None:
        told = self._read()
        # Whoever waits for it can only vanish by being killed, and then so was it.
        self.returncode = os.waitstatus_to_exitcode(STATUS.unpack(told)[1]) if told else -signal.SIGKILL
        os.close(self._told)


Process = subprocess.Popen[bytes] | Forked


def start(arguments: Sequence[str], *, out: int, err: int, cwd: Path, env: Mapping[str, str]) -> Process:
    """Start ``python -m connector`` with these arguments in a session of its own.

    ``out`` and ``err`` are descriptors. Raises AssertionError when the server cannot be started.
    """
    if sys.platform != "linux" or os.environ.get(EXEC) or _new_python(env):
        return subprocess.Popen(
            [sys.executable, "-m", "connector", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
        )
    return _server().fork({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}, out=out, err=err)


def _new_python(env: Mapping[str, str]) -> bool:
    differs = {name for name in BEFORE_PYTHON if env.get(name) != os.environ.get(name)}
    return bool(differs - ({"PYTHONPATH"} if env.get("PYTHONPATH") == str(ROOT) else set()))


@dataclass(slots=True)
class Server:
    """The server as this process knows it."""

    line: socket.socket
    owner: int
    asking: threading.Lock

    def fork(self, wanted: Mapping[str, Any], *, out: int, err: int) -> Forked:
        """Have a child forked."""
        told, tell = os.pipe()
        body = json.dumps(wanted).encode()
        with self.asking:
            socket.send_fds(self.line, [LENGTH.pack(len(body))], [out, err, tell])
            self.line.sendall(body)
        os.close(tell)
        return Forked(told)


_servers: list[Server] = []
_beginning = threading.Lock()


def _server() -> Server:
    """This process's server, started when it is first needed; it ends when this process does."""
    with _beginning:
        if not _servers or _servers[0].owner != os.getpid():
            ours, theirs = socket.socketpair()
            env = {name: value for name, value in os.environ.items() if not name.startswith("HANDOFF_")}
            with theirs:
                subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    cwd=ROOT,
                    env=env | {"PYTHONPATH": str(ROOT)},
                    start_new_session=True,
                )
            _servers[:] = [Server(ours, os.getpid(), threading.Lock())]
        return _servers[0]


# in the server


def serve(line: socket.socket) -> list[str]:
    """Fork whatever is asked for until the other side is gone. Returns in each child, with its arguments."""
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    while True:
        head, descriptors, _, _ = socket.recv_fds(line, LENGTH.size, 3)
        if not head:
            os._exit(0)
        wanted = json.loads(_exactly(line, LENGTH.unpack(head)[0]))
        here = os.getpid()
        if os.fork() == 0:
            line.close()
            _die_with(here)
            return _begin(wanted, *descriptors)
        for each in descriptors:
            os.close(each)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _exactly(line: socket.socket, size: int) -> bytes:
    found = array.array("B")
    while len(found) < size:
        found.frombytes(line.recv(size - len(found)))
    return found.tobytes()


def _begin(wanted: Mapping[str, Any], out: int, err: int, tell: int) -> list[str]:
    """Become the child; the process between it and the server waits for it and tells how it ended."""
    here = os.getpid()
    child = os.fork()
    if child:
        os.write(tell, STATUS.pack(child, 0))
        os.write(tell, STATUS.pack(child, os.waitpid(child, 0)[1]))
        os._exit(0)
    _die_with(here)
    os.setsid()
    os.close(tell)
    for stream, (number, given) in zip((sys.stdout, sys.stderr), ((1, out), (2, err)), strict=True):
        stream.flush()
        os.dup2(given, number)
        os.close(given)
    # As Python opens them itself: what is said on standard error is there at once, whatever characters it has.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    time.tzset()
    return list(wanted["arguments"])


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be asked for
        os._exit(1)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    sys.argv[1:] = serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("connector", run_name="__main__", alter_sys=True)
