"""Point "fairness": a quarter of wins shared out by each method, with absences, part-time work and caps; no sockets.

Not here: that engine and store carry the same decisions over batches and restarts (tests). Decided by the core's
`decide` with the shipped mapping, hour by hour through 13 weeks of the shipped calendar; the seed decides everything.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bench.report import Point, Table, Target, count
from connector.handoff.calendar import elapsed, local_date, next_open
from connector.handoff.choice import carry, served, standing
from connector.handoff.decide import decide
from connector.handoff.model import (
    DealType,
    HandoffKey,
    Kind,
    LedgerFacts,
    Load,
    Person,
    Record,
    Ref,
    Snapshot,
    Stage,
    SystemName,
    Value,
    Waiting,
)
from connector.handoff.plan import Plan
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.messages import NotifyPolicy
from connector.handoff.rulebook.people import AssignmentPolicy, AssignmentRule, Away, Method, Pool, WhenFull
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.assignment import FALLBACK
from connector.policy.load import load

MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"
SF = SystemName("sf")
WON = Stage("Closed Won", "Closed Won", is_won=True, is_closed=True)
BEGIN = datetime(2026, 1, 5, 14, tzinfo=UTC)
WEEKS, QUICK_WEEKS = 13, 4
SEEDS, QUICK_SEEDS = 5, 1
HOUR = timedelta(hours=1)
HOURS_A_DAY = 8
HALF = Decimal("0.5")

NAMES = ("Ada Brandt", "Ben Okoye", "Cleo Marin", "Dag Solberg", "Eva Nowak", "Finn Half")
PART_TIME = "finn.half@seller.example"
STANDS_IN = Person("u-fallback", "gro.lunde@seller.example", "Gro Lunde")

WORST_GAP = 0.1
"""How far anybody's share may be from the ideal in the roomy team, on average over the quarters: with some 20 new
customers each, one customer more or less is 5 %."""

WORST_WAIT = 17
"""Working hours: the limit of waiting in the tight team, and up to an hour until the simulation looks again."""

NOTE = f"""\
Six CSMs, of whom one works half the time; each is away for a week, two of them for two. *Roomy*: 2 wins a day, a cap
that nobody reaches. *Tight*: the same wins, a cap of 16, and fewer customers leave than come, so that deals wait for at
most 16 working hours and then go to the fallback. The ideal is what the method promises: new customers by days at work
(round robin), customers in all (fewest accounts) and revenue handed over (least revenue), each by the share somebody
works. A gap is the largest distance of anybody from that ideal; in the tight team the cap shares customers out, not the
method, so only customers in all stay even there. Waits are working hours. A cap held: decisions in which somebody was
passed over because of it; a deal that waits is decided more than once. {SEEDS} quarters each."""


@dataclass(frozen=True, slots=True)
class Team:
    """How full a team is: its cap, what everybody has to begin with, and how many customers leave a day."""

    name: str
    cap: int
    start: tuple[int, int]
    leave_a_day: float


ROOMY = Team("roomy", 200, (10, 14), 0.7)
TIGHT = Team("tight", 16, (13, 16), 1.7)
WINS_A_DAY = 2.0


@dataclass
class Quarter:
    """One quarter as it goes: what everybody carries, who waits, and what was counted."""

    policy: Policy
    people: Mapping[str, Person]
    rng: random.Random
    now: datetime
    roster: dict[str, Load]
    waiting: tuple[Waiting, ...] = ()
    due: dict[str, datetime] = field(default_factory=dict)
    deals: dict[str, Snapshot] = field(default_factory=dict)
    gained: Counter[str] = field(default_factory=Counter)
    at_work: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    held: int = 0
    fell_back: int = 0
    longest: int = 0
    over: int = 0
    out_of_order: int = 0
    unanswered: int = 0

    def hour(self, team: Team) -> None:
        """One working hour: customers leave, those who can be served are, then new wins."""
        for _ in range(self._happens(team.leave_a_day / HOURS_A_DAY)):
            self._leave()
        for deal_id in (*self._served(), *self._overdue()):
            self._decide(deal_id)
        for _ in range(self._happens(WINS_A_DAY / HOURS_A_DAY)):
            self._win()
        self.longest = max(self.longest, len(self.waiting))
        today = local_date(self.policy.calendar, self.now)
        gone = {each.who for each in self.policy.assignment.away if each.begins <= today <= each.ends}
        self.at_work.update(person.id for person in self.people.values() if person.email not in gone)

    def _happens(self, rate: float) -> int:
        """How often something with this rate happens in an hour: Poisson, by waiting times."""
        times, left = 0, self.rng.expovariate(1.0)
        while left < rate:
            times, left = times + 1, left + self.rng.expovariate(1.0)
        return times

    def _leave(self) -> None:
        carried = sorted(person for person, load in self.roster.items() for _ in range(load.accounts))
        if carried:
            person = self.rng.choice(carried)
            load = self.roster[person]
            self.roster = {**self.roster, person: replace(load, accounts=load.accounts - 1)}

    def _served(self) -> tuple[str, ...]:
        known = self.policy.assignment
        today = local_date(self.policy.calendar, self.now)
        return served(standing(known, self.people, self.roster, day=today, waiting=self.waiting))

    def _overdue(self) -> list[str]:
        order = sorted(self.waiting, key=lambda each: each.order)
        return [each.deal_id for each in order if self.due[each.deal_id] <= self.now]

    def _win(self) -> None:
        deal_id = f"deal-{len(self.deals):04}"
        amount = Decimal(int(self.rng.lognormvariate(9.8, 0.6)))
        self.now += timedelta(seconds=1)
        values: dict[str, Value] = {"name": deal_id, "amount": amount}
        self.deals[deal_id] = Snapshot(
            key=HandoffKey(SF, deal_id),
            observed_at=self.now,
            deal=Record(Ref(Kind.DEAL, deal_id), values),
            stage=WON,
            deal_type=DealType.NEW,
            ledger=LedgerFacts(BEGIN - timedelta(days=1)),
            won_at=self.now,
            people=self.people,
        )
        self._decide(deal_id)

    def _decide(self, deal_id: str) -> None:
        snapshot = replace(self.deals[deal_id], roster=self.roster, waiting=self.waiting)
        plan = decide(snapshot, self.policy, self.now)
        told = plan.remember
        ledger = replace(
            snapshot.ledger,
            generation=plan.generation,
            released_at=told.released_at,
            gate=told.gate,
            waiting_since=told.waiting_since,
            waiting_pool=told.waiting_pool,
        )
        self.deals[deal_id] = replace(snapshot, ledger=ledger)
        reason = next(each.reason for each in plan.findings if each.rule == "assignment")
        self.held += "at the cap" in reason
        self._queue(deal_id, plan)
        if plan.assignment is not None:
            self._give(deal_id, plan, waited=snapshot.ledger.waiting_since)
        elif told.waiting_since is None:
            self.unanswered += 1

    def _queue(self, deal_id: str, plan: Plan) -> None:
        since = plan.remember.waiting_since
        rest = tuple(each for each in self.waiting if each.deal_id != deal_id)
        self.waiting = rest if since is None else (*rest, Waiting(deal_id, plan.remember.waiting_pool, since))
        if since is not None and plan.recheck_at is not None:
            self.due[deal_id] = plan.recheck_at

    def _give(self, deal_id: str, plan: Plan, *, waited: datetime | None) -> None:
        given = plan.assignment
        assert given is not None
        self.waits.append(elapsed(self.policy.calendar, waited, self.now) / HOUR if waited else 0.0)
        if given.rule == FALLBACK:
            self.fell_back += 1
            return
        pool = self.policy.assignment.pools["team"]
        cap = pool.cap_of(given.email)
        before = self.roster.get(given.person_id, Load())
        self.over += cap is not None and before.accounts >= cap
        won_at = self.deals[deal_id].won_at
        self.out_of_order += any(won_at is not None and each.since < won_at for each in self.waiting)
        self.gained[given.person_id] += 1
        self.roster = carry(self.roster, given.person_id, turn=given.turn, amount=plan.remember.amount)


def run(*, quick: bool) -> Point:
    """Play the quarters of every method."""
    began = time.monotonic()
    shipped = load(MAPPINGS, {SF: "salesforce"}).policies[SF]
    seeds, weeks = (QUICK_SEEDS, QUICK_WEEKS) if quick else (SEEDS, WEEKS)
    played = {
        (team.name, method): [_play(shipped, team, method, seed=seed, weeks=weeks) for seed in range(seeds)]
        for team in (ROOMY, TIGHT)
        for method in Method
    }
    every = [quarter for quarters in played.values() for quarter in quarters]
    fair = [
        Target(
            f"{method.value}: average gap",
            _mean([_gap(each, method) for each in played[ROOMY.name, method]]),
            WORST_GAP,
        )
        for method in Method
    ]
    targets = (
        Target("given over a cap", sum(each.over for each in every), 0),
        Target("given past somebody who had waited longer", sum(each.out_of_order for each in every), 0),
        Target("wins without CSM, place or fallback", sum(each.unanswered for each in every), 0),
        Target("worst wait, working hours", max(wait for each in every for wait in each.waits), WORST_WAIT, "h"),
        *([] if quick else fair),
    )
    return Point(
        name="fairness",
        title="13. Fairness of assignment over a quarter",
        tables=(_summary(played), *(_shares(played[ROOMY.name, method][0], method) for method in Method)),
        targets=targets,
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )


def _play(shipped: Policy, team: Team, method: Method, *, seed: int, weeks: int) -> Quarter:
    rng = random.Random(seed)
    people = {each.id: each for each in (*map(_person, NAMES), STANDS_IN)}
    csms = [each for each in people.values() if each is not STANDS_IN]
    policy = _policy(shipped, team, method, away=tuple(_absences(rng, csms, weeks)), csms=csms)
    pool = policy.assignment.pools["team"]
    roster = {each.id: Load(int(rng.randint(*team.start) * pool.weight(each.email)), 0, Decimal(0)) for each in csms}
    quarter = Quarter(policy, people, rng, next_open(policy.calendar, BEGIN), roster)
    ends = BEGIN + timedelta(weeks=weeks)
    while quarter.now < ends:
        quarter.hour(team)
        quarter.now = next_open(policy.calendar, quarter.now.replace(minute=0, second=0) + HOUR)
    return quarter


def _policy(shipped: Policy, team: Team, method: Method, *, away: tuple[Away, ...], csms: Sequence[Person]) -> Policy:
    pool = Pool(
        "team",
        tuple(each.email for each in csms),
        team.cap,
        method,
        weights={PART_TIME: HALF},
        when_full=WhenFull.WAIT,
        wait_at_most=Limit(Decimal(2 * HOURS_A_DAY), Clock.BUSINESS),
    )
    rules = (AssignmentRule("all", Condition(), "team"),)
    assignment = AssignmentPolicy(rules, {"team": pool}, STANDS_IN.email, away=away)
    gate = replace(shipped.gate, mode=GateMode.OFF, exceptions=())
    # Tasks and messages are other people's business, and most of what a decision costs.
    return replace(shipped, assignment=assignment, gate=gate, playbooks=(), notify=NotifyPolicy(frozenset()))


def _absences(rng: random.Random, csms: Sequence[Person], weeks: int) -> Iterator[Away]:
    for number, each in enumerate(csms):
        length = 14 if number < 2 else 7
        begins = BEGIN.date() + timedelta(weeks=rng.randrange(max(weeks - 2, 1)))
        yield Away(each.email, begins, begins + timedelta(days=length - 1))


def _person(name: str) -> Person:
    email = f"{name.lower().replace(' ', '.')}@seller.example"
    return Person(f"u-{name.split()[0].lower()}", email, name)


def _figures(quarter: Quarter, method: Method) -> dict[str, tuple[float, float]]:
    """By person, what they got of what the method shares out, and the ideal."""
    pool = quarter.policy.assignment.pools["team"]
    csms = [each for each in quarter.people.values() if each is not STANDS_IN]
    work = {each.id: float(pool.weight(each.email)) for each in csms}
    got: Mapping[str, float]
    if method is Method.ROUND_ROBIN:
        got = {each.id: quarter.gained[each.id] for each in csms}
        work = {person: share * quarter.at_work[person] for person, share in work.items()}
    elif method is Method.FEWEST_ACCOUNTS:
        got = {each.id: quarter.roster[each.id].accounts for each in csms}
    else:
        got = {each.id: float(quarter.roster[each.id].revenue) for each in csms}
    total, all_work = sum(got.values()), sum(work.values())
    return {person: (got[person], total * work[person] / all_work) for person in got}


def _gap(quarter: Quarter, method: Method) -> float:
    return max(abs(got - ideal) / ideal for got, ideal in _figures(quarter, method).values())


def _summary(played: Mapping[tuple[str, Method], Sequence[Quarter]]) -> Table:
    rows = []
    for (team, method), quarters in played.items():
        waits = sorted(wait for each in quarters for wait in each.waits)
        wins = sum(len(each.deals) for each in quarters)
        gaps = [_gap(each, method) for each in quarters]
        row = (
            team,
            method.value,
            count(wins),
            f"{_mean(gaps):.0%}",
            f"{max(gaps):.0%}",
            count(sum(wait > 0 for wait in waits)),
            f"{max(waits):.1f}",
            str(max(each.longest for each in quarters)),
            count(sum(each.held for each in quarters)),
            count(sum(each.fell_back for each in quarters)),
        )
        rows.append(row)
    columns = (
        *("Team", "Method", "Wins", "Gap, average", "worst", "Waited", "Worst wait h", "Longest list"),
        *("A cap held", "To the fallback"),
    )
    return Table("All quarters", columns, tuple(rows))


def _shares(quarter: Quarter, method: Method) -> Table:
    rows = []
    for person, (got, ideal) in _figures(quarter, method).items():
        load, name = quarter.roster[person], quarter.people[person].name
        days = quarter.at_work[person] / HOURS_A_DAY
        figures = (quarter.gained[person], load.accounts, float(load.revenue))
        rows.append((name, f"{days:.0f}", *map(count, figures), f"{got:,.0f}", f"{ideal:,.1f}", f"{got / ideal:.0%}"))
    columns = ("CSM", "Days at work", "New", "Customers", "Revenue", "Shared out by", "Ideal", "Of the ideal")
    return Table(f"The first quarter of the roomy team by {method.value}", columns, tuple(rows))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
