"""Measures how long the AE took to complete the answers, and writes it onto the deal.

Not here: which answers are asked for (``rules.gate``) and the other figures (``rules.metrics``). The clock starts when
the deal comes into a stage in which it says what is missing, or else with the win; it stops the first time nothing is
missing. Of a handoff that is known from the CRM alone nobody can say any more, so its figure stays as it is.
"""

from __future__ import annotations

from datetime import datetime

from connector.handoff.case import Case
from connector.handoff.conditions import filled
from connector.handoff.model import Value
from connector.handoff.ownership import change_deal
from connector.handoff.plan import Finding, Phase, Verdict
from connector.handoff.rules.metrics import HOUR, span

NAME = "answering"
METRIC = "metric_ae_hours"
ASKED, COMPLETE = "answers-asked", "answers-complete"
"""Marks in the ledger, by generation."""


def find(case: Case) -> Finding | None:
    """The moments to remember, and the figure once both are known; None where nothing is measured."""
    silent = case.excluded or case.recovered or case.phase in (Phase.BEFORE_START, Phase.LOST)
    if METRIC not in case.policy.fields or silent or not case.checks:
        return None
    asked, complete = _asked(case), _complete(case)
    if asked is None:
        return None
    marks = {_name(case, ASKED): asked} | ({_name(case, COMPLETE): complete} if complete else {})
    fresh = {name: at for name, at in marks.items() if case.ledger.marks.get(name) != at}
    if complete is None:
        verdict = Verdict.WAIT
        return Finding(NAME, verdict, f"The AE is asked since {_when(case, asked)}: {case.gap_count}.", marks=fresh)
    hours = span(asked, complete, unit=HOUR)
    reason = f"The AE took {hours} hours to complete the answers, from {_when(case, asked)} on."
    if not case.released or not _ours(case):
        return Finding(NAME, Verdict.IN_SYNC, reason, marks=fresh)
    wanted: dict[str, Value] = {METRIC: hours}
    change = change_deal(case, wanted, reason=reason)
    verdict = Verdict.ACT if change.patch else Verdict.IN_SYNC
    return Finding(NAME, verdict, reason + change.remark, actions=change.actions, marks=fresh)


def _asked(case: Case) -> datetime | None:
    """Since when the AE has been asked; None for a deal that nobody is asked about, or whose win is not known."""
    known = case.ledger.marks.get(_name(case, ASKED))
    if known is not None:
        return known
    if case.near_close:
        return min(case.snapshot.stage_since or case.now, case.now)
    begun = case.ledger.released_at is not None
    # A handoff that began before this was measured: when it was complete is not known.
    return case.won_at if case.snapshot.stage.is_won and not case.ledger.adopted and not begun else None


def _complete(case: Case) -> datetime | None:
    known = case.ledger.marks.get(_name(case, COMPLETE))
    return known or (None if case.gaps else case.now)


def _ours(case: Case) -> bool:
    """Whether the field is empty or says what we wrote: a figure from before the ledger was lost stays."""
    deal = case.snapshot.deal
    return not filled(deal.get(METRIC)) or METRIC in case.ledger.written.get(deal.ref, {})


def _name(case: Case, mark: str) -> str:
    """Of the win that is coming where the deal is open for the first time, else of the present one."""
    return f"{mark}-{case.generation + 1 if case.phase is Phase.OPEN else case.generation}"


def _when(case: Case, moment: datetime) -> str:
    return f"{case.day(moment)}, {case.clock(moment)}"
