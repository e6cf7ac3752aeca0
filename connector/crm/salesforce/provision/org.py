"""What stands in one org now, read in few calls: fields, rules, layouts, permissions, channels, and what fights writes.

Not here: what should stand there (``desired``), the difference (``compare``) and the dangers (``conflicts``). What this
login may not read is told in ``unread`` and not taken for absent.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.crm.salesforce.provision.component import Component, Key, Tree, read, text_of
from connector.crm.salesforce.provision.metadata import Listed, MetadataLine, each
from connector.crm.salesforce.soql import Soql, among, both, select, select_in, tooling_path, where
from connector.errors import Advice, CrmError, Fault, FaultCode

OBJECTS = ("Opportunity", "Account", "Activity", "Task", "Event")
"""Objects whose fields and rules matter; a custom field of tasks and events stands on Activity (facts: §3.4)."""

WRITTEN = ("Opportunity", "Account", "Task", "Event", "Note")
"""Objects the connector writes, as records name them."""

FLOW_OBJECT = ("TriggerObjectOrEventId", "TriggerObjectOrEventLabel")
"""Where a flow says which object starts it."""

LISTED = ("Layout", "DuplicateRule")
"""Types that are asked for by the names the org lists: a wildcard would bring those of every object."""

FILES: Mapping[str, str] = {
    "layouts": "Layout",
    "permissionsets": "PermissionSet",
    "customPermissions": "CustomPermission",
    "platformEventChannelMembers": "PlatformEventChannelMember",
    "platformEventChannels": "PlatformEventChannel",
    "notificationtypes": "CustomNotificationType",
    "duplicateRules": "DuplicateRule",
    "flexipages": "FlexiPage",
    "reports": "Report",
    "dashboards": "Dashboard",
}
"""Folder in a package -> the type of what lies there (facts: Salesforce §5.4)."""

PARTS: Mapping[str, str] = {"fields": "CustomField", "validationRules": "ValidationRule", "recordTypes": "RecordType"}
"""Elements of an object's file that are components of their own."""

_OURS = tuple(f"{name}{sign}" for name in OBJECTS for sign in "-.")
"""How the names of layouts (``Account-…``) and duplicate rules (``Account.…``) of our objects begin."""

SHARING: Mapping[str, str] = {"Opportunity": "DefaultOpportunityAccess", "Account": "DefaultAccountAccess"}
"""Object -> the field of Organization that says what everybody may do with its records (Object Reference)."""

FOLDERS = ("Report", "Dashboard")
"""Types that lie in folders; the folder itself is a component of the type with ``Folder`` behind its name."""


@dataclass(frozen=True, slots=True)
class Automation:
    """Something of the org's own that runs or decides when a record is saved."""

    kind: str
    name: str
    object: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FieldLook:
    """One field as describe shows it to the login that provisions."""

    name: str
    type: str
    required: bool
    custom: bool
    unique: bool
    has_default: bool
    permissionable: bool
    choices: tuple[str, ...]
    computed: bool = False


@dataclass(frozen=True, slots=True)
class OrgState:
    """One org as it was found. ``assigned`` maps a permission set to the ids of users who hold it.

    ``sharing`` is what everybody may do with records of an object that are not theirs (``None``, ``Read``, ``Edit``);
    an object of which the org does not say it is left out.
    """

    org_id: str
    is_sandbox: bool
    components: Mapping[Key, Component]
    fields: Mapping[str, Mapping[str, FieldLook]] = field(default_factory=dict)
    automations: tuple[Automation, ...] = ()
    assigned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    name: str = ""
    namespace: str = ""
    sharing: Mapping[str, str] = field(default_factory=dict)

    def of(self, type: str) -> tuple[Component, ...]:
        """The components of one type."""
        return tuple(one for (kind, _), one in self.components.items() if kind == type)

    def get(self, type: str, name: str) -> Component | None:
        """One component, or None."""
        return self.components.get((type, name))


