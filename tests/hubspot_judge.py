"""The operations that PyPI hubspot-sdk knows, read from its code, as a judge of what is asked and answered.

Not a client: nothing is sent here. The library speaks 2026-03; other dated versions are judged by the same shapes.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Required, Union, get_args, get_origin
from urllib.parse import parse_qsl, urlsplit

import hubspot_sdk
import typing_extensions
from hubspot_sdk._utils import PropertyInfo
from hubspot_sdk.types.shared.error_data import ErrorData
from hubspot_sdk.types.shared.forward_paging import ForwardPaging
from hubspot_sdk.types.shared.standard_error import StandardError
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import get_type_hints, is_typeddict

from connector.sandbox.hubspot.kinds import KINDS
from connector.sandbox.state import World
from connector.sandbox.wire import EAR

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

# Beyond the models: the spec of 2026-09 has these two in every batch, and every error body carries a status.
BATCH_EXTRAS = {"errors", "numErrors"}
ERROR_EXTRAS = {"status"}
# Their bodies are others than the model's: facts: HubSpot §3d; how a grant is refused is not documented (§7).
TOO_MANY = 429
OAUTH = "oauth"
# What the library marks as required and the vendor's documents do not ask for (facts: HubSpot §1, §3a, §2c).
OPTIONAL = frozenset({"after", "associations", "sorts", "filterGroups", "objectIds", "limit", "properties"})
# A sort is documented as an object, too, and what a write is traced by is older than the library (facts: HubSpot §3a).
WIDER = {"sorts": (str, dict)}
BEYOND = frozenset({"objectWriteTraceId"})


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


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as they went over the wire. `path` includes the query."""

    method: str
    path: str
    body: bytes
    status: int
    answer: bytes


def find(exchange: Exchange) -> Operation | None:
    """The operation that a request is, None when the library has none."""
    asked = _segments(urlsplit(exchange.path).path)
    fitting = (op for op in operations() if op.verb == exchange.method and _fits(op.path, asked))
    return min(fitting, key=lambda op: sum(s.startswith("{") for s in op.path), default=None)


def problems(exchange: Exchange, operation: Operation) -> list[str]:
    """What is wrong with a request or its answer by the library's own models."""
    found = [f"{operation.name}: {what}" for what in _request_problems(exchange, operation)]
    try:
        _check_answer(exchange, operation)
    except (AssertionError, ValidationError) as problem:
        found.append(f"{operation.name}: {problem}")
    return found


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the areas that concern us."""
    files = (path for area in AREAS for path in _files(ROOT / "resources" / area))
    return tuple(op for path in files for op in _operations_in(path))


def strict(model: Any, body: dict[str, Any]) -> None:
    """Fail unless the JSON is exactly this model."""
    extras = {k: body[k] for k in BATCH_EXTRAS & set(body) if model is not StandardError}
    if extras and "results" in body:
        assert extras["numErrors"] == len(extras["errors"]) > 0
        for error in extras["errors"]:
            strict(StandardError, error)
        body = {k: v for k, v in body.items() if k not in BATCH_EXTRAS}
    parsed = TypeAdapter(model).validate_python(without_nulls(body))
    strange = list(unknown(parsed, type(parsed).__name__))
    assert not strange, f"unknown {strange}"


def strict_error(body: dict[str, Any]) -> None:
    """Fail unless the JSON is the vendor's error body."""
    strict(ErrorData, {k: v for k, v in body.items() if k not in ERROR_EXTRAS})


def strict_page(item: Any, body: dict[str, Any]) -> None:
    """Fail unless the JSON is a page of exactly these."""
    assert set(body) <= {"results", "paging"}
    assert "results" in body
    for entry in body["results"]:
        strict(item, entry)
    if "paging" in body:
        strict(ForwardPaging, body["paging"])


def without_nulls(value: Any) -> Any:
    """HubSpot returns null for an empty property that was asked for, though the models say string (facts: tools.md)."""
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    if not isinstance(value, dict):
        return value
    found = {k: without_nulls(v) for k, v in value.items()}
    if isinstance(found.get("properties"), dict):
        found["properties"] = {k: v for k, v in found["properties"].items() if v is not None}
    return found


