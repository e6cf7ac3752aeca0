"""An admin takes a mapped field away: noticed within the hour; what goes by it stands still, all else goes on.

Not here: which rules go by a field (``tests/unit/test_policy_needed.py``). One clock rules the CRM and the engine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine.test_assignment_crms import JONAS, MAPPINGS, PRIYA, VENDORS, Desk

from connector.crm.salesforce import lookups
from connector.crm.salesforce.adapter import SalesforceCRM
from connector.engine.onepass import run_pass
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import SystemName
from connector.policy.load import load
from connector.sandbox.hubspot import catalog as portal
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.server import Sandbox
from connector.store import open_store

HOUR = 3600.0
DEAL = kind_of("deals")


@pytest.fixture(params=sorted(VENDORS))
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """The shipped mapping on a CRM with nothing in it."""
    with opened(str(request.param), tmp_path) as made:
        yield made


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Desk]:
    """A desk over one of the two."""
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        store = open_store(f"sqlite:///{folder / 'handoff.db'}", clock=sandbox.clock)
        yield Desk(name, sandbox, load(MAPPINGS, {SystemName(name): VENDORS[name]}), store)
        store.close()


def take(desk: Desk, path: str) -> None:
    """In Salesforce a profile hides it, in HubSpot somebody archives the property."""
    field = desk.field(path)
    if desk.name == "sf":
        catalog(desk.state).hide_field("Opportunity", field)
        return
    kept = portal.properties(desk.state, DEAL)[field]
    portal.keep(desk.state, DEAL, dataclasses.replace(kept, archived=True), by="admin")


def give_back(desk: Desk, path: str) -> None:
    """And gives it back."""
    field = desk.field(path)
    if desk.name == "sf":
        catalog(desk.state).show_field("Opportunity", field)
        return
    kept = portal.properties(desk.state, DEAL, archived=True)[field]
    portal.keep(desk.state, DEAL, dataclasses.replace(kept, archived=False), by="admin")


def within_the_hour(desk: Desk) -> None:
    """An hour in passes, whatever they say: at first the CRM may refuse to be asked for the field."""
    for _ in range(8):
        desk.sandbox.clock.advance(HOUR / 8)
        run_pass(desk.shared, desk.system)


def test_a_required_field_that_is_hidden_is_told_and_not_asked_for_and_all_else_goes_on(desk: Desk) -> None:
    take(desk, "champion")
    within_the_hour(desk)
    (alarm,) = [each for each in desk.store.alarms(desk.system.name) if each.name == "schema"]
    assert desk.field("champion") in alarm.text
    assert not desk.store.pauses(desk.system.name)
    deal = desk.win("Nordlys", champion="")
    desk.run()
    assert desk.csm(deal)
    assert "Not checked, because the CRM does not show it: Champion" in _gate(desk, deal)
    give_back(desk, "champion")
    within_the_hour(desk)
    assert [each.name for each in desk.store.alarms(desk.system.name) if each.name == "schema"] == []


def test_only_the_rule_stands_still_whose_conditions_go_by_the_lost_field(desk: Desk) -> None:
    take(desk, "scope_requests")
    within_the_hour(desk)
    (still,) = desk.store.pauses(desk.system.name)
    assert (still.rule, desk.field("scope_requests") in still.why) == ("red_flags", True)
    deal = desk.win("Nordlys")
    desk.run()
    assert desk.csm(deal)
    assert desk.tasks(deal)
    give_back(desk, "scope_requests")
    within_the_hour(desk)
    assert not desk.store.pauses(desk.system.name)


def test_without_the_amount_nobody_is_chosen_until_it_is_back_and_a_person_may_decide_otherwise(tmp_path: Path) -> None:
    with opened("sf", tmp_path) as desk:
        take(desk, "amount")
        within_the_hour(desk)
        still = {each.rule for each in desk.store.pauses(desk.system.name)}
        assert {"gate", "assignment"} <= still
        given = {"risks": "Their own team may leave in May.", "competition": "Zendesk since 2019, stays for mail."}
        large = desk.win("Grand", amount=30_000, **given)
        desk.run()
        assert not desk.text(large, "csm")  # taken for empty, it would go to those who care for the smallest
        give_back(desk, "amount")
        within_the_hour(desk)
        assert not desk.store.pauses(desk.system.name)
        assert desk.csm(large) in (PRIYA, JONAS)
        take(desk, "amount")
        within_the_hour(desk)
        for rule in still:
            desk.store.resume_by_hand(desk.system.name, rule=rule, by="ada")
        within_the_hour(desk)
        assert not desk.store.pauses(desk.system.name)


def test_a_change_of_another_line_does_not_let_go_what_stands_still(tmp_path: Path) -> None:
    with opened("sf", tmp_path) as desk:
        take(desk, "amount")
        within_the_hour(desk)
        still = {each.rule for each in desk.store.pauses(desk.system.name)}
        assert {"gate", "assignment"} <= still
        desk.store.resume_by_hand(desk.system.name, rule="assignment", by="ada")
        edited(desk, "2")
        within_the_hour(desk)
        assert {each.rule for each in desk.store.pauses(desk.system.name)} == still - {"assignment"}
        assert [each.name for each in desk.store.alarms(desk.system.name) if each.name == "schema"]
        give_back(desk, "amount")
        edited(desk, "3")
        desk.run(passes=1)
        assert not desk.store.pauses(desk.system.name)
        assert not [each.name for each in desk.store.alarms(desk.system.name) if each.name == "schema"]


def test_a_rule_that_somebody_had_paused_before_stands_still_for_the_field_once_they_resume_it(tmp_path: Path) -> None:
    with opened("sf", tmp_path) as desk:
        store, name = desk.store, desk.system.name
        store.pause_by_hand(name, rule="red_flags", by="ada", why="too many of them")
        take(desk, "scope_requests")
        within_the_hour(desk)
        assert [each.by for each in store.pauses(name)] == ["ada"]
        store.resume_by_hand(name, rule="red_flags", by="ada")
        within_the_hour(desk)
        (still,) = store.pauses(name)
        assert (still.rule, desk.field("scope_requests") in still.why) == ("red_flags", True)
        give_back(desk, "scope_requests")
        within_the_hour(desk)
        assert not store.pauses(name)


def test_what_could_not_be_read_is_read_again_in_minutes_not_in_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened("sf", tmp_path) as desk:
        take(desk, "scope_requests")
        desk.sandbox.clock.advance(HOUR)
        with monkeypatch.context() as broken:
            broken.setattr(desk.system.crm, "relearn", _away)
            assert run_pass(desk.shared, desk.system).error
        desk.sandbox.clock.advance(HOUR / 20)
        run_pass(desk.shared, desk.system)
        assert [each.name for each in desk.store.alarms(desk.system.name) if each.name == "schema"]


def test_contact_roles_that_cannot_be_looked_up_again_now_are_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened("sf", tmp_path) as desk:
        name = desk.system.name
        asked = dataclasses.replace(desk.loaded.maps[name], contacts={"champion": ("Champion",)})
        desk.restart(dataclasses.replace(desk.loaded, maps={name: asked}))
        crm = desk.system.crm
        assert isinstance(crm, SalesforceCRM)
        crm.connect()
        assert crm._reader.contacts
        monkeypatch.setattr(lookups, "describe_object", lambda *_: _away())
        with pytest.raises(CrmError):
            crm.relearn()
        assert crm._reader.contacts


def _away() -> None:
    raise CrmError(Fault(FaultCode.UNAVAILABLE, "503", "busy"))


def edited(desk: Desk, digest: str) -> None:
    """An admin changes a line that has nothing to do with it, and restarts the daemon."""
    desk.restart()
    desk.system.policy_digest = digest


def _gate(desk: Desk, deal: str) -> str:
    entries = desk.store.audit(desk.system.name, deal)
    return " ".join(each["reason"] for entry in entries for each in entry.data.get("findings", ()))
