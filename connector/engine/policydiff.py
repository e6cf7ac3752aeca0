"""What a changed policy would change on the handoffs under way: by rule, with examples. Nothing is written.

Not here: loading policies (``policy``) and printing (``cli``). Each deal is decided under both policies from one state;
where the mapping of fields differs too, it is read through both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connector.crm.batch import chunks
from connector.engine.parts import Shared, System
from connector.engine.reconciler import PORTION, decide_with, look_at, observe
from connector.handoff.plan import Action, Notify, Patch, Plan, SendMail, Upsert
from connector.store.record import payload_digest


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing a rule wants: a field of a record, a task or note, a message."""

    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class DealDiff:
    """What one deal would gain under the new policy, and lose of what the old one would do."""

    deal_id: str
    gained: tuple[Effect, ...]
    lost: tuple[Effect, ...]
    was: str
    becomes: str


def compare(shared: Shared, before: System, after: System, deal_ids: Sequence[str]) -> Iterator[DealDiff]:
    """Every deal among these on which the policies differ. Raises `CrmError`."""
    for portion in chunks(deal_ids, size=PORTION):
        old, new = _plans(shared, before, after, tuple(portion))
        for deal_id in sorted(old.keys() & new.keys()):
            if after.act and not new[deal_id].standing.acted:
                continue  # only observed: nothing is gained or lost where nothing is written
            diff = _diff(old[deal_id], new[deal_id])
            if diff is not None:
                yield diff


def _plans(
    shared: Shared, before: System, after: System, ids: tuple[str, ...]
) -> tuple[Mapping[str, Plan], Mapping[str, Plan]]:
    if before.crm is not after.crm:
        return look_at(shared, before, ids).plans, look_at(shared, after, ids).plans
    snapshots = list(observe(shared, after, ids, unread={}))
    return decide_with(shared, before, snapshots), decide_with(shared, after, snapshots)


def _diff(old: Plan, new: Plan) -> DealDiff | None:
    was, becomes = effects_of(old), effects_of(new)
    gained = tuple(each for each, digest in becomes.items() if was.get(each) != digest)
    lost = tuple(each for each in was if each not in becomes)
    if not gained and not lost:
        return None
    return DealDiff(new.key.deal_id, gained, lost, old.coverage, new.coverage)


def effects_of(plan: Plan) -> Mapping[Effect, str]:
    """What a plan would write, each thing with a digest of its content."""
    return {
        effect: digest
        for finding in plan.findings
        for action in finding.actions
        for effect, digest in _parts(finding.rule, action)
    }


def _parts(rule: str, action: Action) -> Iterator[tuple[Effect, str]]:
    match action:
        case Patch():
            for name, value in action.values.items():
                yield Effect(rule, f"{action.ref.kind.value}: {name}"), repr(value)
        case Upsert():
            yield Effect(rule, f"{action.kind.value}: {action.step}"), payload_digest(action)
        case Notify():
            yield Effect(rule, f"message: {action.step}"), payload_digest(action)
        case SendMail():
            yield Effect(rule, f"mail to the customer: {action.step}"), payload_digest(action)
