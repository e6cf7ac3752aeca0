"""The table of what is promised: no capability is missing in it, and every test, file and key it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coverage.md"
ROW = re.compile(r"^\| ([A-H]\d+) \|")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?[^`]*`")
FUNCTION = re.compile(r"[`.…]…?(?:::)?(test_\w+)")
FILES = re.compile(r"(?:mappings/)?((?:playbooks/)?[\w-]+\.toml)")
LETTERS = {
    "A": range(1, 12),
    "B": range(1, 5),
    "C": range(1, 9),
    "D": range(1, 6),
    "E": range(1, 10),
    "F": range(1, 13),
    "G": range(1, 10),
    "H": range(1, 10),
}
PROMISED = [f"{letter}{number}" for letter, numbers in LETTERS.items() for number in numbers]
ROWS = {
    found.group(1): [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:6]]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if (found := ROW.match(line))
}


def test_every_capability_has_one_row() -> None:
    rows = [found.group(1) for line in PAGE.read_text(encoding="utf-8").splitlines() if (found := ROW.match(line))]
    assert sorted(set(PROMISED) - set(rows)) == []
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("id", sorted(ROWS))
def test_what_a_row_names_is_there(id: str) -> None:
    key, salesforce, hubspot, seen = ROWS[id]
    tests = NAMED.findall(salesforce)
    assert tests, "name a test"
    assert hubspot, "name the test on the other CRM"
    assert seen, "say what people see"
    whole = ""
    for path, function in tests:
        text = (ROOT / path).read_text(encoding="utf-8")
        whole += text
        assert not function or f"def {function}(" in text, f"{path} has no {function}"
    for function in FUNCTION.findall(salesforce):
        assert f"def {function}(" in whole, f"none of the files has {function}"
    for file in FILES.findall(key):
        example = ROOT / file.replace("config.toml", "config.example.toml")
        assert any(one.is_file() for one in (example, ROOT / "mappings" / file, ROOT / "mappings" / "playbooks" / file))
