"""The commands a person mends with, each as it is typed: replay, plan --policy-diff, backup and restore.

Not here: what they are made of (``tests/store``, ``tests/engine``) and what losing a ledger costs (``chaos losses``).
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from daemons import ELENA_AE, Desk, Ran, Site, csm_changes, site, until

pytestmark = pytest.mark.system

EXIT_FOUND = 1
FLEETING = frozenset({"lease", "replica", "quota"})
"""Tables of the moment: who works right now."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An org with three handoffs under way."""
    at_once = 'first_run = "act_since"\nact_since = 2020-01-01'
    with site(tmp_path_factory.mktemp("repair") / "site", systems=("sf",), first_run=at_once) as made:
        made.sf.won(3)
        made.rest()
        assert made.sf.clean, made.sf.tally()
        yield made


@pytest.fixture
def desk(ground: Site) -> Iterator[Desk]:
    """The CRM, everything in it as it should be before and after."""
    yield ground.sf
    ground.rest()
    assert ground.sf.clean, ground.sf.tally()


def deals_of(desk: Desk) -> list[str]:
    return sorted(deal.id for deal in desk.crm.deals() if deal.stage.won)


def ledger(ground: Site) -> dict[str, list[tuple[object, ...]]]:
    """Every row that is stored, by table."""
    with contextlib.closing(sqlite3.connect(f"file:{ground.database}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        return {name: connection.execute(f'select * from "{name}"').fetchall() for name in {*tables} - FLEETING}


def one(ground: Site, query: str, *values: object) -> object:
    with contextlib.closing(sqlite3.connect(f"file:{ground.database}?mode=ro", uri=True)) as connection:
        found = connection.execute(query, values).fetchone()
        return found[0] if found else None


def nothing_done(ground: Site, *words: str, code: int) -> Ran:
    """Run a command that only shows: no row of the ledger and no record of the CRM may change by it."""
    before, start = ledger(ground), ground.sf.seq()
    ran = ground.call(*words)
    assert ran.code == code, ran.text
    assert ledger(ground) == before
    assert ground.sf.writes(start) == 0
    return ran


def rewritten(desk: Desk, deal_id: str, words: str) -> None:
    desk.do.set_fields(deal_id, {"why_bought": words}, by=desk.user(ELENA_AE))


@pytest.mark.parametrize("by", ["--deal", "--event", "--since"])
def test_replay_shows_a_plan_first_and_does_it_when_told(ground: Site, desk: Desk, by: str) -> None:
    deal_id, other, *_ = deals_of(desk)
    words = f"They said {by}."
    named = {
        "--deal": deal_id,
        "--event": str(one(ground, "select max(id) from audit where deal_id = ?", deal_id)),
        "--since": f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}",
    }[by]
    untouched = nothing_done(ground, "replay", by, named, "--json", code=0).data["sf"]
    assert (untouched["writes"], untouched["asked"]) == (0, 0)

    rewritten(desk, deal_id, words)
    shown = nothing_done(ground, "replay", by, named, "--json", code=EXIT_FOUND).data["sf"]
    assert shown["writes"] > 0
    assert shown["asked"] == 0
    looked_at = {plan["deal"].removeprefix("sf:"): plan for plan in shown["plans"]}
    assert looked_at.keys() == (set(deals_of(desk)) if by == "--since" else {deal_id})
    told = nothing_done(ground, "replay", by, named, code=EXIT_FOUND).text
    assert "Nothing was stored. To have them looked at: the same with --apply." in told
    assert words not in desk.see(deal_id).text("summary")

    start = desk.seq()
    applied = ground.call("replay", by, named, "--apply", "--json")
    assert applied.code == 0, applied.text
    assert applied.data["sf"]["asked"] == len(looked_at)
    assert desk.writes(start) == 0, "only a look is asked for"
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
    owed = one(ground, "select count(*) from inbox where due_at <= ? and deal_id in (?, ?)", now, deal_id, other)
    assert owed == (2 if by == "--since" else 1)
    ground.rest()
    assert words in desk.see(deal_id).text("summary")
    assert one(ground, "select count(*) from audit where deal_id = ? and kind = 'replayed'", deal_id)


def test_replay_of_what_is_not_there_says_so(ground: Site, desk: Desk) -> None:
    ran = nothing_done(ground, "replay", "--event", str(2**40), code=2)
    assert "has no entry" in ran.text
    assert nothing_done(ground, "replay", "--deal", "006HO0000009999YAA", "--json", code=0).data["sf"]["deals"] == 0


WHY = ('title = "Why they bought"', 'title = "Why they chose us"')
"""A heading of the summary: it belongs to no playbook, so it changes on handoffs under way."""


@pytest.mark.parametrize("against", ["kept", "folder"])
def test_a_changed_policy_shows_its_blast_radius_before_it_takes_effect(
    ground: Site, desk: Desk, tmp_path: Path, against: str
) -> None:
    before = tmp_path / "before"
    shutil.copytree(ground.folder / "mappings", before)
    named = ["--against", str(before)] if against == "folder" else []
    if named:
        same = nothing_done(ground, "plan", "--policy-diff", *named, "--json", code=0).data["sf"]
        assert (same["changed"], same["deals"]) == (0, [])
    ground.edit("playbook.toml", "Send welcome packet", "Send the new welcome packet")
    try:
        kept = nothing_done(ground, "plan", "--policy-diff", *named, "--json", code=0).data["sf"]
        assert (kept["changed"], kept["deals"]) == (0, []), "handoffs under way keep their playbook"
    finally:
        ground.edit("playbook.toml", "Send the new welcome packet", "Send welcome packet")
    ground.edit("playbook.toml", *WHY)
    try:
        found = nothing_done(ground, "plan", "--policy-diff", *named, "--json", code=0).data["sf"]
        assert found["handoffs"] == found["changed"] == len(deals_of(desk))
        assert [each["deal"] for each in found["deals"]] == deals_of(desk)
        assert found["rules"].keys() == {"summary"}
        assert found["would_be_held"] is False
        told = nothing_done(ground, "plan", "--policy-diff", *named, code=0).text
        assert f"{len(deals_of(desk))} of {len(deals_of(desk))} handoffs under way would change" in told
        assert "Nothing was stored or sent." in told
    finally:
        ground.edit("playbook.toml", *reversed(WHY))


def copies(ground: Site) -> list[str]:
    return sorted(each.name for each in (ground.folder / "state" / "backups").glob("*.db"))


def handed_off_once(desk: Desk, deals: Sequence[str]) -> None:
    assert [each for each in deals if not desk.handed_off(each)] == []
    assert desk.clean, desk.tally()
    assert [len(csm_changes(desk, each)) for each in deals] == [1] * len(deals)


def test_a_copy_taken_beside_a_daemon_goes_back_into_place_and_on_without_a_double(ground: Site, desk: Desk) -> None:
    old = [f"handoff-2020010{day}T000000Z.db" for day in (1, 2, 3)]
    with ground.daemon() as daemon:
        daemon.wait_for("system.connected", system="sf")
        for name in (*old, "mine.db"):
            ran = ground.call("backup", str(ground.folder / "state" / "backups" / name))
            assert ran.code == 0, ran.text
        taken = ground.call("backup", "--keep", "2", "--json")
        assert taken.code == 0, taken.text
        copy = Path(taken.data["file"])
        assert [Path(each).name for each in taken.data["removed"]] == old[:2]
        assert copies(ground) == [old[2], copy.name, "mine.db"], "a copy that a person named is theirs"
        assert taken.data["rows"]["handoff"] == len(deals_of(desk))

        later = desk.won(2)
        until(lambda: all(map(desk.handed_off, later)) and desk.clean, "wins after the copy")
        refused = ground.call("restore", str(copy), "--yes")
        assert refused.code == 2, refused.text
    before = ledger(ground)
    shown = ground.call("restore", str(copy))
    assert shown.code == EXIT_FOUND
    assert "--yes" in shown.text
    assert ledger(ground) == before

    start = desk.seq()
    done = ground.call("restore", str(copy), "--yes", "--json")
    assert done.code == 0, done.text
    assert Path(done.data["kept"]).exists()
    assert desk.writes(start) == 0
    assert one(ground, "select count(*) from handoff where deal_id in (?, ?)", *later) == 0, "it is the older ledger"
    with ground.daemon():
        latest = desk.won(1)
        until(lambda: all(map(desk.handed_off, latest)) and desk.clean, "a win after the restore")
    ground.rest()
    handed_off_once(desk, deals_of(desk))
    assert one(ground, "select count(*) from handoff where deal_id in (?, ?)", *later) == 2, "the CRM told of them"
