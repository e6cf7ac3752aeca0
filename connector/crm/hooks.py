"""What others bring to our door by HTTP: a delivery, who is let in, and what is kept of it.

Not here: serving HTTP (``connector.web.hooks``), and who a vendor's delivery must be signed by (its own package).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request, whole. ``query`` is raw, without the question mark; header names are in small letters.

    A header that came several times has all its values, with commas.
    """

    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """What a delivery holds: the ``letters`` to keep and how many were for others. ``again``: all of it was kept
    before. ``mark`` is what the delivery is known by, for `Door.kept`."""

    letters: tuple[str, ...]
    foreign: int
    again: bool
    mark: str


class Refusal(StrEnum):
    """Why a delivery is not let in."""

    UNSIGNED = "unsigned"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"


class Refused(Exception):
    """A delivery that is not let in; ``why`` is for the log, never for whoever brought it."""

    def __init__(self, refusal: Refusal, why: str) -> None:
        super().__init__(f"{refusal}: {why}")
        self.refusal = refusal
        self.why = why


class Door(Protocol):
    """Where one system's deliveries come in. Used by the event loop's thread; large deliveries are opened in others."""

    def knock(self, headers: Mapping[str, str]) -> None:
        """Judge a delivery by its headers, before its body is read. Raises `Refused` for what cannot be good."""
        ...

    def open(self, delivery: Delivery) -> Mail:
        """Judge a delivery and take out what is to be kept. Raises `Refused`."""
        ...

    def kept(self, mail: Mail) -> None:
        """The mail is stored for good; brought again word for word, it need not be."""
        ...
