"""This process among others on one PostgreSQL: it says that it lives, leads what nobody else leads, and helps with the
rest.

Not here: the statements (``store.replicas``) and what a pass does. Who leads a system polls, sweeps, listens and
decides; whoever lives sends what was decided. A process trusts its own word for less time than all others do, counted
from before it gave it: one that was stopped, or cut off from the database, has stopped sending before anybody takes
its place. Where there is but one process (SQLite) nothing of this runs.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

from connector.crm.budget import Company
from connector.errors import CrmError, Fault, FaultCode
from connector.failpoints import Failpoint, passing
from connector.store import Lead, News, Pulse, Standing

LEAD_TAKEN = "lead.taken"
LEAD_LOST = "lead.lost"
LEAD_GIVEN = "lead.released"
REPLICAS_CHANGED = "replicas.changed"
PULSE_LOST = "pulse.lost"
PULSE_RETURNED = "pulse.returned"

TTL = 5.0
"""Seconds for which a process that said that it lives is believed, and what it leads is its own."""

BEAT = 1.0
"""Seconds between two times of saying so."""

MARGIN = 1.0
"""So much sooner it stops believing itself: what was begun within is over, and clocks that run apart do not matter."""

FREE_FOR = 3.0
"""Seconds after which a system that nobody leads is taken even by one that leads its share already."""

STAY = 60.0
"""Seconds for which it is then kept: whoever was to take it cannot."""

LEASE_LOST = Fault(
    FaultCode.OUTCOME_UNKNOWN,
    "REPLICA_SILENT",
    "this process could not say that it lives, and sends nothing until then",
)

log = structlog.get_logger()


def lead_name(system: str) -> str:
    """The lease that means leading a system; the last release takes the same one."""
    return f"pass:{system}"


def awake() -> float:
    """Seconds that also pass while the process is stopped or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Replica:
    """One process of several, with a thread of its own. Everything but `start` and `stop` may be called from any.

    ``systems`` are those it knows, each with the lock that a pass over it holds. ``on_lead`` hears of each system that
    became this process's, ``on_news`` what others put there; both are called by the thread and must not wait.
    ``company`` is kept up.
    """

    def __init__(
        self,
        pulse: Pulse,
        *,
        owner: str,
        systems: Mapping[str, threading.Lock],
        on_lead: Callable[[str], None],
        on_news: Callable[[News], None],
        company: Company | None = None,
        clock: Callable[[], float] = awake,
    ) -> None:
        self._pulse = pulse
        self._owner = owner
        self._locks = systems
        self._on_lead = on_lead
        self._on_news = on_news
        self._company = company or Company()
        self._clock = clock
        self._ended = threading.Event()
        self._alive_until = 0.0
        self._led_until: dict[str, float] = {}
        self._epochs: dict[str, int] = {}
        self._holders: Mapping[str, str] = {}
        self._alive: frozenset[str] = frozenset()
        self._free_since: dict[str, float] = {}
        self._stay_until: dict[str, float] = {}
        self._leaving: set[str] = set()
        self._silent = False
        self._thread = threading.Thread(target=self._run, name="replica", daemon=True)

    @property
    def members(self) -> int:
        """How many processes live, this one among them."""
        return max(len(self._alive | {self._owner}), 1)

    def trusted(self) -> bool:
        """Whether all others still believe that this process lives."""
        return self._clock() < self._alive_until

    def leads(self, system: str) -> bool:
        """Whether this process works on a system, and nobody else can have begun to."""
        return self._clock() < self._led_until.get(system, 0.0)

    def tenure(self, system: str) -> int:
        """A number that is another one each time a system changed hands."""
        return self._epochs.get(system, 0)

    def leader(self, system: str) -> str:
        """Who leads a system, as of the last beat; empty when nobody does."""
        return self._holders.get(lead_name(system), "")

    def lead(self, system: str) -> Lead:
        """What must still be so when something decided under it is written."""
        return Lead(lead_name(system), self._owner, self.tenure(system))

    def pass_over(self, system: str) -> None:
        """Hear that a pass over a system ended; to be called with its lock still held.

        Passes may follow one another so closely that the heartbeat never finds the lock free.
        """
        if system in self._leaving:
            self._led_until.pop(system, None)

    def start(self) -> None:
        """Say once that this process lives, then go on in the background. Raises what the database raises."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Let go of everything; others take over at once."""
        self._ended.set()
        self._thread.join(2 * BEAT)
        if self._thread.is_alive():  # it hangs in the database's silence; all runs out by itself
            return
        try:
            for system in sorted({*self._led_until, *self._leaving}):  # what a pass let go of is still ours there
                self._pulse.give(lead_name(system))
            self._pulse.leave()
        except Exception as error:  # noqa: BLE001  # a database that is away takes everything back by itself
            log.warning(PULSE_LOST, message=type(error).__name__)
        self._alive_until = 0.0
        self._led_until.clear()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                began = self._clock()
                self._beat()
                self._listen(began + BEAT)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next beat tries again
                self._fall_silent(error)
                self._ended.wait(BEAT / 2)

    def _beat(self) -> None:
        began = self._clock()
        keep, take = self._mine(), self._wanted()
        standing = self._pulse.beat(
            keep=[lead_name(each) for each in keep], take=[lead_name(each) for each in take], ttl=TTL
        )
        passing(Failpoint.HEARTBEAT)
        self._take_in(standing, began)
        self._share_out()
        if self._silent:
            self._silent = False
            log.info(PULSE_RETURNED)

    def _listen(self, upto: float) -> None:
        while not self._ended.is_set():
            left = upto - self._clock()
            if left <= 0:
                return
            for news in self._pulse.news(left):
                self._on_news(news)

    def _take_in(self, standing: Standing, began: float) -> None:
        trusted = began + TTL - MARGIN
        self._alive_until = trusted
        before = set(self._alive)
        self._alive, self._holders = standing.alive, standing.holders
        self._company.members = self.members
        if before != set(self._alive):
            log.info(REPLICAS_CHANGED, alive=len(self._alive))
        now = self._clock()
        for system in self._locks:
            name = lead_name(system)
            holder = standing.holders.get(name)
            if holder is None:
                self._free_since.setdefault(system, now)
            else:
                self._free_since.pop(system, None)
            if system in self._leaving and system not in self._led_until:
                continue  # let go of while this beat was on its way
            if name in standing.renewed:
                before_that = self._epochs.get(system)
                self._epochs[system] = standing.renewed[name]
                self._led_until[system] = trusted
                if before_that != standing.renewed[name]:
                    log.info(LEAD_TAKEN, system=system, epoch=standing.renewed[name])
                    self._on_lead(system)
            elif holder != self._owner and self._led_until.pop(system, None) is not None:
                log.warning(LEAD_LOST, system=system, to=holder or "nobody")

    def _mine(self) -> list[str]:
        """What it led at last, believed or not: nobody may have taken it yet."""
        return sorted(self._led_until)

    def _share(self) -> int:
        return math.ceil(len(self._locks) / self.members)

    def _wanted(self) -> list[str]:
        others = sorted(set(self._locks) - set(self._led_until))
        room = self._share() - len(self._led_until)
        if room > 0:
            # What nobody has first; the rest in case its holder's time runs out this very moment.
            return sorted(others, key=lambda each: bool(self.leader(each)))[:room]
        now = self._clock()
        over = [each for each in others if now - self._free_since.get(each, now) > FREE_FOR]
        self._stay_until |= dict.fromkeys(over, now + STAY)
        return over

    def _share_out(self) -> None:
        """Give one system up where this process leads more than its share, between two passes over it."""
        for system in sorted(self._leaving - set(self._led_until)):
            self._give(system)
        now = self._clock()
        if len(self._led_until) <= self._share():
            self._leaving.clear()
            return
        for system in self._mine():
            if now < self._stay_until.get(system, 0.0):
                continue
            if self._locks[system].acquire(blocking=False):
                try:
                    self._led_until.pop(system, None)
                    self._give(system)
                finally:
                    self._locks[system].release()
                return
            if not self._leaving:
                self._leaving.add(system)

    def _give(self, system: str) -> None:
        self._free_since.pop(system, None)
        self._pulse.give(lead_name(system))
        self._leaving.clear()
        log.info(LEAD_GIVEN, system=system, alive=self.members)

    def _fall_silent(self, error: Exception) -> None:
        if not self._silent:
            self._silent = True
            log.warning(PULSE_LOST, message=str(error).strip().splitlines()[0] if str(error) else type(error).__name__)


_SENDING: ContextVar[Replica | None] = ContextVar("sending", default=None)


@contextmanager
def sending(replica: Replica | None) -> Iterator[None]:
    """What this thread sends from here on is sent as this process, and only while all others believe that it lives."""
    before = _SENDING.set(replica)
    try:
        yield
    finally:
        _SENDING.reset(before)


def before_call() -> None:
    """To be called before every single call. Raises `CrmError` where what is to be sent may be another's by now."""
    replica = _SENDING.get()
    if replica is not None and not replica.trusted():
        raise CrmError(LEASE_LOST)
