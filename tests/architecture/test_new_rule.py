"""Adding a rule is one new file and one line: it then speaks in decide, in ``plan`` and in ``explain``.

Done in a copy of the package, which is compared with the original file by file: nothing else had to change.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import Site, site

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.system

RULE = '''"""Discounts: a deal with special terms is pointed out to whoever reads its plan.

Not here: writing anything.
"""

from __future__ import annotations

from connector.handoff.case import Case
from connector.handoff.plan import Finding, Verdict

NAME = "discounts"


def find(case: Case) -> Finding | None:
    """Say that the deal has special terms; None when it has none."""
    terms = case.value("special_terms")
    return Finding(NAME, Verdict.IN_SYNC, f"Special terms were agreed: {terms}.") if terms else None
'''
REGISTRY = "connector/handoff/rules/__init__.py"
NEW_FILE = "connector/handoff/rules/discounts.py"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """A site with one won deal on each CRM."""
    with site(tmp_path / "site", first_run='first_run = "act_since"\nact_since = 2020-01-01') as made:
        yield made


def with_rule(folder: Path) -> Path:
    """A copy of the package with the rule: one file, and one name in the registry's import and tuple."""
    # With what is compiled of it, which stays good: the times of the files are copied too.
    shutil.copytree(ROOT / "connector", folder / "connector")
    (folder / NEW_FILE).write_text(RULE)
    registry = folder / REGISTRY
    text = registry.read_text()
    assert text.count("    notify.find,\n") == 1
    text = text.replace("    notify.find,\n", "    notify.find,\n    discounts.find,\n")
    assert text.count("    assignment,\n") == 1
    registry.write_text(text.replace("    assignment,\n", "    assignment,\n    discounts,\n"))
    return folder


def changed(copy: Path) -> set[str]:
    """Files that differ from the original or are new."""
    found = set()
    for path in sorted((copy / "connector").rglob("*")):
        relative = path.relative_to(copy)
        original = ROOT / relative
        if path.is_dir() or path.suffix == ".pyc":
            continue
        if not original.exists() or not filecmp.cmp(path, original, shallow=False):
            found.add(str(relative))
    return found


def test_a_rule_is_one_file_and_one_line(tmp_path: Path, ground: Site) -> None:
    desk = ground.sf
    deal = desk.win(desk.deal(special_terms="20% off in the first year"))
    plain = desk.win(desk.deal())
    copy = with_rule(tmp_path / "copy")
    assert changed(copy) == {NEW_FILE, REGISTRY}

    config = str(ground.folder / "config.toml")

    def run(*arguments: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-m", "connector", *arguments, "--json", "--system", "sf", "--config", config],
            cwd=ground.folder,
            env=ground.environment(PYTHONPATH=f"{copy}{os.pathsep}{ROOT / 'tests'}"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    words = "Special terms were agreed: 20% off in the first year."
    explained = run("explain", deal)
    assert words in [each["reason"] for each in explained["findings"] if each["rule"] == "discounts"]
    planned = run("plan", deal, plain)
    by_deal = {plan["deal"]: plan["findings"] for plan in planned["sf"]["plans"]}
    assert words in [each["reason"] for each in by_deal[deal]]
    assert "discounts" not in {each["rule"] for each in by_deal[plain]}
    assert changed(copy) == {NEW_FILE, REGISTRY}

    assert "discounts" not in ground.run("explain", deal, "--json").text, "without the copy there is no such rule"
