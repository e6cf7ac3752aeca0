"""Tests that admins write: what they say of the shipped rules, of changed ones, and of their own mistakes. Pure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from connector.cli.app import build
from connector.errors import UserError
from connector.handoff.model import SystemName
from connector.policy.expected import LOOKS, Ground, Verdict, files_in, run_tests
from connector.policy.load import load
from connector.policy.model.tests import ExpectSpec
from connector.policy.words import differences

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "mappings"
EMPTY = """
[[tests]]
name = "an empty deal"
crm = "salesforce"
deal = { amount = 20000 }
[tests.expect]
"""


def grounds(folder: Path = MAPPINGS) -> tuple[Ground, ...]:
    systems = {SystemName("hs"): "hubspot", SystemName("sf"): "salesforce"}
    loaded = load(folder, systems)
    return tuple(Ground(vendor, loaded.policies[name], loaded.maps[name]) for name, vendor in systems.items())


def ran(tmp_path: Path, text: str) -> tuple[Verdict, ...]:
    path = tmp_path / "some.toml"
    path.write_text(text, encoding="utf-8")
    return run_tests([path], grounds())


def told(tmp_path: Path, text: str) -> str:
    with pytest.raises(UserError) as error:
        ran(tmp_path, text)
    return str(error.value)


def test_the_shipped_tests_hold_for_the_shipped_rules_on_both_crms() -> None:
    results = run_tests(files_in(MAPPINGS), grounds())
    assert [each.name for each in results if not each.passed] == []
    assert {each.vendor for each in results} == {"hubspot", "salesforce"}
    assert len(results) >= 16


def test_a_changed_rule_fails_the_test_that_is_about_it(tmp_path: Path) -> None:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    process = (folder / "process.toml").read_text(encoding="utf-8")
    (folder / "process.toml").write_text(process.replace('["Germany", "Austria"', '["Austria"'), encoding="utf-8")
    failed = [each for each in run_tests(files_in(folder), grounds(folder)) if not each.passed]
    assert {each.name for each in failed} == {"A small customer in Germany gets the care of the mid-size team"}
    (miss,) = failed[0].misses
    assert (miss.key, miss.expected, miss.found) == ("pool", "mid", "small")
    assert miss.why == "The first rule of assignment that fits is 'Everybody else'."


WRONG = {
    "phase": '"in_flight"', "gate": '"Released"', "missing": "[]", "percent": "50", "segment": '"small"',
    "tier": '"hybrid"', "pool": '"small"', "csm": '"priya.nair@seller.example"', "playbook": '"light"',
    "csm_in": '["priya.nair@seller.example"]', "tasks": '["check-in"]', "messages": "[]", "in_pilot": "true",
}  # fmt: skip


def test_every_key_can_be_looked_at_and_can_fail() -> None:
    assert set(LOOKS) == set(ExpectSpec.model_fields) == set(WRONG)


@pytest.mark.parametrize("key", sorted(WRONG))
def test_a_miss_names_its_line_what_was_found_and_why(tmp_path: Path, key: str) -> None:
    (result,) = ran(tmp_path, f"{EMPTY}{key} = {WRONG[key]}\n")
    (miss,) = result.misses
    assert (miss.key, miss.where.rpartition("some.toml")[2]) == (key, f":7:{len(key) + 4}")
    assert miss.expected != miss.found
    assert miss.why


def test_times_without_a_zone_are_on_the_teams_clock_and_a_cap_is_known(tmp_path: Path) -> None:
    text = f"""{EMPTY}segment = "mid"
[[tests]]
name = "full"
crm = "hubspot"
deal_type = "renewal"
won_at = 2026-11-06T23:00:00
deal = {{ amount = 20000, success_criteria = "By 1 May 2027: 40 agents.", champion = "Ingrid Holm, 004722001122" }}
accounts_of = {{ "priya.nair@seller.example" = 40, "jonas.weber@seller.example" = 40 }}
[tests.expect]
csm = "dana.kowalski@seller.example"
"""
    assert all(each.passed for each in ran(tmp_path, text)), ran(tmp_path, text)


def test_mistakes_in_a_test_name_their_line_and_the_nearest_name(tmp_path: Path) -> None:
    words = told(
        tmp_path,
        """[base.deal]
