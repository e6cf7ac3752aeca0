"""A new CSM's first handoffs: their buddy, who is second CSM, gets one task to go through it with them.

Not here: who that is and for how many handoffs (``seconds``). The task is made once; what a person closed, edited or
deleted is left so.
"""

from __future__ import annotations

from decimal import Decimal

from connector.handoff import chores
from connector.handoff.calendar import limit_end, local_date
from connector.handoff.case import Case
from connector.handoff.plan import Finding, Verdict
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import Role
from connector.handoff.text import names

NAME = "buddy"
STEP = "buddy_beside"
SEATED = "buddy-seated"
"""The mark of a handoff that began with a buddy."""

WITHIN = Decimal(8)
"""Working hours the buddy has; a day, as people count it."""

TASK = """\
Stand by {{ csm }}: {{ account }}
{{ csm }} is new, and {{ account }} is one of their first customers. You are second CSM for it.

1. Read the summary on the deal together, before the first call.
2. Listen in on the kickoff, and say afterwards what you would have asked.
3. Look after two weeks at which tasks are late, and why.
"""


def find(case: Case) -> Finding | None:
    """The buddy's task; None for a handoff that began without one."""
    assignment = case.assignment
    if not case.released or assignment is None:
        return None
    since = case.now if assignment.buddy else case.ledger.marks.get(SEATED)
    if since is None or case.second is None:
        return None
    calendar = case.calendar_for(Role.CSM)
    due = local_date(calendar, limit_end(calendar, since, Limit(WITHIN, Clock.BUSINESS)))
    reason = f"{case.second.name} stands by {case.csm.name if case.csm else 'the CSM'}, who is new."
    chore = chores.Chore(STEP, case.key(STEP), TASK, case.second.id, due, reason)
    try:
        action = chores.kept(case, chore, names(case))
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"The buddy's task could not be written: {error}.")
    verdict = Verdict.ACT if action else Verdict.IN_SYNC
    return Finding(NAME, verdict, reason, actions=(action,) if action else (), marks={SEATED: since})
