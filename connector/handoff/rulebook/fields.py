"""Mapped fields as the core needs them, and what is taken over from elsewhere.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FieldOwner(StrEnum):
    """Who may write a mapped field. The daemon never writes what it does not own."""

    DAEMON = "daemon"
    HUMAN = "human"
    FILL_IF_EMPTY = "fill_if_empty"
    CREATE_ONLY = "create_only"


class FieldType(StrEnum):
    """What kind of value a mapped field holds."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    NUMBER = "number"
    BOOL = "bool"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    PERSON = "person"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One mapped field as the core needs it: canonical path (``why_bought``, ``account.csm``), label, type, owner."""

    path: str
    label: str
    type: FieldType
    owner: FieldOwner


@dataclass(frozen=True, slots=True)
class Prefill:
    """An answer that is taken over while it is empty: from another field, ``days`` later where it is a day, or from
    the deal's contacts (``contacts``, ``contacts.champion``)."""

    field: str
    source: str
    days: int = 0
