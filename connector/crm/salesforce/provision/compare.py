"""The difference between what an org should have and what it has, as a plan: create, change, keep, conflict, by hand.

Not here: reading the org (``org``) and doing the plan (``apply``). Pure. Additive, but for rules the
policy dropped (``stale``): what an admin added or chose is kept and said; only components with our prefix are ever
changed, besides the section in layouts and the channel's members.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.crm.installer import Difference, Do
from connector.crm.salesforce.provision.component import Component, Tree, text_of
from connector.crm.salesforce.provision.desired import Desired
from connector.crm.salesforce.provision.items import Grant, Item, ProvisionPlan
from connector.crm.salesforce.provision.kinds import stands_in
from connector.crm.salesforce.provision.layout import Section, insert_section
from connector.crm.salesforce.provision.marks import MARKED, is_untouched, marked
from connector.crm.salesforce.provision.options import PREFIX
from connector.crm.salesforce.provision.org import OrgState
from connector.crm.salesforce.provision.stale import stale_rules
from connector.crm.salesforce.provision.trees import Path, joined, leaves, settled, spelled, without

CHANNEL_ENTITIES = 5
"""Entities that may be selected for change data in an org, all channels together (facts: Salesforce §2.6)."""

FOLDER = PREFIX.rstrip("_")
WHY_LAYOUT = "People fill in and read the fields here."
MEMBER = "PlatformEventChannelMember"


@dataclass(frozen=True, slots=True)
class Habit:
    """How a type is compared; attributes are named by the last step of their path.

    ``theirs``: attributes whose other value is the admin's to choose. ``floor``: numbers that may be larger, and rights
    that may be wider. ``decides``: another value is a conflict. ``once``: made, then never compared.
    """

    theirs: frozenset[str] = frozenset()
    floor: frozenset[str] = frozenset()
    decides: frozenset[str] = frozenset()
    once: bool = False


HABITS: Mapping[str, Habit] = {
    "CustomField": Habit(
        theirs=frozenset(
            {
                *("label", "description", "inlineHelpText", "default", "sorted", "restricted", "color", "isActive"),
                *("trackHistory", "trackFeedHistory", "trackTrending", "required", "defaultValue", "caseSensitive"),
                *("relationshipLabel", "relationshipName", "deleteConstraint", "visibleLines", "fullName"),
            }
        ),
        floor=frozenset({"length", "precision", "scale"}),
        decides=frozenset({"type", "referenceTo"}),
    ),
    "ValidationRule": Habit(theirs=frozenset({"fullName"})),
    "PermissionSet": Habit(
        theirs=frozenset({"label", "description", "license", "hasActivationRequired", "fullName"}),
        floor=frozenset(
            {
                *("readable", "editable", "enabled", "allowCreate", "allowDelete", "allowEdit", "allowRead"),
                *("modifyAllRecords", "viewAllRecords"),
            }
        ),
    ),
}
"""Types that are not listed are made once and left alone after: reports and notices are people's to shape."""

ONCE = Habit(once=True)


def compare(desired: Desired, org: OrgState, *, integration_user: str = "", holds: str = "") -> ProvisionPlan:
    """The plan. ``holds`` names the permission set that ``integration_user`` (an id) is to hold, if both are given."""
    items = [_item(marked(one), org, desired.only_read) for one in desired.components if one.type != MEMBER]
    items += stale_rules(frozenset(one.name for one in desired.components if one.type == MARKED), org)
    items += _members(desired, org)
    items += _layouts(desired, org)
    items += _by_hand(desired, org)
    grants: tuple[Grant, ...] = ()
    if holds and integration_user and integration_user not in org.assigned.get(holds, frozenset()):
        grants = (Grant(holds, integration_user),)
    return ProvisionPlan(tuple(items), grants)


def is_ours(type: str, name: str) -> bool:
    """Whether a component's own name has our prefix (``Opportunity.Handoff_Gate__c``, ``Handoff/…``)."""
    own = name.rpartition(".")[2] if type in ("CustomField", "ValidationRule") else name
    return own.startswith((PREFIX, f"{FOLDER}/")) or own == FOLDER


def _item(wanted: Component, org: OrgState, only_read: frozenset[str]) -> Item:
    present = org.get(*wanted.key)
    if present is None:
        return Item(Do.CREATE, wanted.type, wanted.name, _shape(wanted), wanted.why, component=wanted)
    habit = HABITS.get(wanted.type, ONCE)
    if habit.once:
        return Item(Do.KEEP, wanted.type, wanted.name, why=wanted.why)
    if wanted.type == "CustomField" and (kept := _as_it_is(wanted, present, only_read)):
        return Item(Do.KEEP, wanted.type, wanted.name, kept, wanted.why)
    return _compared(wanted, present, habit, org)