@dataclass(frozen=True, slots=True)
class Described:
    """The fields of the objects the connector writes, the won stages, and what could not be read of them."""

    fields: Mapping[str, Mapping[str, FieldLook]]
    labels: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    won_stages: tuple[str, ...] = ()

    @property
    def permissionable(self) -> frozenset[str]:
        """The fields that may stand in a permission set, as ``Opportunity.Amount``."""
        return frozenset(
            f"{name}.{look.name}"
            for name, looks in self.fields.items()
            for look in looks.values()
            if look.permissionable
        )


def describe_org(line: MetadataLine) -> Described:
    """What describe shows this login. Raises `CrmError`."""
    unread: list[str] = []
    fields: dict[str, Mapping[str, FieldLook]] = {}
    labels: dict[str, str] = {}
    for name in WRITTEN:
        with _readable(unread, f"the fields of {name}"):
            answer = line.session.read("describe", f"sobjects/{name}/describe")
            fields[name] = {str(told["name"]): _look(told) for told in answer.get("fields") or ()}
            labels[name] = str(answer.get("label") or "")
    won_stages = _won_stages(line, unread)
    return Described(fields, labels, tuple(unread), won_stages)


def _won_stages(line: MetadataLine, unread: list[str]) -> tuple[str, ...]:
    """Stages that are won, by the names that records hold. An inactive one may still stand on old deals."""
    with _readable(unread, "which stages are won"):
        told = rows(line, select(["ApiName"], of="OpportunityStage", where=where("IsWon", "=", value=True)))
        return tuple(sorted(str(row["ApiName"]) for row in told if row.get("ApiName")))
    return ()


def read_org(line: MetadataLine, wanted: Iterable[Key], *, described: Described) -> OrgState:
    """The org's state, as far as it bears on the components ``wanted``. Raises `CrmError`."""
    unread = list(described.unread)
    keys = tuple(wanted)
    members = _members(keys, tuple(line.listed(LISTED)))
    members["FlexiPage"] = list(_pages(line, unread))
    retrieved = line.retrieve(members)
    sets = tuple(name for kind, name in keys if kind == "PermissionSet")
    about = _about(line, unread)
    return OrgState(
        org_id=line.session.identity.org_id,
        is_sandbox=bool(about.get("IsSandbox")),
        components={one.key: one for one in components_of(retrieved.archive)},
        fields=described.fields,
        automations=(*_flows(line, described, unread), *_triggers(line, unread)),
        assigned=_assigned(line, sets, unread),
        unread=tuple(unread),
        name=str(about.get("Name") or ""),
        namespace=str(about.get("NamespacePrefix") or ""),
        sharing=_sharing(line),
    )


def read_rivals(line: MetadataLine, *, described: Described) -> OrgState:
    """What of the org's own may get in the way, and no more. Raises `CrmError`.

    Rules stand in the files of the Metadata API, which a login that only reads may not use: then the Tooling API is
    asked for their names, and what a rule says stays unknown.
    """
    unread, refused = list(described.unread), list[str]()
    components: tuple[Component, ...] = ()
    with _readable(refused, "what validation rules and duplicate rules say"):
        names = [one.name for one in line.listed(("DuplicateRule",)) if one.name.startswith(_OURS)]
        retrieved = line.retrieve({"CustomObject": OBJECTS, "DuplicateRule": names})
        components = tuple(components_of(retrieved.archive))
    if refused:
        unread += refused
        components = tuple(_rules_by_name(line, unread))
    return OrgState(
        org_id=line.session.identity.org_id,
        is_sandbox=False,
        components={one.key: one for one in components},
        fields=described.fields,
        automations=(*_flows(line, described, unread), *_triggers(line, unread)),
        unread=tuple(unread),
        namespace=str(_about(line, unread).get("NamespacePrefix") or ""),
        sharing=_sharing(line),
    )


