"""The CSM joins the teams the mapping names: once, again when the account changes hands, and never without a role."""

from __future__ import annotations

import dataclasses

from engine.harness import Desk, a_desk
from factories import a_policy

from connector.handoff.model import Kind
from connector.handoff.rulebook.people import Teams
from connector.handoff.rulebook.policy import Policy


def places(desk: Desk) -> list[tuple[object, object, object]]:
    rows = (row for row in desk.crm.rows(Kind.MEMBER))
    return sorted((str(row.values["on"]), row.values["person"], row.values["role"]) for row in rows)


def with_teams(**roles: str) -> Policy:
    return dataclasses.replace(a_policy(), teams=Teams(**roles))


def test_the_csm_joins_both_teams_once() -> None:
    desk = a_desk(policy=with_teams(deal="Success", account="Advisor"))
    desk.settle()
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    csm = desk.deal(deal)["csm"]
    assert places(desk) == [("account", csm, "Advisor"), ("deal", csm, "Success")]
    desk.crm.edit(deal, risks="something new")
    desk.settle()
    assert len(places(desk)) == 2


def test_without_a_role_nobody_joins() -> None:
    desk = a_desk()
    desk.settle()
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    assert places(desk) == []


def test_a_deal_without_an_account_has_a_team_of_its_own() -> None:
    desk = a_desk(policy=with_teams(deal="Success", account="Advisor"))
    desk.settle()
    deal = desk.a_deal(account=None)
    desk.win(deal)
    desk.settle()
    assert [on for on, *_ in places(desk)] == ["deal"]


def test_another_csm_joins_too() -> None:
    desk = a_desk(policy=with_teams(deal="Success"))
    desk.settle()
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    first = desk.deal(deal)["csm"]
    other = next(each.id for each in desk.crm.people() if each.active and each.id not in (first, "u-ae"))
    desk.crm.edit(deal, csm=other)
    desk.settle()
    assert {person for _, person, _ in places(desk)} == {first, other}


def test_the_crms_own_bell_rings_beside_the_mail() -> None:
    policy = a_policy()
    moments = dataclasses.replace(policy.notify, moments=frozenset({"csm_assigned"}), in_crm=("bell",))
    desk = a_desk(policy=dataclasses.replace(policy, notify=moments))
    desk.settle()
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    (rung,) = desk.crm.bells
    assert (rung.way, rung.to_id, rung.deal_id) == ("bell", desk.deal(deal)["csm"], deal)
    assert [each.way for each in desk.told] == [""]