def unknown(value: Any, where: str) -> Iterator[str]:
    """What a parsed model holds that it does not declare."""
    if isinstance(value, BaseModel):
        yield from (f"{where}.{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, list):
        for entry in value:
            yield from unknown(entry, f"{where}[]")
    elif isinstance(value, dict):
        for entry in value.values():
            yield from unknown(entry, f"{where}{{}}")


class Ear:
    """Listens at the wire of a portal and judges each exchange. `seen` counts what the library knows."""

    def __init__(self, world: World) -> None:
        self.seen: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.wrong: list[str] = []
        world.parts[EAR] = self._hear

    def _hear(self, **heard: Any) -> None:
        exchange = Exchange(**heard)
        operation = find(exchange)
        if operation is None:
            self.unknown[f"{exchange.method} /{'/'.join(_segments(urlsplit(exchange.path).path))}"] += 1
            return
        self.seen[operation.name] += 1
        self.wrong += problems(exchange, operation)


# judging


def _request_problems(exchange: Exchange, operation: Operation) -> Iterator[str]:
    for name, raw in parse_qsl(urlsplit(exchange.path).query, keep_blank_values=True):
        if name not in operation.query:
            yield f"query {name} is unknown"
        else:
            yield from _misfits(operation.query[name], _typed(operation.query[name], raw), f"query {name}")
    if not exchange.body:
        if operation.body and any(required for _, required in operation.body.values()):
            yield "a body is missing"
        return
    try:
        body = json.loads(exchange.body)
    except ValueError:
        body = dict(parse_qsl(exchange.body.decode()))
    if operation.body is None:
        yield "a body is sent that the operation has not"
    elif "" in operation.body:
        yield from _misfits(operation.body[""], body, "body")
    else:
        yield from _object_misfits(operation.body, body, "body")


def _misfits(wanted: Any, value: Any, where: str) -> Iterator[str]:
    hint = wanted[0] if isinstance(wanted, tuple) else wanted
    hint = _bare(hint)
    if is_typeddict(hint):
        yield from _object_misfits(_keys(hint), value, where)
    elif get_origin(hint) in (Union, types.UnionType):
        found = [list(_misfits(each, value, where)) for each in get_args(hint)]
        if all(found):
            yield from min(found, key=len)
    elif get_origin(hint) is Literal:
        if value not in get_args(hint):
            yield f"{where}: {value!r} is none of {get_args(hint)}"
    elif get_origin(hint) is dict:
        if not isinstance(value, dict):
            yield f"{where}: an object is expected"
        else:
            for key, entry in value.items():
                yield from _misfits(get_args(hint)[1], entry, f"{where}.{key}")
    elif (inner := _item(hint)) is not None:
        if not isinstance(value, list):
            yield f"{where}: a list is expected"
        else:
            for entry in value:
                yield from _misfits(inner, entry, f"{where}[]")
    elif isinstance(hint, type) and hint is not object and not _is(value, hint):
        yield f"{where}: {value!r} is no {hint.__name__}"


def _object_misfits(keys: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: an object is expected"
        return
    for key, entry in value.items():
        if key in WIDER and isinstance(entry, list):
            if not all(isinstance(each, WIDER[key]) for each in entry):
                yield f"{where}.{key}: {entry!r}"
        elif key in keys:
            yield from _misfits(keys[key], entry, f"{where}.{key}")
        elif key not in BEYOND:
            yield f"{where}.{key} is unknown"
    for key, (_, required) in keys.items():
        if required and key not in value and key not in OPTIONAL:
            yield f"{where}.{key} is missing"


def _check_answer(exchange: Exchange, operation: Operation) -> None:
    if exchange.status == 204 or not exchange.answer.startswith((b"{", b"[")):
        return
    body = json.loads(exchange.answer)
    if exchange.status == TOO_MANY or (exchange.status >= 400 and operation.path[0] == OAUTH):
        return
    if exchange.status >= 400:
        strict_error(body)
    elif isinstance(operation.answer, tuple):
        strict_page(operation.answer[0], body)
    elif operation.answer is not None:
        strict(operation.answer, body)


def _is(value: Any, hint: type) -> bool:
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))


def _typed(wanted: Any, raw: str) -> Any:
    hint = _bare(wanted[0])
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if int in options and raw.isdigit():
        return int(raw)
    if bool in options and raw in ("true", "false"):
        return raw == "true"
    return raw.split(",") if _item(hint) is not None else raw


def _bare(hint: Any) -> Any:
    while get_origin(hint) in (Annotated, Required, typing_extensions.Required, typing_extensions.NotRequired):
        hint = get_args(hint)[0]
    return hint


def _item(hint: Any) -> Any:
    """What a list holds, None for what is no list. The library has a name of its own for lists of strings."""
    origin = get_origin(hint)
    if origin is not None and origin is not dict and getattr(origin, "__name__", "") in _LISTS:
        return get_args(hint)[0]
    return None


_LISTS = frozenset({"list", "List", "Iterable", "Sequence", "SequenceNotStr"})


@functools.cache
def _keys(hint: Any) -> dict[str, tuple[Any, bool]]:
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
        yield Operation(verb, _segments(_path(call.args[0])), body, query, _answer(given, names))


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
    keys = _keys(hint)
    if not isinstance(node.args[0], ast.Dict):
        return keys
    sent = {str(ast.literal_eval(key)) for key in node.args[0].keys if key}
    alias = {name: _alias(each) or name for name, each in get_type_hints(hint, include_extras=True).items()}
    return {alias[name]: keys[alias[name]] for name in alias if name in sent}


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


def _segments(path: str) -> tuple[str, ...]:
    return tuple(VERSION if DATED.match(s) else TYPE_IDS.get(s, s) for s in path.strip("/").split("/"))


def _fits(pattern: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    if len(pattern) != len(asked):
        return False
    return all(
        want == got or (want.startswith("{") and want != VERSION) for want, got in zip(pattern, asked, strict=True)
    )
