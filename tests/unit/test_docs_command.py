"""``handoff docs`` on a config file without any login: what it writes, tells and ends with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from connector.cli.app import EXIT_FOUND, build
from connector.cli.docs import labels
from connector.crm.port import FieldSchema, ObjectSchema
from connector.errors import UserError
from connector.handoff.model import Kind, SystemName
from connector.policy.load import load_mappings

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
SYSTEM = '[[systems]]\nname = "{name}"\nvendor = "{vendor}"\naccess_token_env = "NOT_SET_ANYWHERE"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """One system, whose secret is nowhere."""
    shutil.copytree(MAPPINGS, tmp_path / "mappings")
    path = tmp_path / "config.toml"
    path.write_text('mappings = "mappings"\n' + SYSTEM.format(name="hs", vendor="hubspot"), encoding="utf-8")
    return path


def docs(config: Path, *words: str) -> Result:
    out = str(config.parent / "out")
    return CliRunner().invoke(build(("docs",)), ["docs", "--config", str(config), "--out", out, *words])


def test_all_are_written_and_then_they_are_what_is_set(config: Path) -> None:
    first = docs(config, "--format", "md,html", "--json")
    assert first.exit_code == 0, first.output
    (system,) = json.loads(first.stdout)["systems"]
    assert {one["state"] for one in system["documents"]} == {"new"}
    out = config.parent / "out"
    names = {name for one in system["documents"] for name in one["files"]}
    assert len(names) == 2 * 11
    assert {each.name for each in out.iterdir()} == names | {"CHANGES.md"}
    checked = docs(config, "--format", "md,html", "--check")
    assert checked.exit_code == 0, checked.output
    assert "They say what the config says." in checked.stdout


def test_the_card_is_a_pdf_that_stays_the_same(config: Path) -> None:
    card = ("--only", "quick-reference-card", "--format", "pdf")
    assert docs(config, *card).exit_code == 0
    assert (config.parent / "out" / "quick-reference-card.pdf").read_bytes().startswith(b"%PDF-")
    assert docs(config, *card, "--check").exit_code == 0


def test_a_change_is_told_in_words_and_in_lines_and_check_ends_with_1(config: Path) -> None:
    card = ("--only", "quick-reference-card", "--format", "md")
    assert docs(config, *card).exit_code == 0
    process = config.parent / "mappings" / "process.toml"
    process.write_text(process.read_text().replace("max_days = 14", "max_days = 10"), encoding="utf-8")
    lying = (config.parent / "out" / "quick-reference-card.md").read_bytes()
    checked = docs(config, *card, "--check", "--diff")
    assert checked.exit_code == EXIT_FOUND
    assert "10 days at most" in checked.stdout
    assert "+- Fill in" in checked.stdout
    assert "Write them: handoff docs" in checked.stdout
    assert (config.parent / "out" / "quick-reference-card.md").read_bytes() == lying
    assert docs(config, *card).exit_code == 0
    assert "10 days at most" in (config.parent / "out" / "CHANGES.md").read_text()
    assert docs(config, *card, "--check").exit_code == 0


class Told:
    """A CRM that is asked for its labels."""

    def __init__(self) -> None:
        self.asked: list[Kind] = []

    def describe(self, kind: Kind) -> ObjectSchema:
        self.asked.append(kind)
        fields = {"handoff_risks": "What may go wrong", "dealname": "", "amount": "amount"} if kind is Kind.DEAL else {}
        told = {name: FieldSchema(name, label, "string", True, 0, ()) for name, label in fields.items()}
        return ObjectSchema(kind, kind.value, told)


def test_the_crm_s_labels_are_those_of_mapped_fields_that_have_one(config: Path) -> None:
    crm = Told()
    assert labels(crm, load_mappings(config).maps[SystemName("hs")]) == {"risks": "What may go wrong"}
    assert crm.asked == [Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.MEETING]


def test_several_systems_have_a_folder_each_whichever_is_asked_for(config: Path) -> None:
    config.write_text(config.read_text() + SYSTEM.format(name="hs-emea", vendor="hubspot"), encoding="utf-8")
    assert docs(config, "--only", "faq", "--format", "md", "--system", "hs-emea").exit_code == 0
    assert [each.name for each in (config.parent / "out").iterdir()] == ["hs-emea"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "quick-referense-card"), "did you mean 'quick-reference-card'"),
        (("--format", "docx"), "'docx' is none of md, html, pdf, png"),
        (("--format", ""), "is empty"),
        (("--system", "hz"), "there is no system 'hz'"),
    ],
)
def test_a_slip_is_answered_with_what_there_is(config: Path, words: tuple[str, ...], said: str) -> None:
    result = docs(config, *words)
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
