"""What each SOAP call of the Metadata API answers.

Not the envelope (`soap.py`). A retrieve is done at the first look that is not the asking itself.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.ids import canonical, make_id
from connector.sandbox.salesforce.metadata import components, requests
from connector.sandbox.salesforce.metadata.package import manifest
from connector.sandbox.salesforce.metadata.retrieving import Retrieved, retrieve
from connector.sandbox.salesforce.metadata.tree import Node, leaf, render
from connector.sandbox.salesforce.metadata.types import BY_NAME, TYPES, file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.metadata.store import Component
    from connector.sandbox.salesforce.metadata.types import MetadataType
    from connector.sandbox.state import World

RETRIEVES = "retrieves"
RETRIEVE_PREFIX = "09S"
MAX_QUERIES = 3
MAX_READ = 10
FOLDER = "unpackaged/"
SHOWN_NAME = "Sandbox"
FLAGS = (
    "allowMissingFiles",
    "autoUpdatePackage",
    "checkOnly",
    "ignoreWarnings",
    "performRetrieve",
    "purgeOnDelete",
    "rollbackOnError",
    "singlePackage",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: who asks, at which API version, and the operation's element."""

    world: World
    user: Row
    version: str
    body: Node


def _deploy(call: Call) -> Iterator[Node]:
    given = call.body.first("DeployOptions") or Node("DeployOptions")
    options: dict[str, Any] = {name: given.truth(name) for name in FLAGS if given.first(name)}
    if given.get("testLevel"):
        options["testLevel"] = given.get("testLevel")
    # Absent, the SOAP call keeps what was sound (facts: Salesforce §5.2, where a client relies on it).
    options.setdefault("rollbackOnError", False)
    try:
        data = base64.b64decode(call.body.get("ZipFile"), validate=False)
    except binascii.Error as error:
        raise ApiError("INVALID_PARAMETER_VALUE", "ZipFile is not base64") from error
    name = str(call.user.values.get("Name") or call.user.values["Username"])
    made = requests.submit(call.world, data, options, by=call.user.id, name=name)
    yield _async_result(made["id"], "Queued")


def _check_deploy(call: Call) -> Iterator[Node]:
    found = requests.look(call.world, call.body.get("asyncProcessId"))["deployResult"]
    if not call.body.truth("includeDetails"):
        found = {**found, "details": None}
    yield from nodes("result", found)


def _cancel_deploy(call: Call) -> Iterator[Node]:
    id = call.body.get("String") or call.body.get("id") or call.body.get("asyncProcessId")
    found = requests.cancel(call.world, id)
    yield from nodes("result", {"id": found["id"], "done": True})


def _retrieve(call: Call) -> Iterator[Node]:
    request = call.body.first("retrieveRequest") or call.body.first("request") or Node("request")
    unpackaged = request.first("unpackaged") or Node("unpackaged")
    held: dict[str, tuple[Retrieved, str]] = call.world.scratch.setdefault(RETRIEVES, {})
    id = make_id(RETRIEVE_PREFIX, len(held) + 1)
    version = unpackaged.get("version") or request.get("apiVersion") or call.version
    prefix = "" if request.truth("singlePackage") else FOLDER
    held[id] = retrieve(call.world, manifest(unpackaged), version=version), prefix
    yield _async_result(id, "Queued")


def _check_retrieve(call: Call) -> Iterator[Node]:
    id = call.body.get("asyncProcessId")
    held: dict[str, tuple[Retrieved, str]] = call.world.scratch.get(RETRIEVES, {})
    if (canonical(id) or "") not in held:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {id}")
    found, prefix = held[canonical(id) or ""]
    with_zip = call.body.get("includeZip", "true").lower() != "false"
    children = [
        leaf("done", True),
        *(_properties("fileProperties", c, prefix + path) for path, c in found.held),
        leaf("id", id),
        *(Node("messages", children=[leaf("fileName", f), leaf("problem", p)]) for f, p in found.messages),
        leaf("status", "Succeeded"),
        leaf("success", True),
    ]
    if with_zip:
        children.append(leaf("zipFile", base64.b64encode(found.zipped(prefix)).decode()))
    yield Node("result", children=children)


