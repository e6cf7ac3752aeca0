"""A first folder of mappings: what was found stands in it, every guess with its place, and it loads."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from connector.handoff.model import DealType, Kind, Stage, SystemName
from connector.handoff.rulebook.fields import FieldType
from connector.policy.assumed import assumed, in_text
from connector.policy.drafting import POOLS, Draft, Firm, Said, Seen, deal_type, process_file, vendor_file
from connector.policy.expected import FOLDER, Ground, run_tests
from connector.policy.firsttests import first_tests
from connector.policy.load import load
from connector.policy.shipped import shipped_mappings
from connector.policy.suggest import Suggestion

SF, HS = SystemName("sf"), SystemName("hs")
GOALS = Suggestion(
    "success_criteria", Kind.DEAL, "Goals__c", 'The "goals"', "textarea", FieldType.LONG_TEXT, 90, "why\nindeed"
)
FIRM = Firm(
    approvers=Said(("boss@acme.example",)),
    fallback=Said("csm@acme.example", "the first"),
    pools=dict.fromkeys(POOLS, Said(("csm@acme.example",))),
    time_zone=Said("Europe/Berlin"),
    country=Said("DE"),
    managers={"rep@acme.example": "boss@acme.example"},
    managers_why="guessed",
)


def stage(id: str, label: str = "", *, pipeline: str = "", won: bool = False, closed: bool = False) -> Stage:
    return Stage(id=id, label=label or id, is_won=won, is_closed=closed or won, pipeline=pipeline)


def shipped(name: str) -> str:
    return (shipped_mappings() / name).read_text(encoding="utf-8")


def folder(tmp_path: Path, **files: Draft) -> Path:
    """The shipped mappings with some files drafted."""
    target = tmp_path / "mappings"
    shutil.copytree(shipped_mappings(), target)
    for name, draft in files.items():
        (target / f"{name}.toml").write_text(draft.text, encoding="utf-8")
    return target


@pytest.mark.parametrize("vendor", ["salesforce", "hubspot"])
def test_a_draft_of_everything_loads(tmp_path: Path, vendor: str) -> None:
    stages = (stage("Talk", pipeline="p"), stage("Contract", pipeline="p"), stage("Won", pipeline="p", won=True))
    plain = tuple(dataclasses.replace(one, pipeline="") for one in stages)
    seen = Seen(
        vendor, (GOALS,), stages if vendor == "hubspot" else plain, ("New logo", "Renewals of old", "Expansion")
    )
    drafts = {
        vendor: vendor_file(shipped(f"{vendor}.toml"), seen),
        "process": process_file(shipped("process.toml"), FIRM),
    }
    target = folder(tmp_path, **drafts)
    loaded = load(target, {SF: vendor})
    mapped = loaded.maps[SF].fields["success_criteria"]
    assert (mapped.field, mapped.label) == ("Goals__c", 'The "goals"')
    policy = loaded.policies[SF]
    assert policy.override.approvers == ("boss@acme.example",)
    assert policy.escalation.managers == {"rep@acme.example": "boss@acme.example"}
    assert set(policy.gate.revert_to.values()) == {"Contract"}
    assert loaded.maps[SF].deal_type("Expansion") is DealType.UPSELL
    assert all("seller.example" not in member for pool in policy.assignment.pools.values() for member in pool.members)

    told = {one.key: one for one in assumed(tmp_path / "config.toml", target)}
    assert {"success_criteria", "revert_to", "mode", "fallback"} <= set(told)
    assert "approvers" not in told, "what was said is no guess"
    one = told["success_criteria"]
    assert one.why.startswith("Goals__c is meant; why indeed"), "a reason is one line"
    assert "ASSUMED" in Path(one.where).read_text(encoding="utf-8").splitlines()[one.line - 1]


@pytest.mark.parametrize("csms", [("csm@acme.example",), ("ana@acme.example", "ben@acme.example", "cy@acme.example")])
def test_the_first_tests_of_the_rules_pass_for_the_companys_own_people(tmp_path: Path, csms: tuple[str, ...]) -> None:
    firm = dataclasses.replace(FIRM, fallback=Said(csms[0]), pools=dict.fromkeys(POOLS, Said(csms)))
    target = folder(tmp_path, process=process_file(shipped("process.toml"), firm))
    tests = target / FOLDER / "process.toml"
    tests.write_text(first_tests(shipped(f"{FOLDER}/process.toml"), firm), encoding="utf-8")
    loaded = load(target, {SF: "salesforce", HS: "hubspot"})
    found = run_tests([tests], [Ground(str(name), loaded.policies[name], loaded.maps[name]) for name in (SF, HS)])
    assert not [each for each in found if not each.passed]
    assert len(found) == 2 * (6 if len(csms) == 1 else 7)
    assert "seller.example" not in tests.read_text().split("[base.deal]")[1]


def test_a_shipped_test_that_is_gone_is_an_error() -> None:
    text = shipped(f"{FOLDER}/process.toml")
    with pytest.raises(ValueError, match="none named A known customer"):
        first_tests(text.replace("A known customer", "A customer"), FIRM)
    with pytest.raises(ValueError, match="0 lines"):
        first_tests(text.replace("csm_in =", "csms ="), FIRM)


def test_pipelines_without_a_win_are_not_watched() -> None:
    seen = Seen(
        "hubspot", stages=(stage("a", pipeline="one"), stage("w", pipeline="one", won=True), stage("x", pipeline="two"))
    )
    text = vendor_file(shipped("hubspot.toml"), seen).text
    assert '\npipelines = ["one"]\n' in text
    assert '\nrevert_to = { one = "a" }\n' in text


def test_nothing_read_changes_nothing_of_a_vendors_file() -> None:
    for vendor in ("salesforce", "hubspot"):
        assert vendor_file(shipped(f"{vendor}.toml"), Seen(vendor)).text == shipped(f"{vendor}.toml")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Existing Customer - Upgrade", "upsell"),
        ("newbusiness", "new"),
        ("New Business", "new"),
        ("Renewal", "renewal"),
        ("Add-on", "upsell"),
        ("Newsletter", ""),
        ("Other", ""),
    ],
)
def test_deal_types_are_told_by_their_words(value: str, kind: str) -> None:
    assert deal_type(value) == kind


def test_a_line_that_is_not_there_is_an_error_not_a_silence() -> None:
    with pytest.raises(LookupError):
        Draft.of("[gate]\nmode = 1\n").put("gate", "moods", Said("warn"))


def test_where_an_assumption_stands_and_of_what_it_speaks() -> None:
    text = """\
# ASSUMED: above
a = 1
b = "not # ASSUMED: this"
c = 2  # ASSUMED: beside
# an ASSUMED thing in passing is none
#ASSUMED without a colon
[[d]]
"""
    found = [(one.line, one.key, one.why) for one in in_text(text, where="f")]
    assert found == [(1, "a", "above"), (4, "c", "beside"), (6, "[[d]]", "without a colon")]
    assert str(next(in_text(text, where="f"))) == "f:1: a: above"
