"""What ``handoff provision`` says when the way is not the usual one. Not here: what any vendor plans or does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connector import bootstrap
from connector.cli import app
from connector.crm.installer import Choices, Do, Ending, Exported, Line, Mark, Plan, Progress, Site, Survey
from connector.errors import CrmError, Fault, FaultCode
from connector.handoff.model import SystemName

HS = SystemName("hs")
SPENT = CrmError(Fault(FaultCode.THROTTLED, "TEN_SECONDLY_ROLLING", "You have reached your limit."))
DENIED = CrmError(Fault(FaultCode.NOT_PERMITTED, "MISSING_SCOPES", "Scopes to add: crm.schemas.deals.read"))
TO_DO = Plan((Line(Do.CREATE, "Property", "deals.handoff_gate"),))


@dataclass(slots=True)
class Portal:
    """An installer with one thing to do. Each look takes the next of ``looks``: a survey or why there is none."""

    looks: list[Survey | CrmError]
    wrote: int = 0
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
        return Ending(Mark.DONE, ("Done: 1 made.",))

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
