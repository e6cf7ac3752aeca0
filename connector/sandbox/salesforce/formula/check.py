"""Types: which arguments a function takes, which fields it takes, and what it gives.

Not evaluation (`evaluate.py`) and not the size limits (`compiled.py`). Signatures and messages: engine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.formula import faults
from connector.sandbox.salesforce.formula.faults import FormulaError
from connector.sandbox.salesforce.formula.names import Kind, Source
from connector.sandbox.salesforce.formula.nodes import Call, Literal, Node, Place, Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.salesforce.formula.names import Names

TEXT, NUMBER, DATE, DATETIME, BOOLEAN, NULL, PICKLIST, SEVERAL = Kind
MAX_ARGUMENTS = 255


@dataclass(frozen=True, slots=True)
class Typed:
    """A checked node: a literal (no name), a field (`source`) or a call of `name`."""

    kind: Kind
    place: Place
    name: str = ""
    args: tuple[Typed, ...] = ()
    value: str | Decimal | bool | None = None
    source: Source | None = None

    @property
    def is_text_literal(self) -> bool:
        """Whether it is a text written out in the formula."""
        return not self.name and self.source is None and self.kind is TEXT


# Plain functions: the types of the arguments, the type of the result.
SIMPLE: dict[str, tuple[tuple[Kind, ...], Kind]] = {
    "NOT": ((BOOLEAN,), BOOLEAN),
    "*": ((NUMBER, NUMBER), NUMBER),
    "/": ((NUMBER, NUMBER), NUMBER),
    "^": ((NUMBER, NUMBER), NUMBER),
    "&": ((TEXT, TEXT), TEXT),
    "ABS": ((NUMBER,), NUMBER),
    "BEGINS": ((TEXT, TEXT), BOOLEAN),
    "CONTAINS": ((TEXT, TEXT), BOOLEAN),
    "DATE": ((NUMBER, NUMBER, NUMBER), DATE),
    "DAY": ((DATE,), NUMBER),
    "ISNEW": ((), BOOLEAN),
    "ISNUMBER": ((TEXT,), BOOLEAN),
    "LEFT": ((TEXT, NUMBER), TEXT),
    "LEN": ((TEXT,), NUMBER),
    "LOWER": ((TEXT,), TEXT),
    "MID": ((TEXT, NUMBER, NUMBER), TEXT),
    "MOD": ((NUMBER, NUMBER), NUMBER),
    "MONTH": ((DATE,), NUMBER),
    "NOW": ((), DATETIME),
    "REGEX": ((TEXT, TEXT), BOOLEAN),
    "RIGHT": ((TEXT, NUMBER), TEXT),
    "ROUND": ((NUMBER, NUMBER), NUMBER),
    "SUBSTITUTE": ((TEXT, TEXT, TEXT), TEXT),
    "TODAY": ((), DATE),
    "TRIM": ((TEXT,), TEXT),
    "UPPER": ((TEXT,), TEXT),
    "VALUE": ((TEXT,), NUMBER),
    "YEAR": ((DATE,), NUMBER),
}
# Functions of the vendor that validation rules may use and this sandbox does not evaluate: refused by name.
UNSPOKEN = re.compile(
    "ACOS|ADDMONTHS|ASCII|ASIN|ATAN2?|BR|CASESAFEID|CEILING|CHR|COS|CURRENCYRATE|DAYOFYEAR|DISTANCE|EXP|FIND|FLOOR|"
    "FORMATDURATION|FROMUNIXTIME|GEOLOCATION|HOUR|HTMLENCODE|INITCAP|ISCLONE|ISOWEEK|ISOYEAR|JSENCODE|LN|LOG|LPAD|"
    "MCEILING|MFLOOR|MILLISECOND|MINUTE|PI|PICKLISTCOUNT|REVERSE|RPAD|SECOND|SIN|SQRT|TAN|TIMENOW|TIMEVALUE|TRUNC|"
    "UNIXTIMESTAMP|URLENCODE|VLOOKUP|WEEKDAY"
)
# Picklist fields stand in these functions only, as the first argument (engine: UnsupportedTypeException_ISPICKVAL).
# ISBLANK takes no picklist but TEXT(picklist) (facts: Salesforce §5.3).
TAKES_PICKLIST = frozenset({"ISPICKVAL", "CASE", "TEXT", "ISCHANGED", "PRIORVALUE"})
TAKES_SEVERAL = frozenset({"INCLUDES", "ISBLANK", "ISNULL", "ISCHANGED", "PRIORVALUE"})
# The only two functions seen in live rules on a long text area; LEN and PRIORVALUE are unproven, so they and all
# others are refused (facts: Salesforce §5.3, §8).
TAKES_LONG = frozenset({"ISBLANK", "ISCHANGED"})


class Checker:
    """Checks a tree against the names of one object."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def whole(self, node: Node) -> Typed:
        """The checked formula of a rule: it must be true or false. Raises FormulaError."""
        found = self._admit(None, 0, self.typed(node))
        if found.kind is not BOOLEAN:
            words = f"Formula result is data type ({found.kind.value}), incompatible with expected data type "
            raise FormulaError(f"{words}(true or false).", found.place)
        return found

    def typed(self, node: Node) -> Typed:
        """One checked node. Raises FormulaError."""
        match node:
            case Literal(value, place):
                return Typed(_literal_kind(value), place, value=value)
            case Reference(_, place):
                source = self._names.resolve(node)
                return Typed(source.kind, place, source=source)
            case Call():
                return self._call(node)

    def _call(self, call: Call) -> Typed:
        if UNSPOKEN.fullmatch(call.name):
            raise FormulaError(f"The sandbox does not evaluate {call.name}().", call.place)
        if call.name not in SIMPLE and call.name not in _SPECIAL:
            raise FormulaError(f"Unknown function {call.name}. Check spelling.", call.place)
        args = tuple(self._admit(call.name, index, self.typed(arg)) for index, arg in enumerate(call.args))
        kind = _SPECIAL[call.name](call, args) if call.name in _SPECIAL else _simple(call, args)
        return Typed(kind, call.place, call.name, args)

    def _admit(self, function: str | None, index: int, arg: Typed) -> Typed:
        """An argument, when the function takes such a field there at all. Raises FormulaError."""
        field = _field_of(arg)
        if field is None:
            return arg
        first = function if index == 0 else None
        if arg.kind is PICKLIST and first not in TAKES_PICKLIST:
            raise faults.picklist_misplaced(field.path, arg.place, several=False)
        if arg.kind is SEVERAL and first not in TAKES_SEVERAL:
            raise faults.picklist_misplaced(field.path, arg.place, several=True)
        if field.field.is_long and arg.source is not None and first not in TAKES_LONG:
            raise faults.unsupported_type("Long Text Area", field.path, arg.place)
        return arg


