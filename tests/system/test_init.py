"""``handoff init``: what it writes from a lived-in org and portal passes its own check, and says what it guessed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import Ran, Site
from lived_in import lived_in
from provisioned import ADMIN

from connector.cli import app

pytestmark = pytest.mark.system

VICTOR = "victor.lang@seller.example"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with lived_in(tmp_path_factory.mktemp("init") / "site") as made:
        yield made


def call(company: Site, *arguments: str) -> Ran:
    """Run a command in this process, without naming a config."""
    out, err = io.StringIO(), io.StringIO()
    before, words = dict(os.environ), sys.argv
    try:
        os.environ.clear()
        os.environ.update(company.environment())
        sys.argv = ["handoff", *arguments]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = app.run()
    finally:
        sys.argv = words
        os.environ.clear()
        os.environ.update(before)
    return Ran(code, out.getvalue(), err.getvalue())


def answers(company: Site, path: Path) -> Path:
    """A file that answers everything but who the CSMs are."""
    path.write_text(
        f"""\
time_zone = "Europe/Berlin"
country = "DE"
approvers = ["{VICTOR}"]
[[systems]]
name = "sf"
vendor = "salesforce"
base_url = "{company.sandbox.sf_url}"
client_id_env = "SF_CLIENT_ID"
client_secret_env = "SF_CLIENT_SECRET"
[[systems]]
name = "hs"
vendor = "hubspot"
base_url = "{company.sandbox.hs_url}"
access_token_env = "HS_ACCESS_TOKEN"
"""
    )
    return path


def test_from_an_empty_folder_to_a_check_without_a_complaint(company: Site, tmp_path: Path) -> None:
    before = {desk.name: desk.writes() for desk in company.desks}
    ran = call(company, "init", str(tmp_path / "acme"), "--answers", str(answers(company, tmp_path / "answers.toml")))
    assert ran.code == 0, ran.text
    assert {desk.name: desk.writes() for desk in company.desks} == before, "it only reads"

    mappings = tmp_path / "acme" / "mappings"
    deal = tomllib.loads((mappings / "salesforce.toml").read_text())["fields"]["deal"]
    assert deal["success_criteria"] == {
        "field": "Success_Metrics__c", "label": "Success metrics", "type": "long_text", "owner": "human",
    }  # fmt: skip
    assert deal["use_case"]["field"] == "Handoff_Use_Case__c", "what exists nowhere is left to provision"
    portal = tomllib.loads((mappings / "hubspot.toml").read_text())
    assert portal["fields"]["deal"]["why_bought"]["field"] == "pain_points"
    process = tomllib.loads((mappings / "process.toml").read_text())
    assert process["override"]["approvers"] == [VICTOR]
    assert (process["calendar"]["time_zone"], process["calendar"]["holidays"]["country"]) == ("Europe/Berlin", "DE")
    assert process["gate"]["mode"] == "warn"
    assert (
        "seller.example" not in json.dumps(process["escalation"].get("managers")) or process["escalation"]["managers"]
    )

    config = str(tmp_path / "acme" / "config.toml")
    offline = call(company, "check", "--offline", "--config", config)
    assert offline.code == 0, offline.text
    assert "guesses are still ASSUMED" in offline.text
    tested = call(company, "policy", "test", "--config", config)
    assert tested.code == 0, tested.text
    assert "handoff provision sf --config" in ran.text, "the next step can be copied"
    bare = call(company, "check", "--config", config)
    assert bare.code == 1
    assert "fields do not exist or are hidden from this login: deal.product" in " ".join(bare.out.split())
    assert "create it or grant read access" not in bare.out, "sixty fields that provision makes are one line"
    for system, token in (("sf", ("--token-env", ADMIN)), ("hs", ())):
        made = call(company, "provision", system, "--apply", "--yes", "--config", config, *token)
        assert made.code == 0, made.text
    checked = call(company, "check", "--config", config, "--json")
    assert checked.code == 0, checked.text
    told = {one["key"]: one["where"] for one in json.loads(checked.out)["assumed"]}
    where, _, line = told["approvers" if "approvers" in told else "sponsor"].rpartition(":")
    assert "ASSUMED" in Path(where).read_text().splitlines()[int(line) - 1]
    assert "approvers" not in told, "what a person said is no guess"

    path = Path(config)
    path.write_text(path.read_text().replace('mode = "observe"', 'mode = "act"'))
    loud = call(company, "check", "--offline", "--config", config)
    assert loud.code == 0
    assert "The daemon acts, and" in loud.err


def test_nothing_is_overwritten_and_nothing_is_left_of_a_failure(company: Site, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    once = ("init", str(folder), "--vendor", "hubspot", "--url", company.sandbox.hs_url, "--yes")
    ran = call(company, *once)
    assert ran.code == 0, ran.text
    assert not (folder / "mappings" / "salesforce.toml").exists()
    (folder / "config.toml").write_text("# mine\n")
    again = call(company, *once)
    assert again.code == 2
    assert "--force" in again.text
    assert (folder / "config.toml").read_text() == "# mine\n"
    assert call(company, *once, "--force").code == 0

    refused = call(company, "init", str(tmp_path / "none"), "--vendor", "salesforce", "--yes")
    assert refused.code == 2, "an org needs its address"
    assert "base_url" in refused.text
    assert not (tmp_path / "none").exists()
    assert call(company, "init", str(tmp_path / "none"), "--vendor", "pipedrive", "--yes").code == 2
    assert call(company, "init", str(tmp_path / "none"), "--yes").code == 2, "no CRM is named"

    wrong = tmp_path / "wrong.toml"
    wrong.write_text('time_zone = "Berlin"\npools = { gold = ["a@b.example"] }\n')
    ran = call(company, "init", str(tmp_path / "none"), "--answers", str(wrong))
    assert ran.code == 2
    assert f"{wrong}:1:" in ran.text


def test_without_a_crm_all_is_assumed(company: Site, tmp_path: Path) -> None:
    ran = call(company, "init", str(tmp_path / "off"), "--vendor", "hubspot", "--yes", "--offline")
    assert ran.code == 0, ran.text
    assert "approvers: nobody was named" in ran.text
    checked = call(company, "check", "--offline", "--config", str(tmp_path / "off" / "config.toml"))
    assert checked.code == 0, checked.text
