"""A sandbox in this process, a config folder made for it, and the connector as real child processes.

Not here: any expectation. ``Site`` starts and ends processes; ``Desk`` is one CRM with a person's hands on it. What is
waited for is the state of the world, with a deadline; children are ended by their own process ids.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import forkserver

from connector.cli import app
from connector.sandbox import agreed, views
from connector.sandbox.expectations import Outcome, expect
from connector.sandbox.screens.actions import Actions
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World
from connector.sandbox.tally import tally
from connector.sandbox.views import DealView

ROOT = Path(__file__).resolve().parent.parent
MAPPINGS = ROOT / "mappings"
ELENA_AE = "elena.marchetti@seller.example"
VICTOR_WHO_APPROVES = "victor.lang@seller.example"
SECRETS = {
    "SF_CLIENT_ID": "handoff-daemon",
    "SF_CLIENT_SECRET": "sandbox-secret",
    "HS_ACCESS_TOKEN": "pat-sandbox-handoff",
}
WHOLE = bool(os.environ.get("HANDOFF_TEST_WHOLE"))
"""``HANDOFF_TEST_WHOLE=1`` runs every point and the whole data set, which takes minutes."""

PATIENCE = 45.0
"""Seconds until a wait is given up; on an idle machine every wait here ends within a few."""

LONGEST_COMMAND = 120.0
"""Seconds until a command that does not end is killed."""

PORTS = range(20_000, 30_000)
"""Below what Linux gives to connections (32768 to 60999) and macOS (from 49152)."""

_NEVER = threading.Event()
T = TypeVar("T")


def until(ready: Callable[[], T], what: str, *, seconds: float = PATIENCE) -> T:
    """Look again and again until ``ready()`` is truthy, and return it. Raises AssertionError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = ready()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}; last seen: {found!r}")
        _NEVER.wait(0.05)


