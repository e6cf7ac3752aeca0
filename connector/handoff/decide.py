"""`decide`: one deal's snapshot, the policy and the time in; the whole plan out. Pure.

Not here: any single rule (``rules``), reading and writing (outer layers). What several rules want of one record
becomes one write; the same world decided twice gives no second action.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime

from connector.handoff import lifecycle
from connector.handoff.attention import begun_with
from connector.handoff.byhand import by_hand, comments, reached
from connector.handoff.case import Case
from connector.handoff.identity import account_names
from connector.handoff.measures import keeping
from connector.handoff.measures.finding import measured
from connector.handoff.model import Ref, Snapshot
from connector.handoff.pilot import stand
from connector.handoff.plan import Action, AnswersTo, Finding, Patch, Plan, Prints
from connector.handoff.quality import fingerprints, texts
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules import RULES, changes
from connector.handoff.rules.playbook import states
from connector.handoff.rules.readiness import answer
from connector.handoff.steps import done_signals, kept, marks, walk
from connector.handoff.trial import trial_of


def decide(snapshot: Snapshot, policy: Policy, now: datetime) -> Plan:
    """What is to be done for this deal now, and why.

    Raises ValueError only for a policy that ``policy.check`` would have refused (a calendar without working hours).
    """
    case, findings = weigh(snapshot, policy, now)
    steps = walk(case)
    standing = changes.stand(case)
    actions = merge(action for finding in findings for action in finding.actions)
    told = lifecycle.coverage(case)
    seen = begun_with(case) | marks(steps) | {name: at for finding in findings for name, at in finding.marks.items()}
    found = measured(case, actions=actions, marks={**case.ledger.marks, **seen}, reason=told.reason)
    shown = keeping.kept(case, found.figure)
    if shown is not None:
        findings, actions = (*findings, shown), merge((*actions, *shown.actions))
    acted = stand(case, snapshot.acting, snapshot.ledger)
    return Plan(
        key=snapshot.key,
        phase=case.outcome,
        generation=case.generation,
        findings=(told, *findings),
        actions=actions,
        remember=lifecycle.remember(
            case,
            done_signals(steps),
            playbook=kept(case),
            briefed=standing.briefed,
            marks={**seen, **found.marks},
        ),
        percent=case.percent,
        missing=case.gaps,
        unreadable=case.unreadable,
        tasks=states(case, steps),
        assignment=case.assignment,
        gate=case.gate,
        segment=case.segment,
        recheck_at=_next_look(findings, now, found.due_at),
        noticed=case.noticed,
        rebuilt=case.recovered,
        answers=tuple(answer(case, judged) for judged in case.judged),
        quality=case.score,
        prints=_prints(case),
        answers_to=_answers_to(case),
        calendars={step: people for finding in findings for step, people in finding.calendars.items()},
        untold=standing.untold,
        by_hand=by_hand(case, steps),
        reached=reached(case),
        comments=comments(case),
        figure=found.figure,
        standing=acted,
        trial=trial_of(case, acted, actions),
    )


def weigh(snapshot: Snapshot, policy: Policy, now: datetime) -> tuple[Case, tuple[Finding, ...]]:
    """The case after all rules have spoken, and what each found. Raises ValueError as `decide` does."""
    case = lifecycle.begin(snapshot, policy, now)
    findings: list[Finding] = []
    for rule in RULES:
        finding = rule(case)
        if finding is not None:
            findings.append(finding)
            case = case.after(finding)
    return case, tuple(findings)


def _prints(case: Case) -> Prints | None:
    """What a copy of this deal's answers on another one is known by, from where the deal is near its close."""
    quality, snapshot = case.policy.quality, case.snapshot
    if not quality.copies.days or not (case.near_close or case.released or case.gate is not None):
        return None
    account = snapshot.account.ref.id if snapshot.account else ""
    return Prints(snapshot.deal.text("owner"), account, fingerprints(quality, texts(quality, case.value)))


def _answers_to(case: Case) -> AnswersTo | None:
    """To which names of the product the account answers, from the win on."""
    product, account = case.policy.product, case.snapshot.account
    if product is None or account is None or not (case.snapshot.stage.is_won or case.released_at):
        return None
    subjects = account_names(product.identities, account_id=account.ref.id, value=case.value)
    return AnswersTo(account.ref.id, subjects)


def merge(actions: Iterable[Action]) -> tuple[Action, ...]:
    """At most one patch per record, in the order the actions go out; everything else unchanged."""
    patches: dict[Ref, Patch] = {}
    rest: list[Action] = []
    for action in actions:
        if not isinstance(action, Patch):
            rest.append(action)
        elif action.ref in patches:
            patches[action.ref] = _joined(patches[action.ref], action)
        else:
            patches[action.ref] = action
    return tuple(sorted([*patches.values(), *rest], key=lambda action: action.order))


def _joined(first: Patch, second: Patch) -> Patch:
    """Both patches in one, sent as early as the earlier of them, under its step."""
    leading = min(first, second, key=lambda patch: patch.order)
    reasons = dict.fromkeys((first.reason, second.reason))
    return dataclasses.replace(
        leading,
        values={**first.values, **second.values},
        expected={**first.expected, **second.expected},
        reason=" ".join(reasons),
    )


def _next_look(findings: Iterable[Finding], now: datetime, due_at: datetime | None) -> datetime | None:
    wished = (*(finding.recheck_at for finding in findings), due_at)
    times = [at for at in wished if at and at > now]
    return min(times, default=None)
