"""The parts a pass is built from: one system, and what all systems share.

Not here: how they are made (``bootstrap``) and what a pass does with them.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.crm.budget import Company
from connector.crm.port import (
    CRM,
)
from connector.engine.live import LiveState
from connector.engine.replica import Replica
from connector.handoff.acting import Reach
from connector.handoff.model import Person, Span, Stage, SystemName
from connector.handoff.plan import Notify, SendMail
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap
from connector.store import Keep, Store
from connector.store.warehouse import Query
from connector.telemetry import Telemetry
from connector.tracing import UNTRACED, Tracer

CALENDARS_TTL = timedelta(minutes=5)
"""How old what is known of a calendar may be; so long, too, none is asked for after a refusal."""

SendNotice = Callable[[Notify], None]
"""Tells one person outside the CRM. Raises `connector.errors.CrmError` with advice when it did not work."""


@dataclass(frozen=True, slots=True)
class Mailer:
    """A way to customers: ``send`` returns the message's id and raises `CrmError`; at most so many go within a day."""

    send: Callable[[SendMail], str]
    daily_limit: int


def process_name() -> str:
    """Who holds a lease: host, process and a random part, so that a restarted process is somebody else."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that shape a pass.

    ``echo_delay``: how long a look waits when the change seen is this connector's own write. ``verify_delay``: how
    long an unknown create is left alone before it is looked up, where the vendor has no upsert by key.
    ``reread_every``: how long after its last look a handoff in flight is looked at by a sweep though nothing told of a
    change.
    ``call_lease``: how long one batch may be in flight before another process may ask what became of it.
    """

    echo_delay: float = 60.0
    verify_delay: float = 120.0
    call_lease: float = 900.0
    sweep_every: float = 900.0
    reread_every: float = 900.0
    max_attempts: int = 12


SHARE_FROM = 40
"""A share of fewer handoffs than this is no mass: half of a small team's deals may well move within one hour."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on a person is asked. Numbers of deals within ``window``; 0 switches a limit off.

    ``new``: handoffs that begin; ``imported``: of those, wins by one import; ``open``: deals that are written to before
    they are won; ``changed``: handoffs under way that gain
    effects, and ``changed_share`` (0 to 1) of all of them. ``writes`` are those of one pass. ``parked`` is how old a
    parked row may grow, ``silent`` how much working time may pass without what usually comes; zero switches it off.
    """

    window: timedelta = timedelta(hours=1)
    new: int = 200
    imported: int = 25
    open: int = 200
    changed: int = 500
    changed_share: float = 0.5
    writes: int = 20_000
    parked: timedelta = timedelta(hours=24)
    silent: timedelta = timedelta(hours=8)

    def share_limit(self, under_way: int) -> int:
        """How many of so many handoffs under way may change; 0 for no limit."""
        return max(SHARE_FROM, int(under_way * self.changed_share)) if self.changed_share else 0

    def is_mass(self, changed: int, *, of: int) -> bool:
        """Whether so many changes of handoffs under way are more than may be."""
        share = self.share_limit(of)
        return bool((self.changed and changed > self.changed) or (share and changed > share))


@dataclass(frozen=True, slots=True)
class FeedFault:
    """Why a feed could last not be read, and since when; ``over``: when it could be again, None while it cannot."""

    words: str
    since: datetime
    over: datetime | None = None


@dataclass(slots=True)
class Diaries:
    """What is known of one system's calendars, by person, and since when. After a refusal nothing is asked for until
    ``closed_until``."""

    spans: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    read_at: dict[str, datetime] = field(default_factory=dict)
    closed_until: datetime | None = None

    def known(self, now: datetime) -> dict[str, tuple[Span, ...]]:
        """The calendars that are fresh."""
        return {each: self.spans[each] for each, at in self.read_at.items() if now - at < CALENDARS_TTL}