def _literal_kind(value: str | Decimal | bool | None) -> Kind:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    return TEXT if isinstance(value, str) else NUMBER


def _field_of(arg: Typed) -> Source | None:
    return arg.args[0].source if arg.name == "PRIORVALUE" else arg.source


def _common(left: Kind, right: Kind) -> Kind | None:
    """The type both can be taken for: null goes with everything."""
    if left is NULL or left is right:
        return right
    return left if right is NULL else None


def _count(call: Call, wanted: int) -> None:
    if len(call.args) != wanted:
        raise faults.wrong_count(call, wanted)


def _expect(call: Call, arg: Typed, *kinds: Kind) -> None:
    if arg.kind is not NULL and arg.kind not in kinds:
        raise faults.wrong_type(call, [kind.value for kind in kinds], arg.kind.value)


def _simple(call: Call, args: tuple[Typed, ...]) -> Kind:
    wanted, result = SIMPLE[call.name]
    _count(call, len(wanted))
    for arg, kind in zip(args, wanted, strict=True):
        _expect(call, arg, kind)
    if call.name == "REGEX" and isinstance(args[1].value, str):
        try:
            re.compile(args[1].value)
        except re.error as error:
            # The words are unconfirmed.
            raise FormulaError(f"Incorrect argument value for {faults.element(call)}: {error}", call.place) from error
    return result


def _logic(call: Call, args: tuple[Typed, ...]) -> Kind:
    if not args:
        raise faults.wrong_count(call, 1)
    for arg in args:
        _expect(call, arg, BOOLEAN)
    return BOOLEAN


def _if(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 3)
    condition, then, otherwise = args
    _expect(call, condition, BOOLEAN)
    common = _common(then.kind, otherwise.kind)
    if common is None:
        raise faults.wrong_type(call, [then.kind.value], otherwise.kind.value)
    return common


