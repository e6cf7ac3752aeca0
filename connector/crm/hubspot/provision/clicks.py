"""What no API of HubSpot can do, as clicks in its settings: required fields, pages, views, queues, notices.

Not here: what an apply does itself (``compare``, ``rules``). Pure. Required properties at a stage can be set in the
settings alone (facts: HubSpot §4); pages, views, queues and field access have no API either (§5, §6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connector.crm.hubspot.provision.desired import Desired, object_of
from connector.crm.hubspot.provision.items import PROPERTY, STAGE, Item
from connector.crm.hubspot.provision.portal import Pipeline, PortalState
from connector.crm.hubspot.provision.reports import DASHBOARD, report_clicks
from connector.crm.installer import Do
from connector.handoff.model import Kind, Stage
from connector.handoff.rulebook.conditions import Condition, Op
from connector.handoff.rulebook.gate import GateMode, Requirement
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import is_peoples

BLOCKING = frozenset({GateMode.HOLD, GateMode.REVERT})
"""The modes in which a win with gaps does not go on; only those may stop a save."""

FREE = frozenset({"csm", "account.csm", "summary", "account.onboarding_stage", "account.go_live_date"})
"""What the connector writes and people may change all the same: what they set stays (``policy.meaning`` says so)."""

VERDICTS = ("summary_reviewed", "handoff_rating", "repeat_asks")

PASSES = (
    "Workflows, calls of API versions before 2026-09 and super admins pass these rules, imports perhaps; the connector "
    "checks every win itself, whoever wrote it."
)
OVERRIDE = "A required property knows no override: a deal that a manager lets through must be moved by a super admin."
STAGE_EDITION = "Takes a paid edition; the admin needs Edit property settings."
LOGIC_EDITION = "Takes Professional or Enterprise, and a super admin."
BY_LOGIC = "Stops a person before the win, and calls of API version 2026-09 or later."
BY_STAGE = "Stops a person before the win; whether calls are stopped too is not documented."
NO_LOGIC = "only if this edition (Free or Starter, by its limits) offers it; the connector is the gate all the same"
PUT_BACK = "It may refuse the connector's put-back too, which then holds the deal where it is."


def clicks(crm_map: CrmMap, policy: Policy, desired: Desired, portal: PortalState) -> tuple[Item, ...]:
    """The lines, the gate's first."""
    return (
        *_gate(crm_map, policy, portal),
        *_deal_types(crm_map, portal),
        *_pages(crm_map, desired, portal),
        *_approver(crm_map),
        *_verdicts(crm_map),
        *_people(crm_map),
        *report_clicks(crm_map, policy),
    )


