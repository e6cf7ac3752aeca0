"""Reading what the review of a period asks for: figures, rulings as they would be now, the trail, the latest decisions.

Not here: what follows from it (``handoff.governing``). Only the store is asked; no CRM is called and nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from connector.engine.governance import live_since, measured, ruled
from connector.handoff.calendar import local_date
from connector.handoff.governing.breaches import Ruling, won_in
from connector.handoff.governing.fold import DECIDED, OVERRIDDEN, Evidence, Told, fold
from connector.handoff.governing.periods import Period, run_of
from connector.handoff.governing.review import Lost, Rated, Review, Seen, review
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.summing import NOTHING, Sum
from connector.handoff.model import SystemName
from connector.handoff.rulebook.governance import Cadence
from connector.handoff.rulebook.policy import Policy
from connector.store import AuditKind, Store, codec
from connector.store.figures import EVERYTHING, Dimension, Selection
from connector.store.trail import Wanted

PERIODS = 3
"""How many periods a review shows beside each other, for the trend."""

DAYS_A_WEEK = 7
MOST = 100_000
"""Handoffs of one period that are looked at; no company wins more."""

CHURNED = "retention90"
RATED = ("rating", "repeat_asks", "accepted_first")


def review_of(store: Store, name: SystemName, policy: Policy, period: Period) -> Review:
    """The review of one system's period, by what is known now."""
    periods = run_of(period, PERIODS)
    by_period = [_sums(store, name, policy, one) for one in periods]
    sums = {key: tuple(one[key] for one in by_period) for key in MEASURES}
    figures = store.listed(Selection(systems=(name,), since=period.first, until=period.end), limit=MOST)
    seen = Seen(
        system=name,
        periods=periods,
        sums=sums,
        rulings=tuple(_rulings(store, name, policy, period)),
        evidence=evidence_of(store, name, policy, period, figures),
        figures=figures,
        rated=_rated(store, name, policy, period),
        lost=_lost(store, name, policy, period),
    )
    is_partial = period.bounds(policy.calendar)[1] > store.clock.now()
    return review(policy, seen, MEASURES.values(), partial=is_partial)


def _sums(store: Store, name: SystemName, policy: Policy, period: Period) -> dict[str, Sum]:
    """Every measure's sum over the wins that a period is about, in one query for those about the same wins."""
    found: dict[str, Sum] = {}
    alike: dict[tuple[date, date], list[str]] = {}
    for key, measure in MEASURES.items():
        if measure.per_handoff:
            alike.setdefault(won_in(period, measure, policy.targets), []).append(key)
        else:
            found[key] = measured(store, (name,), measure, period, policy.targets)
    for (since, until), keys in alike.items():
        chosen = Selection(systems=(name,), since=since, until=until)
        found |= store.sums(chosen, measures=keys, targets=policy.targets)[EVERYTHING]
    return found


def evidence_of(
    store: Store, name: SystemName, policy: Policy, period: Period, figures: tuple[Figure, ...]
) -> Evidence:
    """What the trail of a period and the latest decisions of the deals won in it say. A deal that was reopened, lost or
    deleted since is none of those won: the page counts it no more either."""
    won = sorted({one.deal_id for one in figures if one.facts.stands})
    return fold(_told(store, name, policy, period), store.plans(name, won))


def week_now(store: Store, name: SystemName, policy: Policy) -> int | None:
    """Which week of hypercare it is; None before the process went live."""
    since = live_since(store, name, policy)
    if since is None:
        return None
    days = (local_date(policy.calendar, store.clock.now()) - since).days
    return days // DAYS_A_WEEK + 1 if days >= 0 else None


def _told(store: Store, name: SystemName, policy: Policy, period: Period) -> Iterator[Told]:
    begins, ends = period.bounds(policy.calendar)
    for kind in (AuditKind.DECIDED, AuditKind.OVERRIDDEN):
        for row in store.trail(Wanted(system=name, since=begins, kind=kind)):
            if row.at >= ends:
                break
            if row.erased is None and row.deal_id is not None:
                spoken = OVERRIDDEN if kind is AuditKind.OVERRIDDEN else DECIDED
                yield Told(row.at, row.deal_id, row.generation, spoken, row.by, row.reason, codec.loads(row.data))


def _rulings(store: Store, name: SystemName, policy: Policy, period: Period) -> Iterator[Ruling]:
    asked = policy.governance
    for one in asked.thresholds if asked else ():
        fits = one.cadence is period.cadence and (one.cadence is not Cadence.HYPERCARE or one.week == period.number)
        if fits:
            yield ruled(store, (name,), one, period, policy.targets)


def _rated(store: Store, name: SystemName, policy: Policy, period: Period) -> tuple[Rated, ...]:
    chosen = Selection(systems=(name,), since=period.first, until=period.end)
    groups = store.sums(chosen, by=Dimension.AE, measures=RATED, targets=policy.targets)
    found = []
    for group, sums in groups.items():
        rating, asks, accepted = (sums.get(key, NOTHING) for key in RATED)
        if rating.counted or asks.counted or accepted.counted:
            found.append(Rated(group.label or "nobody", rating, asks, accepted))
    return tuple(found)


def _lost(store: Store, name: SystemName, policy: Policy, period: Period) -> tuple[Lost, ...]:
    """Customers who left within 90 days, of the wins whose 90 days were over in the period."""
    since, until = won_in(period, MEASURES[CHURNED], policy.targets)
    chosen = Selection(systems=(name,), since=since, until=until)
    figures = store.listed(chosen, measure=CHURNED, which="missed", targets=policy.targets, limit=MOST)
    return tuple(
        Lost(one.deal_id, one.account_name or one.title, one.ae.name, one.csm.name, one.lacks) for one in figures
    )
