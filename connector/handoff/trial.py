"""What one decision says for the comparison of the pilot with the rest: what would be done, and what people did.

Not here: keeping it over time (``store.trials``) and judging both groups (``handoff.rollout``). It is taken of every
win while the daemon observes or pilots, and of none while it acts on all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from connector.handoff.acting import Footing, Reach, Standing
from connector.handoff.case import Case
from connector.handoff.model import Gate, Kind, Person
from connector.handoff.plan import KEPT, Action, Notify, Patch, Phase, SendMail, Upsert

RATING = "handoff_rating"
FEEDBACK = "handoff_feedback"
"""Canonical names of the CSM's marks (1 to 5) and of what AE and CSM write about the pilot, where they are mapped."""
WORST, BEST = 1, 5

_COMPARED = frozenset({Phase.WON, Phase.HELD, Phase.IN_FLIGHT, Phase.REOPENED})


@dataclass(frozen=True, slots=True)
class Trial:
    """One win as it stands now. People are named by their mail; ``csm`` is who stands on the account or the deal, or is
    written there now; ``would`` whom the rules choose, empty while nobody is; ``tasks`` and ``messages`` are those that
    this decision makes.
    """

    acted: bool
    won_at: datetime | None
    ae: str
    asked: int
    gaps: tuple[str, ...]
    held: bool
    percent: int
    csm: str
    would: str
    rule: str
    tasks: int
    messages: int
    touched_at: datetime | None
    rating: int | None
    feedback: str


def trial_of(case: Case, standing: Standing, actions: tuple[Action, ...]) -> Trial | None:
    """The comparison's view of a win; None where there is nothing to compare."""
    if case.snapshot.acting.reach is Reach.ACT or standing.footing is Footing.OLD:
        return None
    if case.outcome not in _COMPARED or case.excluded or case.generation == 0:
        return None
    there, chosen = _there(case), case.assignment
    # Who stands there already is nobody's choice to compare.
    would = chosen.email if chosen is not None and chosen.rule != KEPT else ""
    # Whom this decision writes down stands there from now on: the next look may be days away.
    written = (
        would if standing.acted and any(isinstance(each, Patch) and "csm" in each.values for each in actions) else ""
    )
    return Trial(
        acted=standing.acted,
        won_at=case.won_at,
        ae=case.ae.email if case.ae else "",
        asked=len(case.checks),
        gaps=tuple(gap.label for gap in case.gaps),
        held=case.gate is Gate.HELD,
        percent=case.percent,
        csm=there.email if there else written,
        would=would,
        rule=chosen.rule if chosen is not None and would else "",
        tasks=sum(isinstance(each, Upsert) and each.kind is Kind.TASK for each in actions),
        messages=sum(isinstance(each, Notify | SendMail) for each in actions),
        touched_at=_touched(case, there),
        rating=_rating(case),
        feedback=case.snapshot.deal.text(FEEDBACK),
    )


def _there(case: Case) -> Person | None:
    """The CSM as the CRM has it: on the deal, or else on its account."""
    account = case.snapshot.account
    return case.snapshot.person(case.snapshot.deal.get("csm")) or (
        case.snapshot.person(account.get("csm")) if account else None
    )


def _touched(case: Case, csm: Person | None) -> datetime | None:
    """The CSM's first call, mail or meeting with the customer since the win."""
    if csm is None or case.won_at is None:
        return None
    times = (each.at for each in case.snapshot.touches if each.by == csm.id and case.won_at <= each.at <= case.now)
    return min(times, default=None)


def _rating(case: Case) -> int | None:
    value = case.snapshot.deal.get(RATING)
    if isinstance(value, str) and value.strip().isdecimal():
        value = Decimal(value.strip())
    is_one = isinstance(value, Decimal) and value.is_finite() and WORST <= value <= BEST
    return int(value) if isinstance(value, Decimal) and is_one else None