def _case(call: Call, args: tuple[Typed, ...]) -> Kind:
    if len(args) < 4 or len(args) % 2:
        raise faults.wrong_count(call, max(4, len(args) // 2 * 2))
    subject, *pairs, otherwise = args
    result = otherwise.kind
    for index, arg in enumerate(pairs):
        if arg.kind is BOOLEAN:
            raise faults.illegal_type(call)
        if index % 2 == 0 and subject.kind is PICKLIST and not arg.is_text_literal:
            raise faults.wrong_type(call, ["Text Literal"], arg.kind.value)
        expected = (TEXT if subject.kind is PICKLIST else subject.kind) if index % 2 == 0 else result
        common = _common(expected, arg.kind)
        if common is None:
            raise faults.wrong_type(call, [expected.value], arg.kind.value)
        result = common if index % 2 else result
    if BOOLEAN in (subject.kind, otherwise.kind):
        raise faults.illegal_type(call)
    return result


def _is_blank(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 1)
    # A checkbox is never blank, and asking is refused (engine: FunctionIsNull; facts: Salesforce §5.3).
    if args[0].kind is BOOLEAN:
        raise faults.illegal_type(call)
    return BOOLEAN


def _or_else(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 2)
    if args[0].kind is BOOLEAN:
        raise faults.illegal_type(call)
    common = _common(args[0].kind, args[1].kind)
    if common is None:
        raise faults.wrong_type(call, [args[0].kind.value], args[1].kind.value)
    return common


def _is_pickval(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 2)
    if args[0].kind is not PICKLIST:
        raise faults.wrong_type(call, [PICKLIST.value], args[0].kind.value)
    if not args[1].is_text_literal:
        raise faults.wrong_type(call, ["Text Literal"], args[1].kind.value)
    return BOOLEAN


def _includes(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 2)
    if args[0].kind is not SEVERAL:
        raise faults.wrong_type(call, [SEVERAL.value], args[0].kind.value)
    if not args[1].is_text_literal:
        raise faults.wrong_type(call, ["Text Literal"], args[1].kind.value)
    field = _field_of(args[0])
    if field is not None and field.field.values and args[1].value not in field.field.values:
        words = "Text Literal must be a valid value for this multi-select picklist field."
        raise FormulaError(f"Incorrect parameter for function INCLUDES(). {words}", call.place)
    return BOOLEAN


def _text(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 1)
    _expect(call, args[0], NUMBER, DATE, DATETIME, PICKLIST)
    return TEXT


def _day_value(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 1)
    _expect(call, args[0], TEXT, DATETIME)
    return DATE


def _moment_value(call: Call, args: tuple[Typed, ...]) -> Kind:
    _count(call, 1)
    _expect(call, args[0], TEXT, DATE, DATETIME)
    return DATETIME


def _extreme(call: Call, args: tuple[Typed, ...]) -> Kind:
    if not 1 <= len(args) <= MAX_ARGUMENTS:
        raise faults.wrong_count(call, 1 if not args else MAX_ARGUMENTS)
    for arg in args:
        _expect(call, arg, NUMBER)
    return NUMBER


def _own_field(call: Call, args: tuple[Typed, ...]) -> Source:
    """The record's own field that ISCHANGED and PRIORVALUE need. Raises FormulaError."""
    _count(call, 1)
    source = args[0].source
    if source is None:
        raise faults.illegal_type(call)
    if not source.own:
        raise FormulaError(f"The {call.name} function cannot reference the {source.path} field.", call.place)
    return source


def _changed(call: Call, args: tuple[Typed, ...]) -> Kind:
    _own_field(call, args)
    return BOOLEAN


def _prior(call: Call, args: tuple[Typed, ...]) -> Kind:
    return _own_field(call, args).kind


def _equal(call: Call, args: tuple[Typed, ...]) -> Kind:
    left, right = args
    if _common(left.kind, right.kind) is None:
        raise faults.wrong_type(call, [left.kind.value], right.kind.value)
    return BOOLEAN


def _compare(call: Call, args: tuple[Typed, ...]) -> Kind:
    _equal(call, args)
    for arg in args:
        if arg.kind is BOOLEAN:
            raise faults.wrong_type(call, [kind.value for kind in (NUMBER, DATE, DATETIME)], arg.kind.value)
    return BOOLEAN


_SUMS: dict[tuple[str, Kind, Kind], Kind] = {
    ("+", NUMBER, NUMBER): NUMBER,
    ("-", NUMBER, NUMBER): NUMBER,
    ("+", TEXT, TEXT): TEXT,
    **{("+", NUMBER, day): day for day in (DATE, DATETIME)},
    **{(sign, day, NUMBER): day for day in (DATE, DATETIME) for sign in "+-"},
    **{("-", day, day): NUMBER for day in (DATE, DATETIME)},
}


def _sum(call: Call, args: tuple[Typed, ...]) -> Kind:
    if len(args) == 1:
        _expect(call, args[0], NUMBER)
        return NUMBER
    left, right = (arg.kind for arg in args)
    if NULL in (left, right):
        return NULL
    found = _SUMS.get((call.name, left, right))
    if found is None:
        summable = left in (NUMBER, DATE, DATETIME)
        expected = [TEXT] if left is TEXT and call.name == "+" else [NUMBER, DATE, DATETIME]
        raise faults.wrong_type(call, [kind.value for kind in expected], (right if summable else left).value)
    return found


_SPECIAL: dict[str, Callable[[Call, tuple[Typed, ...]], Kind]] = {
    "AND": _logic,
    "OR": _logic,
    "IF": _if,
    "CASE": _case,
    "ISBLANK": _is_blank,
    "ISNULL": _is_blank,
    "BLANKVALUE": _or_else,
    "NULLVALUE": _or_else,
    "ISPICKVAL": _is_pickval,
    "INCLUDES": _includes,
    "TEXT": _text,
    "DATEVALUE": _day_value,
    "DATETIMEVALUE": _moment_value,
    "MIN": _extreme,
    "MAX": _extreme,
    "ISCHANGED": _changed,
    "PRIORVALUE": _prior,
    "=": _equal,
    "<>": _equal,
    **dict.fromkeys(("<", ">", "<=", ">="), _compare),
    "+": _sum,
    "-": _sum,
}
