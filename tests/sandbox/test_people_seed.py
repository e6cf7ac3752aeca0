"""The people and the book of business: the same seed gives the same records, and the records are believable."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from connector.sandbox import agreed, book, people, seed, views
from connector.sandbox.server import create_worlds
from connector.sandbox.state import World

MONDAY = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SYSTEMS = ("sf", "hs")


def worlds(*, number: int | None = 7, deals: int = 120) -> dict[str, World]:
    made, _ = create_worlds(None)
    made["sf"].clock.freeze(MONDAY)
    seed.people(made)
    if number is not None:
        seed.fill(made, number, deals)
    return made


BARE = {name for world in create_worlds(None)[0].values() for name, table in world.tables.items() if table.rows}
"""Tables an empty system comes with; their rows are dated by the machine's clock, before the test can freeze it."""


def rows(world: World) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: [
            (r.id, r.values) if name in BARE else (r.id, r.values, r.created_at, r.modified_at) for r in table.live()
        ]
        for name, table in world.tables.items()
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_same_seed_gives_the_same_records(system: str) -> None:
    assert rows(worlds()[system]) == rows(worlds()[system])
    assert rows(worlds(number=8)[system]) != rows(worlds()[system])


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_people_are_there_once_and_the_one_who_left_is_inactive(system: str) -> None:
    made = worlds(number=None)
    seed.people(made)
    users = {u.email: u for u in views.view(made[system]).users()}
    assert {p.email for p in people.PEOPLE} <= set(users)
    assert not users["lena.frost@seller.example"].active
    assert len([u for u in views.view(made[system]).users() if u.email in people.BY_EMAIL]) == len(people.PEOPLE)


def test_owner_ids_of_the_portal_are_not_user_ids() -> None:
    owners = worlds(number=None)["hs"].table("owners")
    assert not {row.id for row in owners.live()} & {str(row.values["userId"]) for row in owners.live()}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_book_covers_every_stage_segment_and_type(system: str) -> None:
    crm = views.view(worlds()[system])
    deals = list(crm.deals())
    assert len(deals) == 120
    assert {s.id for s in crm.stages() if s.pipeline == "default"} <= {d.stage.id for d in deals}
    assert {agreed.segment(d.amount) for d in deals} == {"small", "mid", "enterprise"}
    assert {d.deal_type for d in deals} == {"new", "renewal", "upsell"}
    assert sum(1 for d in deals if not d.account) == 1
    accounts = list(crm.accounts())
    assert len(accounts) == len({a.name for a in accounts}) == 60
    assert 10 < sum(1 for a in accounts if a.csm) < 50
    assert len({a.country for a in accounts}) >= 8


@pytest.mark.parametrize("system", SYSTEMS)
def test_some_deals_near_the_close_are_ready_and_some_have_gaps(system: str) -> None:
    crm = views.view(worlds()[system])
    late = crm.stage_of("negotiation", "new").id
    gaps = Counter(
        bool(agreed.gaps(d.fields, amount=d.amount, deal_type=d.deal_type)) for d in crm.deals() if d.stage.id == late
    )
    assert gaps[True] >= 3
    assert gaps[False] >= 3


@pytest.mark.parametrize("system", SYSTEMS)
def test_historic_wins_lie_in_the_past_and_carry_no_mark_of_a_handoff(system: str) -> None:
    crm = views.view(worlds()[system])
    won = [d for d in crm.deals() if d.stage.won]
    assert len(won) >= 10
    for deal in won:
        assert crm.wins(deal.id)[-1] < MONDAY
        assert deal.created_at < crm.wins(deal.id)[-1]
        assert not deal.text("gate")
        assert not deal.text("csm")


def test_the_clock_is_left_as_it_was() -> None:
    made = worlds()
    assert made["sf"].clock.now() == MONDAY
    made["sf"].clock.resume()
    assert made["sf"].clock.frozen_at is None


def test_answers_name_numbers_and_people_and_leave_no_placeholder() -> None:
    plan = book.build(seed=3, today=date(2026, 11, 23), deals=200)
    texts = [str(text) for deal in plan.deals for text in deal.fields.values()]
    assert len(texts) > 300
    assert not [text for text in texts if "{" in text or "}" in text]
    why = {deal.fields["why_bought"] for deal in plan.deals if "why_bought" in deal.fields}
    assert len(why) > 0.8 * sum("why_bought" in deal.fields for deal in plan.deals)
