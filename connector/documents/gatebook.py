"""What several documents say of the gate, of exceptions and of the CSM's answer, said once.

Not here: which document says it where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.documents.subject import Subject
from connector.documents.words import counted, deals, either, limit, plain, within
from connector.handoff.case import listed
from connector.handoff.rulebook.conditions import Condition, Op
from connector.handoff.rulebook.gate import GateMode, Requirement
from connector.handoff.rulebook.quality import Consequence, Flaw
from connector.papers import Grid, Rich, Text, rich

LEADS_TO = {
    GateMode.OFF: "nothing is checked",
    GateMode.WARN: "the handoff goes on, and the deal says what is missing",
    GateMode.HOLD: "the deal stays won, but nothing is handed over until the gaps are filled",
    GateMode.REVERT: "the deal goes back to its earlier stage and says what is missing",
}
OVERRIDE_FIELDS = ("override_requested", "override_reason", "override_approver", "override_expires")
FLAWS = {
    Flaw.EMPTY: "says nothing",
    Flaw.COPY: "is a copy of another answer",
    Flaw.SHORT: "is too short",
    Flaw.VAGUE: "could be said of any customer",
}


def asks(subject: Subject) -> bool:
    """Whether any win has to have anything."""
    gate = subject.policy.gate
    checks = gate.mode is not GateMode.OFF or any(one.mode is not GateMode.OFF for one in gate.exceptions)
    return checks and bool(gate.requirements)


def modes(subject: Subject) -> Iterator[Rich]:
    """What a win with gaps leads to, exceptions first, as sentences."""
    gate = subject.policy.gate
    for one in gate.exceptions:
        yield rich("**{who}**: {what}.", who=deals(subject, one.when).capitalize(), what=LEADS_TO[one.mode])
    who = "All other deals" if gate.exceptions else "A win with gaps"
    yield rich("**{who}**: {what}.", who=who, what=LEADS_TO[gate.mode])


def required(subject: Subject, *, why: bool) -> Grid:
    """Every required field: whose it is, why it is asked (where wanted), what a good answer has."""
    rows: list[list[Text]] = []
    for field, entries in subject.requirements():
        for one in entries:
            row: list[Text] = [rich("**{label}**", label=subject.label(field)), whose(subject, one)]
            rows.append([*row, *([one.why] if why else []), good(subject, one)])
    head = ["Field", "For", *(["Why"] if why else []), "What a good answer has"]
    return Grid(head, rows)


def whose(subject: Subject, one: Requirement) -> str:
    """The deals that a requirement is for."""
    return deals(subject, one.when)


def good(subject: Subject, one: Requirement) -> str:
    """What the rep is told a good answer has: the gate's advice, else what the field's kind asks for."""
    judged = next((each for each in subject.policy.quality.fields if each.path == one.field), None)
    return one.advice or (judged.good or judged.kind.good if judged else "")


def honest(subject: Subject) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """By label, the ways to say that there is nothing, which count as answers."""
    asked = {one.field for one in subject.policy.gate.requirements}
    return tuple(
        (subject.label(each.path), each.honest)
        for each in subject.policy.quality.fields
        if each.honest and each.path in asked
    )


def judged(subject: Subject, leads_to: Consequence) -> str:
    """The flaws that lead to this, in words; empty where none does."""
    rules = subject.policy.quality.rules
    if not subject.policy.quality.fields:
        return ""
    return either(FLAWS[flaw] for flaw in Flaw if flaw in rules and rules[flaw].leads_to is leads_to)


def override(subject: Subject) -> tuple[Text, ...]:
    """How an exception is asked for; empty where the CRM has no field for it or nobody may approve one."""
    policy = subject.policy.override
    if not subject.has("override_requested") or not policy.approvers:
        return ()
    fields = [subject.label(each) for each in OVERRIDE_FIELDS if subject.has(each)]
    return (
        rich("Fill in **{fields}** on the deal.", fields=listed(fields)),
        f"The reason has at least {counted(policy.min_reason_chars, 'character')}.",
        f"It counts for at most {counted(policy.max_days, 'day')}.",
        f"May approve: {listed(policy.approvers)}.",
    )


def stages(subject: Subject, by_pipeline: Mapping[str, tuple[str, ...]]) -> str:
    """Stages in words, by pipeline where there are several."""
    called = {pipeline: tuple(subject.stage(each) for each in names) for pipeline, names in by_pipeline.items()}
    found = [(pipeline, names) for pipeline, names in called.items() if names]
    if len(found) == 1:
        return either(found[0][1])
    return "; ".join(
        f"{either(names)} (pipeline {pipeline})" if pipeline else either(names) for pipeline, names in found
    )


def rejecting(subject: Subject) -> str:
    """The reasons for sending a handoff back, where the config lists them."""
    mapped = subject.map.fields.get("reject_reason")
    return either(mapped.values.values()) if mapped and mapped.values else ""


def resubmit(subject: Subject) -> str:
    """By when the AE answers; empty where nobody is asked."""
    policy = subject.policy.acceptance
    if policy is None or not subject.has("acceptance"):
        return ""
    return within(subject, policy.resubmit_within)


def first_touch(subject: Subject) -> str:
    """What is aimed at for the first touch."""
    targets = subject.policy.targets
    aim, alarm = targets.first_touch_hours, targets.first_touch_alarm_hours
    return f"within {plain(aim)} hours of the win; after {plain(alarm)} somebody should ask why"


def narrowed(when: Condition, name: str) -> bool:
    """Whether a condition asks for this segment, tier or kind of deal, or for none of its sort."""
    return any(
        one.op in (Op.IS, Op.IN) and name in (one.operand if isinstance(one.operand, tuple) else (one.operand,))
        for one in when.tests
    )


def timed(subject: Subject) -> str:
    """By when an answer to a rejection is due, as a limit."""
    policy = subject.policy.acceptance
    return limit(subject, policy.resubmit_within) if policy else ""
