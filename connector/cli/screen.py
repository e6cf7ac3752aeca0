"""What people see in a terminal: nothing a CRM holds can colour it, move its cursor, or link anywhere.

Not here: what is shown (``show``, each command). Cells of a `PlainTable` are texts, not markup; and whatever is printed
on a `Screen`, escape sequences and marks that turn a line around come out as ``\\x1b`` and the like.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from connector.plain import escaped


class Screen(Console):
    """A console that shows what would act on a terminal instead of sending it there."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments, those made of text without anything that acts; rich's own control codes are left alone."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else escaped(text, keep="\n"), style, control)


class PlainTable(Table):
    """A table whose cells say what they hold; a cell that is to be coloured is given as a `Text`."""

    def add_row(self, *cells: RenderableType | None, **how: Any) -> None:
        """Add a row."""
        super().add_row(*(Text(each) if isinstance(each, str) else each for each in cells), **how)


def complain(text: str) -> None:
    """One or more lines on standard error, harmless whatever a file, a CRM or a database said."""
    sys.stderr.write(escaped(text, keep="\n") + "\n")
