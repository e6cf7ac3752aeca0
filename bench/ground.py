"""Where a measurement takes place: a sandbox in this process, a folder with a config, and the connector against it.

Not here: what is measured. The connector runs either in this process (to count and to profile) or as a process of its
own (for memory, CPU and latency); the sandbox's rows are at hand in both cases, so the world itself is the judge.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from connector import bootstrap
from connector.cli import demo_parts
from connector.cli.demo_parts import SANDBOX_SECRETS, Child
from connector.engine.onepass import run_pass
from connector.engine.parts import System
from connector.sandbox import agreed, book, people, views
from connector.sandbox.screens.actions import Actions
from connector.sandbox.seed import add_account
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

NAMES = {"sf": "Salesforce", "hs": "HubSpot"}
REVOPS = "iris.novak@seller.example"
NO_CAP = 1_000_000
"""Accounts a CSM may hold here: a burst must not end up with the fallback person because pools are full."""

LONG_AGO = timedelta(days=300)
DEALS_PER_ACCOUNT = 10
CSM_TITLE = people.ROLE_TITLES[people.CSM]

CONFIG = """\
mappings = "mappings"

[daemon]
mode = "act"
state = "state"
poll_seconds = {poll}
echo_seconds = {echo}
verify_seconds = 5

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
""",
    "hs": """\
[[systems]]
name = "hs"
vendor = "hubspot"
base_url = "{url}"
access_token_env = "HS_ACCESS_TOKEN"
first_run = "observe_old"
""",
}


@dataclass(slots=True)
class Desk:
    """One CRM of the sandbox and a person's hands on it."""

    world: World
    crm: views.CrmView = field(init=False)
    do: Actions = field(init=False)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.crm, self.do = views.view(self.world), Actions(self.world)
        self.rng = random.Random(f"bench:{self.world.name}")

    @property
    def name(self) -> str:
        """``sf`` or ``hs``."""
        return self.world.name

    def prepare(self, count: int) -> list[str]:
        """So many complete new-business deals in negotiation, each with an account of its own; returns their ids.

        They are written an hour back, so that making them is no part of what a poll finds.
        """
        now = self.world.clock.now()
        with self.world.lock, views.at_moment(self.world.clock, now - timedelta(hours=1)):
            by = self.crm.user_named(REVOPS).id
            return [self._deal(home, now=now, by=by) for home in book.account_plans(self.rng, count, held=False)]

    def _deal(self, home: book.AccountPlan, *, now: datetime, by: str) -> str:
        plan = book.deal_plan(
            self.rng, home, key="B", today=now.date(), phase="negotiation", deal_type="new", complete=True
        )
        owner = self.crm.user_named(plan.owner).id
        values = {
            "name": plan.name, "amount": plan.amount, "close_date": now.date(), "owner": owner,
            "account": add_account(self.crm, home, by=by), "product": plan.product, **plan.fields,
        }  # fmt: skip
        return self.crm.add_deal(values, stage=self.crm.stage_of("negotiation", "new").id, deal_type="new", by=owner)

    def fill(self, deals: int, *, numbered_from: int = 0) -> None:
        """Old deals, half of them open and half won, ten to a customer with a CSM; all of it happened long ago."""
        won, open_ = (self.crm.stage_of(phase, "new").id for phase in ("won", "negotiation"))
        with self.world.lock, views.at_moment(self.world.clock, self.world.clock.now() - LONG_AGO):
            by = self.crm.user_named(REVOPS).id
            csms = [user.id for user in self.crm.users() if user.title == CSM_TITLE and user.active]
            account = ""
            for number in range(numbered_from, numbered_from + deals):
                if number % DEALS_PER_ACCOUNT == 0:
                    csm = csms[number // DEALS_PER_ACCOUNT % len(csms)]
                    account = self.crm.add_account({"name": f"Customer {number}", "csm": csm}, by=by)
                values = {"name": f"Deal {number}", "amount": 20_000, "owner": by, "account": account}
                self.crm.add_deal(values, stage=won if number % 2 else open_, deal_type="new", by=by)

    def win(self, deal_ids: Sequence[str]) -> None:
        """Drag deals to Closed Won, as their owners do."""
        stage = self.crm.stage_of("won", "new").id
        for deal_id in deal_ids:
            self.do.move_stage(deal_id, stage, by=self.crm.deal(deal_id).owner)

    def handed_off(self, deal_id: str) -> bool:
        """Whether the last write of a handoff is visible: status on the deal, all tasks, and the note."""
        with self.world.lock:
            deal = self.crm.deal(deal_id)
            if deal.text("gate") not in agreed.PASSED_GATES or not deal.text("status") or not deal.text("csm"):
                return False
            tasks = sum(bool(task.key) for task in self.crm.tasks_of(deal_id))
            return tasks >= len(agreed.NEW_SUBJECTS) and bool(self.crm.notes_of(deal_id))

    def mark(self) -> int:
        """The journal's last number."""
        calls = self.world.journal.calls(system=self.name)
        return calls[-1].seq if calls else 0

    def calls(self, since: int) -> list[Any]:
        """The requests this CRM answered after a mark."""
        return list(self.world.journal.calls(since, system=self.name))


@dataclass(slots=True)
class Ground:
    """A sandbox, a config folder, and who runs on them."""

    folder: Path
    sandbox: Sandbox
    systems: tuple[str, ...] = ("sf", "hs")
    web: int = 0
    desks: dict[str, Desk] = field(init=False)

    def __post_init__(self) -> None:
        self.desks = {"sf": Desk(self.sandbox.sf), "hs": Desk(self.sandbox.hs)}

    def configure(self, *, poll: float = 5, echo: float = 10, level: str = "error") -> Path:
        """Write config.toml and, with the caps of the pools lifted, a copy of the shipped mappings."""
        mappings = self.folder / "mappings"
        if not mappings.exists():
            shutil.copytree(demo_parts.shipped_mappings(), mappings)
            process = mappings / "process.toml"
            process.write_text(re.sub(r"(?m)^cap = \d+", f"cap = {NO_CAP}", process.read_text()))
        urls = {"sf": self.sandbox.sf_url, "hs": self.sandbox.hs_url}
        systems = "\n".join(SYSTEMS[name].format(url=urls[name]) for name in self.systems)
        web = f"port = {self.web}" if self.web else "enabled = false"
        path = self.folder / "config.toml"
        path.write_text(CONFIG.format(poll=poll, echo=echo, systems=systems, web=web, level=level))
        return path

    @property
    def secrets(self) -> dict[str, str]:
        """The environment the config asks for."""
        return {**SANDBOX_SECRETS, "CHAT_WEBHOOK_URL": f"{self.sandbox.control_url}/sink/chat"}

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
            wait_until(lambda: self._passed_all(), seconds=60, what="the first pass")
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
