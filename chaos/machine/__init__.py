"""The hostile world: stories that nobody wrote, of people, a vendor, clocks and processes, each judged at its end.

Not here: any named fault with a fixed outcome (``kills``, ``weather``). Hypothesis makes the stories up from a seed, so
a run can be repeated; one that breaks a promise is made shorter and printed as a script.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack

from chaos.machine.play import Asked, Came
from chaos.machine.worlds import WORLDS, batch
from chaos.sections import Effort
from chaos.table import Row

SECTION = "machine"
STORES = ("sqlite", "postgresql")
STEPS = 40
EXAMPLES = {"memory": (200, 12), "memory with history": (200, 12), "salesforce": (14, 3), "hubspot": (14, 3)}
"""Stories in each world and store, of a whole run and of a short one."""

BATCHES = {"memory": 2, "memory with history": 2}
"""In how many batches a whole run cuts them, each with a seed of its own, so that the lanes have even work."""

SECONDS = (230.0, 22.0)
"""Wall time of a whole run and of a short one on two quiet cores; a slower machine tells fewer stories, and says so."""


def run(effort: Effort) -> Iterator[Row]:
    """A row for each world and store, as they are done."""
    import postgres_server

    with ExitStack() as stack:
        server = postgres_server._start()
        stack.callback(server.stop)
        pool = stack.enter_context(
            ProcessPoolExecutor(max_workers=max(1, effort.lanes), mp_context=multiprocessing.get_context("spawn"))
        )
        waiting: dict[Future[Came], Asked] = {}
        for asked in _batches(effort):
            url = stack.enter_context(server.database()) if asked.store == "postgresql" else ""
            waiting[pool.submit(batch, asked, url)] = asked
        open_batches = Counter((asked.world, asked.store) for asked in waiting.values())
        done: dict[tuple[str, str], list[Came]] = {}
        for future in as_completed(waiting):
            came = future.result()
            place = (came.asked.world, came.asked.store)
            done.setdefault(place, []).append(came)
            _tell(effort, came)
            if len(done[place]) == open_batches[place]:
                yield _row(done[place])


def _batches(effort: Effort) -> Iterator[Asked]:
    folder = effort.place(SECTION)
    cuts = {world: 1 if effort.short else BATCHES.get(world, 1) for world in WORLDS}
    share = SECONDS[effort.short] * max(1, effort.lanes) / (len(STORES) * sum(cuts.values()))
    for world in sorted(WORLDS, key=lambda each: -EXAMPLES[each][1]):
        whole, short = EXAMPLES[world]
        for store in STORES:
            for number in range(cuts[world]):
                examples = (short if effort.short else whole) // cuts[world]
                yield Asked(world, store, examples, STEPS, effort.seed * 100 + number, folder, share)


def _tell(effort: Effort, came: Came) -> None:
    where = f"{came.asked.world}, {came.asked.store}"
    effort.say(
        f"machine: {where}: {came.examples} stories, {came.steps} steps, {came.passes} passes, {came.seconds:.0f} s"
    )
    if came.script:
        effort.say(came.script)


def _row(found: list[Came]) -> Row:
    struck = sum((each.struck for each in found), Counter[str]())
    steps, longest = sum(each.steps for each in found), max(each.most_passes for each in found)
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(_grouped(struck).items()))
    broken = next((each.script.partition("# Broken:\n#")[2].partition("\n")[0] for each in found if each.script), "")
    told = [f"{steps:,} steps", f"at rest within {longest} passes", f"struck: {kinds or 'nothing'}"]
    told += ["cut short by the clock"] if any(each.cut_short for each in found) else []
    return Row(
        SECTION,
        "stories made up by Hypothesis",
        f"{found[0].asked.world}, {found[0].asked.store}",
        tried=sum(each.examples for each in found),
        broken=struck.total(),
        lost=sum(each.lost for each in found),
        doubled=sum(each.doubled for each in found),
        other=sum(each.other for each in found),
        note="; ".join([broken.strip(), *told] if broken else told),
    )


def _grouped(struck: Counter[str]) -> Counter[str]:
    """Deaths by where they fell are one kind."""
    grouped: Counter[str] = Counter()
    for kind, count in struck.items():
        grouped["death" if kind.startswith("death ") else kind] += count
    return grouped
