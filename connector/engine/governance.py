"""Thresholds of the process: judged when their period is over, each once, and told on one of the deals behind them.

Not here: what a breach is (``handoff.governing``), and the task and the message (``handoff.rules.governance``, which
every look at the deal asks). Nothing is judged before the ledger has caught up with the CRM: an empty one knows no
figures, and half of them mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import structlog

from connector.engine.alarms import Cry, clear_alarm, raise_alarm
from connector.engine.parts import Shared, System
from connector.errors import CrmError
from connector.handoff.calendar import local_date
from connector.handoff.governing.breaches import (
    Behind,
    Ruling,
    Stood,
    heaviest,
    rule,
    step_of,
    stood,
    subject_of,
    text_of,
    won_in,
)
from connector.handoff.governing.periods import Period, over, run_of
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.model import Measure
from connector.handoff.measures.summing import Sum, shown_value
from connector.handoff.model import HandoffKey, Kind, SystemName
from connector.handoff.people import by_email
from connector.handoff.rulebook.governance import GovernancePolicy, Threshold
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import Targets
from connector.store import Store
from connector.store.figures import EVERYTHING, Selection
from connector.store.rulings import TELLS_FOR, RulingRow

THRESHOLD_JUDGED = "threshold.judged"
THRESHOLD_DELAYED = "threshold.delayed"
OWNER_ALARM = "governance_owner"
DEAL_ALARM = "governance_deal"
STANDS_FOR = timedelta(days=7)
MOST_TOLD = 3

EVERY = timedelta(hours=1)
"""How often it is asked whether a period is over: nobody waits for it by the minute."""

MOST_LOOKED_FOR = 2_000
"""Deals behind one number among which the one to tell it on is chosen, and a task of before is looked for."""

CENTS = 100

log = structlog.get_logger()


def watch_governance(shared: Shared, system: System) -> None:
    """Judge what is over and was not judged, once an hour."""
    asked = system.policy.governance
    if asked is None or not system.act:
        clear_alarm(shared, system, OWNER_ALARM)
        clear_alarm(shared, system, DEAL_ALARM)
        return
    now = shared.clock.now()
    last = system.governed_at
    if (last is not None and timedelta() <= now - last < EVERY) or not _caught_up(shared, system, now):
        return
    system.governed_at = now
    for threshold, period in _over(shared, system, asked, now):
        _judge(shared, system, threshold, period, now)
    _watch_owner(shared, system, asked, now)


def live_since(store: Store, name: SystemName, policy: Policy) -> date | None:
    """The day on which the process went live: as the policy says, else as the connector began to act."""
    if policy.governance is not None and policy.governance.since is not None:
        return policy.governance.since
    baseline = store.baseline(name)
    return None if baseline is None else local_date(policy.calendar, baseline)


def measured(store: Store, systems: Sequence[SystemName], measure: Measure, period: Period, targets: Targets) -> Sum:
    """A measure's sum over the wins that a period is about."""
    since, until = won_in(period, measure, targets)
    chosen = Selection(systems=tuple(systems), since=since, until=until)
    if not measure.per_handoff:
        return store.velocity(chosen).get(EVERYTHING, Sum())
    return store.sums(chosen, measures=(measure.key,), targets=targets)[EVERYTHING][measure.key]


def ruled(
    store: Store, systems: Sequence[SystemName], threshold: Threshold, period: Period, targets: Targets
) -> Ruling:
    """One threshold judged by what is known now."""
    measure = MEASURES[threshold.measure]
    return rule(threshold, [_stood(store, systems, measure, one, targets) for one in run_of(period, threshold.runs)])


def behind(
    store: Store, systems: Sequence[SystemName], measure: Measure, period: Period, targets: Targets
) -> tuple[Figure, ...]:
    """The handoffs behind a number: those that missed the target, else all that count, the worst first."""
    since, until = won_in(period, measure, targets)
    chosen = Selection(systems=tuple(systems), since=since, until=until)
    if not measure.per_handoff:
        return store.listed(chosen, limit=MOST_LOOKED_FOR)
    missed = store.listed(chosen, measure=measure.key, which="missed", targets=targets, limit=MOST_LOOKED_FOR)
    return missed or store.listed(chosen, measure=measure.key, targets=targets, limit=MOST_LOOKED_FOR)


def _caught_up(shared: Shared, system: System, now: datetime) -> bool:
    due = shared.store.next_due(system.name)
    return system.last_sweep is not None and (due is None or due > now)


def _over(shared: Shared, system: System, asked: GovernancePolicy, now: datetime) -> Iterator[tuple[Threshold, Period]]:
    """The thresholds whose period is over and was not judged yet."""
    since = live_since(shared.store, system.name, system.policy)
    if since is None:
        return
    today = local_date(system.policy.calendar, now)
    found = [
        (one, period)
        for one in asked.thresholds
        if (period := over(one.cadence, today=today, wait_days=asked.wait_days, since=since, week=one.week))
    ]
    if not found:
        return
    names = sorted({period.name for _, period in found})
    judged = {(row.name, row.period) for row in shared.store.rulings(system.name, periods=names)}
    yield from ((one, period) for one, period in found if (one.name, period.name) not in judged)


