"""Keeps the figures on the deal true: what `handoff metrics` counts of a handoff stands in its own fields, the same.

Not here: finding the figures (``finding``), and those that rules write as they happen (``rules.metrics``: completion,
assignment, first touch; ``rules.answering``). A figure that does not count any more, because a meeting turned out not
to be held or the deal was reopened, is taken off the field again; what people wrote there stays.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from connector.handoff.case import Case, listed
from connector.handoff.conditions import filled
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.model import SMALLEST, Measure, Way
from connector.handoff.measures.summing import shown_value
from connector.handoff.model import Value
from connector.handoff.ownership import change_deal
from connector.handoff.plan import Finding, Verdict

NAME = "figures"
KEPT: tuple[Measure, ...] = tuple(
    MEASURES[key] for key in ("kickoff", "ttfv", "milestones", "escalations", "overrides")
)
"""The measures whose field is written from their own value."""

_HUNDREDTH = Decimal("0.01")


def kept(case: Case, figure: Figure | None) -> Finding | None:
    """What the deal's fields should say; None where none of them is mapped, or there is no handoff to measure."""
    mapped = [one for one in KEPT if one.field in case.policy.fields]
    if figure is None or not mapped:
        return None
    wanted: dict[str, Value] = {}
    said = []
    for one in mapped:
        value = figure.values.get(one.key)
        if value is not None:
            wanted[one.field] = in_field(one, value)
            said.append(f"{one.title}: {shown_value(one, value)}")
        elif _ours(case, one.field):
            wanted[one.field] = None
    reason = f"{listed(tuple(said))}." if said else "Nothing of this handoff counts yet."
    change = change_deal(case, wanted, reason=reason)
    verdict = Verdict.ACT if change.patch else Verdict.IN_SYNC
    return Finding(NAME, verdict, reason + change.remark, actions=change.actions)


def in_field(measure: Measure, value: int) -> Decimal:
    """A value as its field holds it: in the measure's unit to a hundredth; of a share 1 for yes and 0 for no."""
    if measure.way is Way.SHARE:
        return Decimal(value)
    return (Decimal(value) / SMALLEST[measure.unit]).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP)


def _ours(case: Case, name: str) -> bool:
    """Whether a field says something that we wrote: of a figure from before the ledger was lost nobody can say more."""
    deal = case.snapshot.deal
    return filled(deal.get(name)) and name in case.ledger.written.get(deal.ref, {})
