"""The daemon itself is in trouble: too little memory, a signal in the middle of a batch.

Not here: kills at named points (``kills``), the store (``weather_store``) and clocks (``weather_time``).
"""

from __future__ import annotations

import resource
import time

from daemons import until

from chaos.sections import Effort
from chaos.table import Row
from chaos.weather_ground import feed_words, memory_of, pitch
from chaos.weather_store import BOTH, TRYING, after

SPARE = 256 << 10
"""Bytes that the daemon may still take when it is limited."""
MUCH = 60
"""Wins of a burst that cannot be worked off in that."""
LONG_ANSWER = "What they said, word for word. " * 900
"""27,900 characters: a long text area holds 32,768 (facts: Salesforce §4.1)."""


def out_of_memory(effort: Effort) -> Row:
    """Allocations fail while a burst is worked off; the daemon survives or ends, and the next one goes on."""
    with pitch(effort, "memory") as on:
        on.win(2)
        daemon = on.start()
        until(on.whole, "the first handoffs")
        pid = daemon.process.pid
        # Not RLIMIT_AS: of the address space each thread's heap has 64 MB set aside, which would count as taken.
        before = resource.prlimit(pid, resource.RLIMIT_DATA)
        size = memory_of(pid)["VmData"] + SPARE
        resource.prlimit(pid, resource.RLIMIT_DATA, (size, before[1]))
        with on.calm(daemon):
            on.win(MUCH, amount=90_000, **dict.fromkeys(("why_bought", "use_case", "success_criteria"), LONG_ANSWER))
            until(lambda: daemon.named("memory.exhausted") or daemon.process.poll() is not None, "memory to run out")
            until(after(TRYING), "some tries")
        on.broken += bool(daemon.named("memory.exhausted") or daemon.process.poll() is not None)
        ended = daemon.process.poll()
        if ended is None:
            on.remarks.append("it survived")
            resource.prlimit(pid, resource.RLIMIT_DATA, before)
        else:
            on.remarks.append(f"it ended with {ended} and was started again")
            daemon = on.start()
        lifted = time.monotonic()
        on.recover(lifted)
        on.wait_green()
        on.end(daemon)
        return on.row("out of memory (RLIMIT_DATA)", f"{feed_words(BOTH)}, SQLite")


def terminated(effort: Effort) -> Row:
    """SIGTERM while batches are on their way, three times over, each time at another moment."""
    with pitch(effort, "sigterm") as on:
        on.win(8)
        for desk in on.desks:
            desk.world.setting("latency_ms", 80)
        for turn in range(3):
            seen = [desk.seq() for desk in on.desks]
            daemon = on.start()
            until(
                lambda seen=seen, turn=turn: any(  # type: ignore[misc]
                    desk.writes(since) > turn for desk, since in zip(on.desks, seen, strict=True)
                ),
                "a write under way",
            )
            on.end(daemon)
            on.broken += on.open_rows() > 0
            rows = on.rows()
            on.must(not rows["sending"] and not rows["unknown"], f"left {dict(rows)} behind")
            on.win(4)
        for desk in on.desks:
            desk.world.setting("latency_ms", 0)
        daemon = on.start()
        on.recover(time.monotonic())
        on.must(not daemon.named("rows.rescued"), "there was something to rescue after an orderly end")
        on.end(daemon)
        return on.row("SIGTERM in mid-batch, three times", f"{feed_words(BOTH)}, SQLite")
