"""The metadata types this org has: folder, file suffix, root element, id prefix, and what contains what.

Not their contents: the elements of each type are in `shapes.py`. Folders and suffixes: facts: Salesforce §5.4.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetadataType:
    """One type. `parent` contains it in its own file under the element `within` (fields in an object file)."""

    name: str
    folder: str = ""
    suffix: str = ""
    prefix: str = "000"
    parent: str = ""
    within: str = ""
    in_folder: bool = False
    folder_type: str = ""
    order: int = 50
    """Lower is deployed earlier: what others refer to comes first (facts: Salesforce §5.2)."""


# Id prefixes beside 03d (rules, facts: Salesforce §5.1) are chosen by the sandbox where no fact names one.
TYPES: tuple[MetadataType, ...] = (
    MetadataType("CustomObject", "objects", "object", "01I", order=10),
    MetadataType("CustomField", prefix="00N", parent="CustomObject", within="fields", order=20),
    MetadataType("ValidationRule", prefix="03d", parent="CustomObject", within="validationRules", order=50),
    MetadataType("RecordType", prefix="012", parent="CustomObject", within="recordTypes", order=30),
    MetadataType("BusinessProcess", prefix="019", parent="CustomObject", within="businessProcesses", order=25),
    MetadataType("CompactLayout", prefix="0AH", parent="CustomObject", within="compactLayouts", order=40),
    MetadataType("ListView", prefix="00B", parent="CustomObject", within="listViews", order=40),
    MetadataType("CustomPermission", "customPermissions", "customPermission", "0CP", order=15),
    MetadataType("PermissionSet", "permissionsets", "permissionset", "0PS", order=40),
    MetadataType("Layout", "layouts", "layout", "00h", order=60),
    MetadataType("FlexiPage", "flexipages", "flexipage", "0M0", order=60),
    MetadataType("Flow", "flows", "flow", "301", order=60),
    MetadataType("DuplicateRule", "duplicateRules", "duplicateRule", "0Bm", order=60),
    MetadataType("CustomNotificationType", "notificationtypes", "notiftype", "0ML", order=15),
    MetadataType("PlatformEventChannel", "platformEventChannels", "platformEventChannel", "0YL", order=15),
    MetadataType(
        "PlatformEventChannelMember", "platformEventChannelMembers", "platformEventChannelMember", "0v8", order=30
    ),
    MetadataType("ReportFolder", "reports", "reportFolder", "00l", folder_type="Report", order=70),
    MetadataType("Report", "reports", "report", "00O", in_folder=True, order=72),
    MetadataType("DashboardFolder", "dashboards", "dashboardFolder", "00l", folder_type="Dashboard", order=74),
    MetadataType("Dashboard", "dashboards", "dashboard", "01Z", in_folder=True, order=76),
)
BY_NAME = {t.name: t for t in TYPES}
BY_SUFFIX = {t.suffix: t for t in TYPES if t.suffix}
CHILDREN = {t.within: t for t in TYPES if t.parent}
FOLDER_TYPE_OF = {t.folder_type: t for t in TYPES if t.folder_type}


def package_name(kind: MetadataType) -> str:
    """The name under which package.xml lists a component of this type: folders stand beside what they hold."""
    return kind.folder_type or kind.name


def file_name(kind: MetadataType, full_name: str) -> str:
    """Where the component stands in a zip, below the package folder; its parent's file for one within a file."""
    if kind.parent:
        holder = BY_NAME[kind.parent]
        return f"{holder.folder}/{full_name.partition('.')[0]}.{holder.suffix}"
    if kind.folder_type:
        return f"{kind.folder}/{full_name}-meta.xml"
    return f"{kind.folder}/{full_name}.{kind.suffix}"
