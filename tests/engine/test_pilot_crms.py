"""The pilot on both CRMs: one AE's deals are handed over, another's are only observed, and act takes up no old win."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine.test_assignment_crms import DANA, REP, VENDORS, Desk, own_fields

from connector.handoff.model import SystemName
from connector.policy.load import load
from connector.sandbox.server import Sandbox
from connector.store import open_store

MAPPINGS = Path(__file__).parents[2] / "mappings"


@pytest.fixture(params=sorted(VENDORS))
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A daemon in mode pilot, by the shipped files, with the deals of one AE in the pilot."""
    folder = tmp_path / "mappings"
    folder.mkdir()
    for each in (*MAPPINGS.glob("*.toml"), *MAPPINGS.glob("*/*.j2")):
        target = folder / each.relative_to(MAPPINGS)
        target.parent.mkdir(exist_ok=True)
        target.write_text(each.read_text())
    with (folder / "process.toml").open("a") as file:
        file.write(f'\n[pilot]\nowners = ["{REP}"]\n')
    vendor = str(request.param)
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        own_fields(sandbox, vendor)
        store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=sandbox.clock)
        made = Desk(vendor, sandbox, load(folder, {SystemName(vendor): VENDORS[vendor]}), store)
        made.restart()
        made.system.pilot = True
        made.run(passes=1)
        yield made
        store.close()


def test_one_ae_in_the_pilot_and_the_rest_observed_until_all_is_acted_on(desk: Desk) -> None:
    other = desk.view.user_named(DANA).id
    mine = desk.win("Fjord Retail AS")
    desk.rep, rep = other, desk.rep
    observed = desk.win("Nordlys Energi AS")
    desk.run()
    assert desk.tasks(mine)
    assert desk.csm(mine)
    assert not desk.tasks(observed)
    assert not desk.text(observed, "gate")
    why = {each.deal_id: each.data["standing"] for each in desk.store.decisions(20)}
    assert why[mine] == f"Acted on: the pilot takes in the deals of {REP}."
    assert why[observed] == f"Observed: not in the pilot, which takes in deals of {REP}."
    tried = {each.deal_id: each for each in desk.store.trials(SystemName(desk.name))}
    assert (tried[observed].acted, tried[observed].held, bool(tried[observed].would)) == (False, False, True)

    made = {row.id for row in desk.view.tasks_of(mine)}
    desk.restart()
    late = desk.win("Havn Logistikk AS")
    desk.run()
    assert desk.tasks(late), "acted on for everybody now"
    assert not desk.tasks(observed), "an old win never gets tasks"
    assert {row.id for row in desk.view.tasks_of(mine)} == made
    desk.rep = rep
