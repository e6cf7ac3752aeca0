"""The syntax tree of a formula: literals, references and calls. An operator is a call whose name is its sign.

Not typed: what a node means is decided in `check.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple


class Place(NamedTuple):
    """Where a node begins; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number, TRUE, FALSE or NULL."""

    value: str | Decimal | bool | None
    place: Place


@dataclass(frozen=True, slots=True)
class Reference:
    """A field by its path, as written."""

    path: str
    place: Place


@dataclass(frozen=True, slots=True)
class Call:
    """A function by its name in capitals, or an operator by its sign."""

    name: str
    args: tuple[Node, ...]
    place: Place


Node = Literal | Reference | Call
