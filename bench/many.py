"""Handoffs by the thousand, made up: facts by chance, and the values that the measures make of them.

Not here: a CRM, a daemon and decisions. The same seed makes the same handoffs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from connector.handoff.measures.catalogue import PER_HANDOFF
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure, Funnel, Who
from connector.handoff.model import DealType, SystemName
from connector.handoff.plan import Phase
from connector.store import Store
from connector.store.figurerows import put_figures

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TODAY = NOW.date()
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
AES, CSMS = 40, 25
SEGMENTS, TIERS = ("Enterprise", "Mid-Market", "SMB"), ("A", "B", "C")
SOURCES = ("Inbound", "Outbound", "Partner", "Event", "Referral")
BATCH = 2000
STUCK = ("no first login", "setup not finished", "red flag: no answer for two weeks")
NO_HANDOFF = ("It is held at the gate.", "It waits for a CSM.")


def fill(store: Store, count: int, *, seed: int = 7, system: str = "sf", days: int = 364) -> None:
    """Put so many handoffs into a store, won over so many days before `NOW`."""
    made = made_up(count, seed=seed, system=system, days=days)
    while batch := list(islice(made, BATCH)):
        put(store, batch)


def put(store: Store, figures: Sequence[Figure]) -> None:
    """Write rows of figures, as a decision would."""
    with store._db.write() as connection:
        put_figures(store._db, connection, figures)


def made_up(count: int, *, seed: int, system: str = "sf", days: int = 364) -> Iterator[Figure]:
    """So many handoffs."""
    chance = random.Random(seed)
    for number in range(count):
        yield _one(number, chance, system=SystemName(system), days=days)


def _one(number: int, chance: random.Random, *, system: SystemName, days: int) -> Figure:
    won = NOW - chance.random() * days * DAY
    covered = chance.random() > 0.04
    facts = _facts(won, chance, covered=covered)
    ae, csm = chance.randrange(AES), chance.randrange(CSMS)
    stage = _stage(facts)
    return Figure(
        system=system,
        deal_id=f"006{number:012d}AAA",
        generation=1,
        facts=facts,
        title=f"Deal {number}",
        account_id=f"001{number:012d}AAA",
        account_name=f"Customer {number} GmbH",
        ae=Who(f"005AE{ae:03d}", f"Seller {ae}"),
        csm=Who(f"005CS{csm:03d}", f"Keeper {csm}") if covered else Who(),
        segment=chance.choice(SEGMENTS),
        tier=chance.choice(TIERS),
        source=chance.choice(SOURCES),
        deal_type=facts.deal_type.value,
        amount=facts.amount,
        currency="EUR",
        won_on=won.date(),
        won_weekday=won.weekday(),
        won_hour=won.hour,
        activated_on=facts.activated_at.date() if facts.activated_at else None,
        phase=(Phase.IN_FLIGHT if covered else Phase.HELD).value,
        covered=covered,
        reason="Every required field is filled." if covered else chance.choice(NO_HANDOFF),
        funnel=stage,
        stuck=(chance.choice(STUCK),) if covered and chance.random() < 0.03 else (),
        promise_due=(NOW + chance.randrange(-10, 40) * DAY).date() if covered and chance.random() < 0.1 else None,
        values={one.key: one.value(facts) for one in PER_HANDOFF},
    )


def _facts(won: datetime, chance: random.Random, *, covered: bool) -> Facts:
    def later(most: timedelta, share: float) -> datetime | None:
        at = won + chance.random() * most
        return at if covered and at <= NOW and chance.random() < share else None

    kickoff = later(12 * DAY, 0.85)
    due = chance.randrange(4, 12)
    return Facts(
        at=NOW,
        deal_type=chance.choices((DealType.NEW, DealType.RENEWAL), (9, 1))[0],
        won_at=won,
        released_at=won + HOUR if covered else None,
        short=chance.random() < 0.12,
        asked_at=won - 5 * DAY,
        answered_at=won - chance.random() * 4 * DAY,
        assigned_at=later(HOUR, 0.98),
        told_at=later(HOUR / 6, 0.98),
        first_touch_at=later(50 * HOUR, 0.94),
        kickoff_at=kickoff,
        kickoff_days=int((kickoff - won) / DAY * 100 * 5 / 7) if kickoff else None,
        activates=True,
        activated_at=later(45 * DAY, 0.8) if kickoff else None,
        steps_due=due,
        steps_done=chance.randrange(due // 2, due + 1),
        promises_due=chance.randrange(0, 3),
        accepted=True if covered else None,
        rejections=int(chance.random() < 0.06),
        rating=chance.choice((None, 300, 400, 500)),
        repeat_asks=chance.choice((None, 0, 0, 1)),
        escalations=int(chance.random() < 0.1),
        overridden=chance.random() < 0.05,
        complete=chance.random() < 0.9,
        watched=("churned_at",),
        nps=chance.choice((None, 900, 700, 400)),
        csat=chance.choice((None, 800, 900)),
        tickets=chance.choice((None, 0, 1, 3)),
        amount=chance.randrange(500_000, 9_000_000),
    )


def _stage(facts: Facts) -> Funnel:
    reached = (
        (Funnel.ACTIVATED, facts.activated_at),
        (Funnel.KICKED_OFF, facts.kickoff_at),
        (Funnel.TOUCHED, facts.first_touch_at),
        (Funnel.ASSIGNED, facts.assigned_at),
        (Funnel.RELEASED, facts.released_at),
    )
    return next((stage for stage, at in reached if at), Funnel.WON)
