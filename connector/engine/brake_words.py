"""What a person is told of a mass that is held: how many, which effects and fields, an example, the likely cause.

Not here: deciding that it is one (``masschange``). Ids of deals and names of fields are told, never their values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from connector.clock import zoned
from connector.engine.alarms import Cry
from connector.engine.parts import Shared, System
from connector.engine.places import stored
from connector.handoff.moves import MoverKind
from connector.handoff.plan import Action, Notify, Patch, Plan, SendMail, Upsert
from connector.store import EARLY, POLICY_NOTE, HeldDeal

EXAMPLES = 5
FIELDS_NAMED = 4
MOST_OF = 0.8
"""From this share of a mass on, what its deals have in common is named as the cause."""

MASS_ALARM = "mass-change"


class Sort(StrEnum):
    """What deals are counted as, each with a limit of its own; ``OPEN``: those that are not won yet; ``SHARE``: the
    changed ones of all under way."""

    NEW = "new"
    IMPORTED = "imported"
    OPEN = EARLY
    CHANGED = "changed"
    SHARE = "share"


WINS = frozenset({Sort.NEW, Sort.IMPORTED})
"""Sorts whose deals somebody won, so that a mass of them may have one mover."""

SORT_WORDS: Mapping[str, str] = {
    Sort.NEW: "handoffs would begin",
    Sort.IMPORTED: "handoffs would begin for imported wins",
    Sort.OPEN: "open deals would be written to before their close (readiness, a CSM, a review, answers taken over)",
    Sort.CHANGED: "handoffs under way would change",
}

MOVER_WORDS: Mapping[MoverKind, str] = {
    MoverKind.PERSON: "user",
    MoverKind.AUTOMATION: "the workflow",
    MoverKind.INTEGRATION: "the integration",
    MoverKind.IMPORT: "the import",
}


def what_of(plan: Plan, actions: Sequence[Action], *, mover: str) -> dict[str, Any]:
    """What would be written to one deal, as plain data without any value."""
    return {
        "generation": plan.generation,
        "phase": plan.phase.value,
        "mover": mover,
        "writes": [_write(action) for action in actions],
    }


def _write(action: Action) -> dict[str, Any]:
    match action:
        case Patch():
            emptied = sorted(name for name, value in action.values.items() if value is None)
            return {
                "step": action.step,
                "write": f"update {action.ref.kind.value}",
                "fields": sorted(action.values),
                "emptied": emptied,
                "reason": action.reason,
            }
        case Upsert():
            verb = "update" if action.record_id else "create"
            return {"step": action.step, "write": f"{verb} {action.kind.value}", "fields": [], "reason": action.reason}
        case Notify():
            return {"step": action.step, "write": "tell a person", "fields": [], "reason": action.reason}
        case SendMail():
            return {"step": action.step, "write": "mail the customer", "fields": [], "reason": action.reason}


def cause_of(shared: Shared, system: System, sort: Sort, found: Sequence[tuple[Plan, str]]) -> str:
    """The likeliest cause of a mass, in one sentence."""
    for told in (
        _policy_cause(shared, system),
        _empty_cause(system, sort, [plan for plan, _ in found]),
        _mover_cause(system, [mover for _, mover in found]) if sort in WINS else "",
        _first_run_cause(shared, system) if sort in WINS else "",
        _hidden_cause(sort, [plan for plan, _ in found]),
    ):
        if told:
            return told
    fields = Counter(
        name for plan, _ in found for action in plan.actions if isinstance(action, Patch) for name in action.values
    )
    common = ", ".join(name for name, _ in fields.most_common(FIELDS_NAMED))
    return f"no single cause was found; the fields written most are {common}." if common else "no cause was found."


def _policy_cause(shared: Shared, system: System) -> str:
    note = policy_note(shared, system)
    if not note or not note.get("before"):
        return ""
    since = datetime.fromisoformat(note["since"])
    if shared.clock.now() - since > 2 * shared.limits.window:
        return ""
    return (
        f"the policy changed at {since:%Y-%m-%d %H:%M} UTC (from {note['before'][:8]} to {note['digest'][:8]}); "
        "handoff plan --policy-diff shows what it changes."
    )


def policy_note(shared: Shared, system: System) -> dict[str, Any]:
    """Which policy the system runs with, since when, and which was before; empty when it never ran."""
    return stored(shared, system, POLICY_NOTE, _noted) or {}


def _noted(text: str) -> dict[str, Any]:
    found = json.loads(text)
    return {
        "digest": str(found["digest"]),
        "before": str(found.get("before", "")),
        "since": zoned(found["since"]).isoformat(),
    }


def _empty_cause(system: System, sort: Sort, plans: Sequence[Plan]) -> str:
    """A side that suddenly is empty: nobody in the list of people, or fields that were full and are blank now."""
    if not system.people:
        return "the CRM's list of people is empty."
    if sort is not Sort.CHANGED:
        return ""
    emptied = Counter(
        name
        for plan in plans
        for action in plan.actions
        if isinstance(action, Patch)
        for name, value in action.values.items()
        if value is None or (value == "" and action.expected.get(name))
    )
    blank = Counter(check.label for plan in plans for check in plan.missing)
    for counts, words in ((blank, "is blank"), (emptied, "would be emptied")):
        often = [name for name, count in counts.most_common(FIELDS_NAMED) if count >= MOST_OF * len(plans)]
        if often:
            return f"{', '.join(often)} {words} on nearly all of them; was a field or a right taken away?"
    return ""


def _hidden_cause(sort: Sort, plans: Sequence[Plan]) -> str:
    """Fields that the CRM does not show: summaries lose them. It may have been so for long, so it is told last."""
    hidden = Counter(label for plan in plans for label in plan.unreadable)
    often = [name for name, count in hidden.most_common(FIELDS_NAMED) if count >= MOST_OF * len(plans)]
    if sort is not Sort.CHANGED or not often:
        return ""
    return f"the CRM does not show {', '.join(often)} to the connector; was a right or a field taken away?"


def _mover_cause(system: System, movers: Sequence[str]) -> str:
    (mover, count), *_ = Counter(movers).most_common(1)
    kind, _, name = mover.partition(":")
    if not kind or count < MOST_OF * len(movers):
        return ""
    known = MoverKind(kind)
    person = system.people.get(name) if known is MoverKind.PERSON else None
    called = person.name if person else name
    return f"{count} of {len(movers)} were won by {MOVER_WORDS.get(known, known.value)} {called}."


def _first_run_cause(shared: Shared, system: System) -> str:
    if system.first_run_since is None or shared.store.baseline(system.name) != system.first_run_since:
        return ""
    return (
        f"wins since act_since = {system.first_run_since:%Y-%m-%d} are taken up; handoff plan --won-since shows them."
    )


def cry_of(shared: Shared, system: System, counts: Mapping[str, int]) -> Cry:
    """What people are told of all that is held."""
    minutes = round(shared.limits.window.total_seconds() / 60)
    said = " and ".join(f"{count} {SORT_WORDS.get(sort, sort)}" for sort, count in sorted(counts.items()))
    examples = shared.store.held(system.name, limit=EXAMPLES)
    causes = dict.fromkeys(each.why for each in examples)
    lines = [
        f"Within {minutes} minutes {said}: more than [brakes] allows. Nothing of it was sent; other deals go on.",
        f"Likely cause: {' '.join(causes)}",
        "For example:",
        *(f"- {example_of(each)}" for each in examples),
    ]
    following = (
        f"handoff release --system {system.name} shows it all and, after you agree, lets it go; if it is not wanted, "
        "mend the cause first (wins that are none: handoff drop)."
    )
    return Cry(
        f"{sum(counts.values())} deals are held", "\n".join(lines), following, stops=set(counts) != {Sort.OPEN.value}
    )


def example_of(held: HeldDeal) -> str:
    """One held deal in a line."""
    return f"{held.deal_id}: {'; '.join(writes_of(held))}"


def writes_of(held: HeldDeal) -> Iterable[str]:
    """What would be written to it, a phrase for each write."""
    for each in held.what.get("writes", ()):
        fields = f" ({', '.join(each['fields'])})" if each["fields"] else ""
        yield f"{each['write']}{fields or ' ' + each['step']}"
