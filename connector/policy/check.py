"""Does the CRM fit what the files say? Fields, types, rights, choices, stages and people, all problems at once.

Not here: talking to a CRM (the caller brings what it described) and mistakes the files show by themselves (``load``).
Pure: the same policy, map and description give the same answer.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from connector.errors import Problem
from connector.handoff.model import Kind, Person, Stage
from connector.handoff.rulebook.conditions import Condition, Op
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import CHOICES, WRITERS

FITS: Mapping[FieldType, frozenset[str]] = {
    FieldType.TEXT: frozenset(
        {
            *("string", "picklist", "combobox", "textarea", "email", "phone", "url", "id", "encryptedstring"),
            *("text", "phone_number", "enumeration", "html"),
        }
    ),
    FieldType.LONG_TEXT: frozenset({"textarea", "string", "text", "html"}),
    FieldType.NUMBER: frozenset({"double", "int", "long", "currency", "percent", "number"}),
    FieldType.BOOL: frozenset({"boolean", "bool", "booleancheckbox", "enumeration"}),
    FieldType.DATE: frozenset({"date", "datetime"}),
    FieldType.DATETIME: frozenset({"datetime"}),
    FieldType.CHOICE: frozenset({"picklist", "combobox", "enumeration", "select", "radio", "string", "text"}),
    FieldType.PERSON: frozenset({"reference", "enumeration", "select"}),
    FieldType.REFERENCE: frozenset({"reference"}),
}
"""The vendors' words for a type (Salesforce describe, HubSpot properties) that can hold ours."""

ALSO_FITS: Mapping[str, frozenset[str]] = {
    "task.remind_at": frozenset({"string", "number"}),
    "pinned": frozenset({"number"}),
}
"""HubSpot keeps reminders as epoch milliseconds in a text, and the id of what is pinned as a number (facts: HubSpot
§5, §6)."""

LEAST_CHARS: Mapping[str, int] = {"missing": 2_000, "task.key": 80, "note.key": 80, "task.subject": 80}
"""What a field must hold at least: a line for each required field; a natural key with an 18-character id."""

ABSENT = "does not exist or is hidden from this login; create it or grant read access"
"""What is said of a field that is not there; the nearest name follows where there is one."""


class FieldLike(Protocol):
    """One field as a CRM describes it (``crm.port.FieldSchema``)."""

    @property
    def label(self) -> str:
        """What people call it."""
        ...

    @property
    def type(self) -> str:
        """The vendor's word."""
        ...

    @property
    def writable(self) -> bool:
        """Whether this login may write it."""
        ...

    @property
    def createable(self) -> bool:
        """Whether this login may fill it when it makes a record."""
        ...

    @property
    def updateable(self) -> bool:
        """Whether this login may change it later."""
        ...

    @property
    def max_length(self) -> int:
        """Most characters; 0 means no limit is known."""
        ...

    @property
    def choices(self) -> tuple[str, ...]:
        """The values a choice may take; empty when they are not listed."""
        ...


class SchemaLike(Protocol):
    """One object as a CRM describes it (``crm.port.ObjectSchema``)."""

    @property
    def object_name(self) -> str:
        """The vendor's name."""
        ...

    @property
    def fields(self) -> Mapping[str, FieldLike]:
        """By the vendor's field name."""
        ...


def check(
    policy: Policy,
    crm_map: CrmMap,
    *,
    schemas: Mapping[Kind, SchemaLike],
    stages: Sequence[Stage],
    people: Collection[Person] | None,
) -> tuple[Problem, ...]:
    """Everything that would go wrong with this CRM as it is; each problem names its fix.

    Kinds of record that are not in ``schemas`` are skipped, and so are people where None were asked for.
    """
    found: list[Problem] = []
    for kind, schema in schemas.items():
        for mapped in crm_map.of(kind):
            found.extend(_field(mapped, schema, policy=policy, where=crm_map.file))
    deal = schemas.get(Kind.DEAL)
    if deal:
        found.extend(_deal_types(crm_map, deal))
    found.extend(_conditions(policy, crm_map, schemas))
    found.extend(_extras(policy, crm_map, schemas))
    found.extend(judge_stages(policy, crm_map, stages))
    if people is not None:
        found.extend(_people(policy, people))
    return tuple(dict.fromkeys(found))