def undoing() -> Item:
    """The way back from the clicks, which nobody can take off but who made them."""
    steps = (
        "Settings → Properties → Deal properties → Deal stage (and Deal type) → Conditional property logic: delete it",
        "Settings → Objects → Deals → Pipelines → each won stage → Edit properties: untick Required",
        "The workflow Tell the CSM, the view Handoff held, the queue Handoff, the Handoff card of the record pages",
        f"The dashboard {DASHBOARD} and the reports on it",
    )
    detail = "take off what was clicked together, as far as you did; the required fields before the properties go"
    why = "HubSpot goes on asking for required fields, whether anybody reads them or not."
    return Item(Do.BY_HAND, "Settings", "made by hand", detail, why, steps=steps)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The required fields by what HubSpot can ask them by: always, by deal type, or not at all."""

    always: tuple[MappedField, ...]
    by_deal_type: Mapping[tuple[str, ...], tuple[MappedField, ...]]
    left: tuple[tuple[MappedField, str], ...]


def _gate(crm_map: CrmMap, policy: Policy, portal: PortalState) -> Iterator[Item]:
    gate = policy.gate
    blocking = gate.mode in BLOCKING or any(one.mode in BLOCKING for one in gate.exceptions)
    if not blocking or not gate.requirements:
        return
    asked = _sorted(crm_map, gate.requirements)
    plain = gate.mode in BLOCKING and not gate.exceptions
    but = "" if plain else " It stops deals too for which the gate has another mode."
    tail = f"{OVERRIDE}{but} {PASSES}"
    watched = [one for one in portal.pipelines if not crm_map.pipelines or one.id in crm_map.pipelines]
    won = [(pipeline, stage) for pipeline in watched for stage in pipeline.won]
    if asked.always and won:
        if portal.has_logic:
            yield _by_logic(won, asked.always, f"{BY_LOGIC} {LOGIC_EDITION} {tail}")
        for pipeline, stage in won:
            steps = _stage_steps(pipeline, stage.label, asked.always)
            instead = "instead, where the edition has no conditional logic" if portal.has_logic else NO_LOGIC
            why = f"{BY_STAGE} {STAGE_EDITION} {tail}"
            detail = f"{instead}: ask when a deal enters this stage"
            yield Item(Do.BY_HAND, STAGE, f"{stage.label} of {pipeline.label}", detail, why, steps=steps)
    for values, fields in asked.by_deal_type.items():
        if portal.has_logic:
            yield _by_deal_type(crm_map, values, fields)
    if asked.left:
        told = "; ".join(f"{_name(field)} when {when}" for field, when in asked.left)
        detail = f"nothing to do: the connector asks for {told}"
        reason = "HubSpot requires a property always or by a choice. To ask for these at the screen, ask of every deal."
        yield Item(Do.BY_HAND, STAGE, "what depends on more than the deal type", detail, reason)


def _by_logic(won: Sequence[tuple[Pipeline, Stage]], fields: Sequence[MappedField], why: str) -> Item:
    steps = (
        "Settings (the gear) → Properties → Deal properties → Deal stage → Conditional property logic → Add rule",
        f"If Deal stage is any of {', '.join(f'{stage.label} ({pipeline.label})' for pipeline, stage in won)}",
        *(f"Show {_name(field)} ({field.field}) and tick Required" for field in fields),
        "Save; then drag a test deal without these fields to a won stage: HubSpot asks for them",
    )
    return Item(Do.BY_HAND, PROPERTY, "Deal stage", "ask for what every win needs, at the won stages", why, steps=steps)


def _stage_steps(pipeline: Pipeline, stage: str, fields: Sequence[MappedField]) -> tuple[str, ...]:
    return (
        "Settings (the gear) → Objects → Deals → Pipelines",
        f"Select a pipeline: {pipeline.label}",
        f"In the row {stage}, under Conditional stage properties: Edit properties",
        *(f"Choose {_name(field)} ({field.field}) and tick Required" for field in fields),
        "Save",
    )


def _by_deal_type(crm_map: CrmMap, values: tuple[str, ...], fields: Sequence[MappedField]) -> Item:
    mapped = crm_map.get(Kind.DEAL, "type")
    label = mapped.label if mapped else "Deal Type"
    listed = " or ".join(values)
    steps = (
        f"Settings → Properties → Deal properties → {label} → Conditional property logic → Add logic",
        f"If {label} is {listed}",
        *(f"Show {_name(field)} ({field.field}) and tick Required" for field in fields),
        "Save",
    )
    why = f"Asks by deal type, at every stage from the first on, not only at the win. {PUT_BACK} {LOGIC_EDITION}"
    detail = "optional: ask for what these deals need; left out, the connector asks for it at the win"
    return Item(Do.BY_HAND, PROPERTY, f"{label} {listed}", detail, why, steps=steps)


def _sorted(crm_map: CrmMap, requirements: Sequence[Requirement]) -> _Asked:
    always: dict[str, MappedField] = {}
    typed: dict[tuple[str, ...], dict[str, MappedField]] = {}
    left: list[tuple[MappedField, str]] = []
    for one in requirements:
        mapped = crm_map.fields.get(one.field)
        if mapped is None:
            continue
        values = _deal_type_values(crm_map, one.when)
        if mapped.kind is not Kind.DEAL:
            left.append((mapped, "it is the account's own field"))
        elif not one.when.tests:
            always[mapped.field] = mapped
        elif values:
            typed.setdefault(values, {})[mapped.field] = mapped
        else:
            left.append((mapped, _words(one.when)))
    rest = {values: [one for name, one in found.items() if name not in always] for values, found in typed.items()}
    by_type = {values: tuple(fields) for values, fields in rest.items() if fields}
    return _Asked(tuple(always.values()), by_type, tuple(left))


def _deal_type_values(crm_map: CrmMap, when: Condition) -> tuple[str, ...]:
    """The portal's values of the deal types a condition names, when it names nothing else and they are listed."""
    if len(when.tests) != 1 or when.tests[0].field != "deal_type" or when.tests[0].op not in (Op.IS, Op.IN):
        return ()
    operand = when.tests[0].operand
    kinds = {str(one) for one in (operand if isinstance(operand, tuple) else (operand,))}
    return tuple(value for value, kind in crm_map.deal_types.items() if kind.value in kinds)


def _words(when: Condition) -> str:
    def said(operand: object) -> str:
        return ", ".join(map(str, operand)) if isinstance(operand, tuple) else str(operand).lower()

    tests = (f"{one.field} {one.op.value.replace('_', ' ')} {said(one.operand)}" for one in when.tests)
    return " and ".join(test.replace("_", " ") for test in tests)


def _deal_types(crm_map: CrmMap, portal: PortalState) -> Iterator[Item]:
    """Deal types that the map names and the portal has not: its own choices are people's to change."""
    mapped = crm_map.get(Kind.DEAL, "type")
    there = portal.get(object_of(crm_map, Kind.DEAL), mapped.field) if mapped else None
    if mapped is None or there is None or there.type != "enumeration" or not there.shipped:
        return
    missing = [value for value in crm_map.deal_types if value not in {option.value for option in there.options}]
    if missing:
        named = ", ".join(missing)
        detail = f"has no choice {named}, which [deal_types] in hubspot.toml names; add it, or take it out there"
        steps = (
            f"Settings → Properties → Deal properties → {there.label} → Field type → Add an option",
            *(f"Internal name {value}, with a label of your own" for value in missing),
            "Save",
        )
        why = "What people sell is theirs to name, so it is never changed here."
        yield Item(Do.BY_HAND, PROPERTY, f"{there.object}.{there.name}", detail, why, steps=steps)


