"""Formulas as trees of and, or and not over plain tests: written out, measured, and split where one is too big.

Not here: which tests a policy asks for (``translate``) and what an org makes of a formula (it compiles them itself).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

MAX_CHARS = 3_900
"""Most characters of a formula (facts: Salesforce §5.3)."""
MAX_BYTES = 4_000
"""Most bytes of it."""
MAX_COMPILED = 5_000
"""Most bytes once compiled: the lower of the two figures that are told (facts: Salesforce §5.3)."""

# What a formula becomes is nowhere told: SQL, in which a field is a column, a way to another record a join, and a
# call a name with brackets and guards. Generous on purpose; a test holds it above the sandbox's own estimate.
_BYTES_PER_CHAR = 2
_BYTES = (
    (re.compile(r"[A-Z]+\("), 24),
    (re.compile(r"\$?[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*(?![A-Za-z0-9_.(])"), 24),
    (re.compile(r"(?<=[A-Za-z])\.(?=[A-Za-z])"), 36),
    (re.compile(r"[<>=+*]+"), 24),
)
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Always:
    """A test that needs no looking: always true, or never."""

    holds: bool


@dataclass(frozen=True, slots=True)
class Atom:
    """One test, as formula text that is true or false; where it may be blank, a test beside it rules that out.

    ``again`` is how many bytes a compiler writes besides, for what the text says once and means several times.
    """

    text: str
    again: int = 0


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inner: Atom | And | Or


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Expr, ...]


Expr: TypeAlias = "Always | Atom | Not | And | Or"

TRUE, FALSE = Always(True), Always(False)


def all_of(*parts: Expr) -> Expr:
    """Every one of them, in their order; what needs no looking is left out."""
    flat = _flat(parts, And)
    if FALSE in flat:
        return FALSE
    return _joined([part for part in flat if part != TRUE], And, empty=TRUE)


def any_of(*parts: Expr) -> Expr:
    """At least one of them; what needs no looking is left out."""
    flat = _flat(parts, Or)
    if TRUE in flat:
        return TRUE
    return _joined([part for part in flat if part != FALSE], Or, empty=FALSE)


def negated(expr: Expr) -> Expr:
    """The opposite."""
    if isinstance(expr, Always):
        return Always(not expr.holds)
    return expr.inner if isinstance(expr, Not) else Not(expr)


def text(expr: Expr) -> str:
    """The formula."""
    match expr:
        case Always(holds):
            return "TRUE" if holds else "FALSE"
        case Atom(test):
            return test
        case Not(inner):
            return f"NOT({text(inner)})"
        case And(parts):
            return f"AND({', '.join(text(part) for part in parts)})"
        case Or(parts):
            return f"OR({', '.join(text(part) for part in parts)})"


def compiled_size(expr: Expr) -> int:
    """An upper guess at the compiled bytes of a formula."""
    return _written(text(expr)) + _again(expr)


def again(subject: str, times: int) -> int:
    """The bytes of a text expression that the compiler repeats so many times."""
    return _written(subject) * times


def fits(expr: Expr) -> bool:
    """Whether an org would take it."""
    formula = text(expr)
    short = len(formula) <= MAX_CHARS and len(formula.encode()) <= MAX_BYTES
    return short and compiled_size(expr) <= MAX_COMPILED


def split(expr: Expr) -> tuple[Expr, ...]:
    """Formulas that each fit and that together fire exactly when this one does; empty when no cut makes them fit.

    A rule blocks a save when its formula is true, so an or can be cut into two rules, and an and cannot.
    """
    if fits(expr):
        return (expr,)
    halves = _halves(_inward(expr))
    if halves is None:
        return ()
    found = tuple(split(half) for half in halves)
    return tuple(piece for pieces in found for piece in pieces) if all(found) else ()


def _halves(expr: Expr) -> tuple[Expr, Expr] | None:
    """The formula cut in two at its longest or; None when there is none to cut."""
    if isinstance(expr, Or):
        middle = len(expr.parts) // 2
        return any_of(*expr.parts[:middle]), any_of(*expr.parts[middle:])
    if not isinstance(expr, And):
        return None
    ors = [(len(text(part)), index) for index, part in enumerate(expr.parts) if isinstance(part, Or)]
    for _, index in sorted(ors, reverse=True):
        cut = _halves(expr.parts[index])
        if cut is not None:
            before, after = expr.parts[:index], expr.parts[index + 1 :]
            return all_of(*before, cut[0], *after), all_of(*before, cut[1], *after)
    return None


def _inward(expr: Expr) -> Expr:
    """The same with every not moved down to a single test, so that hidden ors come to light."""
    match expr:
        case Not(And(parts)):
            return any_of(*(_inward(negated(part)) for part in parts))
        case Not(Or(parts)):
            return all_of(*(_inward(negated(part)) for part in parts))
        case And(parts):
            return all_of(*(_inward(part) for part in parts))
        case Or(parts):
            return any_of(*(_inward(part) for part in parts))
        case _:
            return expr


def _written(formula: str) -> int:
    bare = _LITERAL.sub("", formula)
    counted = sum(cost * len(pattern.findall(bare)) for pattern, cost in _BYTES)
    return _BYTES_PER_CHAR * len(formula.encode()) + counted


def _again(expr: Expr) -> int:
    match expr:
        case Atom(again=more):
            return more
        case Not(inner):
            return _again(inner)
        case And(parts) | Or(parts):
            return sum(_again(part) for part in parts)
        case _:
            return 0


def _flat(parts: tuple[Expr, ...], kind: type[And] | type[Or]) -> list[Expr]:
    found: list[Expr] = []
    for part in parts:
        inner = part.parts if isinstance(part, kind) else (part,)
        found.extend(each for each in inner if each not in found)
    return found


def _joined(parts: list[Expr], kind: type[And] | type[Or], *, empty: Expr) -> Expr:
    if len(parts) > 1:
        return kind(tuple(parts))
    return parts[0] if parts else empty