def _as_it_is(wanted: Component, present: Component, only_read: frozenset[str]) -> str:
    """Why a field of the org's is good as it is, without looking at its attributes; empty when they matter."""
    theirs, ours = present.text("type"), wanted.text("type")
    if theirs and theirs != ours and stands_in(wanted, present):
        return f"the org's own {theirs}, which serves"
    if theirs == ours and wanted.name in only_read and not is_ours(*wanted.key) and not wanted.text("referenceTo"):
        return f"the org's own {theirs}, which people fill"
    return ""


def _shape(wanted: Component) -> str:
    """What a new component would be, in a few words."""
    if wanted.type == MARKED:
        return f'"{wanted.text("errorMessage")}"'
    if wanted.type != "CustomField":
        return ""
    size = next((wanted.text(tag) for tag in ("length", "referenceTo") if wanted.text(tag)), "")
    if digits := wanted.text("precision"):
        # As Setup counts: digits before the point, digits after it.
        size = f"{int(digits) - int(wanted.text('scale') or 0)}, {wanted.text('scale') or 0}"
    values = [value for path, value in leaves(wanted.body) if path[-1] == "fullName" and len(path) > 1]
    marks = [word for word, tag in (("unique", "unique"), ("external id", "externalId")) if wanted.text(tag) == "true"]
    return ", ".join([wanted.text("type") + (f"({size})" if size else ""), *values, *marks])


def _compared(wanted: Component, present: Component, habit: Habit, org: OrgState) -> Item:
    have = dict(leaves(present.body))
    differing: list[tuple[Path, Difference]] = []
    kept: list[str] = []
    kept_paths: set[Path] = set()
    for path, value in leaves(wanted.body):
        before = have.get(path, "")
        if before == value or _not_stated(path, value, have):
            continue
        step = path[-1]
        if step in habit.decides and path in have:
            return _other_kind(wanted, step, before, value)
        if path in have and (step in habit.theirs or (step in habit.floor and _reaches(before, value))):
            kept_paths.add(path)
            if step in ("label", "length", "precision", "scale"):
                kept.append(f"{step} {before}")
        elif step in habit.theirs and len(path) == 1:
            kept_paths.add(path)
        else:
            differing.append((path, Difference(spelled(path), before, value)))
    kept += _additions(wanted, present)
    if _value_set(present) and _has_all_values(wanted, org):
        differing = [one for one in differing if one[0][0] != "valueSet"]
    if not differing:
        return Item(Do.KEEP, wanted.type, wanted.name, _keeps(kept), wanted.why)
    return _changed(wanted, present, tuple(one for _, one in differing), kept=kept, kept_paths=frozenset(kept_paths))


def _changed(
    wanted: Component,
    present: Component,
    differences: tuple[Difference, ...],
    *,
    kept: list[str],
    kept_paths: frozenset[Path],
) -> Item:
    told = differences
    if wanted.type == MARKED:
        told = tuple(one for one in differences if one.attribute != "description")
        if not is_untouched(present):
            detail = (
                "was edited by somebody, so it is left as it is; to have ours again, delete it in Setup and apply anew"
            )
            return Item(Do.CONFLICT, wanted.type, wanted.name, detail, wanted.why, told)
    if not is_ours(wanted.type, wanted.name):
        detail = "has not our prefix, so it is never changed here; change it in Setup, or map another field"
        return Item(Do.BY_HAND, wanted.type, wanted.name, detail, wanted.why, told)
    if (value_set := _value_set(present)) and any(one.attribute.startswith("valueSet") for one in told):
        detail = f"takes its values from the global value set {value_set}; add what is missing there"
        return Item(Do.BY_HAND, wanted.type, wanted.name, detail, wanted.why, told)
    body = joined(without(wanted.body, kept_paths), present.body)
    component = Component(wanted.type, wanted.name, body, wanted.why)
    return Item(Do.CHANGE, wanted.type, wanted.name, _keeps(kept), wanted.why, told, component=component)


def _other_kind(wanted: Component, step: str, before: str, value: str) -> Item:
    detail = f"is there with {step} {before}, {value} is needed; map another field name, or take that field away"
    return Item(
        Do.CONFLICT, wanted.type, wanted.name, detail, wanted.why, (Difference(step, before, value),), blocks=True
    )


def _not_stated(path: Path, value: str, have: Mapping[Path, str]) -> bool:
    """An org leaves out what is false by nature; asking for false is then no difference."""
    return value == "false" and path not in have and "[" not in path[0]


def _additions(wanted: Component, present: Component) -> Iterator[str]:
    if wanted.type != "CustomField":
        return
    ours = {path[:-1] for path, _ in leaves(wanted.body) if path[-1] == "fullName" and len(path) > 1}
    theirs = [
        value
        for path, value in leaves(present.body)
        if path[-1] == "fullName" and len(path) > 1 and path[:-1] not in ours
    ]
    if theirs and ours:
        yield f"further values {', '.join(theirs)}"


