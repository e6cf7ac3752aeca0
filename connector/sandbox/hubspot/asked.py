"""One request as a handler sees it, and its answer. Not HTTP: `app.py` turns one into the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot.errors import invalid
from connector.sandbox.hubspot.kinds import Kind, Version, kind_of

if TYPE_CHECKING:
    from connector.sandbox.faults import Fault
    from connector.sandbox.state import World


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was authorised and admitted. `path` is without the query; `query` keeps repeated keys."""

    world: World
    version: Version
    path: str
    params: dict[str, str]
    query: tuple[tuple[str, str], ...]
    raw: bytes
    body: Any
    by: str
    fault: Fault | None = None

    @property
    def kind(self) -> Kind:
        """The object type named in the path. Raises Refused (400)."""
        return kind_of(self.params["type"])

    def one(self, name: str) -> str | None:
        """The last value of a query parameter."""
        return next((v for k, v in reversed(self.query) if k == name and v != ""), None)

    def many(self, name: str) -> tuple[str, ...]:
        """A list parameter, whether repeated or separated by commas."""
        return tuple(part for k, v in self.query if k == name for part in v.split(",") if part)

    def flag(self, name: str) -> bool:
        """A true/false parameter; absent is false."""
        return (self.one(name) or "").lower() == "true"

    def number(self, name: str, default: int, *, most: int) -> int:
        """A whole-number parameter between 1 and `most`. Raises Refused (400)."""
        return whole(self.one(name), name, default, most=most)

    def object(self) -> dict[str, Any]:
        """The body, which must be a JSON object. Raises Refused (400)."""
        if not isinstance(self.body, dict):
            raise invalid("Invalid input JSON on line 1, column 1: an object is expected")
        return self.body

    def inputs(self, *, most: int) -> list[dict[str, Any]]:
        """`inputs` of a batch. Raises Refused (400) when empty, too many, or not objects."""
        found = self.object().get("inputs")
        if not isinstance(found, list) or not all(isinstance(i, dict) for i in found):
            raise invalid("Invalid input JSON: inputs must be a list of objects")
        if not found:
            raise invalid("The batch request must contain at least one input")
        if len(found) > most:
            raise invalid(f"The batch request may contain at most {most} inputs; it has {len(found)}")
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `rows` counts records for the journal."""

    body: Any = None
    status: int = 200
    rows: int = 0
    headers: dict[str, str] = field(default_factory=dict)


def whole(raw: Any, name: str, default: int, *, most: int) -> int:
    """A whole number between 1 and `most`, `default` when absent. Raises Refused (400)."""
    if raw is None:
        return default
    try:
        found = int(str(raw))
    except ValueError:
        raise invalid(f"{name} must be a number, not {raw!r}") from None
    if not 1 <= found <= most:
        raise invalid(f"{name} must be between 1 and {most}, not {found}")
    return found


def is_number(text: str) -> bool:
    """Whether the text is digits alone, as cursors and record ids are."""
    return text.isascii() and text.isdigit()


def listed(raw: Any, name: str) -> list[Any]:
    """A list from a JSON body, empty when absent. Raises Refused (400)."""
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise invalid(f"Invalid input JSON: {name} must be a list")
    return raw


def strings(raw: Any, name: str) -> tuple[str, ...]:
    """A list of strings from a JSON body. Raises Refused (400)."""
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        raise invalid(f"Invalid input JSON: {name} must be a list of strings")
    return tuple(raw)