def _field(mapped: MappedField, schema: SchemaLike, *, policy: Policy, where: str) -> Iterator[Problem]:
    key = f"fields.{mapped.kind.value}.{mapped.name}"
    actual = schema.fields.get(mapped.field)
    name = f"{schema.object_name}.{mapped.field}"
    if actual is None:
        hint = _meant(mapped, schema)
        yield Problem(where, key, f"{name} {ABSENT}{hint}")
        return
    fitting = FITS[mapped.type] | ALSO_FITS.get(mapped.path, frozenset())
    if actual.type.lower() not in fitting:
        kind = mapped.type.value.replace("_", " ")
        yield Problem(
            where, key, f'{name} is of type "{actual.type}", which cannot hold a {kind}; map another field or set type'
        )
    if mapped.owner in WRITERS and not _may_write(mapped, actual):
        yield Problem(
            where, key, f'{name} cannot be written by this login; grant edit access to it, or set owner = "human"'
        )
    yield from _length(mapped, actual, name=name, policy=policy, where=where, key=key)
    yield from _choices(mapped, actual, name=name, where=where, key=key)


def _meant(mapped: MappedField, schema: SchemaLike) -> str:
    """The field that was probably meant: by its name, or by the label that people read, as a suggestion; else empty."""
    near = difflib.get_close_matches(mapped.field, schema.fields, n=1, cutoff=0.7)
    if near:
        return f"; did you mean {near[0]!r}?"
    labels: dict[str, str] = {}
    for name, field in schema.fields.items():
        labels.setdefault(field.label.strip().casefold(), name)
    for word in (mapped.field, mapped.label):
        found = difflib.get_close_matches(word.strip().casefold(), labels, n=1, cutoff=0.85)
        if found:
            return (
                f"; did you mean {labels[found[0]]!r}, which people read as {schema.fields[labels[found[0]]].label!r}?"
            )
    return ""


def _may_write(mapped: MappedField, actual: FieldLike) -> bool:
    """By what the owner does: fields that are only set when a record is made need no right to change them."""
    if mapped.owner is FieldOwner.CREATE_ONLY:
        return actual.writable and actual.createable
    return actual.writable and actual.updateable


def _length(
    mapped: MappedField, actual: FieldLike, *, name: str, policy: Policy, where: str, key: str
) -> Iterator[Problem]:
    needed = max(mapped.max_chars, LEAST_CHARS.get(mapped.path, 0))
    if mapped.path == "summary":
        needed = max(needed, policy.summary.max_chars)
    if mapped.owner in WRITERS and actual.max_length and actual.max_length < needed:
        advice = f"lengthen it, or set max_chars = {actual.max_length}" if mapped.max_chars else "use a longer field"
        yield Problem(where, key, f"{name} holds {actual.max_length} characters, {needed} are needed; {advice}")


def _choices(mapped: MappedField, actual: FieldLike, *, name: str, where: str, key: str) -> Iterator[Problem]:
    if mapped.owner not in WRITERS:
        return
    wanted = [mapped.to_vendor(choice) for choice in CHOICES.get(mapped.path, ())]
    missing = [choice for choice in wanted if actual.choices and choice not in actual.choices]
    if missing:
        listed = ", ".join(repr(choice) for choice in missing)
        yield Problem(
            where, key, f"{name} lacks the value {listed}; add it to the field, or translate it with values = …"
        )


def _deal_types(crm_map: CrmMap, deal: SchemaLike) -> Iterator[Problem]:
    mapped = crm_map.fields.get("type")
    actual = deal.fields.get(mapped.field) if mapped else None
    if mapped is None or actual is None or not actual.choices:
        return
    for value, kind in crm_map.deal_types.items():
        if value not in actual.choices:
            yield Problem(
                crm_map.file,
                f"deal_types.{kind.value}",
                f"{deal.object_name}.{mapped.field} has no value {value!r}; {_use(value, actual.choices)}",
            )


