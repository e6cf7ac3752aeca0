"""Who becomes CSM: the person already there, else a member of the pool of the first rule that fits, else the fallback.

Not here: how a member is chosen and who waits before whom (``choice``), and how many accounts a CSM has (the roster in
the snapshot). Nobody is put over a cap: when a whole pool is full or away the deal waits, goes to another pool or to
the fallback, as the pool says, and the finding says why each of the pool was passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from connector.handoff.calendar import limit_end, local_date
from connector.handoff.case import Case
from connector.handoff.choice import ELIGIBLE, METHOD_WORDS, Pick, Standing, chain, pick, place, standing, waits
from connector.handoff.lifecycle import place_until
from connector.handoff.model import DealType, Gate, Load, Person, Value, Waiting
from connector.handoff.ownership import Change, change_account, change_deal, same
from connector.handoff.people import absence
from connector.handoff.plan import KEPT, PRE_ASSIGNED, Assignment, Candidate, Finding, Phase, Verdict
from connector.handoff.rulebook.people import Role
from connector.handoff.seconds import with_second

NAME = "assignment"
FALLBACK = "fallback"
GIVEN_EARLY = "pre-assigned before the close"
GIVEN_BACK = "pre-assigned before the close, and their place was given back since"
RECHECK_WHEN_BLOCKED = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """The CSM or none, why, and the deal's place in the list where it waits; ``until`` then."""

    assignment: Assignment | None
    reason: str
    waiting: Waiting | None = None
    until: datetime | None = None


def find(case: Case) -> Finding | None:
    """The CSM of a running handoff, and the writes that put the name on account and deal."""
    if not case.released:
        return None
    choice = present(case) or _choose(case)
    if choice.assignment is None:
        verdict = Verdict.WAIT if choice.until else Verdict.BLOCKED
        again = choice.until or case.now + RECHECK_WHEN_BLOCKED
        return Finding(NAME, verdict, choice.reason, recheck_at=again, waiting=choice.waiting)
    named = None if choice.assignment.rule == FALLBACK else pool_of(case)
    assignment, beside = with_second(case, choice.assignment, pool=named[1] if named else "", now=standing_of)
    reason = choice.reason + beside
    account, deal = _changes(case, assignment, reason)
    changes = (*account.actions, *deal.actions)
    return Finding(
        NAME,
        Verdict.ACT if changes else Verdict.IN_SYNC,
        reason + account.remark + deal.remark + _without_account(case),
        actions=changes,
        assignment=assignment,
    )


def waiting_line(case: Case) -> str:
    """What people read on a deal that waits for a CSM; empty when it does not."""
    if not case.released or present(case) is not None:
        return ""
    waiting = _choose(case).waiting
    if waiting is None:
        return ""
    nth = place(standing_of(case), waiting)
    return (
        f"Waiting for a CSM since {_moment(case, waiting.since)}, place {nth} in pool {waiting.pool}. "
        "The tasks of others go on."
    )


def _changes(case: Case, assignment: Assignment, reason: str) -> tuple[Change, Change]:
    lead: dict[str, Value] = {"csm": assignment.person_id}
    beside: dict[str, Value] = {"second_csm": assignment.second_id} if assignment.second_id else {}
    stands = _stands(case, assignment)
    of_account = ({} if stands else lead) | ({} if stands and assignment.second_id == case.ledger.second_id else beside)
    account = change_account(case, of_account, reason=reason) if of_account else Change(None)
    return account, change_deal(case, lead | beside, reason=reason)


def _stands(case: Case, assignment: Assignment) -> bool:
    """Whether the account may keep another CSM than this deal, who was not chosen just now.

    Two deals of one account may name two CSMs. The account follows the latest choice, once: if each deal put its own
    name there at every look, they would take it from each other for ever.
    """
    on_account = case.snapshot.person(case.snapshot.account.get("csm")) if case.snapshot.account else None
    return on_account is not None and on_account.active and assignment.person_id == case.ledger.csm_id


def _without_account(case: Case) -> str:
    return "" if case.snapshot.account else " The deal has no account, so the CSM stands on the deal alone."


def present(case: Case) -> Choice | None:
    """The CSM who is already there and still active: a person's choice first, then ours, then what is found."""
    for person, why in _already_there(case):
        if not person.active or (why == GIVEN_EARLY and (_asked_elsewhere(case, person) or _place_taken(case, person))):
            continue
        gone = absence(person, case.policy.assignment, _day(case))
        still = f" ({gone}; that moves no customer who is theirs)" if gone else ""
        return Choice(_kept(case, person, early=why == GIVEN_EARLY), f"{person.name} stays CSM: {why}{still}.")
    return None


