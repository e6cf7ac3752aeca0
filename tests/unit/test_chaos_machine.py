"""The hostile world's budget: what is asked for is played or its lack is told, and the page says how much that is.

Not here: the stories themselves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos import machine
from chaos.machine.play import Asked, Came

ROOT = Path(__file__).resolve().parents[2]


def came(**values: object) -> Came:
    made = Came(Asked("memory", "sqlite", 12, 20, 1, Path("nowhere"), 5.0), examples=12, steps=240)
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("short", [True, False])
def test_the_page_says_how_many_stories_and_steps_are_played(short: bool) -> None:
    counts = {pair: each[short] for pair, each in machine.EXAMPLES.items()}
    page = " ".join((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").split())
    assert f"it is {sum(counts.values())} stories of at most {machine.STEPS[short]} steps" in page
    if short:
        on = {store: sum(count for (_, each), count in counts.items() if each == store) for _, store in counts}
        assert f"{on['sqlite']} on SQLite and {on['postgresql']} on PostgreSQL" in page


def test_a_batch_that_played_all_holds() -> None:
    row = machine._row(came())
    assert row.held
    assert (row.tried, "asked for" in row.note) == (12, False)
    assert "240 steps" in row.note


def test_a_batch_that_the_clock_ended_says_so_and_holds() -> None:
    row = machine._row(came(examples=5, cut_short=True))
    assert row.held
    assert "cut short by the clock, 12 were asked for" in row.note


@pytest.mark.parametrize("examples", [0, 11])
def test_a_batch_that_ended_for_no_reason_does_not_hold(examples: int) -> None:
    row = machine._row(came(examples=examples))
    assert not row.held
    assert "ended by itself, 12 were asked for" in row.note


def test_a_batch_in_which_a_story_failed_is_told_for_that_alone() -> None:
    row = machine._row(came(examples=3, lost=1, script="world.win(deal=0)", wrong="LOST deal-1"))
    assert (row.lost, row.other) == (1, 0)
    assert "asked for" not in row.note
