"""A process that dies of a fault: one event, no values of variables, no secrets, no memory dump."""

from __future__ import annotations

import json
import subprocess
import sys

SECRET = "hunter2-very-secret-value"
PREPARED = f"""
import sys, threading
from connector import crash, logs
logs.set_up(secrets=[{SECRET!r}])
crash.log_crashes()
crash.no_dumps()
def fail():
    password = local_variable = {SECRET!r} + "x" * 3
    raise RuntimeError("the door said\\n" + local_variable + " Bearer abcdefgh12345678")
"""


def run(ending: str) -> subprocess.CompletedProcess[str]:
    program = PREPARED + ending
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_a_crash_is_one_event_without_secrets() -> None:
    done = run("threading.Thread(target=fail, name='worker').start()\nfail()")
    assert done.returncode == 1
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {each["event"] for each in events} == {"process.crashed", "thread.crashed"}
    assert all("RuntimeError" in each["exception"] and "line" in each["exception"] for each in events)
    assert SECRET not in done.stderr
    assert "abcdefgh12345678" not in done.stderr
    assert "xxx" not in done.stderr.replace("[hidden]xxx", "")


def test_no_memory_is_dumped() -> None:
    done = run(
        "import resource, ctypes\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    assert done.stdout.split() == ["0", "0" if sys.platform == "linux" else done.stdout.split()[-1]]


def test_a_command_that_falls_over_hides_what_looks_like_a_secret() -> None:
    program = "from connector import crash; crash.show_crashes(); raise ValueError('Bearer abcdefgh12345678 \\x1b[2J')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "ValueError: Bearer [hidden] \\x1b[2J" in done.stderr
    assert "abcdefgh12345678" not in done.stderr
