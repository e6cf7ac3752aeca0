"""What an answer of a sandbox shows of a fault that was planted: whether it struck, or met what it could not act on.

Not here: planting (``vendors``), and faults of whole requests, which strike whatever is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LOCKED = (b"UNABLE_TO_LOCK_ROW", b'"LOCKED"')
"""A locked row (facts: Salesforce §3.3, HubSpot §3d)."""

FAILED = (*LOCKED, b"INTERNAL_ERROR")
NOT_A_CHOICE = (b"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", b"INVALID_OPTION")
LISTS = ("records", "results")
"""Where the vendors put what was found."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an admin changed about a field: an answer with its name and any of ``words`` shows it, or one that describes
    fields without it."""

    name: str
    field: str
    words: tuple[bytes, ...]
    undescribed: bool


def choice(field: str) -> Change:
    """Its values were replaced."""
    return Change("choice dropped", field, NOT_A_CHOICE, undescribed=False)


def hidden(field: str) -> Change:
    """It was taken from the connector."""
    return Change("field revoked", field, (b"INVALID_FIELD",), undescribed=True)


def shows(what: Change, answer: bytes) -> bool:
    """Whether an answer is another because of a change in the setup."""
    named = what.field.encode() in answer
    if any(word in answer for word in what.words):
        return named
    return what.undescribed and not named and answer.startswith(b'{"name":"Opportunity"') and b'"fields":[' in answer


def _ids(answer: bytes) -> list[str]:
    try:
        told: Any = json.loads(answer or b"null")
    except ValueError:
        return []
    lists: list[Any] = [told.get(name) for name in LISTS] if isinstance(told, dict) else []
    found: list[Any] = next((each for each in lists if isinstance(each, list)), [])
    return [str(each.get("id") or each.get("Id")) for each in found if isinstance(each, dict)]


def _twice(answer: bytes) -> bool:
    ids = _ids(answer)
    return len(set(ids)) < len(ids)


def _in_disorder(answer: bytes) -> bool:
    ids = _ids(answer)
    return ids != sorted(ids)


ON_ROWS: Mapping[str, Callable[[bytes], bool]] = {
    "duplicated": _twice,
    "reordered": _in_disorder,
    "row_lock": lambda answer: any(word in answer for word in LOCKED),
    "partial": lambda answer: any(word in answer for word in FAILED),
}
"""The sandbox's faults of single rows, and what an answer shows of each."""
