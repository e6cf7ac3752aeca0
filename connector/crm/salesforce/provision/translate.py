"""The policy's conditions in Salesforce's formula language, test by test.

Not here: the rules made of them (``rules``) and what a condition means to the core (``handoff.conditions``): each row
of the tables below says the same as that module, down to what an empty field answers. Upper and lower case are told
apart by ``LOWER`` here and by Unicode folding there; they differ for a few letters (ß) alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from connector.crm.salesforce.fields import OBJECTS, STANDARD
from connector.crm.salesforce.provision.formula import (
    FALSE,
    TRUE,
    Always,
    Atom,
    Expr,
    again,
    all_of,
    any_of,
    negated,
)
from connector.handoff.conditions import holds
from connector.handoff.model import DealType, Kind
from connector.handoff.rulebook.conditions import Condition, Op, Operand, Test
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap, MappedField, path_of

CASE_VALUES = 10
"""Values one CASE compares with: short enough that a long list can be cut into several rules."""


class NotNativeError(Exception):
    """No formula says this; the text is the reason, for people."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A field as a rule on the deal names it (``Account.Industry``)."""

    text: str
    type: FieldType
    mapped: MappedField
    percent: bool = False

    @property
    def foreign(self) -> bool:
        """Whether it is another record's field."""
        return "." in self.text


@dataclass(frozen=True, slots=True)
class Translator:
    """Conditions of one policy over one map."""

    policy: Policy
    crm_map: CrmMap
    described: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def reference(self, path: str) -> Reference:
        """The field behind a path. Raises NotNativeError when a rule on the deal cannot name it."""
        mapped = self.crm_map.fields.get(path) or _standard(path)
        if mapped is None:
            raise NotNativeError(f"{path} is not mapped")
        theirs = self._described(mapped)
        type = _AS_FORMULAS_SEE_IT.get((mapped.type, theirs), mapped.type)
        if theirs in _UNSPEAKABLE:
            raise NotNativeError(f"{mapped.label or path} is a {_UNSPEAKABLE[theirs]}")
        if mapped.kind is Kind.DEAL:
            name = mapped.field
        else:
            account = self.crm_map.get(Kind.DEAL, "account") or _standard("account")
            name = f"{relation(account.field if account else '')}.{mapped.field}"
        found = Reference(name, type, mapped, percent=theirs == "percent")
        if found.foreign and found.type is FieldType.LONG_TEXT:
            raise NotNativeError(f"{mapped.label or path} is a long text of another record, which no formula reaches")
        return found

    def _described(self, mapped: MappedField) -> str:
        name = f"{self.crm_map.objects.get(mapped.kind, OBJECTS[mapped.kind])}.{mapped.field}"
        return self.described.get(name, _STANDARD_TYPES.get(name, ""))

    def condition(self, when: Condition) -> Expr:
        """True when all tests hold, as the core would say. Raises NotNativeError."""
        return all_of(*(self.test(test) for test in when.tests))

    def test(self, test: Test) -> Expr:
        """One comparison. Raises NotNativeError."""
        if test.field == "segment":
            fitting = {one.name for one in self.policy.segments if _among(test, one.name)}
            return self.first_match([(one.when, one.name in fitting) for one in self.policy.segments], default=False)
        if test.field == "tier" and self.policy.tiers:
            fitting = {one.name for one in self.policy.tiers if _among(test, one.name)}
            return self.first_match([(one.when, one.name in fitting) for one in self.policy.tiers], default=False)
        if test.field == "extras" and self.policy.tiers:
            raise NotNativeError("no formula asks for the extras of a tier; ask for the tier")
        if test.field == "deal_type":
            return self.deal_type(frozenset(kind for kind in DealType if _among(test, kind.value)))
        found = self.reference(test.field)
        if test.op is Op.FILLED:
            empty = blank(found)
            return empty if test.operand is False else negated(empty)
        row = _TESTS.get((found.type, test.op))
        if row is None:
            kind = found.type.value.replace("_", " ")
            raise NotNativeError(f"no formula says {test.op.value} of a {kind} ({test.field})")
        return row(found, test.operand)

    def first_match(self, cases: list[tuple[Condition, bool]], *, default: bool) -> Expr:
        """What the first case whose condition holds says; ``default`` when none does. Raises NotNativeError."""
        answer: Expr = Always(default)
        for when, says in reversed(cases):
            if Always(says) == answer:
                continue
            here = self.condition(when)
            answer = any_of(here, answer) if says else all_of(negated(here), answer)
        return answer

    def deal_type(self, kinds: frozenset[DealType]) -> Expr:
        """True when what was sold is one of these; a value the map does not list counts as the map's ``otherwise``."""
        if kinds >= set(DealType):
            return TRUE
        found = self.reference("type")
        inside = self.crm_map.other_deal_type not in kinds
        listed = [value for value, kind in self.crm_map.deal_types.items() if (kind in kinds) is inside]
        among = any_of(*(_exactly(found, value) for value in listed))
        return among if inside else negated(among)