def _is_peoples(mapped: MappedField) -> bool:
    return is_peoples(mapped.kind, mapped.name, mapped.owner)


def _pages(crm_map: CrmMap, desired: Desired, portal: PortalState) -> Iterator[Item]:
    """Where people see and fill the fields; HubSpot's own stand on its pages already."""
    titles = {Kind.DEAL: ("Deals", "Deal"), Kind.ACCOUNT: ("Companies", "Company")}
    for kind, (title, single) in titles.items():
        name = object_of(crm_map, kind)
        shipped = {one.name for one in portal.properties.get(name, {}).values() if one.shipped}
        ours = [one for one in desired.wanted if one.definition.object == name]
        ours = [one for one in ours if one.definition.name not in shipped]
        people = [one.definition.label for one in ours if _is_peoples(one.mapped)]
        written = [one.definition.label for one in ours if not _is_peoples(one.mapped)]
        locked = [one.definition.label for one in ours if not _is_peoples(one.mapped) and one.mapped.path not in FREE]
        if not ours:
            continue
        steps = (
            f"Settings → Objects → {title} → Record customization → Default view",
            "Left sidebar → Add card → Property list, titled Handoff",
            f"Properties: {', '.join([*people, *written])}",
            "Drag the card under About; Save and exit",
        )
        why = "Reps fill in and read the fields here; pages have no API. Again for each team with a view of its own."
        yield Item(Do.BY_HAND, "Record page", title, "show the fields on the record page", why, steps=steps)
        if locked:
            yield Item(
                Do.BY_HAND,
                "Field access",
                title,
                "let people read, not change, what the connector writes",
                "A value that a person changes is left alone from then on. Takes Professional or Enterprise.",
                steps=(
                    f"Settings → Properties → {single} properties → Group: Handoff",
                    f"Tick {', '.join(locked)} → Assign users & teams → Everyone: view only",
                ),
            )


def _approver(crm_map: CrmMap) -> Iterator[Item]:
    """Whoever names the approver approves, so not everybody may."""
    mapped = crm_map.get(Kind.DEAL, "override_approver")
    if mapped is None:
        return
    detail = "let only those who may approve an override name its approver"
    why = "Reps ask for an override; who can write this field can grant it in a manager's name. Takes Professional."
    steps = (
        f"Settings → Properties → Deal properties → {_name(mapped)} ({mapped.field})",
        "Assign users & teams → the approvers: view and edit; everyone else: view only",
    )
    yield Item(Do.BY_HAND, "Field access", _name(mapped), detail, why, steps=steps)


def _verdicts(crm_map: CrmMap) -> Iterator[Item]:
    """What the CSM says of a handoff, on which commission may hang, is not the rep's to say."""
    mapped = [one for name in VERDICTS if (one := crm_map.get(Kind.DEAL, name)) is not None]
    if not mapped:
        return
    detail = "let only customer success grade a handoff and say that the summary was read"
    why = "A rep who can write these decides on a flag that commission may hang on. Takes Professional."
    steps = (
        "Settings → Properties → Deal properties → Group: Handoff",
        f"Tick {', '.join(_name(one) for one in mapped)}",
        "Assign users & teams → customer success: view and edit; everyone else: view only",
    )
    yield Item(Do.BY_HAND, "Field access", "what the CSM says", detail, why, steps=steps)


def _people(crm_map: CrmMap) -> Iterator[Item]:
    """Lists and notices that a team works by."""
    gate, csm = (crm_map.get(Kind.DEAL, name) for name in ("gate", "csm"))
    steps: tuple[str, ...]
    if gate is not None:
        held = gate.to_vendor("Held")
        steps = (
            "CRM → Deals → Add view → Create a new view: Handoff held, shared with everyone",
            f"Advanced filters → {_name(gate)} is any of {held}",
            "Columns: Deal owner, Missing for handoff; Save view",
        )
        yield Item(Do.BY_HAND, "View", "Handoff held", "a list of wins that wait for something", "", steps=steps)
    steps = (
        "CRM → Tasks → Manage queues → Create queue: Handoff, shared with the CSMs",
        "Open it: the number in its address is its id, which hubspot.toml names among the values of task.queue",
    )
    why = "A CSM works through a queue in one go. Queues cannot be made by API; without one the tasks are in the list."
    yield Item(Do.BY_HAND, "Task queue", "Handoff", "optional: a queue for the tasks", why, steps=steps)
    if csm is not None:
        steps = (
            "Automation → Workflows → Create workflow → From scratch → Deal-based",
            f"Trigger: {_name(csm)} is known; re-enroll when it changes",
            f"Action: Send internal in-app notification (or email) to {_name(csm)}; Turn on",
        )
        why = (
            "Tells the CSM at once: no API call does. Takes Professional or Enterprise. The task's reminder tells too."
        )
        yield Item(Do.BY_HAND, "Workflow", "Tell the CSM", "a notice when a handoff is theirs", why, steps=steps)


def _name(mapped: MappedField) -> str:
    return mapped.label or mapped.name.replace("_", " ").capitalize()
