"""What a person may do about what waits or stands still, for the command line and the page alike.

Not here: asking them whether they are sure (``cli``, ``web``). Each act goes into the audit trail with who did it.
"""

from __future__ import annotations

import getpass
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.store import HoldState, Moving, State, Store
from connector.web.status import Watched


def who() -> str:
    """Who runs this command: the name the operating system knows them by."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return "somebody at the command line"


def pick_watched(watched: Sequence[Watched], name: str) -> tuple[Watched, ...]:
    """All systems, or the one with this name. Raises `UserError`."""
    chosen = tuple(each for each in watched if not name or each.name == name)
    if not chosen:
        known = ", ".join(each.name for each in watched)
        raise UserError([Problem("", "SYSTEM", f"no system is called {name!r}; config.toml has {known}")])
    return chosen


@dataclass(frozen=True, slots=True)
class Retried:
    """How many parked rows were put back; ``held`` of those wait until their deals are released. ``let_be`` are those
    that stay parked, because their deals are wins that were let be."""

    again: int
    held: int
    let_be: int


@dataclass(frozen=True, slots=True)
class Acts:
    """The acts, over one store."""

    store: Store

    def retry(self, rows: Sequence[int], *, by: str) -> Retried:
        """Send parked rows again, those of held deals once they are released."""
        again = self.store.retry(rows, by=by)
        held = self._of_deals(rows, State.PENDING, HoldState.HELD)
        return Retried(again, held=held, let_be=self._of_deals(rows, State.PARKED, HoldState.DROPPED))

    def drop(self, rows: Sequence[int], *, by: str, why: str) -> int:
        """Give parked rows up until something else is to be written in their place; returns how many."""
        return self.store.drop_parked(rows, by=by, why=why)

    def undo_drop(self, rows: Sequence[int], *, by: str) -> int:
        """Take a drop back: the deals are looked at, and what they still lack is sent. Returns how many rows."""
        return self.store.undo_drop(rows, by=by)

    def undone_of_held(self, rows: Sequence[int]) -> int:
        """How many of these rows, whose drop was taken back, are of deals that are held."""
        return self._of_deals(rows, State.SUPERSEDED, HoldState.HELD)

    def _of_deals(self, rows: Sequence[int], standing: State, state: HoldState) -> int:
        return Counter(self.store.holds_of_rows(rows, standing=standing).values())[state]

    def release(self, system: SystemName, deals: Sequence[str] | None = None, *, by: str) -> int:
        """Let held deals go, these or all of the system; returns how many."""
        return self.store.release_held(system, deals, by=by)

    def let_be(self, system: SystemName, deals: Sequence[str], *, by: str, why: str) -> int:
        """Begin no handoff for these held wins; returns how many."""
        return self.store.drop_held(system, deals, by=by, why=why)

    def take_up(self, system: SystemName, deals: Sequence[str], *, by: str) -> int:
        """Begin the handoffs of wins that were let be after all; returns how many."""
        return self.store.take_back_drop(system, deals, by=by)

    def replay(self, system: SystemName, deals: Sequence[str], *, by: str) -> int:
        """Have deals looked at at the next pass; returns how many."""
        return self.store.replay(system, deals, by=by)

    def move_playbooks(self, system: SystemName, moves: Sequence[Moving], *, by: str) -> int:
        """Let handoffs go on by another playbook; returns how many."""
        return self.store.move_playbooks(system, moves, by=by)

    def pause(
        self, system: SystemName, *, rule: str = "", until: datetime | None = None, by: str, why: str = ""
    ) -> None:
        """Let a system, or one rule of it, stand still."""
        self.store.pause_by_hand(system, rule=rule, until=until, by=by, why=why)

    def resume(self, system: SystemName, *, rule: str = "", by: str) -> bool:
        """End one pause; False when there was none."""
        return self.store.resume_by_hand(system, rule=rule, by=by)

    def resume_all(self, system: SystemName, *, by: str) -> int:
        """End every pause of a system, its rules' included; returns how many there were."""
        return sum(self.store.resume_by_hand(system, rule=each.rule, by=by) for each in self.store.pauses(system))
