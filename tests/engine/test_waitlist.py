"""The waiting list in passes: what it costs, who is first when a place is free, and what a restart leaves of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from factories import BASELINE, DANA, MAYA, PEOPLE, PRIYA, TOMAS, a_policy
from postgres_server import server_of

from connector.engine.parts import Limits
from connector.engine.reconciler import look_at
from connector.engine.sweeper import sweep
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import AssignmentRule, Away, Method, Pool, WhenFull
from connector.handoff.rulebook.policy import Policy
from connector.store import open_store
from connector.store.schema import handoff


def one_place(*, cap: int = 1, **changes: Any) -> Policy:
    """Everybody goes to Maya, who has room for so many; without a limit to the waiting."""
    policy = a_policy()
    pool = Pool("maya", (PEOPLE[MAYA].email,), cap, Method.ROUND_ROBIN, when_full=WhenFull.WAIT)
    pool = dataclasses.replace(pool, **changes.pop("pool", {}))
    rules = (AssignmentRule("all", Condition(), "maya"),)
    made = dataclasses.replace(policy.assignment, pools={"maya": pool}, rules=rules, **changes)
    return dataclasses.replace(policy, assignment=made)


@pytest.fixture
def desk() -> Desk:
    made = a_desk(policy=one_place())
    others_customer(made)
    made.settle()
    return made


def others_customer(desk: Desk) -> None:
    """Somebody has a customer: a CRM in which suddenly nobody has one is not believed."""
    desk.crm.add_account(name="Ostwind Freight", csm=TOMAS)


def won(desk: Desk, count: int = 1, **values: Any) -> list[str]:
    """Deals of accounts of their own, won one after the other."""
    found = []
    for _ in range(count):
        found.append(desk.a_deal(**values))
        desk.win(found[-1])
        desk.clock.advance(timedelta(seconds=2))
    return found


def csms(desk: Desk, deals: list[str]) -> list[object]:
    return [desk.deal(each).get("csm") for each in deals]


def leave(desk: Desk, deal_id: str) -> None:
    """The customer leaves, and a sweep counts."""
    account_id = desk.crm.row(deal_id).account_id
    assert account_id is not None
    desk.crm.edit(account_id, csm=None)
    desk.clock.advance(timedelta(minutes=1))
    sweep(desk.shared, desk.system)


def listed(desk: Desk) -> list[str]:
    return [each.deal_id for each in desk.store.waitlist(SYSTEM)]


def test_waiting_costs_no_call_that_an_idle_daemon_would_not_make(desk: Desk) -> None:
    plain = a_desk(policy=one_place(cap=50))
    plain.settle()
    won(plain, 3)
    plain.settle()
    deals = won(desk, 3)
    desk.settle()
    assert listed(desk) == deals[1:]
    desk.run(), plain.run()
    idle, waiting = plain.idle_minute(), desk.idle_minute()
    assert {**waiting, "people": 0} == {**idle, "people": 0}
    assert waiting["people"] <= 1, "who is there is read every ten minutes, not every pass"


def test_the_oldest_gets_the_place_though_newer_wins_come_in_the_same_pass(desk: Desk) -> None:
    deals = won(desk, 3)
    desk.settle()
    assert csms(desk, deals) == [MAYA, None, None]
    leave(desk, deals[0])
    newer = won(desk, 5)
    desk.settle()
    assert csms(desk, deals[1:]) == [MAYA, None]
    assert csms(desk, newer) == [None] * 5
    assert listed(desk) == [deals[2], *newer]
    desk.restart(policy=one_place(cap=4))
    desk.settle()
    assert listed(desk) == newer[2:]
    assert csms(desk, newer) == [MAYA, MAYA, None, None, None]


def test_a_deal_that_waits_while_its_gate_was_closed_stands_behind_those_that_began_before(desk: Desk) -> None:
    (first,) = won(desk)
    desk.settle()
    (gap,) = won(desk, champion=None)
    desk.settle()
    (second,) = won(desk)
    desk.settle()
    desk.crm.edit(gap, champion="Ingrid Holm")
    desk.win(gap)
    desk.settle()
    assert listed(desk) == [second, gap]
    leave(desk, first)
    desk.settle()
    assert csms(desk, [second, gap]) == [MAYA, None]


def test_somebody_who_returns_takes_the_oldest(desk: Desk) -> None:
    today = BASELINE.date()
    away = (Away(PEOPLE[MAYA].email, today, today + timedelta(days=2)),)
    desk.restart(policy=one_place(away=away))
    deals = won(desk, 2)
    desk.settle()
    assert listed(desk) == deals
    desk.clock.advance(timedelta(days=3))
    desk.settle()
    assert csms(desk, deals) == [MAYA, None]


def test_who_has_waited_too_long_goes_to_the_fallback_and_the_next_moves_up(desk: Desk) -> None:
    limit = Limit(Decimal(48), Clock.WALL)
    desk.restart(policy=one_place(pool={"wait_at_most": limit}))
    deals = won(desk, 2)
    desk.settle()
    desk.clock.advance(timedelta(hours=24))
    deals += won(desk)
    desk.settle()
    assert "place 2" in str(desk.deal(deals[2])["missing"])
    desk.clock.advance(timedelta(hours=25))
    desk.settle()
    assert csms(desk, deals) == [MAYA, DANA, None]
    assert listed(desk) == [deals[2]]


def test_a_deal_that_is_gone_or_reopened_frees_its_place(desk: Desk) -> None:
    deals = won(desk, 4)
    desk.settle()
    desk.crm.delete(deals[1])
    desk.crm.edit(deals[2], stage="Negotiation")
    desk.settle()
    leave(desk, deals[0])
    desk.settle()
    assert csms(desk, [deals[3]]) == [MAYA]
    assert listed(desk) == []


def test_a_lost_ledger_finds_the_order_again(desk: Desk) -> None:
    deals = won(desk, 3)
    desk.settle()
    desk.lose_ledger()
    desk.restart(policy=one_place())
    desk.settle()
    leave(desk, deals[0])
    desk.settle()
    assert csms(desk, deals[1:]) == [MAYA, None]


def test_second_csms_of_a_pool_of_their_own_take_turns() -> None:
    policy = one_place(cap=50, pool={"second_from": "beside"})
    beside = Pool("beside", (PEOPLE[TOMAS].email, PEOPLE[PRIYA].email), 50, Method.ROUND_ROBIN)
    pools = {**policy.assignment.pools, "beside": beside}
    policy = dataclasses.replace(policy, assignment=dataclasses.replace(policy.assignment, pools=pools))
    desk = a_desk(policy=policy)
    desk.settle()
    deals = won(desk, 3)
    desk.settle()
    deals += won(desk)
    desk.settle()
    seconds = [desk.store.facts(SYSTEM, [each])[each].second_id for each in deals]
    assert seconds[0] != seconds[1]
    assert seconds[2:] == seconds[:2]
    assert set(seconds) == {TOMAS, PRIYA}
    assert desk.store.roster(SYSTEM)[str(seconds[0])].accounts == 0, "caps count leads only"


def test_no_place_is_kept_for_a_deal_that_a_person_dropped(desk: Desk) -> None:
    deals = won(desk, 3)
    desk.settle()
    desk.clock.advance(timedelta(hours=2))
    desk.restart(policy=one_place(cap=3))
    roomy = desk.shared.limits
    desk.shared = dataclasses.replace(desk.shared, limits=Limits(changed=1, changed_share=0.0))
    desk.settle()
    assert {each.deal_id for each in desk.store.held(SYSTEM)} == set(deals[1:])
    desk.store.drop_held(SYSTEM, deals[1:], by="ada", why="test deals")
    desk.shared = dataclasses.replace(desk.shared, limits=roomy)
    newer = won(desk, 3)
    desk.settle()
    assert csms(desk, [*deals[1:], *newer]) == [None, None, MAYA, MAYA, None]
    assert listed(desk) == newer[2:]


def test_a_dropped_deal_takes_no_place_from_those_of_its_batch(desk: Desk) -> None:
    desk.restart(policy=one_place(cap=3))
    roomy = desk.shared.limits
    desk.shared = dataclasses.replace(desk.shared, limits=Limits(new=1))
    dropped = won(desk, 2)
    desk.run()
    assert {each.deal_id for each in desk.store.held(SYSTEM)} == set(dropped)
    desk.store.drop_held(SYSTEM, dropped, by="ada", why="test deals")
    desk.shared = dataclasses.replace(desk.shared, limits=roomy)
    newer = won(desk, 3)
    for each in dropped:
        desk.crm.edit(each, risks="changed, so it is looked at in the same batch")
    looked = look_at(desk.shared, desk.system, [*dropped, *newer])
    assert [looked.plans[each].remember.csm_id for each in newer] == [MAYA] * 3


def test_a_merged_deal_waits_since_the_one_did_that_it_came_from(desk: Desk) -> None:
    first, second, third = won(desk, 3)
    desk.settle()
    since = desk.store.facts(SYSTEM, [second])[second].waiting_since
    assert since is not None
    desk.clock.advance(timedelta(hours=3))
    heir = desk.a_deal(name="The same deal again")
    desk.win(heir)
    desk.crm.merge(heir, second)
    desk.settle()
    assert desk.store.facts(SYSTEM, [heir])[heir].waiting_since == since
    leave(desk, first)
    desk.settle()
    assert csms(desk, [heir, third]) == [MAYA, None], "the oldest is served first"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'handoff.db'}"
        return
    with server_of(request.config).database() as found:
        yield found


def test_the_list_outlives_the_process(url: str) -> None:
    desk = a_desk(policy=one_place(), url=url)
    others_customer(desk)
    desk.settle()
    deals = won(desk, 3)
    desk.settle()
    desk.store.close()
    desk.store = open_store(url, clock=desk.clock)
    desk.shared = dataclasses.replace(desk.shared, store=desk.store)
    desk.restart(policy=one_place())
    leave(desk, deals[0])
    newer = won(desk)
    desk.settle()
    assert csms(desk, [*deals[1:], *newer]) == [MAYA, None, None]
    desk.store.close()


def test_old_handoffs_count_with_what_they_are_worth_once_customers_go_by_revenue() -> None:
    desk = a_desk(policy=one_place(cap=50))
    others_customer(desk)
    desk.settle()
    deals = won(desk, 3, amount=Decimal(1000))
    desk.settle()

    def as_an_older_version_left_them() -> None:
        with desk.store._db.write() as connection:
            connection.execute(handoff.update().values(amount=None, released_at=BASELINE - timedelta(days=200)))

    as_an_older_version_left_them()
    desk.restart()
    desk.run()
    assert desk.store.unweighed(SYSTEM, beyond="", limit=9) == tuple(sorted(deals)), "nobody asks for it"
    desk.restart(policy=one_place(cap=50, pool={"method": Method.LEAST_REVENUE}))
    desk.settle()
    assert desk.store.unweighed(SYSTEM, beyond="", limit=9) == ()
    desk.run(hours=2)
    assert desk.store.roster(SYSTEM)[MAYA].revenue == Decimal(3000)
    desk.store.set_cursor(SYSTEM, "weighed", max(deals))
    as_an_older_version_left_them()
    desk.restart(policy=desk.system.policy)
    desk.run()
    assert len(desk.store.unweighed(SYSTEM, beyond="", limit=9)) == 3, "each is asked once"
