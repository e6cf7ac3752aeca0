"""[assignment] of process.toml: pools that exist, that some rule leads to, and that do not send deals in a circle.

Not here: who is chosen (``handoff.choice``), and whether the CRM knows the people (``check``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import AssignmentPolicy, AssignmentRule, Away, Pool, WhenFull
from connector.policy.conditions import Scope
from connector.policy.consequences import limit
from connector.policy.lists import first_match
from connector.policy.model.people import AssignmentSpec, PoolSpec
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

AT: KeyPath = ("assignment",)
SECOND = ("second_csm", "account.second_csm")


def assignment(spec: AssignmentSpec, *, scope: Scope, day: Decimal) -> AssignmentPolicy:
    """Who becomes CSM; what is wrong is noted in the scope. ``day`` is how many hours a working day has."""
    pools: dict[str, Pool] = {}
    for index, pool in enumerate(spec.pools):
        if pool.name in pools:
            scope.complain((*AT, "pools", index, "name"), f"there are two pools {pool.name!r}; rename one")
        pools[pool.name] = _pool(pool, at=(*AT, "pools", index), scope=scope, day=day)
    _judge_pools(spec.pools, scope=scope)
    conditions = first_match(spec.rules, at=(*AT, "rules"), scope=scope)
    for index, rule in enumerate(spec.rules):
        if rule.pool not in pools:
            wrong = f"no pool is called {rule.pool!r}; {did_you_mean(rule.pool, pools)}"
            scope.complain((*AT, "rules", index, "pool"), wrong)
    _judge_use(spec, scope=scope)
    found = tuple(AssignmentRule(one.name, when, one.pool) for one, when in zip(spec.rules, conditions, strict=True))
    return AssignmentPolicy(
        rules=found,
        pools=pools,
        fallback=spec.fallback,
        keep_current=spec.keep_current,
        away=tuple(_away(spec, scope=scope)),
        paused=_paused(spec, scope=scope),
        away_from_calendar=spec.away_from_calendar,
        place_held_days=spec.place_held_days,
        buddies=_buddies(spec, scope=scope),
        buddy_handoffs=spec.buddy_handoffs,
    )


def _pool(spec: PoolSpec, *, at: KeyPath, scope: Scope, day: Decimal) -> Pool:
    for n, member in enumerate(spec.members):
        if member in spec.members[:n]:
            scope.complain((*at, "members", n), f"{member} stands here twice; take one out")
    for email in spec.weights:
        if email not in spec.members:
            advice = did_you_mean(email, spec.members)
            scope.complain((*at, "weights", email), f"{email} is no member of this pool; {advice}", of_key=True)
    if spec.wait_at_most is not None and spec.when_full is not WhenFull.WAIT:
        message = 'belongs to when_full = "wait"; set that, or take this out'
        scope.complain((*at, "wait_at_most"), message, of_key=True)
    return Pool(
        name=spec.name,
        members=tuple(spec.members),
        cap=spec.cap,
        method=spec.method,
        weights=dict(spec.weights),
        when_full=spec.when_full,
        next_pool=spec.next_pool or "",
        wait_at_most=_longest_wait(spec, at=at, scope=scope, day=day),
        second_from=spec.second_from or "",
    )


def _longest_wait(spec: PoolSpec, *, at: KeyPath, scope: Scope, day: Decimal) -> Limit | None:
    if spec.when_full is not WhenFull.WAIT:
        return None
    if spec.wait_at_most is None:
        return Limit(day, Clock.BUSINESS)
    return limit(spec.wait_at_most, at=(*at, "wait_at_most"), scope=scope, day=day)


def _judge_pools(pools: Sequence[PoolSpec], *, scope: Scope) -> None:
    """References from pool to pool."""
    names = [pool.name for pool in pools]
    follow = {pool.name: pool.next_pool for pool in pools if pool.next_pool}
    for index, pool in enumerate(pools):
        at = (*AT, "pools", index)
        wanted = pool.when_full is WhenFull.NEXT_POOL
        if wanted and pool.next_pool is None:
            scope.complain((*at, "when_full"), "must be told which pool is next; add next_pool = …")
        if pool.next_pool is not None and not wanted:
            message = 'belongs to when_full = "next_pool"; set that, or take this out'
            scope.complain((*at, "next_pool"), message, of_key=True)
        if pool.second_from is not None and not _second_has_a_place(scope):
            message = (
                "no field for the second CSM is mapped in every CRM; map second_csm under [fields.deal] or account"
            )
            scope.complain((*at, "second_from"), message)
        for key, name in (("next_pool", pool.next_pool), ("second_from", pool.second_from)):
            if name is not None and name not in names:
                scope.complain((*at, key), f"no pool is called {name!r}; {did_you_mean(name, names)}")
        circle = _circle(pool.name, follow)
        if circle and min(circle) == pool.name:
            way = " → ".join([*circle, circle[0]])
            scope.complain((*at, "next_pool"), f"the pools send deals to each other: {way}; let one of them end it")


def _second_has_a_place(scope: Scope) -> bool:
    words = scope.words
    known = (path in words.types and not words.lacking.get(path) for path in SECOND)
    return any(known) or words.unreadable or any(path in words.doubtful for path in SECOND)


def _circle(start: str, follow: Mapping[str, str]) -> list[str]:
    """The pools from one on until it comes again; empty when it does not."""
    way = [start]
    while (following := follow.get(way[-1], "")) and following not in way:
        way.append(following)
    return way if following == start else []


def _judge_use(spec: AssignmentSpec, *, scope: Scope) -> None:
    used = {rule.pool for rule in spec.rules}
    used |= {name for pool in spec.pools for name in (pool.next_pool, pool.second_from) if name}
    for index, pool in enumerate(spec.pools):
        if pool.name not in used:
            message = f"no rule names the pool {pool.name!r}; add a rule or take it out"
            scope.complain((*AT, "pools", index), message)


def _away(spec: AssignmentSpec, *, scope: Scope) -> Iterator[Away]:
    """Absences; an AE may be among them, so whether there is such a person only the CRM knows (``check``)."""
    for index, each in enumerate(spec.away):
        at = (*AT, "away", index)
        if each.to < each.from_:
            scope.complain((*at, "to"), "lies before from; both days count, so one day has the same date twice")
        yield Away(each.who, each.from_, each.to)


def _buddies(spec: AssignmentSpec, *, scope: Scope) -> dict[str, str]:
    known = _members(spec)
    for new, buddy in spec.buddies.items():
        at = (*AT, "buddies", new)
        if new not in known:
            scope.complain(at, f"{new} is in no pool; {did_you_mean(new, known)}", of_key=True)
        if new == buddy:
            scope.complain(at, "nobody is their own buddy; name somebody else")
    if spec.buddies and not _second_has_a_place(scope):
        message = "no field for the second CSM is mapped in every CRM; map second_csm under [fields.deal] or account"
        scope.complain((*AT, "buddies"), message, of_key=True)
    return dict(spec.buddies)


def _paused(spec: AssignmentSpec, *, scope: Scope) -> tuple[str, ...]:
    known = _members(spec)
    for index, email in enumerate(spec.paused):
        if email not in known:
            scope.complain((*AT, "paused", index), f"{email} is in no pool; {did_you_mean(email, known)}")
    return tuple(dict.fromkeys(spec.paused))


def _members(spec: AssignmentSpec) -> list[str]:
    return list(dict.fromkeys(member for pool in spec.pools for member in pool.members))
