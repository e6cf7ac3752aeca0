"""SOQL text to a syntax tree, by a real grammar: what does not parse here does not parse there.

Not the meaning: whether a field exists is decided in `soql.py`. Child subqueries, TYPEOF, FIELDS() and HAVING are
not spoken and are refused as malformed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput

from connector.sandbox.salesforce.errors import ApiError

MAX_CHARACTERS = 100_000
"""Facts: Salesforce §1.1."""

# AND and OR never mix without parentheses, and NOT stands alone or in its own parentheses, as in SOQL.
GRAMMAR = r"""
start: SELECT items FROM NAME [WHERE cond] [GROUP BY names] [ORDER BY orders] [LIMIT NUMBER] [OFFSET NUMBER]
items: item ("," item)*
item: NAME "(" [NAME] ")" [NAME] -> call
    | NAME -> column
names: NAME ("," NAME)*
orders: order ("," order)*
order: NAME [DIRECTION] [NULLS]
?cond: unit
    | unit (AND unit)+ -> all_of
    | unit (OR unit)+ -> any_of
    | NOT unit -> negated
?unit: "(" cond ")"
    | NAME OP value -> compare
    | NAME LIKE STRING -> like
    | NAME IN "(" value ("," value)* ")" -> among
    | NAME NOT IN "(" value ("," value)* ")" -> not_among
value: STRING | DATETIME | DATE | NUMBER | TRUE | FALSE | NULL | DATEWORD

SELECT.3: /select\b/i
FROM.3: /from\b/i
WHERE.3: /where\b/i
GROUP.3: /group\b/i
ORDER.3: /order\b/i
BY.3: /by\b/i
LIMIT.3: /limit\b/i
OFFSET.3: /offset\b/i
AND.3: /and\b/i
OR.3: /or\b/i
NOT.3: /not\b/i
IN.3: /in\b/i
LIKE.3: /like\b/i
TRUE.3: /true\b/i
FALSE.3: /false\b/i
NULL.3: /null\b/i
DIRECTION.3: /(asc|desc)\b/i
NULLS.3: /nulls\s+(first|last)\b/i
DATEWORD.3: /(today|yesterday|tomorrow)\b/i
OP: /<=|>=|!=|<>|=|<|>/
STRING: /'(?:[^'\\]|\\.)*'/
DATETIME.2: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)/i
DATE.1: /\d{4}-\d\d-\d\d/
NUMBER: /[+-]?\d+(?:\.\d+)?/
NAME: /[A-Za-z]\w*(?:\.[A-Za-z]\w*)*/
%ignore /\s+/
"""

LiteralKind = Literal["string", "datetime", "date", "number", "boolean", "null", "dateword"]
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "N": "\n", "R": "\r", "T": "\t"}


@dataclass(frozen=True, slots=True)
class Value:
    """A literal: its kind as written, and its value (text for dates)."""

    kind: LiteralKind
    value: Any


@dataclass(frozen=True, slots=True)
class Column:
    """One thing selected: a path, or an aggregate `function` of a path ("" in COUNT())."""

    path: str
    function: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Compare:
    """`path op value`; op is one of = != < <= > >=."""

    path: str
    op: str
    value: Value


@dataclass(frozen=True, slots=True)
class Like:
    """`path LIKE pattern`; the pattern is kept raw, because escaped wildcards are literal."""

    path: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Among:
    """`path [NOT] IN (values)`."""

    path: str
    values: tuple[Value, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    of: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part holds."""

    parts: tuple[Condition, ...]


Condition = Compare | Like | Among | Not | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key. Empty values come first unless asked otherwise."""

    path: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole SELECT."""

    columns: tuple[Column, ...]
    source: str
    where: Condition | None
    groups: tuple[str, ...]
    orders: tuple[Order, ...]
    limit: int | None
    offset: int


def parse(text: str) -> Query:
    """The query a text means. Raises ApiError MALFORMED_QUERY with the place."""
    if len(text) > MAX_CHARACTERS:
        raise ApiError("QUERY_TOO_COMPLICATED", "The query is longer than 100,000 characters")
    try:
        tree = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise ApiError("MALFORMED_QUERY", _complaint(text, error)) from error
    return _Builder().transform(tree)


def unescape(raw: str) -> str:
    """The text that the inside of a quoted literal stands for."""
    return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), raw, flags=re.DOTALL)


def _complaint(text: str, error: UnexpectedInput) -> str:
    column = error.column if isinstance(error.column, int) and error.column > 0 else len(text)
    token = getattr(error, "token", None)
    found = "<EOF>" if token is None or token.type == "$END" else str(token)
    if token is None and column <= len(text):
        found = text[column - 1]
    near = text[max(0, column - 40) : column + 20]
    return f"\n{near}\nERROR at Row:1:Column:{column}\nunexpected token: '{found}'"


def _literal(token: Token) -> Value:
    text = str(token)
    match token.type:
        case "STRING":
            return Value("string", unescape(text[1:-1]))
        case "NUMBER":
            return Value("number", float(text) if "." in text else int(text))
        case "TRUE" | "FALSE":
            return Value("boolean", token.type == "TRUE")
        case "NULL":
            return Value("null", None)
        case "DATETIME":
            return Value("datetime", text.upper())
        case "DATE":
            return Value("date", text)
        case _:
            return Value("dateword", text.upper())


class _Builder(Transformer[Token, Query]):
    """Turns lark's tree, bottom up, into the classes above."""

    def value(self, found: list[Token]) -> Value:
        return _literal(found[0])

    def column(self, found: list[Token]) -> Column:
        return Column(str(found[0]))

    def call(self, found: list[Token | None]) -> Column:
        name, path, alias = found
        return Column(str(path or ""), str(name).upper(), str(alias or ""))

    def items(self, found: list[Column]) -> tuple[Column, ...]:
        return tuple(found)

    def names(self, found: list[Token]) -> tuple[str, ...]:
        return tuple(map(str, found))

    def order(self, found: list[Token | None]) -> Order:
        path, direction, nulls = found
        return Order(str(path), str(direction or "").upper() == "DESC", str(nulls or "").upper().endswith("LAST"))

    def orders(self, found: list[Order]) -> tuple[Order, ...]:
        return tuple(found)

    def compare(self, found: list[Any]) -> Compare:
        return Compare(str(found[0]), "!=" if found[1] == "<>" else str(found[1]), found[2])

    def like(self, found: list[Token]) -> Like:
        return Like(str(found[0]), str(found[2])[1:-1])

    def among(self, found: list[Any]) -> Among:
        return Among(str(found[0]), tuple(found[2:]), negated=False)

    def not_among(self, found: list[Any]) -> Among:
        return Among(str(found[0]), tuple(found[3:]), negated=True)

    def negated(self, found: list[Any]) -> Not:
        return Not(found[1])

    def all_of(self, found: list[Any]) -> AllOf:
        return AllOf(tuple(found[::2]))

    def any_of(self, found: list[Any]) -> AnyOf:
        return AnyOf(tuple(found[::2]))

    def start(self, found: list[Any]) -> Query:
        _, columns, _, source, _, where, _, _, groups, _, _, orders, _, limit, _, offset = found
        return Query(
            columns=columns,
            source=str(source),
            where=where,
            groups=groups or (),
            orders=orders or (),
            limit=None if limit is None else int(limit),
            offset=0 if offset is None else int(offset),
        )


_PARSER = Lark(GRAMMAR, parser="lalr", maybe_placeholders=True)
