"""Every column of text is listed as what it can hold, and the operator's guide shows those that can tell of a person.

The table between the ``<!-- personal -->`` marks is written by ``python tests/architecture/test_personal.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import String

from connector.store.personal import COLUMNS, Whose
from connector.store.schema import metadata

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operator-guide.md"
TABLE = re.compile(r"(<!-- personal -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def text_columns() -> set[str]:
    return {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String)
    }


def personal_table() -> str:
    lines = ["| Column | Can hold | Of whom | `handoff forget` |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {holds.what} | {holds.whose.value} | {holds.way.value} |"
        for name, holds in COLUMNS.items()
        if holds.whose is not Whose.NOBODY
    ]
    return "\n".join(lines) + "\n"


def test_every_column_of_text_is_listed() -> None:
    assert text_columns() - set(COLUMNS) == set(), "say in connector/store/personal.py what it can hold, and of whom"


def test_nothing_is_listed_that_is_not_there() -> None:
    assert set(COLUMNS) - text_columns() == set()


def test_the_guide_shows_the_list() -> None:
    found = TABLE.search(GUIDE.read_text(encoding="utf-8"))
    assert found is not None
    assert found.group(2) == personal_table(), "run: python tests/architecture/test_personal.py"


if __name__ == "__main__":
    text = GUIDE.read_text(encoding="utf-8")
    GUIDE.write_text(
        TABLE.sub(lambda found: found.group(1) + personal_table() + found.group(3), text), encoding="utf-8"
    )
