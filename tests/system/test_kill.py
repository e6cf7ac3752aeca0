"""A daemon is killed with its writes in the air and started again: nothing may be lost and nothing doubled.

A thin slice of ``python -m chaos kills``, which does this at every failpoint, on both CRMs, with every feed and from
many seeds, and compares as here: with a world with the same people in which nothing was killed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from daemons import Daemon

from chaos.ground import fallen
from chaos.kills import Chain, Strike, killed, play
from chaos.picture import Difference, Picture, compare
from chaos.points import HS_POLLED, Way
from connector.failpoints import Failpoint

pytestmark = pytest.mark.system


def test_nothing_is_lost_or_doubled_by_a_kill(tmp_path: Path) -> None:
    ended = play(Chain(HS_POLLED, 1, (Strike(Failpoint.AFTER_CALL, Way.LIVE, 3),), tmp_path))
    assert not ended.trouble
    assert ended.difference == Difference()
    assert [died.seconds is not None for died in ended.died] == [True]


def test_a_daemon_that_was_not_killed_proves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", "pass"])
    log = tmp_path / "log"
    log.touch()
    with pytest.raises(AssertionError, match="was not killed at decided:1"):
        killed(Daemon(process, log, 0), "decided:1")


def test_a_daemon_that_fell_over_and_went_on_is_told(tmp_path: Path) -> None:
    """From the one log of all daemons of a world, also of one that was killed and started again since."""
    log = tmp_path / "log"
    log.write_text('{"event": "tick.crashed"}\nno json\n{"event": "daemon.started"}\n{"event": "tick.crashed"}\n')
    daemons = [Daemon(Mock(), log, at) for at in (0, 40)]
    assert fallen(Mock(site=Mock(children=daemons))) == ("tick.crashed 2 times",)
    log.write_text('{"event": "daemon.started"}\n')
    assert fallen(Mock(site=Mock(children=daemons))) == ()


def test_what_parts_two_worlds_is_told() -> None:
    """The judge of all the rest: it must see what is missing, what is too much, and what says something else."""
    whole, broken = Picture(), Picture()
    for each in (whole, broken):
        each.effects["deal 1", "task", "setup"] = 1
        each.says["deal 1", "task", "setup"] = ("Setup", "maya")
        each.fields["deal 1", "gate"] = "Released"
    assert compare(broken, whole) == Difference()
    broken.effects["deal 1", "task", "setup"] = 2
    whole.effects["messages", "message", "held"] = 1
    broken.says["deal 1", "task", "setup"] = ("Setup", "tomas")
    del broken.fields["deal 1", "gate"]
    told = compare(broken, whole)
    assert [len(each) for each in (told.lost, told.doubled, told.other)] == [2, 1, 1]
    assert told.lost[0] == "messages: message held is missing"
    assert told.doubled == ("deal 1: task setup is too much",)
    assert "tomas" in told.other[0]
