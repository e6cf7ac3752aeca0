"""The commands as a person or a script meets them: help that teaches, exit codes, JSON, and what explain shows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from daemons import Site, site

from connector.cli.app import COMMANDS

pytestmark = pytest.mark.system

EXIT_FOUND, EXIT_USER = 1, 2
LISTING = ("once", "plan", "explain", "check", "status", "retry", "migrate")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with one deal handed off and one held on each CRM."""
    folder = tmp_path_factory.mktemp("cli")
    with site(folder, first_run='first_run = "act_since"\nact_since = 2020-01-01') as made:
        for desk in made.desks:
            desk.won(1)
            desk.win(desk.deal(without=("commitments",)), outcome="held")
        ran = made.once()
        assert ran.code == 0, ran.text
        yield made


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str, ground: Site) -> None:
    """It says what the command is for and gives a command line to type, for itself or for what comes next."""
    ran = ground.run(command, "--help", config=False)
    assert ran.code == 0
    assert "handoff " in ran.out.partition("Options")[0], "no example and no next step"
    assert len(ran.out.partition("Options")[0].split()) > 25, "too little to learn from"


def test_help_lists_every_command(ground: Site) -> None:
    ran = ground.run("--help", config=False)
    assert ran.code == 0
    assert all(f" {command} " in ran.text for command in COMMANDS)
    assert "handoff demo" in ran.text


@pytest.mark.parametrize("command", LISTING)
def test_json_is_json_and_alone_on_standard_output(command: str, ground: Site) -> None:
    deal = [next(iter(ground.sf.crm.deals())).id] if command == "explain" else []
    ran = ground.run(command, *deal, "--json")
    assert ran.code == 0, ran.text
    assert isinstance(json.loads(ran.out), dict)


def test_map_try_shows_what_the_crm_holds_and_what_the_rules_see(ground: Site) -> None:
    for desk in ground.desks:
        deal = next(each for each in desk.crm.deals() if not each.text("commitments"))
        before = desk.writes()
        told = ground.run("map", "try", deal.id, "--system", desk.name, "--json").data
        by_name = {each["path"]: each for each in told["fields"]}
        assert by_name["champion"]["raw"] == by_name["champion"]["becomes"] == deal.text("champion")
        assert by_name["owner"]["becomes"].endswith("@seller.example>")
        assert by_name["owner"]["raw"] not in by_name["owner"]["becomes"]
        assert by_name["commitments"]["becomes"] == "(empty)"
        assert by_name["gate"]["may"] == "read, write (kept by the connector)"
        assert told["stage"]["label"]
        assert told["deal_type"]["becomes"] == "new"
        assert any("Commitments" in each for each in told["missing"])
        assert not any(each["trouble"] for each in told["fields"])
        only = ground.run("map", "try", deal.id, "champion", "--system", desk.name)
        assert only.code == 0
        assert "champion" in only.text
        whole = ground.run("map", "try", deal.id, "--system", desk.name)
        assert "more fields are empty here" in whole.text
        assert "account.onboarding_stage" in whole.text, "no name is cut"
        slip = ground.run("map", "try", deal.id, "champoin", "--system", desk.name)
        assert slip.code == EXIT_USER
        assert "is not mapped; did you mean 'champion'?" in slip.text
        assert desk.writes() == before


def test_explain_shows_all_the_whys_of_a_handoff(ground: Site) -> None:
    for desk in ground.desks:
        deal = next(each for each in desk.crm.deals() if each.text("csm"))
        told = ground.run("explain", deal.id, "--system", desk.name, "--json").data
        assert (told["phase"], told["gate"], told["percent"]) == ("in_flight", "Released", 100)
        gate = next(each for each in told["findings"] if each["rule"] == "gate")
        assert [each["present"] for each in gate["fields"]] == [True] * 7
        assert all(each["why"] for each in gate["fields"])
        assert [task["state"] for task in told["tasks"]] == ["open"] * 5
        assert all(task["owner"] and task["due"] for task in told["tasks"])
        assert told["looks_again"]
        assert told["history"]
        shown = ground.run("explain", deal.id, "--system", desk.name).text
        for part in ("The gate, field by field", "Tasks and clocks", "What happened so far", "Next look: 2"):
            assert part in shown


def test_explain_shows_candidates_with_their_load_before_one_is_chosen(ground: Site) -> None:
    desk = ground.sf
    deal = desk.win(desk.deal())
    told = ground.run("explain", deal, "--json").data
    choice = next(each for each in told["findings"] if each["rule"] == "assignment")
    assert {each["email"] for each in choice["candidates"]} == {
        "priya.nair@seller.example",
        "jonas.weber@seller.example",
    }
    assert all(each["cap"] == 40 and each["why"] for each in choice["candidates"])
    assert sum(each["chosen"] for each in choice["candidates"]) == 1
    assert {each["accounts"] for each in choice["candidates"]} == {0, 1}
    assert "Candidates for CSM" in ground.run("explain", deal).text


