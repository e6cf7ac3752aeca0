"""Several replicas on one PostgreSQL: killed, stopped, cut off, replaced by another release; and what all count once.

Not here: how fast they are (``bench/replicas.py``). Takeover is told as the seconds from the break until somebody else
leads what the broken one led; recovery until every handoff is whole.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from daemons import until

from chaos.sections import Effort
from chaos.table import Row
from chaos.team import Member, Team, last_release, team
from chaos.weather_postgres import Server, installed, running

SECTION = "replicas"
BOTH = "salesforce and hubspot, polled"
TAKEOVER = 10.0
"""Seconds within which the work of one that died must go on elsewhere."""

IDLE = 6.0
"""Seconds for which calls over a quiet org are counted."""

SILENT = 9.0
"""Seconds for which one is stopped or cut off: longer than all others believe that it lives."""

BEFORE, AFTER = 6, 4
"""Wins on each CRM before and after the break."""

LANES = 2
"""Breakages at a time: much of each is waiting."""

Run = Callable[[Effort, Server, int], Row]

_AFTER_CALL = "after-call:1"


@dataclass(slots=True)
class Trial:
    """What one breakage came to."""

    what: str
    where: str = BOTH
    broken: int = 0
    lost: int = 0
    doubled: int = 0
    recovery: float = 0.0
    remarks: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def must(self, kept: object, words: str) -> None:
        """A promise: what ``kept`` says, or a complaint."""
        if not kept:
            self.complaints.append(words)

    def row(self) -> Row:
        """As a row."""
        note = "; ".join([*self.complaints, *self.remarks])
        recovery = (self.recovery,) if self.recovery else ()
        return Row(
            SECTION, self.what, self.where, tried=1, broken=self.broken, lost=self.lost, doubled=self.doubled,
            other=len(self.complaints), recovery=recovery, note=note,
        )  # fmt: skip


def run(effort: Effort) -> Iterator[Row]:
    """Every breakage once; in the short form one of them, by the seed."""
    if not installed():
        yield Row(SECTION, "all of it", note="PostgreSQL's own programs are not installed here")
        return
    chosen = list(TRIALS)
    if effort.short:
        quick = [each for each in chosen if each not in LONG]
        chosen = [quick[effort.seed % len(quick)]]
    with running() as server, ThreadPoolExecutor(min(effort.lanes, LANES)) as lanes:
        going = [lanes.submit(_told, trial, effort, server, number) for number, trial in enumerate(chosen)]
        for each in going:
            yield each.result()


def _told(trial: Run, effort: Effort, server: Server, number: int) -> Row:
    """One breakage; one that falls over is told as such, and the others go on."""
    name = trial.__name__.replace("_", " ")
    effort.say(f"{SECTION}: {name}")
    try:
        return trial(effort, server, number)
    except Exception as error:  # noqa: BLE001  # an assertion, a process that would not start: it proved nothing
        return Row(SECTION, name, BOTH, tried=1, other=1, note=f"{type(error).__name__}: {error}"[:300])


def _together(on: Team, count: int) -> None:
    for _ in range(count):
        on.join()
    on.ready()


def _end(on: Team, trial: Trial, *, broken_at: float) -> None:
    """Wait until all is whole, and judge."""
    try:
        on.wait_whole()
        trial.recovery = time.monotonic() - broken_at
    except AssertionError as error:
        trial.complaints.append(f"{str(error)[:120]}, {on.open_rows()} rows open")
    trial.complaints += on.stop()
    trial.lost, trial.doubled = on.judged()


def _taken_over(on: Team, trial: Trial, gone: Member, led: list[str], *, since: float) -> None:
    """Everything it led is led by somebody else, in time."""

    def elsewhere() -> bool:
        leaders = on.leaders()
        return all(f":{gone.pid}:" not in leaders.get(system, f":{gone.pid}:") for system in led)

    until(elsewhere, "somebody else to lead")
    took = time.monotonic() - since
    trial.remarks.append(f"taken over in {took:.1f} s")
    trial.must(took <= TAKEOVER, f"takeover took {took:.1f} s")


def _kill(effort: Effort, server: Server, number: int, *, members: int) -> Row:
    trial = Trial(f"kill -9 of a leader, {members} replicas")
    with team(effort.place(f"replicas-{number}"), server) as on:
        _together(on, members)
        on.win(BEFORE)
        until(lambda: on.open_rows() > 0 and on.ask("select 1 from outbox limit 1"), "work in hand")
        gone = next(each for each in on.members if on.leads(each))
        led = on.leads(gone)
        gone.kill()
        at = time.monotonic()
        trial.broken += 1
        on.win(AFTER)
        _taken_over(on, trial, gone, led, since=at)
        _end(on, trial, broken_at=at)
    return trial.row()


def kill_a_leader_of_two(effort: Effort, server: Server, number: int) -> Row:
    """Of two replicas, one that leads a system is killed while it works."""
    return _kill(effort, server, number, members=2)


def kill_a_leader_of_four(effort: Effort, server: Server, number: int) -> Row:
    """The same with four."""
    return _kill(effort, server, number, members=4)


def kill_alone_after_a_call(effort: Effort, server: Server, number: int) -> Row:
    """The only replica dies between a call and its booking, and is started again."""
    trial = Trial("kill -9 after a call, 1 replica, started again")
    with team(effort.place(f"replicas-{number}"), server) as on:
        first = on.join(failpoint=_AFTER_CALL)
        on.ready()
        on.win(BEFORE)
        first.die()
        at = time.monotonic()
        trial.broken += 1
        on.join()
        on.win(AFTER)
        _end(on, trial, broken_at=at)
    return trial.row()


def kill_after_a_call(effort: Effort, server: Server, number: int) -> Row:
    """One of two dies between a call and its booking: what it had in hand is looked up by the other."""
    trial = Trial("kill -9 after a call, 2 replicas")
    with team(effort.place(f"replicas-{number}"), server) as on:
        doomed = on.join(failpoint=_AFTER_CALL)
        on.join()
        on.ready()
        on.win(BEFORE)
        doomed.die()
        at = time.monotonic()
        trial.broken += 1
        on.win(AFTER)
        _taken_over(on, trial, doomed, list(on.deals), since=at)
        until(lambda: on.said("rows.rescued"), "its rows to be found", seconds=TAKEOVER + 5)
        trial.remarks.append(f"its rows found in {time.monotonic() - at:.1f} s")
        _end(on, trial, broken_at=at)
    return trial.row()


def stop_a_leader(effort: Effort, server: Server, number: int) -> Row:
    """A leader is stopped (SIGSTOP) in the middle of its work, is taken over from, and wakes up."""
    trial = Trial(f"SIGSTOP of a leader for {SILENT:.0f} s, then SIGCONT, 2 replicas")
    with team(effort.place(f"replicas-{number}"), server) as on:
        _together(on, 2)
        on.win(BEFORE)
        until(lambda: on.ask("select 1 from outbox limit 1"), "work in hand")
        gone = next(each for each in on.members if on.leads(each))
        led = on.leads(gone)
        os.kill(gone.pid, signal.SIGSTOP)
        at = time.monotonic()
        trial.broken += 1
        try:
            on.win(AFTER)
            _taken_over(on, trial, gone, led, since=at)
            until(lambda: time.monotonic() - at > SILENT, "the time", seconds=SILENT + 1)
        finally:
            os.kill(gone.pid, signal.SIGCONT)
        on.win(AFTER)
        _end(on, trial, broken_at=at)
    return trial.row()


def cut_a_leader_off(effort: Effort, server: Server, number: int) -> Row:
    """A leader's line to the database goes dead without a word, and comes back; the CRM it still reaches."""
    trial = Trial(f"a leader's line to the database dead for {SILENT:.0f} s, 2 replicas")
    with team(effort.place(f"replicas-{number}"), server) as on:
        _together(on, 2)
        on.win(BEFORE)
        until(lambda: on.ask("select 1 from outbox limit 1"), "work in hand")
        gone = next(each for each in on.members if on.leads(each))
        led = on.leads(gone)
        gone.line.freeze()
        at = time.monotonic()
        trial.broken += 1
        on.win(AFTER)
        _taken_over(on, trial, gone, led, since=at)
        until(lambda: time.monotonic() - at > SILENT, "the time", seconds=SILENT + 1)
        gone.line.thaw()
        on.win(AFTER)
        _end(on, trial, broken_at=at)
    return trial.row()


