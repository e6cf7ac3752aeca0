"""From records back to deals: own tasks, accounts that were written to, and nothing about what is not ours."""

from __future__ import annotations

from datetime import timedelta

from plans import NOW, OTHER_SYSTEM, SYSTEM, a_task, an_account_patch
from sending import decide, send_all

from connector.clock import ManualClock
from connector.handoff.plan import Phase
from connector.store import LiveNote, Store


def test_a_record_leads_to_the_deal_it_was_made_for(store: Store) -> None:
    decide(store, "D1", a_task("welcome-packet"))
    send_all(store)
    assert store.deals_of_records(SYSTEM, ["new-welcome-packet", "not ours"]) == {"new-welcome-packet": "D1"}
    assert store.deals_of_records(OTHER_SYSTEM, ["new-welcome-packet"]) == {}
    assert store.deals_of_records(SYSTEM, []) == {}


def test_an_account_leads_to_its_handoffs_under_way(store: Store) -> None:
    decide(store, "D1", an_account_patch("A1"), phase=Phase.IN_FLIGHT)
    decide(store, "D2", an_account_patch("A1"), phase=Phase.LOST)
    decide(store, "D3", phase=Phase.HELD)
    assert store.deals_of_accounts(SYSTEM, ["A1", "A2"]) == {"A1": ("D1",)}
    assert store.under_way(SYSTEM, ["D1", "D2", "D3", "D4"]) == {"D1", "D3"}
    assert store.under_way(OTHER_SYSTEM, ["D1"]) == frozenset()


def test_a_note_is_believed_while_it_is_fresh(clock: ManualClock) -> None:
    note = LiveNote(at=clock.now(), last_event=NOW, lines={"deals": "", "tasks": "not selected"})
    assert LiveNote.parse(note.dump(), now=NOW + timedelta(seconds=80)) == note
    assert LiveNote.parse(note.dump(), now=NOW + timedelta(seconds=100)) is None
    assert LiveNote.parse("", now=NOW) is None
    assert LiveNote.parse(None, now=NOW) is None
