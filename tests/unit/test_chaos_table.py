"""The table of a chaos run: what counts as held, what fails it, how it is shown and kept."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from chaos import kills, results, sections, soak
from chaos.__main__ import PICKED, _parsed
from chaos.points import FEEDS, SPOTS
from chaos.sections import Effort, play
from chaos.table import Row, markdown, total
from chaos.team import Member, Team
from connector.failpoints import Failpoint
from connector.sandbox.faults import Faults

if TYPE_CHECKING:
    from daemons import Daemon, Site

    from chaos.weather_postgres import Line, Server

KILL = Row("kills", "recorded", "salesforce, polled", tried=2, broken=2, recovery=(1.0, 3.0), seeds=(7, 8))


def effort(folder: Path) -> Effort:
    return Effort(short=True, seed=1, folder=folder, lanes=1, say=lambda _line: None)


@pytest.mark.parametrize(
    ("row", "held"),
    [
        (KILL, True),
        (Row("kills", "recorded", "here", tried=2, broken=1), False),
        (Row("weather", "lost replies", "here", tried=9, broken=0), False),
        (Row("weather", "lost replies", "here", tried=9, broken=1), True),
        (Row("doors", "deep bodies", "here", tried=9), True),
        (Row("kills", "job-asked", "hubspot, polled", note="HubSpot has no jobs"), True),
        (Row("kills", "recorded", "here", tried=1, broken=1, lost=1), False),
        (Row("kills", "recorded", "here", tried=1, broken=1, doubled=1), False),
        (Row("doors", "deep bodies", "here", tried=1, other=1), False),
    ],
)
def test_a_row_holds_only_if_it_was_put_to_the_test_and_nothing_broke(row: Row, held: bool) -> None:
    assert row.held is held
    assert total([KILL, row]).held is held


def test_the_sum_counts_kills_faults_inputs_and_examples_apart() -> None:
    rows = [
        KILL,
        Row("kills", "decided", "hubspot, polled", tried=1, broken=1, seeds=(8, 9)),
        Row("weather", "locks", tried=4, broken=3),
        Row("weather", "a night", tried=1, broken=1),
        Row("soak", "a month", tried=9, broken=7, faults={"503": 5, "slow": 2}),
        Row("doors", "bodies", tried=1000, broken=0),
        Row("machine", "stories", "sqlite", tried=50, broken=4, doubled=1, faults={"death": 4}),
        Row("machine", "stories", "memory", tried=9, broken=3, faults={"death": 2, "throttled": 1}),
        Row("losses", "emptied", note="not here"),
    ]
    told = total(rows)
    assert told.line == (
        "3 kills from 3 seeds; 18 other faults of 6 kinds; 1,000 bad inputs; 59 hostile-machine examples; 0 lost; "
        "1 doubled; 1 rows could not be tried here."
    )
    assert told.kinds == ("weather 4: locks 3, a night 1", "soak 7: 503 5, slow 2", "machine 7: death 6, throttled 1")
    about = {"when": "now", "seed": 1, "code": "abc", "seconds": 2, "machine": "one core"}
    kept = {name: {**about, "rows": [row.data() for row in rows if row.section == name]} for name in sections.MODULES}
    assert all(f"\n- {line}\n" in results.page(kept) for line in told.kinds)


def test_a_soak_is_told_against_its_first_day_and_the_one_its_bounds_count_from() -> None:
    days = [soak.Figures(day, rss * soak.MB, 30, 9, 4096 * day, day, 1.0) for day, rss in ((1, 80), (2, 100), (3, 110))]
    told = soak.compared(days)
    assert [line.partition(":")[0] for line in told] == [
        "day 1, warming up", "day 2, from which bounds count", "day 3", "against day 1", "against day 2",
    ]  # fmt: skip
    assert "memory 1.38," in told[3]
    assert "memory 1.10," in told[4]


def test_a_soak_counts_its_faults_by_kind_and_only_those_that_met_a_request() -> None:
    faults = Faults()
    desk = SimpleNamespace(name="sf", world=SimpleNamespace(faults=faults))
    trouble = soak.Trouble([cast("Any", desk)], random.Random(1))
    trouble.plant()
    planted = Counter(fault.kind for fault in faults.list())
    assert (sum(planted.values()), trouble.struck) == (soak.WAITING, 0)
    met = faults.list()[0]
    faults._faults.remove(met)
    assert trouble.kinds == Counter([met.kind])
    trouble.clear()
    assert (trouble.kinds, faults.list()) == (Counter([met.kind]), [])


def test_kills_are_kept_as_points_by_feeds_with_the_reason_where_one_cannot_be() -> None:
    rows = [KILL, Row("kills", "recorded", "hubspot, polled", note="not | here")]
    head, _, line, *rest = markdown("kills", rows).splitlines()
    assert head == "| point | salesforce, polled | hubspot, polled | seeds | kills | lost | doubled | other |"
    assert line == "| `recorded` | 2 × 2.0 / 3.0 | (a) | 2 | 2 | 0 | 0 | 0 |"
    assert "(a): not | here" in "".join(rest)


def test_a_section_that_is_not_there_or_falls_over_is_told_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def falls(_effort: Effort) -> object:
        raise RuntimeError("over")

    made = {"gone": sections.section("gone", "chaos.gone"), "falls": falls, "mute": lambda _effort: iter(())}
    monkeypatch.setattr(sections, "SECTIONS", made)
    for name, words in (("gone", "no module chaos.gone"), ("falls", "RuntimeError: over"), ("mute", "it told nothing")):
        [row] = play(name, effort(tmp_path))
        assert not row.held
        assert words in row.note


@pytest.mark.parametrize("broken", ["lost", "doubled", "other"])
def test_what_was_lost_is_shown_also_where_nothing_is_tried_by_number(broken: str) -> None:
    assert "3" in Row.of({"section": "doors", "what": "honest", "recovery": [], broken: 3}).cells()


def test_the_sum_says_what_could_not_be_tried() -> None:
    lacking = Row("replicas", "all of it", note="PostgreSQL's own programs are not installed here")
    cannot_be = Row("kills", "job-asked", "hubspot, polled", note="HubSpot has no jobs")
    assert "not be tried" not in total([KILL, cannot_be]).line
    assert total([KILL, lacking, lacking]).line.endswith("; 2 rows could not be tried here.")


def test_the_kept_sum_says_that_it_is_of_several_runs_and_what_it_lacks() -> None:
    about = {"when": "now", "seed": 1, "code": "abc", "seconds": 2, "machine": "one core", "rows": [KILL.data()]}
    alone = results.page({"kills": about})
    assert "now, code abc, seed 1" in alone
    assert "put together" not in alone
    assert f"no run of them is kept: {', '.join(name for name in sections.MODULES if name != 'kills')}." in alone
    for other in ({"seed": 2}, {"code": "abd"}, {"code": "abc with changes"}):
        assert "put together of runs of different code" in results.page({"kills": about, "soak": {**about, **other}})
    assert "no run of them" not in results.page(dict.fromkeys(sections.MODULES, about))


@pytest.mark.parametrize(("given", "env"), [(["--short"], ""), ([], "locked")])
def test_only_a_whole_run_is_kept(given: list[str], env: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PICKED, env)
    with pytest.raises(SystemExit):
        _parsed(["--keep", *given])
    monkeypatch.delenv(PICKED)
    assert _parsed(["--keep"]).keep


@dataclass(slots=True)
class Ended:
    """A daemon that is no more."""

    code: int

    @property
    def process(self) -> Ended:
        return self

    def poll(self) -> int:
        return self.code

    def stop(self) -> int:
        return self.code

    def wait_killed(self) -> int:
        return self.code

    def named(self, _event: str) -> list[object]:
        return []

    def said(self) -> str:
        return "its last words"


def member(code: int) -> Member:
    return Member("replica-1", cast("Daemon", Ended(code)), cast("Line", None))


@pytest.mark.parametrize(("code", "complaints"), [(0, []), (-9, []), (1, ["replica-1 ended with 1"]), (-11, ["-11"])])
def test_a_replica_that_fell_over_by_itself_is_told(code: int, complaints: list[str]) -> None:
    team = Team(cast("Site", None), cast("Server", None), "", ExitStack(), [member(code)])
    found = team.stop()
    assert len(found) == len(complaints)
    assert all(said in told for said, told in zip(complaints, found, strict=True))


def test_a_replica_that_was_not_killed_proves_nothing() -> None:
    member(-9).die()
    with pytest.raises(AssertionError, match="was not killed, it ended with 1: its last words"):
        member(1).die()


def test_what_is_kept_is_what_the_page_shows() -> None:
    assert results.inserted(results.PAGE.read_text(), results.page(results.load())) == results.PAGE.read_text()


def test_rows_survive_being_kept() -> None:
    kept = {"kills": {"when": "now", "seed": 1, "seconds": 2, "machine": "one core", "rows": [KILL.data()]}}
    made = results.page(kept)
    assert "**2 kills from 2 seeds;" in made
    assert "### kills" in made
    assert Row.of(KILL.data()) == KILL
    with pytest.raises(ValueError, match="chaos: begin"):
        results.inserted("a page without markers", made)


def test_every_failpoint_is_killed_at_somewhere_and_says_why_it_cannot_be_elsewhere() -> None:
    assert sorted(spot.point for spot in SPOTS) == sorted(Failpoint)
    for spot in SPOTS:
        assert set(spot.never) < set(FEEDS)
        assert all(spot.never.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_short_run_comes_by_every_point_once_and_every_feed(seed: int, tmp_path: Path) -> None:
    [chains] = kills._chains(replace(effort(tmp_path), seed=seed), tmp_path)
    assert {chain.feed for chain in chains} == set(FEEDS)
    assert sorted(strike.point for chain in chains for strike in chain.strikes) == sorted(Failpoint)
