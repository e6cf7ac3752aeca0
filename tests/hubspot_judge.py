"""What is asked of a portal and what it answers, judged by the operations and models of PyPI hubspot-sdk.

Not a client: nothing is sent here. How the operations are found is `hubspot_library.py`.
"""

from __future__ import annotations

import functools
import json
import types
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Required, Union, get_args, get_origin
from urllib.parse import parse_qsl, urlsplit

import typing_extensions
from hubspot_library import Operation, fits, keys, operations, segments
from hubspot_sdk.types.shared.error_data import ErrorData
from hubspot_sdk.types.shared.forward_paging import ForwardPaging
from hubspot_sdk.types.shared.standard_error import StandardError
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from connector.sandbox.state import World
from connector.sandbox.wire import EAR

# Beyond the models: the spec of 2026-09 has these two in every batch, and every error body carries a status.
BATCH_EXTRAS = {"errors", "numErrors"}
ERROR_EXTRAS = {"status"}
# Their bodies are others than the model's: facts: HubSpot §3d; how a grant is refused is not documented (§7).
TOO_MANY = 429
OAUTH = "oauth"
# What the library marks as required and the vendor's documents do not ask for (facts: HubSpot §1, §3a, §2c).
OPTIONAL = {
    "search": frozenset({"after", "sorts", "filterGroups", "limit", "properties"}),
    "subscriptions": frozenset({"objectIds"}),
}
NOTHING: frozenset[str] = frozenset()
# A sort is documented as an object, too, and what a write is traced by is older than the library (facts: HubSpot §3a).
WIDER = {"sorts": (str, dict)}
BEYOND = frozenset({"objectWriteTraceId"})


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
    asked = segments(urlsplit(exchange.path).path)
    fitting = (op for op in operations() if op.verb == exchange.method and fits(op.path, asked))
    return min(fitting, key=lambda op: sum(s.startswith("{") for s in op.path), default=None)


def problems(exchange: Exchange, operation: Operation) -> list[str]:
    """What is wrong with a request or its answer by the library's own models."""
    found = [f"{operation.name}: {what}" for what in _request_problems(exchange, operation)]
    try:
        _check_answer(exchange.status, exchange.answer, operation.path[0], _Model(operation.answer))
    except (AssertionError, ValidationError) as problem:
        found.append(f"{operation.name}: {problem}")
    return found


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
            self.unknown[f"{exchange.method} /{'/'.join(segments(urlsplit(exchange.path).path))}"] += 1
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
        yield from _misfits(operation.body[""], body, "body", optional=_optional(operation))
    else:
        yield from _object_misfits(operation.body, body, "body", optional=_optional(operation))


def _optional(operation: Operation) -> frozenset[str]:
    return frozenset().union(*(names for segment, names in OPTIONAL.items() if segment in operation.path))


def _misfits(wanted: Any, value: Any, where: str, *, optional: frozenset[str] = NOTHING) -> Iterator[str]:
    hint = wanted[0] if isinstance(wanted, tuple) else wanted
    hint = _bare(hint)
    if is_typeddict(hint):
        yield from _object_misfits(keys(hint), value, where, optional=optional)
    elif get_origin(hint) in (Union, types.UnionType):
        found = [list(_misfits(each, value, where, optional=optional)) for each in get_args(hint)]
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


def _object_misfits(
    keys: Mapping[str, Any], value: Any, where: str, *, optional: frozenset[str] = NOTHING
) -> Iterator[str]:
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
        if required and key not in value and key not in optional:
            yield f"{where}.{key} is missing"


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A model of an answer, told apart by which it is: not all of them can be hashed."""

    answer: Any

    def __hash__(self) -> int:
        return hash(repr(self.answer))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Model) and repr(other.answer) == repr(self.answer)


# The same long lists of properties are answered again and again.
@functools.lru_cache(maxsize=512)
def _check_answer(status: int, answer: bytes, area: str, model: _Model) -> None:
    if status == 204 or not answer.startswith((b"{", b"[")):
        return
    body = json.loads(answer)
    if status == TOO_MANY or (status >= 400 and area == OAUTH):
        return
    if status >= 400:
        strict_error(body)
    elif isinstance(model.answer, tuple):
        strict_page(model.answer[0], body)
    elif model.answer is not None:
        strict(model.answer, body)


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
