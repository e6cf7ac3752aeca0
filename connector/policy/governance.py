"""Governance out of process.toml: measures that exist, numbers or targets that exist, no name twice.

Not here: whether the CRM knows the owner (``check``), and what a period came to (``handoff.governance``).
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.model import SMALLEST, Way
from connector.handoff.measures.summing import aim
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.governance import Cadence, GovernancePolicy, Threshold
from connector.handoff.rulebook.watch import Targets
from connector.policy.conditions import Scope
from connector.policy.consequences import limit
from connector.policy.model.governance import GovernanceSpec, HypercareSpec, ThresholdSpec
from connector.policy.model.watch import TargetsSpec
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

AT: KeyPath = ("governance",)
LISTS = {"hypercare": Cadence.HYPERCARE, "monthly": Cadence.MONTH, "quarterly": Cadence.QUARTER}
SIDES = ("below", "above")
TARGETS = frozenset(one.name for one in dataclasses.fields(Targets))
DAYS_WITHIN = 2
"""Working days the owner has for what is raised, where nothing is said."""


def governance(
    spec: GovernanceSpec | None, *, scope: Scope, day: Decimal, targets: TargetsSpec
) -> GovernancePolicy | None:
    """Governance, none without the table; what is wrong with it is noted in the scope. ``day`` is a working day's
    hours."""
    if spec is None:
        return None
    within = Limit(day * DAYS_WITHIN, Clock.BUSINESS)
    if spec.within is not None:
        within = limit(spec.within, at=(*AT, "within"), scope=scope, day=day)
    numbers = Targets(**targets.model_dump())
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
    targets: Targets,
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
    if target and target not in TARGETS:
        message = f"no target is called {target!r}; {did_you_mean(target, TARGETS)} Or write a number, without quotes"
        scope.complain((*at, side), message)
    return Threshold(
        name=spec.name,
        measure=spec.measure,
        cadence=cadence,
        limit=value if isinstance(value, Decimal) else _aimed_at(spec.measure, target, targets),
        over=side == "above",
        runs=spec.for_ if isinstance(spec, ThresholdSpec) else 1,
        week=spec.week if isinstance(spec, HypercareSpec) else 0,
        at_least=spec.at_least,
        advice=spec.advice.strip(),
        target=target,
    )


def _aimed_at(key: str, target: str, targets: Targets) -> Decimal:
    """A target in the unit of a measure: minutes may be aimed at where hours are measured."""
    if key not in MEASURES or target not in TARGETS:
        return Decimal(0)
    measure = dataclasses.replace(MEASURES[key], target=target)
    wanted = Decimal(aim(measure, targets) or 0)
    return wanted if measure.way is Way.SHARE else wanted / SMALLEST[measure.unit]
