"""The table of states is whole, and everything that moves a row keeps to it."""

from __future__ import annotations

import pytest

from connector.store.settle import PATHS
from connector.store.states import OPEN, TRANSITIONS, State, arrive


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set().union(*TRANSITIONS.values()) <= set(State)


def test_settled_for_good_means_no_way_out() -> None:
    final = {state for state, following in TRANSITIONS.items() if not following}
    assert final == {State.APPLIED, State.SUPERSEDED}
    assert final.isdisjoint(OPEN)


def test_nothing_is_sent_again_without_being_looked_up() -> None:
    assert TRANSITIONS[State.UNKNOWN] == {State.APPLIED, State.PENDING}
    assert State.PENDING not in TRANSITIONS[State.SENDING]


def test_every_result_of_a_row_is_a_way_the_table_has() -> None:
    ends = {arrive(State.SENDING, path) for path in PATHS.values()}
    assert ends == {State.PENDING, State.SUPERSEDED, State.UNKNOWN, State.PARKED}


@pytest.mark.parametrize("path", [(State.SENDING, State.SUPERSEDED), (State.APPLIED,), (State.SENDING, State.PENDING)])
def test_other_ways_are_refused(path: tuple[State, ...]) -> None:
    with pytest.raises(ValueError, match="cannot go from"):
        arrive(State.PENDING, path)
