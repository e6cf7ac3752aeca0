"""The value of a checked formula on one record.

Not types: `check.py` has refused what does not fit. Null follows the engine: a comparison or a sum with null is null,
except that null text equals ""; AND and IF take null for false, OR skips it, NOT of null is null; a rule that comes
out null does not fire.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.formula.check import Typed
from connector.sandbox.salesforce.formula.faults import RuntimeFault
from connector.sandbox.salesforce.formula.names import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.salesforce.formula.surroundings import Surroundings, Value

DAY_SECONDS = Decimal(86_400)
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MOMENT = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One record being saved: as it will stand, as it stood (None when it is new), and what is around it."""

    record: Mapping[str, Any]
    prior: Mapping[str, Any] | None
    around: Surroundings

    def value(self, node: Typed) -> Value:
        """The value of a node. Raises RuntimeFault."""
        if node.source is not None:
            return self.around.read(node.source, self.record)
        if not node.name:
            return node.value or None if isinstance(node.value, str) else node.value
        if node.name in _LAZY:
            return _LAZY[node.name](self, node)
        args = [self.value(arg) for arg in node.args]
        try:
            found = _STRICT[node.name](node, args)
        except (ArithmeticError, ValueError) as error:
            raise RuntimeFault(f"{node.name}: {error}") from error
        return None if found == "" else found


# functions that do not always look at every argument, or need the record


def _and(run: Evaluation, node: Typed) -> Value:
    return all(run.value(arg) is True for arg in node.args)


def _or(run: Evaluation, node: Typed) -> Value:
    return any(run.value(arg) is True for arg in node.args)


def _if(run: Evaluation, node: Typed) -> Value:
    condition, then, otherwise = node.args
    return run.value(then if run.value(condition) is True else otherwise)


def _case(run: Evaluation, node: Typed) -> Value:
    subject, *pairs, otherwise = node.args
    wanted, textual = run.value(subject), subject.kind in (Kind.TEXT, Kind.PICKLIST)
    for case, result in zip(pairs[::2], pairs[1::2], strict=True):
        found = run.value(case)
        if found == wanted and (textual or found is not None):
            return run.value(result)
    return run.value(otherwise)


def _is_changed(run: Evaluation, node: Typed) -> Value:
    # False on a new record (facts: Salesforce §5.3).
    if run.prior is None:
        return False
    return _unlined(run.value(node.args[0])) != _unlined(_before(run, node))


def _prior_value(run: Evaluation, node: Typed) -> Value:
    # On a new record the present value, not null (facts: Salesforce §5.3).
    return run.value(node.args[0]) if run.prior is None else _before(run, node)


def _before(run: Evaluation, node: Typed) -> Value:
    source = node.args[0].source
    return None if source is None or run.prior is None else run.around.read(source, run.prior)


def _unlined(value: Value) -> Value:
    return value.replace("\r\n", "\n") if isinstance(value, str) else value


_LAZY: dict[str, Callable[[Evaluation, Typed], Value]] = {
    "AND": _and,
    "OR": _or,
    "IF": _if,
    "CASE": _case,
    "ISNEW": lambda run, _: run.prior is None,
    "ISCHANGED": _is_changed,
    "PRIORVALUE": _prior_value,
    "NOW": lambda run, _: run.around.now,
    "TODAY": lambda run, _: run.around.now.date(),
}


# functions of their arguments' values alone


def _null_if_any(do: Callable[..., Value]) -> Callable[[Typed, list[Any]], Value]:
    return lambda _node, args: None if any(arg is None for arg in args) else do(*args)


def _equal(node: Typed, args: list[Any]) -> Value:
    textual = any(arg.kind is Kind.TEXT for arg in node.args)
    if not textual and None in args:
        return None
    same = args[0] == args[1]
    return same if node.name == "=" else not same


def _plus(node: Typed, args: list[Any]) -> Value:
    if any(arg.kind is Kind.TEXT for arg in node.args):
        return "".join(arg or "" for arg in args)
    if None in args:
        return None
    if len(args) == 1:
        return args[0]  # type: ignore[no-any-return]
    left, right = args
    return _shift(right, left) if isinstance(right, date) else _shift(left, right)


