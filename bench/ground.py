"""Where a measurement takes place: a sandbox in this process, a folder with a config, and the connector against it.

Not here: what is measured. The connector runs either in this process (to count and to profile) or as a process of its
own (for memory, CPU and latency); the sandbox's rows are at hand in both cases, so the world itself is the judge.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from bench.desk import Desk
from connector import bootstrap
from connector.cli import demo_parts
from connector.cli.demo_parts import SANDBOX_SECRETS, Child
from connector.engine.onepass import run_pass
from connector.engine.parts import System
from connector.policy.shipped import shipped_mappings
from connector.sandbox.hubspot.schema import APP_CLIENT_ID, APP_CLIENT_SECRET, APP_REFRESH_TOKEN
from connector.sandbox.server import Sandbox

NAMES = {"sf": "Salesforce", "hs": "HubSpot"}
POLLED = 'change_events = "off"'
LISTENED = """\
change_events = "on"
pubsub_address = "{address}"
safety_poll_seconds = {safety}"""
SAFETY_POLL = 300
"""Seconds between polls of what is listened to: what the daemon does unless told otherwise."""

HS_KEY = 'access_token_env = "HS_ACCESS_TOKEN"'
HS_OAUTH = 'refresh_token_env = "HS_REFRESH_TOKEN"'
HS_APP = """\
client_id_env = "HS_CLIENT_ID"
client_secret_env = "HS_CLIENT_SECRET\""""
HS_SECRETS = {
    "HS_REFRESH_TOKEN": APP_REFRESH_TOKEN,
    "HS_CLIENT_ID": APP_CLIENT_ID,
    "HS_CLIENT_SECRET": APP_CLIENT_SECRET,
}
HEARD = """\
change_events = "on"
safety_poll_seconds = {safety}"""
HOOKS_AT = "http://127.0.0.1:{port}/webhooks/hubspot/hs"
CDC_ALLOCATION = 10_000_000
"""Change events a day: an Enterprise org's 25,000 (facts: Salesforce §2.6) would end a measurement half-way."""
WATCHED = ("Opportunity", "Account", "Task", "Event")

NO_CAP = 1_000_000
"""Accounts a CSM may hold here: a burst must not end up with the fallback person because pools are full."""

CONFIG = """\
mappings = "mappings"

[daemon]
mode = "act"
state = "state"
poll_seconds = {poll}
echo_seconds = {echo}
verify_seconds = 5

# A burst is what is measured.
[brakes]
max_new = 0
max_imported = 0
max_open = 0
max_changed = 0
max_changed_percent = 0
max_writes_per_pass = 0

{systems}
[web]
{web}

[notify.chat]
webhook_url_env = "CHAT_WEBHOOK_URL"

[logs]
format = "json"
level = "{level}"
"""

SYSTEMS = {
    "sf": """\
[[systems]]
name = "sf"
vendor = "salesforce"
base_url = "{url}"
client_id_env = "SF_CLIENT_ID"
client_secret_env = "SF_CLIENT_SECRET"
first_run = "observe_old"
{live}
""",
    "hs": """\
[[systems]]
name = "hs"
vendor = "hubspot"
base_url = "{url}"
first_run = "observe_old"
{live}
""",
}


@dataclass(frozen=True, slots=True)
class Portal:
    """How the connector knows a HubSpot portal: by which login, and how it hears of changes.

    ``feed`` is ``polling``, ``webhooks`` or ``journal``; ``safety`` is seconds between polls of what is listened to.
    """

    feed: str = "polling"
    oauth: bool = False
    safety: int = SAFETY_POLL

    def lines(self, *, hooks: int) -> str:
        """Its lines in config.toml."""
        login = (HS_OAUTH, HS_APP) if self.oauth else (HS_KEY, HS_APP) if self.feed != "polling" else (HS_KEY,)
        heard = HEARD.format(safety=self.safety) if self.feed != "polling" else POLLED
        address = (f'webhook_url = "{HOOKS_AT.format(port=hooks)}"',) if self.feed == "webhooks" else ()
        return "\n".join((*login, heard, *address))


