"""A fault of the hostile world counts as struck when it did, not when it was planted."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from chaos.machine import strikes
from chaos.machine.memory import MemoryPlace
from chaos.machine.worlds import WORLDS
from connector.clock import ManualClock

START = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
ONE, TWO = {"id": "1"}, {"id": "2"}


def told(*rows: object) -> bytes:
    return json.dumps({"results": rows}).encode()


@pytest.mark.parametrize("world", WORLDS)
def test_what_nobody_changes_is_not_told_late(world: str) -> None:
    with WORLDS[world]() as opened:
        place = opened(ManualClock(START))
        account = place.add_account("Nordlys AS")
        deal = place.add_deal(account, {**place.full, "name": "Rollout", "owner": place.reps[0]})
        place.advance(3600)
        place.plant("told late", 1)
        assert not place.book.struck
        assert not place.book.blind
        place.edit(deal, {"name": "Another name"})
        assert place.book.struck == {"told late": 1}
        assert place.book.blind
        place.heal()
        place.advance(3600)
        place.edit(deal, {"name": "A third name"})
        assert place.book.struck == {"told late": 1}


def test_one_change_alone_cannot_be_told_in_disorder() -> None:
    place = MemoryPlace(start=START, notes_have_keys=False)
    crm = place.connected()
    feed = crm.feeds()[0]
    cursor = crm.start_cursor(feed, START)
    account = place.add_account("Nordlys AS")
    place.add_deal(account, place.full)
    place.plant("told in disorder", 1)
    place.advance(3600)
    crm.changes(feed, cursor)
    assert not place.book.struck
    place.add_deal(account, place.full)
    place.advance(3600)
    crm.changes(feed, cursor)
    assert place.book.struck == {"told in disorder": 1}


@pytest.mark.parametrize(
    ("kind", "struck", "spared"),
    [
        ("duplicated", told(ONE, TWO, ONE), told(ONE, TWO)),
        ("duplicated", b'{"records": [{"Id": "1"}, {"Id": "1"}]}', b'{"fields": ["1", "1"]}'),
        ("reordered", told(TWO, ONE), told(ONE, TWO)),
        ("row_lock", b'[{"errorCode": "UNABLE_TO_LOCK_ROW"}]', b"[]"),
        ("row_lock", b'{"category":"LOCKED"}', b""),
        ("partial", b'{"errors":[{"category":"INTERNAL_ERROR"}]}', b"no JSON"),
    ],
)
def test_what_met_a_request_it_could_not_act_on_did_not_strike(kind: str, struck: bytes, spared: bytes) -> None:
    assert strikes.ON_ROWS[kind](struck)
    assert not strikes.ON_ROWS[kind](spared)


def test_a_change_in_the_setup_strikes_when_an_answer_shows_it() -> None:
    dropped, taken = strikes.choice("handoff_gate"), strikes.hidden("Handoff_CSM__c")
    assert strikes.shows(dropped, b'{"message":"handoff_gate","code":"INVALID_OPTION"}')
    assert not strikes.shows(dropped, b'{"properties":{"handoff_gate":"passed"}}')
    assert strikes.shows(taken, b"No such column 'Handoff_CSM__c': INVALID_FIELD")
    assert strikes.shows(taken, b'{"name":"Opportunity","fields":[]}')
    assert not strikes.shows(taken, b'{"name":"Opportunity","fields":[{"name":"Handoff_CSM__c"}]}')
    assert not strikes.shows(taken, b'{"name":"Account","fields":[]}')