def _list(call: Call) -> Iterator[Node]:
    queries = list(call.body.all("queries"))
    if len(queries) > MAX_QUERIES:
        raise ApiError("EXCEEDED_ID_LIMIT", f"at most {MAX_QUERIES} queries")
    for query in queries:
        name = query.get("type")
        kind = BY_NAME.get(name)
        if kind is None:
            raise ApiError("INVALID_TYPE", f"Unknown type:{name}")
        for component in components.every(call.world, kind.name):
            holder = query.get("folder")
            if not kind.in_folder or component.name.rpartition("/")[0].lower() == holder.lower():
                yield _properties("result", component, file_name(kind, component.name))


def _describe(_call: Call) -> Iterator[Node]:
    shown = [t for t in TYPES if not t.parent and not t.folder_type]
    children = [_type_node(kind) for kind in shown]
    tail = [leaf("organizationNamespace", ""), leaf("partialSaveAllowed", True), leaf("testRequired", False)]
    yield Node("result", children=[*children, *tail])


def _read(call: Call) -> Iterator[str]:
    kind = BY_NAME.get(call.body.get("type"))
    names = [n.text.strip() for n in call.body.all("fullNames")]
    if kind is None:
        raise ApiError("INVALID_TYPE", f"Unknown type:{call.body.get('type')}")
    if len(names) > MAX_READ:
        raise ApiError("EXCEEDED_ID_LIMIT", f"at most {MAX_READ} components")
    have = {c.name.lower(): c for c in components.every(call.world, kind.name)}
    records = [_record(kind, have.get(name.lower())) for name in names]
    yield f"<result>{''.join(records)}</result>"


def _record(kind: MetadataType, component: Component | None) -> str:
    if component is None:
        return '<records xsi:nil="true"/>'
    own = [c for c in component.node.children if c.tag != "fullName"]
    inner = "".join(render(c) for c in (leaf("fullName", component.name), *own))
    return f'<records xsi:type="{kind.name}">{inner}</records>'


def _type_node(kind: MetadataType) -> Node:
    children = [leaf("childXmlNames", t.name) for t in TYPES if t.parent == kind.name]
    children += [leaf("directoryName", kind.folder), leaf("inFolder", kind.in_folder), leaf("metaFile", False)]
    return Node("metadataObjects", children=[*children, leaf("suffix", kind.suffix), leaf("xmlName", kind.name)])


def _properties(tag: str, component: Component, path: str) -> Node:
    given = {
        "createdById": component.created_by,
        "createdByName": SHOWN_NAME,
        "createdDate": _zulu(component.created_at),
        "fileName": path,
        "fullName": component.name,
        "id": component.id,
        "lastModifiedById": component.modified_by,
        "lastModifiedByName": SHOWN_NAME,
        "lastModifiedDate": _zulu(component.modified_at),
        "manageableState": "unmanaged",
        "type": component.type,
    }
    return Node(tag, children=[leaf(name, value) for name, value in given.items()])


def _zulu(moment: str) -> str:
    return moment.replace("+00:00", ".000Z")


def _async_result(id: str, state: str) -> Node:
    return Node("result", children=[leaf("done", False), leaf("id", id), leaf("state", state)])


def nodes(tag: str, value: Any) -> Iterable[Node]:
    """JSON as elements: a list repeats its element, null has none."""
    if isinstance(value, list):
        return [node for item in value for node in nodes(tag, item)]
    if isinstance(value, dict):
        return [Node(tag, children=[node for name, item in value.items() for node in nodes(name, item)])]
    return [] if value is None else [leaf(tag, value)]


CALLS: dict[str, Callable[[Call], Iterator[Node] | Iterator[str]]] = {
    "cancelDeploy": _cancel_deploy,
    "checkDeployStatus": _check_deploy,
    "checkRetrieveStatus": _check_retrieve,
    "deploy": _deploy,
    "describeMetadata": _describe,
    "listMetadata": _list,
    "readMetadata": _read,
    "retrieve": _retrieve,
}
