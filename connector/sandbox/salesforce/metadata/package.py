"""A deploy's zip read: its manifests, and every component that its files hold.

Not judged here beyond what stops the reading; types and meanings come later (`shapes.py`, `checks.py`).
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from connector.sandbox.salesforce.metadata import tree, types
from connector.sandbox.salesforce.metadata.types import BY_NAME, BY_SUFFIX, CHILDREN, MetadataType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node

MAX_FILES = 10_000
MAX_BYTES = 39 * 1024 * 1024
"""Facts: Salesforce §5.2."""
MANIFEST = "package.xml"
DESTRUCTIVE = ("destructiveChangesPre.xml", "destructiveChanges.xml", "destructiveChangesPost.xml")
META = "-meta.xml"
STANDALONE = frozenset({"CustomObject"})
"""Types whose file is shared: children named in the manifest stand in it though it is not named itself."""


class BadPackage(Exception):
    """The zip as a whole cannot be deployed."""


@dataclass(frozen=True, slots=True)
class Found:
    """One component of the zip: where it stands, and its node. `name` is the full name."""

    kind: MetadataType
    name: str
    file: str
    node: Node


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that could not be read as a component."""

    file: str
    name: str
    problem: str
    line: int = 0
    column: int = 0
    type: str = ""


@dataclass(slots=True)
class Package:
    """A read zip. `members` are what package.xml names, by type; `destroy` maps each manifest to (type, name)."""

    root: str = ""
    members: dict[str, list[str]] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    destroy: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def read(data: bytes) -> Package:
    """The package in a zip. Raises BadPackage."""
    if len(data) > MAX_BYTES:
        raise BadPackage("Maximum size of request reached. Maximum size of request is 39 MB")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile as error:
        raise BadPackage("INVALID_ZIP: the zip file could not be opened") from error
    files = [name for name in archive.namelist() if not name.endswith("/")]
    if len(files) > MAX_FILES:
        raise BadPackage(f"LIMIT_EXCEEDED: {len(files)} files, the maximum is {MAX_FILES}")
    root = _root(files)
    package = Package(root)
    for name, text in ((n, archive.read(n)) for n in files if n.startswith(root)):
        _take(package, name, text)
    return package


def manifest(node: Node) -> dict[str, list[str]]:
    """Members by type name, of a package.xml or of the `unpackaged` part of a retrieve.

    The vendor's own converter ends the name of a folder with a slash (npm @salesforce/source-deploy-retrieve 12.37).
    """
    found: dict[str, list[str]] = {}
    for section in node.all("types"):
        names = (m.text.strip().removesuffix("/") for m in section.all("members"))
        found.setdefault(section.get("name"), []).extend(names)
    return found


def _root(files: list[str]) -> str:
    # A single package stands at the top, or in the one folder of the zip.
    for name in sorted(files, key=len):
        if name.rpartition("/")[2] == MANIFEST and name.count("/") <= 1:
            return name[: -len(MANIFEST)]
    raise BadPackage("No package.xml found")


def _take(package: Package, file: str, text: bytes) -> None:
    path = file[len(package.root) :]
    try:
        node = tree.parse(text)
    except tree.BadXml as error:
        if path == MANIFEST or path in DESTRUCTIVE:
            raise BadPackage(f"Error parsing {path}: {error} at line {error.line}") from error
        name = unquote(path.rpartition("/")[2].rpartition(".")[0])
        package.faults.append(Fault(file, name, f"Error parsing file: {error}", error.line, error.column))
        return
    if path == MANIFEST:
        package.members = manifest(node)
    elif path in DESTRUCTIVE:
        package.destroy[path] = [(t, name) for t, names in manifest(node).items() for name in names]
    else:
        _file(package, file, path, node)


def _file(package: Package, file: str, path: str, node: Node) -> None:
    kind = _kind(path)
    if kind is None:
        package.faults.append(Fault(file, path, f"Unexpected file in the package: {path}"))
        return
    name = _name(kind, path)
    if node.tag != kind.name:
        problem = f"Error parsing file: Element {node.tag} invalid at this location, expected {kind.name}"
        package.faults.append(Fault(file, name, problem, node.line, node.column, kind.name))
        return
    if kind.name == "CustomObject":
        package.found.extend(_object(name, file, node))
    else:
        package.found.append(Found(kind, name, file, node))


def _object(name: str, file: str, node: Node) -> Iterator[Found]:
    own = [child for child in node.children if child.tag not in CHILDREN]
    if own:
        head = tree.Node(node.tag, children=own, line=node.line, column=node.column)
        yield Found(BY_NAME["CustomObject"], name, file, head)
    for child in node.children:
        if child.tag in CHILDREN:
            yield Found(CHILDREN[child.tag], f"{name}.{child.get('fullName')}", file, child)


def _kind(path: str) -> MetadataType | None:
    folder = path.partition("/")[0]
    stem, _, suffix = path.removesuffix(META).rpartition(".")
    if path.endswith(META) and not stem:
        # A folder's own file: reports/Name-meta.xml
        return next((t for t in types.TYPES if t.folder_type and t.folder == folder), None)
    kind = BY_SUFFIX.get(suffix)
    return kind if kind and kind.folder == folder else None


def _name(kind: MetadataType, path: str) -> str:
    inner = path.partition("/")[2].removesuffix(META).removesuffix(f".{kind.suffix}")
    return unquote(inner)
