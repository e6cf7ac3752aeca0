"""`handoff sandbox` as a real process: it answers, keeps its records, and stops cleanly or not at all."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
WAIT_S = 60


def _arguments(folder: Path, *more: str) -> list[str]:
    ports = [f"--port-{name}=0" for name in ("control", "sf", "hs")]
    return [sys.executable, "-m", "connector", "sandbox", "--folder", str(folder), "--json", *ports, *more]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]]:
    running: list[subprocess.Popen[str]] = []

    def begin(*more: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen(_arguments(tmp_path, *more), stdout=subprocess.PIPE, text=True, cwd=ROOT)
        running.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield begin
    for process in running:
        process.kill()
        process.wait()


def _add_account(control: str, name: str) -> None:
    body = {"system": "sf", "object": "Account", "changes": {"Name": name}}
    assert requests.post(f"{control}/record", json=body, timeout=5).ok


def _accounts(control: str) -> list[str]:
    rows = requests.get(f"{control}/records?system=sf&object=Account", timeout=5).json()
    return [row["values"]["Name"] for row in rows]


def _handoff_fields(sf: str) -> set[str]:
    login = {"grant_type": "client_credentials", "client_id": "handoff-daemon", "client_secret": "sandbox-secret"}
    token = requests.post(f"{sf}/services/oauth2/token", data=login, timeout=5).json()["access_token"]
    url = f"{sf}/services/data/v66.0/sobjects/Opportunity/describe"
    shown = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5).json()["fields"]
    return {field["name"] for field in shown if field["name"].startswith("Handoff_")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_records_survive_however_it_stops(start: Any, number: signal.Signals) -> None:
    process, addresses = start()
    _add_account(addresses["control"], "kept")
    process.send_signal(number)
    assert process.wait(WAIT_S) == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    _, again = start()
    assert _accounts(again["control"]) == ["kept"]


def test_fresh_forgets_and_a_seed_fills(start: Any) -> None:
    process, addresses = start()
    _add_account(addresses["control"], "gone")
    process.terminate()
    process.wait(WAIT_S)
    _, again = start("--fresh", "--seed", "7", "--deals", "20")
    names = _accounts(again["control"])
    assert "gone" not in names
    assert len(names) > 5


def test_a_bare_org_lacks_the_handoff_fields_and_stays_what_it_is(start: Any) -> None:
    process, addresses = start("--bare", "--seed", "7", "--deals", "20")
    assert _handoff_fields(addresses["sf"]) == set()
    process.terminate()
    process.wait(WAIT_S)
    process, again = start()
    assert _handoff_fields(again["sf"]) == set()
    process.terminate()
    process.wait(WAIT_S)
    _, fresh = start("--fresh")
    assert "Handoff_Summary__c" in _handoff_fields(fresh["sf"])


def test_mistakes_are_told_without_a_traceback(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for more, word in (
            (("--load", str(tmp_path / "none")), "no folder"),
            (("--load", str(tmp_path)), "sales_pipeline"),
            (("--into", "sf"), "--load"),
            ((f"--port-sf={port}",), "--port-sf"),
        ):
            done = subprocess.run(
                _arguments(tmp_path, *more), capture_output=True, text=True, cwd=ROOT, timeout=WAIT_S, check=False
            )
            assert done.returncode == 2
            assert word in done.stderr
            assert "Traceback" not in done.stderr