def a_new_release(effort: Effort, server: Server, number: int) -> Row:
    """The last release works, this one joins it on the migrated schema, the old goes, and what is left is run."""
    trial = Trial("rolling upgrade from the last release, its code run beside this one's")
    place = effort.place(f"replicas-{number}")
    old_code = last_release(place / "last")
    if old_code is None:
        return Row(SECTION, trial.what, BOTH, note="the history here does not go back to the last release")
    with team(place, server) as on:
        # A company's mappings are its own and older than either.
        shutil.rmtree(on.site.folder / "mappings")
        shutil.copytree(old_code / "mappings", on.site.folder / "mappings")
        old = on.join(code=old_code)
        on.ready()
        on.win(AFTER)
        on.wait_whole()
        done = on.migrate()
        trial.must(done.code == 0 and "left" in done.text, f"migrate: {done.text[:200]}")
        again = on.join(code=old_code)
        until(lambda: again.daemon.named("daemon.started"), "the last release to start on the new schema")
        new = on.join()
        until(lambda: new.daemon.named("daemon.started"), "this release to start beside it")
        on.win(BEFORE)
        trial.broken += 1
        refused = on.migrate("--after")
        trial.must(refused.code == 2, f"migrate --after beside the last release: {refused.code} {refused.text[:120]}")
        at = time.monotonic()
        old.daemon.stop()
        again.daemon.stop()
        on.win(AFTER)
        on.wait_whole()
        ended = on.migrate("--after")
        trial.must(ended.code == 0 and "left" not in ended.text, f"migrate --after: {ended.text[:200]}")
        on.win(AFTER)
        _end(on, trial, broken_at=at)
        late = on.migrate(code=old_code)
        trial.must(late.code == 2 and "newer version" in late.text, "the last release took a schema it does not know")
    return trial.row()


