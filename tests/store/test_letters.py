"""Letters: kept until dropped, read oldest first, refused when too many wait, each system's its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from plans import NOW, OTHER_SYSTEM, SYSTEM
from sqlalchemy import make_url

from connector.clock import ManualClock
from connector.errors import LetterboxFull
from connector.store import Store, open_store
from connector.store.database import Database
from connector.store.letters import Letterbox
from connector.store.schema import letter


def bodies(box: Letterbox, limit: int = 100) -> list[str]:
    return [each.body for each in box.take(limit)]


@pytest.fixture
def database(clock: ManualClock) -> Iterator[Database]:
    """One table in memory, for what does not depend on the database."""
    made = Database(make_url("sqlite://"), clock=clock)
    with made.write() as connection:
        letter.create(connection)
    yield made
    made.close()


def test_letters_stay_until_they_are_dropped(store: Store) -> None:
    box = store.letterbox(SYSTEM)
    box.post(["a", "b"])
    box.post(["c"])
    first, second = box.take(2)
    assert (first.body, second.body, first.at) == ("a", "b", NOW)
    assert bodies(box) == ["a", "b", "c"]
    box.drop([first.id, second.id])
    assert bodies(box) == ["c"]
    assert store.letters_waiting(SYSTEM) == 1


def test_each_system_has_its_own_and_a_number_is_never_used_again(store: Store) -> None:
    mine, other = store.letterbox(SYSTEM), store.letterbox(OTHER_SYSTEM)
    mine.post(["a"])
    other.post(["b"])
    read = [each.id for each in mine.take(10)]
    other.drop(read)
    assert (bodies(mine), bodies(other)) == (["a"], ["b"])
    mine.drop(read)
    mine.post(["c"])
    mine.drop(read)
    assert bodies(mine) == ["c"]


def test_letters_outlive_the_process(store: Store, url: str, clock: ManualClock) -> None:
    store.letterbox(SYSTEM).post(["a", '{"text": "\\u0000 \\ud800"}'])
    store.close()
    again = open_store(url, clock=clock)
    assert bodies(again.letterbox(SYSTEM)) == ["a", '{"text": "\\u0000 \\ud800"}']
    again.close()


def test_a_full_box_takes_none_of_what_does_not_fit(database: Database) -> None:
    box = Letterbox(database, SYSTEM, most=3)
    box.post(["a", "b"])
    with pytest.raises(LetterboxFull):
        box.post(["c", "d"])
    assert bodies(box) == ["a", "b"]
    box.post(["c"])
    box.drop([each.id for each in box.take(2)])
    box.post(["d", "e"])
    assert bodies(box) == ["c", "d", "e"]


def test_room_is_counted_with_what_others_put_in(database: Database) -> None:
    here, there = (Letterbox(database, SYSTEM, most=4) for _ in range(2))
    here.post(["a"])
    there.post(["b", "c"])
    there.post(["d"])
    with pytest.raises(LetterboxFull):
        there.post(["e"])
    assert bodies(here) == ["a", "b", "c", "d"]


def test_waiting_ends_when_a_letter_comes(database: Database) -> None:
    box = Letterbox(database, SYSTEM)
    box.post(["before the first look"])
    box.wait(60)
    assert box.take(10)
    poster = threading.Thread(target=box.post, args=(["after it"],))
    poster.start()
    box.wait(60)
    assert bodies(box) == ["before the first look", "after it"]
    poster.join()
