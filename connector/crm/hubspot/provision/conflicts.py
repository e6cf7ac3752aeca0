"""What of the portal's own would fight with the connector or the gate, as far as any API tells (H3).

Not here: what the connector itself would put into the portal (``desired``), and the rules it may set (``rules``).
Required properties, of a stage or by conditional logic, stand in the settings alone (facts: HubSpot §4), so of them
is said where to look. Reading takes a call for each pipeline, one for each type of record, and one for workflows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from connector.crm.hubspot.faults import HubSpotError, listed
from connector.crm.hubspot.fields import OBJECTS
from connector.crm.hubspot.provision.portal import FORBIDDEN, TYPE_IDS, Pipeline
from connector.crm.hubspot.provision.rules import ABSENT, BACKWARDS, EVERYWHERE, RulesLook, read_rules
from connector.crm.hubspot.session import Session
from connector.crm.installer import Danger, Weight, by_weight
from connector.handoff.model import Kind
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap
from connector.policy.known import WRITERS

STAGE = "pipelineStageId"
JUDGED = (Kind.DEAL, Kind.ACCOUNT)
"""Records of people's that the connector writes to."""

SETTINGS_ONLY = (
    "properties required at a stage or by conditional logic: no API tells them (look in Settings → Objects → Deals → "
    "Pipelines → each won stage, and in Settings → Properties → Deal stage → Conditional property logic)"
)


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow that is switched on: its name, and the plural of what it looks at."""

    name: str
    object: str


@dataclass(frozen=True, slots=True)
class Rivals:
    """What was read. ``formats`` are the properties whose values must have a form, by the plural of their type."""

    rules: tuple[RulesLook, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    formats: Mapping[str, Mapping[str, str]] | None = None
    unread: tuple[str, ...] = ()


NO_RIVALS = Rivals()
T = TypeVar("T")


def read_rivals(session: Session, pipelines: Iterable[Pipeline]) -> Rivals:
    """Read it; what this login may not see is told in ``unread``. Raises `CrmError` for anything but that."""
    unread = [SETTINGS_ONLY]
    rules = read_rules(session, pipelines)
    unread += [f"rules of the pipeline {one.pipeline.label}: {one.refusal}" for one in rules if one.refusal]
    workflows = _told(_workflows, session, "the portal's workflows", unread) or ()
    formats: dict[str, Mapping[str, str]] = {}
    for name in (OBJECTS[kind] for kind in JUDGED):
        ask = partial(_formats, name=name)
        formats[name] = _told(ask, session, f"formats asked of {name}", unread) or {}
    return Rivals(rules, workflows, formats, tuple(unread))


def dangers(found: Rivals, crm_map: CrmMap, policy: Policy) -> tuple[Danger, ...]:
    """Everything found, the surest first."""
    return by_weight(
        (
            *(danger for one in found.rules for danger in _of_pipeline(one, policy)),
            *_of_formats(found.formats or {}, crm_map),
            *(_of_workflow(one) for one in found.workflows),
        )
    )


def _of_pipeline(found: RulesLook, policy: Policy) -> Iterator[Danger]:
    name = found.pipeline.label or found.pipeline.id
    won = {stage.id: stage.label for stage in found.pipeline.won}
    modes = (policy.gate.mode, *(one.mode for one in policy.gate.exceptions))
    if GateMode.REVERT in modes and (found.backwards.get(EVERYWHERE) or won.keys() & set(found.stages)):
        yield Danger(
            Weight.MAY_REFUSE,
            f"the rule of pipeline {name} that no deal moves back ({BACKWARDS})",
            "holds for calls in a user's name: putting a deal with gaps back to its earlier stage may be refused, and "
            "the deal is then held where it stands.",
            "Let the connector work with a token that acts in nobody's name, or take the won stages out of the rule.",
        )
    approval = found.approval
    if str(approval.get(STAGE, "")) in won:
        yield Danger(
            Weight.RUNS_TOO,
            f"the approval before {won[str(approval[STAGE])]} in pipeline {name}",
            "stops a win as the gate does, and by other people: a rep would wait for two answers.",
            "Agree which comes first; the gate judges a win only once it is approved.",
        )


def _of_formats(formats: Mapping[str, Mapping[str, str]], crm_map: CrmMap) -> Iterator[Danger]:
    for kind in JUDGED:
        found = formats.get(OBJECTS[kind], {})
        for mapped in crm_map.of(kind):
            if mapped.field in found and mapped.owner in WRITERS:
                yield Danger(
                    Weight.MAY_REFUSE,
                    f"the format asked of {mapped.label} ({mapped.field}: {found[mapped.field]})",
                    "holds for calls too, and the connector writes this property.",
                    "Take the rule off, or map another property.",
                )


def _of_workflow(one: Workflow) -> Danger:
    return Danger(
        Weight.RUNS_TOO,
        f"workflow {one.name} on {one.object}",
        "runs on the connector's writes as on people's, passes every rule of the portal, and may move deals or change "
        "what the connector keeps.",
        "See that it neither writes Handoff properties nor moves deals to or from a won stage.",
    )


def _workflows(session: Session) -> tuple[Workflow, ...]:
    return tuple(_switched_on(session))


def _switched_on(session: Session) -> Iterator[Workflow]:
    names = {type_id: name for name, type_id in TYPE_IDS.items()}
    wanted = {OBJECTS[kind] for kind in JUDGED}
    for each in listed(session.get("workflows", session.paths.workflows())):
        of = names.get(str(each.get("objectTypeId", "")), "")
        if each.get("isEnabled") and of in wanted:
            yield Workflow(str(each.get("name") or each.get("id") or "without a name"), of)


def _formats(session: Session, *, name: str) -> Mapping[str, str]:
    told = listed(session.get("validations", session.paths.validations(TYPE_IDS[name])))
    return {str(each.get("propertyName", "")): ", ".join(_rule_types(each)) for each in told}


def _rule_types(told: Mapping[str, Any]) -> Iterator[str]:
    for rule in told.get("propertyValidationRules") or ():
        yield str(rule.get("ruleType", ""))


def _told(ask: Callable[[Session], T], session: Session, what: str, unread: list[str]) -> T | None:
    """The answer; None, and a word in ``unread``, where the portal or this login has no such thing."""
    try:
        return ask(session)
    except HubSpotError as error:
        if error.status not in (FORBIDDEN, ABSENT):
            raise
        unread.append(f"{what}: {error.fault.message}")
        return None
