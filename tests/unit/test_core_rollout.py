"""What a pilot comes to: both groups by hand-made wins, the advice before act, and the report as a paper. Pure."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.documents.rollout import paper
from connector.handoff.rollout import FEW, Middle, Tried, rollout
from connector.papers import html, markdown

WON = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
MAYA, TOMAS = "maya@seller.example", "tomas@seller.example"


def tried(number: int = 1, **changes: Any) -> Tried:
    """A complete win that the rules gave to Maya, and people too, forty minutes later."""
    plain = Tried(
        deal_id=f"d{number}",
        generation=1,
        acted=False,
        ae="ana@seller.example",
        won_at=WON,
        first_at=WON,
        seen_at=WON,
        asked=4,
        gaps=(),
        gaps_left=0,
        held=False,
        filled_at=WON,
        had_csm=False,
        would=MAYA,
        rule="growth",
        csm=MAYA,
        csm_at=WON + timedelta(minutes=40),
        tasks=4,
        messages=1,
        touched_at=None,
        percent_first=100,
        percent=100,
        rating=None,
        feedback="",
    )
    return dataclasses.replace(plain, **changes)


def held(number: int, **changes: Any) -> Tried:
    plain: dict[str, Any] = {
        "held": True, "gaps": ("Champion",), "filled_at": None, "would": "", "tasks": 0, "percent_first": 75,
        "percent": 75,
    }  # fmt: skip
    return tried(number, **{**plain, **changes})


def test_both_groups_are_counted_apart() -> None:
    found = rollout([tried(1), tried(2, acted=True, csm_at=WON + timedelta(minutes=2)), tried(3, csm="", csm_at=None)])
    assert (found.acted.wins, found.observed.wins) == (1, 2)
    assert (found.acted.csm_minutes, found.observed.csm_minutes) == (Middle(2.0, 1), Middle(40.0, 1))
    assert (found.observed.same, found.observed.other, found.observed.without_csm) == (1, 0, 1)
    assert found.observed.tasks == 8


def test_a_win_that_would_be_held_is_let_go_when_work_went_on_before_it_was_filled() -> None:
    waited = held(1, filled_at=WON + timedelta(minutes=5))
    late = held(2, filled_at=WON + timedelta(hours=5))
    never = held(3)
    untouched = held(4, csm="", csm_at=None)
    found = rollout([waited, late, never, untouched]).observed
    assert (found.held, found.filled, found.let_go) == (4, 2, 2)


def test_a_customer_who_had_a_csm_is_nobodys_choice() -> None:
    found = rollout([tried(1, had_csm=True, csm=TOMAS)]).observed
    assert (found.same, found.other, found.csm_minutes) == (0, 0, Middle())


def test_medians_and_means_say_of_how_many() -> None:
    hours = (1, 2, 30, 4)
    found = rollout(
        [
            tried(n, touched_at=WON + timedelta(hours=h), rating=r)
            for n, (h, r) in enumerate(zip(hours, (5, 4, None, 3), strict=True))
        ]
    ).observed
    assert found.touch_hours == Middle(3.0, 4)
    assert found.rating == Middle(4.0, 3)
    assert rollout([]).observed.touch_hours == Middle(None, 0)


def test_what_is_to_be_decided_follows_from_what_was_found() -> None:
    few = rollout([tried()]).decide
    assert any("1 win only observed: too few to judge by" in each for each in few)
    assert any("Nobody left feedback" in each for each in few)
    many = [held(n) for n in range(FEW)] + [tried(n + FEW, csm=TOMAS) for n in range(6)]
    many += [tried(n + 50, acted=True, rating=2, feedback="No.") for n in range(FEW)]
    told = " ".join(rollout(many).decide)
    assert "10 of 16 observed wins would have been held, for lack of Champion (10)" in told
    assert f"People chose somebody else in 6 of 6 cases: {TOMAS} instead of {MAYA} (6)" in told
    assert "10 wins went on with gaps" in told
    assert "The CSMs' marks are 2 of 5 over 10 handoffs" in told
    assert "16 observed wins will get no tasks when all is acted on" in told
    assert "too few" not in told


def test_a_pilot_in_which_all_is_well_leaves_only_what_every_switch_needs() -> None:
    fine = [tried(n) for n in range(FEW)] + [tried(n + 50, acted=True, rating=5) for n in range(FEW)]
    decide = rollout(fine).decide
    assert len(decide) == 2
    assert "40 tasks" in decide[0]
    assert "will get no tasks" in decide[1]


def test_the_paper_shows_each_number_with_its_count_and_texts_as_plain_text() -> None:
    said = "**Not** <b>bold</b> | [link](https://x.example)"
    wins = [tried(1, acted=True, rating=4, feedback=said), held(2), tried(3, csm=TOMAS)]
    found = {"sf": rollout(wins)}
    text = markdown(paper(found))
    assert "1 of 2 (50%)" in text
    assert "4 (of 1)" in text
    assert "Champion" in text
    page = html(paper(found))
    assert "&lt;b&gt;bold" in page
    assert 'href="https://x.example"' not in page
    assert "No win was compared yet" in markdown(paper({"sf": rollout([])}))
