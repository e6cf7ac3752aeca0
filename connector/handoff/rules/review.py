"""Before the signature: days ahead of the expected close CS gets one task to review the deal, with the blockers found.

Not here: what is missing or vague (``lifecycle``, ``quality``) and who is to be CSM (``early``). The day follows the
close date while nobody touched the task. With the win, or the loss, there is nothing to review any more and the task is
closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from connector.handoff import chores
from connector.handoff.calendar import days_from, limit_end, local_date, opening
from connector.handoff.case import Case
from connector.handoff.plan import Finding, Phase, Upsert, Verdict
from connector.handoff.rulebook.calendars import Days
from connector.handoff.rulebook.gate import ReviewPolicy
from connector.handoff.rulebook.people import Role
from connector.handoff.steps import chosen
from connector.handoff.templating import render
from connector.handoff.text import Lines, advice_lines, gap_lines, names, one_line

NAME = "review"
STEP = "handoff_review"
CLOSES = "close_date"
REVIEW_NAMES = frozenset({"blockers", "plan", "close_on"})
"""The names that the task's template may use besides those of every template."""

_MADE = "review-asked"
_OVER = {Phase.LOST: "The deal was lost."}

TASK = """\
Review before the signature: {{ account }}
{{ deal }} ({{ amount }}, {{ segment }}) is expected to be signed on {{ close_on }}. AE: {{ ae }}.
{% if blockers %}

Blockers found:
{{ blockers }}
{% else %}

No blockers found: all that is required is there and reads well.
{% endif %}

Preliminary success plan:
{{ plan }}

Raise what worries you with the AE now, and add what else blocks to the deal.
"""


def find(case: Case) -> Finding | None:
    """The task of an open deal whose signature is near; None where there is nothing to say."""
    asked = case.policy.review
    if asked is None or case.excluded:
        return None
    if case.phase is not Phase.OPEN:
        return _over(case)
    day = _closes(case)
    if day is None or not (case.near_close or case.pre_assigns):
        return None
    opens = opening(case.calendar_for(Role.CSM), _on(case, asked, day))
    there = chores.made(case, _key(case)) is not None
    if case.csm is None and case.tier is not None and not case.tier.named_csm and not there:
        # Else the fallback, often the head of CS, would have a task for each small deal.
        return Finding(NAME, Verdict.IN_SYNC, f"Tier {case.tier.name} has no CSM before the close who could review it.")
    if opens > case.now and not there:
        return Finding(
            NAME, Verdict.WAIT, f"CS reviews it on {case.day(opens)}, before the signature.", recheck_at=opens
        )
    if day <= local_date(case.policy.calendar, case.now) and not there:
        return Finding(NAME, Verdict.IN_SYNC, "The expected close is today or past, so no review is asked for.")
    return _asked(case, asked, day, opens)


def _asked(case: Case, asked: ReviewPolicy, day: date, opens: datetime) -> Finding:
    since = case.ledger.marks.get(_MADE, case.now)
    calendar = case.calendar_for(Role.CSM)
    # Only what was seen on a later day begins later: some minutes past the opening are not a day lost.
    begins = since if local_date(calendar, since) > local_date(calendar, opens) else opens
    ends = limit_end(calendar, begins, asked.within)
    owner = case.csm or case.fallback
    blockers = (*gap_lines(case), *_vague(case))
    context = names(case) | {"blockers": Lines(blockers), "plan": Lines(_plan(case)), "close_on": _spoken(day)}
    found = "no blockers" if not blockers else f"{len(blockers)} blocker{'s' if len(blockers) > 1 else ''}"
    reason = f"CS reviews the deal before its signature on {_spoken(day)}: {found}; due {case.day(ends)}"
    reason += f", by {one_line(owner.name)}." if owner else "."
    chore = chores.Chore(
        STEP, _key(case), asked.text or TASK, owner.id if owner else None, local_date(calendar, ends), reason
    )
    try:
        action = chores.kept(case, chore, context) if owner else None
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"The task to review the deal could not be written: {error}.")
    marks = {} if _MADE in case.ledger.marks else {_MADE: case.now}
    verdict = Verdict.ACT if action else Verdict.IN_SYNC
    return Finding(NAME, verdict, reason, actions=(action,) if action else (), marks=marks)


def _over(case: Case) -> Finding | None:
    """Close the task of a deal that is open no longer."""
    if not (case.released or case.phase is Phase.LOST):
        return None
    why = _OVER.get(case.phase, "The deal was won; what is left to be known stands on it.")
    action: Upsert | None = chores.closed(case, step=STEP, key=_key(case), reason=why)
    return Finding(NAME, Verdict.ACT, f"The review before the signature is over: {why}", (action,)) if action else None


def _key(case: Case) -> str:
    """One for the deal, whatever its generation: the review comes before the first."""
    return f"{case.snapshot.lineage}:0:{STEP}"


def _closes(case: Case) -> date | None:
    value = case.value(CLOSES)
    if isinstance(value, datetime):
        return local_date(case.policy.calendar, value)
    return value if isinstance(value, date) else None


def _on(case: Case, asked: ReviewPolicy, day: date) -> date:
    return days_from(case.calendar_for(Role.CSM), day, -asked.days, working=asked.counted is Days.WORKING)


def _vague(case: Case) -> Iterator[str]:
    """What reads badly and is not among the gaps already."""
    gaps = {gap.label for gap in case.gaps}
    return (line for line in advice_lines(case) if line.partition(":")[0] not in gaps)


def _plan(case: Case) -> Iterator[str]:
    """What the first weeks would look like if it were won today: the aim, and the playbook's steps."""
    for path in ("success_criteria", "use_case", "go_live_date"):
        if path in case.policy.fields and (said := str(case.value(path) or "").strip()):
            yield f"{case.label(path)}: {one_line(said)}"
    book = chosen(case)
    context = names(case)
    for task in book.tasks if book else ():
        yield f"- {one_line(render(task.subject, context))} ({task.owner.value.replace('_', ' ')})"


def _spoken(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