def free_port() -> int:
    """A loopback port that nobody listens on, and none of those that the system gives to whoever opens a connection:
    until it is listened on, it would be given away."""
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its standard output as JSON."""
        assert self.out, f"it printed nothing on standard output; on standard error: {self.err}"
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """Everything it said, with line breaks and table rules taken out, so that a sentence is found whole."""
        words = (self.out + " " + self.err).translate(str.maketrans("│┃║|", "    "))
        return " ".join(words.split())


@dataclass(slots=True)
class Daemon:
    """A running ``handoff run``."""

    process: forkserver.Process
    log: Path
    began_at: int

    def events(self) -> list[dict[str, Any]]:
        """What this process logged so far, one dictionary a line; lines that are no JSON are left out."""
        found = []
        for line in self.log.read_text(errors="replace")[self.began_at :].splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    found.append(entry)
        return found

    def named(self, event: str, **wanted: Any) -> list[dict[str, Any]]:
        """The log lines of one event with these values."""
        return [
            each
            for each in self.events()
            if each.get("event") == event and all(each.get(name) == value for name, value in wanted.items())
        ]

    def said(self) -> str:
        """The end of its log, for a failing assertion."""
        return self.log.read_text(errors="replace")[self.began_at :][-3000:]

    def wait_for(self, event: str, **wanted: Any) -> dict[str, Any]:
        """The first log line of an event; waits for it."""
        return until(lambda: self.named(event, **wanted), f"log event {event} {wanted}")[0]

    def wait_killed(self) -> int:
        """Wait for it to die and return its return code."""
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM, wait, and return the exit code. SIGKILL only when it does not go, which fails the test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the daemon did not stop on SIGTERM:\n{self.said()}") from None
        return self.process.wait()


class Desk:
    """One CRM of the sandbox, and a person's hands on its records."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.crm = views.view(world)
        self.do = Actions(world)
        self._made = 0

    @property
    def name(self) -> str:
        """``sf`` or ``hs``."""
        return self.world.name

    def user(self, email: str) -> str:
        """A person's id here."""
        return self.crm.user_named(email).id

    def account(self, name: str = "", **values: Any) -> str:
        """A new account."""
        self._made += 1
        with self.world.lock:
            named = {"name": name or f"Customer {self._made}", "country": "France", **values}
            return self.crm.add_account(named, by=self.user(ELENA_AE))

    def deal(
        self,
        *,
        amount: float = 20_000,
        deal_type: agreed.DealType = "new",
        without: tuple[str, ...] = (),
        account: str | None = None,
        lone: bool = False,
        **values: Any,
    ) -> str:
        """A new deal in negotiation with every required field but those ``without``; ``lone`` has no account."""
        self._made += 1
        with self.world.lock:
            home = None if lone else account or self.account()
            owner = self.user(ELENA_AE)
            answers = self.answers(amount=amount, deal_type=deal_type)
            filled = {name: text for name, text in answers.items() if name not in without}
            named = {
                "name": f"Deal {self._made}",
                "amount": amount,
                "close_date": (self.world.clock.now() - timedelta(days=1)).date(),
                "owner": owner,
                "account": home,
                "product": "Starter",
                **filled,
                **values,
            }
            stage = self.crm.stage_of("negotiation", deal_type).id
            deal_id = self.crm.add_deal(named, stage=stage, deal_type=deal_type, by=owner)
            self.world.flush()
            return deal_id

    def answers(self, *, amount: float, deal_type: agreed.DealType) -> dict[str, Any]:
        """What a rep who knows everything writes into the required fields."""
        return {name: _answer(name) for name in agreed.required(amount=amount, deal_type=deal_type)}

    def override(self) -> dict[str, Any]:
        """Fields of an override that counts."""
        return {
            "override_requested": True,
            "override_reason": "The quarter closes today; the champion sends the rest on Monday.",
            "override_approver": self.user(VICTOR_WHO_APPROVES),
            "override_expires": (self.world.clock.now() + timedelta(days=5)).date(),
        }

    def win(self, deal_id: str, *, outcome: Outcome | None = "handed_off") -> str:
        """Drag a deal to Closed Won, noting what must come of it."""
        deal = self.crm.deal(deal_id)
        if outcome is not None:
            expect(self.world, deal_id, outcome, story="by hand")
        self.do.move_stage(deal_id, self.crm.stage_of("won", deal.deal_type).id, by=deal.owner)
        return deal_id

    def reopen(self, deal_id: str) -> None:
        """Drag a deal back to negotiation."""
        deal = self.crm.deal(deal_id)
        self.do.move_stage(deal_id, self.crm.stage_of("negotiation", deal.deal_type).id, by=deal.owner)

    def won(self, count: int = 1, **values: Any) -> list[str]:
        """So many complete deals, won."""
        return [self.win(self.deal(**values)) for _ in range(count)]

    def see(self, deal_id: str) -> DealView:
        """A deal as it stands."""
        with self.world.lock:
            return self.crm.deal(deal_id)

    def tally(self) -> dict[str, Any]:
        """What the sandbox's judge counts here."""
        return tally(self.world)

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled, by the sandbox's judge."""
        found = self.tally()
        return not found["lost"] and not found["doubled"]

    def handed_off(self, deal_id: str) -> bool:
        """Whether CSM, tasks, note and fields all stand on the deal."""
        with self.world.lock:
            deal = self.crm.deal(deal_id)
            tasks = [task for task in self.crm.tasks_of(deal_id) if task.key]
            notes = [note for note in self.crm.notes_of(deal_id) if agreed.is_summary(note.title)]
            fields = ("csm", "summary", "status", "percent", "started_at")
            return (
                deal.text("gate") in agreed.PASSED_GATES
                and all(deal.text(name) for name in fields)
                and len(tasks) >= len(agreed.subjects(deal.deal_type))
                and bool(notes)
            )

    def held(self, deal_id: str) -> bool:
        """Whether the deal says it is held and what is missing."""
        deal = self.see(deal_id)
        return deal.text("gate") == agreed.HELD and bool(deal.text("missing"))

    def writes(self, since: int = 0) -> int:
        """Requests by which programs changed records."""
        return sum(call.write for call in self.world.journal.calls(since, system=self.name))

    def seq(self) -> int:
        """The journal's last number."""
        calls = self.world.journal.calls()
        return calls[-1].seq if calls else 0

    def fault(self, kind: str, match: str, **more: Any) -> None:
        """Plant a fault in this CRM."""
        self.world.faults.add(system=self.name, match=match, kind=kind, **more)