def _keeps(kept: list[str]) -> str:
    return f"keeps the org's own {'; '.join(kept)}" if kept else ""


def _reaches(before: str, value: str) -> bool:
    """Whether what the org has is no less than what is wanted: a longer text, a wider right."""
    if before.isdigit() and value.isdigit():
        return int(before) >= int(value)
    return (before, value) == ("true", "false")


def _value_set(field: Component) -> str:
    """The global value set a field takes its values from; empty when they are its own."""
    return next((text_of(inner, "valueSetName") for inner in field.all("valueSet")), "")


def _has_all_values(wanted: Component, org: OrgState) -> bool:
    """Whether describe shows every value, wherever the org keeps them."""
    owner, _, own = wanted.name.partition(".")
    shown = org.fields.get(owner, {}).get(own)
    asked = [value for path, value in leaves(wanted.body) if path[-1] == "fullName" and len(path) > 1]
    return shown is not None and set(asked) <= set(shown.choices)


def selection(member: Component) -> tuple[str, str]:
    """What a channel member stands for, whatever it is called: channel and entity."""
    return settled(member.text("eventChannel")), settled(member.text("selectedEntity"))


def _members(desired: Desired, org: OrgState) -> Iterator[Item]:
    """Channel members are one selection each, whatever they are called; deploying one again fails (facts: §2.5)."""
    present = {selection(one): one for one in org.of(MEMBER)}
    entities = {entity for _, entity in present}
    for wanted in (one for one in desired.components if one.type == MEMBER):
        channel, entity = selection(wanted)
        there = present.get((channel, entity))
        if there is not None:
            detail = "" if there.name == wanted.name else f"{entity} is selected on {channel} by {there.name}"
            yield Item(Do.KEEP, MEMBER, wanted.name, detail, wanted.why)
        elif entity not in entities and len(entities) >= CHANNEL_ENTITIES:
            detail = (
                f"{CHANNEL_ENTITIES} entities are selected already, as many as there may be without an add-on: "
                f"{', '.join(sorted(entities))}. Free one, or leave it: polling sees these changes too"
            )
            yield Item(Do.BY_HAND, MEMBER, wanted.name, detail, wanted.why)
        else:
            entities.add(entity)
            yield Item(Do.CREATE, MEMBER, wanted.name, why=wanted.why, component=wanted)


def _layouts(desired: Desired, org: OrgState) -> Iterator[Item]:
    for wanted, layout in on_layouts(desired, org):
        changed = insert_section(layout, wanted)
        if changed.body == layout.body:
            yield Item(Do.KEEP, "Layout", layout.name, why=WHY_LAYOUT)
        else:
            detail = f"the section {wanted.label} is put in; all else stays"
            yield Item(Do.CHANGE, "Layout", layout.name, detail, WHY_LAYOUT, component=changed)


def on_layouts(desired: Desired, org: OrgState) -> Iterator[tuple[Section, Component]]:
    """Each section with each layout of its object."""
    for wanted in desired.sections:
        for layout in org.of("Layout"):
            if layout.name.startswith(f"{wanted.object}-"):
                yield wanted, layout


def _by_hand(desired: Desired, org: OrgState) -> Iterator[Item]:
    for one in desired.by_hand:
        yield Item(Do.BY_HAND, one.type, one.name, one.detail, one.why)
    yield from _record_types(desired, org)
    objects = {wanted.object for wanted in desired.sections}
    for page in org.of("FlexiPage"):
        shown = [value for path, value in leaves(page.body) if path[-1] == "fieldItem"]
        if shown and page.text("sobjectType") in objects:
            detail = (
                "shows single fields (dynamic forms), and such a page leaves out what a layout says: "
                "add the handoff fields to it in the Lightning App Builder"
            )
            yield Item(Do.BY_HAND, "FlexiPage", page.name, detail, "Reps would not see the fields on this page.")


def _record_types(desired: Desired, org: OrgState) -> Iterator[Item]:
    """A record type has its own choice of each picklist's values, and it is not ours to change."""
    for record_type in org.of("RecordType"):
        if record_type.text("active") == "false":
            continue
        owner = record_type.name.partition(".")[0]
        chosen = {text_of(one, "picklist"): _names_in(one) for one in record_type.all("picklistValues")}
        for field in desired.components:
            name, _, own = field.name.partition(".")
            values = [value for path, value in leaves(field.body) if path[-1] == "fullName" and len(path) > 1]
            missing = [value for value in values if value not in chosen.get(own, frozenset())]
            if field.type == "CustomField" and name == owner and missing:
                detail = f"choose for {own} the values {', '.join(missing)} (Setup > Object Manager > Record Types)"
                why = "A value that a record type leaves out can be refused on its records."
                yield Item(Do.BY_HAND, "RecordType", record_type.name, detail, why)


def _names_in(picklist: Tree) -> frozenset[str]:
    return frozenset(value for path, value in leaves(picklist) if path[-1] == "fullName")
