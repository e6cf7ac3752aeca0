"""Point "replicas": a burst of wins on both CRMs by 1, 2 and 4 daemons on one PostgreSQL.

Not here: what becomes of it when one dies (``chaos/replicas.py``). The CRMs take their time for every call, as real
ones do: what replicas save is waiting for them side by side.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.report import Point, Table, Target, count
from chaos.team import Team, team
from chaos.weather_postgres import Server, running

MEMBERS = (1, 2, 4)
WINS, QUICK_WINS = 250, 60
"""On each of two CRMs."""

LATENCY_MS = 700
"""How long each CRM takes for any call, besides the work itself."""

TOO_MANY = 429
PATIENCE = 400.0
SPREAD_WITHIN = 60.0
SPEED_UP = 0.8
"""Two replicas need at most this part of the time that one needs."""

UNEVEN = 2.0
"""The busiest of several writes at most so many times what an even part would be."""

NOTE = f"""\
Each CRM takes {LATENCY_MS} ms for every call. All daemons, the database and both sandboxes share this machine's cores,
so more replicas gain only what they would have waited. A replica's part is the rows it had confirmed; the one that
leads a system also decides, and both CRMs are led by different replicas where there are several. Calls are all that
the sandboxes' journals hold from the first win on, polls included."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    members: int
    wins: int
    seconds: float
    calls: int
    refused: int
    shares: tuple[float, ...]
    lost: int
    doubled: int


def run(*, quick: bool) -> Point:
    """Measure the same burst by 1, 2 and 4 replicas."""
    began = time.monotonic()
    with running() as server, tempfile.TemporaryDirectory(prefix="handoff-bench-") as folder:
        found = [_measure(server, Path(folder), members, QUICK_WINS if quick else WINS) for members in MEMBERS]
    alone = found[0]
    two = next(each for each in found if each.members == 2)
    dearest = max(each.calls / alone.calls for each in found)
    busiest = max(max(each.shares) * each.members for each in found)
    targets = (
        Target("lost or doubled", sum(each.lost + each.doubled for each in found), 0),
        Target("time that 2 replicas need, as part of that of 1", two.seconds / alone.seconds, SPEED_UP),
        Target("calls, the dearest against those of 1", dearest, 1.5),
        Target("calls refused as too many, most", max(each.refused / each.calls for each in found) * 100, 5, "%"),
        Target("the busiest replica's part, against an even one", busiest, UNEVEN),
    )
    columns = ("Replicas", "Wins", "Seconds", "Wins a second", "Calls a win", "of them 429", "Parts", "Lost", "Doubled")
    return Point(
        name="replicas",
        title="12. A burst on both CRMs by 1, 2 and 4 replicas",
        targets=targets,
        tables=(Table("All wins at once", columns, tuple(map(_row, found))),),
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )


def _measure(server: Server, folder: Path, members: int, wins: int) -> Measured:
    with team(folder / f"of-{members}", server, sweep=60) as on:
        for desk in on.desks:
            desk.world.settings["latency_ms"] = LATENCY_MS
        waiting = {desk.name: [desk.deal() for _ in range(wins)] for desk in on.desks}
        for _ in range(members):
            on.join()
        on.ready()
        on.wait(lambda: on.said("sweep.done") >= len(on.desks), "the first sweeps", seconds=PATIENCE)
        on.wait(lambda: _spread(on, members), "systems to be spread", seconds=SPREAD_WITHIN)
        seqs = {desk.name: desk.seq() for desk in on.desks}
        began = time.monotonic()
        for desk in on.desks:
            on.deals[desk.name] = [desk.win(deal) for deal in waiting[desk.name]]
        on.wait(lambda: _settled(on, wins), "the burst to be over", seconds=PATIENCE)
        seconds = time.monotonic() - began
        on.wait(on.whole, "all handoffs", seconds=PATIENCE)
        calls = [call for desk in on.desks for call in desk.world.journal.calls(seqs[desk.name], system=desk.name)]
        lost, doubled = on.judged()
        on.stop()
        applied = [each.applied() for each in on.members]
        refused = sum(call.status == TOO_MANY for call in calls)
        shares = tuple(each / max(sum(applied), 1) for each in applied)
        return Measured(members, 2 * wins, seconds, len(calls), refused, shares, lost, doubled)


def _spread(on: Team, members: int) -> bool:
    return members == 1 or len(set(on.leaders().values())) == len(on.desks)


def _settled(on: Team, wins: int) -> bool:
    """By the ledger alone: to look at every record would take from the sandbox what is measured."""
    decided = on.ask("select count(*) from handoff where generation > 0")
    return bool(decided) and decided[0][0] >= wins * len(on.desks) and on.open_rows() == 0


def _row(found: Measured) -> tuple[str, ...]:
    return (
        str(found.members),
        count(found.wins),
        f"{found.seconds:.1f}",
        f"{found.wins / found.seconds:.1f}",
        f"{found.calls / found.wins:.2f}",
        count(found.refused),
        " / ".join(f"{each:.0%}" for each in found.shares),
        count(found.lost),
        count(found.doubled),
    )
