"""A history that does not go back to the last release proves nothing of an upgrade, and the sum says so.

Not here: the upgrades themselves (``python -m chaos replicas``).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos import replicas, team, upgrades
from chaos.sections import Effort
from chaos.table import total
from chaos.trial import Run
from chaos.weather_postgres import Server

OF_THE_LAST: tuple[Run, ...] = (
    upgrades.a_new_release,
    upgrades.the_way_back,
    upgrades.killed_migrating_a_file,
    upgrades.killed_migrating_a_server,
)


@pytest.mark.parametrize("trial", OF_THE_LAST, ids=lambda each: each.__name__)
def test_a_shallow_history_makes_an_untried_row_that_the_sum_tells(
    trial: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "LAST_RELEASE", "0" * 40)
    effort = Effort(short=False, seed=1, folder=tmp_path, lanes=1, say=lambda _: None)
    row = trial(effort, Server(tmp_path, 0), 0)
    assert (row.tried, row.broken) == (0, 0)
    assert "does not go back" in row.note
    told = total([row])
    assert told.untried == 1
    assert "1 rows could not be tried here" in told.line


def test_a_whole_run_plays_every_one_of_them() -> None:
    assert set(OF_THE_LAST) < set(replicas.TRIALS)


def test_the_short_form_plays_none_that_is_long() -> None:
    assert set(replicas.TRIALS) > replicas.LONG > set(OF_THE_LAST)