_STANDARD_TYPES: Mapping[str, str] = {"Opportunity.Probability": "percent"}
_AS_FORMULAS_SEE_IT: Mapping[tuple[FieldType, str], FieldType] = {
    (FieldType.TEXT, "picklist"): FieldType.CHOICE,
    (FieldType.TEXT, "textarea"): FieldType.LONG_TEXT,
    (FieldType.CHOICE, "string"): FieldType.TEXT,
    (FieldType.LONG_TEXT, "string"): FieldType.TEXT,
    (FieldType.DATE, "datetime"): FieldType.DATETIME,
}
"""Where the map's word and the field's own type differ, though both can hold the value (``policy.check.FITS``)."""
_UNSPEAKABLE: Mapping[str, str] = {
    "multipicklist": "multi-select picklist, of which a formula cannot ask that",
    "encryptedstring": "encrypted field, which no formula reads",
}


def blank(found: Reference) -> Expr:
    """True when the field is empty, by the test that suits its type (facts: Salesforce §5.3)."""
    if found.type is FieldType.BOOL:
        return negated(Atom(found.text))
    inner = f"TEXT({found.text})" if found.type is FieldType.CHOICE else found.text
    return Atom(f"ISBLANK({inner})")


def relation(field: str) -> str:
    """The name by which a formula goes through a lookup: ``Account`` for AccountId, ``X__r`` for X__c."""
    if field.endswith("__c"):
        return field.removesuffix("__c") + "__r"
    if field.endswith("Id") and field != "Id":
        return field.removesuffix("Id")
    raise NotNativeError(f"{field or 'the account'} is no lookup a formula can go through")


def literal(words: str) -> str:
    """A text as a formula writes it."""
    escaped = words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def among_texts(subject: str, wanted: tuple[str, ...]) -> Expr:
    """True when a text expression is one of these, which are in lower case already."""
    return any_of(
        *(_case(subject, wanted[start : start + CASE_VALUES]) for start in range(0, len(wanted), CASE_VALUES))
    )


def among_emails(subject: str, emails: tuple[str, ...]) -> Expr:
    """True when a text expression is one of these addresses, which are in lower case already.

    No address has a blank in it, so one search through all of them says it, which stays small for any list.
    """
    found = f'" " & {subject} & " "'
    listed = literal(f" {' '.join(emails)} ")
    return Atom(f"CONTAINS({listed}, {found})", again(listed, 1)) if emails else FALSE


def _case(subject: str, wanted: tuple[str, ...]) -> Atom:
    if len(wanted) == 1:
        return Atom(f"{subject} = {literal(wanted[0])}")
    pairs = ", ".join(f"{literal(one)}, 1" for one in wanted)
    return Atom(f"CASE({subject}, {pairs}, 0) = 1", again(subject, len(wanted)))


