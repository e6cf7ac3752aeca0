"""Components as a zip the Metadata API deploys: one file per object or component, package.xml, deletions.

Not here: sending it (``metadata``) and the folder layout of source format (``source``). Equal components in any order
give equal bytes.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Collection, Iterable, Mapping

from connector.crm.salesforce.provision.component import Component, Key, Tree, document, leaf, xml

OBJECT_PARTS: Mapping[str, str] = {"CustomField": "fields", "ValidationRule": "validationRules"}
"""Types that stand in their object's file, and the element they are there."""
FILES: Mapping[str, tuple[str, str]] = {
    "CustomObject": ("objects", "object"),
    "CustomPermission": ("customPermissions", "customPermission"),
    "PermissionSet": ("permissionsets", "permissionset"),
    "Layout": ("layouts", "layout"),
    "Report": ("reports", "report"),
    "Dashboard": ("dashboards", "dashboard"),
    "CustomNotificationType": ("notificationtypes", "notiftype"),
    "PlatformEventChannel": ("platformEventChannels", "platformEventChannel"),
    "PlatformEventChannelMember": ("platformEventChannelMembers", "platformEventChannelMember"),
}
"""Folder and suffix of each type's file (facts: Salesforce §5.4)."""
FOLDERS: Mapping[str, tuple[str, str]] = {
    "ReportFolder": ("reports", "Report"),
    "DashboardFolder": ("dashboards", "Dashboard"),
}
"""Folders of reports and dashboards: where their file is, and the type package.xml lists them under."""

# A zip's first possible moment, so that equal contents are equal bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


def deploy_zip(components: Iterable[Component], *, api_version: str, destructive: Collection[Key] = ()) -> bytes:
    """A package of these components, and of deletions (type and full name) made once they are in place.

    Raises ValueError for a type that has no place in a package, and for one component given twice.
    """
    given = tuple(components)
    files = package_files(given) | {"package.xml": package_xml([one.key for one in given], api_version=api_version)}
    if destructive:
        files["destructiveChangesPost.xml"] = package_xml(destructive)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE
            archive.writestr(entry, files[name])
    return held.getvalue()


def package_files(components: Iterable[Component]) -> dict[str, bytes]:
    """The files of a package by their path, package.xml left out. Raises ValueError."""
    given = sorted(components, key=lambda one: one.key)
    twice = {one.key for one, other in itertools.pairwise(given) if one.key == other.key}
    if twice:
        raise ValueError(f"given twice: {', '.join(' '.join(key) for key in sorted(twice))}")
    files: dict[str, bytes] = {}
    objects: dict[str, list[Component]] = {}
    for one in given:
        if one.type in OBJECT_PARTS:
            objects.setdefault(one.name.partition(".")[0], []).append(one)
        elif one.type == "CustomObject":
            objects.setdefault(one.name, []).append(one)
        else:
            files[_path(one)] = xml(one)
    for name, parts in objects.items():
        files[f"objects/{name}.object"] = document("CustomObject", _object(parts))
    return files


def package_xml(keys: Iterable[Key], *, api_version: str = "") -> bytes:
    """The list of what a package holds, or with no version what it deletes."""
    members: dict[str, set[str]] = {}
    for type, name in keys:
        members.setdefault(FOLDERS[type][1] if type in FOLDERS else type, set()).add(name)
    types: Tree = tuple(
        ("types", (*(leaf("members", name) for name in sorted(members[type])), leaf("name", type)))
        for type in sorted(members)
    )
    return document("Package", (*types, *((leaf("version", api_version),) if api_version else ())))


def _path(one: Component) -> str:
    if one.type in FOLDERS:
        return f"{FOLDERS[one.type][0]}/{one.name}-meta.xml"
    if one.type not in FILES:
        raise ValueError(f"{one.type} {one.name} has no place in a package")
    folder, suffix = FILES[one.type]
    return f"{folder}/{one.name}.{suffix}"


def _object(parts: list[Component]) -> Tree:
    """An object's file: its own elements when it is ours, then its fields, then its rules."""
    own = next((one.body for one in parts if one.type == "CustomObject"), ())
    inner: Tree = tuple((tag, one.body) for type, tag in OBJECT_PARTS.items() for one in parts if one.type == type)
    return (*own, *inner)
