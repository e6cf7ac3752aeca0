"""The hostile world: stories that nobody wrote, of people, a vendor, clocks and processes, each judged at its end.

Not here: any named fault with a fixed outcome (``kills``, ``weather``). Hypothesis makes the stories up from a seed, so
a run can be repeated; one that breaks a promise is made shorter and printed as a script.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack

from chaos import guard
from chaos.machine.play import Asked, Came
from chaos.machine.worlds import batch
from chaos.sections import Effort
from chaos.table import Row

SECTION = "machine"
STEPS = (40, 20)
"""Steps of a story at most, of a whole run and of a short one."""

EXAMPLES: Mapping[tuple[str, str], tuple[int, int]] = {
    ("salesforce", "postgresql"): (8, 2),
    ("hubspot", "postgresql"): (8, 2),
    ("salesforce", "sqlite"): (16, 3),
    ("hubspot", "sqlite"): (16, 3),
    ("memory", "postgresql"): (40, 3),
    ("memory with history", "postgresql"): (40, 3),
    ("memory", "sqlite"): (300, 12),
    ("memory with history", "sqlite"): (300, 12),
}
"""Stories in each world and store, of a whole run and of a short one, the dearest first. Two replicas on PostgreSQL
make twice the passes, and a transaction there is a round of messages."""

SECONDS = (230.0, 36.0)
"""Wall time of a whole run and of a short one on two quiet cores; a slower machine tells fewer stories, and says so."""


def run(effort: Effort) -> Iterator[Row]:
    """A row for each world and store, as they are done."""
    import postgres_server

    with ExitStack() as stack:
        server = postgres_server._start()
        stack.callback(server.stop)
        pool = stack.enter_context(
            ProcessPoolExecutor(
                max_workers=max(1, effort.lanes),
                mp_context=multiprocessing.get_context("spawn"),
                initializer=guard.lane,
            )
        )
        waiting: dict[Future[Came], Asked] = {}
        for asked in _batches(effort):
            url = stack.enter_context(server.database()) if asked.store == "postgresql" else ""
            waiting[pool.submit(batch, asked, url)] = asked
        for future in as_completed(waiting):
            came = future.result()
            _tell(effort, came)
            yield _row(came)


def _batches(effort: Effort) -> Iterator[Asked]:
    folder = effort.place(SECTION)
    share = SECONDS[effort.short] * max(1, effort.lanes) / len(EXAMPLES)
    for number, ((world, store), examples) in enumerate(EXAMPLES.items()):
        yield Asked(
            world, store, examples[effort.short], STEPS[effort.short], effort.seed * 100 + number, folder, share
        )


def _tell(effort: Effort, came: Came) -> None:
    where = f"{came.asked.world}, {came.asked.store}"
    effort.say(
        f"machine: {where}: {came.examples} of {came.asked.examples} stories, {came.steps} steps, "
        f"{came.passes} passes, {came.seconds:.0f} s"
    )
    if came.script:
        effort.say(came.script)


def _row(came: Came) -> Row:
    grouped = _grouped(came.struck)
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(grouped.items()))
    told = [came.wrong] if came.wrong else []
    told += [f"{came.steps:,} steps", f"at rest within {came.most_passes} passes", f"struck: {kinds or 'nothing'}"]
    told += [f"cut short by the clock, {came.asked.examples} were asked for"] if came.cut_short else []
    told += [f"ended by itself, {came.asked.examples} were asked for"] if came.fell_short else []
    return Row(
        SECTION,
        "stories made up by Hypothesis",
        f"{came.asked.world}, {came.asked.store}",
        tried=came.examples,
        broken=came.struck.total(),
        lost=came.lost,
        doubled=came.doubled,
        other=came.other or int(came.fell_short or not came.examples),
        note="; ".join(told),
        faults=dict(grouped),
    )


def _grouped(struck: Counter[str]) -> Counter[str]:
    """Deaths by where they fell are one kind."""
    grouped: Counter[str] = Counter()
    for kind, count in struck.items():
        grouped["death" if kind.startswith("death ") else kind] += count
    return grouped
