"""Rules that stand still: what a plan comes to when a person paused some of its rules.

Not here: who paused what, and looking again when it is over (``engine``). What a paused rule wants is neither made an
effect nor lost. Rules that build upon a paused one stand still with it: a status must not speak of tasks that were not
made, and nothing follows from a gate or an assignment that is not to act.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from connector.handoff.decide import merge
from connector.handoff.plan import Plan, Verdict

LEADING = frozenset({"gate", "assignment"})
"""All that comes after these builds upon what they decide, and so does what the ledger remembers."""

BUILT_UPON: Mapping[str, frozenset[str]] = {"playbook": frozenset({"metrics", "late"}), "teams": frozenset()}
"""Which rules speak of what another one has made."""


CHANGES = "changes"
"""What it would tell of is remembered as told with its message, and not without it."""

TELLING = "notify"
"""A moment comes once, so its messages are made all the same; they wait in the outbox until the rule goes on."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is left of a plan. ``plan`` is None where the whole deal waits; ``rules`` are those with something to do."""

    plan: Plan | None
    rules: tuple[str, ...] = ()


def withhold(plan: Plan, paused: Collection[str]) -> Withheld:
    """The plan without what these rules want."""
    wanting = tuple(each.rule for each in plan.findings if each.rule in paused and each.actions)
    if not wanting:
        return Withheld(plan)
    if LEADING & set(wanting):
        return Withheld(None, wanting)
    still = set(wanting).union(*(BUILT_UPON.get(rule, frozenset()) for rule in wanting)) - {TELLING}
    # A message that is not made was not told: its mark would have it never come.
    untold = {name for each in plan.findings if each.rule in still and each.actions for name in each.marks}
    marks = {name: at for name, at in plan.remember.marks.items() if name not in untold}
    marks |= {name: at for each in plan.findings if each.rule in still for name, at in each.owed.items()}
    findings = tuple(
        dataclasses.replace(
            each, verdict=Verdict.WAIT, reason=f"Paused by a person; waiting: {each.reason}", actions=()
        )
        if each.rule in still and each.actions
        else each
        for each in plan.findings
    )
    actions = merge(action for each in findings for action in each.actions)
    briefed = plan.untold if CHANGES in still and plan.untold else plan.remember.briefed
    remember = dataclasses.replace(plan.remember, marks=marks, briefed=briefed)
    return Withheld(dataclasses.replace(plan, findings=findings, actions=actions, remember=remember), wanting)