def _kept(case: Case, person: Person, *, early: bool) -> Assignment:
    """The assignment of somebody who is there already. With the win the place that was held for them is taken."""
    if not early:
        return Assignment(person.id, person.email, KEPT, new=False)
    account = case.snapshot.account
    counted = account is not None and same(account.get("csm"), person.id)
    turn = case.snapshot.roster.get(person.id, Load()).turn
    new = case.released and not counted
    # A place that was given back is taken once more.
    rule = GIVEN_BACK if new and _given_back(case) else PRE_ASSIGNED
    return Assignment(person.id, person.email, rule, new=new, turn=turn)


def _given_back(case: Case) -> bool:
    until = case.ledger.early_until
    return until is not None and until <= case.now


def _place_taken(case: Case, person: Person) -> bool:
    """Whether the win comes so long after its day that the place was given back, and there is none any more."""
    if not _given_back(case) or not (case.released or _asks_anew(case)):
        return False
    account, named = case.snapshot.account, pool_of(case)
    if account is not None and same(account.get("csm"), person.id):
        return False
    email, pools = person.email.strip().lower(), chain(case.policy.assignment, named[1]) if named else ()
    cap = next((pool.cap_of(email) for pool in pools if email in pool.members), None)
    return cap is not None and case.snapshot.roster.get(person.id, Load()).accounts >= cap


def _asks_anew(case: Case) -> bool:
    """Whether an open deal whose place was given back has moved its day, and would hold one again."""
    until = place_until(case)
    return case.phase is Phase.OPEN and (until is None or until > case.now)


def _asked_elsewhere(case: Case, person: Person) -> str:
    """The pool that the rules name by now for a deal that was given to somebody of another one; empty while it is
    theirs."""
    named = pool_of(case)
    if named is None:
        return ""
    pools = chain(case.policy.assignment, named[1])
    return "" if any(person.email.strip().lower() in pool.members for pool in pools) else named[1]


def _already_there(case: Case) -> Iterator[tuple[Person, str]]:
    snapshot, ledger = case.snapshot, case.ledger
    deal, account = snapshot.deal, snapshot.account
    on_deal = snapshot.person(deal.get("csm"))
    on_account = snapshot.person(account.get("csm")) if account else None
    ours_on_deal = ledger.written.get(deal.ref, {})
    ours_on_account = ledger.written.get(account.ref, {}) if account else {}
    if on_deal and not same(on_deal.id, ours_on_deal.get("csm")):
        yield on_deal, "the deal names this CSM"
    if on_account and not same(on_account.id, ours_on_account.get("csm")):
        if "csm" in ours_on_account:
            yield on_account, "the account names this CSM now"
        elif case.policy.assignment.keep_current or snapshot.deal_type is DealType.RENEWAL:
            yield on_account, "the account has this CSM already"
    if assigned := snapshot.person(ledger.csm_id):
        yield assigned, "assigned earlier in this handoff"
    early = snapshot.person(ledger.early_id)
    if early and ledger.csm_id is None:
        yield early, GIVEN_EARLY
    elif on_deal:
        yield on_deal, "the deal names this CSM"
    if on_account and (case.policy.assignment.keep_current or snapshot.deal_type is DealType.RENEWAL):
        yield on_account, "the account has this CSM already"
    yield from _owners_of_tasks(case)


def _owners_of_tasks(case: Case) -> Iterator[tuple[Person, str]]:
    """Who owns this handoff's CSM tasks: all that is left when ledger and fields were lost between two writes."""
    for playbook in case.policy.playbooks:
        for step in playbook.tasks:
            task = case.task(step.step) if step.owner is Role.CSM else None
            owner = case.snapshot.person(task.owner_id) if task else None
            if owner:
                yield owner, "the onboarding tasks belong to this CSM"


def _day(case: Case) -> date:
    return local_date(case.policy.calendar, case.now)


def _moment(case: Case, moment: datetime) -> str:
    return f"{case.day(moment)}, {case.clock(moment)}"


def standing_of(case: Case) -> Standing:
    """How things stand before a choice for this deal."""
    snapshot = case.snapshot
    return standing(case.policy.assignment, snapshot.people, snapshot.roster, day=_day(case), waiting=snapshot.waiting)


def pool_of(case: Case) -> tuple[str, str] | None:
    """The name of the first rule that fits, and of its pool."""
    rule = next((one for one in case.policy.assignment.rules if case.holds(one.when)), None)
    return (rule.name, rule.pool) if rule and rule.pool in case.policy.assignment.pools else None


