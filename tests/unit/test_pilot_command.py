"""``handoff pilot report``, ``policy versions`` and ``policy diff`` as they are typed, over a ledger that is there."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from factories import NOW, a_policy, a_snapshot
from typer.testing import CliRunner

from connector.cli.app import build
from connector.clock import ManualClock
from connector.errors import UserError
from connector.handoff.acting import Acting, Reach
from connector.handoff.decide import decide
from connector.handoff.model import HandoffKey, SystemName
from connector.handoff.rulebook.pilot import Pilot
from connector.policy.folder import read_folder
from connector.store import Decided, open_store

ROOT = Path(__file__).parents[2]
SF = SystemName("sf")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with config, mappings and a ledger that knows one observed win and an older version of the rules."""
    for name in ("SF_CLIENT_ID", "SF_CLIENT_SECRET", "HS_ACCESS_TOKEN"):
        monkeypatch.setenv(name, "x")
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    (tmp_path / "state").mkdir()
    path = tmp_path / "config.toml"
    path.write_text((ROOT / "config.example.toml").read_text(encoding="utf-8"), encoding="utf-8")
    store = open_store(f"sqlite:///{tmp_path / 'state' / 'handoff.db'}", clock=ManualClock(NOW))
    pilot = Pilot(deals=("other",))
    deal = {"handoff_feedback": "Nobody told me.", "handoff_rating": "2"}
    snapshot = a_snapshot(acting=Acting(Reach.PILOT, dict.fromkeys(pilot.groups)), deal=deal)
    snapshot = dataclasses.replace(snapshot, key=HandoffKey(SF, snapshot.key.deal_id))
    store.record(SF, [Decided(decide(snapshot, a_policy(pilot=pilot), NOW))], act=False)
    files = dict(read_folder(tmp_path / "mappings"))
    files["process.toml"] = files["process.toml"].replace("cap = 40", "cap = 30")
    store.keep_policy("3f2a0000", files)
    store.close()
    return path


def ran(config: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build((words[0],)), [*words, "--config", str(config)])
    if isinstance(done.exception, UserError):
        return 2, str(done.exception)
    return done.exit_code, done.stdout


def test_the_report_shows_what_was_noted_and_what_people_wrote(config: Path) -> None:
    code, text = ran(config, "pilot", "report", "--system", "sf")
    assert code == 0
    assert "Nobody told me." in text
    assert "1 win only observed: too few to judge by" in text
    data = json.loads(ran(config, "pilot", "report", "--json")[1])
    assert data["sf"]["observed"]["wins"] == 1
    assert data["sf"]["said"][0]["rating"] == 2
    assert data["hs"]["observed"]["wins"] == 0
    later = json.loads(ran(config, "pilot", "report", "--since", "2030-01-01", "--json")[1])
    assert later["sf"]["observed"]["wins"] == 0


def test_it_is_written_to_a_file_as_html_and_a_pdf_needs_one(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "pilot.html"
    assert ran(config, "pilot", "report", "--format", "html", "--out", str(out))[0] == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert ran(config, "pilot", "report", "--out", str(out.with_name("again.html")))[0] == 0
    assert out.with_name("again.html").read_text() == out.read_text(), "the ending says as what"
    for wrong in (("--format", "png"), ("--out", str(out.with_name("pilot.doc")))):
        code, text = ran(config, "pilot", "report", *wrong)
        assert code == 2
        assert "is none of md, html, pdf" in text
    code, text = ran(config, "pilot", "report", "--format", "pdf")
    assert code == 2
    assert "name the file a PDF is to be written to" in text


def test_versions_are_listed_and_compared_in_words(config: Path) -> None:
    listed = json.loads(ran(config, "policy", "versions", "--json")[1])
    assert [each["version"] for each in listed["versions"]] == ["3f2a0000"]
    code, text = ran(config, "policy", "diff")
    assert code == 1
    assert "process.toml: assignment.pools[mid].cap: 30 → 40" in text
    assert ran(config, "policy", "diff", "3f2a", "now")[0] == 1
    assert ran(config, "policy", "diff", "now", "now")[0] == 0
    code, text = ran(config, "policy", "diff", "nothing")
    assert code == 2
    assert "is no version and no folder" in text
