"""``python -m supply licences|sbom|audit``. Exit codes: 0 all well, 1 something is wrong, 3 it could not be looked up.

Not here: what is checked (a module each).
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from supply.audit import audit
from supply.bill import bill
from supply.licences import allowed, judge, refusals

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
RUNTIME = ROOT / "requirements" / "runtime.txt"
DEV = ROOT / "requirements" / "dev.txt"
AUDIT = ROOT / "requirements" / "audit.txt"
NOT_DONE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of them; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m supply", description="Licences, bill of materials, audit.")
    parser.add_argument("what", choices=("licences", "sbom", "audit"))
    parser.add_argument("--of", choices=("product", "auditor"), default="product", help="licences: whose")
    asked = parser.parse_args(arguments)
    if asked.what == "sbom":
        return _bill()
    return _licences(asked.of) if asked.what == "licences" else _audit()


def _licences(of: str) -> int:
    by = allowed(PROJECT)
    locks = {"product": ((RUNTIME, True), (DEV, False)), "auditor": ((AUDIT, False),)}[of]
    verdicts = [each for lock, shipped in locks for each in judge(lock, shipped=shipped, by=by)]
    wrong = refusals(verdicts)
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    kinds = sorted({each.licence for each in verdicts if each.licence})
    sys.stdout.write(
        f"{len(verdicts)} packages, {len(kinds)} licences ({'; '.join(kinds)}): {len(wrong)} not allowed\n"
    )
    return 1 if wrong or not verdicts else 0


def _bill() -> int:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    made = bill(RUNTIME, name=project["name"], version=project["version"], known=allowed(PROJECT).packages)
    sys.stdout.write(json.dumps(made, indent=1, sort_keys=True) + "\n")
    return 0


def _audit() -> int:
    found = audit((RUNTIME, DEV))
    for line in found.findings:
        sys.stderr.write(f"{line}\n")
    if found.findings:
        return 1
    if not found.done:
        sys.stderr.write(
            f"NOT AUDITED: {found.looked_up} of {found.locked} packages could be looked up; no source of known "
            "vulnerabilities answers from here. Nothing is known to be wrong because nothing is known. Run it where "
            "the network allows it: make audit-deps\n"
        )
        return NOT_DONE
    sys.stdout.write(f"{found.looked_up} of {found.locked} packages looked up: no known vulnerabilities\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
