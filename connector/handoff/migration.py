"""A handoff that moves on to the present playbook: what it has, what it would go on by, what that makes and leaves.

Not here: carrying it out (``store``) and asking people (``cli``). A step keeps its name, its task and what was seen of
it, so none is made twice. What the present playbook asks for and should have been done by now is not asked any more.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from connector.handoff.case import Case
from connector.handoff.decide import decide, weigh
from connector.handoff.model import Kind, Snapshot
from connector.handoff.plan import Upsert
from connector.handoff.playbook_text import restricted
from connector.handoff.rulebook.playbooks import Playbook
from connector.handoff.rulebook.policy import Policy
from connector.handoff.steps import chosen, present, walk


@dataclass(frozen=True, slots=True)
class Move:
    """From one playbook to another. By step: ``made`` now, ``later`` when its time comes, ``left`` is what the new one
    no longer knows and that is open (it stays in the CRM and nobody follows it up), ``passed`` what is too late to ask
    for."""

    deal_id: str
    generation: int
    before: Playbook
    after: Playbook
    made: tuple[str, ...]
    later: tuple[str, ...]
    left: tuple[str, ...]
    passed: tuple[str, ...]


def move(snapshot: Snapshot, policy: Policy, now: datetime) -> Move | None:
    """How a handoff would move on; None where none runs or it goes by the present playbook already.

    Raises ValueError as `decide` does.
    """
    case = weigh(snapshot, policy, now)[0]
    before, wanted = chosen(case), present(case)
    if not case.released or before is None or wanted is None:
        return None
    known = {task.step for task in before.tasks}
    ahead = weigh(_with(snapshot, case, wanted), policy, now)[0]
    passed = tuple(
        step.spec.step for step in walk(ahead) if step.spec.step not in known and step.begun and step.deadline <= now
    )
    after = restricted(wanted, frozenset(task.step for task in wanted.tasks) - set(passed)) if passed else wanted
    if after == before:
        return None
    moved = _with(snapshot, case, after)
    plan = decide(moved, policy, now)
    made = [
        action.step
        for action in plan.actions
        if isinstance(action, Upsert) and action.kind in (Kind.TASK, Kind.MEETING) and action.record_id is None
    ]
    stays = {task.step for task in after.tasks}
    left = [one.spec.step for one in walk(case) if one.spec.step not in stays and one.done_at is None and one.task]
    return Move(
        deal_id=snapshot.key.deal_id,
        generation=case.generation,
        before=before,
        after=after,
        made=tuple(step for step in made if step in stays),
        later=tuple(task.step for task in after.tasks if task.step not in known and task.step not in made),
        left=tuple(left),
        passed=passed,
    )


def _with(snapshot: Snapshot, case: Case, book: Playbook) -> Snapshot:
    """The deal as it would be if its handoff went by this playbook."""
    ledger = dataclasses.replace(snapshot.ledger, playbook=book, released_at=case.released_at)
    return dataclasses.replace(snapshot, ledger=ledger)
