"""What the doors section counts: each delivery by its own mark, and who falls silent is not waited for.

Not here: the doors and what is thrown at them (``python -m chaos doors``).
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import random
import signal
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from chaos import doors
from chaos.badbodies import HOOK, TRACK, Target, number_of
from chaos.throwing import Honest, Thrown


def test_bodies_that_were_not_thrown_are_told() -> None:
    thrown = Thrown(Counter({("unsigned", HOOK): 9}))
    assert not doors._short_of(doors.Seen(thrown, asked=9))
    assert doors._short_of(doors.Seen(thrown, asked=10)) == ["9 of 10 bodies were thrown"]


def test_honest_deliveries_that_never_came_prove_nothing() -> None:
    seen, kept = besieged()
    assert doors._honest(seen, kept).held
    seen.besieged = Honest()
    assert not doors._honest(seen, kept).held


def besieged() -> tuple[doors.Seen, doors.Kept]:
    """Three phases with a delivery at each door, and all of it kept."""
    phases = [Honest([0.1], [(door, f"{each} {door}") for door in (HOOK, TRACK)]) for each in "abc"]
    marks = [(door, f"prelude-{number}") for door in (HOOK, TRACK) for number in range(doors.PRELUDE)]
    kept = Counter(known(*mark) for mark in (*marks, *(mark for each in phases for mark in each.taken)))
    return doors.Seen(quiet=phases[0], meanwhile=phases[1], besieged=phases[2]), kept


def known(door: str, mark: str) -> tuple[str, str]:
    """By what a delivery is known where it is kept."""
    return door, str(number_of(mark)) if door == HOOK else mark


@pytest.mark.parametrize("door", [HOOK, TRACK])
def test_as_many_bad_ones_kept_as_honest_ones_lost_do_not_cancel_out(door: str) -> None:
    seen, kept = besieged()
    del kept[known(door, f"a {door}")]
    kept[door, '[{"objectId":7}]'] += 1
    row = doors._honest(seen, kept)
    assert (row.lost, row.doubled, row.other) == (1, 0, 1)
    assert "objectId" in row.note


@pytest.mark.parametrize("door", [HOOK, TRACK])
def test_one_kept_twice_does_not_make_up_for_one_that_is_lost(door: str) -> None:
    seen, kept = besieged()
    del kept[known(door, f"a {door}")]
    kept[known(door, "prelude-3")] += 1
    row = doors._honest(seen, kept)
    assert (row.lost, row.doubled, row.other) == (1, 1, 0)


def test_letters_are_known_by_their_mark_after_they_were_read(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(file)) as ledger:
        ledger.executescript("create table letter (body text); create table product_event (message_id text);")
        doors._keep_letters(file)
        good = Target(HOOK, "/", "http://door.example/", "s").body(random.Random(1), "honest-1").decode()
        for body in (good, json.dumps(json.loads(good)[0]), '[{"objectId":7}]', "no JSON"):
            ledger.execute("insert into letter values (?)", (body,))
        ledger.execute("insert into product_event values ('honest-2')")
        ledger.execute("delete from letter")
        ledger.commit()
    kept = {known(HOOK, "honest-1"): 2, (HOOK, '[{"objectId":7}]'): 1, (HOOK, "no JSON"): 1, (TRACK, "honest-2"): 1}
    assert doors._kept(file) == kept


def test_a_caller_that_is_killed_outright_ends_the_siege(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "HEARD_SECONDS", 0.1)
    context = multiprocessing.get_context("spawn")
    process, out = context.Process(target=signal.pause), context.Queue()
    process.start()
    process.kill()
    with pytest.raises(AssertionError, match=r"ended .-9. and did not tell"):
        doors._hear(process, out)


def test_what_a_caller_said_before_it_ended_is_heard() -> None:
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=out.put, args=("seen",))
    process.start()
    process.join()
    assert doors._hear(process, out) == "seen"


def test_a_caller_that_lives_and_tells_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "HEARD_SECONDS", 0.1)
    monkeypatch.setattr(doors, "SIEGE_SECONDS", 0.3)
    context = multiprocessing.get_context("spawn")
    process, out = context.Process(target=signal.pause), context.Queue()
    process.start()
    try:
        with pytest.raises(AssertionError, match="told nothing"):
            doors._hear(process, out)
    finally:
        process.kill()
