"""Node and the packages that tests/clients/package.json pins: installed once, in a cache outside the tree.

Not here: what is run with them (tests/clients). Where node, npm or the packages cannot be had, the test that asks for
them is skipped and says what is missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).parent / "clients"
PINNED = ("package.json", "package-lock.json")
DONE = "complete"
INSTALL_SECONDS = 300
RUN_SECONDS = 120
LEAST_NODE = (20, 18)
"""What the packages need at least."""


def run(script: Path, *arguments: str, **environment: str) -> Any:
    """What a script prints, as JSON. Skips the test when there is no node; fails it when the script fails."""
    return json.loads(said(script, *arguments, **environment))


def said(script: Path, *arguments: str, **environment: str) -> str:
    """What a script prints. Skips the test when there is no node; fails it when the script fails."""
    return said_with(CLIENTS, script, *arguments, **environment)


def said_with(pinned: Path, script: Path, *arguments: str, **environment: str) -> str:
    """As `said`, with the packages that this folder pins."""
    folder = modules(pinned)
    done = subprocess.run(
        ["node", str(script), *arguments],
        env={**os.environ, "NODE_PATH": str(folder / "node_modules"), **environment},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def modules(pinned: Path = CLIENTS) -> Path:
    """The folder with ``node_modules``, made if need be. Skips the test when it cannot be made."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on the PATH; the vendor's own tools need Node {_spoken(LEAST_NODE)} or later")
    version = node_version("node")
    if version < LEAST_NODE:
        pytest.skip(f"Node {_spoken(version)} is here; the vendor's own tools need {_spoken(LEAST_NODE)} or later")
    folder = _place(pinned)
    with _alone(folder):
        if not (folder / DONE).exists():
            _install(folder, pinned)
    return folder


def has(pinned: Path) -> bool:
    """Whether the packages pinned in this folder are in the cache."""
    return (_place(pinned) / DONE).exists()


def node_version(node: str | Path) -> tuple[int, ...]:
    """The version of a Node: (24, 21, 0)."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.strip().removeprefix("v").split("."))


def _install(folder: Path, pinned: Path) -> None:
    for name in PINNED:
        shutil.copy(pinned / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm ci took longer than {INSTALL_SECONDS} seconds")
    if done.returncode:
        last = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        pytest.skip(f"npm ci could not install the packages of tests/clients: {last}")
    (folder / DONE).touch()


def _place(pinned: Path) -> Path:
    digest = hashlib.sha256(b"".join((pinned / name).read_bytes() for name in PINNED)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "handoff-connector"
    return cache / f"{pinned.name}-{digest}"


def _spoken(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One installation at a time, whichever test process asks first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
