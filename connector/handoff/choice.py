"""Who of a pool takes a customer, by its method; who must wait, and in which order those who wait are served.

Not here: CSMs who are there already, writes and fallback (``rules.assignment``), absences (``people``). Nobody is put
over a cap, and no place goes to a deal while one that has waited longer could take it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from connector.handoff.model import Load, Person, Waiting
from connector.handoff.people import absence, named
from connector.handoff.plan import Candidate
from connector.handoff.rulebook.people import FULL_TIME, AssignmentPolicy, Method, Pool, WhenFull

SPAN = 1000
"""What one customer moves a full-time CSM on in a round robin with weights; a half-time CSM moves twice as far."""

ELIGIBLE = "eligible"
"""How the word on somebody begins who could have taken the deal."""

END_OF_LINE = 0
"""The turn of somebody who simply goes behind all others."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand before a choice: members of pools by email, what each person carries, the day, who waits."""

    policy: AssignmentPolicy
    members: Mapping[str, Person]
    roster: Mapping[str, Load]
    day: date
    waiting: tuple[Waiting, ...] = ()

    def load(self, person_id: str) -> Load:
        """What somebody carries."""
        return self.roster.get(person_id, Load())


def standing(
    policy: AssignmentPolicy,
    people: Mapping[str, Person],
    roster: Mapping[str, Load],
    *,
    day: date,
    waiting: tuple[Waiting, ...] = (),
) -> Standing:
    """How things stand, from the CRM's people by id."""
    emails = {email for pool in policy.pools.values() for email in pool.members}
    return Standing(policy, named(people, emails), roster, day, waiting)


@dataclass(frozen=True, slots=True)
class Pick:
    """What came of asking pools: the last ``pool`` asked, ``best`` if somebody can take the deal, ``turn`` their next.

    ``hopeful``: nobody can now, but somebody may later, when a place is free or they are back.
    """

    pool: Pool
    best: Candidate | None
    candidates: tuple[Candidate, ...]
    turn: int = END_OF_LINE
    hopeful: bool = False


def chain(policy: AssignmentPolicy, name: str) -> Iterator[Pool]:
    """A pool and those that step in when it is full, each once."""
    seen: set[str] = set()
    while name in policy.pools and name not in seen:
        seen.add(name)
        pool = policy.pools[name]
        yield pool
        name = pool.next_pool if pool.when_full is WhenFull.NEXT_POOL else ""


def pick(standing: Standing, pool_name: str, deal: Waiting) -> Pick | None:
    """The member who takes a deal, of the first pool of the chain that has one; None when there is no such pool.

    ``deal`` is the deal's place among those that wait, whether it stands there yet or not.
    """
    kept = _kept_for_others(standing, deal)
    asked: list[Candidate] = []
    last: Pool | None = None
    hopeful = False
    for pool in chain(standing.policy, pool_name):
        last = pool
        candidates = tuple(_weigh(standing, pool, kept))
        eligible = [each for each in candidates if not each.why]
        if eligible:
            best = min(eligible, key=_ranked(standing, pool))
            shown = tuple(_explained(standing, pool, each, best) for each in candidates)
            return Pick(pool, best, (*asked, *shown), turn=_next_turn(standing, pool, eligible, best))
        asked += candidates
        hopeful = hopeful or any(_may_be_free(standing, email) for email in pool.members)
    return Pick(last, None, tuple(asked), hopeful=hopeful) if last else None


def waits(pool: Pool, found: Pick) -> bool:
    """Whether a deal for which nobody was found waits for this pool."""
    return found.best is None and found.hopeful and pool.when_full is WhenFull.WAIT


def second(standing: Standing, pool: Pool, *, lead_id: str) -> Person | None:
    """The second CSM beside a lead: of the pool named for that, at work, whose turn it is. Caps count leads only."""
    of = standing.policy.pools.get(pool.second_from)
    if of is None:
        return None
    known = [standing.members.get(email) for email in of.members]
    able = [each for each in known if each and each.active and each.id != lead_id and not _away(standing, each)]
    return min(able, key=lambda each: (standing.load(each.id).turn, each.email), default=None)


def carry(
    roster: Mapping[str, Load],
    person_id: str,
    *,
    turn: int = END_OF_LINE,
    amount: Decimal | None = None,
    accounts: int = 1,
) -> dict[str, Load]:
    """The roster after one more account for a person, so that the next deal of a batch is decided by it; a second CSM
    takes a turn and no account."""
    load = roster.get(person_id, Load())
    last = max((one.turn for one in roster.values()), default=0)
    revenue = load.revenue + (amount or Decimal(0))
    begun = load.begun + (1 if accounts else 0)
    return {**roster, person_id: Load(load.accounts + accounts, turn or last + 1, revenue, begun)}


def served(standing: Standing) -> tuple[str, ...]:
    """The deals among those waiting that need wait no longer, the oldest first: somebody can take them, or their pool
    does not wait any more."""
    found: list[str] = []
    for deal in sorted(standing.waiting, key=lambda each: each.order):
        if _has_to_wait(standing, deal):
            continue
        made = pick(standing, deal.pool, deal)
        if made is not None and waits(made.pool, made):
            continue
        found.append(deal.deal_id)
        roster = standing.roster
        if made is not None and made.best is not None:
            roster = carry(roster, made.best.person_id, turn=made.turn)
        left = tuple(each for each in standing.waiting if each != deal)
        standing = dataclasses.replace(standing, roster=roster, waiting=left)
    return tuple(found)