def _rules_by_name(line: MetadataLine, unread: list[str]) -> Iterator[Component]:
    """Active validation rules with their messages; a query of several gives no formulas (facts: Salesforce §5.2)."""
    fields = ("ValidationName", "ErrorMessage", "EntityDefinition.QualifiedApiName")
    soql = select(fields, of="ValidationRule", where=where("Active", "=", value=True))
    with _readable(unread, "validation rules"):
        for row in line.session.read("tooling", tooling_path(soql)).get("records") or ():
            owner = str((row.get("EntityDefinition") or {}).get("QualifiedApiName") or "")
            if owner in OBJECTS:
                body = (("active", "true"), ("errorMessage", str(row.get("ErrorMessage") or "")))
                yield Component("ValidationRule", f"{owner}.{row.get('ValidationName')}", body)


def components_of(archive: bytes) -> Iterator[Component]:
    """The components in a retrieved package. Raises `CrmError` for a package that cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as package:
            for entry in package.infolist():
                path = entry.filename.removeprefix("unpackaged/")
                if not entry.is_dir() and "/" in path:
                    yield from _of_file(path, package.read(entry))
    except (zipfile.BadZipFile, ValueError) as error:
        words = f"what the org sent as a package cannot be read: {error}"
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", words)) from error


def rows(line: MetadataLine, soql: Soql) -> Iterator[Mapping[str, Any]]:
    """Every row of a query."""
    for page in line.session.query(soql):
        yield from page


def _of_file(path: str, data: bytes) -> Iterator[Component]:
    folder, _, rest = path.partition("/")
    _, body = read(data)
    if folder == "objects":
        yield from _of_object(rest.removesuffix(".object"), body)
    elif folder in FILES:
        kind, stem = FILES[folder], rest.removesuffix("-meta.xml")
        is_folder = kind in FOLDERS and "/" not in rest
        if is_folder:
            kind, stem = f"{kind}Folder", stem.removesuffix(f".{folder.removesuffix('s')}Folder")
        name = stem if is_folder else stem.rpartition(".")[0]
        yield Component(kind, name, body)


def _of_object(name: str, body: Tree) -> Iterator[Component]:
    if name.endswith("__c"):
        yield Component("CustomObject", name, tuple(child for child in body if child[0] not in PARTS))
    for tag, kind in PARTS.items():
        for part in each(body, tag):
            yield Component(kind, f"{name}.{text_of(part, 'fullName')}", part)


def _members(keys: Sequence[Key], listed: Sequence[Listed]) -> dict[str, list[str]]:
    """What to retrieve: the objects whole, the named components, and those listed that belong to our objects."""
    members: dict[str, list[str]] = {"CustomObject": list(OBJECTS), "PlatformEventChannelMember": ["*"]}
    for kind, name in keys:
        if kind in PARTS.values() or kind in ("Layout", "PlatformEventChannelMember"):
            continue
        members.setdefault(kind.removesuffix("Folder"), []).append(name)
    for one in listed:
        if one.name.startswith(_OURS):
            members.setdefault(one.type, []).append(one.name)
    return members


def _look(told: Mapping[str, Any]) -> FieldLook:
    default = bool(told.get("defaultedOnCreate")) or told.get("defaultValue") not in (None, False)
    return FieldLook(
        name=str(told["name"]),
        type=str(told.get("type") or ""),
        required=not told.get("nillable", True) and bool(told.get("createable")) and not told.get("defaultedOnCreate"),
        custom=bool(told.get("custom", str(told["name"]).endswith("__c"))),
        unique=bool(told.get("unique")),
        has_default=default or bool(told.get("defaultValueFormula")),
        permissionable=bool(told.get("permissionable")),
        computed=bool(told.get("calculated") or told.get("autoNumber")),
        choices=tuple(str(one["value"]) for one in told.get("picklistValues") or () if one.get("active", True)),
    )


def _flows(line: MetadataLine, described: Described, unread: list[str]) -> Iterator[Automation]:
    """Active flows that a saved record starts. The object comes as id or label, so it is matched here."""
    fields = ("ApiName", "Label", "TriggerType", "RecordTriggerType", *FLOW_OBJECT)
    active = both(where("IsActive", "=", value=True), where("TriggerType", "LIKE", "Record%"))
    soql = select(fields, of="FlowDefinitionView", where=active)
    names = {name.lower(): name for name in WRITTEN} | {
        label.lower(): name for name, label in described.labels.items() if label
    }
    for row in _setup_rows(line, soql, unread, "record-triggered flows"):
        owner = next((names[said] for key in FLOW_OBJECT if (said := str(row.get(key) or "").lower()) in names), "")
        if owner:
            detail = " ".join(str(row.get(key) or "") for key in ("TriggerType", "RecordTriggerType")).strip()
            yield Automation("flow", str(row.get("Label") or row.get("ApiName")), owner, detail)


def _pages(line: MetadataLine, unread: list[str]) -> Iterator[str]:
    """Lightning pages of the objects whose fields people see; a listing could not tell them from all others."""
    soql = select(["DeveloperName"], of="FlexiPage", where=among("EntityDefinitionId", ("Opportunity", "Account")))
    with _readable(unread, "Lightning pages"):
        told = line.session.read("tooling", tooling_path(soql)).get("records") or ()
        yield from (str(row["DeveloperName"]) for row in told)


def _triggers(line: MetadataLine, unread: list[str]) -> Iterator[Automation]:
    fields = ("Name", "TableEnumOrId")
    active = both(where("Status", "=", "Active"), among("TableEnumOrId", tuple(WRITTEN)))
    soql = select(fields, of="ApexTrigger", where=active)
    for row in _setup_rows(line, soql, unread, "Apex triggers"):
        yield Automation("trigger", str(row["Name"]), str(row["TableEnumOrId"]))


def _setup_rows(line: MetadataLine, soql: Soql, unread: list[str], what: str) -> Iterator[Mapping[str, Any]]:
    """Rows about the org's set-up, from whichever of the two APIs has them."""
    refused: list[str] = []
    with _readable(refused, what):
        yield from rows(line, soql)
    if refused:
        with _readable(unread, what):
            yield from line.session.read("tooling", tooling_path(soql)).get("records") or ()