def test_explain_says_what_a_held_deal_lacks(ground: Site) -> None:
    for desk in ground.desks:
        deal = next(each for each in desk.crm.deals() if each.text("gate") == "Held")
        told = ground.run("explain", deal.id, "--system", desk.name, "--json").data
        assert told["phase"] == "held"
        assert told["missing"] == ["Commitments made"]
        assert not told["writes"]


def test_mistakes_of_the_person_end_with_code_2_and_no_traceback(ground: Site) -> None:
    cases = {
        ("explain", "no-such-deal"): "is not a deal this login can see in sf, hs",
        ("once", "--system", "sx"): "no system is called 'sx'; config.toml has sf, hs",
        ("plan", "--won-since", "yesterday"): "does not match the format",
        ("retry", "first"): "Usage: python -m connector retry",
    }
    for arguments, words in cases.items():
        ran = ground.run(*arguments)
        assert ran.code == EXIT_USER, (arguments, ran.text)
        assert words in ran.text
        assert "Traceback" not in ran.err
    missing = ground.run("status", "--config", "nowhere.toml", config=False)
    assert missing.code == EXIT_USER
    assert "nowhere.toml" in missing.text


def test_every_mistake_in_the_config_is_told_at_once(ground: Site) -> None:
    good = (ground.folder / "config.toml").read_text()
    try:
        broken = good.replace('mode = "act"', 'mode = "maybe"').replace("poll_seconds = 1", "pol_seconds = 1")
        (ground.folder / "config.toml").write_text(broken)
        ran = ground.run("check")
    finally:
        (ground.folder / "config.toml").write_text(good)
    assert ran.code == EXIT_USER
    assert "daemon.mode" in ran.err
    assert "pol_seconds" in ran.err
    assert "poll_seconds" in ran.err
    assert "2 problems. Nothing was changed." in ran.err


def test_retry_with_nothing_parked_says_so(ground: Site) -> None:
    ran = ground.run("retry")
    assert ran.code == 0
    assert "Nothing is parked." in ran.text


def test_status_needs_a_person_when_no_pass_ended(ground: Site) -> None:
    ground.configure(systems=("hs",))
    try:
        (ground.folder / "config.toml").write_text(
            (ground.folder / "config.toml").read_text().replace('state = "state"', 'state = "other"')
        )
        ran = ground.run("status", "--json")
    finally:
        ground.configure(systems=("sf", "hs"))
    assert ran.code == EXIT_FOUND
    assert ran.data["systems"][0]["trouble"] == "no pass has ended yet"


# playbooks


def test_playbooks_are_shown_as_table_picture_and_data_without_a_crm(ground: Site) -> None:
    shown = ground.run("playbook", "show").text
    for words in ("five tasks (version ", "welcome-packet", "when welcome-packet is done", "2 working hours"):
        assert words in shown
    picture = ground.run("playbook", "show", "--mermaid", "--name", "five tasks").out
    assert picture.startswith("flowchart TD\n")
    assert picture.count("<b>") == 5
    data = ground.run("playbook", "show", "--json").data
    assert [book["name"] for book in data["playbooks"]] == ["five tasks", "light"]
    ran = ground.run("playbook", "show", "--name", "six tasks")
    assert ran.code == EXIT_USER
    assert "there is no playbook 'six tasks'; there are: five tasks, light" in ran.text


def test_a_deal_s_own_calendar_and_its_play(ground: Site) -> None:
    for desk in ground.desks:
        before = desk.writes()
        running = next(each for each in desk.crm.deals() if each.text("csm"))
        shown = ground.run("playbook", "show", "--deal", running.id, "--system", desk.name, "--json").data
        assert [step["state"] for step in shown["steps"]] == ["open"] * 5
        assert all(step["begins"] and step["deadline"] and step["due"] for step in shown["steps"])
        played = ground.run(
            "playbook", "simulate", "--deal", running.id, "--people", "prompt", "--system", desk.name, "--json"
        ).data
        assert not played["pretended"]
        done = [event["step"] for event in played["events"] if event["what"] == "done"]
        assert done == [step["step"] for step in shown["steps"]]
        idle = ground.run("playbook", "simulate", "--deal", desk.deal(), "--system", desk.name)
        assert idle.code == 0, idle.text
        assert "as if the deal were won now" in idle.text
        assert "missed" in idle.text
        assert desk.writes() == before
    ran = ground.run("playbook", "simulate")
    assert ran.code == EXIT_USER
    assert "--deal: is needed here" in ran.text
