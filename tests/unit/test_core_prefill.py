"""Prefill: what the CRM knows is taken over into empty answers, and assumed until the AE confirms it."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any

import pytest
from factories import OPEN_STAGE, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.model import Contact, Snapshot, Stage, Value
from connector.handoff.plan import Plan, Verdict
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType, Prefill
from connector.handoff.rulebook.policy import Policy

EARLY = Stage("Discovery", "Discovery", is_won=False, is_closed=False, pipeline="default")
INGRID = Contact("c1", "Ingrid Holm", "Head of service", "ingrid@nordlys.example", ("champion",))
OLAV = Contact("c2", "Olav Berg", roles=("economic_buyer",), primary=True)
RULES = (
    Prefill("champion", "contacts.champion"),
    Prefill("stakeholders", "contacts"),
    Prefill("go_live_date", "close_date", 30),
    Prefill("risks", "account.industry"),
)
FILLABLE = {
    "champion": FieldType.TEXT,
    "stakeholders": FieldType.LONG_TEXT,
    "go_live_date": FieldType.DATE,
    "risks": FieldType.LONG_TEXT,
}
EMPTY: dict[str, Value] = dict.fromkeys(FILLABLE)


def prefilling(**changes: Any) -> Policy:
    plain = a_policy(**{"prefills": RULES, "before_close": {"default": (OPEN_STAGE.id,)}, **changes})
    fields = {
        **plain.fields,
        **{name: FieldRule(name, name, kind, FieldOwner.FILL_IF_EMPTY) for name, kind in FILLABLE.items()},
        "close_date": FieldRule("close_date", "Close date", FieldType.DATE, FieldOwner.HUMAN),
        "assumed": FieldRule("assumed", "To be confirmed", FieldType.LONG_TEXT, FieldOwner.DAEMON),
        "prefill_confirmed": FieldRule("prefill_confirmed", "Confirmed", FieldType.BOOL, FieldOwner.HUMAN),
    }
    return dataclasses.replace(plain, fields=fields)


def an_open(stage: Stage = OPEN_STAGE, **deal: Value) -> Snapshot:
    given: dict[str, Value] = {
        **EMPTY, "close_date": date(2026, 3, 20), "assumed": None, "prefill_confirmed": None, **deal,
    }  # fmt: skip
    contacts = (INGRID, OLAV)
    return a_snapshot(deal=given, stage=stage, won_at=None, stage_before_win=None, contacts=contacts)


def a_world(**deal: Value) -> World:
    return World(an_open(**deal), policy=prefilling())


def said(plan: Plan) -> str:
    return " ".join(one.reason for one in plan.findings if one.rule == "prefill")


def test_empty_answers_are_taken_over_once_and_listed_as_assumed() -> None:
    world = a_world()
    plan = world.run()
    deal = world.snapshot.deal
    assert {name: deal.get(name) for name in FILLABLE} == {
        "champion": "Ingrid Holm, Head of service, ingrid@nordlys.example",
        "stakeholders": "Olav Berg: economic buyer\nIngrid Holm, Head of service, ingrid@nordlys.example: champion",
        "go_live_date": date(2026, 4, 19),
        "risks": "energy",
    }
    assert deal.text("assumed").splitlines() == [
        "Taken over from the CRM. Please confirm, or write it as it is:",
        "champion: Ingrid Holm, Head of service, ingrid@nordlys.example (from the contact with the role champion)",
        f"stakeholders: {' '.join(deal.text('stakeholders').split())} (from the deal's contacts)",
        "go_live_date: 19 Apr 2026 (from Close date, 30 days later)",
        "risks: energy (from Account.industry)",
    ]
    assert plan.missing == (), "what is taken over is no gap in the same look"
    assert said(plan) == "Assumed until the AE confirms it: champion, stakeholders, go_live_date and risks."
    again = world.run()
    assert again.actions == ()
    assert [one.verdict for one in again.findings if one.rule == "prefill"] == [Verdict.WAIT]


def test_what_a_person_wrote_is_theirs() -> None:
    world = a_world(champion="Somebody else")
    world.run()
    assert world.text("champion") == "Somebody else"
    assert "champion" not in world.text("assumed").split("stakeholders")[0].lower().replace("confirm", "")


def test_a_value_that_the_ae_changes_or_empties_is_theirs_from_then_on() -> None:
    world = a_world()
    world.run()
    world.edit({"champion": "Ingrid Holm, she signs", "risks": None})
    plan = world.run()
    assert (world.text("champion"), world.snapshot.deal.get("risks")) == ("Ingrid Holm, she signs", None)
    assert said(plan) == "Assumed until the AE confirms it: stakeholders and go_live_date."
    world.edit({"close_date": date(2026, 5, 1)})
    world.run()
    assert world.snapshot.deal.get("go_live_date") == date(2026, 4, 19), "it was taken over once"


def test_the_box_confirms_all_of_it_and_nothing_more_is_taken_over() -> None:
    world = a_world(close_date=None)
    world.run()
    world.edit({"prefill_confirmed": True, "close_date": date(2026, 3, 20)})
    plan = world.run()
    assert said(plan) == "Nothing is left to be confirmed."
    assert (world.snapshot.deal.get("assumed"), world.snapshot.deal.get("go_live_date")) == (None, None)
    assert world.run().actions == ()


@pytest.mark.parametrize("owner", [FieldOwner.HUMAN, FieldOwner.DAEMON])
def test_field_ownership_holds(owner: FieldOwner) -> None:
    policy = prefilling()
    theirs = dataclasses.replace(policy.fields["champion"], owner=owner)
    world = World(an_open(), policy=dataclasses.replace(policy, fields={**policy.fields, "champion": theirs}))
    world.run()
    assert world.snapshot.deal.get("champion") is None


def test_other_deals_are_let_be() -> None:
    for snapshot in (an_open(EARLY), a_snapshot(deal={**EMPTY, "champion": None}, contacts=(INGRID,))):
        world = World(snapshot, policy=prefilling())
        world.run()
        assert world.snapshot.deal.get("champion") is None


def test_it_is_still_listed_after_the_win_until_it_is_confirmed() -> None:
    world = a_world()
    world.run()
    world.win()
    plan = world.run()
    assert said(plan).startswith("Assumed until the AE confirms it: champion")
    world.edit({"prefill_confirmed": True})
    world.run()
    assert world.snapshot.deal.get("assumed") is None


def test_a_lost_ledger_takes_nothing_over_twice_and_knows_what_is_assumed() -> None:
    world = a_world()
    world.run()
    world.edit({"risks": "A strike, says the union."})
    world.run()
    world.lose_ledger()
    plan = world.run()
    assert plan.actions == ()
    assert said(plan) == "Assumed until the AE confirms it: champion, stakeholders and go_live_date."
    assert world.text("risks") == "A strike, says the union."


def test_without_a_source_nothing_is_written() -> None:
    world = World(
        dataclasses.replace(an_open(close_date=None), contacts=()),
        policy=prefilling(prefills=RULES[:3]),
    )
    plan = world.run()
    assert said(plan) == ""
    assert "assumed" not in {name for one in plan.actions for name in getattr(one, "values", {})}


def test_of_several_sources_the_first_that_has_something_counts_and_stays_named() -> None:
    policy = prefilling(prefills=(Prefill("champion", "contacts.sponsor"), Prefill("champion", "account.name")))
    world = World(an_open(), policy=policy)
    world.run()
    assert world.text("assumed").splitlines()[1:] == ["champion: Nordlys AS (from Account.name)"]
    assert world.run().actions == ()
    sponsor = dataclasses.replace(INGRID, roles=("sponsor",))
    world.snapshot = dataclasses.replace(world.snapshot, contacts=(sponsor,))
    assert world.run().actions == ()
