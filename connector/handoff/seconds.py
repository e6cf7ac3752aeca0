"""The second CSM of a handoff: who it is already, else a new CSM's buddy, else whose turn it is in the pool that the
lead's pool names.

Not here: the lead (``rules.assignment``) and the writes, which go out with the lead's. A handoff that began without a
second CSM gets none because the policy changed; one whose second left gets another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from connector.handoff.case import Case
from connector.handoff.choice import Standing, second
from connector.handoff.model import DealType, Load, Person
from connector.handoff.ownership import same
from connector.handoff.plan import Assignment

FIELD = "second_csm"


def with_second(case: Case, lead: Assignment, *, pool: str, now: Callable[[Case], Standing]) -> tuple[Assignment, str]:
    """The assignment with its second CSM, and a sentence on who that is; both as they were where there is none.

    ``pool`` is the one of the deal's rule, ``now`` gives how things stand for the case that does need to choose.
    """
    for person, why in _already_there(case):
        if person.active and person.id != lead.person_id:
            return replace(lead, second_id=person.id), f" {person.name} stays second CSM: {why}."
    begins = case.ledger.csm_id is None or case.ledger.second_id is not None
    if (buddy := _buddy(case, lead)) is not None:
        nth = case.snapshot.roster.get(lead.person_id, Load()).begun + 1
        said = f" {buddy.name} is second CSM as buddy: this is handoff {nth} of a new CSM."
        return replace(lead, second_id=buddy.id, buddy=True), said
    asked = case.policy.assignment.pools.get(pool)
    if asked is None or not asked.second_from or not begins:
        return lead, ""
    chosen = second(now(case), asked, lead_id=lead.person_id)
    if chosen is None:
        return lead, f" Nobody of pool {asked.second_from} can be second CSM now."
    said = f" {chosen.name} is second CSM, next in turn of pool {asked.second_from}."
    # Beside a lead of their own pool they come in turn by the leads' line, which must not move twice for one customer.
    return replace(lead, second_id=chosen.id, second_turn=asked.second_from != asked.name), said


def _buddy(case: Case, lead: Assignment) -> Person | None:
    """Who stands by somebody new, while a handoff begins that is one of their first."""
    asked = case.policy.assignment
    email = asked.buddies.get(lead.email.strip().lower())
    if email is None or case.ledger.csm_id is not None or case.recovered:
        return None
    if case.snapshot.roster.get(lead.person_id, Load()).begun >= asked.buddy_handoffs:
        return None
    buddy = case.person_by_email(email)
    return buddy if buddy and buddy.active and buddy.id != lead.person_id else None


def _already_there(case: Case) -> Iterator[tuple[Person, str]]:
    """Who is second CSM already: a person's choice first, then ours, then the account's."""
    snapshot, ledger = case.snapshot, case.ledger
    on_deal = snapshot.person(snapshot.deal.get(FIELD))
    if on_deal and not same(on_deal.id, ledger.written.get(snapshot.deal.ref, {}).get(FIELD)):
        yield on_deal, "the deal names them"
    if assigned := snapshot.person(ledger.second_id):
        yield assigned, "chosen earlier in this handoff"
    if on_deal:
        yield on_deal, "the deal names them"
    on_account = snapshot.person(snapshot.account.get(FIELD)) if snapshot.account else None
    if on_account and (case.policy.assignment.keep_current or snapshot.deal_type is DealType.RENEWAL):
        yield on_account, "the account has them already"
