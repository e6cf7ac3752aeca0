"""Exporting into a folder that holds other things, and again into its own. Not here: what a converter makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from provision_parts import WANTED, an_org, installed, the

from connector.crm.installer import EXPORT_LIST, OccupiedError
from connector.crm.salesforce.provision.compare import MEMBER, compare
from connector.crm.salesforce.provision.component import leaf
from connector.crm.salesforce.provision.install import Look
from connector.crm.salesforce.provision.source import DESTRUCTIVE, MANIFEST, PROJECT, write_source

CHAMPION = the("CustomField", "Opportunity.Handoff_Champion__c")
RISKS = the("CustomField", "Opportunity.Handoff_Risks__c")
THEIRS = Path("force-app/main/default/objects/Opportunity/fields/Mine__c.field-meta.xml")
THEIR_MANIFEST = (
    '<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>Opportunity.Mine__c</members>'
    "<name>CustomField</name></types></Package>"
)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def _project(folder: Path) -> None:
    for path, text in ((PROJECT, "{}"), (MANIFEST, THEIR_MANIFEST), (THEIRS, "<CustomField/>")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def test_somebody_elses_project_is_left_as_it_is(tmp_path: Path) -> None:
    _project(tmp_path)
    before = _tree(tmp_path)
    with pytest.raises(OccupiedError) as refused:
        write_source([CHAMPION], tmp_path, "67.0")
    assert refused.value.paths == (MANIFEST, PROJECT)
    assert _tree(tmp_path) == before


def test_a_file_of_ours_in_another_project_is_not_overwritten(tmp_path: Path) -> None:
    write_source([CHAMPION], tmp_path, "67.0")
    path = next(one for one in tmp_path.rglob("Handoff_Champion__c*"))
    path.write_text("theirs")
    for other in (PROJECT, MANIFEST, EXPORT_LIST):
        (tmp_path / other).unlink()
    with pytest.raises(OccupiedError):
        write_source([CHAMPION], tmp_path, "67.0")
    assert path.read_text() == "theirs"


def test_an_export_renews_its_own_and_lets_the_rest_be(tmp_path: Path) -> None:
    write_source([CHAMPION, RISKS], tmp_path, "67.0")
    (tmp_path / "README.md").write_text("ours to keep")
    (tmp_path / THEIRS).write_text("<CustomField/>")
    write_source([CHAMPION], tmp_path, "67.0")
    names = {Path(one).name for one in _tree(tmp_path)}
    assert {"README.md", "Mine__c.field-meta.xml", "Handoff_Champion__c.field-meta.xml"} <= names
    assert "Handoff_Risks__c.field-meta.xml" not in names


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/hostname"])
def test_a_list_that_leads_out_of_the_folder_takes_nothing_away(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "export"
    write_source([CHAMPION], folder, "67.0")
    outside = tmp_path / "outside.txt"
    outside.write_text("stays")
    told = json.loads((folder / EXPORT_LIST).read_text())
    (folder / EXPORT_LIST).write_text(json.dumps({"files": [*told["files"], path]}))
    write_source([CHAMPION], folder, "67.0")
    assert outside.exists()


def test_what_is_to_be_taken_out_is_listed_for_the_deploy(tmp_path: Path) -> None:
    write_source([CHAMPION], tmp_path, "67.0", gone=[("ValidationRule", "Opportunity.Handoff_Req_Old")])
    assert b"Opportunity.Handoff_Req_Old" in (tmp_path / DESTRUCTIVE).read_bytes()
    write_source([CHAMPION], tmp_path, "67.0")
    assert not (tmp_path / DESTRUCTIVE).exists()


def test_a_member_that_is_selected_already_is_not_exported() -> None:
    def members(*present: object) -> list[str]:
        org = an_org(*present)  # type: ignore[arg-type]
        look = Look("67.0", WANTED, org, compare(WANTED, org))
        return [one.text("selectedEntity") for one in look.exported if one.type == MEMBER]

    assert members() == ["OpportunityChangeEvent", "AccountChangeEvent"]
    assert members(*installed()) == []
    full = [
        type(CHAMPION)(MEMBER, f"M{n}", (leaf("eventChannel", "ChangeEvents"), leaf("selectedEntity", f"E{n}")))
        for n in range(5)
    ]
    assert members(*full) == []
