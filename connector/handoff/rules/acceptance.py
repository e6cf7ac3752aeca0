"""The CSM takes a handoff or sends it back: what was rejected becomes a task of the AE, with the reason and a clock.

Not here: how rounds are told from each other (``handoff.acceptance``) and who hears of it (``notify``). Rejecting takes
nothing back: the customer was won, and all other tasks go on.
"""

from __future__ import annotations

from connector.handoff import chores
from connector.handoff.acceptance import Answers, Round, answers, because
from connector.handoff.calendar import local_date
from connector.handoff.case import Case
from connector.handoff.plan import Finding, Upsert, Verdict
from connector.handoff.rulebook.people import Role
from connector.handoff.text import how_often, names, one_line

NAME = "acceptance"
ACCEPTANCE_NAMES = frozenset({"reject_reason", "due_on"})
"""The names that the task's template may use besides those of every template."""

TASK = """\
Complete the handoff: {{ account }}
{{ csm }} cannot take over {{ account }} yet: {{ reject_reason }}.
Mend it on the deal by {{ due_on }}, then set the handoff's answer to Resubmitted or close this task.
{% if missing %}

Still missing:
{{ missing }}
{% endif %}
"""


def find(case: Case) -> Finding | None:
    """The AE's task while a handoff is rejected; None where nobody is asked."""
    found = answers(case)
    if found is None:
        return None
    try:
        action = _action(case, found)
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"The task for the AE could not be written: {error}.")
    waits = found.open is not None or not found.accepted
    verdict = Verdict.ACT if action else Verdict.WAIT if waits else Verdict.IN_SYNC
    due = found.open.due if found.open else None
    return Finding(
        NAME,
        verdict,
        _said(case, found),
        actions=(action,) if action else (),
        recheck_at=due if due and due > case.now else None,
        marks=found.marks,
    )


def context_of(case: Case, one: Round) -> dict[str, object]:
    """What the texts about a rejection may name."""
    return names(case) | {"reject_reason": because(case), "due_on": case.day(one.due)}


def _action(case: Case, found: Answers) -> Upsert | None:
    one, asked = found.latest, case.policy.acceptance
    if one is None or asked is None:
        return None
    key = case.key(one.step)
    if one.answered_at is not None:
        return chores.closed(case, step=one.step, key=key, reason="The AE answered the rejection.")
    owner, _ = case.person_for(Role.AE)
    chore = chores.Chore(
        step=one.step,
        key=key,
        text=asked.text or TASK,
        owner_id=owner.id if owner else None,
        due=local_date(case.calendar_for(Role.AE), one.due),
        reason=f"The CSM rejected the handoff: {one_line(because(case))}; due {case.day(one.due)}.",
    )
    return chores.kept(case, chore, context_of(case, one))


def _said(case: Case, found: Answers) -> str:
    times = len(found.rounds)
    before = f" It was rejected {how_often(times)} before." if times else ""
    if one := found.open:
        rejected = f"Rejected by the CSM {how_often(times)}, now since {case.day(one.at)}: {one_line(because(case))}."
        late = one.due <= case.now
        return (
            f"{rejected} The AE's answer {'was' if late else 'is'} due on {case.day(one.due)}, {case.clock(one.due)}."
        )
    if found.accepted:
        return f"Accepted by the CSM.{before}"
    if times and found.latest and found.latest.answered_at:
        return f"Resubmitted by the AE on {case.day(found.latest.answered_at)}; waits for the CSM's answer.{before}"
    return "The CSM has neither accepted nor rejected the handoff yet."
