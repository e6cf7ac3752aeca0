"""Rules that never fired in a period: segments no deal was in, requirements that caught nothing, steps nobody got.

Not here: counting (``fold``). That a rule was silent says nothing against it where few deals came by; how many did is
said beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.handoff.governing.fold import Evidence
from connector.handoff.rescue import START as STUCK
from connector.handoff.rulebook.policy import Policy


@dataclass(frozen=True, slots=True)
class Silent:
    """One rule that never fired: of what kind, its name, where it stands, and what is known of it."""

    kind: str
    name: str
    key: str
    said: str


def silent(policy: Policy, evidence: Evidence) -> tuple[Silent, ...]:
    """The rules that never fired, in the order of the files; none where no deal was won."""
    if not evidence.deals:
        return ()
    return tuple(_found(policy, evidence))


def _found(policy: Policy, evidence: Evidence) -> Iterator[Silent]:
    won = f"{evidence.deals} deals won"
    for segment in policy.segments:
        if not evidence.segments.get(segment.name):
            key = f"process.toml [[segments]] {segment.name}"
            yield Silent("segment", segment.name, key, f"no deal was in it, of {won}")
    if evidence.rules_known:
        for rule in policy.assignment.rules:
            if not evidence.chosen_by.get(rule.name):
                key = f"process.toml [[assignment.rules]] {rule.name}"
                yield Silent("assignment rule", rule.name, key, "it chose no CSM")
    yield from _requirements(policy, evidence)
    yield from _playbooks(policy, evidence)
    yield from _watched(policy, evidence)


def _requirements(policy: Policy, evidence: Evidence) -> Iterator[Silent]:
    for field in dict.fromkeys(one.field for one in policy.gate.requirements):
        rule = policy.fields.get(field)
        label = rule.label if rule else field
        asked, key = evidence.asked.get(field, 0), f"process.toml [[gate.require]] {field}"
        if not asked:
            yield Silent("gate requirement", label, key, f"no deal had to have it, of {evidence.deals}")
        elif not evidence.lacked.get(label):
            yield Silent("gate requirement", label, key, f"it was never missing, of {asked} deals that had to have it")


def _playbooks(policy: Policy, evidence: Evidence) -> Iterator[Silent]:
    for book in policy.playbooks:
        steps = [task.step for task in book.tasks]
        idle = [step for step in steps if not evidence.made.get(step)]
        if len(idle) == len(steps):
            yield Silent("playbook", book.name, f"playbook {book.name}", "none of its steps was made")
            continue
        for step in idle:
            known = evidence.steps_of_books.get(step, 0)
            said = (
                f"it was made for no deal, of {known} whose playbook has it" if known else "no deal's playbook has it"
            )
            yield Silent("playbook step", step, f"playbook {book.name}, step {step}", said)


def _watched(policy: Policy, evidence: Evidence) -> Iterator[Silent]:
    for flag in policy.red_flags.flags:
        if not _begun(evidence.made, f"flag.{flag.name}."):
            key = f"process.toml [[red_flags.flags]] {flag.name}"
            yield Silent("red flag", flag.name, key, "it was raised for nobody")
    if policy.product is None:
        return
    for signal in policy.product.stuck:
        if not _begun(evidence.made, f"{STUCK}{signal.name}-"):
            yield Silent("stuck signal", signal.name, f"product.toml [[stuck]] {signal.name}", "nobody was stuck by it")
    for milestone in policy.product.milestones:
        if not evidence.reached.get(milestone.name):
            key = f"product.toml [[milestones]] {milestone.name}"
            yield Silent("milestone", milestone.name, key, f"no customer reached it, of {evidence.deals} won")


def _begun(made: Mapping[str, int], start: str) -> bool:
    return any(step.startswith(start) for step in made)
