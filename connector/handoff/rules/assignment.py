"""Who becomes CSM: the person already there, else the pool of the first rule that fits, else the fallback.

Not here: how many accounts a CSM has (the roster in the snapshot). Nobody is put over a cap: when a whole pool is full
or gone the fallback steps in and the finding says why each of the pool was passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import timedelta

from connector.handoff.case import Case
from connector.handoff.model import DealType, Load, Person
from connector.handoff.ownership import Change, change_account, change_deal, same
from connector.handoff.plan import Assignment, Candidate, Finding, Verdict
from connector.handoff.rulebook import Method, Pool, Role

NAME = "assignment"
KEPT = "kept"
FALLBACK = "fallback"
RECHECK_WHEN_BLOCKED = timedelta(hours=1)


def find(case: Case) -> Finding | None:
    """The CSM of a running handoff, and the writes that put the name on account and deal."""
    if not case.released:
        return None
    kept = _present(case)
    assignment, reason = kept if kept else _choose(case)
    if assignment is None:
        return Finding(NAME, Verdict.BLOCKED, reason, recheck_at=case.now + RECHECK_WHEN_BLOCKED)
    account, deal = _changes(case, assignment, reason)
    changes = (*account.actions, *deal.actions)
    return Finding(
        NAME,
        Verdict.ACT if changes else Verdict.IN_SYNC,
        reason + account.remark + deal.remark + _without_account(case),
        actions=changes,
        assignment=assignment,
    )


def carry(roster: Mapping[str, Load], person_id: str) -> dict[str, Load]:
    """The roster after one more account for a person, so that the next deal of a batch is decided by it."""
    load = roster.get(person_id, Load())
    turn = max((one.turn for one in roster.values()), default=0) + 1
    return {**roster, person_id: Load(load.accounts + 1, turn)}


def _changes(case: Case, assignment: Assignment, reason: str) -> tuple[Change, Change]:
    wanted = {"csm": assignment.person_id}
    account = Change(None) if _stands(case, assignment) else change_account(case, wanted, reason=reason)
    return account, change_deal(case, wanted, reason=reason)


def _stands(case: Case, assignment: Assignment) -> bool:
    """Whether the account may keep another CSM than this deal, who was not chosen just now.

    Two deals of one account may name two CSMs. The account follows the latest choice, once: if each deal put its own
    name there at every look, they would take it from each other for ever.
    """
    on_account = case.snapshot.person(case.snapshot.account.get("csm")) if case.snapshot.account else None
    return on_account is not None and on_account.active and assignment.person_id == case.ledger.csm_id


def _without_account(case: Case) -> str:
    return "" if case.snapshot.account else " The deal has no account, so the CSM stands on the deal alone."


def _present(case: Case) -> tuple[Assignment, str] | None:
    """The CSM who is already there and still active: a person's choice first, then ours, then what is found."""
    for person, why in _already_there(case):
        if person.active:
            return Assignment(person.id, person.email, KEPT, new=False), f"{person.name} stays CSM: {why}."
    return None


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
    if on_deal:
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


def _choose(case: Case) -> tuple[Assignment | None, str]:
    gone = _who_left(case)
    rule = next((one for one in case.policy.assignment.rules if case.holds(one.when)), None)
    pool = case.policy.assignment.pools.get(rule.pool) if rule else None
    if rule is None or pool is None:
        return _fall_back(case, f"{gone}No assignment rule fits this deal", ())
    candidates = tuple(_weigh(case, pool))
    eligible = [one for one in candidates if not one.why]
    if not eligible:
        why = "; ".join(f"{one.name or one.email}: {one.why}" for one in candidates) or "the pool is empty"
        return _fall_back(case, f"{gone}Nobody in pool {pool.name} was eligible ({why})", candidates)
    best = min(eligible, key=lambda one: _rank(case, pool, one))
    shown = tuple(_explained(case, pool, one, best) for one in candidates)
    cap = f" of {best.cap}" if best.cap is not None else ""
    reason = (
        f"{gone}{best.name} becomes CSM by rule {rule.name}, pool {pool.name}: {_METHOD_WORDS[pool.method]} "
        f"among {len(eligible)} eligible ({best.accounts}{cap} accounts)."
    )
    return Assignment(best.person_id, best.email, rule.name, new=True, candidates=shown), reason


def _weigh(case: Case, pool: Pool) -> Iterator[Candidate]:
    """Every member of the pool; ``why`` says what speaks against them and is empty for those who may be chosen."""
    for email in pool.members:
        person = case.person_by_email(email)
        if person is None:
            yield Candidate("", email, email, accounts=0, cap=pool.cap, chosen=False, why="not a user of this CRM")
            continue
        accounts = case.snapshot.roster.get(person.id, Load()).accounts
        why = "" if person.active else "no longer active in the CRM"
        if not why and pool.cap is not None and accounts >= pool.cap:
            why = f"at the cap ({accounts} of {pool.cap} accounts)"
        yield Candidate(person.id, person.email, person.name, accounts, pool.cap, chosen=False, why=why)


def _rank(case: Case, pool: Pool, candidate: Candidate) -> tuple[int, int, str]:
    turn = case.snapshot.roster.get(candidate.person_id, Load()).turn
    first, second = (candidate.accounts, turn) if pool.method is Method.FEWEST_ACCOUNTS else (turn, candidate.accounts)
    return first, second, candidate.email.lower()


_METHOD_WORDS = {Method.ROUND_ROBIN: "next in turn", Method.FEWEST_ACCOUNTS: "fewest accounts"}


def _explained(case: Case, pool: Pool, candidate: Candidate, best: Candidate) -> Candidate:
    if candidate.person_id == best.person_id:
        return dataclasses.replace(candidate, chosen=True, why=f"chosen: {_METHOD_WORDS[pool.method]}")
    if candidate.why:
        return candidate
    turn = case.snapshot.roster.get(candidate.person_id, Load()).turn
    later = "a later turn" if pool.method is Method.ROUND_ROBIN else f"{candidate.accounts} accounts"
    return dataclasses.replace(candidate, why=f"eligible, but {best.name} comes first ({later}, turn {turn})")


def _fall_back(case: Case, why: str, candidates: tuple[Candidate, ...]) -> tuple[Assignment | None, str]:
    person, email = case.fallback, case.policy.assignment.fallback
    if person is None:
        return None, (
            f"{why}, and the fallback {email} is not an active user of this CRM. "
            "No CSM, no tasks; it is tried again within the hour."
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
    return assignment, f"{why}, so the fallback {person.name} takes over. Please assign a CSM."


def _who_left(case: Case) -> str:
    """A sentence on the CSM who was there and is no longer active, if there was one."""
    left = next((person for person, _ in _already_there(case)), None)
    return f"{left.name} is no longer active in the CRM. " if left else ""
