"""The filters of a search: what each operator asks of a property, by the property's type.

Not the choice of rows to look at (`search.py`). Facts: HubSpot §1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog, links
from connector.sandbox.hubspot.asked import listed, strings
from connector.sandbox.hubspot.derive import EPOCH, Seen, epoch_ms, reader
from connector.sandbox.hubspot.errors import invalid
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.values import instant

if TYPE_CHECKING:
    from connector.sandbox.hubspot.defs import Definition
    from connector.sandbox.hubspot.kinds import Kind
    from connector.sandbox.state import World

GROUPS_MOST = 5
FILTERS_MOST = 6
ALL_FILTERS_MOST = 18
VALUES_MOST = 100
LISTED = frozenset({"IN", "NOT_IN"})
BARE = frozenset({"HAS_PROPERTY", "NOT_HAS_PROPERTY"})
RANGED = frozenset({"EQ", "LT", "LTE", "GT", "GTE", "BETWEEN"})
OPERATORS = LISTED | BARE | RANGED | {"NEQ", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}
LINKED = "associations."
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
ONE_MS = timedelta(milliseconds=1)

Test = Callable[[Seen], bool]
Key = Callable[[Seen], Any]


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; `values` for IN and NOT_IN, `high` for BETWEEN."""

    name: str
    operator: str
    value: str
    high: str
    values: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether only listed values match."""
        return self.operator in ("EQ", "IN")

    @property
    def ranged(self) -> bool:
        """Whether it cuts a stretch out of an ordered property."""
        return self.operator in RANGED

    @property
    def listed(self) -> tuple[str, ...]:
        """The values that match an exact condition."""
        return self.values if self.operator == "IN" else (self.value,)

    def members(self, world: World, kind: Kind) -> frozenset[str]:
        """The ids of the records that are linked with one of those a condition on associations names."""
        if self.operator not in ("EQ", "IN"):
            raise invalid(f"{self.name} takes EQ or IN, not {self.operator}")
        to = kind_of(self.name.removeprefix(LINKED))
        return frozenset(other for i in self.listed for other, _ in links.linked(world, to, i, kind))

    def bounds(self) -> tuple[datetime, datetime]:
        """The closed stretch of time of a ranged condition, at millisecond resolution."""
        at = _instant(self.value, self.name)
        last = at + ONE_MS - timedelta(microseconds=1)
        if self.operator == "BETWEEN":
            return at, _instant(self.high, self.name) + ONE_MS - timedelta(microseconds=1)
        return {
            "EQ": (at, last),
            "GT": (at + ONE_MS, LATEST),
            "GTE": (at, LATEST),
            "LT": (EARLIEST, at - timedelta(microseconds=1)),
            "LTE": (EARLIEST, last),
        }[self.operator]

    def test(self, world: World, kind: Kind) -> Test:
        """A function that says whether a row matches. Raises Refused (400) for a value of the wrong kind."""
        if self.name.startswith(LINKED):
            members = self.members(world, kind)
            return lambda row: row.id in members
        if self.name == kind.modified and self.ranged:
            low, high = self.bounds()
            return lambda row: low <= row.modified_at <= high
        definition = catalog.properties(world, kind)[self.name]
        read = reader(kind, self.name)
        if self.operator in BARE:
            present = self.operator == "HAS_PROPERTY"
            return lambda row: (read(row) is not None) is present
        if self.operator.endswith("CONTAINS_TOKEN"):
            return _token_test(self, read)
        key = _key(definition)
        return _compare(self, key, read, casefold=definition.type == "string")


def groups(world: World, kind: Kind, raw: Any) -> list[list[Filter]]:
    """The filter groups of a body. Raises Refused (400) past the limits and for what does not exist."""
    found = raw or []
    if not isinstance(found, list) or not all(isinstance(g, dict) for g in found):
        raise invalid("Invalid input JSON: filterGroups must be a list of objects")
    parsed = [[_filter(world, kind, f) for f in listed(g.get("filters"), "filters")] for g in found]
    if len(parsed) > GROUPS_MOST:
        raise invalid(f"At most {GROUPS_MOST} filterGroups are allowed; there are {len(parsed)}")
    if any(len(g) > FILTERS_MOST for g in parsed):
        raise invalid(f"At most {FILTERS_MOST} filters are allowed in a filterGroup")
    if sum(map(len, parsed)) > ALL_FILTERS_MOST:
        raise invalid(f"At most {ALL_FILTERS_MOST} filters are allowed in a search")
    return parsed


def sort_key(world: World, kind: Kind, name: str) -> Callable[[Any], Any]:
    """A function that gives a row's value in a comparable form, None when empty."""
    definition = catalog.properties(world, kind)[name]
    if name == "hs_object_id":
        return lambda row: int(row.id)
    if name == kind.modified:
        return lambda row: row.modified_at
    read, key = reader(kind, name), _key(definition)

    def found(row: Seen) -> Any:
        text = read(row)
        return None if text is None else key(text)

    return found