def _conditions(policy: Policy, crm_map: CrmMap, schemas: Mapping[Kind, SchemaLike]) -> Iterator[Problem]:
    """Constants that a choice field can never have, so that the rule would silently never apply."""
    for key, condition in _all_conditions(policy):
        for test in condition.tests:
            mapped = crm_map.fields.get(test.field)
            schema = schemas.get(mapped.kind) if mapped else None
            actual = schema.fields.get(mapped.field) if mapped and schema else None
            if mapped is None or actual is None or not actual.choices or mapped.type is not FieldType.CHOICE:
                continue
            if test.op is Op.FILLED:
                continue
            operands = test.operand if isinstance(test.operand, tuple) else (str(test.operand),)
            for operand in operands:
                if mapped.to_vendor(operand) not in actual.choices:
                    message = (
                        f"{mapped.label} has no value {operand!r} in {crm_map.vendor}; {_use(operand, actual.choices)}"
                    )
                    yield Problem("process.toml", key, message)


def _extras(policy: Policy, crm_map: CrmMap, schemas: Mapping[Kind, SchemaLike]) -> Iterator[Problem]:
    """What a step says of its task besides, where the CRM has no such value: it would make the task without."""
    for playbook in policy.playbooks:
        for task in playbook.tasks:
            given = {"priority": task.extras.priority, "type": task.extras.type, "queue": task.extras.queue}
            for name, value in given.items():
                mapped, schema = crm_map.get(Kind.TASK, name), schemas.get(Kind.TASK)
                actual = schema.fields.get(mapped.field) if mapped and schema else None
                if not value or mapped is None or actual is None or not actual.choices:
                    continue
                theirs = mapped.to_vendor(value)
                if theirs.casefold() not in {each.casefold() for each in actual.choices}:
                    key = f"playbooks[{playbook.name}].tasks[{task.step}].{name}"
                    message = (
                        f"{mapped.label} has no value {theirs!r} in {crm_map.vendor}; {_use(theirs, actual.choices)}"
                    )
                    yield Problem("playbook.toml", key, message)


def _all_conditions(policy: Policy) -> Iterator[tuple[str, Condition]]:
    for segment in policy.segments:
        yield f"segments[{segment.name}].when", segment.when
    for tier in policy.tiers:
        yield f"tiers[{tier.name}].when", tier.when
    for number, exception in enumerate(policy.gate.exceptions, 1):
        yield f"gate.exceptions[{number}].when", exception.when
    for requirement in policy.gate.requirements:
        yield f"gate.require[{requirement.field}].when", requirement.when
    for rule in policy.assignment.rules:
        yield f"assignment.rules[{rule.name}].when", rule.when
    for flag in policy.red_flags.flags:
        yield f"red_flags.flags[{flag.name}].when", flag.when
    if policy.pilot.when is not None:
        yield "pilot.when", policy.pilot.when
    for playbook in policy.playbooks:
        yield f"playbooks[{playbook.name}].when", playbook.when
        for task in playbook.tasks:
            key = f"playbooks[{playbook.name}].tasks[{task.step}]"
            if task.trigger is not None:
                yield f"{key}.trigger.when", task.trigger.when
            for signal in task.done_when:
                yield f"{key}.done_when", signal.when


def judge_stages(policy: Policy, crm_map: CrmMap, stages: Sequence[Stage]) -> Iterator[Problem]:
    """What is wrong with the pipelines and stages that the files name: absent, closed, or without a won one."""
    where = crm_map.file
    by_pipeline: dict[str, list[Stage]] = {}
    for stage in stages:
        by_pipeline.setdefault(stage.pipeline, []).append(stage)
    for pipeline in crm_map.pipelines:
        if pipeline not in by_pipeline:
            yield Problem(
                where, "stages.pipelines", f"there is no pipeline {pipeline!r}; {_use(pipeline, by_pipeline)}"
            )
    for pipeline, stage_id in policy.gate.revert_to.items():
        key = f"stages.revert_to.{pipeline}" if pipeline else "stages.revert_to"
        if pipeline not in by_pipeline:
            yield Problem(where, key, f"there is no pipeline {pipeline!r}; {_use(pipeline, by_pipeline)}")
            continue
        target = next((one for one in by_pipeline[pipeline] if one.id == stage_id), None)
        open_stages = [one.id for one in by_pipeline[pipeline] if not one.is_closed]
        if target is None:
            yield Problem(where, key, f"there is no stage {stage_id!r}; {_use(stage_id, open_stages)}")
        elif target.is_closed:
            yield Problem(where, key, f"{stage_id!r} is a closed stage; {_use(stage_id, open_stages)}")
    yield from _stages_entered(policy, crm_map, stages)
    yield from _open_stages(policy.before_close, by_pipeline, where, name="before_close")
    yield from _open_stages(policy.pre_assign, by_pipeline, where, name="pre_assign")
    for pipeline, members in by_pipeline.items():
        watched = not crm_map.pipelines or pipeline in crm_map.pipelines
        if watched and not any(stage.is_won for stage in members):
            named = f"pipeline {pipeline!r}" if pipeline else "the CRM"
            yield Problem(where, "stages", f"no stage of {named} is marked as won; mark one, or do not watch it")


