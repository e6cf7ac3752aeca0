"""Components as a Salesforce source project: a folder an admin can review, keep in version control and deploy by hand.

Not here: packages for the API (``render``). The folders are those of the vendor's own converter (facts: Salesforce
§5.4). The only module of the installation that writes files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from connector.crm.salesforce.provision.component import Component, Key, read, text_of, xml
from connector.crm.salesforce.provision.render import FILES, FOLDERS, OBJECT_PARTS, package_xml

ROOT = Path("force-app/main/default")
PROJECT = Path("sfdx-project.json")
MANIFEST = Path("manifest/package.xml")
_PART_SUFFIX = {"CustomField": "field", "ValidationRule": "validationRule"}


def write_source(components: Iterable[Component], folder: Path, api_version: str) -> tuple[Path, ...]:
    """Write the project and give the files written, relative to the folder, in order.

    What an earlier export left there and this one no longer has is taken away; other files stay. Raises ValueError for
    a type that has no place in a project, OSError when the folder cannot be written.
    """
    given = sorted(components, key=lambda one: one.key)
    project = {"packageDirectories": [{"path": "force-app", "default": True}], "sourceApiVersion": api_version}
    files = {ROOT / source_path(one.key): xml(one) for one in given}
    files[PROJECT] = (json.dumps(project, indent=2) + "\n").encode()
    files[MANIFEST] = package_xml([one.key for one in given], api_version=api_version)
    for stale in {*_earlier(folder)} - {*files}:
        (folder / stale).unlink(missing_ok=True)
    for path, content in sorted(files.items()):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return tuple(sorted(files))


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


def _earlier(folder: Path) -> Iterator[Path]:
    """The component files that the manifest of an earlier export names."""
    try:
        _, body = read((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return
    for tag, types in body:
        if tag != "types" or isinstance(types, str):
            continue
        type = text_of(types, "name")
        for member, name in types:
            if member == "members" and isinstance(name, str) and ".." not in name:
                yield from _paths(type, name)


def _paths(type: str, name: str) -> Iterator[Path]:
    holder = next((one for one, (_, inside) in FOLDERS.items() if inside == type and "/" not in name), type)
    try:
        yield ROOT / source_path((holder, name))
    except ValueError:
        return
