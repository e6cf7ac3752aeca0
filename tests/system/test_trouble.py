"""What goes wrong around the connector: each case with the words a person gets, and with what still works.

Wrong files, people who left, records that lack what they should have. Trouble on the line is in ``test_line.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import ELENA_AE, Desk, Site, free_port, site, until

from connector.sandbox import agreed

pytestmark = pytest.mark.system

EXIT_FOUND, EXIT_USER, EXIT_CRM = 1, 2, 3
PRIYA, JONAS = "priya.nair@seller.example", "jonas.weber@seller.example"


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """An org and a portal which the connector has not seen yet; wins of today count."""
    with site(tmp_path / "site", first_run='first_run = "act_since"\nact_since = 2020-01-01') as made:
        yield made


def system_of(status: dict[str, list[dict[str, object]]], name: str) -> dict[str, object]:
    """One system's part of ``handoff status --json``."""
    return next(each for each in status["systems"] if each["name"] == name)


def problems(ground: Site, name: str) -> list[str]:
    """What ``handoff check`` says of one system."""
    ran = ground.call("check", "--json")
    found = [f"{each['where']}: {each['key']}: {each['message']}" for each in ran.data["systems"][name]]
    assert ran.code == (EXIT_FOUND if any(ran.data["systems"].values()) else 0)
    return found


def deactivate(desk: Desk, email: str) -> None:
    """A person leaves the company."""
    table, field = {"sf": ("User", "IsActive"), "hs": ("owners", "active")}[desk.name]
    desk.world.table(table).update(desk.user(email), {field: False}, by="an admin")


@pytest.mark.parametrize(
    ("name", "secret", "words"),
    [("sf", "SF_CLIENT_SECRET", "invalid_client"), ("hs", "HS_ACCESS_TOKEN", "INVALID_AUTHENTICATION")],
)
def test_wrong_credentials(ground: Site, name: str, secret: str, words: str) -> None:
    good = ground.secrets[secret]
    ground.secrets[secret] = "not-the-secret-at-all"
    sick, well = (ground.sf, ground.hs) if name == "sf" else (ground.hs, ground.sf)
    deals = {desk.name: desk.won(1)[0] for desk in ground.desks}

    (problem,) = problems(ground, name)
    assert words in problem
    assert "check the credentials" in problem
    assert not problems(ground, well.name)

    with ground.daemon() as daemon:
        halted = daemon.wait_for("system.halted", system=name)
        assert halted["code"] == "auth_revoked"
        until(lambda: well.handed_off(deals[well.name]), "the other system to go on")
    status = ground.call("status", "--json")
    assert status.code == EXIT_FOUND
    assert words in str(system_of(status.data, name)["trouble"])
    assert system_of(status.data, well.name)["ok"]
    assert not sick.writes()
    assert "not-the-secret-at-all" not in (daemon.said() + status.out)

    ground.secrets[secret] = good
    with ground.daemon():
        until(lambda: sick.handed_off(deals[name]) and sick.clean, "the mended system, its message included")
    assert sick.clean, sick.tally()
    assert system_of(ground.call("status", "--json").data, name)["ok"]


@pytest.mark.parametrize("name", ["sf", "hs"])
def test_an_unreachable_crm(ground: Site, name: str) -> None:
    url = {"sf": ground.sandbox.sf_url, "hs": ground.sandbox.hs_url}[name]
    ground.configure(**{f"{name}_url": f"http://127.0.0.1:{free_port()}"})
    sick, well = (ground.sf, ground.hs) if name == "sf" else (ground.hs, ground.sf)
    deals = {desk.name: desk.won(1)[0] for desk in ground.desks}

    (problem,) = problems(ground, name)
    assert "check base_url and the network" in problem

    ran = ground.pass_here()
    assert ran.code == EXIT_CRM
    assert "unavailable" in ran.data[name]["error"]
    assert not ran.data[well.name]["error"]
    assert well.handed_off(deals[well.name])
    status = ground.call("status", "--json")
    assert status.code == EXIT_FOUND
    assert not system_of(status.data, name)["ok"]
    assert "unavailable" in str(system_of(status.data, name)["trouble"])

    ground.configure(**{f"{name}_url": url})
    assert ground.pass_here().code == 0
    assert sick.handed_off(deals[name])
    assert system_of(ground.call("status", "--json").data, name)["ok"]


