"""The rules, in the order they speak. A new rule is one file here and one line in `RULES`.

Not here: how findings become one plan (``decide``). A rule is a function from a `Case` to a `Finding`, or to None when
it has nothing to say of a deal in that phase; it sees what the rules before it found, and changes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.handoff.case import Case
from connector.handoff.plan import Finding
from connector.handoff.rules import (
    acceptance,
    answering,
    assignment,
    buddy,
    changes,
    commitments,
    completion,
    digest,
    early,
    gate,
    governance,
    late,
    mails,
    metrics,
    notify,
    onboarding,
    playbook,
    prefill,
    readiness,
    redflags,
    review,
    stuck,
    summarise,
    teams,
)

Rule = Callable[[Case], Finding | None]

RULES: tuple[Rule, ...] = (
    gate.find,
    prefill.find,
    readiness.find,
    early.find,
    assignment.find,
    teams.find,
    buddy.find,
    review.find,
    playbook.find,
    stuck.find,
    onboarding.find,
    mails.find,
    acceptance.find,
    completion.find,
    summarise.find,
    metrics.find,
    answering.find,
    notify.find,
    late.find,
    redflags.find,
    commitments.find,
    governance.find,
    digest.find,
    changes.find,
)
