"""CSV for people who open it in a spreadsheet: no text in it can act as a formula.

Not here: which columns and rows (who exports them). A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``,
``@``, a tab or a line break for a formula, and some do the same for the full-width forms of those signs and after
leading blanks or invisible marks. Such a text gets an apostrophe in front, which spreadsheets show as text. Numbers
given as numbers stay numbers: ``-5`` as an int is -5, ``"-5"`` as text is ``'-5``.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TextIO

from connector.plain import scrubbed

Cell = str | int | float | Decimal | bool | date | datetime | None

FORMULA_SIGNS = frozenset("=+-@\t\r\n|%")
"""What begins a formula: OWASP "CSV Injection"; ``|`` and ``%`` begin a command of the old dynamic data exchange."""

GUARD = "'"


def write_csv(out: TextIO, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> int:
    """Write a table as RFC 4180 has it: CRLF, quotes doubled, one record a row. Returns how many rows were written.

    ``out`` is a text stream opened with ``newline=""`` and UTF-8. Raises ValueError for a row that has not as many
    cells as the header.
    """
    writer = csv.writer(out, dialect="excel", quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    writer.writerow([cell_text(name) for name in header])
    written = 0
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"row {written + 1} has {len(row)} cells, the header {len(header)}")
        # Most texts are taken as they are: nothing in them is to be taken out, and no formula begins with a letter.
        # That is asked here, for a file may have millions of cells.
        writer.writerow(
            [
                cell
                if type(cell) is str and cell[:1].isalnum() and cell.isascii() and cell.isprintable()
                else cell_text(cell)
                for cell in row
            ]
        )
        written += 1
    return written


def cell_text(cell: Cell) -> str:
    """One cell as it stands in the file, before quoting."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case int() | Decimal():
            return format(cell, "f") if isinstance(cell, Decimal) else str(cell)
        case float():
            return repr(cell)
        case datetime() | date():
            return cell.isoformat()
        case str():
            return _guarded(scrubbed(cell))


def _guarded(text: str) -> str:
    """The text, with an apostrophe in front of what a spreadsheet might compute.

    Also a line within a text is guarded: some programs split a quoted cell at its line breaks all the same, and what
    stood at the start of a line then stands at the start of a cell.
    """
    return "\n".join(GUARD + line if _acts(line) else line for line in text.split("\n"))


def _acts(line: str) -> bool:
    if line[:1] in FORMULA_SIGNS:
        return True
    shown = unicodedata.normalize("NFKC", line).lstrip()
    return shown[:1] in FORMULA_SIGNS or shown[:1] in _LOOKALIKES


_LOOKALIKES = frozenset("\u2212\u2010\u2011\u2013\u2014\u207a\u208a\u2795\u2796")
"""Minus and plus signs that compatibility folding leaves alone, and that a spreadsheet's own correction may fold."""