def _judge(shared: Shared, system: System, threshold: Threshold, period: Period, now: datetime) -> None:
    targets = system.policy.targets
    ruling = ruled(shared.store, (system.name,), threshold, period, targets)
    if ruling.breached is None:
        return  # too few count yet; what is logged late may still make them enough
    row = RulingRow(threshold.name, period.name, now, breached=ruling.breached)
    if ruling.breached:
        try:
            row = _told_on(shared, system, ruling, now)
        except CrmError as error:
            log.warning(THRESHOLD_DELAYED, system=system.name, name=threshold.name, code=error.fault.code.value)
            return
    if shared.store.put_ruling(system.name, row):
        log.info(
            THRESHOLD_JUDGED,
            system=system.name,
            name=row.name,
            period=row.period,
            breached=row.breached,
            deal=row.deal_id,
        )


def _told_on(shared: Shared, system: System, ruling: Ruling, now: datetime) -> RulingRow:
    """The breach with its evidence, and the deal it is told on. Raises `CrmError`.

    That is the deal that weighs most of those behind it that are acted on, unless the CRM has the task already, of a
    lost ledger.
    """
    threshold, period, targets = ruling.threshold, ruling.period, system.policy.targets
    measure = MEASURES[threshold.measure]
    figures = behind(shared.store, (system.name,), measure, period, targets)
    deals = sorted((_behind(measure, one) for one in figures), key=lambda one: (-one.weight, one.deal_id))
    by_id = {one.deal_id: one for one in figures}
    acted = shared.store.acted_on(system.name, [one.deal_id for one in figures])
    chosen = heaviest(one for one in deals if one.deal_id in acted)
    place = by_id[chosen.deal_id] if chosen else None
    step = step_of(threshold.name, period.name)
    everyone = shared.store.listed(_all_of(system.name, measure, period, targets), limit=MOST_LOOKED_FOR)
    keys = {f"{HandoffKey(system.name, one.deal_id)}:{one.generation}:{step}": one for one in (*figures, *everyone)}
    made = system.crm.find(Kind.TASK, {key: one.deal_id for key, one in keys.items()}) if keys else {}
    if made:
        place = keys[min(made)]
    return RulingRow(
        name=threshold.name,
        period=period.name,
        at=now,
        breached=True,
        deal_id=place.deal_id if place else None,
        generation=place.generation if place else 0,
        subject=subject_of(ruling, measure),
        text=text_of(ruling, measure, deals, behind=len(deals), command=f"handoff review {period.flag}"),
    )


def _all_of(system: SystemName, measure: Measure, period: Period, targets: Targets) -> Selection:
    since, until = won_in(period, measure, targets)
    return Selection(systems=(system,), since=since, until=until)


def _behind(measure: Measure, one: Figure) -> Behind:
    said = shown_value(measure, one.values.get(measure.key)) if measure.per_handoff else one.phase
    people = ", ".join(f"{role} {who.name}" for role, who in (("AE", one.ae), ("CSM", one.csm)) if who.name)
    words = f"{said}; {people}" if people else said
    return Behind(one.deal_id, one.title, one.account_name, words, Decimal(one.amount or 0) / CENTS)


def _stood(store: Store, systems: Sequence[SystemName], measure: Measure, period: Period, targets: Targets) -> Stood:
    found = measured(store, systems, measure, period, targets)
    return stood(period, measure, found, won=won_in(period, measure, targets))


def _watch_owner(shared: Shared, system: System, asked: GovernancePolicy, now: datetime) -> None:
    """Nobody to tell, or no deal to tell it on, is itself worth an alarm, while there is something to tell."""
    owner = by_email(system.people, asked.owner)
    told = [row for row in shared.store.rulings(system.name) if row.breached and now - row.at < TELLS_FOR]
    if not told or (owner is not None and owner.active) or not system.people:
        clear_alarm(shared, system, OWNER_ALARM)
    else:
        why = f"[governance] owner {asked.owner} is no active user of this CRM, so no task was made: {_subjects(told)}"
        following = (
            "Name an active user as [governance] owner in process.toml, or reactivate this one; the tasks follow "
            "within the hour. handoff review shows the numbers meanwhile."
        )
        cry = Cry("breached thresholds of the process have nobody to take them", why, following)
        raise_alarm(shared, system, OWNER_ALARM, cry)
    homeless = [row for row in told if row.deal_id is None and now - row.at < STANDS_FOR]
    if not homeless:
        clear_alarm(shared, system, DEAL_ALARM)
        return
    why = f"No deal behind them is acted on, so no task could be made: {_subjects(homeless)}"
    cry = Cry("breached thresholds of the process hang on no deal", why, "handoff review shows the numbers.")
    raise_alarm(shared, system, DEAL_ALARM, cry)


def _subjects(rows: Sequence[RulingRow]) -> str:
    return "; ".join(row.subject for row in rows[-MOST_TOLD:] if row.subject) + "."
