"""The processes of the demo: a sandbox and a daemon, started, watched and stopped by their own ids.

Not here: what the demo shows (``demo``) and the scripted period (``demo_period``).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import requests

from connector.errors import Problem, UserError
from connector.policy.shipped import shipped_mappings

HOST = "127.0.0.1"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What stops a demo."""

START_WAIT = 60.0
"""Seconds a child may take until it answers; a cold start on a small machine stays well below."""
STOP_WAIT = 30.0
CALL_WAIT = 30.0

SANDBOX_SECRETS = {
    "SF_CLIENT_ID": "handoff-daemon",
    "SF_CLIENT_SECRET": "sandbox-secret",
    "HS_ACCESS_TOKEN": "pat-sandbox-handoff",
}
"""The sandbox's public credentials; they open nothing else."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of one demo."""

    control: int
    sf: int
    hs: int
    web: int

    def url(self, name: str) -> str:
        """The base URL behind one of the ports."""
        return f"http://{HOST}:{getattr(self, name)}"


WISHED = Ports(control=8700, sf=8701, hs=8702, web=8787)


_claims: list[IO[str]] = []
"""What this process holds until it ends."""


def _claim_usual_ports() -> bool:
    """Whether the usual ports are this process's to take: two demos that start together must not pick the same."""
    claim = (Path(tempfile.gettempdir()) / f"handoff-demo-{os.getuid()}.ports").open("a", encoding="utf-8")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def free_ports() -> Ports:
    """The usual ports where they are free, others where not."""
    usual = _claim_usual_ports()
    with contextlib.ExitStack() as held:

        def pick(wished: int) -> int:
            for candidate in (wished, 0) if usual else (0,):
                with contextlib.suppress(OSError):
                    # Held until all four are picked. create_server lets a port be taken again that an earlier demo
                    # has only just let go of, so that running it again finds the same addresses.
                    probe = held.enter_context(socket.create_server((HOST, candidate)))
                    return int(probe.getsockname()[1])
            raise UserError([Problem("", "ports", "no free loopback port; stop another program and try again")])

        return Ports(pick(WISHED.control), pick(WISHED.sf), pick(WISHED.hs), pick(WISHED.web))


@dataclass(slots=True)
class Child:
    """One child process and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_answers(self, url: str) -> None:
        """Return when the URL answers 2xx; raise `UserError` with the end of its log when it dies or takes too long."""
        deadline = time.monotonic() + START_WAIT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(requests.RequestException):
                if requests.get(url, timeout=2).ok:
                    return
            time.sleep(0.1)
        tail = self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""
        raise UserError([Problem(str(self.log), self.name, f"did not start. The end of its log:\n{tail}")])

    def stop(self) -> None:
        """SIGTERM, and SIGKILL only if it does not stop in time."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(name: str, arguments: list[str], *, log: Path, env: Mapping[str, str]) -> Child:
    """Start ``handoff <arguments>`` in a session of its own, so that Ctrl-C reaches only this program."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **env},
            start_new_session=True,
        )
    return Child(name, process, log)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put signals that stop the demo off until the block ends: a child must not begin without somebody to end it.

    Handlers, not masks: a child would inherit a mask, and could not be stopped.
    """
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in STOPPING
        if signal.getsignal(number) not in (signal.SIG_IGN, None)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextlib.contextmanager
def running(folder: Path, ports: Ports, *, seed: int, deals: int, poll_seconds: float) -> Iterator[tuple[Child, Child]]:
    """The sandbox and the daemon against it, until the block ends; the daemon is stopped first."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, ports, poll_seconds=poll_seconds)
    with contextlib.ExitStack() as started:
        with uninterrupted():
            sandbox = start(
                "sandbox",
                [
                    "sandbox", "--folder", str(folder / "sandbox"), "--seed", str(seed), "--deals", str(deals),
                    "--port-control", str(ports.control), "--port-sf", str(ports.sf), "--port-hs", str(ports.hs),
                ],
                log=folder / "sandbox.log",
                env={},
            )  # fmt: skip
            started.callback(sandbox.stop)
        sandbox.wait_until_answers(ports.url("control"))
        with uninterrupted():
            daemon = start_daemon(folder, ports)
            started.callback(daemon.stop)
        daemon.wait_until_answers(f"{ports.url('web')}/readyz")
        yield sandbox, daemon


def start_daemon(folder: Path, ports: Ports, *, env: Mapping[str, str] | None = None) -> Child:
    """Start the daemon of a demo folder."""
    secrets = {**SANDBOX_SECRETS, "CHAT_WEBHOOK_URL": f"{ports.url('control')}/sink/chat"}
    return start(
        "daemon",
        ["run", "--config", str(folder / "config.toml")],
        log=folder / "daemon.log",
        env={**secrets, **(env or {})},
    )


def write_config(folder: Path, ports: Ports, *, poll_seconds: float) -> None:
    """Write ``config.toml`` for these ports and, the first time, a copy of the shipped mappings to play with."""
    mappings = folder / "mappings"
    if not mappings.exists():
        shutil.copytree(shipped_mappings(), mappings)
    (folder / "config.toml").write_text(
        CONFIG.format(sf=ports.url("sf"), hs=ports.url("hs"), web=ports.web, poll=poll_seconds)
    )


def control(ports: Ports, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """One call of the sandbox's control API."""
    reply = requests.request(method, f"{ports.url('control')}{path}", json=body, timeout=CALL_WAIT)
    if not reply.ok:
        raise UserError([Problem("sandbox", path, reply.text[:500])])
    return json.loads(reply.content)


CONFIG = """\
# Written anew at each start of the demo, because the ports may differ. Edit the files in mappings/ instead.
mappings = "mappings"

[daemon]
mode = "act"
state = "state"
poll_seconds = {poll}
echo_seconds = 10
verify_seconds = 5

[[systems]]
name = "sf"
vendor = "salesforce"
base_url = "{sf}"
client_id_env = "SF_CLIENT_ID"
client_secret_env = "SF_CLIENT_SECRET"
first_run = "observe_old"

[[systems]]
name = "hs"
vendor = "hubspot"
base_url = "{hs}"
access_token_env = "HS_ACCESS_TOKEN"
first_run = "observe_old"

# A whole period of sales is played within a minute, which in earnest would be a mass to stop.
[brakes]
max_new = 0
max_imported = 0
max_open = 0
max_changed = 0
max_changed_percent = 0

[web]
port = {web}

[notify.chat]
webhook_url_env = "CHAT_WEBHOOK_URL"

[logs]
format = "console"
"""
