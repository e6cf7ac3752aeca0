"""Whether a handoff is complete, as commission asks: nothing required is missing, it has a CSM, who read the summary.

Not here: the figures of what was filled with the win (``metrics``). What was complete stays so when a field is emptied
later, and keeps its time; a rejection that waits for its answer takes the flag off, and so does a deal that is not won
any more. A box that somebody ticked by hand proves nothing. It rests where no field is mapped for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from connector.handoff.acceptance import answers, reviewed
from connector.handoff.case import Case, listed
from connector.handoff.model import Value
from connector.handoff.ownership import change_deal
from connector.handoff.plan import Finding, Phase, Verdict

NAME = "completion"
FLAG, SINCE = "complete", "completed_at"
_OVER = frozenset({Phase.REOPENED, Phase.LOST})


def find(case: Case) -> Finding | None:
    """The flag that says so, and since when."""
    if FLAG not in case.policy.fields:
        return None
    if not case.released:
        return _taken_off(case) if case.phase in _OVER and case.snapshot.deal.get(FLAG) is True else None
    flagged = _flagged(case)
    open_ = tuple(_open(case))
    asked = answers(case)
    rejected = asked is not None and asked.open is not None
    if rejected or (open_ and not flagged):
        wanted: dict[str, Value] = {FLAG: False} if case.snapshot.deal.get(FLAG) is True else {}
        reason = f"Not complete yet: {listed(open_ or ('the CSM rejected it',))}."
    else:
        wanted = {FLAG: True} | ({} if _since(case) else {SINCE: case.now.replace(microsecond=0)})
        since = _since(case) or case.now
        reason = f"Complete since {case.day(since)}: required fields, CSM and the CSM's review are there."
    change = change_deal(case, wanted, reason=reason)
    verdict = Verdict.ACT if change.patch else Verdict.WAIT if open_ and not flagged else Verdict.IN_SYNC
    return Finding(NAME, verdict, reason + change.remark, actions=change.actions)


def _taken_off(case: Case) -> Finding | None:
    """Nobody is paid for a deal that is open again or lost; won again in time, it is complete since when it was."""
    if case.ledger.released_at is None:
        return None
    reason = "Not complete: the deal is not won any more."
    change = change_deal(case, {FLAG: False}, reason=reason)
    verdict = Verdict.ACT if change.patch else Verdict.IN_SYNC
    return Finding(NAME, verdict, reason + change.remark, actions=change.actions)


def _flagged(case: Case) -> bool:
    """Whether it was found complete before: by the flag that we set, or of which nobody knows any more who did."""
    deal = case.snapshot.deal
    ours = case.ledger.written.get(deal.ref, {}).get(FLAG) in (True, None)
    dated = _since(case) is not None or SINCE not in case.policy.fields
    return deal.get(FLAG) is True and ours and dated


def _open(case: Case) -> Iterator[str]:
    """What is still to come, in words."""
    if case.gaps:
        yield case.gap_count
    if case.assignment is None:
        yield "no CSM is assigned"
    asked = answers(case)
    if asked is not None and asked.open is not None:
        yield "the CSM rejected it"
    elif reviewed(case) is False:
        yield "the CSM has not reviewed the summary"


def _since(case: Case) -> datetime | None:
    """Since when this handoff is complete; a time from before it began is of an earlier win's."""
    value, began = case.snapshot.deal.get(SINCE), case.ledger.released_at
    if not isinstance(value, datetime):
        return None
    return None if began is not None and value < began.replace(microsecond=0) else value
