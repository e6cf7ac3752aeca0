"""``handoff demo`` as a newcomer runs it: Ctrl-C and again, two at once, interrupted while it starts.

Not here: what the demo shows (the other browser tests).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from daemons import until

pytestmark = pytest.mark.system

DEAL = {"system": "sf", "object": "Opportunity"}
HEARS_HANGUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-u", "-m", "connector", *sys.argv[1:]])
"""
"""Starts the connector with a hang-up not ignored, as tests that run under nohup would hand down. By a program of its
own: what Python runs between fork and exec may wait for ever where gRPC has been used before.
"""


@dataclass(slots=True)
class Demo:
    """A running ``handoff demo`` and what it has printed."""

    process: subprocess.Popen[str]
    folder: Path
    said: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Everything it has printed so far."""
        return "".join(self.said)

    def wait_for(self, words: str) -> None:
        """Wait until it has printed these words."""
        until(lambda: words in self.text() or self.process.poll() is not None, words)
        assert words in self.text(), self.text()

    def address(self, label: str) -> str:
        """An address it printed."""
        found = re.search(rf"{label} +(http://\S+)", self.text())
        assert found, self.text()
        return found[1]

    def control(self) -> str:
        """The sandbox's control API, as its process was told."""
        (sandbox,) = [args for args in self.children().values() if "sandbox" in args]
        return f"http://127.0.0.1:{sandbox[sandbox.index('--port-control') + 1]}"

    def children(self) -> dict[int, list[str]]:
        """Live processes that were started for this demo's folder, with their arguments."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self.process.pid:
                try:
                    args = (entry / "cmdline").read_text().split("\0")
                except OSError:
                    continue
                if any(str(self.folder) in arg for arg in args):
                    found[int(entry.name)] = args
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal as Ctrl-C does and wait for the end."""
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[Any]:
    """Starts demos; ends those that still run."""
    started: list[Demo] = []

    def run(*arguments: str, folder: str = "demo") -> Demo:
        process = subprocess.Popen(
            [sys.executable, "-c", HEARS_HANGUP, "demo", "--folder", str(tmp_path / folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "COLUMNS": "100"},
        )
        demo = Demo(process, tmp_path / folder)
        reader = threading.Thread(target=lambda: demo.said.extend(iter(process.stdout.readline, "")), daemon=True)  # type: ignore[union-attr]
        reader.start()
        started.append(demo)
        return demo

    yield run
    for demo in started:
        if demo.process.poll() is None:
            demo.stop(signal.SIGTERM)


def test_it_stops_cleanly_and_continues_where_it_was(demos: Any) -> None:
    first = demos()
    first.wait_for("Ctrl-C")
    deal = requests.get(first.control() + "/records", params=DEAL, timeout=30).json()[0]["id"]
    changed = {**DEAL, "id": deal, "changes": {"NextStep": "Call on Monday"}}
    requests.post(first.control() + "/record", json=changed, timeout=30).raise_for_status()
    for label in ("Salesforce org", "HubSpot portal", "Status page"):
        assert requests.get(first.address(label), timeout=30).status_code == 200
    assert first.stop() == 0
    assert first.children() == {}
    until(lambda: "Run it again to continue" in first.text(), "the closing words")
    assert "Traceback" not in first.text()

    second = demos()
    second.wait_for("Ctrl-C")
    assert "Continuing" in second.text()
    found = requests.get(second.control() + "/record", params={**DEAL, "id": deal}, timeout=30).json()
    assert found["values"]["NextStep"] == "Call on Monday"
    assert second.stop(signal.SIGTERM) == 0

    third = demos("--fresh")
    third.wait_for("Ctrl-C")
    found = requests.get(third.control() + "/records", params=DEAL, timeout=30).json()
    assert "Call on Monday" not in [row["values"].get("NextStep") for row in found]


def test_two_run_beside_each_other_but_not_in_one_folder(demos: Any) -> None:
    first = demos()
    first.wait_for("Ctrl-C")
    second = demos(folder="other")
    second.wait_for("Ctrl-C")
    assert "usual ports are taken" in second.text()
    assert first.address("Salesforce org") != second.address("Salesforce org")

    third = demos("--fresh")
    assert third.process.wait(60) == 2, third.text()
    until(lambda: "a demo is running in it" in third.text(), "what to do")
    assert requests.get(first.address("Status page") + "/readyz", timeout=30).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_start_leaves_nothing_behind(demos: Any, number: signal.Signals) -> None:
    demo = demos()
    until(demo.children, "a first process of the demo")
    assert demo.stop(number) == 0
    assert demo.children() == {}
    assert "Ready" not in demo.text()


def test_an_interrupted_period_leaves_no_process(demos: Any) -> None:
    demo = demos("--headless", "--deals", "20")
    until(lambda: len(demo.children()) == 2, "sandbox and daemon")
    assert demo.stop() != 0
    assert demo.children() == {}
    assert "Traceback" not in demo.text()


def test_a_folder_with_other_things_in_it_is_left_alone(demos: Any, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("years of work")
    demo = demos("--fresh")
    assert demo.process.wait(60) == 2
    until(lambda: "no demo made it" in demo.text(), "what is wrong")
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "years of work"
