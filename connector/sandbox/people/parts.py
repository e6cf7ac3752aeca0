"""Who plays what in a quarter: customers who do well or get stuck, sellers who fill in well or badly, when they win.

Pure data from a seed. Not here: what they do on a screen (``quarter``) and in the product (``usage``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo

import holidays

from connector.sandbox import book, people
from connector.sandbox.agreed import DealType
from connector.sandbox.book import AccountPlan, DealPlan

ZONE = ZoneInfo("America/New_York")
"""Where everybody of the quarter works."""
DESK = (time(9), time(12), time(15))
"""When people are at their desks on a working day: they look at their tasks, and do what is small many at a time."""
RELAYED_AT = (time(8, 55), time(20, 55))
"""When the product's relay hands on what it has collected, every day."""
SETTLED_DAYS = 16
"""Days after a win by which whatever was to happen to a customer has happened."""
FIRST_STUCK_DAY = 4
"""Before that day nobody's silence can be told from a product that is not connected yet."""
PRE_CLOSE_DAYS = (2, 8)
_MILES = 4_000
"""Company names that a cast may draw from."""


class Customer(StrEnum):
    """What becomes of a customer; the value of one in trouble is the signal or flag it is to raise."""

    WELL = "does well"
    PLAIN = "plain"
    SILENT = "no-login"
    HALF = "integration-unfinished"
    EMPTY = "no-data"
    LOST = "help-docs"
    SLOW = "slow-reply"
    ABSENT = "no-shows"
    ASKING = "scope-creep"


STUCK = (Customer.SILENT, Customer.HALF, Customer.EMPTY, Customer.LOST)
FLAGGED = (Customer.SLOW, Customer.ABSENT, Customer.ASKING)
_ORDER = (Customer.WELL, *STUCK, *FLAGGED, Customer.WELL, Customer.PLAIN, Customer.WELL, Customer.PLAIN)


class Seller(StrEnum):
    """How the AE fills in what the handoff asks for."""

    READY = "all of it early"
    LATE = "all of it on the day"
    GAPS = "wins with gaps, and mends them"
    VAGUE = "writes words that say nothing"
    OVERRIDE = "has it let through by a manager"
    NEVER = "wins with gaps, and leaves it"


_OF_PLAIN = (
    (Seller.READY, 40),
    (Seller.LATE, 15),
    (Seller.GAPS, 15),
    (Seller.VAGUE, 12),
    (Seller.OVERRIDE, 12),
    (Seller.NEVER, 6),
)
_OF_OTHERS = ((Seller.READY, 60), (Seller.LATE, 25), (Seller.GAPS, 15))


@dataclass(frozen=True, slots=True)
class Part:
    """One deal of the quarter with everybody's habits; ``opened`` is when it stands in negotiation, ``won`` when the AE
    means to have won it. ``holder``: email of the CSM who has the account already, or empty."""

    number: int
    plan: DealPlan
    home: AccountPlan
    customer: Customer
    seller: Seller
    opened: datetime
    won: datetime
    holder: str = ""

    def dice(self, word: str) -> random.Random:
        """Dice of its own for each thing that is decided, so that nothing hangs on what came before."""
        return random.Random(f"{self.plan.key}:{word}")


def is_working_day(moment: datetime) -> bool:
    """Whether people work on the day of this moment, by their own clock."""
    day = moment.astimezone(ZONE).date()
    return day.weekday() < 5 and day not in _holidays(day.year)


@cache
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("US", years=year))


def looks(start: datetime, end: datetime) -> Iterator[datetime]:
    """The moments at which people are at their desks."""
    return (at for at in daily(start, end, DESK) if is_working_day(at))


def relays(start: datetime, end: datetime) -> Iterator[datetime]:
    """The moments at which the product's events are handed on."""
    return daily(start, end, RELAYED_AT)


def at_desk(moment: datetime) -> datetime:
    """This moment, or the next at which people are at their desks."""
    return next(looks(moment, moment + timedelta(days=14)))


def daily(start: datetime, end: datetime, hours: Sequence[time]) -> Iterator[datetime]:
    """The moments at which the clock on the wall shows one of these hours."""
    day = start.astimezone(ZONE).date()
    while datetime.combine(day, time(), ZONE) < end:
        for hour in hours:
            if start <= (at := datetime.combine(day, hour, ZONE)) < end:
                yield at.astimezone(start.tzinfo)
        day += timedelta(days=1)


def cast(system: str, *, seed: int, deals: int, start: datetime, days: int) -> tuple[Part, ...]:
    """The deals of one CRM's quarter, in the order in which they are opened."""
    rng = random.Random(f"quarter:{system}:{seed}")
    homes = book.account_plans(rng, _MILES, held=False)
    light = max(1, deals // 8)
    counts: dict[DealType, int] = {"new": max(deals - 2 * light, 1), "renewal": light, "upsell": light}
    types = [kind for kind, count in counts.items() for _ in range(count)]
    made = [
        _part(rng, next(homes), kind, number, system=system, seed=seed, start=start, days=days)
        for number, kind in enumerate(types[:deals])
    ]
    return tuple(sorted(made, key=lambda part: (part.opened, part.number)))


def _part(
    rng: random.Random,
    home: AccountPlan,
    kind: DealType,
    number: int,
    *,
    system: str,
    seed: int,
    start: datetime,
    days: int,
) -> Part:
    customer = _ORDER[number % len(_ORDER)] if kind == "new" else Customer.PLAIN
    ours = replace(home, domain=home.domain.replace(".example", f"-{system}.example"))
    won = _moment(rng, customer, start=start, days=days)
    key = f"{seed}:{system}:{number}"
    plan = book.deal_plan(rng, ours, key=key, today=won.date(), phase="negotiation", deal_type=kind, complete=True)
    plain = customer is Customer.PLAIN and kind == "new"
    habits, weights = zip(*(_OF_PLAIN if plain else _OF_OTHERS), strict=True)
    early = won - timedelta(days=rng.uniform(*PRE_CLOSE_DAYS))
    holder = rng.choice(people.with_role(people.CSM)).email if kind != "new" else ""
    seller = rng.choices(habits, weights)[0]
    return Part(number, plan, ours, customer, seller, max(early, start + timedelta(minutes=5)), won, holder)


def _moment(rng: random.Random, customer: Customer, *, start: datetime, days: int) -> datetime:
    """When a deal is won: on working days mostly, now and then late on a Friday or at a weekend."""
    # The others have to be won early enough for what becomes of them; these keep the last weeks busy.
    first = days // 3 if customer is Customer.PLAIN else FIRST_STUCK_DAY if customer in STUCK else 0
    last = days - 1 if customer is Customer.PLAIN else days - SETTLED_DAYS - 4
    while True:
        day = start.astimezone(ZONE).date() + timedelta(days=rng.randint(min(first, max(last, 0)), max(last, 0)))
        at = datetime.combine(day, time(9), ZONE) + timedelta(seconds=rng.randint(0, 9 * 3600))
        if (is_working_day(at) or rng.random() < 0.1) and at > start + timedelta(hours=1):
            return at.astimezone(start.tzinfo)
