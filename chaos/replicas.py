"""Several replicas on one PostgreSQL: killed, stopped, cut off, replaced by another release; and what all count once.

Not here: how fast they are (``bench/replicas.py``). Takeover is told as the seconds from the break until somebody else
leads what the broken one led; recovery until every handoff is whole.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from daemons import until

from chaos.rates import kept
from chaos.sections import Effort
from chaos.table import Row
from chaos.team import Member, Team, team
from chaos.trial import BOTH, SECTION, Run, Trial
from chaos.upgrades import a_new_release, killed_migrating_a_file, killed_migrating_a_server, the_way_back
from chaos.weather_postgres import Server, installed, running
from connector.sandbox.hubspot import ratelimit

TAKEOVER = 10.0
"""Seconds within which the work of one that died must go on elsewhere."""

IDLE = 6.0
"""Seconds for which calls over a quiet org are counted."""

SILENT = 9.0
"""Seconds for which one is stopped or cut off: longer than all others believe that it lives."""

BEFORE, AFTER = 6, 4
"""Wins on each CRM before and after the break."""

LOW_RATE, BURST = 40, 16
"""Calls that a portal takes in ten seconds, and wins that ask for more of them than that."""

LANES = 2
"""Breakages at a time: much of each is waiting."""

_AFTER_CALL = "after-call:1"


def run(effort: Effort) -> Iterator[Row]:
    """Every breakage once; in the short form one of them, by the seed."""
    if not installed():
        yield Row(SECTION, "all of it", note="PostgreSQL's own programs are not installed here")
        return
    chosen = list(TRIALS)
    if effort.short:
        quick = [each for each in chosen if each not in LONG]
        chosen = [quick[effort.seed % len(quick)]]
    with running(effort.place(SECTION)) as server, ThreadPoolExecutor(min(effort.lanes, LANES)) as lanes:
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
        trial.end(on, broken_at=at)
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
        trial.end(on, broken_at=at)
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
        trial.end(on, broken_at=at)
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
        trial.end(on, broken_at=at)
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
        trial.end(on, broken_at=at)
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


def work_at_a_low_rate(effort: Effort, server: Server, number: int) -> Row:
    """Four replicas work off a burst of wins on a portal that takes far less than they could send."""
    trial = Trial(f"4 replicas on a portal that takes {LOW_RATE} calls in 10 s", where="hubspot, polled")
    with team(effort.place(f"replicas-{number}"), server, systems=("hs",)) as on:
        (desk,) = on.desks
        desk.world.setting(ratelimit.BURST_LIMIT, LOW_RATE)
        _together(on, 4)
        at = time.monotonic()
        on.win(BURST)
        trial.broken = 1
        trial.end(on, broken_at=at)
        near = kept(desk).rates[0].most
        trial.must(near >= LOW_RATE / 2, f"at most {near} calls in 10 s: the rate was not put to the test")
    return trial.row()


def _idle(effort: Effort, server: Server, place: str, members: int, trial: Trial) -> tuple[int, int]:
    """Calls and sweeps of so many replicas while nothing happens."""
    with team(effort.place(place), server) as on:
        _together(on, members)
        until(lambda: on.said("sweep.done") >= len(on.desks), "the first sweeps")
        until(lambda: members == 1 or len(set(on.leaders().values())) > 1, "systems to be spread")
        calls = min(_calls_within(on, IDLE) for _ in range(2))  # in one of them a new leader may still connect
        trial.complaints += on.stop()
        trial.told_rates(on)
        return calls, on.said("sweep.done")


def _calls_within(on: Team, seconds: float) -> int:
    before, at = on.calls(), time.monotonic()
    until(lambda: time.monotonic() - at > seconds, "the time", seconds=seconds + 1)
    return sum((on.calls() - before).values())


TRIALS: tuple[Run, ...] = (
    a_new_release,
    the_way_back,
    killed_migrating_a_server,
    killed_migrating_a_file,
    kill_a_leader_of_two,
    kill_after_a_call,
    stop_a_leader,
    cut_a_leader_off,
    kill_alone_after_a_call,
    kill_a_leader_of_four,
    idle_together,
    work_at_a_low_rate,
)

LONG = frozenset(
    {work_at_a_low_rate, a_new_release, the_way_back, killed_migrating_a_server, killed_migrating_a_file, idle_together}
)
"""Too long for the short form."""