@dataclass(slots=True)
class Site:
    """One sandbox, one config folder, and the processes started on it."""

    folder: Path
    sandbox: Sandbox
    changes: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    children: list[Daemon] = field(default_factory=list)
    sf: Desk = field(init=False)
    hs: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.sf, self.hs = Desk(self.sandbox.sf), Desk(self.sandbox.hs)
        # Who changed an account's CSM, and how often, is asked here; an org would track that field's history.
        self.sandbox.sf.table("Account").tracked |= {"*"}
        self.sandbox.hs.table("companies").tracked |= {"*"}
        shutil.copytree(MAPPINGS, self.folder / "mappings")
        self.configure()

    @property
    def desks(self) -> tuple[Desk, Desk]:
        """Both CRMs."""
        return self.sf, self.hs

    @property
    def database(self) -> Path:
        """The ledger's file."""
        (found,) = (self.folder / "state").glob("*.db")
        return found

    def configure(self, **changes: Any) -> None:
        """Write config.toml; a change stays for the next call."""
        self.changes |= changes
        values = {
            "mode": "act",
            "poll": 1,
            "echo": 1,
            "verify": 1,
            "sweep": 15,
            "attempts": 12,
            "sf_url": self.sandbox.sf_url,
            "hs_url": self.sandbox.hs_url,
            "systems": ("sf", "hs"),
            "first_run": 'first_run = "observe_old"',
            "web": 0,
            "hooks": 0,
        } | self.changes
        values["brakes"] = _table(NO_LIMITS | values.get("brakes", {}))
        parts = [HEAD.format(**values), *(SYSTEMS[name].format(**values) for name in values["systems"]), TAIL]
        (self.folder / "config.toml").write_text(
            "\n".join(parts).replace("@web@", _web(values["web"], values["hooks"]))
        )

    def outbox(self) -> Counter[str]:
        """Rows of the outbox by state: read from the file, as no second process may write to the store."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            query = "select state, count(*) from outbox group by state"
            return Counter(dict(connection.execute(query).fetchall()))

    def open_rows(self) -> int:
        """Rows of the outbox that are not done with."""
        return sum(count for state, count in self.outbox().items() if state not in ("applied", "superseded"))

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one place in one of the mapping files."""
        path = self.folder / "mappings" / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))

    def environment(self, **more: str) -> dict[str, str]:
        """What a child sees: no setting of the person who runs the tests, and this site's secrets."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HANDOFF_")}
        chat = {"CHAT_WEBHOOK_URL": f"{self.sandbox.control_url}/sink/chat"}
        plain = {"PYTHONPATH": str(ROOT), "COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb"}
        return {**inherited, **plain, **self.secrets, **chat, **more}

    def start(self, *, failpoint: str = "", **env: str) -> Daemon:
        """Start ``handoff run``; with a failpoint it will kill itself there."""
        log = self.folder / "daemon.log"
        began_at = len(log.read_text(errors="replace")) if log.exists() else 0
        extra = {**env, **({"HANDOFF_FAILPOINT": failpoint} if failpoint else {})}
        with log.open("ab") as output:
            process = forkserver.start(
                ["run", "--config", str(self.folder / "config.toml")],
                out=output.fileno(),
                err=output.fileno(),
                cwd=self.folder,
                env=self.environment(**extra),
            )
        daemon = Daemon(process, log, began_at)
        self.children.append(daemon)
        return daemon

    @contextlib.contextmanager
    def daemon(self, *, failpoint: str = "", **env: str) -> Iterator[Daemon]:
        """A daemon for the length of a block; must have been able to stop in order."""
        daemon = self.start(failpoint=failpoint, **env)
        try:
            yield daemon
        except BaseException:
            daemon.stop()
            raise
        code = daemon.stop()
        assert code == 0, f"the daemon ended with {code}:\n{daemon.said()}"

    def run(self, *arguments: str, config: bool = True, **env: str) -> Ran:
        """Run a command to its end."""
        named = ["--config", str(self.folder / "config.toml")] if config else []
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = forkserver.start(
                [*arguments, *named],
                out=out.fileno(),
                err=err.fileno(),
                cwd=self.folder,
                env=self.environment(**env),
            )
            try:
                code = process.wait(LONGEST_COMMAND)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            out.seek(0)
            err.seek(0)
            return Ran(code, out.read(), err.read())

    def once(self, *arguments: str, **env: str) -> Ran:
        """One pass; the answer is JSON."""
        return self.run("once", "--json", *arguments, **env)

    def call(self, *arguments: str, **env: str) -> Ran:
        """Run a command to its end within this process: what it does is the same, and no interpreter has to be started.

        Not for several threads at a time: the process's environment and output are lent to the command.
        """
        out, err = io.StringIO(), io.StringIO()
        argv = ["handoff", *arguments, "--config", str(self.folder / "config.toml")]
        before, words = dict(os.environ), sys.argv
        try:
            os.environ.clear()
            os.environ.update(self.environment(**env))
            sys.argv = argv
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = app.run()
        finally:
            sys.argv = words
            os.environ.clear()
            os.environ.update(before)
        return Ran(code, out.getvalue(), err.getvalue())

    def pass_here(self, *arguments: str, **env: str) -> Ran:
        """One pass within this process; the answer is JSON."""
        return self.call("once", "--json", *arguments, **env)

    def rest(self) -> None:
        """Pass until one finds nothing to look at, nothing to send, and nothing that is due within minutes."""
        until(self._is_at_rest, "rest")

    def _is_at_rest(self) -> bool:
        ran = self.pass_here()
        assert ran.code == 0, ran.text
        soon = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%d %H:%M:%S.%f}"
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            (looks,) = connection.execute("select count(*) from inbox where due_at < ?", (soon,)).fetchone()
        busy = any(each["looked"] or each["applied"] for each in ran.data.values())
        return not (busy or looks or self.open_rows())

    def begin(self) -> None:
        """A first pass over an org in which nothing is won: sets the time from which wins count."""
        ran = self.once()
        assert ran.code == 0, ran.text

    def stop_all(self) -> None:
        """End what is still running."""
        for child in self.children:
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()


@contextlib.contextmanager
def site(folder: Path, **changes: Any) -> Iterator[Site]:
    """A site in an empty folder, ended afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox.running() as sandbox:
        made = Site(folder, sandbox, dict(changes))
        try:
            yield made
        finally:
            made.stop_all()


