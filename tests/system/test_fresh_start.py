"""A daemon and a command as people start them, each by an interpreter of its own.

Not here: what they do; everywhere else they are forked off a process that has imported them (``forkserver``), where
nothing would tell that one of them can no longer be imported, or set up, from scratch.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import forkserver
import pytest
from daemons import site, until

pytestmark = pytest.mark.system


def test_a_win_is_handed_off_by_a_daemon_that_was_started_from_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(forkserver.EXEC, "1")
    with site(tmp_path / "site") as made:
        made.begin()
        with made.daemon() as daemon:
            assert isinstance(daemon.process, subprocess.Popen)
            daemon.wait_for("daemon.started")
            deals = {desk.name: desk.won(1) for desk in made.desks}
            until(
                lambda: all(desk.handed_off(each) for desk in made.desks for each in deals[desk.name]), "the handoffs"
            )
        assert made.run("status").code == 0
