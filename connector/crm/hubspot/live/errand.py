"""One call on a thread of its own, for a loop that must come by in short intervals whatever the call takes.

Not here: what is called. A call that nobody waits for any more ends by itself, at the latest with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Errand(Generic[T]):
    """A call under way. Begins at once."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._over = threading.Event()
        self._result: T | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="journal", daemon=True).start()

    def over(self, seconds: float) -> bool:
        """Whether it is done, within these seconds."""
        return self._over.wait(seconds)

    def result(self) -> T:
        """What it returned; raises what it raised. Only once it is over."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # set by the call that is over

    def _run(self) -> None:
        try:
            self._result = self._call()
        except Exception as error:  # noqa: BLE001  # raised again by whoever waits
            self._error = error
        finally:
            self._over.set()
