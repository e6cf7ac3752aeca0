"""What of the org's own would fight with the connector or the gate: told before anything is written (H3).

Not here: what the connector itself would put into the org (``desired``). Pure. Rules are judged by the fields and
functions their formulas name, not evaluated: what is said here *may* happen is for the admin to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from connector.crm.installer import Danger, Weight, by_weight
from connector.crm.salesforce.fields import OBJECTS as OBJECT_OF
from connector.crm.salesforce.fields import STANDARD
from connector.crm.salesforce.provision.component import Component
from connector.crm.salesforce.provision.marks import has_mark
from connector.crm.salesforce.provision.org import Automation, OrgState
from connector.handoff.model import Kind
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap
from connector.policy.known import WRITERS

CREATED = (Kind.TASK, Kind.NOTE)
"""Kinds of record the connector makes; deals and accounts it only updates."""

STAGE_WORDS = frozenset({"StageName", "IsWon", "IsClosed", "Probability", "ForecastCategoryName", "ForecastCategory"})
BLANK_TESTS = re.compile(r"\b(?:ISBLANK|ISNULL|LEN)\s*\(\s*(?:TEXT\s*\(\s*)?([A-Za-z]\w*)", re.IGNORECASE)
EMPTY_PICKS = re.compile(r'\bISPICKVAL\s*\(\s*([A-Za-z]\w*)\s*,\s*""\s*\)', re.IGNORECASE)
NAMES = re.compile(r"(?<![\w.$\"'])([A-Za-z]\w*)(?:\s*\.\s*[\w.]+)?(?!\s*\()")
GLOBALS = re.compile(r"\$(?:Permission|Profile|UserRole|User|Setup)\s*\.\s*\w+", re.IGNORECASE)
TEXTS = re.compile(r'"[^"]*"|/\*.*?\*/', re.DOTALL)


READ_ONLY_SHARING: Mapping[str, str] = {"None": "Private", "Read": "Public Read Only"}
"""Defaults with which Edit on the object is not enough to change another's record, as Setup calls them."""


def dangers(org: OrgState, crm_map: CrmMap, policy: Policy) -> tuple[Danger, ...]:
    """Everything found, the surest first."""
    writes = {name: _written(crm_map, kind) for kind, name in _objects(crm_map).items()}
    found = [
        *(danger for rule in org.of("ValidationRule") for danger in _rule(rule, writes, policy)),
        *_whole_org(org),
        *_required(org, crm_map),
        *_duplicates(org),
        *(_automation(one) for one in org.automations),
    ]
    return by_weight(found)


def _objects(crm_map: CrmMap) -> dict[Kind, str]:
    return {kind: crm_map.objects.get(kind, name) for kind, name in OBJECT_OF.items()}


def _written(crm_map: CrmMap, kind: Kind) -> frozenset[str]:
    """The vendor's fields that the connector writes on one kind of record."""
    mapped = {one.field for one in crm_map.of(kind) if one.owner in WRITERS}
    standard = {field for field, _ in STANDARD[kind].values()} if kind in CREATED else set()
    return frozenset(mapped | standard)


def _rule(rule: Component, writes: Mapping[str, frozenset[str]], policy: Policy) -> Iterator[Danger]:
    owner, _, _ = rule.name.partition(".")
    if rule.text("active") != "true" or has_mark(rule):
        return
    names = _Names(rule.text("errorConditionFormula"))
    what = f'validation rule {rule.name} ("{rule.text("errorMessage")}")'
    targets = ("Task", "Event") if owner == "Activity" else (owner,)
    ours = frozenset().union(*(writes.get(target, frozenset()) for target in targets))
    creates = any(target in (OBJECT_OF[kind] for kind in CREATED) for target in targets)
    but = f" It lets {', '.join(sorted(names.globals))} decide, so perhaps not for this user." if names.globals else ""
    if creates and (unfilled := sorted(names.blanks - ours)):
        yield Danger(
            Weight.REFUSES,
            what,
            f"asks for {', '.join(unfilled)}, which the connector does not fill when it makes a record." + but,
            "Map the field so that the connector fills it, or exempt its user in the rule by a custom permission.",
        )
    elif owner == OBJECT_OF[Kind.DEAL] and names.fields & STAGE_WORDS:
        yield _stage_rule(what, names, ours, policy, but=but)
    elif touched := sorted(names.fields & ours):
        yield Danger(
            Weight.MAY_REFUSE,
            what,
            f"judges {', '.join(touched)}, which the connector writes." + but,
            "Read its formula; if it can be true for what the connector writes, exempt the connector's user.",
        )
    elif targets[0] in writes:
        yield Danger(
            Weight.MAY_REFUSE,
            what,
            f"judges every save of the {owner}, the connector's too: one that breaks it already cannot be written."
            + but,
            "Make it fire only on change (ISCHANGED), or exempt the connector's user.",
        )


