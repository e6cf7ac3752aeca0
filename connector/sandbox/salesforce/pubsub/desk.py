"""What a test or a person may do to change events that no vendor offers: the control port's hand on them.

Not the vendor's API. Works in every sandbox; without the extra `pubsub` nobody is subscribed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import auth
from connector.sandbox.salesforce.pubsub import channels
from connector.sandbox.salesforce.pubsub.capture import capture
from connector.sandbox.salesforce.pubsub.events import GAP, UPDATE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.state import World


class Desk:
    """The change events of one org. Unknown entities raise KeyError."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._capture = capture(world)

    def select(self, channel: str = channels.STANDARD, entities: Iterable[str] = ()) -> None:
        """Make these the members of a channel. Raises SelectionError."""
        with self._world.lock:
            channels.select(self._world, channel, entities)

    def state(self) -> dict[str, Any]:
        """What is selected, kept, open and planted."""
        log, mishaps = self._capture.log, self._capture.mishaps
        return {
            "selected": self._world.settings.get(channels.SETTING) or {},
            "kept": log.last - log.first + 1,
            **self._capture.line.state(self._world.clock.now()),
            "lost": mishaps.lost,
            "gaps": mishaps.gaps,
        }

    def cut(self, code: str = "") -> None:
        """End every stream now: as a broken line, or with a code such as "service.unavailable"."""
        self._capture.line.planted.cut_code = code
        self._capture.line.planted.cuts += 1
        self._wake()

    def cut_every(self, seconds: float | None) -> None:
        """Break every stream once it is this old; None stops that."""
        self._capture.line.planted.cut_every_s = seconds
        self._wake()

    def silence(self) -> None:
        """Say nothing more on any stream, neither events nor keepalives, and leave it open."""
        self._capture.line.planted.silent = True

    def speak(self) -> None:
        """End the silence."""
        self._capture.line.planted.silent = False
        self._wake()

    def expire(self) -> None:
        """Make every replay id given out so far worthless, and drop the events kept."""
        self._capture.log.expire()

    def double(self, count: int = 1) -> None:
        """Deliver the next events twice."""
        self._capture.line.planted.doubled += count

    def reorder(self, count: int = 1) -> None:
        """Deliver the next batches backwards; a lone event waits a moment for a second one."""
        self._capture.line.planted.reordered += count

    def lose(self, count: int = 1) -> None:
        """Tell nobody of the next changes."""
        self._capture.mishaps.lost += count

    def gaps(self, count: int = 1) -> None:
        """Tell the next changes as gap events: ids without fields."""
        self._capture.mishaps.gaps += count

    def plant_gap(self, entity: str, ids: Iterable[str], change: str = UPDATE) -> None:
        """Log a gap event for these records."""
        with self._world.lock:
            self._capture.plant(entity, change if change.startswith(GAP) else GAP + change, ids)

    def plant_overflow(self, entity: str) -> None:
        """Log an overflow event."""
        with self._world.lock:
            self._capture.plant_overflow(entity)

    def plant_wildcard(self, entity: str, field: str = "") -> None:
        """Log an event for every record of an entity, as after a conversion of a field's type."""
        with self._world.lock:
            self._capture.plant_wildcard(entity, field)

    def revoke_tokens(self) -> None:
        """End every session of the org; streams that are open go on (facts: Salesforce §2.2)."""
        with self._world.lock:
            auth.end_sessions(self._world)

    def _wake(self) -> None:
        with self._capture.log.news:
            self._capture.log.news.notify_all()


ACTIONS = frozenset(
    {
        *("select", "cut", "cut_every", "silence", "speak", "expire", "double", "reorder", "lose", "gaps"),
        *("plant_gap", "plant_overflow", "plant_wildcard", "revoke_tokens"),
    }
)
"""What `POST /pubsub` may name in `do`; the rest of the body are the arguments."""
