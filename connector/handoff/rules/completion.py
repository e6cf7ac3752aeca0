"""Whether a handoff is complete: nothing required is missing, it has a CSM, and the CSM has read the summary.

Not here: the figures of what was filled with the win (``metrics``). What was complete stays so when a field is emptied
later; only a rejection that waits for its answer takes it back. It rests where no field is mapped for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from connector.handoff.acceptance import answers, reviewed
from connector.handoff.case import Case, listed
from connector.handoff.model import Value
from connector.handoff.ownership import change_deal
from connector.handoff.plan import Finding, Verdict

NAME = "completion"
FLAG, SINCE = "complete", "completed_at"


def find(case: Case) -> Finding | None:
    """The flag that says so, and since when."""
    if not case.released or FLAG not in case.policy.fields:
        return None
    flagged = case.snapshot.deal.get(FLAG) is True
    open_ = tuple(_open(case))
    asked = answers(case)
    rejected = asked is not None and asked.open is not None
    if rejected or (open_ and not flagged):
        wanted: dict[str, Value] = {FLAG: False} if flagged else {}
        reason = f"Not complete yet: {listed(open_ or ('the CSM rejected it',))}."
    else:
        wanted = {FLAG: True} | ({} if _since(case) else {SINCE: case.now.replace(microsecond=0)})
        since = _since(case) or case.now
        reason = f"Complete since {case.day(since)}: required fields, CSM and the CSM's review are there."
    change = change_deal(case, wanted, reason=reason)
    verdict = Verdict.ACT if change.patch else Verdict.WAIT if open_ and not flagged else Verdict.IN_SYNC
    return Finding(NAME, verdict, reason + change.remark, actions=change.actions)


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
    value = case.snapshot.deal.get(SINCE)
    return value if isinstance(value, datetime) else None
