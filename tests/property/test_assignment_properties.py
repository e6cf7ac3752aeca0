"""However wins, places, absences and caps come about: never over a cap, the oldest first, nobody without an answer.

Not here: the engine and the store, which carry the same functions over batches and restarts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import hypothesis.strategies as st
from factories import DANA, LENA, MAYA, NOW, PEOPLE, PRIYA, TOMAS, a_policy, a_snapshot
from hypothesis import HealthCheck, given, settings

from connector.handoff.calendar import limit_end, local_date
from connector.handoff.choice import carry, served, standing
from connector.handoff.decide import decide
from connector.handoff.model import HandoffKey, Load, Person, SystemName, Waiting
from connector.handoff.plan import Plan, Verdict
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import AssignmentPolicy, AssignmentRule, Away, Method, Pool, WhenFull
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.assignment import FALLBACK

CSMS = (MAYA, TOMAS, PRIYA, LENA)
EMAIL = {id: PEOPLE[id].email for id in CSMS}
AT_MOST = Limit(Decimal(20), Clock.BUSINESS)
DAYS = 6


@st.composite
def pools(draw: st.DrawFn) -> AssignmentPolicy:
    """One or two pools that may share members, with any method, cap, weights and way out."""
    second = draw(st.booleans())
    full = draw(st.sampled_from(WhenFull))
    if full is WhenFull.NEXT_POOL and not second:
        full = WhenFull.WAIT
    first = _pool(draw, "growth", full, next_pool="small" if full is WhenFull.NEXT_POOL else "")
    made = [first]
    if second:
        made.append(_pool(draw, "small", draw(st.sampled_from((WhenFull.WAIT, WhenFull.FALLBACK)))))
    away = tuple(
        Away(EMAIL[draw(st.sampled_from(CSMS))], begins, begins + timedelta(days=draw(st.integers(0, 3))))
        for begins in draw(st.lists(st.dates(date(2026, 3, 2), date(2026, 3, 9)), max_size=3))
    )
    rules = tuple(AssignmentRule(pool.name, Condition(), pool.name) for pool in made)
    return AssignmentPolicy(
        rules=rules if draw(st.booleans()) else tuple(reversed(rules)),
        pools={pool.name: pool for pool in made},
        fallback=PEOPLE[DANA].email if draw(st.booleans()) else "nobody@seller.example",
        away=away,
        paused=draw(st.sampled_from(((), (EMAIL[TOMAS],)))),
    )


def _pool(draw: st.DrawFn, name: str, full: WhenFull, *, next_pool: str = "") -> Pool:
    members = tuple(EMAIL[id] for id in draw(st.lists(st.sampled_from(CSMS), min_size=1, max_size=4, unique=True)))
    share = draw(st.sampled_from((None, Decimal("0.5"), Decimal("0.3"))))
    return Pool(
        name,
        members,
        cap=draw(st.sampled_from((None, 1, 2, 3, 3))),
        method=draw(st.sampled_from(Method)),
        weights={members[0]: share} if share else {},
        when_full=full,
        next_pool=next_pool,
        wait_at_most=AT_MOST if full is WhenFull.WAIT and draw(st.booleans()) else None,
    )


@dataclass
class Town:
    """Deals, what each CSM carries and who waits, played the way the engine does it."""

    policy: Policy
    now: datetime = NOW
    roster: dict[str, Load] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()
    plans: dict[str, Plan] = field(default_factory=dict)
    released: dict[str, datetime] = field(default_factory=dict)
    given_to: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def day(self) -> date:
        """Today where the team works."""
        return local_date(self.policy.calendar, self.now)

    def decide(self, deal_id: str) -> Plan:
        """Look at one deal, and take over what follows from it."""
        place = next((each for each in self.waiting if each.deal_id == deal_id), None)
        begun = self.released.get(deal_id)
        ledger = {
            "generation": 1 if begun else 0,
            "released_at": begun,
            "waiting_since": place.since if place else None,
            "waiting_pool": place.pool if place else "",
        }
        snapshot = a_snapshot(
            deal={"amount": Decimal(1000 + len(self.released))},
            ledger=ledger,
            with_account=False,
            roster=self.roster,
            waiting=self.waiting,
            won_at=begun or self.now,
            key=HandoffKey(SystemName("sf-test"), deal_id),
        )
        plan = decide(snapshot, self.policy, self.now)
        assert decide(snapshot, self.policy, self.now) == plan, "the same state gave two answers"
        self.plans[deal_id] = plan
        self.released.setdefault(deal_id, self.now)
        self._judge(deal_id, plan)
        since = plan.remember.waiting_since
        rest = tuple(each for each in self.waiting if each.deal_id != deal_id)
        self.waiting = rest if since is None else (*rest, Waiting(deal_id, plan.remember.waiting_pool, since))
        if plan.assignment is not None:
            assert plan.assignment.new
            one = plan.assignment
            self.roster = carry(self.roster, one.person_id, turn=one.turn, amount=plan.remember.amount)
            self.given_to[deal_id] = one.person_id
        return plan

    def _judge(self, deal_id: str, plan: Plan) -> None:
        finding = next(each for each in plan.findings if each.rule == "assignment")
        assert finding.reason
        if plan.assignment is None:
            listed = plan.remember.waiting_since is not None
            assert listed or finding.verdict is Verdict.BLOCKED, "neither a CSM nor a place in the list nor a reason"
            assert finding.recheck_at is not None
            return
        if plan.assignment.rule == FALLBACK:
            return
        person = PEOPLE[plan.assignment.person_id]
        pool = self._pool_of(plan)
        cap = pool.cap_of(person.email)
        assert cap is None or self.roster.get(person.id, Load()).accounts < cap, "over a cap"
        assert person.active
        assert person.email in pool.members
        assert not self._is_away(person)
        self._nobody_older(deal_id, person)

    def _pool_of(self, plan: Plan) -> Pool:
        assert plan.assignment is not None
        reason = next(each.reason for each in plan.findings if each.rule == "assignment")
        name = reason.split(", pool ")[1].split(":")[0].split(" ")[0]
        return self.policy.assignment.pools[name]

    def _is_away(self, person: Person) -> bool:
        day = self.day
        known = self.policy.assignment
        gone = any(each.who == person.email and each.begins <= day <= each.ends for each in known.away)
        return gone or person.email in known.paused

    def _nobody_older(self, deal_id: str, person: Person) -> None:
        """Whoever has waited longer and could come to this person still finds room with them."""
        mine = next((each.order for each in self.waiting if each.deal_id == deal_id), (self.now, deal_id))
        pools = self.policy.assignment.pools
        older = [each for each in self.waiting if each.deal_id != deal_id and each.order < mine]
        wanting = [each for each in older if person.email in pools[each.pool].members]
        for each in wanting:
            cap = pools[each.pool].cap_of(person.email)
            left = None if cap is None else cap - self.roster.get(person.id, Load()).accounts
            assert left is None or left <= 0 or left > len(wanting), "a newer deal took an older one's place"

    def pass_(self, wins: int) -> None:
        """One pass: those who can be served first, then new wins, and those whose time has come."""
        stands = standing(self.policy.assignment, PEOPLE, self.roster, day=self.day, waiting=self.waiting)
        called = served(stands)
        order = {each.deal_id: each.order for each in self.waiting}
        assert list(called) == sorted(called, key=lambda each: order[each])
        for deal_id in called:
            assert self.decide(deal_id).assignment is not None or self.policy.assignment.fallback.startswith("nobody")
        for deal_id in [each.deal_id for each in sorted(self.waiting, key=lambda each: each.order)]:
            recheck = self.plans[deal_id].recheck_at
            if recheck is not None and recheck <= self.now:
                self.decide(deal_id)
        for _ in range(wins):
            self.decide(f"deal-{len(self.released):03}")

    def leave(self, person_id: str) -> None:
        """An account leaves, as a sweep sees it."""
        load = self.roster.get(person_id)
        if load and load.accounts:
            self.roster = {**self.roster, person_id: dataclasses.replace(load, accounts=load.accounts - 1)}


@given(policy=pools(), data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_never_over_a_cap_the_oldest_first_and_always_an_answer(policy: AssignmentPolicy, data: st.DataObject) -> None:
    town = Town(dataclasses.replace(a_policy(), assignment=policy))
    for _ in range(DAYS):
        for id in data.draw(st.lists(st.sampled_from((*CSMS, DANA)), max_size=2)):
            town.leave(id)
        town.pass_(data.draw(st.integers(0, 4)))
        town.now += timedelta(hours=data.draw(st.sampled_from((1, 12, 24))))
    for deal_id, plan in town.plans.items():
        listed = any(each.deal_id == deal_id for each in town.waiting)
        blocked = any(each.verdict is Verdict.BLOCKED for each in plan.findings)
        assert (deal_id in town.given_to) != listed or blocked


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_within_one_pool_places_go_in_the_order_of_waiting(data: st.DataObject) -> None:
    members = (EMAIL[MAYA], EMAIL[TOMAS])
    pool = Pool("growth", members, 1, data.draw(st.sampled_from(Method)), when_full=WhenFull.WAIT)
    rules = (AssignmentRule("all", Condition(), "growth"),)
    known = AssignmentPolicy(rules, {"growth": pool}, PEOPLE[DANA].email)
    town = Town(dataclasses.replace(a_policy(), assignment=known))
    served_in: list[str] = []
    for _ in range(8):
        before = set(town.given_to)
        for id in data.draw(st.lists(st.sampled_from((MAYA, TOMAS)), max_size=2, unique=True)):
            town.leave(id)
        town.pass_(data.draw(st.integers(0, 3)))
        served_in += [each for each in town.given_to if each not in before]
        town.now += timedelta(hours=1)
    assert served_in == sorted(served_in)


def test_a_limit_of_waiting_counts_working_hours() -> None:
    calendar = a_policy().calendar
    friday = datetime.fromisoformat("2026-03-06T14:00:00+00:00")
    assert limit_end(calendar, friday, Limit(Decimal(8), Clock.BUSINESS)).isoformat() == "2026-03-09T14:00:00+00:00"
    assert limit_end(calendar, friday, Limit(Decimal(8), Clock.WALL)).isoformat() == "2026-03-06T22:00:00+00:00"