def _choose(case: Case) -> Choice:
    gone = why_not_theirs(case)
    named = pool_of(case)
    if named is None:
        return _fall_back(case, f"{gone}No assignment rule fits this deal", ())
    rule, pool = named
    now = standing_of(case)
    waiting = Waiting(case.snapshot.key.deal_id, pool, _since(case))
    found = pick(now, pool, waiting)
    if found is None:
        return _fall_back(case, f"{gone}No assignment rule fits this deal", ())
    best = found.best
    if best is None:
        return _nobody(case, gone, found, waiting, nth=place(now, waiting))
    cap = f" of {best.cap}" if best.cap is not None else ""
    eligible = sum(each.chosen or each.why.startswith(ELIGIBLE) for each in found.candidates)
    waited = f" after waiting since {_moment(case, waiting.since)}" if case.ledger.waiting_since else ""
    instead = f" (pool {pool} is full)" if found.pool.name != pool else ""
    reason = (
        f"{gone}{best.name} becomes CSM{waited} by rule {rule}, pool {found.pool.name}{instead}: "
        f"{METHOD_WORDS[found.pool.method]} among {eligible} eligible ({best.accounts}{cap} accounts)."
        f"{passed_over(found)}"
    )
    assignment = Assignment(best.person_id, best.email, rule, new=True, candidates=found.candidates, turn=found.turn)
    return Choice(assignment, reason)


def passed_over(found: Pick) -> str:
    """Who could not take the deal and why, as a sentence for the trail; empty when all could."""
    ruled_out = [each for each in found.candidates if not each.chosen and not each.why.startswith(ELIGIBLE)]
    said = "; ".join(f"{each.name or each.email}: {each.why}" for each in ruled_out)
    return f" Passed over: {said}." if said else ""


def _since(case: Case) -> datetime:
    """Since when the deal waits if it has to: its win, unless something else kept it or its CSM from then on."""
    ledger = case.ledger
    if ledger.waiting_since is not None:
        return ledger.waiting_since
    if case.recovered and case.released_at is not None:
        return case.released_at
    later = ledger.gate is Gate.HELD or ledger.released_at is not None or ledger.adopted
    return case.now if later else case.won_at or case.now


def _nobody(case: Case, gone: str, found: Pick, waiting: Waiting, *, nth: int) -> Choice:
    """What follows when no member can take the deal: it waits, or the fallback does."""
    pool = found.pool
    passed = "; ".join(f"{one.name or one.email}: {one.why}" for one in found.candidates) or "the pool is empty"
    if not waits(pool, found):
        return _fall_back(case, f"{gone}Nobody in pool {pool.name} was eligible ({passed})", found.candidates)
    since = _moment(case, waiting.since)
    limit = pool.wait_at_most
    until = limit_end(case.policy.calendar, waiting.since, limit) if limit else None
    if until is not None and until <= case.now:
        why = f"{gone}Nobody in pool {pool.name} was free since {since} ({passed})"
        late = _fall_back(case, why, found.candidates)
        return late if late.assignment else replace(late, waiting=waiting)
    then = f"; if nobody is by {_moment(case, until)}, the fallback steps in" if until else ""
    reason = (
        f"{gone}Waits for a CSM since {since}, place {nth} in pool {waiting.pool} ({passed}). "
        f"Who waits longest is served first as soon as somebody is free{then}."
    )
    return Choice(None, reason, waiting, until or case.now + RECHECK_WHEN_BLOCKED)


def _fall_back(case: Case, why: str, candidates: tuple[Candidate, ...]) -> Choice:
    person, email = case.fallback, case.policy.assignment.fallback
    if person is None:
        return Choice(
            None,
            f"{why}, and the fallback {email} is not an active user of this CRM. "
            "No CSM, no tasks; it is tried again within the hour.",
        )
    stand_in = Candidate(
        person.id,
        person.email,
        person.name,
        accounts=case.snapshot.roster.get(person.id, Load()).accounts,
        cap=None,
        chosen=True,
        why="chosen: the fallback, because nobody was eligible",
    )
    assignment = Assignment(person.id, person.email, FALLBACK, new=True, candidates=(*candidates, stand_in))
    return Choice(assignment, f"{why}, so the fallback {person.name} takes over. Please assign a CSM.")


def why_not_theirs(case: Case) -> str:
    """A sentence on the CSM who was there and cannot stay, if there was one."""
    left = next((person for person, _ in _already_there(case)), None)
    if left is None:
        return ""
    if left.active and (pool := _asked_elsewhere(case, left)):
        return f"{left.name} was pre-assigned, but the rules name pool {pool} by now. "
    if left.active:
        return f"{left.name} was {GIVEN_BACK} and is taken. "
    return f"{left.name} is no longer active in the CRM. "
