"""``when = {…}`` of the mapping files as `Condition`: known fields, comparisons that suit their type, typed constants.

Not here: evaluating a condition (``handoff``) and finding rules that can never be reached (``reach``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from connector.errors import Problem
from connector.handoff.model import DealType
from connector.handoff.rulebook.conditions import Condition, Op, Operand, Test
from connector.handoff.rulebook.fields import FieldType
from connector.policy.model.words import TestsSpec
from connector.policy.reach import impossible
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath, Source

EQUALS = frozenset({Op.IS, Op.IS_NOT})
AMONG = frozenset({Op.IN, Op.NOT_IN})
COMPARES = frozenset({Op.AT_LEAST, Op.MORE_THAN, Op.AT_MOST, Op.LESS_THAN})
FILLED = frozenset({Op.FILLED})

SUITS: Mapping[FieldType, frozenset[Op]] = {
    FieldType.TEXT: EQUALS | AMONG | FILLED | {Op.CONTAINS},
    FieldType.LONG_TEXT: FILLED | {Op.CONTAINS},
    FieldType.NUMBER: EQUALS | COMPARES | FILLED,
    FieldType.BOOL: EQUALS | FILLED,
    FieldType.DATE: EQUALS | COMPARES | FILLED,
    FieldType.DATETIME: COMPARES | FILLED,
    FieldType.CHOICE: EQUALS | AMONG | FILLED,
    FieldType.PERSON: FILLED,
    FieldType.REFERENCE: FILLED,
}
"""Which comparisons a field of a type may take; a test holds the table complete."""

WANTS: Mapping[FieldType, tuple[type, str]] = {
    FieldType.NUMBER: (Decimal, "a number, without quotes"),
    FieldType.BOOL: (bool, "true or false, without quotes"),
    FieldType.DATE: (date, "a date such as 2026-12-24, without quotes"),
    FieldType.DATETIME: (date, "a date such as 2026-12-24, without quotes"),
}
"""The constant a field's type is compared with; all other types with text."""

SPECIAL = ("segment", "deal_type")
OF_TIERS = ("tier", "extras")
"""What may be asked for besides, where process.toml draws tiers; else these names are anybody's."""

BARRED: Mapping[str, tuple[str, ...]] = {"segment": ("segment", *OF_TIERS), "tier": OF_TIERS}
"""What the condition of a segment or a tier may not ask for: it is not known yet."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the files may refer to: mapped deal and account fields with their types, choices and where they lack.

    ``doubtful`` fields stand in a map with mistakes, ``unreadable`` says a whole map could not be read: neither is held
    against a reference, so that one mistake is reported once.
    """

    types: Mapping[str, FieldType]
    choices: Mapping[str, tuple[str, ...]]
    lacking: Mapping[str, tuple[str, ...]]
    segments: tuple[str, ...]
    doubtful: frozenset[str] = frozenset()
    unreadable: bool = False
    tiers: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    @property
    def special(self) -> tuple[str, ...]:
        """What conditions may ask for that is no field."""
        return (*SPECIAL, *OF_TIERS) if self.tiers else SPECIAL

    def type_of(self, path: str) -> FieldType | None:
        """A field's type; None when nothing of that name is known."""
        if path == "extras" and self.tiers:
            return FieldType.TEXT
        return FieldType.CHOICE if path in self.special else self.types.get(path)

    def choices_of(self, path: str) -> tuple[str, ...]:
        """The values a choice may have, when they are known here."""
        special = {"segment": self.segments, "deal_type": tuple(kind.value for kind in DealType)}
        if self.tiers:
            special |= {"tier": self.tiers, "extras": self.extras}
        return special.get(path) or self.choices.get(path, ())

    def complaint(self, path: str, *, special: bool = False) -> str | None:
        """What is wrong with a reference to a field; None when it is mapped in every CRM in use."""
        if special and path in self.special:
            return None
        if path not in self.types and (self.unreadable or path in self.doubtful):
            return None
        if path not in self.types:
            known = [*self.types, *(self.special if special else ())]
            return f"{path!r} is not a mapped field; {did_you_mean(path, known)}"
        lacking = self.lacking.get(path, ())
        return (
            f"{path!r} is not mapped in {' and '.join(lacking)}; map it there or take it out here" if lacking else None
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """One file being built: its places, the words it may use, and where its problems go."""

    source: Source
    words: Vocabulary
    problems: list[Problem]

    def complain(self, path: KeyPath, message: str, *, of_key: bool = False) -> None:
        """Note a problem."""
        self.problems.append(self.source.problem(path, message, of_key=of_key))


def condition(when: Mapping[str, TestsSpec], *, at: KeyPath, scope: Scope, barred: str = "") -> Condition | None:
    """The condition at a path; None, with what is wrong noted in the scope, when it makes no sense."""
    known = len(scope.problems)
    tests: list[Test] = []
    for field, spec in when.items():
        here = (*at, field)
        given = {name: value for name, value in spec.model_dump(by_alias=True).items() if value is not None}
        wrong = _complaint(field, given, scope=scope, barred=barred)
        if wrong:
            scope.complain(here, wrong, of_key=True)
            continue
        kind = scope.words.type_of(field)
        if kind is None:
            return None
        for name, operand in given.items():
            test = _test(field, kind, op=Op(name), operand=operand, at=(*here, name), scope=scope)
            tests.extend([test] if test else [])
    clash = impossible(Condition(tuple(tests)))
    if clash:
        one, other = clash
        message = f"no deal can be both {one.op} and {other.op} what is written here; change one of the two"
        scope.complain((*at, one.field), message, of_key=True)
    return Condition(tuple(tests)) if len(scope.problems) == known else None


def _complaint(field: str, given: Mapping[str, Any], *, scope: Scope, barred: str) -> str | None:
    if field in BARRED.get(barred, ()) and (field in SPECIAL or scope.words.tiers):
        return f"a {barred} cannot ask for the {field}; use a field of the deal or account"
    wrong = scope.words.complaint(field, special=True)
    if wrong is None and not given:
        return "compares with nothing; write for example { is = … } or { filled = true }"
    return wrong


def _test(field: str, kind: FieldType, *, op: Op, operand: Any, at: KeyPath, scope: Scope) -> Test | None:
    if op not in SUITS[kind]:
        usable = ", ".join(sorted(SUITS[kind]))
        scope.complain(at, f"does not suit {field}, which is a {_spoken(kind)}; use one of: {usable}", of_key=True)
        return None
    if op is Op.FILLED:
        return Test(field, op, operand)
    wanted, words = WANTS.get(kind, (str, "a text in quotes"))
    typed: Operand = tuple(operand) if op in AMONG else operand
    values = typed if isinstance(typed, tuple) else (typed,)
    if not values:
        scope.complain(at, "is an empty list; name at least one value")
        return None
    if not all(isinstance(value, wanted) for value in values):
        scope.complain(at, f"must be {words}: {field} is a {_spoken(kind)}")
        return None
    return Test(field, op, typed) if _known_choices(field, values, at=at, scope=scope) else None


def _known_choices(field: str, values: tuple[Any, ...], *, at: KeyPath, scope: Scope) -> bool:
    known = scope.words.choices_of(field)
    strangers = [value for value in values if known and value not in known]
    for value in strangers:
        kind = "extra of a tier" if field == "extras" else field.replace("_", " ")
        scope.complain(at, f"{value!r} is no {kind}; {did_you_mean(str(value), known)}")
    return not strangers


def _spoken(kind: FieldType) -> str:
    return kind.value.replace("_", " ")