def _stage_rule(what: str, names: _Names, ours: frozenset[str], policy: Policy, *, but: str) -> Danger:
    doubled = sorted(name for name in names.blanks if name.startswith("Handoff_"))
    if doubled:
        return Danger(
            Weight.MAY_REFUSE,
            what,
            f"asks for {', '.join(doubled)} on a stage, as the gate does: a rep would read two messages." + but,
            "Switch the older rule off once the gate's are in place.",
        )
    reverts = policy.gate.mode is GateMode.REVERT or any(one.mode is GateMode.REVERT for one in policy.gate.exceptions)
    back = " Putting a deal back to an earlier stage passes it as well." if reverts else ""
    more = (
        f" It also judges {', '.join(sorted(names.fields & ours))}, written by the connector."
        if names.fields & ours
        else ""
    )
    return Danger(
        Weight.MAY_REFUSE,
        what,
        f"judges the stage, so it speaks when a deal is won or written after.{back}{more}{but}",
        "Test a win by hand in a sandbox. If it refuses later writes, let it fire on ISCHANGED(StageName) alone.",
    )


class _Names:
    """What a formula names: fields, fields it asks to be filled, and globals that may exempt a user."""

    def __init__(self, formula: str) -> None:
        self.blanks = frozenset((*BLANK_TESTS.findall(formula), *EMPTY_PICKS.findall(formula)))
        bare = TEXTS.sub(" ", formula)
        self.globals = frozenset("".join(name.split()) for name in GLOBALS.findall(bare))
        self.fields = frozenset(NAMES.findall(GLOBALS.sub(" ", bare)))


def _whole_org(org: OrgState) -> Iterator[Danger]:
    if org.namespace:
        yield Danger(
            Weight.REFUSES,
            f"the org's own namespace {org.namespace}",
            "is put before the names of new fields, which the mapping then does not know.",
            f"Install into an org without one, or write the names with {org.namespace}__ before them in the mapping.",
        )
    for name, everybody in org.sharing.items():
        if everybody in READ_ONLY_SHARING:
            yield Danger(
                Weight.MAY_REFUSE,
                f"the sharing default of {name} ({READ_ONLY_SHARING[everybody]})",
                "lets the connector see every record by View All, but change only those that are shared with it.",
                "Give its user a role above everybody who owns records, or a sharing rule that lets it read and write.",
            )


def _required(org: OrgState, crm_map: CrmMap) -> Iterator[Danger]:
    for kind, name in _objects(crm_map).items():
        filled = _written(crm_map, kind) | {"OwnerId", "Id"}
        for look in org.fields.get(name, {}).values():
            if not look.custom or look.name in filled:
                continue
            if look.required and not look.has_default and kind in CREATED:
                yield Danger(
                    Weight.REFUSES,
                    f"required field {name}.{look.name}",
                    f"is empty on every {name} the connector makes, so each would be refused.",
                    "Give it a default value, make it required on the page layout instead, or map it.",
                )
            elif look.required and not look.has_default:
                yield Danger(
                    Weight.MAY_REFUSE,
                    f"required field {name}.{look.name}",
                    "a record that has it empty from before cannot be written by anybody until it is filled.",
                    "Fill it on old records, or make it required on the page layout instead.",
                )
            elif look.unique and look.has_default and kind in CREATED:
                yield Danger(
                    Weight.REFUSES,
                    f"unique field {name}.{look.name}",
                    f"has a default, so the second {name} the connector makes would be refused as a duplicate.",
                    "Take the default or the uniqueness away.",
                )


def _duplicates(org: OrgState) -> Iterator[Danger]:
    for rule in org.of("DuplicateRule"):
        name = rule.name.partition(".")[0]
        if rule.text("isActive") != "true" or name not in (OBJECT_OF[Kind.ACCOUNT], OBJECT_OF[Kind.DEAL]):
            continue
        if rule.text("actionOnUpdate") == "Block":
            yield Danger(
                Weight.MAY_REFUSE,
                f"duplicate rule {rule.name}",
                f"blocks updates of an {name} that resembles another one, the CSM's name included.",
                "Exempt the connector's user by the rule's conditions, or merge the doubles.",
            )
        elif "Alert" in (rule.text("operationsOnUpdate"), *_texts(rule, "operationsOnUpdate")):
            yield Danger(
                Weight.MAY_REFUSE,
                f"duplicate rule {rule.name}",
                f"warns on updates of an {name}; by API a warning refuses the row.",
                'Set duplicate_rules = "allow" for this system in config.toml: the connector then saves nevertheless.',
            )


def _texts(rule: Component, tag: str) -> tuple[str, ...]:
    return tuple(inner for name, inner in rule.body if name == tag and isinstance(inner, str))


def _automation(one: Automation) -> Danger:
    detail = f" ({one.detail})" if one.detail else ""
    return Danger(
        Weight.RUNS_TOO,
        f"{one.kind} {one.name} on {one.object}{detail}",
        "runs on the connector's writes as on people's, and may change or refuse them.",
        "See that it neither writes Handoff fields nor moves stages, and that it fires on change only.",
    )