def _standard(path: str) -> MappedField | None:
    """A field every org has, where the map says nothing of it; the adapter falls back to the same."""
    known = STANDARD[Kind.DEAL].get(path)
    if known is None:
        return None
    return MappedField(path_of(Kind.DEAL, path), Kind.DEAL, known[0], known[1], FieldOwner.HUMAN, known[0])


def _among(test: Test, value: str) -> bool:
    return holds(Condition((test,)), lambda _: value)


def _exactly(found: Reference, value: str) -> Atom:
    if found.type is FieldType.CHOICE:
        return Atom(f"ISPICKVAL({found.text}, {literal(value)})", again(found.text, 1))
    return Atom(f"{found.text} = {literal(value)}")


def _same_text(found: Reference, operand: Operand) -> Expr:
    words = operand if isinstance(operand, tuple) else (str(operand),)
    theirs = [found.mapped.to_vendor(word) if found.mapped.type is FieldType.CHOICE else word for word in words]
    wanted = tuple(dict.fromkeys(word.strip().lower() for word in theirs if word.strip()))
    return among_texts(f"LOWER(TRIM({_words(found)}))", wanted)


def _words(found: Reference) -> str:
    return f"TEXT({found.text})" if found.type is FieldType.CHOICE else found.text


def _contains(found: Reference, operand: Operand) -> Expr:
    word = str(operand).strip().lower()
    filled = negated(blank(found))
    if not word:
        return filled
    subject = f"LOWER({_words(found)})"
    return all_of(filled, Atom(f"CONTAINS({subject}, {literal(word)})", again(subject, 1)))


def _is_ticked(found: Reference, operand: Operand) -> Expr:
    return Atom(found.text) if operand is True else negated(Atom(found.text))


def _constant(operand: Operand) -> str:
    if isinstance(operand, date):
        return f"DATE({operand.year}, {operand.month}, {operand.day})"
    return f"{operand:f}" if isinstance(operand, Decimal) else str(operand)


def _compared(sign: str) -> Callable[[Reference, Operand], Expr]:
    """A comparison that an empty field never meets."""

    def row(found: Reference, operand: Operand) -> Expr:
        # The day of a moment is that of UTC, in formulas as in the core.
        subject = f"DATEVALUE({found.text})" if found.type is FieldType.DATETIME else found.text
        # 50 % is 0.5 to a formula and 50 to the API.
        subject = f"{subject} * 100" if found.percent else subject
        return all_of(negated(blank(found)), Atom(f"{subject} {sign} {_constant(operand)}"))

    return row


_Row = Callable[[Reference, Operand], Expr]


def _not(row: _Row) -> _Row:
    return lambda found, operand: negated(row(found, operand))


_ORDER: Mapping[Op, str] = {Op.AT_LEAST: ">=", Op.MORE_THAN: ">", Op.AT_MOST: "<=", Op.LESS_THAN: "<"}
_WORDS = {Op.IS: _same_text, Op.IS_NOT: _not(_same_text), Op.IN: _same_text, Op.NOT_IN: _not(_same_text)}
_AMOUNTS = {
    **{op: _compared(sign) for op, sign in _ORDER.items()},
    Op.IS: _compared("="),
    Op.IS_NOT: _not(_compared("=")),
}

_BY_TYPE: Mapping[FieldType, Mapping[Op, _Row]] = {
    FieldType.TEXT: {**_WORDS, Op.CONTAINS: _contains},
    FieldType.CHOICE: {**_WORDS, Op.CONTAINS: _contains},
    FieldType.NUMBER: _AMOUNTS,
    FieldType.DATE: _AMOUNTS,
    FieldType.DATETIME: {op: _compared(sign) for op, sign in _ORDER.items()},
    FieldType.BOOL: {Op.IS: _is_ticked, Op.IS_NOT: _not(_is_ticked)},
}
_TESTS: Mapping[tuple[FieldType, Op], _Row] = {
    (kind, op): row for kind, rows in _BY_TYPE.items() for op, row in rows.items()
}
"""The translation table. Every type may be asked whether it is filled; a long text's words are out of reach."""
