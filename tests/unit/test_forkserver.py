"""A forked child of the tests says what a freshly started one would, also when it is killed in the middle.

Not here: the connector; whatever it does differently when forked would show in ``tests/system``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import forkserver
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")

SAYS = """\
import os, signal, sys
sys.stderr.write("before the end\\n")
sys.stderr.write("half a character: \\udcff\\n")
sys.stdout.write("held back")
os.kill(os.getpid(), signal.SIGKILL)
"""

FORKS = """\
import os, sys
import forkserver
tell, out, err = (int(each) for each in sys.argv[1:4])
if os.fork():
    os.wait()
else:
    forkserver._begin({"arguments": [], "cwd": "/", "env": dict(os.environ)}, out, err, tell)
    exec(sys.argv[4])
"""


def test_what_is_said_before_a_kill_is_there(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    env["PYTHONPATH"] = str(Path(forkserver.__file__).parent)
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        told, tell = os.pipe()
        given = (tell, out.fileno(), err.fileno())
        command = [sys.executable, "-c", FORKS, *map(str, given), SAYS]
        assert subprocess.run(command, pass_fds=given, env=env, check=False).returncode == 0
        os.close(tell)
    forked = forkserver.Forked(told)
    plain = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, env=env, check=False)
    assert (forked.wait(), plain.returncode) == (-signal.SIGKILL, -signal.SIGKILL)
    assert ((tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes()) == (plain.stdout, plain.stderr)
    assert plain.stderr == b"before the end\nhalf a character: \\udcff\n"


@pytest.mark.parametrize(
    ("changes", "anew"),
    [({}, False), ({"COLUMNS": "80"}, False), ({"LC_ALL": "C.other"}, True), ({"PYTHONPATH": "elsewhere"}, True)],
)
def test_what_only_a_new_interpreter_heeds_starts_one(*, changes: dict[str, str], anew: bool) -> None:
    assert forkserver._new_python({**os.environ, "PYTHONPATH": str(forkserver.ROOT), **changes}) is anew
