"""Before the close: in the stages an admin names an open deal gets its CSM, by the rules of assignment, and is theirs.

Not here: those rules (``assignment``, ``choice``) and what the CSM hears (``notify``). Nobody waits and no fallback
steps in for a deal that is not won: where nobody has room the win decides. The place that is held for the CSM counts
against their cap and is free again when the deal is lost. While the deal is open only the deal names them, never the
account.
"""

from __future__ import annotations

from datetime import timedelta

from connector.handoff.case import Case
from connector.handoff.choice import METHOD_WORDS, pick
from connector.handoff.model import Value, Waiting
from connector.handoff.ownership import change_deal
from connector.handoff.plan import KEPT, PRE_ASSIGNED, Assignment, Finding, Phase, Verdict
from connector.handoff.rules.assignment import NAME, passed_over, pool_of, present, standing_of, why_not_theirs
from connector.handoff.seconds import FIELD as SECOND
from connector.handoff.seconds import with_second

ASKED_AGAIN = timedelta(days=1)
"""How soon it is tried again where nobody had room: the close is days away, and the win decides anyway."""


def find(case: Case) -> Finding | None:
    """Who is to be CSM of an open deal, and the name on it; the name off a deal that was lost."""
    if case.phase is Phase.LOST:
        return _let_go(case)
    if not case.pre_assigns:
        return None
    there = present(case)
    if there is None and (tier := case.tier) is not None and not tier.named_csm:
        words = f"Tier {tier.name} has no named CSM before the close, so the win decides who is CSM."
        return Finding(NAME, Verdict.IN_SYNC, words)
    assignment, reason = (there.assignment, there.reason) if there else _pick(case)
    if assignment is None:
        return Finding(NAME, Verdict.WAIT, reason, recheck_at=case.now + ASKED_AGAIN)
    if case.tier is not None and case.tier.second_csm:
        named = pool_of(case)
        assignment, beside = with_second(case, assignment, pool=named[1] if named else "", now=standing_of)
        reason += beside
    wanted: dict[str, Value] = {"csm": assignment.person_id}
    if assignment.second_id:
        wanted[SECOND] = assignment.second_id
    elif case.ledger.written.get(case.snapshot.deal.ref, {}).get(SECOND) is not None:
        wanted[SECOND] = None  # the deal has shrunk: no tier asks for one any more
    change = change_deal(case, wanted, reason=reason)
    verdict = Verdict.ACT if change.patch else Verdict.IN_SYNC
    said = f"Before the close: {_as_foreseen(reason, assignment)}"
    return Finding(NAME, verdict, said + change.remark, actions=change.actions, assignment=assignment)


def _as_foreseen(reason: str, assignment: Assignment) -> str:
    return reason.replace(" stays CSM: ", " is to be CSM: ", 1) if assignment.rule in (KEPT, PRE_ASSIGNED) else reason


def _pick(case: Case) -> tuple[Assignment | None, str]:
    gone = why_not_theirs(case)
    named = pool_of(case)
    if named is None:
        return None, f"Before the close: {gone}no assignment rule fits this deal, so the win decides who is CSM."
    rule, pool = named
    found = pick(standing_of(case), pool, Waiting(case.snapshot.key.deal_id, pool, case.now))
    best = found.best if found else None
    if found is None or best is None:
        passed = "; ".join(f"{one.name or one.email}: {one.why}" for one in found.candidates) if found else ""
        nobody = f"Nobody of pool {pool} can be pre-assigned now ({passed or 'the pool is empty'})"
        return None, f"{gone}{nobody}; the win decides who is CSM."
    cap = f" of {best.cap}" if best.cap is not None else ""
    reason = (
        f"{gone}{best.name} is pre-assigned as CSM by rule {rule}, pool {found.pool.name}: "
        f"{METHOD_WORDS[found.pool.method]} ({best.accounts}{cap} accounts).{passed_over(found)}"
    )
    assigned = Assignment(best.person_id, best.email, rule, new=True, candidates=found.candidates, turn=found.turn)
    return assigned, reason


def _let_go(case: Case) -> Finding | None:
    """Take the name off again that was put on a deal before it was lost; a person's own choice stays."""
    written = case.ledger.written.get(case.snapshot.deal.ref, {})
    names: dict[str, Value] = {name: None for name in ("csm", SECOND) if written.get(name) is not None}
    if case.ledger.csm_id is not None or not names:
        return None
    change = change_deal(case, names, reason="The deal was lost, so the CSM's place is free again.")
    if change.patch is None:
        return None
    return Finding(NAME, Verdict.ACT, "The deal was lost; the place of its CSM is free again.", change.actions)
