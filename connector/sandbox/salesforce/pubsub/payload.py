"""An event as a subscriber gets it: bitmaps by position, fields the reader may not see left out, Avro bytes.

Not the making of events. Needs fastavro, so it is imported only by the server.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import fastavro

from connector.sandbox.salesforce.pubsub.shapes import HEADER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from connector.sandbox.salesforce.pubsub.events import Event


class Writer:
    """Writes events of one schema."""

    def __init__(self, schema_json: str) -> None:
        schema = json.loads(schema_json)
        self._schema = fastavro.parse_schema(schema)
        self._top = {f["name"]: index for index, f in enumerate(schema["fields"])}
        self._parts = {f["name"]: _parts(f["type"]) for f in schema["fields"] if f["name"] != HEADER}

    def payload(self, event: Event, *, hidden: Collection[str] = ()) -> bytes:
        """The event's bytes for a reader who may not see the fields `hidden` (facts: Salesforce §2.5)."""
        body: dict[str, Any] = {}
        for place, value in event.body.items():
            if place in hidden:
                continue
            compound, _, part = place.partition(".")
            if part:
                body.setdefault(compound, dict.fromkeys(self._parts[compound]))[part] = value
            else:
                body[place] = value
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, {**body, HEADER: self._header(event, hidden)})
        return out.getvalue()

    def bitmaps(self, places: Iterable[str]) -> list[str]:
        """Fields by name -> "0x…" for those of the record, "n-0x…" for parts of the n-th field."""
        top = 0
        nested: dict[int, int] = {}
        for place in places:
            compound, _, part = place.partition(".")
            index = self._top[compound]
            if part:
                nested[index] = nested.get(index, 0) | 1 << self._parts[compound].index(part)
            else:
                top |= 1 << index
        found = [_hex(top)] if top else []
        return found + [f"{index}-{_hex(bits)}" for index, bits in sorted(nested.items())]

    def _header(self, event: Event, hidden: Collection[str]) -> dict[str, Any]:
        nulled, diffed, changed = (
            self.bitmaps(place for place in places if place not in hidden)
            for places in (event.nulled, event.diffed, event.changed)
        )
        return {
            "entityName": event.entity,
            "recordIds": list(event.ids),
            "changeType": event.kind,
            "changeOrigin": event.origin,
            "transactionKey": event.key,
            "sequenceNumber": event.number,
            "commitTimestamp": event.at,
            "commitNumber": event.commit,
            "commitUser": event.user,
            "nulledFields": nulled,
            "diffFields": diffed,
            "changedFields": changed,
        }


def _parts(types: Any) -> list[str]:
    for each in types:
        if isinstance(each, dict) and each.get("type") == "record":
            return [f["name"] for f in each["fields"]]
    return []


def _hex(bits: int) -> str:
    text = f"{bits:X}"
    return f"0x{text.rjust(len(text) + len(text) % 2, '0')}"