@dataclass(slots=True)
class System:
    """One org or portal under this daemon, with what is remembered between two passes of the same process.

    ``reserve`` is the share of the day's calls left to others; ``sparing`` is True while no more than that is left.
    Until ``rests_until`` no pass is made, because the CRM asked to be left alone.
    Until ``piecemeal_until`` nothing is sent by jobs, because the CRM would not have one; ``job_failures`` counts those
    in a row that could not be opened or loaded. ``sent`` counts the writes of the pass that runs.
    ``denied`` says what the machine denied the last pass, so that it broke off; ``crashed`` that a bug did that.
    ``heard`` is when each feed last brought something, ``unread`` what kept it from being read since then, ``untold``
    when an alarm could last not be told.
    ``policy_digest`` tells the mapping files apart, empty where there are none; ``crm_map`` is the CRM's file.
    ``safety_poll`` is how many seconds lie between polls of a feed that a live line stands in for.
    With ``pilot`` it acts on the deals that the policy's pilot takes in, and observes the rest.
    ``called_up`` is when each deal that waits for a CSM was last asked to be looked at because somebody could take it.
    ``diaries`` are people's calendars, as far as they were looked into.
    ``schema_read`` is when it was last learned which fields the CRM shows, ``doubted`` that it refused a pass since.
    ``governed_at`` is when it was last asked whether a threshold of the process was breached.
    ``tenure`` is the one of `Replica` in which this process last took the system over, ``opened`` whether it has read
    again since what the ledger says is to be sent. ``server`` is the store's as that was read.
    ``figured`` is when its figures were last shown to Prometheus.
    """

    name: SystemName
    crm: CRM
    policy: Policy
    act: bool
    pilot: bool = False
    first_run_since: datetime | None = None
    reserve: float = 0.2
    sparing: bool = False
    safety_poll: float = 300.0
    policy_digest: str = ""
    crm_map: CrmMap | None = None
    connected: bool = False
    last_sweep: datetime | None = None
    last_pass: datetime | None = None
    last_poll: datetime | None = None
    rests_until: datetime | None = None
    piecemeal_until: datetime | None = None
    job_failures: int = 0
    sent: int = 0
    trouble: str | None = None
    denied: str = ""
    crashed: bool = False
    people_read: datetime | None = None
    heard: dict[str, datetime] = field(default_factory=dict)
    unread: dict[str, FeedFault] = field(default_factory=dict)
    untold: dict[str, datetime] = field(default_factory=dict)
    people: Mapping[str, Person] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    live: LiveState = field(default_factory=LiveState)
    lock: threading.Lock = field(default_factory=threading.Lock)
    called_up: dict[str, datetime] = field(default_factory=dict)
    diaries: Diaries = field(default_factory=Diaries)
    schema_read: datetime | None = None
    doubted: bool = False
    governed_at: datetime | None = None
    tenure: int = 0
    opened: bool = False
    server: str = ""
    figured: datetime | None = None

    @property
    def reach(self) -> Reach:
        """How far it acts: not at all, on the deals of the pilot, or on every deal."""
        if not self.act:
            return Reach.OBSERVE
        return Reach.PILOT if self.pilot else Reach.ACT

    @property
    def broke_off(self) -> str:
        """Why the last pass did not come to its end, which the store may be unable to say; empty when it did."""
        return self.denied or ("the last pass crashed; see the log" if self.crashed else "")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A query to a database of the company's own, and how often it is asked."""

    query: Query
    every: timedelta


@dataclass(frozen=True, slots=True)
class Shared:
    """What all systems of one process share. ``alert`` tells the people who run this; None where nobody is named."""

    store: Store
    clock: Clock
    telemetry: Telemetry
    timing: Timing
    owner: str
    send_notice: SendNotice
    stopping: threading.Event
    limits: Limits = Limits()
    alert: SendNotice | None = None
    mailer: Mailer | None = None
    """How mails leave for customers; None where none do."""
    keep: Keep = field(default_factory=Keep)
    company: Company = field(default_factory=Company)
    queries: tuple[Schedule, ...] = ()
    """Databases that are asked for product events."""
    tracer: Tracer = UNTRACED
    replica: Replica | None = None
    """This process among others; None where there is but one, and for a command that makes one pass."""
