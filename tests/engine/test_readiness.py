"""Readiness over a whole engine: no call for deals outside its stages, none for a second pass, and no mass unseen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from factories import STAGES, WON_STAGE, a_policy
from unit.test_core_readiness import FIELDS, a_quality

from connector.engine.parts import Limits
from connector.handoff.model import Stage
from connector.handoff.plan import Notify
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.quality import AnswerField, AnswerKind, CopyPolicy

EARLY = Stage("Discovery", "Discovery", is_won=False, is_closed=False, pipeline="default")
SMALL = Limits(new=6, imported=0, open=6, changed=0, changed_share=0.0)


def early_policy() -> Policy:
    plain = a_policy(quality=a_quality(), before_close={"": ("Negotiation",)})
    return dataclasses.replace(plain, fields={**plain.fields, **FIELDS})


@pytest.fixture
def cries() -> list[Notify]:
    return []


@pytest.fixture
def desk(cries: list[Notify], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setitem(STAGES, EARLY.id, EARLY)
    made = a_desk(policy=early_policy(), tells_history=True)
    made.shared = dataclasses.replace(made.shared, limits=SMALL, alert=cries.append)
    made.run()
    yield made
    made.store.close()


def said(desk: Desk, deal_id: str) -> str:
    return str(desk.deal(deal_id).get("missing") or "")


def test_a_deal_in_these_stages_is_written_to_once_and_others_never(desk: Desk) -> None:
    early = desk.a_deal(stage=EARLY.id, use_case=None)
    before = dict(desk.deal(early))
    desk.settle()
    assert desk.deal(early) == before
    assert not [label for label in desk.calls if "update" in label], desk.calls
    near = desk.a_deal(use_case=None, champion="n/a")
    desk.settle()
    assert said(desk, near).startswith("Before Closed Won: 1 of 4 required fields is empty.")
    assert '"n/a" says nothing' in str(desk.deal(near)["advice"])
    changed = desk.crm.row(near).modified_at
    desk.settle()
    assert desk.crm.row(near).modified_at == changed, "a second pass writes nothing"


def test_an_idle_minute_costs_what_it_did(desk: Desk) -> None:
    idle = desk.idle_minute()
    for _ in range(4):
        desk.a_deal(use_case=None)
    desk.settle()
    assert desk.idle_minute() == idle


def test_open_deals_from_before_the_start_are_not_touched_until_somebody_touches_them(cries: list[Notify]) -> None:
    desk = a_desk(policy=early_policy())
    old = [desk.a_deal(use_case=None) for _ in range(30)]
    desk.run(hours=2)
    desk.settle()
    assert not any(said(desk, each) for each in old)
    desk.crm.edit(old[0], risks="A strike.")
    desk.settle()
    assert [bool(said(desk, each)) for each in old] == [True, *[False] * 29]
    desk.store.close()


def test_a_mass_of_open_deals_is_held_and_goes_when_released(desk: Desk, cries: list[Notify]) -> None:
    deals = [desk.a_deal(use_case=None) for _ in range(9)]
    desk.run()
    assert not any(said(desk, each) for each in deals)
    assert {each.deal_id for each in desk.store.held(SYSTEM)} == set(deals)
    (cry,) = cries
    assert "9 open deals would be written to before their close" in cry.text
    (alarm,) = desk.store.alarms(SYSTEM)
    assert not alarm.stops, "honest wins go on, so readiness stays green"
    assert desk.store.release_held(SYSTEM, by="ada") == 9
    desk.settle()
    assert all(said(desk, each) for each in deals)


def test_a_deal_that_is_held_while_open_is_handed_off_when_it_is_won(desk: Desk) -> None:
    deals = [desk.a_deal() for _ in range(9)]
    desk.run()
    assert len(desk.store.held(SYSTEM)) == 9
    desk.crm.edit(deals[0], by="person", stage=WON_STAGE.id)
    desk.settle()
    assert desk.deal(deals[0])["gate"] == "Released"
    assert {each.deal_id for each in desk.store.held(SYSTEM)} == set(deals[1:])


def test_readiness_takes_nothing_off_the_limit_for_wins(desk: Desk) -> None:
    desk.shared = dataclasses.replace(desk.shared, limits=dataclasses.replace(SMALL, open=0))
    [desk.a_deal() for _ in range(20)]
    desk.settle()
    wins = [desk.a_deal() for _ in range(5)]
    for each in wins:
        desk.crm.edit(each, by="person", stage=WON_STAGE.id)
    desk.settle()
    assert desk.store.held(SYSTEM) == ()
    assert [desk.deal(each)["gate"] for each in wins] == ["Released"] * 5


TEXT = "Every late turn cost them a slot and the board asked for a plan."


def copied_from(desk: Desk, deal_id: str) -> str:
    """The deal that a deal's advice names as the origin of one of its answers; empty when it names none."""
    return str(desk.deal(deal_id).get("advice") or "").partition("(deal ")[2].partition(")")[0]


def judged_for_copies(desk: Desk) -> None:
    """Judge ``use_case`` for copies within ninety days, from now on."""
    quality = desk.system.policy.quality
    field = AnswerField("use_case", AnswerKind("work", "Who does what."))
    quality = dataclasses.replace(quality, fields=(*quality.fields, field), copies=CopyPolicy(min_words=6, days=90))
    desk.restart(policy=dataclasses.replace(desk.system.policy, quality=quality))


def test_the_words_of_another_account_s_deal_of_the_same_ae_are_known_for_a_copy(desk: Desk) -> None:
    judged_for_copies(desk)
    first = desk.a_deal(use_case=TEXT)
    desk.settle()
    same_customer = desk.a_deal(use_case=TEXT, account=desk.crm.row(first).account_id)
    other_ae = desk.a_deal(use_case=TEXT, owner="u-manager")
    desk.settle()
    second = desk.a_deal(use_case=TEXT.upper())
    desk.settle()
    found = [copied_from(desk, each) for each in (first, same_customer, other_ae, second)]
    assert found == ["", "", "", first]
    desk.crm.edit(second, use_case="Dispatchers tick off fuel, catering and bags for each stand.")
    desk.settle()
    assert copied_from(desk, second) == ""
    desk.crm.edit(first, risks="A strike.")
    desk.settle()
    assert copied_from(desk, first) == "", "who said it first does not become the copy"


def test_of_two_that_came_at_once_one_is_the_copy_and_stays_it(desk: Desk) -> None:
    judged_for_copies(desk)
    both = sorted(desk.a_deal(use_case=TEXT) for _ in range(2))
    desk.settle()
    assert [copied_from(desk, each) for each in both] == ["", both[0]]
    for each in both:
        desk.crm.edit(each, risks="A strike.")
    desk.settle()
    assert [copied_from(desk, each) for each in both] == ["", both[0]]


def test_what_was_said_long_ago_is_no_copy(desk: Desk) -> None:
    judged_for_copies(desk)
    first = desk.a_deal(use_case=TEXT)
    desk.settle()
    desk.run(days=91)
    second = desk.a_deal(use_case=TEXT)
    desk.settle()
    assert copied_from(desk, second) == ""
    desk.crm.edit(first, risks="A strike.")
    desk.settle()
    assert copied_from(desk, first) == "", "and the older one does not become the copy of the newer"
