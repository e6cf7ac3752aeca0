"""Known vulnerabilities of every locked package, asked of a public source by ``pip-audit``; silence is not consent.

Not here: the source. ``pip-audit`` ends well when it could look up nothing at all, as behind a registry that serves no
such data. So its answer is counted: every package must have been looked up, and a package that is known to be
vulnerable, asked for beside them, must have been found.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supply.lock import Locked, union

KNOWN_BAD = ("jinja2", "2.10")
"""Has had published vulnerabilities since 2019 (CVE-2019-10906): a source that does not know them knows nothing."""

TIMEOUT = 300.0
"""Seconds for the whole look-up."""

SOURCES = ("pypi", "osv")
"""Asked in turn until one answers."""

Ask = Callable[[Path, str], Mapping[str, Any] | None]
"""Looks up a list of pins at a source; the answer as ``pip-audit`` gives it, None when there was none."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of it: how many packages there are, how many were looked up, and what is known of them."""

    locked: int
    looked_up: int
    proven: bool
    findings: tuple[str, ...]

    @property
    def done(self) -> bool:
        """Whether it says anything."""
        return self.proven and self.looked_up == self.locked > 0


def audit(locks: Sequence[Path], *, ask: Ask | None = None) -> Audit:
    """Look all packages of these locks up."""
    packages = union(locks)
    best = Audit(len(packages), 0, proven=False, findings=())
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "pins.txt")
        for source in SOURCES:
            canary = _asked(ask or _ask, pins, [KNOWN_BAD], source)
            if not canary or not canary[0].get("vulns"):
                continue
            told = _asked(ask or _ask, pins, [(each.name, each.version) for each in packages], source)
            best = _counted(packages, told)
            if best.done:
                break
    return best


def _asked(ask: Ask, pins: Path, packages: Sequence[tuple[str, str]], source: str) -> list[Mapping[str, Any]]:
    pins.write_text("".join(f"{name}=={version}\n" for name, version in packages), encoding="utf-8")
    answer = ask(pins, source)
    return list(answer.get("dependencies") or ()) if answer else []


def _counted(packages: Sequence[Locked], told: Sequence[Mapping[str, Any]]) -> Audit:
    answered = {
        (str(each.get("name")).lower().replace("_", "-"), str(each.get("version"))): each.get("vulns")
        for each in told
        if "skip_reason" not in each and isinstance(each.get("vulns"), list)
    }
    looked_up = [answered.get((each.name.replace("_", "-"), each.version)) for each in packages]
    findings = tuple(
        f"{each.name} {each.version}: {one.get('id')}, mended in {' or '.join(one.get('fix_versions') or ['none'])}"
        for each, found in zip(packages, looked_up, strict=True)
        for one in found or ()
    )
    return Audit(len(packages), sum(each is not None for each in looked_up), proven=True, findings=findings)


def _ask(pins: Path, source: str) -> Mapping[str, Any] | None:
    command = [sys.executable, "-m", "pip_audit", "-r", str(pins), "--disable-pip", "--no-deps", "-s", source]
    try:
        done = subprocess.run(
            [*command, "-f", "json", "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
