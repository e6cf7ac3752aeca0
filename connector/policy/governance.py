"""Governance out of process.toml: measures that exist, numbers or targets that exist, no name twice.

Not here: whether the CRM knows the owner (``check``), and what a period came to (``handoff.governance``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.governance import Cadence, GovernancePolicy, Threshold
from connector.policy.conditions import Scope
from connector.policy.consequences import limit
from connector.policy.model.governance import GovernanceSpec, HypercareSpec, ThresholdSpec
from connector.policy.model.watch import TargetsSpec
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

AT: KeyPath = ("governance",)
LISTS = {"hypercare": Cadence.HYPERCARE, "monthly": Cadence.MONTH, "quarterly": Cadence.QUARTER}
SIDES = ("below", "above")
DAYS_WITHIN = 2
"""Working days the owner has for what is raised, where nothing is said."""


def governance(
    spec: GovernanceSpec | None, *, scope: Scope, day: Decimal, targets: TargetsSpec
) -> GovernancePolicy | None:
    """Governance, none without the table; what is wrong with it is noted in the scope. ``day`` is the hours of a working
    day."""
    if spec is None:
        return None
    within = Limit(day * DAYS_WITHIN, Clock.BUSINESS)
    if spec.within is not None:
        within = limit(spec.within, at=(*AT, "within"), scope=scope, day=day)
    numbers = {name: Decimal(value) for name, value in targets.model_dump().items()}
    found: list[Threshold] = []
    for key, cadence in LISTS.items():
        for index, one in enumerate(getattr(spec, key)):
            made = _threshold(one, cadence, at=(*AT, key, index), scope=scope, targets=numbers)
            if any(made.name == other.name for other in found):
                message = f"{made.name!r} stands here twice; rename one, by the name a breach is told once"
                scope.complain((*AT, key, index, "name"), message)
            found.append(made)
    return GovernancePolicy(spec.owner, within, spec.since, spec.wait_days, tuple(found))


def _threshold(
    spec: ThresholdSpec | HypercareSpec,
    cadence: Cadence,
    *,
    at: KeyPath,
    scope: Scope,
    targets: Mapping[str, Decimal],
) -> Threshold:
    if spec.measure not in MEASURES:
        scope.complain(
            (*at, "measure"), f"no measure is called {spec.measure!r}; {did_you_mean(spec.measure, MEASURES)}"
        )
    given = [side for side in SIDES if getattr(spec, side) is not None]
    if len(given) != 1:
        scope.complain(at, f"must hold exactly one of {', '.join(SIDES)}")
    side = given[0] if given else SIDES[0]
    value = getattr(spec, side)
    target = value if isinstance(value, str) else ""
    if target and target not in targets:
        message = f"no target is called {target!r}; {did_you_mean(target, targets)} Or write a number, without quotes"
        scope.complain((*at, side), message)
    number = targets.get(target, Decimal(0)) if target else value if isinstance(value, Decimal) else Decimal(0)
    return Threshold(
        name=spec.name,
        measure=spec.measure,
        cadence=cadence,
        limit=number,
        over=side == "above",
        runs=spec.for_ if isinstance(spec, ThresholdSpec) else 1,
        week=spec.week if isinstance(spec, HypercareSpec) else 0,
        at_least=spec.at_least,
        advice=spec.advice.strip(),
        target=target,
    )
