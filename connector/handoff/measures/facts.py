"""What is known of one handoff that measures are made of: moments, counts and answers, nothing else.

Not here: finding it out (``finding``) and what is made of it (``catalogue``). Facts are plain values, so that a row of
them that was kept can be compared with what is found anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.handoff.model import DealType

DAY = timedelta(days=1)

TOLD_BY = "notify-csm_assigned"
"""How the steps of the messages begin by which a CSM hears of a handoff."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one handoff. What is None is not known, did not happen yet, or is not mapped.

    ``at`` is when it was looked at; ``stands``: the deal is closed-won now; ``excluded``: its type gets no handoff;
    ``adopted``: it was won before anybody looked, so that its times would be fiction. ``short``: required fields were
    empty, or said too little, with the win. ``asked_at`` and ``answered_at`` bound the AE's time for the answers.
    ``told_at`` is when the first message about it had left for the CSM. ``kickoff_days`` are hundredths of working days
    from the win to the kickoff. ``activates``: a milestone of the product shows first value, and whether this customer
    reaches it can be seen: where nobody would see that one does not, those who do must not count alone. ``steps_due``
    and ``steps_done`` count the playbook's steps of the first 30 days, ``promises_due`` and ``promises_kept`` promises
    whose day has come. ``rejections`` counts rounds in which the CSM sent it back; ``accepted`` is None where nobody is
    asked. ``watched`` names facts of the account that are mapped, so that an empty one says that nothing happened.
    ``rating``, ``nps``, ``csat``, ``expansion`` and ``amount`` are in hundredths.
    ``drop_days`` is after how many days a customer without first value counts as dropped.
    """

    at: datetime
    stands: bool = True
    deal_type: DealType = DealType.NEW
    won_at: datetime | None = None
    adopted: bool = False
    released_at: datetime | None = None
    short: bool | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    assigned_at: datetime | None = None
    told_at: datetime | None = None
    first_touch_at: datetime | None = None
    kickoff_at: datetime | None = None
    kickoff_days: int | None = None
    activates: bool = False
    activated_at: datetime | None = None
    steps_due: int = 0
    steps_done: int = 0
    promises_due: int = 0
    promises_kept: int = 0
    rejections: int = 0
    accepted: bool | None = None
    rating: int | None = None
    repeat_asks: int | None = None
    escalations: int = 0
    overridden: bool = False
    complete: bool | None = None
    watched: tuple[str, ...] = ()
    nps: int | None = None
    csat: int | None = None
    tickets: int | None = None
    churned_at: datetime | None = None
    renewed_at: datetime | None = None
    renewal_talk_at: datetime | None = None
    expansion: int | None = None
    amount: int | None = None
    drop_days: int = 60
    excluded: bool = False

    @property
    def began_at(self) -> datetime | None:
        """From when its days are counted: the win; None where its times would be fiction."""
        return None if self.adopted else self.won_at

    def past(self, days: int) -> bool:
        """Whether so many days have passed since the win."""
        return self.began_at is not None and self.at >= self.began_at + days * DAY

    def by_day(self, moment: datetime | None, days: int) -> bool:
        """Whether something happened within so many days of the win."""
        return moment is not None and self.began_at is not None and moment <= self.began_at + days * DAY

    def left_by(self, days: int) -> bool:
        """Whether the customer left after the win and within so many days of it. One who left before, and came back
        with this deal, did not leave because of it; a day without an hour may be that of the win."""
        began, left = self.began_at, self.churned_at
        return began is not None and left is not None and began - DAY < left <= began + days * DAY

    def since_win(self, moment: datetime | None) -> int | None:
        """Seconds from the win to a moment; what came before it took none. None where either is not known."""
        return None if self.began_at is None or moment is None else seconds(self.began_at, moment)


def seconds(start: datetime, end: datetime) -> int:
    """Whole seconds between two moments, never below zero."""
    return max(int((end - start).total_seconds()), 0)


def to_json(facts: Facts) -> dict[str, Any]:
    """Facts as plain JSON data without ``at``; what is as it is by default is left out."""
    found: dict[str, Any] = {}
    for each in dataclasses.fields(Facts):
        value = getattr(facts, each.name)
        if each.name == "at" or value == each.default:
            continue
        found[each.name] = (
            value.isoformat() if isinstance(value, datetime) else list(value) if isinstance(value, tuple) else value
        )
    return found


def from_json(told: Mapping[str, Any], *, at: datetime) -> Facts:
    """What `to_json` was given; names that are not known any more are passed over."""
    known = {each.name for each in dataclasses.fields(Facts)}
    found = {name: _read(name, value) for name, value in told.items() if name in known}
    return Facts(at=at, **found)


def _read(name: str, value: Any) -> Any:
    if name == "deal_type":
        return DealType(value)
    if isinstance(value, list):
        return tuple(value)
    return datetime.fromisoformat(value) if name.endswith("_at") and value else value
