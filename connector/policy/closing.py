"""What process.toml says around the close: the review before the signature, and the answer of the CSM after it.

Not here: the fields in which people answer (the CRM's mapping) and what follows (``handoff.rules``). The texts of the
tasks are template files that need not be there; without one the connector has words of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from connector.handoff.rulebook.calendars import Days
from connector.handoff.rulebook.gate import AcceptancePolicy, ReviewPolicy
from connector.handoff.rules.acceptance import ACCEPTANCE_NAMES
from connector.handoff.rules.review import REVIEW_NAMES
from connector.policy.conditions import Scope
from connector.policy.consequences import limit
from connector.policy.model.gate import AcceptanceSpec, ReviewSpec

REJECTED_TASK, REVIEW_TASK = "task_rejected", "task_review"
TASK_TEXTS: Mapping[str, frozenset[str]] = {REJECTED_TASK: ACCEPTANCE_NAMES, REVIEW_TASK: REVIEW_NAMES}
"""The templates of these tasks, and what each may name besides the words of all. The first line is the subject."""


def acceptance(
    spec: AcceptanceSpec | None, *, scope: Scope, day: Decimal, texts: Mapping[str, str]
) -> AcceptancePolicy | None:
    """How a handoff is taken or sent back; None where nobody is asked."""
    if spec is None:
        return None
    within = limit(spec.resubmit_within, at=("acceptance", "resubmit_within"), scope=scope, day=day)
    return AcceptancePolicy(within, texts.get(REJECTED_TASK, ""))


def review(spec: ReviewSpec | None, *, scope: Scope, day: Decimal, texts: Mapping[str, str]) -> ReviewPolicy | None:
    """When CS reviews a deal before its signature; None where it does not."""
    if spec is None:
        return None
    if (spec.days is None) == (spec.working_days is None):
        scope.complain(("review",), "must hold exactly one of days, working_days", of_key=True)
    if scope.words.complaint("close_date"):
        message = "needs the day of the expected close; map close_date under [fields.deal] in every CRM's file"
        scope.complain(("review",), message, of_key=True)
    within = limit(spec.within, at=("review", "within"), scope=scope, day=day)
    counted = Days.CALENDAR if spec.working_days is None else Days.WORKING
    return ReviewPolicy(spec.working_days or spec.days or 0, counted, within, texts.get(REVIEW_TASK, ""))
