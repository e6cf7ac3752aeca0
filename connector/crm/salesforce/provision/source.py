"""Components as a Salesforce source project: a folder an admin can review, keep in version control and deploy by hand.

Not here: packages for the API (``render``). The folders are those of the vendor's own converter (facts: Salesforce
§5.4).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from connector.crm.installer import write_export
from connector.crm.salesforce.provision.component import Component, Key, xml
from connector.crm.salesforce.provision.render import FILES, FOLDERS, OBJECT_PARTS, package_xml

ROOT = Path("force-app/main/default")
PROJECT = Path("sfdx-project.json")
MANIFEST = Path("manifest/package.xml")
DESTRUCTIVE = Path("manifest/destructiveChangesPost.xml")
_PART_SUFFIX = {"CustomField": "field", "ValidationRule": "validationRule"}


def write_source(
    components: Iterable[Component], folder: Path, api_version: str, *, gone: Collection[Key] = ()
) -> tuple[Path, ...]:
    """Write the project and give the files written, relative to the folder, in order.

    ``gone`` are components to be taken out of the org, which a deploy is told of beside the package. What an earlier
    export left there and this one no longer has is taken away; other files stay. Raises `OccupiedError` before anything
    is written when a file of somebody else's is in the way, ValueError for a type that has no place in a project,
    OSError when the folder cannot be written.
    """
    given = sorted(components, key=lambda one: one.key)
    project = {"packageDirectories": [{"path": "force-app", "default": True}], "sourceApiVersion": api_version}
    files = {ROOT / source_path(one.key): xml(one) for one in given}
    files[PROJECT] = (json.dumps(project, indent=2) + "\n").encode()
    files[MANIFEST] = package_xml([one.key for one in given], api_version=api_version)
    if gone:
        files[DESTRUCTIVE] = package_xml(gone)
    return write_export(files, folder)


def source_path(key: Key) -> Path:
    """Where a component stands below the package folder. Raises ValueError for a type that has no place."""
    type, name = key
    if type in OBJECT_PARTS:
        owner, _, own = name.partition(".")
        suffix = _PART_SUFFIX[type]
        return Path("objects") / owner / OBJECT_PARTS[type] / f"{own}.{suffix}-meta.xml"
    if type == "CustomObject":
        return Path("objects") / name / f"{name}.object-meta.xml"
    if type in FOLDERS:
        folder = FOLDERS[type][0]
        return Path(folder) / f"{name}.{type[0].lower()}{type[1:]}-meta.xml"
    if type not in FILES:
        raise ValueError(f"{type} {name} has no place in a source project")
    folder, suffix = FILES[type]
    return Path(folder) / f"{name}.{suffix}-meta.xml"