def _assigned(line: MetadataLine, sets: Sequence[str], unread: list[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {name: set() for name in sets}
    asked = select_in(["AssigneeId", "PermissionSet.Name"], of="PermissionSetAssignment", field="PermissionSet.Name")
    with _readable(unread, "who holds the permission sets"):
        for soql in asked.of(sets):
            for row in rows(line, soql):
                found.setdefault(str(row["PermissionSet"]["Name"]), set()).add(str(row["AssigneeId"]))
    return {name: frozenset(holders) for name, holders in found.items()}


def _about(line: MetadataLine, unread: list[str]) -> Mapping[str, Any]:
    with _readable(unread, "whether this org is a sandbox"):
        return next(rows(line, select(["Name", "IsSandbox", "NamespacePrefix"], of="Organization")), {})
    return {}


def _sharing(line: MetadataLine) -> dict[str, str]:
    """The defaults of sharing, where the org has these fields; without them nothing is said of sharing."""
    with _readable([], "sharing"):
        told = next(rows(line, select(list(SHARING.values()), of="Organization")), {})
        return {name: str(told[field]) for name, field in SHARING.items() if told.get(field)}
    return {}


class _readable:
    """Lets a read that this login or edition is refused be noted instead of ending everything."""

    def __init__(self, unread: list[str], what: str) -> None:
        self._unread, self._what = unread, what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, CrmError) or error.fault.advice not in (Advice.PARK, Advice.REREAD):
            return False
        self._unread.append(f"{self._what} ({error.fault.vendor_code}: {error.fault.message})")
        return True
