"""The judge finds what is lost, doubled or where it should not be, and is content with a proper handoff."""

from __future__ import annotations

from typing import Any

import pytest
from stand_in import ROBOT, StandIn, add_summary, add_task

from connector.sandbox import agreed, people, seed, views
from connector.sandbox.expectations import expect, refine
from connector.sandbox.server import create_worlds
from connector.sandbox.state import World
from connector.sandbox.tally import tally
from connector.sandbox.views import CrmView, DealView

SYSTEMS = ("sf", "hs")


@pytest.fixture(params=SYSTEMS)
def crm(request: pytest.FixtureRequest) -> CrmView:
    worlds, _ = create_worlds(None)
    seed.fill(worlds, 7, 120)
    worlds["sf"].clock.advance(3)
    return views.view(worlds[request.param])


def win(crm: CrmView, *, ready: bool, deal_type: str = "new") -> DealView:
    """A deal of the book, dragged to won by its owner."""
    for deal in crm.deals():
        gaps = agreed.gaps(deal.fields, amount=deal.amount, deal_type=deal.deal_type)
        near = deal.stage.id == crm.stage_of("negotiation", deal.deal_type).id
        if near and deal.account and deal.deal_type == deal_type and bool(gaps) is not ready:
            crm.move_deal(deal.id, crm.stage_of("won", deal.deal_type).id, by=deal.owner)
            return crm.deal(deal.id)
    raise LookupError("the book has no such deal")


def offences(world: World, kind: str) -> list[tuple[str, str]]:
    return [(each["deal"], each["what"]) for each in tally(world)[kind]]


def test_a_world_where_nothing_happened_is_clean(crm: CrmView) -> None:
    found = tally(crm.world)
    assert (found["won"], found["lost"], found["doubled"]) == (0, [], [])
    assert sum(found["loads"].values()) == sum(1 for a in crm.accounts() if a.csm)


@pytest.mark.parametrize("deal_type", ["new", "renewal"])
def test_a_proper_handoff_is_clean_and_counted(crm: CrmView, deal_type: str) -> None:
    deal = win(crm, ready=True, deal_type=deal_type)
    StandIn(crm.world).look()
    found = tally(crm.world)
    assert (found["lost"], found["doubled"]) == ([], [])
    tasks = len(agreed.subjects(deal.deal_type))
    expected = {"won": 1, "released": 1, "held": 0, "overridden": 0, "tasks": tasks, "summaries": 1}
    assert {name: found[name] for name in expected} == expected
    assert found["assigned"] == {people.with_role(people.CSM)[0].email: 1}
    assert found["notifications"] == 1


def test_a_win_without_effects_is_lost_piece_by_piece(crm: CrmView) -> None:
    deal = win(crm, ready=True)
    lost = offences(crm.world, "lost")
    assert {deal_id for deal_id, _ in lost} == {deal.id}
    for words in ("gate", "no CSM", "no summary note", *agreed.NEW_SUBJECTS):
        assert any(words in what for _, what in lost), words


def test_a_planted_loss_is_found(crm: CrmView) -> None:
    deal = win(crm, ready=True)
    StandIn(crm.world).look()
    gone = next(t for t in crm.tasks_of(deal.id) if t.subject.startswith("Run setup call"))
    crm.world.table("Task" if crm.world.name == "sf" else "tasks").delete(gone.id, by=ROBOT)
    assert offences(crm.world, "lost") == [(deal.id, "has no task 'Run setup call'")]


def test_a_planted_double_is_found_with_the_ids_of_both(crm: CrmView) -> None:
    deal = win(crm, ready=True)
    StandIn(crm.world).look()
    first = next(t for t in crm.tasks_of(deal.id) if t.subject.startswith("Prepare account"))
    second = add_task(crm, deal.id, "Prepare account: once more", owner=first.owner)
    note = add_summary(crm, deal.id, "again")
    (task_offence, note_offence) = tally(crm.world)["doubled"]
    assert set(task_offence["records"]) == {first.id, second}
    assert note in note_offence["records"]
    assert len(note_offence["records"]) == 2
    assert offences(crm.world, "lost") == []


def test_one_message_under_two_keys_is_doubled_and_a_repeat_is_not(crm: CrmView) -> None:
    deal = win(crm, ready=True)
    StandIn(crm.world).look()
    (message,) = crm.world.messages
    crm.world.add_message(message.body, message.key)
    assert offences(crm.world, "doubled") == []
    assert tally(crm.world)["notifications_repeated"] == 1
    crm.world.add_message(message.body, f"{crm.world.name}:{deal.id}:2:notify-csm_assigned")
    assert offences(crm.world, "doubled") == [(deal.id, "the same message was sent under two keys")]


def test_a_held_deal_must_say_so_and_have_no_effects(crm: CrmView) -> None:
    deal = win(crm, ready=False)
    assert [what for _, what in offences(crm.world, "lost")]
    StandIn(crm.world, revert=False).look()
    assert (offences(crm.world, "lost"), offences(crm.world, "doubled")) == ([], [])
    assert tally(crm.world)["held"] == 1
    csm = crm.user_named("maya.lindqvist@seller.example").id
    crm.set_deal(deal.id, {"csm": csm}, by=ROBOT)
    add_task(crm, deal.id, "Review before the signature: account", owner=csm)
    assert offences(crm.world, "doubled") == []  # so it stood before the close
    stray = add_task(crm, deal.id, "Send welcome packet: early", owner=deal.owner)
    assert tally(crm.world)["doubled"][0]["records"] == (stray,)


def test_effects_on_a_historic_win_are_found(crm: CrmView) -> None:
    old = next(d for d in crm.deals() if d.stage.won)
    crm.set_deal(old.id, {"csm": old.owner}, by=ROBOT)
    assert offences(crm.world, "doubled") == [(old.id, "was not won in this period and its field 'csm' is filled")]


def test_a_csm_who_left_does_not_count(crm: CrmView) -> None:
    deal = win(crm, ready=True)
    StandIn(crm.world).look()
    crm.set_deal(deal.id, {"csm": crm.user_named("lena.frost@seller.example").id}, by=ROBOT)
    assert offences(crm.world, "lost") == [(deal.id, "has Lena Frost as CSM, who is not an active CSM")]


def test_what_people_expected_outweighs_what_the_record_suggests(crm: CrmView) -> None:
    deal = win(crm, ready=True)
    expect(crm.world, deal.id, "held", story="left")
    StandIn(crm.world).look()
    assert any("should be Held" in what for _, what in offences(crm.world, "lost"))
    expect(crm.world, deal.id, "handed_off", story="edited")
    refine(crm.world, deal.id, touched=True, says="a new goal")
    assert sorted(what for _, what in offences(crm.world, "lost")) == [
        "was edited after its handoff and its summary still says the old thing",
        "was touched by its CSM and its first touch is not noted",
    ]


def test_the_tally_is_plain_json(crm: CrmView) -> None:
    import json

    win(crm, ready=True)
    found: dict[str, Any] = json.loads(json.dumps(tally(crm.world)))
    assert {"won", "held", "released", "overridden", "assigned", "lost", "doubled"} <= set(found)
