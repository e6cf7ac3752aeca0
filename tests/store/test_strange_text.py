"""What no database holds, NUL and halves of characters, comes in as something that both hold."""

from __future__ import annotations

from plans import NOW, SYSTEM, a_deal_patch, a_notice, a_plan
from sending import claim

from connector.errors import Fault, FaultCode
from connector.handoff.plan import Finding, Verdict
from connector.store import Decided, Look, Park, Settlement, Store, Wanted

STRANGE = "a\0b, high \ud83d half, low \ude00 half, \ude00\ud83d, Ünïcode stays"


def test_it_goes_through_every_door_of_the_store_and_the_trail_holds(store: Store) -> None:
    text = STRANGE
    kept = "a\ufffdb, high \ufffd half, low \ufffd half, \ufffd\ufffd, Ünïcode stays"
    store.set_cursor(SYSTEM, "feed", text)
    assert store.cursor(SYSTEM, "feed") == kept
    store.enqueue(SYSTEM, [Look("D1", NOW, text), Look(f"D{text}", NOW, "changed")])
    assert {look.reason for look in store.due(SYSTEM, limit=10)} == {kept, "changed"}
    store.letterbox(SYSTEM).post([text, "plain"])
    assert [each.body for each in store.letterbox(SYSTEM).take(5)] == [kept, "plain"]
    found = Finding(rule="gate", verdict=Verdict.ACT, reason=text, actions=())
    plan = a_plan("D1", a_deal_patch(values={"note": text}), a_notice(text=text), findings=(found,))
    store.record(SYSTEM, [Decided(plan)], act=True)
    claimed = claim(store)
    assert claimed is not None
    (row,) = claimed.rows
    store.settle([Settlement(row.id, row.attempt, Park(Fault(FaultCode.REJECTED, text, text)))])
    (parked,) = store.parked()
    assert parked.error is not None
    assert parked.error.message == kept
    assert store.drop_parked([row.id], by=text, why=text) == 1
    store.pause(SYSTEM, until=NOW, reason=text)
    assert store.verify_trail(SYSTEM).broken is None
    for each in store.trail(Wanted(system=SYSTEM)):
        (each.by + each.reason + each.data).encode("utf-8")
        assert "\0" not in each.reason