def idle_together(effort: Effort, server: Server, number: int) -> Row:
    """Four replicas over a quiet org poll and sweep as often as one does."""
    trial = Trial("4 replicas: polls and sweeps counted against those of 1")
    alone, together = (_idle(effort, server, f"replicas-{number}-{each}", each, trial) for each in (1, 4))
    trial.broken = 1
    trial.remarks.append(f"{alone[0]} calls in {IDLE:.0f} s by 1, {together[0]} by 4; sweeps {alone[1]}, {together[1]}")
    trial.must(together[0] <= alone[0] * 1.4 + 4, "more replicas poll more often")
    trial.must(together[1] <= alone[1] + 1, "more replicas sweep more often")
    return trial.row()


def _idle(effort: Effort, server: Server, place: str, members: int, trial: Trial) -> tuple[int, int]:
    """Calls and sweeps of so many replicas while nothing happens."""
    with team(effort.place(place), server) as on:
        _together(on, members)
        until(lambda: on.said("sweep.done") >= len(on.desks), "the first sweeps")
        until(lambda: members == 1 or len(set(on.leaders().values())) > 1, "systems to be spread")
        before, at = on.calls(), time.monotonic()
        until(lambda: time.monotonic() - at > IDLE, "the time", seconds=IDLE + 1)
        calls = sum((on.calls() - before).values())
        trial.complaints += on.stop()
        return calls, on.said("sweep.done")


TRIALS: tuple[Run, ...] = (
    a_new_release,
    kill_a_leader_of_two,
    kill_after_a_call,
    stop_a_leader,
    cut_a_leader_off,
    kill_alone_after_a_call,
    kill_a_leader_of_four,
    idle_together,
)

LONG = frozenset({a_new_release, idle_together})
"""Too long for the short form."""
