"""What a later look changes of a figure that was said already: from what to what, and because of which fact.

Not here: writing it down (``connector.store.figures``). A figure is of the month of its win. While that month runs its
figures come about; once it is over, each change is a correction of the past, and is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from connector.handoff.measures.catalogue import PER_HANDOFF
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.model import Measure
from connector.handoff.measures.summing import shown_value

WORDS: Mapping[str, str] = {
    "won_at": "the win",
    "short": "gaps at the win",
    "asked_at": "the AE was asked",
    "answered_at": "the answers were complete",
    "assigned_at": "the first CSM",
    "told_at": "the message to the CSM",
    "first_touch_at": "the first touch",
    "kickoff_at": "the kickoff",
    "kickoff_days": "working days to the kickoff, in hundredths,",
    "activated_at": "first value",
    "steps_due": "steps due",
    "steps_done": "steps done in time",
    "promises_due": "promises due",
    "promises_kept": "promises kept",
    "rejections": "rejections",
    "accepted": "the CSM's acceptance",
    "rating": "the rating, in hundredths,",
    "repeat_asks": "questions asked again",
    "escalations": "escalations",
    "overridden": "an override",
    "complete": "the handoff's completeness",
    "nps": "the account's NPS, in hundredths,",
    "csat": "the account's CSAT, in hundredths,",
    "tickets": "the account's tickets",
    "churned_at": "the account's churn",
    "renewal_talk_at": "the talk about the renewal",
    "renewed_at": "the renewal",
    "expansion": "the account's expansion, in hundredths,",
    "amount": "the deal's amount, in hundredths,",
}
"""What people call a fact; a test holds it to what measures are made of."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One figure that is another now. Values are in smallest units, None for one that does not count."""

    key: str
    before: int | None
    after: int | None
    said: str


def corrections(before: Figure, after: Figure, *, always: bool = False) -> tuple[Correction, ...]:
    """What changed of figures that were said already, in a month that is over (``always``: in any)."""
    if not always and not _is_past(before, after.looked_on or after.facts.at.astimezone(UTC).date()):
        return ()
    return tuple(
        Correction(one.key, was, now, _sentence(one, before.facts, after.facts, was=was, now=now))
        for one in PER_HANDOFF
        if (was := before.values.get(one.key)) is not None and was != (now := after.values.get(one.key))
    )


def _is_past(one: Figure, today: date) -> bool:
    return one.won_on is not None and f"{one.won_on:%Y-%m}" < f"{today:%Y-%m}"


def _sentence(one: Measure, before: Facts, after: Facts, *, was: int | None, now: int | None) -> str:
    said = "does not count any more" if now is None else f"is now {shown_value(one, now)}"
    why = "; ".join(_why(one, before, after))
    return f"{one.title} was {shown_value(one, was)}, {said}{f': {why}' if why else ''}."


def _why(one: Measure, before: Facts, after: Facts) -> Iterator[str]:
    if before.stands and not after.stands:
        yield "the deal is not won any more"
        return
    for name in one.uses:
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            late = isinstance(now, datetime) and now < before.at
            yield f"{WORDS[name]} was {_plain(was)}, is now {_plain(now)}{', entered later' if late else ''}"


def _plain(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, bool):
        return "there" if value else "not there"
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        return f"{at.day} {at:%b %Y, %H:%M} UTC"
    return str(value)
