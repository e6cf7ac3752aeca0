"""The operations that PyPI hubspot-sdk knows, read from its code: verb, path, and the types of body, query and answer.

Not the judging (`hubspot_judge.py`). The library speaks 2026-03; the version of a path is left open.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Required, get_args, get_origin

import hubspot_sdk
import typing_extensions
from hubspot_sdk._utils import PropertyInfo
from pydantic import BaseModel
from typing_extensions import get_type_hints, is_typeddict

from connector.sandbox.hubspot.kinds import KINDS

ROOT = Path(hubspot_sdk.__file__).parent
AREAS = (
    "account",
    "auth",
    "crm/associations",
    "crm/associations_schema",
    "crm/limits.py",
    "crm/objects",
    "crm/owners.py",
    "crm/pipelines.py",
    "crm/properties",
    "crm/properties_validations.py",
    "webhooks",
    "webhooks_journal",
)
OBJECTS = frozenset({*(k.table for k in KINDS), "generic_objects"})
VERBS = {"_get": "GET", "_post": "POST", "_put": "PUT", "_patch": "PATCH", "_delete": "DELETE", "_get_api_list": "GET"}
DATED = re.compile(r"\d{4}-\d{2}\Z")
VERSION = "{version}"
TYPE_IDS = {name: k.type_id for k in KINDS for name in (k.table, k.singular)}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: verb, path in segments, and what its body, its query and its answer look like."""

    verb: str
    path: tuple[str, ...]
    body: Mapping[str, Any] | None
    query: Mapping[str, Any]
    answer: Any

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return f"{self.verb} /{'/'.join(self.path)}"


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the areas that concern us."""
    files = (path for area in AREAS for path in _files(ROOT / "resources" / area))
    return tuple(op for path in files for op in _operations_in(path))


@functools.cache
def keys(hint: Any) -> dict[str, tuple[Any, bool]]:
    """The keys of a TypedDict as they are on the wire, with their types and whether they must be there."""
    found: dict[str, tuple[Any, bool]] = {}
    for name, each in get_type_hints(hint, include_extras=True).items():
        found[_alias(each) or name] = (each, _must(each, total=hint.__total__))
    return found


def _must(hint: Any, *, total: bool) -> bool:
    if get_origin(hint) is Annotated:
        return _must(get_args(hint)[0], total=total)
    if get_origin(hint) in (Required, typing_extensions.Required):
        return True
    return total and get_origin(hint) is not typing_extensions.NotRequired


def _alias(hint: Any) -> str | None:
    if get_origin(hint) is Annotated:
        named = (m.alias for m in hint.__metadata__ if isinstance(m, PropertyInfo) and m.alias)
        return next(named, None)
    inner = get_args(hint)
    wrapped = get_origin(hint) in (Required, typing_extensions.Required, typing_extensions.NotRequired)
    return _alias(inner[0]) if wrapped else None


# reading the library


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    found = path.rglob("*.py")
    if path.name != "objects":
        return [p for p in found if p.name != "__init__.py"]
    return [p for p in found if p.relative_to(path).parts[0].removesuffix(".py") in OBJECTS and p.name != "__init__.py"]


def _operations_in(path: Path) -> Iterator[Operation]:
    module = importlib.import_module(".".join(("hubspot_sdk", *path.relative_to(ROOT).with_suffix("").parts)))
    for each in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(each, ast.ClassDef) and each.name.endswith("Resource") and not each.name.startswith("Async"):
            for method in each.body:
                if isinstance(method, ast.FunctionDef):
                    yield from _operation(method, vars(module))


def _operation(method: ast.FunctionDef, names: dict[str, Any]) -> Iterator[Operation]:
    for call in (node for node in ast.walk(method) if isinstance(node, ast.Call)):
        func = call.func
        if not (isinstance(func, ast.Attribute) and func.attr in VERBS and _named(func.value) == "self"):
            continue
        given = {k.arg: k.value for k in call.keywords if k.arg}
        verb = VERBS[func.attr]
        if "method" in given:
            verb = str(ast.literal_eval(given["method"])).upper()
        options = {k.arg: k.value for k in getattr(given.get("options"), "keywords", ()) if k.arg}
        body = _params(given["body"], names) if "body" in given else None
        query = _params(options["query"], names) if "query" in options else {}
        yield Operation(verb, segments(_path(call.args[0])), body, query, _answer(given, names))


def _path(node: ast.expr) -> str:
    first = node.args[0] if isinstance(node, ast.Call) else node
    return str(ast.literal_eval(first))


def _params(node: ast.expr, names: dict[str, Any]) -> dict[str, tuple[Any, bool]]:
    """The keys that a call hands over, by the type it transforms them with; "" for a body that is no object."""
    if not isinstance(node, ast.Call) or len(node.args) < 2:
        return {"": (object, False)}
    hint = _evaluated(node.args[1], names)
    if not is_typeddict(hint):
        return {"": (hint, True)}
    known = keys(hint)
    if not isinstance(node.args[0], ast.Dict):
        return known
    sent = {str(ast.literal_eval(key)) for key in node.args[0].keys if key}
    alias = {name: _alias(each) or name for name, each in get_type_hints(hint, include_extras=True).items()}
    return {alias[name]: known[alias[name]] for name in alias if name in sent}


def _answer(given: dict[str, ast.expr], names: dict[str, Any]) -> Any:
    """The model of an answer; a tuple with the item of a page; None for an empty or a raw one."""
    if "page" in given:
        return get_args(_evaluated(given["page"], names)) or (_evaluated(given["model"], names),)
    node = given.get("cast_to")
    if isinstance(node, ast.Call):
        node = node.args[1]
    found = _evaluated(node, names) if node is not None else None
    is_model = isinstance(found, type) and issubclass(found, BaseModel)
    return found if is_model or get_origin(found) is not None else None


def _evaluated(node: ast.expr, names: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), "hubspot_sdk", "eval"), names)


def _named(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def segments(path: str) -> tuple[str, ...]:
    """A path in segments, its version left open and object types by their ids."""
    return tuple(VERSION if DATED.match(s) else TYPE_IDS.get(s, s) for s in path.strip("/").split("/"))


def fits(pattern: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    """Whether a path is one of this pattern."""
    if len(pattern) != len(asked):
        return False
    return all(
        want == got or (want.startswith("{") and want != VERSION) for want, got in zip(pattern, asked, strict=True)
    )
