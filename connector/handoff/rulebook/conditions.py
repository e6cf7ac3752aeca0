"""Conditions on a deal, and the segments and tiers that are made of them.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Op(StrEnum):
    """Comparisons a condition may make."""

    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    NOT_IN = "not_in"
    AT_LEAST = "at_least"
    MORE_THAN = "more_than"
    AT_MOST = "at_most"
    LESS_THAN = "less_than"
    CONTAINS = "contains"
    FILLED = "filled"


Operand = str | bool | Decimal | date | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a field (``amount``, ``account.country``, ``segment``, ``deal_type``) with a constant."""

    field: str
    op: Op
    operand: Operand


@dataclass(frozen=True, slots=True)
class Condition:
    """All tests must hold. No tests: always true."""

    tests: tuple[Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A named slice of customers. Segments are tried in order; the first whose condition holds is the deal's."""

    name: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Tier:
    """How much care a deal gets, by what it is worth: the first whose condition holds. With ``named_csm`` it has a CSM
    of its own before the close, with ``second_csm`` the second one as well; ``extras`` are names that conditions ask
    for."""

    name: str
    when: Condition
    named_csm: bool = True
    extras: tuple[str, ...] = ()
    second_csm: bool = False
