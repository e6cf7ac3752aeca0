"""CSV: nothing a person typed is computed by a spreadsheet, and every value comes back as it was."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connector.sheets import GUARD, Cell, write_csv


def written(*rows: tuple[Cell, ...], header: tuple[str, ...] = ("a",)) -> list[list[str]]:
    out = io.StringIO(newline="")
    write_csv(out, header, rows)
    return list(csv.reader(io.StringIO(out.getvalue(), newline="")))[1:]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1+1",
        "＋1",
        "－1",
        "＠SUM(A1)",
        "﹦1",
        "  =1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
        "\x00=1",
        "\u202e=1",
        "−1",
        "|calc",
        "%0",
        "\u3000=1",
    ],
)
def test_what_a_spreadsheet_might_compute_is_shown_as_text(text: str) -> None:
    cell = written((text,))[0][0]
    assert all(line.startswith(GUARD) or not line.strip() for line in cell.split("\n"))
    assert GUARD in cell


def test_a_formula_on_a_later_line_of_a_cell_is_text_too() -> None:
    assert written(("Fine\r\n=1+1",))[0][0] == "Fine\n'=1+1"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (-5, "-5"),
        (Decimal("-1E+3"), "-1000"),
        (-0.5, "-0.5"),
        (True, "yes"),
        (None, ""),
        (date(2026, 2, 3), "2026-02-03"),
        (datetime(2026, 2, 3, 4, 5, tzinfo=UTC), "2026-02-03T04:05:00+00:00"),
        ("a - b = c", "a - b = c"),
        ('say "no", then', 'say "no", then'),
        ("first\nsecond", "first\nsecond"),
    ],
)
def test_numbers_stay_numbers_and_harmless_text_stays_as_it_is(cell: Cell, expected: str) -> None:
    assert written((cell,))[0][0] == expected


def test_rows_end_and_quote_as_the_standard_has_it() -> None:
    out = io.StringIO(newline="")
    assert write_csv(out, ("=name", "n"), [('x "y"', 1)]) == 1
    assert out.getvalue() == "'=name,n\r\n" + '"x ""y""",1\r\n'


def test_halves_of_characters_leave_a_file_that_can_be_written() -> None:
    out = io.StringIO(newline="")
    write_csv(out, ("a",), [("x\ud800y",)])
    assert out.getvalue().encode("utf-8") == b"a\r\nxy\r\n"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 has 2 cells"):
        written((1, 2))
