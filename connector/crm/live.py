"""Changes as a CRM pushes them: what a line tells, how it stands, and how it is listened to.

Not here: polling (``port``) and what is done about a hint (``engine.listener``).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Protocol

from connector.handoff.model import Ref


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record that changed, as a live feed told it. ``deal_ids`` are those the event itself names.

    Where it names none, the ledger may know the deals of ``ref``; ``ask`` says whether the CRM is worth asking too.
    ``minor``: no field changed that is mapped, so the look may wait for others.
    """

    ref: Ref
    modified_at: datetime
    deal_ids: tuple[str, ...] = ()
    by_self: bool = False
    ask: bool = False
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """How one live line stands. While it is ``live``, its ``feeds`` need be polled only for safety.

    ``why`` says what keeps it from being live, empty when nothing does.
    """

    name: str
    feeds: frozenset[str]
    live: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hints:
    """What a live feed had to say since it was last asked; all empty when that was nothing.

    ``cursor`` (opaque, for all lines together; empty: as before) may be stored once the sightings' deals are.
    ``lines`` are those whose standing changed. ``missed`` names feeds that must be polled now, because changes may have
    gone by unseen; ``sweep`` says why everything must be gone through, empty when it need not. ``heard`` names the
    feeds whose kind of record something was told of, be it of no consequence.
    """

    sightings: tuple[Sighting, ...] = ()
    cursor: str = ""
    lines: tuple[Line, ...] = ()
    missed: frozenset[str] = frozenset()
    sweep: str = ""
    heard: frozenset[str] = frozenset()


class Letter(Protocol):
    """One thing a CRM sent to us, as it came, and when it came."""

    @property
    def id(self) -> int:
        """What it is dropped by."""
        ...

    @property
    def body(self) -> str:
        """What was sent."""
        ...

    @property
    def at(self) -> datetime:
        """When it was put in."""
        ...


class Letterbox(Protocol):
    """What a CRM sent to us and nobody has read yet: durable, one per system. Thread-safe."""

    def post(self, letters: Sequence[str]) -> None:
        """Put letters in, all or none; they are kept once this returns. Raises `connector.errors.LetterboxFull`."""
        ...

    def take(self, limit: int) -> Sequence[Letter]:
        """The oldest letters. They stay until they are dropped."""
        ...

    def drop(self, upto: Sequence[int]) -> None:
        """These were read."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait for letters; returns early when this process put one in since the last `take`."""
        ...


class LiveFeed(Protocol):
    """Changes as the CRM pushes them. A hint only says where to look: lost or doubled ones cost time.

    Used by one thread, beside the one that uses the `CRM`.
    """

    def listen(self, cursor: str | None, stop: Event) -> Generator[Hints, None, None]:
        """Hints from after the cursor on, until ``stop`` is set or the generator is closed.

        Yields at least once a second, be it empty. What was yielded counts as taken once the next is asked for: no
        more is held than one request's worth. Lines that break are opened again from within; never raises `CrmError`.
        """
        ...

    def deals_of(self, refs: Sequence[Ref]) -> Mapping[Ref, tuple[str, ...]]:
        """The deals that records hang on, or that hang on accounts; one batched call. Raises `CrmError`."""
        ...

    def probe(self) -> tuple[Line, ...]:
        """What could be listened to, and why not the rest, without listening. Raises `CrmError`."""
        ...
