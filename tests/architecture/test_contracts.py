"""The architecture holds itself: import contracts that fail when broken, names of log events, and documented parts.

The package is copied before it is broken; the real one is only read.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from connector.cli.app import COMMANDS
from connector.failpoints import Failpoint
from connector.handoff.rules import RULES
from connector.policy.schemas import schema_texts

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "connector"
LINT = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"
EVENT_HOMES = ("engine", "web", "bootstrap", "store")
EVENT = re.compile(r"^[a-z]+\.[a-z_]+$")
PAST = ("ed", "done", "seen", "found", "gone", "read", "sent", "begun", "kept", "lost", "taken", "rebuilt", "stopping")
"""Endings of a verb in the past; ``daemon.stopping`` is the one state that is told while it lasts."""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts on the copy in a folder."""
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def copied(folder: Path) -> Path:
    """A copy of the package with its contracts."""
    shutil.copytree(PACKAGE, folder / "connector", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def add(folder: Path, module: str, line: str) -> None:
    """Put an import at the end of a module of the copy; a new module is made."""
    path = folder / "connector" / module
    path.write_text((path.read_text() if path.exists() else '"""Stray."""\n') + f"\n{line}\n")


def test_the_contracts_hold(tmp_path: Path) -> None:
    done = lint(copied(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


BREAKS = {
    "the core reads the clock": ("handoff/decide.py", "import time", "The core is pure"),
    "the core knows the store": ("handoff/lifecycle.py", "from connector.store import Store", "Floors"),
    "check asks a database": ("policy/check.py", "import sqlalchemy", "The core is pure"),
    "a stray file": ("utils.py", "x = 1", "Floors"),
    "the sandbox reads an adapter": (
        "sandbox/journal.py",
        "from connector.crm.port import Change",
        "The sandbox shares nothing with the connector",
    ),
    "the engine calls simple-salesforce": (
        "engine/brakes.py",
        "import simple_salesforce",
        "Only the Salesforce adapter knows simple-salesforce",
    ),
    "the store calls HubSpot": ("store/audit.py", "import hubspot", "Only the HubSpot adapter knows"),
    "one adapter uses the other": (
        "crm/hubspot/wire.py",
        "from connector.crm.salesforce import soql",
        "Adapters do not know each other",
    ),
    "the web page starts the engine": ("web/status.py", "from connector.engine import onepass", "Floors"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_contract_is_named(what: str, tmp_path: Path) -> None:
    module, line, contract = BREAKS[what]
    folder = copied(tmp_path)
    add(folder, module, line)
    done = lint(folder)
    assert done.returncode != 0, f"{what} went unnoticed:\n{done.stdout}"
    assert " 0 broken" not in done.stdout, done.stdout
    told = " ".join(done.stdout.partition("Broken contracts")[2].split())
    assert contract in told, done.stdout
    assert line.split()[1] in told or "connector.utils" in told, "it does not say which import"


# --- log events


def logged() -> Iterator[tuple[str, int, ast.expr]]:
    """File, line and first argument of every log call of the daemon."""
    for home in EVENT_HOMES:
        path = PACKAGE / home
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "log"
                ):
                    yield str(file.relative_to(ROOT)), node.lineno, node.args[0]


def constants(file: Path) -> dict[str, str]:
    """Text constants of a module by name."""
    return {
        target.id: node.value.value
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def events() -> dict[str, str]:
    """Every log event and where it is logged. Fails for an event that is not a constant of its module."""
    found: dict[str, str] = {}
    for file, line, event in logged():
        assert isinstance(event, ast.Name), f"{file}:{line}: a log event must be a constant, not a text in place"
        value = constants(ROOT / file).get(event.id)
        assert value is not None, f"{file}:{line}: {event.id} is no text constant of this module"
        found[value] = f"{file}:{line}"
    return found


def test_log_events_are_noun_verb_past() -> None:
    found = events()
    assert len(found) > 10
    for event, where in found.items():
        assert EVENT.match(event), f"{where}: {event!r} is not noun.verb_past"
        assert event.endswith(PAST), f"{where}: {event!r} does not end in a verb in the past"


def test_every_failpoint_is_passed_somewhere() -> None:
    """A point nobody comes by would be killed at by no run."""
    code = "".join(file.read_text() for file in PACKAGE.rglob("*.py"))
    assert [point.name for point in Failpoint if f"passing(Failpoint.{point.name})" not in code] == []


# --- documentation


@cache
def documentation() -> str:
    """Everything a reader gets, as one text; the mapping files explain their own keys, each beside it."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "mappings").glob("*.toml"))]
    return "\n".join(file.read_text() for file in files if file.exists())


def config_keys() -> set[str]:
    """Every key of config.toml and the mapping files, by their exported schemas."""
    keys: set[str] = set()
    for text in schema_texts().values():
        schema = json.loads(text)
        for part in (schema, *schema.get("$defs", {}).values()):
            keys |= set(part.get("properties", {}))
    return keys


def rule_names() -> set[str]:
    """The name each rule puts on its finding."""
    return {str(sys.modules[rule.__module__].NAME) for rule in RULES}  # type: ignore[attr-defined]


def missing(names: set[str]) -> list[str]:
    """Names which no document mentions as a word of its own."""
    text = documentation()
    return sorted(name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("command", {f"handoff {command}" for command in COMMANDS}),
        ("config key", config_keys()),
        ("rule", rule_names()),
        ("log event", set(events())),
    ],
    ids=["commands", "config keys", "rules", "log events"],
)
def test_it_is_documented(what: str, names: set[str]) -> None:
    absent = missing(names)
    assert not absent, f"README.md and docs/*.md do not mention {len(absent)} {what}(s): {', '.join(absent)}"


def test_every_file_of_the_walk_is_named_in_the_architecture_document() -> None:
    """A reader who follows ``poll … settle`` is led from file to file."""
    document = ROOT / "docs" / "architecture.md"
    text = document.read_text()
    walk = ("detector", "reconciler", "decide", "record", "dispatcher", "verifier", "rescuer", "sweeper", "onepass")
    absent = [name for name in walk if f"{name}.py" not in text]
    assert not absent, f"docs/architecture.md does not name: {', '.join(absent)}"
