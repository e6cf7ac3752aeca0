"""Puts the CSMs on the teams of deal and account, in the roles the mapping names; silent where it names none.

Not here: who the CSM is (``assignment``). Somebody who left a team later was taken off by a person, so nobody is put
there twice; but an account that changes hands loses members by itself (facts: Salesforce §6.6), so then they are. Who
joined the team of a deal before its close leaves it when it is lost, unless a person gave them another role there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connector.handoff.case import Case, fingerprint
from connector.handoff.model import Kind, Ref
from connector.handoff.plan import Finding, Order, Phase, Upsert, Verdict
from connector.handoff.rulebook.people import NO_TEAMS

NAME = "teams"
DEAL, ACCOUNT = "deal", "account"
LEFT = "left"
_EARLY = "early-team:"
_GONE = "left-team:"


@dataclass(frozen=True, slots=True)
class Roles:
    """In which roles somebody joins; ``suffix`` tells the steps of one person from another's."""

    deal: str
    account: str
    suffix: str = ""


def find(case: Case) -> Finding | None:
    """The CSM's places on the teams of a running handoff."""
    roles = case.policy.teams
    if case.phase is Phase.LOST and roles.deal:
        return _let_go(case, roles.deal)
    if case.pre_assigns and case.assignment is not None and roles.deal:
        return _early(case, roles.deal)
    if not case.released or case.assignment is None or roles == NO_TEAMS:
        return None
    lead = Roles(roles.deal, roles.account)
    actions = tuple(_wanted(case, person_id=case.assignment.person_id, roles=lead))
    if case.assignment.second_id:
        beside = Roles(roles.deal_second, roles.account_second, suffix="-second")
        actions += tuple(_wanted(case, person_id=case.assignment.second_id, roles=beside))
    if not actions:
        return Finding(NAME, Verdict.IN_SYNC, "The CSM was put on the teams.")
    where = " and ".join(dict.fromkeys(f"the {action.values['on']}'s team" for action in actions))
    return Finding(NAME, Verdict.ACT, f"The CSM joins {where}.", actions=actions)


def _early(case: Case, role: str) -> Finding | None:
    """Who is to be CSM joins the team of the deal, and nothing of the account's yet."""
    assert case.assignment is not None
    actions = tuple(_wanted(case, person_id=case.assignment.person_id, roles=Roles(role, "")))
    if not actions:
        return None
    marks = {early_mark(case.assignment.person_id): case.now}
    return Finding(NAME, Verdict.ACT, "Who is to be CSM joins the deal's team.", actions=actions, marks=marks)


def _let_go(case: Case, role: str) -> Finding | None:
    """Whoever was put on the team of a deal before its close leaves it; the step is that by which they joined."""
    step = f"team-{DEAL}"
    joined = case.ledger.effects.get(step)
    if joined is None or case.ledger.csm_id is not None:
        return None
    early = (mark.removeprefix(_EARLY) for mark in case.ledger.marks if mark.startswith(_EARLY))
    person_id = next((each for each in early if joined.fingerprint == fingerprint(each, role, "")), None)
    if person_id is None:
        return None
    action = Upsert(
        step=step,
        order=Order.ASSIGN,
        kind=Kind.MEMBER,
        key=f"{case.key(step)}:{person_id}",
        values={"on": DEAL, "person": person_id, "role": None},
        parents=case.parents,
        fingerprint=fingerprint(person_id, LEFT, ""),
        reason="The deal was lost before it was the CSM's.",
    )
    said = "The deal was lost: who was to be CSM leaves its team."
    return Finding(NAME, Verdict.ACT, said, actions=(action,), marks={f"{_GONE}{person_id}": case.now})


def _there_since_before(case: Case, person_id: str) -> bool:
    """Whether they joined the deal's team before its close, and did not leave it with a loss since."""
    came, went = case.ledger.marks.get(early_mark(person_id)), case.ledger.marks.get(f"{_GONE}{person_id}")
    return came is not None and (went is None or went < came)


def early_mark(person_id: str) -> str:
    """Under which name it is remembered that somebody joined the deal's team before the close: not to be put there
    again with the win, if a person took them off since."""
    return f"{_EARLY}{person_id}"


def _wanted(case: Case, *, person_id: str, roles: Roles) -> Iterator[Upsert]:
    account = case.snapshot.account
    owner = account.text("owner") if account else ""
    places: tuple[tuple[str, str, Ref | None, str], ...] = (
        (DEAL, roles.deal, case.snapshot.deal.ref, ""),
        (ACCOUNT, roles.account, account.ref if account else None, owner),
    )
    for on, role, ref, hands in places:
        step = f"team-{on}{roles.suffix}"
        said = fingerprint(person_id, role, hands)
        effect = case.ledger.effects.get(step)
        if not role or ref is None or (effect and effect.fingerprint == said):
            continue
        if on == DEAL and case.released and _there_since_before(case, person_id):
            continue
        yield Upsert(
            step=step,
            order=Order.ASSIGN,
            kind=Kind.MEMBER,
            key=f"{case.key(step)}:{person_id}",
            values={"on": on, "person": person_id, "role": role},
            parents=case.parents,
            fingerprint=said,
            reason=f"The CSM works with the {on}'s team as {role}.",
        )
