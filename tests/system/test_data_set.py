"""The public CRM sales data set, loaded into both CRMs and run: first observed, then acted upon.

Where the files are not at hand, files of the same shape and with the same blemishes are generated. All 8,800 rows are
loaded, and four hundred of the open deals are won.
"""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from daemons import ROOT, Desk, Site, site, until

from connector.sandbox import agreed, dataset
from connector.sandbox.load import LoadReport, load_folder

pytestmark = pytest.mark.system

DATA = ROOT.parent / "shared" / "data"
ROWS, WINS = 8_800, 400
LONG = 600.0
Tell = Callable[[str, object], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A site whose CRMs hold the data set, and what loading reported of each."""

    ground: Site
    reports: dict[str, LoadReport]
    won: int
    open: int


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Both CRMs with the data set, the connector in mode observe."""
    folder = tmp_path_factory.mktemp("data")
    files = folder / "files"
    files.mkdir()
    source = DATA if (DATA / dataset.PIPELINE).is_file() else None
    if source:
        files = source
    else:
        generate(files, ROWS)
    with (files / dataset.PIPELINE).open(newline="") as pipeline:
        stages = [row["deal_stage"] for row in csv.DictReader(pipeline)]
    with site(folder / "site", mode="observe", poll=2) as ground:
        began = time.monotonic()
        reports = {desk.name: load_folder(desk.world, files) for desk in ground.desks}
        print(
            f"\n{'the data set' if source else 'generated files'}: {len(stages):,} rows into each CRM "
            f"in {time.monotonic() - began:.1f} s"
        )
        yield Loaded(ground, reports, stages.count("Won"), len(stages) - stages.count("Won") - stages.count("Lost"))


def generate(folder: Path, rows: int) -> None:
    """Files of the same shape, with misspelt products and sectors and deals that name no account."""
    rng = random.Random(11)
    accounts = [f"Company {number:02d}" for number in range(85)]
    agents = [(f"Agent{number} Smith", f"Manager{number % 6} Jones") for number in range(35)]
    write(
        folder / dataset.ACCOUNTS,
        [
            {
                "account": name, "sector": rng.choice(("technolgy", "medical", "retail")),
                "year_established": "1996", "revenue": "1100.04", "employees": "2822",
                "office_location": rng.choice(("United States", "Philipines", "Germany")), "subsidiary_of": "",
            }
            for name in accounts
        ],
    )  # fmt: skip
    write(folder / dataset.PRODUCTS, [{"product": name, "series": "GTX", "sales_price": "4821"} for name in PRODUCTS])
    write(
        folder / dataset.TEAMS,
        [{"sales_agent": agent, "manager": manager, "regional_office": "East"} for agent, manager in agents],
    )
    pipeline = []
    for number in range(rows):
        stage = rng.choices(("Won", "Lost", "Engaging", "Prospecting"), weights=(48, 28, 18, 6))[0]
        closed = stage in ("Won", "Lost")
        pipeline.append(
            {
                "opportunity_id": f"GEN{number:05d}", "sales_agent": rng.choice(agents)[0],
                "product": rng.choice((*PRODUCTS, "GTXPro")),
                "account": rng.choice(accounts) if closed or rng.random() < 0.4 else "", "deal_stage": stage,
                "engage_date": "" if stage == "Prospecting" else f"2017-0{rng.randint(1, 5)}-1{rng.randint(0, 9)}",
                "close_date": f"2017-0{rng.randint(6, 9)}-1{rng.randint(0, 9)}" if closed else "",
                "close_value": str(rng.randint(400, 30_000)) if stage == "Won" else ("0" if closed else ""),
            }
        )  # fmt: skip
    write(folder / dataset.PIPELINE, pipeline)


PRODUCTS = ("GTX Basic", "GTX Pro", "MG Special")


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_every_row_is_loaded_or_reported(loaded: Loaded) -> None:
    for name, report in loaded.reports.items():
        refused = [note for note in report.refused if note.file == dataset.PIPELINE]
        assert report.rows == report.loaded + report.already + len(refused), name
        assert report.loaded == report.rows, refused
        assert report.counts["repaired"], "the misspelt names were not repaired, or not told"
    for desk in loaded.ground.desks:
        stages = [deal.stage for deal in desk.crm.deals()]
        assert sum(stage.won for stage in stages) == loaded.won
        assert sum(not stage.closed for stage in stages) == loaded.open
    if (DATA / dataset.PIPELINE).is_file():
        assert loaded.won == 4_238


def test_observe_plans_all_won_deals_and_writes_nothing(loaded: Loaded, record_property: Tell) -> None:
    ground = loaded.ground
    began = time.monotonic()
    planned = ground.run("plan", "--won-since", "2016-01-01", "--json")
    seconds = time.monotonic() - began
    assert planned.code == 0, planned.err
    for desk in ground.desks:
        summary = planned.data[desk.name]
        assert summary["deals"] == loaded.won
        assert summary["phases"] == {"before_start": loaded.won}
        assert summary["writes"] == 0
    backfill = ground.run("plan", "--won-since", "2016-01-01", "--as-if-new", "--json").data
    ran = ground.once()
    assert ran.code == 0, ran.text
    for desk in ground.desks:
        figures = backfill[desk.name]["completeness"]
        assert figures["why_bought"]["of"] == loaded.won
        assert figures["why_bought"]["filled"] == 0, "the files know nothing of why anybody bought"
        assert backfill[desk.name]["complete"] == 0
        assert desk.writes() == 0, "observe must not write"
        assert not any(desk.crm.tasks())
        line = (
            f"{desk.name}: {loaded.won:,} won deals planned, mean {backfill[desk.name]['mean_percent']}% complete, "
            f"{backfill[desk.name]['writes']:,} writes a backfill would make, 0 sent"
        )
        record_property(desk.name, line)
        print(f"\n{line}", end="")
    print(f"\nboth CRMs planned in {seconds:.1f} s", end="")


def test_the_audit_reads_the_last_won_deals_and_writes_nothing(loaded: Loaded) -> None:
    ground = loaded.ground
    before = {desk.name: desk.writes() for desk in ground.desks}
    ran = ground.call("audit", "--last", "15", "--json")
    assert ran.code == 0, ran.text
    for desk in ground.desks:
        told = ran.data[desk.name]
        closed = sorted((deal.close_date for deal in desk.crm.deals() if deal.stage.won), reverse=True)[:15]
        assert [deal["closed"] for deal in told["each"]] == [f"{day:%Y-%m-%d}" for day in closed if day]
        assert told["won"] == sum(group["won"] for group in told["by_ae"]) == 15
        assert told["missing"] == told["required"] >= 75, "the files know nothing of why anybody bought"
        assert not told["touched"]
        assert desk.writes() == before[desk.name]
        print(f"\n{desk.name}: {told['calls_total']} calls for the audit of 15 won deals", end="")


def test_act_hands_over_what_is_won_from_now_on(loaded: Loaded, record_property: Tell) -> None:
    ground = loaded.ground
    ground.configure(mode="act")
    before = {desk.name: desk.tally() for desk in ground.desks}
    assert all(not found["won"] for found in before.values())
    wins = {desk.name: chosen(desk, min(WINS, loaded.open)) for desk in ground.desks}
    with ground.daemon() as daemon:
        daemon.wait_for("system.connected", system="sf")
        daemon.wait_for("system.connected", system="hs")
        began = time.monotonic()
        for desk in ground.desks:
            for deal in wins[desk.name]:
                fill_and_win(desk, deal)
        filled = time.monotonic()
        until(
            lambda: all(desk.handed_off(deal) for desk in ground.desks for deal in wins[desk.name]),
            "all handoffs",
            seconds=LONG,
        )
        seconds = time.monotonic() - filled
        until(lambda: not ground.open_rows(), "an empty outbox", seconds=LONG)
        assert not daemon.named("tick.crashed"), daemon.said()
        assert not daemon.named("row.parked"), daemon.said()
    for desk in ground.desks:
        found = desk.tally()
        assert not found["lost"], found["lost"][:3]
        assert not found["doubled"], found["doubled"][:3]
        count = len(wins[desk.name])
        assert (found["won"], found["released"], found["summaries"]) == (count, count, count)
        assert found["tasks"] == 5 * count
        old = [deal for deal in desk.crm.deals() if deal.stage.won and deal.id not in set(wins[desk.name])]
        assert len(old) == loaded.won
        assert not any(deal.text("gate") or deal.text("csm") for deal in old), "old wins are only observed"
        line = f"{desk.name}: {count:,} of {loaded.open:,} open deals won and handed off, assigned {found['assigned']}"
        record_property(desk.name, line)
        print(f"\n{line}", end="")
    print(f"\nwon within {filled - began:.1f} s, all handed off {seconds:.1f} s after the last win", end="")


def chosen(desk: Desk, count: int) -> list[str]:
    """Open deals, in the order of the files."""
    return [deal.id for deal in desk.crm.deals() if not deal.stage.closed][:count]


def fill_and_win(desk: Desk, deal_id: str) -> None:
    """The rep answers what is asked and drags the deal to Closed Won."""
    deal = desk.see(deal_id)
    answers = desk.answers(amount=deal.amount or 0, deal_type=deal.deal_type)
    desk.do.set_fields(deal_id, answers, by=deal.owner)
    desk.win(deal_id, outcome="handed_off")
    assert not agreed.gaps(desk.see(deal_id).fields, amount=deal.amount, deal_type=deal.deal_type)
