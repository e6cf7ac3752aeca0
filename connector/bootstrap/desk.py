"""What people who are signed in do from the page, done: the page's ``Desk`` over the store.

Not here: who may (``web.signin``) and the buttons (``web``). The same acts as the commands', with the same words in the
audit trail.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.bootstrap.acts import Acts
from connector.engine.brake_words import SORT_WORDS, example_of
from connector.engine.parts import Shared
from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.store import HeldDeal
from connector.web.desk import Stop
from connector.web.status import age

EXAMPLES = 5


class PageDesk:
    """Acts on the store of a running daemon."""

    def __init__(self, shared: Shared, systems: Sequence[SystemName]) -> None:
        self._shared = shared
        self._systems = tuple(systems)
        self._acts = Acts(shared.store)

    def stops(self) -> Sequence[Stop]:
        """All that stands still."""
        return [stop for name in self._systems for stop in (*self._held(name), *self._paused(name))]

    def retry(self, row: int, *, by: str) -> str:
        """Send a parked row again."""
        retried = self._acts.retry([row], by=by)
        if retried.let_be:
            raise _no(
                f"row {row} is of a win that was let be; to have its handoff after all: handoff drop --undo --deal"
            )
        if not retried.again:
            raise _no(f"row {row} is not parked any more")
        if retried.held:
            return f"Row {row} goes when its deal is released, which is held because too much changed at once."
        return f"Row {row} will be sent again at the next pass."

    def drop(self, row: int, *, by: str, why: str) -> str:
        """Give a parked row up, until something else is to be written in its place."""
        if not self._acts.drop([row], by=by, why=why):
            raise _no(f"row {row} is not parked any more")
        return f"Row {row} is dropped."

    def release(self, system: str, *, by: str) -> str:
        """Let go all deals of a system that are held because too much changed at once."""
        count = self._acts.release(self._known(system), by=by)
        return f"{count} deals go with the next pass."

    def pause(self, system: str, *, by: str, why: str) -> str:
        """Let a system stand still, until it is resumed."""
        self._acts.pause(self._known(system), by=by, why=why)
        return f"{system} stands still until somebody resumes it."

    def resume(self, system: str, *, by: str) -> str:
        """Let it go on, with every rule that was paused."""
        ended = self._acts.resume_all(self._known(system), by=by)
        return f"{system} goes on." if ended else f"{system} was not paused."

    def _known(self, system: str) -> SystemName:
        if system not in self._systems:
            raise _no(f"no system is called {system!r}")
        return SystemName(system)

    def _held(self, name: SystemName) -> Sequence[Stop]:
        counts = self._shared.store.held_counts(name)
        if not counts:
            return ()
        held = self._shared.store.held(name, limit=EXAMPLES)
        said = ", ".join(f"{count} {SORT_WORDS.get(sort, sort)}" for sort, count in sorted(counts.items()))
        return (
            Stop(
                system=name,
                what=f"{sum(counts.values())} deals are held: {said}",
                why=held[0].why,
                since=self._age(held[0]),
                act="release",
                examples=tuple(example_of(each) for each in held),
            ),
        )

    def _paused(self, name: SystemName) -> Sequence[Stop]:
        now = self._shared.clock.now()
        return [
            Stop(
                system=name,
                what=f"the rule {each.rule} is paused" if each.rule else "the system is paused",
                why=f"{each.by}: {each.why}" if each.why else each.by,
                since=age(now - each.at),
                act="resume",
            )
            for each in self._shared.store.pauses(name)
        ]

    def _age(self, held: HeldDeal) -> str:
        return age(self._shared.clock.now() - held.at)


def _no(message: str) -> UserError:
    return UserError([Problem("", "", message)])
