"""Whether a value may stand in a property, and in which form it is kept.

Not which properties a record must have, nor who may write; `records.py` asks that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot.derive import EPOCH, iso

if TYPE_CHECKING:
    from connector.sandbox.hubspot.defs import Definition
    from connector.sandbox.state import World

MAX_TEXT = 65_536  # facts: HubSpot §5


class Wrong(Exception):
    """A value that the property does not take; `code` is HubSpot's word for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check(world: World, definition: Definition, raw: Any) -> str | None:
    """The value as it is kept, None to clear. Raises Wrong."""
    if isinstance(raw, bool):
        raw = "true" if raw else "false"
    elif isinstance(raw, int | float):
        raw = str(raw)
    if not isinstance(raw, str):
        raise Wrong("INVALID_VALUE", f"{raw!r} was not a valid value: property values are strings")
    if raw == "":
        return None
    if definition.owner:
        return _owner(world, raw)
    return _CHECKS.get(definition.type, _text)(definition, raw)


def instant(raw: str) -> datetime:
    """An instant from epoch milliseconds or ISO text. Raises ValueError."""
    if raw.lstrip("-").isdigit():
        return EPOCH + timedelta(milliseconds=int(raw))
    found = datetime.fromisoformat(raw)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _text(_definition: Definition, raw: str) -> str:
    if len(raw) > MAX_TEXT:
        raise Wrong("VALUE_TOO_LONG", f"Property value is too long: {len(raw)} characters, at most {MAX_TEXT}")
    return raw


def _number(_definition: Definition, raw: str) -> str:
    try:
        if Decimal(raw).is_finite():
            return raw.strip()
    except InvalidOperation:
        pass
    raise Wrong("INVALID_NUMBER", f"{raw} was not a valid number.")


def _bool(_definition: Definition, raw: str) -> str:
    if raw.lower() in ("true", "false"):
        return raw.lower()
    raise Wrong("INVALID_OPTION", f"{raw} was not one of the allowed options: [true, false]")


def _choice(definition: Definition, raw: str) -> str:
    parts = [p for p in raw.split(";") if p] if definition.multiple else [raw]
    for part in parts:
        if not definition.allows(part):
            allowed = ", ".join(o.value for o in definition.options)
            raise Wrong("INVALID_OPTION", f"{part} was not one of the allowed options: [{allowed}]")
    return raw


def _day(_definition: Definition, raw: str) -> str:
    # facts: HubSpot §3a: a date is midnight UTC; the time of day may not be lost silently.
    try:
        if len(raw) == len("2026-01-31") and raw.count("-") == 2:
            return date.fromisoformat(raw).isoformat()
        found = instant(raw)
    except (ValueError, OverflowError):
        raise Wrong("INVALID_DATE", f"{raw} was not a valid date.") from None
    if found != found.replace(hour=0, minute=0, second=0, microsecond=0):
        raise Wrong("INVALID_DATE", f"{raw} is at {found:%H:%M:%S}, not midnight UTC.")
    return found.date().isoformat()


def _moment(_definition: Definition, raw: str) -> str:
    try:
        return iso(instant(raw))
    except (ValueError, OverflowError):
        raise Wrong("INVALID_DATE", f"{raw} was not a valid date.") from None


def _owner(world: World, raw: str) -> str:
    # facts: HubSpot §6: an owner id, never a user id; a deactivated owner takes no records.
    row = world.table("owners").get(raw)
    if row is None or not row.values.get("active", True):
        raise Wrong("INVALID_OWNER_ID", f"{raw} was not a valid owner id.")
    return raw


_CHECKS: dict[str, Callable[[Definition, str], str]] = {
    "number": _number,
    "bool": _bool,
    "enumeration": _choice,
    "date": _day,
    "datetime": _moment,
}
