"""A chaos run that is ended from outside leaves nothing behind: no lane, no daemon, no database server.

Not here: what a run that is let be finds out (``python -m chaos``).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from daemons import ROOT, until

from chaos import guard, weather_postgres

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not guard.available(), reason="processes are found in Linux's /proc alone (chaos/guard.py)"),
]

SERVER = """\
import sys, time
from pathlib import Path
from chaos import guard, weather_postgres
with guard.over(Path(sys.argv[1]), leaving=str), weather_postgres.running() as server:
    print(server.home, flush=True)
    time.sleep(60)
"""


def left(folder: Path) -> list[str]:
    """Living processes whose environment, words or place lie in a folder, but for this one."""
    found = []
    for each in Path("/proc").iterdir():
        if not each.name.isdigit() or int(each.name) == os.getpid():
            continue
        try:
            words = (each / "cmdline").read_bytes()
            told = [(each / "environ").read_bytes(), words, os.fsencode(os.readlink(each / "cwd"))]
        except OSError:
            continue
        if any(os.fsencode(folder) in text for text in told):
            found.append(f"{each.name} {words.replace(bytes(1), b' ').decode()}")
    return found


@contextmanager
def started(*command: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own; what it says on standard error stands in ``folder``/said."""
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)} if command[0] == "-m" else None,
            start_new_session=True,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "lanes"),
    [(signal.SIGINT, "2"), (signal.SIGTERM, "1"), (signal.SIGKILL, "1")],
    ids=("int", "term", "kill"),
)
def test_a_run_that_is_ended_takes_everything_with_it(number: signal.Signals, lanes: str, tmp_path: Path) -> None:
    said = tmp_path / "said"
    with started("-m", "chaos", "kills", "--short", "--seed", "1", "--lanes", lanes, folder=tmp_path) as run:
        folder = Path(until(lambda: re.findall(r", in (/\S+)", said.read_text()), "its folder")[0])
        until(lambda: any(each.stat().st_size for each in folder.rglob("daemon.log")), "a daemon")
        if number is signal.SIGINT:
            os.killpg(run.pid, number)  # as a terminal does
        else:
            run.send_signal(number)
        code = run.wait(20)
    assert code == {signal.SIGKILL: -9}.get(number, 128 + number)
    [line] = until(lambda: re.findall(r"^(?:BROKEN OFF|KILLED).*\n", said.read_text(), re.M), "the line that says so")
    assert str(folder) in line
    assert folder.is_dir()
    if number is not signal.SIGKILL:
        assert f"by {number.name} after" in line
        assert "in kills" in line
        assert left(folder) == [], "they were there after the run had ended"
    assert until(lambda: not left(tmp_path), "all of them to be gone"), left(tmp_path)
    assert "Traceback" not in said.read_text()


@pytest.mark.skipif(not weather_postgres.installed(), reason="PostgreSQL's own programs are not installed here")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_a_database_server_is_stopped_and_its_folder_taken_away(number: signal.Signals, tmp_path: Path) -> None:
    with started("-c", SERVER, str(tmp_path), folder=tmp_path) as run:
        assert run.stdout is not None
        home = Path(run.stdout.readline().strip())
        try:
            assert left(home)
            run.send_signal(number)
            run.wait(20)
            assert until(lambda: not left(home) and not home.exists(), "the server to be gone")
        finally:
            shutil.rmtree(home, ignore_errors=True)


def test_a_daemon_that_lets_nobody_read_its_environment_is_known_by_its_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As each does, to whoever may not trace any process; whoever only reads what it leaves is a stranger."""
    run, proc = tmp_path / "run", tmp_path / "proc"
    config = str(run / "site" / "config.toml")
    words = {
        11: ["python", "-m", "connector", "run", "--config", config],
        12: ["python", "-m", "connector", "run", "--config", str(tmp_path / "run-2" / "config.toml")],
        13: ["tail", "-f", config],
        14: ["python", "-m", "connector", "status", "--config", config],
    }
    for pid, said in words.items():
        (proc / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "cmdline").write_bytes("\0".join([*said, ""]).encode())
        (proc / str(pid) / "comm").write_text("python\n")
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == "environ":
            raise PermissionError(path)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(guard, "PROC", proc)
    assert guard.marked(run) == {11: "python"}


def test_a_run_that_ends_in_order_is_not_said_to_be_gone(tmp_path: Path) -> None:
    """And one who was forgotten is ended all the same."""
    forgets = "\n".join(
        (
            "import subprocess, sys",
            "from pathlib import Path",
            "from chaos import guard",
            "with guard.over(Path(sys.argv[1]), leaving=str):",
            "    subprocess.Popen(['sleep', '60'], start_new_session=True)",
        )
    )
    with started("-c", forgets, str(tmp_path), folder=tmp_path) as run:
        assert run.wait(20) == 0
    assert left(tmp_path) == []
    assert (tmp_path / "said").read_text() == ""
