"""The cause that people are told of a mass: a side that is suddenly empty, and none where it is plainly something else.

Not here: what makes a mass (``test_masschange``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pytest
from engine.harness import SYSTEM, Desk, a_desk
from engine.masses import braked, held, in_flight

from connector.engine.brake_words import Sort, cause_of
from connector.engine.reconciler import look_at
from connector.handoff.model import Kind, Ref, Value
from connector.handoff.plan import Notify, Order, Patch, Plan


@pytest.fixture
def desk(cries: list[Notify]) -> Iterator[Desk]:
    """A daemon with small limits, connected."""
    made = braked(a_desk(tells_history=True), cries)
    made.run()
    yield made
    made.store.close()


def causes(desk: Desk) -> set[str]:
    return {each.why for each in desk.store.held(SYSTEM)}


def rewritten(desk: Desk, deals: Sequence[str], name: str, value: Value) -> None:
    for deal_id in deals:
        desk.crm.edit(deal_id, **{name: value})
    desk.run()


def test_a_field_that_is_blank_on_nearly_all_is_named(desk: Desk, cries: list[Notify]) -> None:
    deals = in_flight(desk, 10)
    label = desk.system.policy.fields["why_bought"].label
    rewritten(desk, deals[:8], "why_bought", None)
    assert held(desk) == set(deals[:8])
    assert causes(desk) == {f"{label} is blank on nearly all of them; was a field or a right taken away?"}
    assert f"{label} is blank" in cries[-1].text


def test_a_field_that_is_blank_on_half_of_them_is_not(desk: Desk) -> None:
    deals = in_flight(desk, 8)
    for deal_id in deals[:4]:
        desk.crm.edit(deal_id, why_bought=None)
    rewritten(desk, deals[4:], "why_bought", "Told otherwise by somebody's script")
    assert held(desk) == set(deals)
    assert not any("blank" in each or "emptied" in each for each in causes(desk))


def test_values_that_are_all_rewritten_are_no_empty_side(desk: Desk) -> None:
    deals = in_flight(desk, 8)
    rewritten(desk, deals, "why_bought", "Told otherwise by somebody's script")
    assert held(desk) == set(deals)
    (cause,) = causes(desk)
    assert "no single cause was found; the fields written most are" in cause


@pytest.mark.parametrize("without", [(), ("why_bought",)])
def test_a_plain_import_is_told_as_one_also_where_answers_are_missing(desk: Desk, without: tuple[str, ...]) -> None:
    """Imported deals lack the same answers; nobody took a field away."""
    for _ in range(8):
        deal_id = desk.a_deal(**dict.fromkeys(without))
        desk.crm.edit(deal_id, by="import:Old deals.csv", stage="Closed Won")
    desk.run()
    (cause,) = causes(desk)
    assert cause == "8 of 8 were won by the import Old deals.csv."


def test_nobody_in_the_list_of_people_is_told_first(desk: Desk) -> None:
    made = plans(desk, 1)
    desk.system.people = {}
    assert cause_of(desk.shared, desk.system, Sort.NEW, made) == "the CRM's list of people is empty."


def plans(desk: Desk, count: int, **changes: object) -> list[tuple[Plan, str]]:
    """Plans of so many handoffs under way, as a pass would make them."""
    deals = in_flight(desk, count)
    found = look_at(desk.shared, desk.system, deals).plans
    return [(dataclasses.replace(found[each], **changes), "") for each in deals]  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "was", "fires"), [(None, "u-csm", True), ("", "u-csm", True), ("", None, False)])
def test_a_field_that_would_be_emptied_on_all_is_named(desk: Desk, value: Value, was: Value, *, fires: bool) -> None:
    made = plans(desk, 5)
    emptied = [
        dataclasses.replace(
            plan,
            actions=(
                Patch("patch-deal", Order.DEAL, Ref(Kind.DEAL, plan.key.deal_id), {"csm": value}, {"csm": was}, "gone"),
            ),
        )
        for plan, _ in made
    ]
    told = cause_of(desk.shared, desk.system, Sort.CHANGED, [(plan, "") for plan in emptied])
    assert (told == "csm would be emptied on nearly all of them; was a field or a right taken away?") is fires


@pytest.mark.parametrize(("count", "fires"), [(5, True), (3, False)])
def test_a_field_that_the_crm_hides_is_named_where_nothing_else_is_found(
    desk: Desk, count: int, *, fires: bool
) -> None:
    made = plans(desk, 5)
    mixed = [dataclasses.replace(plan, unreadable=("Champion",)) for plan, _ in made[:count]]
    mixed += [plan for plan, _ in made[count:]]
    told = cause_of(desk.shared, desk.system, Sort.CHANGED, [(plan, "") for plan in mixed])
    assert (told == "the CRM does not show Champion to the connector; was a right or a field taken away?") is fires
    assert "Champion" not in cause_of(desk.shared, desk.system, Sort.NEW, [(plan, "") for plan in mixed])