def _stages_entered(policy: Policy, crm_map: CrmMap, stages: Sequence[Stage]) -> Iterator[Problem]:
    """Stages that trigger a task and that no handoff can stand in: it rests while its deal is not won."""
    won = [one for one in stages if one.is_won and (not crm_map.pipelines or one.pipeline in crm_map.pipelines)]
    known = {word.strip().casefold() for one in won for word in (one.id, one.label)}
    for playbook in policy.playbooks:
        for task in playbook.tasks:
            wanted = task.trigger.stage if task.trigger else ""
            if wanted and wanted.strip().casefold() not in known:
                key = f"playbooks[{playbook.name}].tasks[{task.step}].trigger.stage"
                message = f"no won stage is called {wanted!r}, so no handoff enters it; "
                yield Problem("playbook.toml", key, message + _use(wanted, [one.label for one in won]))


def _open_stages(
    named: Mapping[str, tuple[str, ...]], by_pipeline: Mapping[str, list[Stage]], where: str, *, name: str
) -> Iterator[Problem]:
    every = [stage for members in by_pipeline.values() for stage in members]
    for pipeline, wanted in named.items():
        key = f"stages.{name}.{pipeline}" if pipeline else f"stages.{name}"
        if pipeline and pipeline not in by_pipeline:
            yield Problem(where, key, f"there is no pipeline {pipeline!r}; {_use(pipeline, by_pipeline)}")
            continue
        among = by_pipeline[pipeline] if pipeline else every
        open_stages = [one.id for one in among if not one.is_closed]
        for stage_id in wanted:
            if stage_id in open_stages:
                continue
            known = any(one.id == stage_id for one in among)
            message = f"{stage_id!r} is a closed stage" if known else f"there is no stage {stage_id!r}"
            yield Problem(where, key, f"{message}; {_use(stage_id, open_stages)}")


def _people(policy: Policy, people: Collection[Person]) -> Iterator[Problem]:
    active: dict[str, bool] = {}
    for person in people:
        email = person.email.strip().lower()
        active[email] = active.get(email, False) or person.active
    for key, email in named_people(policy):
        if email not in active:
            yield Problem(
                "process.toml", key, f"no user of the CRM has the email {email}; {_use(email, active, most=0)}"
            )
        elif not active[email]:
            yield Problem(
                "process.toml", key, f"{email} is not active in the CRM; name somebody who is, or reactivate them"
            )


def named_people(policy: Policy) -> Iterator[tuple[str, str]]:
    """Everybody whom the policy names by mail, each with the key that does."""
    yield from (("override.approvers", email) for email in policy.override.approvers)
    for pool in policy.assignment.pools.values():
        yield from ((f"assignment.pools[{pool.name}].members", email) for email in pool.members)
    yield "assignment.fallback", policy.assignment.fallback
    yield from (("assignment.buddies", email) for email in policy.assignment.buddies.values())
    for number, rung in enumerate(policy.escalation.ladder, 1):
        yield from ((f"escalation.ladder[{number}].to", email) for email in rung.emails)
    if policy.escalation.sponsor:
        yield "escalation.sponsor", policy.escalation.sponsor
    yield from (("red_flags.to", email) for email in policy.red_flags.emails)
    yield from (("escalation.managers", email) for email in dict.fromkeys(policy.escalation.managers.values()))
    if policy.governance is not None:
        yield "governance.owner", policy.governance.owner
    yield from (("assignment.away", each.who) for each in policy.assignment.away)
    yield from (("pilot.owners", email) for email in policy.pilot.owners)
    yield from (("pilot.csms", email) for email in policy.pilot.csms)


def _use(word: str, known: Collection[str], *, most: int = 12) -> str:
    """The nearest known word, or a list of them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    if not known or not most:
        return "correct it, or add it there"
    choices = sorted(known)
    return f"use one of: {', '.join(choices[:most])}{', …' if len(choices) > most else ''}"
