"""A retrieve: the components a manifest names, as a zip of files and a package.xml.

Not the SOAP around it (`soap.py`). Children of an object stand in its file; a member that does not exist is told in a
message and is no failure.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from connector.sandbox.salesforce.metadata import components, tree
from connector.sandbox.salesforce.metadata.tree import Node, leaf
from connector.sandbox.salesforce.metadata.types import BY_NAME, FOLDER_TYPE_OF, TYPES, file_name, package_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connector.sandbox.salesforce.metadata.store import Component
    from connector.sandbox.state import World

MANIFEST = "package.xml"
STAMP = (1980, 1, 1, 0, 0, 0)
"""One date for all files, so that equal contents are equal zips."""
SAFE = " ()-_."
"""What a file name keeps as it is; the rest is %-escaped (facts: Salesforce §5.4)."""


@dataclass(slots=True)
class Retrieved:
    """The files by path, the components they hold, and (file, problem) of what was asked for in vain."""

    files: dict[str, str] = field(default_factory=dict)
    held: list[tuple[str, Component]] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)

    def zipped(self, prefix: str = "") -> bytes:
        """The zip; `prefix` is the package's folder."""
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in self.files.items():
                archive.writestr(zipfile.ZipInfo(prefix + name, STAMP), text)
        return target.getvalue()


def retrieve(world: World, members: Mapping[str, list[str]], *, version: str) -> Retrieved:
    """Everything that the manifest names and the org has."""
    found = Retrieved()
    objects: dict[str, list[tuple[str, Node]]] = {}
    names: dict[str, list[str]] = {}
    for type, wanted in members.items():
        for component in _wanted(world, type, wanted, found):
            path = _path(component)
            found.held.append((path, component))
            names.setdefault(package_name(component.kind), []).append(component.name)
            if component.type == "CustomObject" or component.kind.parent:
                objects.setdefault(path, []).extend(_in_object(world, component))
            else:
                found.files[path] = tree.document(_typed(component))
    for path, children in objects.items():
        found.files[path] = _object_file(children)
    found.files[MANIFEST] = manifest(names, version=version)
    return found


def manifest(names: Mapping[str, list[str]], *, version: str) -> str:
    """A package.xml that names these."""
    sections = [
        Node("types", children=[*(leaf("members", n) for n in sorted(set(members))), leaf("name", type)])
        for type, members in sorted(names.items())
    ]
    return tree.document(Node("Package", children=[*sections, leaf("version", version)]))


def _wanted(world: World, type: str, names: Iterable[str], found: Retrieved) -> list[Component]:
    folder = FOLDER_TYPE_OF.get(type)
    kinds = [t for t in (BY_NAME.get(type), folder) if t is not None]
    if not kinds:
        found.messages.append((MANIFEST, f"Unknown type name '{type}' specified in package.xml"))
        return []
    have = {c.name.lower(): c for kind in kinds for c in components.every(world, kind.name)}
    result: dict[str, Component] = {}
    for name in names:
        if name == "*":
            # A wildcard names neither what stands in folders nor the children of an object.
            plain = not kinds[0].in_folder and not kinds[0].parent
            result.update({n: c for n, c in have.items() if plain})
        elif name.lower() in have:
            result[name.lower()] = have[name.lower()]
        else:
            problem = f"Entity of type '{type}' named '{name}' cannot be found"
            found.messages.append((f"unpackaged/{MANIFEST}", problem))
    return list(result.values())


def _path(component: Component) -> str:
    folder, _, rest = file_name(component.kind, component.name).partition("/")
    return f"{folder}/{quote(rest, safe=SAFE + '/')}"


def _typed(component: Component) -> Node:
    # A file of its own does not repeat its name.
    children = [c for c in component.node.children if c.tag != "fullName"]
    return Node(component.type, text="" if children else component.node.text, children=children)


def _in_object(world: World, component: Component) -> list[tuple[str, Node]]:
    if component.type != "CustomObject":
        return [(component.kind.within, _child(component))]
    found = [(c.tag, c) for c in component.node.children]
    prefix = f"{component.name}.".lower()
    for kind in TYPES:
        if kind.parent == "CustomObject":
            inside = (c for c in components.every(world, kind.name) if c.name.lower().startswith(prefix))
            found += [(kind.within, _child(c)) for c in inside]
    return found


def _child(component: Component) -> Node:
    own = [c for c in component.node.children if c.tag != "fullName"]
    name = leaf("fullName", component.name.rpartition(".")[2])
    return Node(component.kind.within, children=[name, *own])


def _object_file(children: list[tuple[str, Node]]) -> str:
    unique: dict[tuple[str, str], Node] = {}
    for tag, node in children:
        unique[tag, node.get("fullName") or f"{node.text}{len(unique)}"] = Node(tag, node.text, node.children)
    ordered = sorted(unique.values(), key=lambda node: node.tag)
    return tree.document(Node("CustomObject", children=ordered))
