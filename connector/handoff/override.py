"""The override: who let a deal through with gaps, until when, and why a request for one does not count.

Not here: what follows from it (``rules.gate``) and who may edit the fields in the CRM (its own permissions do that).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.handoff.calendar import end_of_day, local_date
from connector.handoff.case import Case, listed
from connector.handoff.conditions import filled
from connector.handoff.model import Person, Value
from connector.handoff.text import one_line


@dataclass(frozen=True, slots=True)
class Override:
    """A request on the deal: who approved, the reason, the moment it ends, and every objection to it."""

    approver: Person | None
    reason: str
    ends_at: datetime | None
    objections: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether it lets the deal through."""
        return not self.objections


def requested(case: Case) -> Override | None:
    """The override that stands on the deal now, judged by the policy; None when none is asked for."""
    deal = case.snapshot.deal
    if not filled(deal.get("override_requested")):
        return None
    named = deal.text("override_approver")
    approver = case.snapshot.person(named)
    reason = one_line(deal.text("override_reason"), limit=1000)
    expires = _day(case, deal.get("override_expires"))
    objections = (*_about_approver(case, named, approver), *_about_reason(case, reason), *_about_expiry(case, expires))
    ends_at = end_of_day(case.policy.calendar, expires) if expires else None
    return Override(approver, reason, ends_at, objections)


def objection_text(override: Override) -> str:
    """One sentence for the rep: everything that is wrong with the request."""
    return f"The override does not count: {listed(override.objections)}."


def _about_approver(case: Case, named: str, approver: Person | None) -> Iterator[str]:
    if not named:
        yield "no approver is named"
    elif approver is None:
        other = case.person_by_user_id(named)
        holds = f"the user id of {other.name}" if other else f"{one_line(named, limit=40)!r}"
        yield f"the approver's field holds {holds} and not an owner: choose the person from the list"
    elif not approver.active:
        yield f"{approver.name} is no longer active in the CRM"
    elif approver.email.lower() not in {email.lower() for email in case.policy.override.approvers}:
        yield f"{approver.name} is not among those who may approve one"


def _about_reason(case: Case, reason: str) -> Iterator[str]:
    least = case.policy.override.min_reason_chars
    if len(reason) < least:
        yield f"the reason has {len(reason)} characters and needs at least {least}"


def _about_expiry(case: Case, expires: date | None) -> Iterator[str]:
    today, most = local_date(case.policy.calendar, case.now), case.policy.override.max_days
    if expires is None:
        yield "no expiry date is set"
    elif expires < today:
        yield f"it expired on {expires.isoformat()}"
    elif expires > today + timedelta(days=most):
        yield f"it runs until {expires.isoformat()}, and {most} days is the longest allowed"


def _day(case: Case, value: Value) -> date | None:
    if isinstance(value, datetime):
        return local_date(case.policy.calendar, value)
    return value if isinstance(value, date) else None