def place(standing: Standing, deal: Waiting) -> int:
    """Which place a deal has among those that wait for its pool; 1 is next."""
    others = (each for each in standing.waiting if each.pool == deal.pool and each.deal_id != deal.deal_id)
    return 1 + sum(each.order < deal.order for each in others)


def _has_to_wait(standing: Standing, deal: Waiting) -> bool:
    """Whether it is plain at a glance that nobody can take a deal now and its pool waits."""
    pools = tuple(chain(standing.policy, deal.pool))
    if not pools or pools[-1].when_full is not WhenFull.WAIT:
        return False
    candidates = [each for pool in pools for each in _weigh(standing, pool, Counter())]
    return all(each.why for each in candidates) and any(_may_be_free(standing, each.email) for each in candidates)


def _kept_for_others(standing: Standing, deal: Waiting) -> Counter[str]:
    """By email, how many deals that have waited longer could come to each member."""
    kept: Counter[str] = Counter()
    for each in standing.waiting:
        if each.deal_id != deal.deal_id and each.order < deal.order:
            kept.update({email for pool in chain(standing.policy, each.pool) for email in pool.members})
    return kept


def _weigh(standing: Standing, pool: Pool, kept: Counter[str]) -> Iterator[Candidate]:
    """Every member of the pool; ``why`` says what speaks against them and is empty for those who may be chosen."""
    for email in pool.members:
        person, cap = standing.members.get(email), pool.cap_of(email)
        if person is None:
            yield Candidate("", email, email, accounts=0, cap=cap, chosen=False, why="not a user of this CRM")
            continue
        accounts = standing.load(person.id).accounts
        why = "" if person.active else "no longer active in the CRM"
        why = why or _away(standing, person)
        if not why and cap is not None:
            why = _full(accounts, cap, kept=kept[email])
        yield Candidate(person.id, person.email, person.name, accounts, cap, chosen=False, why=why)


def _full(accounts: int, cap: int, *, kept: int) -> str:
    if accounts >= cap:
        return f"at the cap ({accounts} of {cap} accounts)"
    if cap - accounts <= kept:
        return f"has room ({accounts} of {cap} accounts), which is kept for who has waited longer"
    return ""


def _away(standing: Standing, person: Person) -> str:
    return absence(person, standing.policy, standing.day)


def _may_be_free(standing: Standing, email: str) -> bool:
    person = standing.members.get(email)
    return person is not None and person.active


def _ranked(standing: Standing, pool: Pool) -> Callable[[Candidate], tuple[Decimal, Decimal, str]]:
    return lambda candidate: _rank(standing, pool, candidate)


def _rank(standing: Standing, pool: Pool, candidate: Candidate) -> tuple[Decimal, Decimal, str]:
    load, share = standing.load(candidate.person_id), pool.weight(candidate.email.lower())
    turn, accounts = Decimal(load.turn), candidate.accounts / share
    by_method = {
        Method.ROUND_ROBIN: (turn, accounts),
        Method.FEWEST_ACCOUNTS: (accounts, turn),
        Method.LEAST_REVENUE: (load.revenue / share, turn),
    }
    return *by_method[pool.method], candidate.email.lower()


def _next_turn(standing: Standing, pool: Pool, eligible: list[Candidate], best: Candidate) -> int:
    """Where the chosen one stands from now on. With weights in a round robin everybody moves on by what one customer is
    to them; who was away is let in near those who are next, and does not make up for all that went by."""
    if pool.method is not Method.ROUND_ROBIN or all(pool.weight(email) == FULL_TIME for email in pool.members):
        return END_OF_LINE
    others = [standing.load(each.person_id).turn for each in eligible if each is not best]
    longest = int(SPAN / min(pool.weight(email) for email in pool.members))
    begins = max(standing.load(best.person_id).turn, min(others, default=0) - longest)
    return begins + int(SPAN / pool.weight(best.email.lower()))


METHOD_WORDS = {
    Method.ROUND_ROBIN: "next in turn",
    Method.FEWEST_ACCOUNTS: "fewest accounts",
    Method.LEAST_REVENUE: "least revenue",
}


def _explained(standing: Standing, pool: Pool, candidate: Candidate, best: Candidate) -> Candidate:
    if candidate.person_id == best.person_id:
        return dataclasses.replace(candidate, chosen=True, why=f"chosen: {METHOD_WORDS[pool.method]}")
    if candidate.why:
        return candidate
    load = standing.load(candidate.person_id)
    later = {
        Method.ROUND_ROBIN: "a later turn",
        Method.FEWEST_ACCOUNTS: f"{candidate.accounts} accounts",
        Method.LEAST_REVENUE: f"{load.revenue:,.0f} of revenue",
    }[pool.method]
    share = pool.weight(candidate.email.lower())
    part = "" if share == FULL_TIME else f", weight {share}"
    return dataclasses.replace(
        candidate, why=f"{ELIGIBLE}, but {best.name} comes first ({later}, turn {load.turn}{part})"
    )
