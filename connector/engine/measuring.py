"""Figures for whoever watches the daemon; and from nothing: every deal read anew, held against what was kept.

Not here: what a figure is (``handoff.measures``) and keeping it (``store``). What the CRM holds and what the ledger
remembers is all that goes into it; the figures that were kept are only compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from connector.crm.batch import chunks
from connector.engine.parts import Shared, System
from connector.engine.reconciler import PORTION, look_at
from connector.handoff.calendar import local_date
from connector.handoff.measures.catalogue import MEASURES, PER_HANDOFF, QUARTER
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.summing import number
from connector.handoff.model import SystemName
from connector.handoff.rulebook.watch import Targets
from connector.store.figurerows import gone, over
from connector.store.figures import Selection


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of one handoff that was kept as another than is found. ``name`` is a measure's key, ``row`` where the
    whole row is missing or one too many, or the name of what else differs."""

    system: SystemName
    deal_id: str
    generation: int
    name: str
    kept: str
    found: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared: ``handoffs`` in all, ``waiting`` of whose deals a look is due and which therefore were left
    out, ``unread`` deals that could not be read or decided. ``right`` are the rows as they ought to be, where they
    differ."""

    handoffs: int
    waiting: int
    unread: int
    differences: tuple[Difference, ...]
    right: tuple[Figure, ...]


OF_ROW = ("ae", "csm", "segment", "tier", "source", "deal_type", "amount", "won_on", "activated_on", "phase", "covered")
"""What else of a row sums are told apart by; titles and names are only shown."""

EVERY = timedelta(minutes=1)
"""How often Prometheus is shown figures at most."""

MOST_DUE = 1_000_000
"""Looks that are due, asked for at once: all there are."""


def show_figures(shared: Shared, system: System) -> None:
    """Show Prometheus the figures of the handoffs that came to count within the last quarter, once a minute at most."""
    now = shared.clock.now()
    if system.figured is not None and now - system.figured < EVERY:
        return
    system.figured = now
    targets, today = system.policy.targets, local_date(system.policy.calendar, now)
    for days, keys in _gauges(targets).items():
        since = today - timedelta(days=QUARTER + days)
        chosen = Selection(systems=(system.name,), since=since, until=today - timedelta(days=days - 1))
        (sums,) = shared.store.sums(chosen, measures=keys, targets=targets).values()
        for key, found in sums.items():
            shared.telemetry.show_measure(system.name, key, number=number(MEASURES[key], found), handoffs=found.counted)


def _gauges(targets: Targets) -> dict[int, list[str]]:
    """The measures that Prometheus is told, by the day after the win from which they count."""
    found: dict[int, list[str]] = {}
    for one in PER_HANDOFF:
        if one.gauge:
            days = getattr(targets, one.after_days) if isinstance(one.after_days, str) else one.after_days
            found.setdefault(days, []).append(one.key)
    return found


def from_nothing(shared: Shared, system: System) -> Comparison:
    """Compare one system's figures; reads every handoff's deal, and stores nothing. Raises `CrmError`."""
    due = {look.deal_id for look in shared.store.due(system.name, limit=MOST_DUE)}
    known = shared.store.measured_deals(system.name)
    deals = [each for each in known if each not in due]
    differences: list[Difference] = []
    right: list[Figure] = []
    handoffs = unread = 0
    for part in chunks(deals, size=PORTION):
        looked = look_at(shared, system, tuple(part))
        kept = shared.store.figures_of(system.name, part)
        found = {plan.key.deal_id: plan.figure for plan in looked.plans.values()}
        for deal_id in part:
            if deal_id in looked.undecided:
                unread += 1
                continue
            was = [figure for (deal, _), figure in kept.items() if deal == deal_id]
            for pair in _pairs(shared, was, found.get(deal_id), is_gone=deal_id not in found):
                handoffs += 1
                if told := _differences(*pair):
                    differences += told
                    right += [pair[1]] if pair[1] is not None else []
    return Comparison(handoffs, len(known) - len(deals), unread, tuple(differences), tuple(right))


def _pairs(
    shared: Shared, was: Sequence[Figure], found: Figure | None, *, is_gone: bool
) -> Iterable[tuple[Figure | None, Figure | None]]:
    """What was kept of a deal's handoffs beside what is found. Earlier generations are over: nothing of them is found
    any more, and they count in nothing, as a deal that is gone does."""
    now = shared.clock.now()
    if is_gone:
        return [(one, gone(one, now)) for one in was]
    if found is None:
        return []
    earlier = [(one, over(one, now)) for one in was if one.generation < found.generation and one.facts.stands]
    return [*earlier, (next((one for one in was if one.generation == found.generation), None), found)]


def _differences(kept: Figure | None, found: Figure | None) -> list[Difference]:
    one = found or kept
    if one is None:
        return []
    place = (one.system, one.deal_id, one.generation)
    if kept is None or found is None:
        return [Difference(*place, "row", "there" if kept else "missing", "there" if found else "none")]
    values = [
        Difference(*place, measure.key, _said(was), _said(now))
        for measure in PER_HANDOFF
        if (was := kept.values.get(measure.key)) != (now := found.values.get(measure.key))
    ]
    rest = [
        Difference(*place, name, _said(_part(kept, name)), _said(_part(found, name)))
        for name in OF_ROW
        if _part(kept, name) != _part(found, name)
    ]
    return values + rest


def _part(one: Figure, name: str) -> object:
    value = getattr(one, name)
    return value.id if name in ("ae", "csm") else value


def _said(value: object) -> str:
    return "–" if value is None else str(value)