def csm_changes(desk: Desk, deal_id: str) -> list[str]:
    """Every CSM a deal ever had, oldest first."""
    with desk.world.lock:
        return [str(change.new) for change in desk.crm.history(deal_id) if change.field == "csm" and change.new]


def account_csm_changes(desk: Desk, account_id: str) -> list[str]:
    """Every CSM an account ever had, oldest first."""
    table, name = {"sf": ("Account", "Handoff_CSM__c"), "hs": ("companies", "handoff_csm")}[desk.name]
    row = desk.world.table(table).get(account_id)
    assert row is not None
    return [str(change.new) for change in row.history if change.field == name and change.new]


def messages_of(site_: Site, desk: Desk) -> list[str]:
    """The keys of all messages about one CRM's deals, as often as they came."""
    return [each.key or "" for each in desk.world.messages if (each.key or "").startswith(f"{desk.name}:")]


def _answer(name: str) -> date | str:
    if name == "go_live_date":
        return date.today() + timedelta(days=40)  # noqa: DTZ011  # a day, wherever
    # Too short to be taken for a copy: the same answers stand on every deal here, on purpose.
    return f"True and full: {name.replace('_', ' ')}."


def _table(values: Mapping[str, int]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in values.items())


def _web(port: int, hooks: int) -> str:
    return (f"port = {port}" if port else "enabled = false") + f"\nhooks_port = {hooks}"


HEAD = """\
mappings = "mappings"

[daemon]
mode = "{mode}"
state = "state"
poll_seconds = {poll}
echo_seconds = {echo}
verify_seconds = {verify}
sweep_minutes = {sweep}
max_attempts = {attempts}

[brakes]
{brakes}
"""

NO_LIMITS = {"max_new": 0, "max_imported": 0, "max_open": 0, "max_changed": 0, "max_changed_percent": 0}
"""What a world does here in a minute is no mass: a month goes by in it."""

SYSTEMS: Mapping[str, str] = {
    "sf": """\
[[systems]]
name = "sf"
vendor = "salesforce"
base_url = "{sf_url}"
client_id_env = "SF_CLIENT_ID"
client_secret_env = "SF_CLIENT_SECRET"
{first_run}
""",
    "hs": """\
[[systems]]
name = "hs"
vendor = "hubspot"
base_url = "{hs_url}"
access_token_env = "HS_ACCESS_TOKEN"
{first_run}
""",
}

TAIL = """\
[web]
@web@

[notify.chat]
webhook_url_env = "CHAT_WEBHOOK_URL"

[logs]
format = "json"
level = "info"
"""
