"""Mistakes in a TOML file, worded for the person who wrote it: where, which key, what is wrong, what to do.

Not here: what a file may say (the pydantic models of ``settings.model`` and ``policy.model``) and mistakes that need
two places to see (``policy.build``, ``policy.reach``).
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from connector.errors import Problem
from connector.settings.spans import KeyPath, Source, step, value_at

Model = TypeVar("Model", bound=BaseModel)

KINDS: Mapping[str, str] = {
    "string_type": "a text in quotes",
    "bool_type": "true or false, without quotes",
    "int_type": "a whole number, without quotes",
    "int_from_float": "a whole number",
    "decimal_type": "a number, without quotes",
    "is_instance_of": "a number, without quotes",
    "float_type": "a number, without quotes",
    "tuple_type": "a list in [brackets]",
    "list_type": "a list in [brackets]",
    "dict_type": "a table in {braces} or under a [heading]",
    "model_type": "a table in {braces} or under a [heading]",
    "model_attributes_type": "a table in {braces} or under a [heading]",
    "date_type": "a date such as 2026-12-24, without quotes",
}
"""What a key wants, by pydantic's name for getting something else."""

BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def validated(model: type[Model], source: Source, problems: list[Problem]) -> Model | None:
    """The file as its model; None, with every mistake added to ``problems``, when it has any."""
    try:
        return model.model_validate(_tupled(source.data))
    except ValidationError as error:
        details: list[Any] = error.errors(include_url=False)
        problems.extend(_problems(model, source, details))
        return None


def closest(word: str, known: Iterable[str]) -> list[str]:
    """The known word that was probably meant, in a list; an empty list when none is near."""
    lower: dict[str, str] = {}
    for choice in sorted(known, key=lambda choice: (choice != choice.lower(), choice)):
        lower.setdefault(choice.lower(), choice)
    return [lower[near] for near in difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The advice after an unknown word: the nearest known one, or the list of what is known."""
    choices = sorted(set(known))
    near = closest(word, choices)
    if near:
        return f"did you mean {near[0]!r}?"
    if not choices:
        return "nothing of that kind is defined"
    return f"use one of: {', '.join(choices[:MOST_LISTED])}{', …' if len(choices) > MOST_LISTED else ''}"


def _problems(model: type[BaseModel], source: Source, details: list[Any]) -> Iterator[Problem]:
    """One problem per mistake: what only follows from another mistake is left out, alternatives become one."""
    misspelt = {
        (*path[:-1], meant)
        for detail in details
        if detail["type"] == "extra_forbidden"
        for path in [_present(source.data, detail["loc"])]
        for meant in closest(str(path[-1]), _keys_of(_model_at(model, path[:-1])))
    }
    by_path: dict[KeyPath, list[Any]] = {}
    for detail in details:
        path = _present(source.data, detail["loc"])
        if detail["type"] == "missing":
            path = (*path, str(detail["loc"][-1]))
            if path in misspelt:
                continue
        if detail["type"] == "too_short" and value_at(source.data, path):
            continue
        by_path.setdefault(path, []).append(detail)
    for path, found in by_path.items():
        yield _problem(model, source, path, found)


def _problem(model: type[BaseModel], source: Source, path: KeyPath, found: list[Any]) -> Problem:
    first = found[0]
    kind = first["type"]
    if kind == "extra_forbidden":
        known = _keys_of(_model_at(model, path[:-1]))
        return source.problem(path, f"unknown key; {did_you_mean(str(path[-1]), known)}", of_key=True)
    if kind == "missing":
        return source.problem(path, "is required; add it here", of_key=True)
    if len(found) > 1 and all(detail["type"] in KINDS for detail in found):
        wanted = " or ".join(dict.fromkeys(KINDS[detail["type"]] for detail in found))
        return source.problem(path, f"must be {wanted}, not {_described(first.get('input'))}")
    message = _wording(kind, context=first.get("ctx") or {}, value=first.get("input"), message=first["msg"])
    return source.problem(path, message)


def _wording(kind: str, *, context: Mapping[str, Any], value: Any, message: str) -> str:
    if kind in KINDS:
        return f"must be {KINDS[kind]}, not {_described(value)}"
    if kind in BOUNDS:
        words, name = BOUNDS[kind]
        return f"is {value}; it must be {words} {context[name]}"
    if kind in ("enum", "literal_error"):
        return f"is {_described(value)}; {did_you_mean(str(value), _expected(context))}"
    if kind in ("string_too_short", "too_short"):
        return "is empty; give at least one"
    if kind == "union_tag_invalid":
        return f"is {context.get('tag')!r}; use one of: {context.get('expected_tags')}"
    said = message.removeprefix("Value error, ")
    return said[:1].lower() + said[1:]


def _expected(context: Mapping[str, Any]) -> list[str]:
    words = str(context.get("expected", "")).replace(" or ", ", ")
    return [word.strip().strip("'") for word in words.split(",") if word.strip()]


MOST_LISTED = 12

NAMES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "the true/false value"),
    (str, "the text"),
    ((int, float, Decimal), "the number"),
    ((datetime, date), "the date"),
)


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (tuple, list)):
        return "a list"
    word = next((name for kinds, name in NAMES if isinstance(value, kinds)), "the value")
    return f"{word} {value!r}" if isinstance(value, str) else f"{word} {str(value).lower()}"


def _present(data: Any, loc: tuple[str | int, ...]) -> KeyPath:
    """The part of an error's place that exists in the file: union tags and the missing key itself drop out."""
    path: list[str | int] = []
    for part in loc:
        inside = step(data, part)
        if inside is None:
            continue
        path.append(part)
        data = inside
    return tuple(path)


def _model_at(root: Any, path: KeyPath) -> type[BaseModel] | None:
    """The model that stands at a path, by the annotations on the way."""
    current = _unwrapped(root)
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = _unwrapped(_field_type(current, str(part)))
        else:
            inner = get_args(current)
            current = (
                _unwrapped(inner[1] if get_origin(current) in (dict, Mapping) and len(inner) > 1 else inner[0])
                if inner
                else None
            )
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _field_type(model: type[BaseModel], key: str) -> Any:
    return next((f.annotation for name, f in model.model_fields.items() if (f.alias or name) == key), None)


def _unwrapped(annotation: Any) -> Any:
    """The interesting part of ``Annotated``, ``X | None`` and unions of a model with something plain."""
    while get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        annotation = (models or parts)[0]
    origin = get_origin(annotation)
    return dict if annotation is dict else annotation if origin is None or get_args(annotation) else origin


def _keys_of(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _tupled(value: Any) -> Any:
    """Arrays as tuples, for models that are frozen to the bottom and strict."""
    if isinstance(value, Mapping):
        return {key: _tupled(inner) for key, inner in value.items()}
    return tuple(_tupled(inner) for inner in value) if isinstance(value, list) else value