@dataclass(slots=True)
class Ground:
    """A sandbox, a config folder, and who runs on them."""

    folder: Path
    sandbox: Sandbox
    systems: tuple[str, ...] = ("sf", "hs")
    web: int = 0
    hooks: int = 0
    live: bool = False
    portal: Portal = field(default_factory=Portal)
    desks: dict[str, Desk] = field(init=False)

    def __post_init__(self) -> None:
        self.desks = {"sf": Desk(self.sandbox.sf), "hs": Desk(self.sandbox.hs)}

    def listen(self) -> None:
        """From now on the org tells its changes, and the connector is configured to listen to them."""
        self.sandbox.sf.setting("cdc_allocation", CDC_ALLOCATION)
        self.sandbox.pubsub.select(entities=WATCHED)
        self.live = True

    def configure(self, *, poll: float = 5, echo: float = 10, level: str = "error") -> Path:
        """Write config.toml and, with the caps of the pools lifted, a copy of the shipped mappings."""
        mappings = self.folder / "mappings"
        if not mappings.exists():
            shutil.copytree(shipped_mappings(), mappings)
            process = mappings / "process.toml"
            process.write_text(re.sub(r"(?m)^cap = \d+", f"cap = {NO_CAP}", process.read_text()))
        urls = {"sf": self.sandbox.sf_url, "hs": self.sandbox.hs_url}
        self.hooks = self.hooks or free_port()
        live = {
            "sf": LISTENED.format(address=self.sandbox.pubsub_address, safety=SAFETY_POLL) if self.live else POLLED,
            "hs": self.portal.lines(hooks=self.hooks),
        }
        systems = "\n".join(SYSTEMS[name].format(url=urls[name], live=live[name]) for name in self.systems)
        web = f"hooks_port = {self.hooks}\n" + (f"port = {self.web}" if self.web else "enabled = false")
        path = self.folder / "config.toml"
        path.write_text(CONFIG.format(poll=poll, echo=echo, systems=systems, web=web, level=level))
        return path

    @property
    def secrets(self) -> dict[str, str]:
        """The environment the config asks for."""
        return {**SANDBOX_SECRETS, **HS_SECRETS, "CHAT_WEBHOOK_URL": f"{self.sandbox.control_url}/sink/chat"}

    def deliver(self, **trouble: Any) -> None:
        """Let the portal's app send webhooks, as the file says that the connector makes for its admin."""
        with _environment(self.secrets):
            component = bootstrap.webhook_component(self.configure(), "hs").content
        self.sandbox.feeds.upload(component)
        if trouble:
            self.sandbox.feeds.trouble(**trouble)

    @contextlib.contextmanager
    def runtime(self, *, echo: float = 10) -> Iterator[bootstrap.Runtime]:
        """The connector in this process, connected, with one pass behind it: wins from now on are acted on."""
        with _environment(self.secrets):
            runtime = bootstrap.open_runtime(self.configure(echo=echo), mode="daemon")
        try:
            yield runtime
        finally:
            runtime.shared.store.close()

    @contextlib.contextmanager
    def daemon(self, *, poll: float = 5, echo: float = 10) -> Iterator[Child]:
        """The connector as a process, until the block ends; it has connected and made its first pass."""
        self.web = self.web or free_port()
        config = self.configure(poll=poll, echo=echo, level="warning")
        child = demo_parts.start(
            "daemon", ["run", "--config", str(config)], log=self.folder / "daemon.log", env=self.secrets
        )
        try:
            child.wait_until_answers(f"http://{demo_parts.HOST}:{self.web}/healthz")
            wait_until(self._passed_all, seconds=60, what="the first pass")
            yield child
        finally:
            child.stop()

    def metric(self, name: str) -> float:
        """The sum of one figure of the daemon over its labels; 0 when it has none."""
        text = requests.get(f"http://{demo_parts.HOST}:{self.web}/metrics", timeout=30).text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if re.match(rf"{name}(\{{| )", line))
        return sum(float(value) for _, value in lines)

    def cpu_seconds(self) -> float:
        """Processor time the daemon has used since it started, user and system."""
        return self.metric("process_cpu_seconds_total")

    def _passed_all(self) -> bool:
        text = requests.get(f"http://{demo_parts.HOST}:{self.web}/metrics", timeout=30).text
        done = re.findall(r'handoff_passes_total\{result="done",system="(\w+)"\} (\S+)', text)
        return {name for name, count in done if float(count) >= 1} >= set(self.systems)


@contextlib.contextmanager
def ground(*systems: str) -> Iterator[Ground]:
    """An empty org and portal with people only, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="handoff-bench-") as folder, Sandbox.running() as sandbox:
        yield Ground(Path(folder), sandbox, systems or ("sf", "hs"))


def one_pass(runtime: bootstrap.Runtime, system: System) -> None:
    """One pass that must go through. Raises RuntimeError with what the pass told."""
    result = run_pass(runtime.shared, system)
    if result.error or result.idle:
        raise RuntimeError(f"the pass over {system.name} did not go through: {result.error or 'idle'}")


def wait_until(ready: Any, *, seconds: float, what: str, every: float = 0.1) -> float:
    """Seconds until ``ready()`` was true. Raises TimeoutError."""
    began = time.monotonic()
    while not ready():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every)
    return time.monotonic() - began


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((demo_parts.HOST, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