def test_an_unknown_stage_to_go_back_to(ground: Site) -> None:
    """It is told before it matters; a deal whose earlier stage is known is put back there; others park and recover."""
    ground.edit("salesforce.toml", 'revert_to = "Negotiation/Review"', 'revert_to = "Negotation/Review"')
    (problem,) = problems(ground, "sf")
    assert "salesforce.toml: stages.revert_to" in problem
    assert "there is no stage 'Negotation/Review'; did you mean 'Negotiation/Review'?" in problem
    sf = ground.sf
    known = sf.win(sf.deal(without=("risks",)), outcome="held")
    complete = sf.won(1)[0]
    with sf.world.lock:
        imported = sf.crm.add_deal(
            {"name": "Imported as won", "amount": 9_000, "close_date": "2026-11-20", "owner": sf.see(known).owner},
            stage=sf.crm.stage_of("won", "new").id,
            deal_type="new",
            by=sf.see(known).owner,
        )

    assert ground.pass_here("--system", "sf").code == 0
    assert sf.handed_off(complete)
    assert sf.held(known)
    assert sf.see(known).stage.id == "Negotiation/Review"
    assert sf.see(imported).stage.won, "an unknown stage cannot have been written"
    parked = ground.call("retry", "--json").data["parked"]
    assert [(each["deal"], each["step"]) for each in parked] == [(imported, "patch-revert")]
    assert "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" in parked[0]["code"]
    assert "Negotation/Review" in parked[0]["message"]
    status = ground.call("status", "--json").data
    assert system_of(status, "sf")["parked"] == 1
    assert status["parked"][0]["message"] == parked[0]["message"]

    ground.edit("salesforce.toml", 'revert_to = "Negotation/Review"', 'revert_to = "Negotiation/Review"')
    assert not problems(ground, "sf")
    sf.do.set_fields(imported, {"champion": "Ana Ruiz"}, by=sf.see(known).owner)
    assert ground.pass_here("--system", "sf").code == 0
    assert sf.held(imported)
    assert sf.see(imported).stage.id == "Negotiation/Review"
    assert not ground.call("retry", "--json").data["parked"]


@pytest.mark.parametrize(
    ("name", "file", "field", "broken"),
    [
        ("sf", "salesforce.toml", "Handoff_Completion__c", "Handoff_Completeness__c"),
        ("hs", "hubspot.toml", "handoff_completion", "handoff_completeness"),
    ],
)
def test_a_mapped_field_that_does_not_exist(ground: Site, name: str, file: str, field: str, broken: str) -> None:
    """The rest of the handoff happens and says what rests; once the field is there it is written like any other."""
    desk = ground.sf if name == "sf" else ground.hs
    ground.configure(systems=(name,))
    ground.edit(file, f'"{field}"', f'"{broken}"')
    deal = desk.won(1)[0]
    found = problems(ground, name)
    assert any(broken in each and "does not exist or is hidden from this login" in each for each in found), found
    assert all(broken in each for each in found), found

    assert ground.pass_here().code == 0
    tasks = [task.id for task in desk.crm.tasks_of(deal)]
    assert len(tasks) == 5
    assert len(desk.crm.notes_of(deal)) == 1
    assert ground.call("retry", "--json").data["parked"] == []
    assert desk.see(deal).fields.get("metric_completion") is None
    assert desk.see(deal).fields["percent"] == 100
    told = " ".join(ground.call("explain", deal).text.split())
    assert "Not written, because the CRM does not show it to the connector: Completion rate" in told

    ground.edit(file, f'"{broken}"', f'"{field}"')
    assert not problems(ground, name)
    with desk.world.lock:
        desk.crm.set_deal(deal, {"next_step": "Call them"}, by=desk.user(ELENA_AE))
    assert ground.pass_here().code == 0
    assert desk.handed_off(deal)
    assert desk.see(deal).fields["metric_completion"] == 100
    assert [task.id for task in desk.crm.tasks_of(deal)] == tasks
    assert desk.clean, desk.tally()


