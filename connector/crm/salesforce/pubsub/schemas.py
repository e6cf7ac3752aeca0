"""The Avro schemas behind events, asked for once per id.

Not here: reading an event by one (``events``). An object's schema gets a new id whenever a field is added or hidden, so
what is kept never goes stale; old ones are let go when there are many.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEPT = 64
"""Schemas remembered: four objects, each changed by an admin now and then."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One object's event: how to read it, and its fields in order, for the bitmaps that count them.

    ``nested`` has the fields of compound ones (addresses, a person's name) by their place among ``fields``.
    """

    parsed: Any
    fields: tuple[str, ...]
    nested: Mapping[int, tuple[str, ...]]


class Schemas:
    """A cache over ``ask``, which gets a schema's JSON text by id and raises what the call raises."""

    def __init__(self, ask: Callable[[str], str]) -> None:
        self._ask = ask
        self._known: OrderedDict[str, Schema] = OrderedDict()

    def get(self, schema_id: str) -> Schema:
        """The schema of an id. Raises ValueError for a text that is no record schema."""
        found = self._known.get(schema_id)
        if found is None:
            found = self._known[schema_id] = parse(self._ask(schema_id))
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(schema_id)
        return found


def parse(text: str) -> Schema:
    """A schema from its JSON. Raises ValueError."""
    import fastavro

    told = json.loads(text)
    if not isinstance(told, dict) or not isinstance(told.get("fields"), list):
        raise ValueError("an event's schema is not a record")
    try:
        parsed = fastavro.parse_schema(json.loads(text))
        nested = {place: names for place, field in enumerate(told["fields"]) if (names := _inner(field.get("type")))}
        return Schema(parsed, tuple(str(field["name"]) for field in told["fields"]), nested)
    except (fastavro.schema.SchemaParseException, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"an event's schema cannot be read: {error}") from error


def _inner(type_: Any) -> tuple[str, ...]:
    """The field names of a record that stands inside another, alone or beside null."""
    options: Sequence[Any] = type_ if isinstance(type_, list) else [type_]
    for each in options:
        if isinstance(each, dict) and each.get("type") == "record":
            return tuple(str(field["name"]) for field in each.get("fields", ()))
    return ()
