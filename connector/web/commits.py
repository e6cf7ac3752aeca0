"""Many small writes as few large ones: whatever came in while one transaction ran goes into the next, together.

Not here: what is written. A disk that takes ten milliseconds to promise something takes no longer to promise a hundred
things, so nobody waits for more than two of its promises, however many come at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

MOST_TOGETHER = 2000
"""Letters in one transaction, as long as those of one delivery are no more: they are never split."""


class Commits:
    """Puts things in through ``post`` (which blocks), one call at a time. Used from one event loop."""

    def __init__(self, post: Callable[[Sequence[str]], None], executor: Executor) -> None:
        self._post = post
        self._executor = executor
        self._waiting: list[tuple[Sequence[str], asyncio.Future[None]]] = []
        self._busy: asyncio.Task[None] | None = None

    async def add(self, things: Sequence[str]) -> None:
        """Returns once these are in. Raises what ``post`` raised; then none of them is known to be in."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((things, future))
        if self._busy is None:
            self._busy = asyncio.create_task(self._run())
        await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._together(self._next())
        finally:
            self._busy = None

    def _next(self) -> list[tuple[Sequence[str], asyncio.Future[None]]]:
        """The first that wait, as many as go together. Those whose sender gave up are left out."""
        taken: list[tuple[Sequence[str], asyncio.Future[None]]] = []
        count = 0
        while self._waiting:
            things, future = self._waiting[0]
            if taken and count + len(things) > MOST_TOGETHER:
                break
            self._waiting.pop(0)
            if not future.done():
                taken.append((things, future))
                count += len(things)
        return taken

    async def _together(self, taken: list[tuple[Sequence[str], asyncio.Future[None]]]) -> None:
        everything = [thing for things, _ in taken for thing in things]
        if not everything:
            return
        error: Exception | None = None
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._post, everything)
        except Exception as raised:  # noqa: BLE001  # told to each of those who wait
            error = raised
        for _, future in taken:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
