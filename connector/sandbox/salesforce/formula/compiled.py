"""A formula that may be saved: parsed, checked and within the limits.

Not where it is kept, and not the message of the rule (`rules.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.formula.check import Checker, Typed
from connector.sandbox.salesforce.formula.evaluate import Evaluation
from connector.sandbox.salesforce.formula.faults import FormulaError
from connector.sandbox.salesforce.formula.grammar import read
from connector.sandbox.salesforce.formula.names import Kind, Names
from connector.sandbox.salesforce.objects import objects_at_first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector.sandbox.salesforce.fields import ObjectType
    from connector.sandbox.salesforce.formula.surroundings import Surroundings

MAX_CHARACTERS = 3_900
"""Of the source (facts: Salesforce §5.3; engine: MAX_FORMULA_LENGTH)."""
MAX_BYTES = 4_000
"""Of the source in UTF-8 (facts: Salesforce §5.3; engine: MAX_STORAGE_SIZE)."""
MAX_COMPILED = 5_000
"""Facts: Salesforce §5.3; engine: MAX_SQL_SIZE_NEW_FORMULA. Newer orgs may allow 15,000 (MAX_SQL_SIZE_LIMIT)."""

# The vendor compiles to SQL and does not say how; this is the stated estimate of that text's length.
COLUMN_COST = 18
"""A field: an aliased column of the object's table."""
HOP_COST = 34
"""Each relationship on the way to it: a join."""
CALL_COST = 8
"""A function or operator, beside its own name: brackets, blanks and keywords such as CASE WHEN ... END."""
NUMBER_GUARD = 10
"""A number or date: the conversion around it."""
TWICE = frozenset({"ISPICKVAL", "BLANKVALUE", "NULLVALUE", "CONTAINS", "BEGINS", "LEFT", "RIGHT", "MID", "INCLUDES"})
"""Functions whose first argument is written a second time, to test it for null."""
_AT_FIRST = {kind.name.lower(): kind for kind in objects_at_first(bare=False)}


@dataclass(frozen=True, slots=True)
class Formula:
    """A checked formula. `size` is the estimate of its compiled size in characters."""

    text: str
    root: Typed
    size: int

    def fires(self, record: Mapping[str, Any], prior: Mapping[str, Any] | None, *, around: Surroundings) -> bool:
        """Whether it is true of the record (stored values by field name); `prior` is None for a new record.

        Raises RuntimeFault when it cannot be evaluated.
        """
        return Evaluation(record, prior, around).value(self.root) is True


def parse(
    text: str,
    object_type: ObjectType,
    *,
    find: Callable[[str], ObjectType | None] = lambda name: _AT_FIRST.get(name.lower()),
    permitted: Callable[[str], bool] = lambda _name: True,
) -> Formula:
    """The formula of a rule on an object. Raises FormulaError, in the vendor's words.

    `find` gives the other objects that paths lead to, else those an org begins with; `permitted` tells which custom
    permissions exist.
    """
    if len(text) > MAX_CHARACTERS:
        limit = f"Maximum length is {MAX_CHARACTERS:,} characters"
        raise FormulaError(f"Formula is too long ({len(text):,} characters).  {limit}")
    if (weight := len(text.encode())) > MAX_BYTES:
        raise FormulaError(f"Encoded formula is too long ({weight:,} characters). Value cannot exceed {MAX_BYTES:,}.")
    root = Checker(Names(object_type, find, permitted)).whole(read(text))
    size = compiled_size(root)
    if size > MAX_COMPILED:
        limit = f"Maximum size is {MAX_COMPILED:,} characters"
        raise FormulaError(f"Compiled formula is too big to execute ({size:,} characters). {limit}")
    return Formula(text, root, size)


def compiled_size(node: Typed) -> int:
    """The estimated length of the compiled text.

    Literals count as written; a field a column, and a join for each relationship; a call its name, its brackets and
    its arguments. CASE writes its first argument once for each pair, and `TWICE` lists who writes theirs twice.
    """
    if node.source is not None:
        guard = NUMBER_GUARD if node.kind in (Kind.NUMBER, Kind.DATE, Kind.DATETIME) else 0
        return COLUMN_COST + guard + HOP_COST * len(node.source.hops)
    if not node.name:
        value = node.value
        return len(str(value).encode()) + 2 if isinstance(value, str | Decimal) else 5
    sizes = [compiled_size(arg) for arg in node.args]
    again = 0
    if node.name == "CASE":
        again = sizes[0] * (len(sizes) // 2 - 1)
    elif node.name in TWICE:
        again = sizes[0]
    separators = 5 * max(0, len(sizes) - 1)
    return len(node.name) + CALL_COST + separators + sum(sizes) + again
