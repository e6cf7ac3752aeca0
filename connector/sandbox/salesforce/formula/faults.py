"""What is wrong with a formula, in the vendor's words (engine: message labels).

Not the refusal of a record: a rule that fires is no fault of its formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connector.sandbox.salesforce.formula.nodes import Call, Place


class FormulaError(ValueError):
    """A formula that cannot be saved. `line` and `column` count from 1."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line, self.column = place or (1, 1)


class RuntimeFault(ArithmeticError):
    """A formula that cannot be evaluated on this record: a division by zero, a text that is no number."""


def element(call: Call) -> str:
    """How a message names a function or an operator."""
    return f"function '{call.name}()'" if call.name.isalpha() else f"operator '{call.name}'"


def wrong_type(call: Call, expected: Iterable[str], received: str) -> FormulaError:
    """An argument of the wrong type."""
    words = f"Incorrect parameter type for {element(call)}. Expected {', '.join(expected)}, received {received}"
    return FormulaError(words, call.place)


def wrong_count(call: Call, expected: int) -> FormulaError:
    """Too few or too many arguments."""
    found = len(call.args)
    words = f"Incorrect number of parameters for {element(call)}. Expected {expected}, received {found}"
    return FormulaError(words, call.place)


def illegal_type(call: Call) -> FormulaError:
    """An argument of a type that the function never takes."""
    return FormulaError(f"Incorrect argument type for {element(call)}.", call.place)


def no_such_field(path: str, place: Place) -> FormulaError:
    """A field that does not exist, or that formulas may not name."""
    return FormulaError(f"Field {path} does not exist. Check spelling.", place)


def unsupported_type(label: str, path: str, place: Place) -> FormulaError:
    """A field of a type that formulas do not take."""
    words = f'You referenced an unsupported field type called "{label}" using the following field: {path}'
    return FormulaError(words, place)


def picklist_misplaced(path: str, place: Place, *, several: bool) -> FormulaError:
    """A picklist field outside the few functions that take one."""
    kind = ("a multi-select", "Multi-select picklist") if several else ("a", "Picklist")
    words = f"Field {path} is {kind[0]} picklist field. {kind[1]} fields are only supported in certain functions."
    return FormulaError(words, place)
