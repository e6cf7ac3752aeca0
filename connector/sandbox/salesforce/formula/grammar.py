"""Formula text to a syntax tree, by the vendor's own grammar (engine: Formula.g4 and LexerRules.g4).

Not the meaning of names and no types. Two things surprise and are the vendor's: `^` binds looser than `*` and `/`,
and `NOT` is a prefix operator that binds tighter than everything else.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from connector.sandbox.salesforce.formula.faults import FormulaError
from connector.sandbox.salesforce.formula.nodes import Call, Literal, Node, Place, Reference

GRAMMAR = r"""
?start: either
?either: both | either OR both -> infix
?both: same | both AND same -> infix
?same: order | same EQUAL order -> infix
?order: sum | order COMPARE sum -> infix
?sum: power | sum ADD power -> infix | sum MINUS power -> infix
?power: product | power CARET product -> infix
?product: unary | product TIMES unary -> infix
?unary: primary | ADD unary -> prefix | MINUS unary -> prefix | NOT unary -> prefix | BANG unary -> prefix
?primary: IDENT -> reference
    | literal
    | LPAR either RPAR -> inner
    | IDENT LPAR [either (COMMA either)*] RPAR -> call
literal: NUMBER | STRING | TRUE | FALSE | NULL

OR: "||"
AND: "&&"
EQUAL: /==|=|<>|!=/
COMPARE: /<=|>=|<(?!>)|>/
ADD: /[+&](?!&)/
MINUS: "-"
CARET: "^"
TIMES: /\/(?!\*)|\*/
BANG: /!(?!=)/
LPAR: "("
RPAR: ")"
COMMA: ","
NOT.3: /not(?![A-Za-z0-9$_:.#])/i
TRUE.3: /true(?![A-Za-z0-9$_:.#])/i
FALSE.3: /false(?![A-Za-z0-9$_:.#])/i
NULL.3: /null(?![A-Za-z0-9$_:.#])/i
IDENT: /[A-Za-z$][A-Za-z0-9$_:.#]*/
NUMBER: /[0-9]+(?:\.[0-9]+)?/
STRING: /"(?:[^"\\\r\n]|\\[nrtNRT"'\\])*"|'(?:[^'\\\r\n]|\\[nrtNRT"'\\])*'/
COMMENT: /\/\*(?:.|\n|\r)*?\*\//
%ignore /[ \t\f\r\n]+/
%ignore COMMENT
"""

SIGNS = {"||": "OR", "&&": "AND", "==": "=", "!=": "<>", "!": "NOT"}
"""Signs that are another way to write a function or an operator."""
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read(text: str) -> Node:
    """The tree of a formula. Raises FormulaError with the place."""
    try:
        tree: Node = _Builder().transform(_PARSER.parse(text))
    except UnexpectedInput as error:
        raise _syntax(text, error) from error
    except VisitError as error:
        raise error.orig_exc from error
    return tree


def _syntax(text: str, error: UnexpectedInput) -> FormulaError:
    lines = text.split("\n")
    if isinstance(error, UnexpectedCharacters):
        return FormulaError(f"Syntax error.  Found '{error.char}'", Place(error.line, error.column))
    if not isinstance(error, UnexpectedToken) or error.token.type == "$END":
        place = Place(len(lines), len(lines[-1]) + 1)
        missing = isinstance(error, UnexpectedToken) and "RPAR" in error.accepts
        return FormulaError("Syntax error.  Missing ')'" if missing else "Syntax error", place)
    place = Place(error.line, error.column)
    if error.token.type == "RPAR" and "$END" in error.accepts:
        return FormulaError("Syntax error. Extra ')'", place)
    return FormulaError(f"Syntax error.  Found '{error.token}'", place)


def _place(token: Token) -> Place:
    return Place(token.line or 1, token.column or 1)


def _text(raw: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1].lower(), found[1]), raw[1:-1])


class _Builder(Transformer[Token, Node]):
    """Turns lark's tree, bottom up, into nodes."""

    def literal(self, found: list[Token]) -> Literal:
        token = found[0]
        values: dict[str, Any] = {"TRUE": True, "FALSE": False, "NULL": None}
        if token.type == "NUMBER":
            return Literal(Decimal(str(token)), _place(token))
        value = values[token.type] if token.type in values else _text(str(token))
        return Literal(value, _place(token))

    def reference(self, found: list[Token]) -> Reference:
        return Reference(str(found[0]), _place(found[0]))

    def inner(self, found: list[Any]) -> Node:
        node: Node = found[1]
        return node

    def infix(self, found: list[Any]) -> Call:
        left, sign, right = found
        return Call(SIGNS.get(str(sign), str(sign)), (left, right), _place(sign))

    def prefix(self, found: list[Any]) -> Call:
        sign, operand = found
        name = str(sign).upper()
        if name == "&":
            raise FormulaError("Syntax error.  Found '&'", _place(sign))
        return Call(SIGNS.get(name, name), (operand,), _place(sign))

    def call(self, found: list[Any]) -> Call:
        args = tuple(each for each in found[1:] if each is not None and not isinstance(each, Token))
        return Call(str(found[0]).upper(), args, _place(found[0]))


_PARSER = Lark(GRAMMAR, parser="lalr", propagate_positions=False, maybe_placeholders=True)
