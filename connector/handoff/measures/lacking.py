"""What a handoff lacked, of the things that usually come before a customer leaves.

Not here: judging a person by it. That a handoff lacked something is not the proof that the customer left because of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from connector.handoff.measures.catalogue import FIRST_MONTH, QUARTER
from connector.handoff.measures.facts import Facts, seconds
from connector.handoff.model import DealType
from connector.handoff.rulebook.watch import Targets

HELD_LONG = timedelta(days=1)
"""A deal that stands longer at the gate was held long: the customer waits from the signature on."""

LACKS: Mapping[str, str] = {
    "held": "the gate held it for more than a day",
    "fields": "required fields were missing when it was won",
    "touch": "the first touch came late, or never",
    "kickoff": "the kickoff came late, or was never held",
    "promises": "promises of the sale were not kept in time",
    "milestone": "first value was not reached in the first 30 days",
    "rejected": "the CSM sent it back",
    "asked": "the customer had to repeat what Sales knew already",
}
"""Each lack by the word it is kept under, as a part of a sentence."""


def lacked(facts: Facts, targets: Targets | None = None) -> tuple[str, ...]:
    """What this handoff lacks, as far as its time for it is over, by the words of `LACKS`."""
    aims = targets or Targets()
    began = facts.began_at
    if began is None:
        return ()
    waited = timedelta(seconds=seconds(began, facts.released_at or facts.at))
    touch = timedelta(seconds=int(aims.first_touch_hours * 3600))
    found = {
        "held": waited > HELD_LONG,
        "fields": facts.short is True,
        "touch": timedelta(seconds=seconds(began, facts.first_touch_at or facts.at)) > touch,
        "kickoff": _no_kickoff(facts, aims),
        "promises": facts.promises_kept < facts.promises_due,
        "milestone": _no_value(facts),
        "rejected": facts.rejections > 0,
        "asked": bool(facts.repeat_asks),
    }
    return tuple(name for name, there in found.items() if there)


def churned(facts: Facts, *, days: int = QUARTER) -> bool:
    """Whether the customer left within so many days of the win."""
    return facts.stands and facts.left_by(days)


def _no_kickoff(facts: Facts, aims: Targets) -> bool:
    if facts.kickoff_at is None:
        return facts.past(FIRST_MONTH) and facts.released_at is not None
    return facts.kickoff_days is not None and facts.kickoff_days > aims.kickoff_working_days * 100


def _no_value(facts: Facts) -> bool:
    if not facts.activates or facts.deal_type is not DealType.NEW or not facts.past(FIRST_MONTH):
        return False
    return not facts.by_day(facts.activated_at, FIRST_MONTH)


def words(lacks: tuple[str, ...]) -> tuple[str, ...]:
    """Lacks as parts of a sentence; words nobody knows any more are passed over."""
    return tuple(LACKS[name] for name in lacks if name in LACKS)
