"""The data set in either CRM: every blemish repaired or reported by row, nothing dropped, nothing loaded twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.sandbox import dataset, load, seed, views
from connector.sandbox.server import create_worlds
from connector.sandbox.state import World

SYSTEMS = ("sf", "hs")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

FILES = {
    "accounts.csv": """account,sector,year_established,revenue,employees,office_location,subsidiary_of
Kiln & Co,technolgy,1996,1100.04,2822,United States,Parent Works
Parent Works,medical,1999,251.41,many,Philipines,
Kiln & Co,retail,2000,1,1,Kenya,
""",
    "products.csv": "product,series,sales_price\nGTX Pro,GTX,4821\nMG Special,MG,55\n",
    "sales_teams.csv": "sales_agent,manager,regional_office\nAda Moss,Rolf Berg,East\n",
    "sales_pipeline.csv": """opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value
A1,Ada Moss,GTXPro,Kiln & Co,Won,2016-10-20,2017-03-01,1054
A2,Ada Moss,MG Special,Parent Works,Lost,2016-10-25,2017-03-11,0
A3,Ada Moss,GTX Pro,,Engaging,2016-11-01,,
A4,New Person,GTX Pro,Unlisted Ltd,Prospecting,,,
A5,Ada Moss,GTX Pro,Kiln & Co,Postponed,2016-11-01,,
A6,Ada Moss,GTX Pro,Kiln & Co,Won,2016-11-01,yesterday,10
A7,Ada Moss,GTX Pro,Kiln & Co,Won,2016-11-01,,10
A1,Ada Moss,GTX Pro,Kiln & Co,Won,2016-11-01,2017-01-01,10
,Ada Moss,GTX Pro,Kiln & Co,Won,2016-11-01,2017-01-01,10
A8,Ada Moss,Teapot,Kiln & Co,Won,2016-11-01,2017-01-01,lots
A9,Ada Moss,Teapot,Kiln & Co,Won,2016-11-01,2017-01-01,12.5
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def world(system: str) -> World:
    made, _ = create_worlds(None)
    seed.people(made)
    return made[system]


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_blemish_is_repaired_or_reported_by_row(system: str, folder: Path) -> None:
    report = load.load_folder(world(system), folder)
    assert (report.rows, report.loaded, report.already) == (11, 5, 0)
    refused = {(n.file, n.row): n.what for n in report.refused}
    assert set(refused) == {("accounts.csv", 4), *(("sales_pipeline.csv", row) for row in (6, 7, 8, 9, 10, 11))}
    assert report.rows == report.loaded + report.already + sum(n.file == "sales_pipeline.csv" for n in report.refused)
    assert "Postponed" in refused[("sales_pipeline.csv", 6)]
    assert "twice" in refused[("sales_pipeline.csv", 9)]
    repaired = {(n.row, n.kind) for n in report.repaired if n.file == "sales_pipeline.csv"}
    assert {(2, "product"), (4, "amount"), (5, "account"), (5, "agent"), (12, "product")} <= repaired
    assert [(n.row, n.kind) for n in report.incomplete if n.file == "sales_pipeline.csv"] == [(4, "no account")]
    assert {n.what for n in report.repaired if n.file == "accounts.csv"} == {
        "'technolgy' read as 'technology'",
        "'Philipines' read as 'Philippines'",
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_deals_stand_with_stage_dates_amount_and_owner(system: str, folder: Path) -> None:
    at = world(system)
    load.load_folder(at, folder)
    crm = views.view(at)
    deals = {d.name.rpartition("[")[2][:-1]: d for d in crm.deals()}
    won = deals["A1"]
    assert won.stage.won
    assert won.amount == 1054
    assert won.text("product") == "GTX Pro"
    assert str(won.close_date) == "2017-03-01"
    assert [str(at.date()) for at in crm.wins(won.id)] == ["2017-03-01"]
    assert str(won.created_at.date()) == "2016-10-20"
    assert crm.who(won.owner) == "Ada Moss"
    account = crm.account(won.account)
    assert (account.industry, account.employees) == ("technology", 2822)
    assert deals["A2"].stage.closed
    assert not deals["A2"].stage.won
    assert not deals["A3"].account
    assert deals["A3"].amount == 4821
    assert crm.account(deals["A4"].account).name == "Unlisted Ltd"
    assert next(a for a in crm.accounts() if a.name == "Parent Works").country == "Philippines"


@pytest.mark.parametrize("system", SYSTEMS)
def test_loading_twice_adds_nothing(system: str, folder: Path) -> None:
    at = world(system)
    load.load_folder(at, folder)
    before = {name: len(table.rows) for name, table in at.tables.items()}
    again = load.load_folder(at, folder)
    assert (again.loaded, again.already) == (0, 5)
    assert {name: len(table.rows) for name, table in at.tables.items()} == before


def test_missing_files_and_columns_are_all_named(folder: Path) -> None:
    (folder / "products.csv").unlink()
    (folder / "sales_teams.csv").write_text("sales_agent,region\nAda Moss,East\n", encoding="utf-8")
    with pytest.raises(dataset.DatasetError) as caught:
        dataset.read(folder)
    for word in ("products.csv is missing", "'manager'", "'regional_office'"):
        assert word in str(caught.value)


@pytest.mark.skipif(not DATA.is_dir(), reason="the data set is not beside the project")
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_whole_data_set_is_accounted_for(system: str) -> None:
    at = world(system)
    report = load.load_folder(at, DATA)
    deals = list(views.view(at).deals())
    assert report.rows == report.loaded == len(deals) == 8800
    assert report.refused == []
    assert report.counts["repaired"]["product"] == 1480
    assert report.counts["incomplete"] == {"no account": 1425}
    assert sum(1 for d in deals if d.stage.won) == 4238
    assert sum(1 for d in deals if not d.account) == 1425