# inside


def _filter(world: World, kind: Kind, raw: Any) -> Filter:
    if not isinstance(raw, dict):
        raise invalid("Invalid input JSON: a filter is an object")
    found = Filter(
        name=str(raw.get("propertyName", "")),
        operator=str(raw.get("operator", "")),
        value=_text(raw.get("value")),
        high=_text(raw.get("highValue")),
        values=strings(raw.get("values"), "values"),
    )
    if found.operator not in OPERATORS:
        raise invalid(f"Unknown operator {found.operator!r}; it is one of {', '.join(sorted(OPERATORS))}")
    if not found.name.startswith(LINKED) and found.name not in catalog.properties(world, kind):
        raise invalid(f"There was a problem with the request: property {found.name} does not exist")
    _check_values(found)
    return found


def _check_values(found: Filter) -> None:
    if found.operator in LISTED:
        if not found.values:
            raise invalid(f"Operator {found.operator} needs values")
        if len(found.values) > VALUES_MOST:
            raise invalid(f"At most {VALUES_MOST} values are allowed in a filter")
    elif found.operator not in BARE and found.value == "":
        raise invalid(f"Operator {found.operator} needs a value")
    if found.operator == "BETWEEN" and found.high == "":
        raise invalid("Operator BETWEEN needs a highValue")


def _text(raw: Any) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return "" if raw is None else str(raw)


def _key(definition: Definition) -> Callable[[str], Any]:
    if definition.type in ("date", "datetime"):
        return _epoch
    if definition.type == "number":
        return _decimal
    return lambda text: text


def _epoch(text: str) -> int:
    try:
        return epoch_ms(instant(text))
    except (ValueError, OverflowError):
        raise invalid(f"{text!r} is not a date; use epoch milliseconds") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise invalid(f"{text!r} is not a number") from None


def _instant(text: str, name: str) -> datetime:
    return EPOCH + timedelta(milliseconds=_epoch(text)) if text else _missing(name)


def _missing(name: str) -> datetime:
    raise invalid(f"The filter on {name} needs a value")


def _compare(asked: Filter, key: Callable[[str], Any], read: Callable[[Seen], str | None], *, casefold: bool) -> Test:
    # Text is matched without case, except that IN wants its values in lower case already (facts: HubSpot §1).
    fold: Callable[[str], str] = str.casefold if casefold else str
    if asked.operator in LISTED:
        listed, wanted = {key(v) for v in asked.values}, asked.operator == "IN"

        def among(row: Seen) -> bool:
            text = read(row)
            return (text is not None and key(fold(text)) in listed) is wanted

        return among
    low = key(fold(asked.value))
    high = key(fold(asked.high)) if asked.operator == "BETWEEN" else None
    holds = _HOLDS[asked.operator]

    def compared(row: Seen) -> bool:
        text = read(row)
        if text is None:
            return asked.operator == "NEQ"
        return holds(key(fold(text)), low, high)

    return compared


_HOLDS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "EQ": lambda v, low, _: v == low,
    "NEQ": lambda v, low, _: v != low,
    "LT": lambda v, low, _: v < low,
    "LTE": lambda v, low, _: v <= low,
    "GT": lambda v, low, _: v > low,
    "GTE": lambda v, low, _: v >= low,
    "BETWEEN": lambda v, low, high: low <= v <= high,
}


def _token_test(asked: Filter, read: Callable[[Seen], str | None]) -> Test:
    pattern = re.compile("".join(".*" if c == "*" else re.escape(c) for c in asked.value.casefold()), re.DOTALL)
    wanted = asked.operator == "CONTAINS_TOKEN"

    def contains(row: Seen) -> bool:
        tokens = re.findall(r"[^\s,;]+", (read(row) or "").casefold())
        return any(pattern.fullmatch(t) for t in tokens) is wanted

    return contains
