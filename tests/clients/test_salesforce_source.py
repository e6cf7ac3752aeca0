"""The export, judged by tools nobody here wrote: the vendor's own converter, and the Metadata API's schema.

The converter lets broken XML and invented tags pass, so every element of every file is held against the schema too.
Not here: deploying it anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import node_tools
import pytest

from connector.crm.salesforce.provision.component import ATTRIBUTE, Component, Tree, leaf, read
from connector.crm.salesforce.provision.desired import desired
from connector.crm.salesforce.provision.layout import insert_section
from connector.crm.salesforce.provision.options import Channel, Options
from connector.crm.salesforce.provision.render import package_files
from connector.crm.salesforce.provision.source import ROOT as PACKAGE
from connector.crm.salesforce.provision.source import write_source
from connector.handoff.model import SystemName
from connector.policy.load import load

HERE = Path(__file__).parent
SF = SystemName("sf")
OPTIONS = (
    Options(),
    Options(channel=Channel.CUSTOM, activity_events=True, ledger=True, writes_owner=True),
    Options(channel=Channel.OFF, notifications=False, reports=False, track_history=False),
)
FIRST: Tree = (
    leaf("label", "Opportunity Information"),
    ("layoutColumns", (("layoutItems", (leaf("behavior", "Required"), leaf("field", "Name"))),)),
    leaf("style", "OneColumn"),
)

NEWER = {"CustomPermission": {"isLicensed": "boolean"}}
"""Elements younger than the schema that jsforce ships; the vendor's field reference has them as required."""


def components(options: Options) -> tuple[Component, ...]:
    """What is made for the mappings that ship, and a layout with the section in it."""
    loaded = load(HERE.parent.parent / "mappings", {SF: "salesforce"})
    found = desired(loaded.maps[SF], loaded.policies[SF], options)
    layout = Component("Layout", "Opportunity-Opportunity Layout", (("layoutSections", FIRST),))
    return (*found.components, insert_section(layout, found.layout_section))


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "everything", "least"])
def test_the_vendors_converter_takes_the_export_and_gives_it_back(options: Options, tmp_path: Path) -> None:
    made = components(options)
    source, metadata, back = tmp_path / "source", tmp_path / "metadata", tmp_path / "back"
    write_source(made, source, options.api_version)
    recognised = node_tools.run(HERE / "convert.js", "metadata", str(source / "force-app"), str(metadata))
    known = {tuple(each) for each in recognised}
    assert {each.key for each in made} <= known
    assert _folder(metadata) == _folder_of(package_files(made))
    node_tools.run(HERE / "convert.js", "source", str(metadata), str(back))
    given, returned = dict(_folder(source / PACKAGE)), dict(_folder(back / "main/default"))
    # Standard objects get an empty file of their own on the way back.
    extra = {name: returned.pop(name) for name in [*returned] if name not in given}
    assert all(name.endswith(".object-meta.xml") and not body for name, body in extra.items())
    assert returned == given


def _folder(folder: Path) -> set[tuple[str, Any]]:
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.pop("package.xml", None)
    return _folder_of(files)


def _folder_of(files: dict[str, bytes]) -> set[tuple[str, Any]]:
    """Every file with its content; the parts of an object's file in any order."""
    return {
        (name, tuple(sorted(read(data)[1], key=repr)) if name.endswith(".object") else read(data)[1])
        for name, data in files.items()
    }


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = node_tools.run(HERE / "schema.js")
    return found


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "everything", "least"])
def test_every_element_stands_where_the_schema_has_it(schema: dict[str, Any], options: Options, tmp_path: Path) -> None:
    made = components(options)
    write_source(made, tmp_path, options.api_version)
    files = [path for path in sorted(tmp_path.rglob("*.xml")) if path.name != "package.xml"]
    assert len(files) == len(made)
    for path in files:
        root, body = read(path.read_bytes())
        assert list(_wrong(schema, root, body, at=path.name)) == []


@pytest.mark.parametrize(
    ("root", "body", "says"),
    [
        ("ValidationRule", (leaf("validationMessage", "x"),), "validationMessage"),
        ("ValidationRule", (leaf("active", "yes"),), "active"),
        ("ValidationRule", (leaf("active", True),), "errorMessage"),
        ("CustomField", (leaf("length", "wide"),), "length"),
        ("CustomField", (leaf("label", "a"), leaf("label", "b")), "twice"),
        ("PermissionSet", (("fieldPermissions", (leaf("visible", True),)),), "visible"),
        ("Invention", (), "Invention"),
    ],
)
def test_the_judge_finds_what_is_wrong(schema: dict[str, Any], root: str, body: Tree, says: str) -> None:
    assert any(says in line for line in _wrong(schema, root, body, at="x"))


def _wrong(schema: dict[str, Any], type: str, body: Tree, *, at: str) -> Iterator[str]:
    """Elements the schema does not have there, of another kind than it says, too often, or missing."""
    if type not in schema:
        yield f"{at}: there is no type {type}"
        return
    props = _props(schema, type)
    seen: set[str] = set()
    for tag, inner in body:
        if tag.startswith(ATTRIBUTE):
            continue
        place = f"{at}/{tag}"
        if tag not in props:
            yield f"{place}: {type} has no such element"
            continue
        many, kind = isinstance(props[tag], list), (props[tag][0] if isinstance(props[tag], list) else props[tag])
        if tag in seen and not many:
            yield f"{place}: stands there twice"
        seen.add(tag)
        yield from _wrong_value(schema, kind.removeprefix("?"), inner, at=place)
    for tag, kind in props.items():
        if isinstance(kind, str) and not kind.startswith("?") and tag not in seen:
            yield f"{at}: {type} lacks {tag}"


def _wrong_value(schema: dict[str, Any], kind: str, inner: str | Tree, *, at: str) -> Iterator[str]:
    if kind in schema:
        yield from _wrong(schema, kind, () if isinstance(inner, str) else inner, at=at)
    elif not isinstance(inner, str):
        yield f"{at}: holds elements, but is a {kind}"
    elif kind == "boolean" and inner not in ("true", "false"):
        yield f"{at}: {inner!r} is not true or false"
    elif kind == "number" and not inner.lstrip("-").replace(".", "", 1).isdigit():
        yield f"{at}: {inner!r} is no number"


def _props(schema: dict[str, Any], type: str) -> dict[str, Any]:
    found = schema[type]
    return {
        **(_props(schema, found["extends"]) if found.get("extends") else {}),
        **found["props"],
        **NEWER.get(type, {}),
    }


def test_no_registry_stands_in_the_pinned_packages() -> None:
    for name in node_tools.PINNED:
        assert "://" not in (HERE / name).read_text()
        assert "://" not in (HERE / "sf" / name).read_text()
