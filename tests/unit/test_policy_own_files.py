"""Several orgs under one rule set: each may name a mapping file of its own, for other fields or other stages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.handoff.model import SystemName
from connector.policy.crmmap import MapFile
from connector.policy.folder import digest_of, read_folder
from connector.policy.load import load
from connector.settings import load_settings

MAPPINGS = Path(__file__).parents[2] / "mappings"
EMEA = "salesforce-emea.toml"
US, EU = SystemName("us"), SystemName("eu")
CONFIG = """
[[systems]]
name = "us"
vendor = "salesforce"
base_url = "https://us.my.salesforce.com"
client_id_env = "A"
client_secret_env = "A"

[[systems]]
name = "eu"
vendor = "salesforce"
{map}
base_url = "https://eu.my.salesforce.com"
client_id_env = "A"
client_secret_env = "A"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped files, and one for an org whose champion stands in another field."""
    made = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, made)
    text = (made / "salesforce.toml").read_text()
    assert "Handoff_Champion__c" in text
    (made / EMEA).write_text(text.replace("Handoff_Champion__c", "Sponsor__c"))
    return made


def test_two_orgs_have_one_rule_set_and_their_own_fields(folder: Path) -> None:
    loaded = load(folder, {US: "salesforce", EU: MapFile("salesforce", EMEA)})
    assert loaded.maps[US].fields["champion"].field == "Handoff_Champion__c"
    assert loaded.maps[EU].fields["champion"].field == "Sponsor__c"
    assert loaded.policies[US].gate == loaded.policies[EU].gate
    assert loaded.maps[EU].file == EMEA


def test_a_mistake_is_told_in_the_file_it_stands_in_and_those_of_all_files_at_once(folder: Path) -> None:
    for name, word in (("salesforce.toml", "ownr"), (EMEA, "typ")):
        path = folder / name
        line = f'[fields.deal]\nnew = {{ field = "X__c", {word} = "a" }}\n'
        path.write_text(path.read_text().replace("[fields.deal]\n", line, 1))
    with pytest.raises(UserError) as raised:
        load(folder, {US: "salesforce", EU: MapFile("salesforce", EMEA)})
    told = [str(each.where) for each in raised.value.problems]
    assert any("salesforce.toml" in each for each in told)
    assert any(EMEA in each for each in told)


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(UserError, match=r"salesforce-apac\.toml"):
        load(folder, {US: "salesforce", EU: MapFile("salesforce", "salesforce-apac.toml")})


def test_a_change_of_one_org_s_file_is_no_change_of_the_other_s_policy(folder: Path) -> None:
    before = read_folder(folder)
    (folder / EMEA).write_text((folder / EMEA).read_text().replace("Sponsor__c", "Patron__c"))
    after = read_folder(folder)
    assert digest_of(before, own="salesforce.toml") == digest_of(after, own="salesforce.toml")
    assert digest_of(before, own=EMEA) != digest_of(after, own=EMEA)


def test_config_names_the_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(map=f'map = "{EMEA}"'))
    assert [each.map for each in load_settings(config, env={"A": "x"}).systems] == ["", EMEA]


@pytest.mark.parametrize("wrong", ["process.toml", "../other.toml", "emea", "a/b.toml"])
def test_what_can_be_no_such_file_is_refused_with_its_place(tmp_path: Path, wrong: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(map=f'map = "{wrong}"'))
    with pytest.raises(UserError) as raised:
        load_settings(config, env={"A": "x"})
    (problem,) = raised.value.problems
    assert "config.toml:12:" in problem.where