def test_a_csm_who_left(ground: Site) -> None:
    """A pool goes on without them, and an account of theirs gets somebody else, with the reason."""
    accounts = {desk.name: desk.account("Old Friends", csm=desk.user(PRIYA)) for desk in ground.desks}
    for desk in ground.desks:
        deactivate(desk, PRIYA)
    fresh = {desk.name: desk.won(3) for desk in ground.desks}
    known = {desk.name: desk.won(1, account=accounts[desk.name])[0] for desk in ground.desks}
    for desk in ground.desks:
        found = problems(ground, desk.name)
        assert any("assignment.pools[mid].members" in each and f"{PRIYA} is not active" in each for each in found), (
            found
        )

        plan = ground.call("explain", fresh[desk.name][0], "--system", desk.name, "--json").data
        (choice,) = (finding for finding in plan["findings"] if finding["rule"] == "assignment")
        why = {each["email"]: each["why"] for each in choice["candidates"]}
        assert why == {PRIYA: "no longer active in the CRM", JONAS: "chosen: next in turn"}

    assert ground.pass_here().code == 0

    for desk in ground.desks:
        jonas = desk.user(JONAS)
        assert {desk.see(deal).text("csm") for deal in fresh[desk.name]} == {jonas}
        assert desk.see(known[desk.name]).text("csm") == jonas
        assert desk.crm.account(accounts[desk.name]).csm == jonas
        assert all(desk.handed_off(deal) for deal in (*fresh[desk.name], known[desk.name]))
        told = ground.call("explain", known[desk.name], "--system", desk.name, "--json").data
        assert any(
            "Priya Nair is no longer active in the CRM. Jonas Weber becomes CSM" in h["reason"] for h in told["history"]
        )


def test_nobody_is_left(ground: Site) -> None:
    """The fallback gets the account and is told why."""
    for desk in ground.desks:
        for email in (PRIYA, JONAS):
            deactivate(desk, email)
    deals = {desk.name: desk.won(1)[0] for desk in ground.desks}
    assert ground.pass_here().code == 0
    for desk in ground.desks:
        deal = desk.see(deals[desk.name])
        assert desk.crm.who(deal.text("csm")) == "Dana Kowalski"
        assert desk.handed_off(deal.id)
        told = [m for m in desk.world.messages if f"{desk.name}:{deal.id}:1:notify-nobody_eligible" in (m.key or "")]
        assert [m.body["to"] for m in told] == ["dana.kowalski@seller.example"]
        for name in ("Priya Nair", "Jonas Weber"):
            assert f"{name}: no longer active in the CRM" in told[0].body["text"]


def test_a_deal_without_an_account(ground: Site) -> None:
    deals = {desk.name: desk.won(1, lone=True)[0] for desk in ground.desks}
    beside = {desk.name: desk.won(1)[0] for desk in ground.desks}
    assert ground.pass_here().code == 0
    for desk in ground.desks:
        assert desk.handed_off(deals[desk.name])
        assert desk.handed_off(beside[desk.name])
        told = ground.call("explain", deals[desk.name], "--system", desk.name)
        assert told.code == 0
        assert "no account" in told.text, told.text
    assert not ground.call("retry", "--json").data["parked"]
    assert not ground.open_rows()
    assert all(agreed.is_summary(desk.crm.notes_of(deals[desk.name])[0].title) for desk in ground.desks)
