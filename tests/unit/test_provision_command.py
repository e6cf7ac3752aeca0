"""What ``handoff provision`` says when the way is not the usual one. Not here: what any vendor plans or does."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from plans import NOW

from connector import bootstrap
from connector.bootstrap.acts import who
from connector.cli import app
from connector.clock import ManualClock
from connector.crm.installer import Choices, Difference, Do, Ending, Exported, Line, Mark, Plan, Progress, Site, Survey
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import SystemName
from connector.store import AuditKind, Store, Wanted, open_store

HS = SystemName("hs")
SPENT = CrmError(Fault(FaultCode.THROTTLED, "TEN_SECONDLY_ROLLING", "You have reached your limit."))
DENIED = CrmError(Fault(FaultCode.NOT_PERMITTED, "MISSING_SCOPES", "Scopes to add: crm.schemas.deals.read"))
TO_DO = Plan((Line(Do.CREATE, "Property", "deals.handoff_gate"),))
MADE = Ending(Mark.DONE, ("Done: 1 made.",))


@dataclass(slots=True)
class Portal:
    """An installer with one thing to do. Each look takes the next of ``looks``: a survey or why there is none."""

    looks: list[Survey | CrmError]
    wrote: int = 0
    ending: Ending = MADE
    name: SystemName = HS
    vendor: str = "HubSpot"
    knows: frozenset[str] = field(default_factory=frozenset)
    login_problem: str = ""

    def look(self, choices: Choices) -> Survey:
        found = self.looks.pop(0)
        if isinstance(found, CrmError):
            raise found
        return found

    def carry_out(self, *, told: Callable[[Progress], None]) -> Ending:
        self.wrote += 1
        return self.ending

    def export(self, folder: Path) -> Exported:
        raise AssertionError("nothing is exported here")


def a_survey(*, lacking: tuple[str, ...] = ()) -> Survey:
    return Survey(Site("portal", "a sandbox account", guarded=False, ids=("1",)), TO_DO, lacking=lacking)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on this portal: its exit code and all it said."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("MINE", "pat-mine")

    def run(portal: Portal, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(bootstrap, "open_installer", lambda *_, **__: portal)
        monkeypatch.setattr("sys.argv", ["handoff", "provision", "hs", *arguments])
        code = app.run()
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_json_is_not_asked_into(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    portal = Portal([a_survey()])
    code, said = command(portal, "--apply", "--json")
    assert (code, portal.wrote) == (2, 0)
    assert "--json shows no plan to say yes to; add --yes" in said


def test_what_was_done_is_told_though_it_cannot_be_read_again(command: Run) -> None:
    portal = Portal([a_survey(), SPENT])
    code, said = command(portal, "--apply", "--yes")
    assert (code, portal.wrote) == (3, 1)
    assert "Done: 1 made." in said
    assert "It could not be read again (TEN_SECONDLY_ROLLING" in said
    assert "The CRM did not do it" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "--token-env NAME"), (("--token-env", "MINE"), "Give the token in MINE what it lacks")],
)
def test_a_login_that_may_not_is_told_what_to_do_about_it(command: Run, arguments: tuple[str, ...], says: str) -> None:
    for looks in ([DENIED], [a_survey(lacking=("deals: crm.schemas.deals.write",))]):
        portal = Portal(list(looks))
        code, said = command(portal, "--apply", "--yes", *arguments)
        assert (code, portal.wrote) == (2, 0), said
        assert says in said


LABEL = Difference("label", "", "Gate")
LONGER = Difference("length", "100", "255")
ENDING = Ending(
    Mark.UNKNOWN,
    ("It stopped answering.",),
    done=(
        Line(Do.CREATE, "Property", "deals.handoff_gate", "enumeration, 5 choices"),
        Line(Do.CHANGE, "Property", "deals.handoff_missing", differences=(LABEL, LONGER)),
        Line(Do.REMOVE, "PropertyGroup", "deals.handoff"),
    ),
    doubted=(Line(Do.CREATE, "Property", "deals.handoff_summary", "text"),),
)


def a_ledger(folder: Path) -> tuple[Path, Store]:
    """A config, and the ledger that it names."""
    config = folder / "config.toml"
    mappings = Path(__file__).resolve().parents[2] / "mappings"
    config.write_text(
        f'mappings = "{mappings}"\n[[systems]]\nname = "hs"\nvendor = "hubspot"\naccess_token_env = "MINE"\n'
    )
    return config, open_store(f"sqlite:///{folder / 'state' / 'handoff.db'}", clock=ManualClock(NOW))


def test_each_change_stands_in_the_trail_with_who_made_it_and_what_stood_there(command: Run, tmp_path: Path) -> None:
    config, store = a_ledger(tmp_path)
    portal = Portal([a_survey()], ending=ENDING)
    command(portal, "--apply", "--yes", "--config", str(config))
    rows = list(store.trail(Wanted(kind=AuditKind.PROVISIONED)))
    told = [json.loads(row.data) for row in rows]
    assert {row.by for row in rows} == {who()}
    assert [(each["operation"], each["record"], each["before"], each["after"]) for each in told] == [
        ("create", "Property deals.handoff_gate", None, {"definition": "enumeration, 5 choices"}),
        (
            "change",
            "Property deals.handoff_missing",
            {"label": None, "length": "100"},
            {"label": "Gate", "length": "255"},
        ),
        ("remove", "PropertyGroup deals.handoff", {"unknown": True}, None),
        ("create", "Property deals.handoff_summary", None, {"definition": "text"}),
    ]
    assert [each["sure"] for each in told] == [True, True, True, False]
    assert "is not known" in rows[-1].reason
    assert store.verify_trail(HS).broken is None
    store.close()


def test_without_a_ledger_none_is_made_for_the_trail(command: Run, tmp_path: Path) -> None:
    config, store = a_ledger(tmp_path)
    store.close()
    shutil.rmtree(tmp_path / "state")
    command(Portal([a_survey()], ending=ENDING), "--apply", "--yes", "--config", str(config))
    assert not (tmp_path / "state").exists()


def test_a_trail_that_cannot_be_told_does_not_undo_what_was_done(command: Run, tmp_path: Path) -> None:
    config, store = a_ledger(tmp_path)
    store.close()
    (tmp_path / "state" / "handoff.db").write_text("no database at all, but somebody's notes")
    done = dataclasses.replace(ENDING, mark=Mark.DONE, doubted=())
    empty = Survey(Site("portal", "a sandbox account", guarded=False, ids=("1",)), Plan(()))
    code, said = command(Portal([a_survey(), empty], ending=done), "--apply", "--yes", "--config", str(config))
    assert code == 1
    assert "What was done in the CRM is done, but the audit trail could not be told of it" in said
