"""One change event as the org keeps it: the header's parts by name, the body in Avro's values.

Not bytes: positions in bitmaps and the payload depend on the schema and on the reader (`shapes.py`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

CREATE, UPDATE, DELETE, UNDELETE = "CREATE", "UPDATE", "DELETE", "UNDELETE"
GAP = "GAP_"
OVERFLOW = "GAP_OVERFLOW"
CHANGE_TYPES = (
    *(CREATE, UPDATE, DELETE, UNDELETE),
    *(GAP + kind for kind in (CREATE, UPDATE, DELETE, UNDELETE)),
    OVERFLOW,
)
"""In the order of the header's enumeration (facts: Salesforce §2.4)."""

NO_ID = "000000000000000AAA"
"""What an overflow event holds instead of record ids (facts: Salesforce §2.4: no usable ids)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change event. `changed`, `nulled` and `diffed` name fields, "Compound.Part" for a part of one.

    `at` is the commit in epoch milliseconds, `seq` the place in the log (0 until it has one), `schema` a schema id.
    """

    entity: str
    ids: tuple[str, ...]
    kind: str
    at: int
    user: str
    schema: str
    origin: str = ""
    key: str = ""
    number: int = 1
    commit: int = 0
    uuid: str = ""
    seq: int = 0
    changed: tuple[str, ...] = ()
    nulled: tuple[str, ...] = ()
    diffed: tuple[str, ...] = ()
    body: dict[str, Any] = field(default_factory=dict)

    def as_gap(self) -> Event:
        """The same change told without its fields."""
        return dataclasses.replace(self, kind=GAP + self.kind, changed=(), nulled=(), diffed=(), body={})


_NAMES = tuple(f.name for f in dataclasses.fields(Event))
_TUPLES = frozenset({"ids", "changed", "nulled", "diffed"})


def to_json(event: Event) -> list[Any]:
    """The event as a JSON array for the state file."""
    return [getattr(event, name) for name in _NAMES]


def from_json(kept: list[Any]) -> Event:
    """The event that `to_json` made an array of."""
    values: dict[str, Any] = dict(zip(_NAMES, kept, strict=True))
    return Event(**values | {name: tuple(values[name]) for name in _TUPLES})