def _minus(_node: Typed, args: list[Any]) -> Value:
    if None in args:
        return None
    if len(args) == 1:
        return -args[0]  # type: ignore[no-any-return]
    left, right = args
    if isinstance(right, date):
        return Decimal((left - right) // timedelta(seconds=1)) / DAY_SECONDS
    return _shift(left, -right)


def _shift(start: Any, by: Decimal) -> Value:
    """A number more by a number, a moment later by days and their parts, or a day later by whole days."""
    if isinstance(start, datetime):
        return start + timedelta(seconds=int(by * DAY_SECONDS))
    return start + timedelta(days=int(by)) if isinstance(start, date) else start + by


def _is_null(node: Typed, args: list[Any]) -> Value:
    # Never true of text (engine: FunctionNullValue.treatAsString): that is what ISBLANK is for.
    return node.args[0].kind is not Kind.TEXT and args[0] is None


def _null_value(node: Typed, args: list[Any]) -> Value:
    keeps = args[0] is not None or node.args[0].kind is Kind.TEXT
    return args[0] if keeps else args[1]  # type: ignore[no-any-return]


def _has(test: Callable[[str, str], bool]) -> Callable[[Typed, list[Any]], Value]:
    """A test for a part: every text has the empty one, and a blank text answers null (engine: FunctionContains)."""

    def do(_node: Typed, args: list[Any]) -> Value:
        text, part = args
        return True if part is None else None if text is None else test(text, part)

    return do


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(_MOMENT) + "Z"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _number(text: str) -> Decimal:
    if not _NUMERIC.fullmatch(text):
        raise ValueError(f"The value '{text}' is not a valid number.")
    return Decimal(text)


def _left(text: str, count: Decimal) -> str:
    return text[: max(0, int(count))]


def _right(text: str, count: Decimal) -> str:
    return text[max(0, len(text) - int(count)) :] if count > 0 else ""


def _mid(text: str, start: Decimal, count: Decimal) -> str:
    begin = max(1, int(start)) - 1
    return text[begin : begin + max(0, int(count))]


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return datetime.strptime(str(value).removesuffix("Z"), _MOMENT).replace(tzinfo=UTC)


def _day(value: Any) -> date:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else date.fromisoformat(str(value))


def _round(number: Decimal, places: Decimal) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-int(places)), rounding=ROUND_HALF_UP)


_STRICT: dict[str, Callable[[Typed, list[Any]], Value]] = {
    "=": _equal,
    "<>": _equal,
    "<": _null_if_any(lambda a, b: a < b),
    ">": _null_if_any(lambda a, b: a > b),
    "<=": _null_if_any(lambda a, b: a <= b),
    ">=": _null_if_any(lambda a, b: a >= b),
    "NOT": _null_if_any(lambda a: not a),
    "+": _plus,
    "-": _minus,
    "*": _null_if_any(lambda a, b: a * b),
    "/": _null_if_any(lambda a, b: a / b),
    "^": _null_if_any(lambda a, b: a**b),
    "&": lambda _, args: "".join(arg or "" for arg in args),
    "ABS": _null_if_any(abs),
    "BEGINS": _has(str.startswith),
    "CONTAINS": _has(str.__contains__),
    "DATE": _null_if_any(lambda y, m, d: date(int(y), int(m), int(d))),
    "DATEVALUE": _null_if_any(_day),
    "DATETIMEVALUE": _null_if_any(_moment),
    "DAY": _null_if_any(lambda day: Decimal(day.day)),
    "MONTH": _null_if_any(lambda day: Decimal(day.month)),
    "YEAR": _null_if_any(lambda day: Decimal(day.year)),
    "INCLUDES": lambda _, args: args[1] in (args[0] or ()),
    "ISBLANK": lambda _, args: args[0] is None,
    "ISNULL": _is_null,
    "BLANKVALUE": lambda _, args: args[1] if args[0] is None else args[0],
    "NULLVALUE": _null_value,
    "ISNUMBER": lambda _, args: args[0] is not None and bool(_NUMERIC.fullmatch(args[0])),
    # The chosen value "" is the picklist that is not filled.
    "ISPICKVAL": lambda _, args: args[0] == args[1],
    "LEFT": _null_if_any(_left),
    "RIGHT": _null_if_any(_right),
    "MID": _null_if_any(_mid),
    "LEN": lambda _, args: Decimal(len(args[0] or "")),
    "LOWER": _null_if_any(str.lower),
    "UPPER": _null_if_any(str.upper),
    "TRIM": _null_if_any(str.strip),
    "MAX": _null_if_any(max),
    "MIN": _null_if_any(min),
    "MOD": _null_if_any(lambda a, b: a % b),
    # The whole text must match, and a blank text is "" (engine: FunctionRegex). The dialect here is Python's.
    "REGEX": lambda _, args: re.fullmatch(args[1] or "", args[0] or "") is not None,
    "ROUND": _null_if_any(_round),
    "SUBSTITUTE": lambda _, args: None if None in args[:2] else args[0].replace(args[1], args[2] or ""),
    "TEXT": _null_if_any(_written),
    "VALUE": _null_if_any(_number),
}
