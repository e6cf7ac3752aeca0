"""What the two sides agreed on, written down here a second time and by hand.

The required handoff fields and the onboarding tasks of the shipped policy, as the people of the
scripted sales period know them and as the tally judges them. It is deliberately NOT read from
`mappings/`: a judge that shared the connector's files would share its mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

DealType = Literal["new", "renewal", "upsell"]
Segment = Literal["small", "mid", "enterprise"]

MID_FROM = 12_000
ENTERPRISE_FROM = 60_000

_EVERY = ("why_bought", "use_case", "success_criteria", "champion", "commitments")
_MID = (*_EVERY, "risks", "competition")
_ENTERPRISE = (*_MID, "economic_buyer", "stakeholders", "champion_stake", "go_live_date")

REQUIRED_NEW: dict[Segment, tuple[str, ...]] = {"small": _EVERY, "mid": _MID, "enterprise": _ENTERPRISE}
REQUIRED_LIGHT: tuple[str, ...] = ("success_criteria", "champion")

# Onboarding tasks of a new-business deal; the connector appends ": <account>" to each.
NEW_SUBJECTS: tuple[str, ...] = (
    "Send welcome packet",
    "Schedule setup call",
    "Prepare account",
    "Run setup call",
    "Check in after setup",
)

# A renewal or upsell is lighter: the customer is known.
LIGHT_SUBJECTS: tuple[str, ...] = ("Review what changes", "Check in after the change")
ALL_SUBJECTS = (*NEW_SUBJECTS, *LIGHT_SUBJECTS)

# What CS is asked to do before the close, so also for a deal that is put back or held.
REVIEW_SUBJECT = "Review before the signature"

SUMMARY_TITLE = "Handoff summary"

HELD, RELEASED, OVERRIDDEN, WARNED, NOT_CHECKED = "Held", "Released", "Overridden", "Warned", "Not checked"
PASSED_GATES = frozenset({RELEASED, OVERRIDDEN, WARNED})

# The handoff fields a rep fills, in the order of the form: canonical name -> label, kind.
HANDOFF_FIELDS: dict[str, tuple[str, str]] = {
    "why_bought": ("Why they bought", "text"),
    "use_case": ("Use case", "text"),
    "success_criteria": ("Success criteria", "text"),
    "commitments": ("Commitments made", "text"),
    "champion": ("Champion", "line"),
    "economic_buyer": ("Economic buyer", "line"),
    "champion_stake": ("Champion's stake", "text"),
    "stakeholders": ("Stakeholders", "text"),
    "competition": ("Competition and tools", "text"),
    "risks": ("Known risks", "text"),
    "special_terms": ("Special terms", "text"),
    "go_live_date": ("Go-live date", "date"),
}
OVERRIDE_FIELDS: dict[str, tuple[str, str]] = {
    "override_requested": ("Override requested", "checkbox"),
    "override_reason": ("Reason", "line"),
    "override_approver": ("Approver", "user"),
    "override_expires": ("Expires", "date"),
}


def segment(amount: float | None) -> Segment:
    """The segment of a deal by its amount; a deal without an amount is small."""
    value = amount or 0
    if value >= ENTERPRISE_FROM:
        return "enterprise"
    return "mid" if value >= MID_FROM else "small"


def required(*, amount: float | None, deal_type: DealType) -> tuple[str, ...]:
    """Canonical names of the fields a deal of this amount and type must have filled."""
    return REQUIRED_NEW[segment(amount)] if deal_type == "new" else REQUIRED_LIGHT


def subjects(deal_type: DealType) -> tuple[str, ...]:
    """The tasks that a handed-off deal of this type must have."""
    return NEW_SUBJECTS if deal_type == "new" else LIGHT_SUBJECTS


def is_summary(title: str) -> bool:
    """Whether a note's title or first line says that it is the handoff summary."""
    return title.casefold().startswith(SUMMARY_TITLE.casefold())


def gaps(fields: Mapping[str, Any], *, amount: float | None, deal_type: DealType) -> tuple[str, ...]:
    """Which required fields are empty or blank."""
    return tuple(
        name for name in required(amount=amount, deal_type=deal_type) if not str(fields.get(name) or "").strip()
    )
