"""No text reaches a vendor's query but as a value: statements are made in one place each, of names and typed values.

mypy holds the other half: Salesforce's session takes nothing but `Soql`, and a text is none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.crm.salesforce import soql

ROOT = Path(__file__).resolve().parents[2]
SALESFORCE = ROOT / "connector" / "crm" / "salesforce"
HUBSPOT = ROOT / "connector" / "crm" / "hubspot"
MADE_ONLY_THERE = {"Soql", "Where", "Open"}


def modules(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every literal text, those within f-strings included, and no docstring."""
    said = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def test_only_the_builder_makes_statements_and_conditions() -> None:
    made = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in modules(SALESFORCE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called(node) in MADE_ONLY_THERE | {"cast"} and path.name != "soql.py"
        if called(node) != "cast" or any(name in ast.dump(node) for name in MADE_ONLY_THERE)
    }
    assert made == set()


def test_no_other_module_writes_a_piece_of_a_statement() -> None:
    pieces = ("SELECT ", " WHERE ", " IN (", "FROM ", "ORDER BY", "?q=", "/query/?")
    found = {
        f"{path.relative_to(ROOT)}:{line} {text!r}"
        for path, tree in modules(SALESFORCE)
        if path.name != "soql.py"
        for line, text in texts(tree)
        if any(piece in text for piece in pieces)
    }
    assert found == set()


def test_filters_of_hubspot_are_made_in_one_module() -> None:
    keys = {"operator"}
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path, tree in modules(HUBSPOT)
        for line, text in texts(tree)
        if text in keys
    }
    assert {each.rpartition("/")[2].partition(":")[0] for each in found} == {"search.py"}


@pytest.mark.parametrize(
    "text", ["Id FROM User", "Id, Name", "Id--", "(SELECT Id FROM Tasks)", "", "Id\n", "Ｉd", "Id OR 1", "a" * 200]
)
def test_what_is_no_name_is_refused_wherever_a_name_goes(text: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        soql.select([text], of="Account")
    with pytest.raises(ValueError, match="no name"):
        soql.select(["Id"], of=text)
    with pytest.raises(ValueError, match="no name"):
        soql.where(text, "=", "x")
    with pytest.raises(ValueError, match="no name"):
        soql.select(["Id"], of="Account", order=(text,))
