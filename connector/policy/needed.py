"""Which rules cannot decide without a field: those whose conditions, or whose own doing, go by what stands in it.

Not here: a requirement of the gate on the field itself and what the summary shows. Those leave out what cannot be read,
and say so; a condition on a field that is not shown would be answered as if the field were empty.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.playbooks import PlaybookTask
from connector.handoff.rulebook.policy import Policy

OWN = {
    "type": ("gate", "assignment"),
    "owner": ("gate", "assignment"),
    "csm": ("assignment",),
    "account.csm": ("assignment",),
}
"""What rules go by though no condition names it: what was sold, whose deal it is, and who is CSM already."""

TIERS = frozenset({"tier", "extras"})
SEGMENT = "segment"


def needed_by(policy: Policy, path: str) -> tuple[str, ...]:
    """The names of the rules that must not decide while the field behind this path cannot be read."""
    found = list(OWN.get(path, ()))
    indirect = {path}
    if any(path in _fields(each.when) for each in policy.segments):
        indirect.add(SEGMENT)
    if any(indirect & _fields(each.when) for each in policy.tiers):
        indirect |= TIERS
    found += (rule for rule, when in _conditions(policy) if indirect & _fields(when))
    return tuple(dict.fromkeys(found))


def _conditions(policy: Policy) -> Iterator[tuple[str, Condition]]:
    yield from (("gate", each.when) for each in policy.gate.exceptions)
    yield from (("gate", each.when) for each in policy.gate.requirements)
    yield from (("assignment", each.when) for each in policy.assignment.rules)
    yield from (("red_flags", each.when) for each in policy.red_flags.flags)
    for playbook in policy.playbooks:
        yield "playbook", playbook.when
        for task in playbook.tasks:
            yield from (("playbook", when) for when in _of_task(task))


def _of_task(task: PlaybookTask) -> Iterator[Condition]:
    if task.trigger is not None:
        yield task.trigger.when
    yield from (signal.when for signal in task.done_when)


def _fields(condition: Condition) -> frozenset[str]:
    return frozenset(test.field for test in condition.tests)