champoin = "x"
[[tests]]
name = "a"
crm = "hubsopt"
deal = { amount = "8" }
account = { countri = "Norway" }
accounts_of = { "nobody@seller.example" = 3 }
[tests.expect]
missing = ["rsks"]
pool = "smal"
messages = ["csm_asigned"]
[[tests]]
name = "a"
deal = { amount = "8" }
[tests.expect]
tasks = ["welcome-pack"]
gat = "Held"
""",
    )
    assert "some.toml:17:1: tests[a].expect.gat: unknown key; did you mean 'gate'?" in words or "gat" in words
    words = told(
        tmp_path,
        """[base.deal]
champoin = "x"
[[tests]]
name = "a"
deal = { amount = "8" }
account = { countri = "Norway" }
[tests.expect]
missing = ["rsks"]
pool = "smal"
messages = ["csm_asigned"]
tasks = ["welcome-pack"]
""",
    )
    for each in (
        "some.toml:2:1: base.deal.champoin: 'champoin' is not a mapped field; did you mean 'champion'?",
        "some.toml:5:10: tests[a].deal.amount: must be a number, without quotes",
        "'account.countri' is not a mapped field; did you mean 'account.country'?",
        "'rsks' is required of no deal; did you mean 'risks'?",
        "there is no pool 'smal'; did you mean 'small'?",
        "there is no message 'csm_asigned'; did you mean 'csm_assigned'?",
        "no playbook has a step 'welcome-pack'; did you mean 'welcome-packet'?",
    ):
        assert each in words


def test_the_command_needs_no_secret_and_tells_a_build_server(tmp_path: Path) -> None:
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    config = tmp_path / "config.toml"
    config.write_text((ROOT / "config.example.toml").read_text(encoding="utf-8"), encoding="utf-8")
    runner, app = CliRunner(), build(("policy",))
    fine = runner.invoke(app, ["policy", "test", "--config", str(config), "--json"])
    assert fine.exit_code == 0, fine.output
    assert json.loads(fine.stdout)["failed"] == 0
    bad = tmp_path / "bad.toml"
    bad.write_text(f'{EMPTY}gate = "Released"\n', encoding="utf-8")
    out = tmp_path / "out.xml"
    failed = runner.invoke(app, ["policy", "test", str(bad), "--config", str(config), "--junit", str(out)])
    assert failed.exit_code == 1
    assert "gate: expected Released, found Held" in failed.stdout
    suite = ElementTree.parse(out).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert "expected Released, found Held" in (suite[0][0].get("message") or "")


def test_what_differs_between_two_versions_is_said_in_words() -> None:
    before = {
        "process.toml": '# a\n[gate]\nmode = "hold"\n[[pools]]\nname = "mid"\ncap = 40\nmembers = ["a", "b"]\n',
        "old.toml": "",
        "templates/x.txt.j2": "one\n",
    }
    after = {
        "process.toml": '[gate]\nmode = "warn"\n[[pools]]\nname = "new"\n'
        '[[pools]]\nname = "mid"\ncap = 45\nmembers = ["b", "c"]\n',
        "more.toml": "",
        "templates/x.txt.j2": "two\n",
    }
    found = {(each.file, each.key): each.words for each in differences(before, after)}
    assert found == {
        ("more.toml", ""): "is new",
        ("old.toml", ""): "is gone",
        ("process.toml", "gate.mode"): "hold → warn",
        ("process.toml", "pools[mid].cap"): "40 → 45",
        ("process.toml", "pools[mid].members"): "without a; with c",
        ("process.toml", "pools[new]"): 'added: {"name": "new"}',
        ("templates/x.txt.j2", ""): "its text changed: 1 line more, 1 less, from 'one' on",
    }
    swapped = {"process.toml": '[[rules]]\nname = "b"\n[[rules]]\nname = "a"\n'}
    first = {"process.toml": '[[rules]]\nname = "a"\n[[rules]]\nname = "b"\n'}
    assert [each.words for each in differences(first, swapped)] == ["in another order: b, a"]
    assert differences(first, {"process.toml": "# words\n" + first["process.toml"]}) == ()
