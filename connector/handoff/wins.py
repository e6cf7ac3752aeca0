"""A deal's wins one after the other: which the ledger knows, which came and went unseen, which undid a put-back.

Not here: what is done about a win (``rules.gate``) and the phase a deal is in (``lifecycle``). The same history taken
in twice changes nothing the second time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.handoff.model import LedgerFacts, Snapshot
from connector.handoff.moves import NOBODY_KNOWN, SAME_MOMENT, Bounce, Mover, MoverKind, Passing
from connector.handoff.plan import Noticed
from connector.handoff.rulebook.policy import Policy

QUICK = timedelta(minutes=10)
"""Where the CRM does not say who moved a deal: a return so soon after it was put back is taken for a machine's. A
person reads what is missing first; a workflow answers within seconds."""

FOREVER = timedelta.max


@dataclass(frozen=True, slots=True)
class Win:
    """One entry into a won stage; ``at`` is None where the CRM does not tell when."""

    at: datetime | None
    by: Mover = NOBODY_KNOWN
    came_from: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """The ledger with what the history adds to it, and what is news in that."""

    ledger: LedgerFacts
    noticed: frozenset[Noticed] = frozenset()


@dataclass(frozen=True, slots=True)
class Pace:
    """The spans that decide what belongs together: up to when a win goes on with its handoff, how long a bounce
    counts, what the time is."""

    rewin: timedelta
    bounce: timedelta
    now: datetime


def pace(policy: Policy, now: datetime, *, rebuilt: bool) -> Pace:
    """The spans of a policy. Of a ledger that was rebuilt the keys in the CRM tell the generation, not the times."""
    return Pace(rewin=FOREVER if rebuilt else policy.rewin_window, bounce=policy.gate.fight_window, now=now)


def take_in(ledger: LedgerFacts, snapshot: Snapshot, *, pace: Pace, rebuilt: bool) -> Past:
    """The ledger after every win that was left again, known or not; the one a deal stands in is left to `begin_win`."""
    ledger = _with_known_end(ledger, snapshot)
    unseen = tuple(_unseen(ledger, snapshot.passed, rebuilt=rebuilt))
    for passing in unseen:
        win = Win(passing.entered_at, passing.entered_by, passing.came_from)
        ledger = dataclasses.replace(
            begin_win(ledger, win, pace=pace),
            left_won_at=passing.left_at,
            put_back_at=passing.left_at if passing.left_by.kind is MoverKind.SELF else None,
        )
    return Past(ledger, frozenset({Noticed.PASSED_WIN}) if unseen and not rebuilt else frozenset())


def begin_win(ledger: LedgerFacts, win: Win, *, pace: Pace) -> LedgerFacts:
    """The ledger as this win finds it: begun at the first, kept when won again soon, begun anew when won again late."""
    left = ledger.left_won_at
    if left is not None and (win.at or pace.now) - left > pace.rewin:
        return LedgerFacts(
            baseline=ledger.baseline,
            generation=ledger.generation + 1,
            won_at=win.at,
            stage_before_win=win.came_from,
            adopted=ledger.adopted,
            written=ledger.written,
            kept=ledger.kept,
            last_win_at=win.at,
        )
    # Until the handoff is released the latest win counts; afterwards the one that released it.
    latest = ledger.won_at if ledger.released_at else win.at or ledger.won_at
    kept = dataclasses.replace(
        ledger, generation=max(ledger.generation, 1), won_at=latest, last_win_at=win.at or ledger.last_win_at
    )
    if not is_news(ledger, win):
        return kept
    return dataclasses.replace(kept, put_back_at=None, put_back_refused=None, bounces=_bounces(ledger, win, pace=pace))


def is_news(ledger: LedgerFacts, win: Win) -> bool:
    """Whether this is another win than the last the ledger knows."""
    if ledger.left_won_at is not None:
        return True
    known = ledger.last_win_at or ledger.won_at
    return known is not None and win.at is not None and win.at > known + SAME_MOMENT


def _with_known_end(ledger: LedgerFacts, snapshot: Snapshot) -> LedgerFacts:
    """The last win the ledger knows, with the end that the history gives it; until then a look had to do."""
    known = ledger.last_win_at or ledger.won_at
    ended = [each for each in snapshot.passed if known is not None and abs(each.entered_at - known) <= SAME_MOMENT]
    if known is None or not ended or _stands_in(snapshot, known, nearer_than=ended):
        return ledger
    # A history without its end gives the deal's last change, which grows: the first end that was known counts.
    left_at = min(ended[-1].left_at, ledger.left_won_at or ended[-1].left_at)
    # A person was faster than the put-back that was decided.
    by_person = ended[-1].left_by.kind is MoverKind.PERSON
    return dataclasses.replace(ledger, left_won_at=left_at, put_back_at=None if by_person else ledger.put_back_at)


def _stands_in(snapshot: Snapshot, known: datetime, *, nearer_than: Sequence[Passing]) -> bool:
    """Whether the win that is known is the one the deal stands in, and not one of these just before it: a workflow may
    win a deal back within a second of a put-back that was as quick."""
    if not snapshot.stage.is_won or snapshot.won_at is None:
        return False
    return abs(snapshot.won_at - known) < min(abs(each.entered_at - known) for each in nearer_than)


def _unseen(ledger: LedgerFacts, passed: tuple[Passing, ...], *, rebuilt: bool) -> Iterator[Passing]:
    """Wins that are over and that the ledger does not know, oldest first; those before the start are nobody's."""
    known = None if rebuilt else ledger.last_win_at or ledger.won_at
    begun = rebuilt or ledger.adopted or ledger.generation > 0
    for each in sorted(passed, key=lambda one: one.entered_at):
        is_later = known is None or each.entered_at > known + SAME_MOMENT
        if is_later and (begun or each.entered_at >= ledger.baseline):
            yield each


def _bounces(ledger: LedgerFacts, win: Win, *, pace: Pace) -> tuple[Bounce, ...]:
    """The bounces that still count, this win among them when it undid a put-back."""
    at = win.at or pace.now
    counting = tuple(each for each in ledger.bounces if at - each.at <= pace.bounce)
    if ledger.put_back_at is None or ledger.released_at is not None:
        return counting
    since = ledger.left_won_at or ledger.put_back_at
    return (*counting, Bounce(at, win.by)) if _by_machine(win.by, at - since) else counting


def _by_machine(mover: Mover, after: timedelta) -> bool:
    if mover.kind is MoverKind.UNKNOWN:
        return after <= QUICK
    return mover.kind is not MoverKind.PERSON
