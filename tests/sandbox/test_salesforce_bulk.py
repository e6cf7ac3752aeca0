"""Bulk 2.0 jobs: opened, loaded, closed, worked off over time, and told row by row; judged by simple-salesforce too."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from connector.sandbox.salesforce import bulk
from connector.sandbox.salesforce.schema import create_world
from connector.sandbox.server import Sandbox
from connector.sandbox.state import SandboxClock, World


class Jobs:
    """The calls of a client that drives its jobs itself."""

    def __init__(self, sf: Salesforce) -> None:
        self.sf = sf

    def open(self, operation: str = "update", of: str = "Opportunity", **more: Any) -> str:
        body = {"object": of, "operation": operation, "contentType": "CSV", "lineEnding": "LF", **more}
        found: dict[str, Any] = self.sf.restful("jobs/ingest", method="POST", json=body)
        assert found["state"] == "Open"
        assert found["contentUrl"].endswith(f"{found['id']}/batches")
        return str(found["id"])

    def load(self, job: str, text: str) -> None:
        headers = {"Content-Type": "text/csv"}
        url = f"{self.sf.base_url}jobs/ingest/{job}/batches"
        reply = self.sf._call_salesforce("PUT", url, data=text.encode(), headers=headers)
        assert reply.status_code == 201

    def set(self, job: str, state: str) -> str:
        return str(self.sf.restful(f"jobs/ingest/{job}", method="PATCH", json={"state": state})["state"])

    def ask(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sf.restful(f"jobs/ingest/{job}")
        return found

    def rows(self, job: str, which: str) -> list[dict[str, str]]:
        reply = self.sf._call_salesforce("GET", f"{self.sf.base_url}jobs/ingest/{job}/{which}")
        return list(csv.DictReader(io.StringIO(reply.text, newline="")))

    def run(self, text: str, **more: Any) -> str:
        job = self.open(**more)
        self.load(job, text)
        self.set(job, "UploadComplete")
        return job


@pytest.fixture
def jobs(sf: Salesforce, running: Sandbox) -> Jobs:
    running.clock.freeze(running.clock.now())
    return Jobs(sf)


@pytest.fixture
def deals(org: World, deal: str) -> list[str]:
    """Five opportunities."""
    table = org.table("Opportunity")
    values = dict(table.rows[deal].values)
    by = table.rows[deal].created_by
    return [deal, *(table.insert({**values, "Name": f"Deal {n}"}, by=by).id for n in range(4))]


def held(org: World, deal_id: str) -> dict[str, Any]:
    return org.table("Opportunity").rows[deal_id].values


def code(caught: pytest.ExceptionInfo[SalesforceMalformedRequest]) -> str:
    return str(caught.value.content[0]["errorCode"])


def test_a_job_is_worked_off_after_it_was_closed_and_tells_every_row(
    jobs: Jobs, running: Sandbox, org: World, deals: list[str]
) -> None:
    one, two, three = deals[:3]
    text = f'Id,NextStep,Handoff_Percent__c\n{one},"a, ""b""\nc",71\n{two},x,1000000\n{three[:15]},y,\n'
    job = jobs.run(text)
    assert jobs.ask(job)["state"] == "InProgress"
    assert "NextStep" not in held(org, one)
    running.clock.advance(2)
    told = jobs.ask(job)
    assert (told["state"], told["numberRecordsProcessed"], told["numberRecordsFailed"]) == ("JobComplete", 3, 1)
    done, failed = jobs.rows(job, "successfulResults"), jobs.rows(job, "failedResults")
    assert [(row["sf__Id"], row["sf__Created"]) for row in done] == [(one, "false"), (three, "false")]
    assert done[0]["NextStep"] == 'a, "b"\nc'
    assert failed[0]["sf__Error"].startswith("NUMBER_OUTSIDE_VALID_RANGE:Handoff percent: value outside")
    assert failed[0]["sf__Error"].endswith(":Handoff_Percent__c --")
    assert jobs.rows(job, "unprocessedrecords") == []
    assert held(org, one)["NextStep"] == 'a, "b"\nc'
    assert "NextStep" not in held(org, two)


def test_an_empty_cell_leaves_a_field_and_na_empties_it(
    jobs: Jobs, running: Sandbox, org: World, deals: list[str]
) -> None:
    values = {"NextStep": "call", "Handoff_Override__c": True, "Handoff_Go_Live_Date__c": "2026-03-01"}
    org.table("Opportunity").update(deals[0], values, by=org.table("Opportunity").rows[deals[0]].created_by)
    jobs.run(f"Id,NextStep,Handoff_Override__c,Handoff_Go_Live_Date__c\n{deals[0]},,FALSE,#N/A\n")
    running.clock.advance(2)
    jobs.ask(str(jobs.sf.restful("jobs/ingest")["records"][0]["id"]))
    assert held(org, deals[0])["NextStep"] == "call"
    assert held(org, deals[0])["Handoff_Override__c"] is False
    assert "Handoff_Go_Live_Date__c" not in held(org, deals[0])


def test_rows_are_saved_as_any_other_save(jobs: Jobs, running: Sandbox, org: World, deals: list[str]) -> None:
    org.table("Opportunity").delete(deals[1], by="x")
    rows = [
        f"{deals[0]},Closed Won,",
        f"{deals[1]},Closed Won,",
        f"{deals[2]},Nowhere,",
        f"{deals[3]},Closed Won,soon",
        f"{deals[4]},Closed Won,",
        f"{deals[4]},Closed Lost,",
    ]
    job = jobs.run("Id,StageName,CloseDate\n" + "\n".join(rows) + "\n")
    running.clock.advance(2)
    assert jobs.ask(job)["numberRecordsFailed"] == 5
    codes = [row["sf__Error"].partition(":")[0] for row in jobs.rows(job, "failedResults")]
    assert codes == [
        "ENTITY_IS_DELETED",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "DUPLICATE_VALUE",
        "DUPLICATE_VALUE",
    ]
    assert held(org, deals[0])["IsWon"] is True


def test_an_upsert_by_key_creates_and_then_updates(jobs: Jobs, running: Sandbox, org: World, deal: str) -> None:
    more = {"of": "Task", "operation": "upsert", "externalIdFieldName": "Handoff_Key__c"}
    for created in ("true", "false"):
        job = jobs.run(f"Handoff_Key__c,Subject,WhatId\nk:1,Call,{deal}\n", **more)
        running.clock.advance(2)
        assert jobs.ask(job)["state"] == "JobComplete"
        assert [row["sf__Created"] for row in jobs.rows(job, "successfulResults")] == [created]
    assert len(list(org.table("Task").live())) == 1


def test_a_job_takes_data_once_and_only_while_it_is_open(jobs: Jobs, running: Sandbox, deals: list[str]) -> None:
    job = jobs.open()
    jobs.load(job, f"Id,NextStep\n{deals[0]},a\n")
    with pytest.raises(SalesforceMalformedRequest) as twice:
        jobs.load(job, f"Id,NextStep\n{deals[0]},b\n")
    assert code(twice) == "INVALIDJOBSTATE"
    with pytest.raises(SalesforceMalformedRequest) as early:
        jobs.rows(job, "successfulResults")
    assert code(early) == "INVALIDJOBSTATE"
    jobs.set(job, "UploadComplete")
    with pytest.raises(SalesforceMalformedRequest) as closed:
        jobs.set(job, "UploadComplete")
    assert code(closed) == "INVALIDJOBSTATE"
    running.clock.advance(2)
    jobs.ask(job)
    with pytest.raises(SalesforceMalformedRequest, match="Aborting already Completed Job not allowed"):
        jobs.set(job, "Aborted")
    jobs.sf.restful(f"jobs/ingest/{job}", method="DELETE")
    with pytest.raises(SalesforceResourceNotFound):
        jobs.ask(job)


def test_an_open_job_given_up_did_nothing(jobs: Jobs, running: Sandbox, org: World, deals: list[str]) -> None:
    job = jobs.open()
    jobs.load(job, f"Id,NextStep\n{deals[0]},a\n")
    assert jobs.set(job, "Aborted") == "Aborted"
    running.clock.advance(60)
    assert jobs.ask(job)["state"] == "Aborted"
    assert [row["Id"] for row in jobs.rows(job, "unprocessedrecords")] == [deals[0]]
    assert "NextStep" not in held(org, deals[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Id,Nonsense__c\n006,1\n", "Field name not found : Nonsense__c"),
        ("Id,NextStep\r\n006,1\r\n", "LineEnding is invalid"),
        ("Id,NextStep\n006\n", "as many columns"),
    ],
)
def test_data_that_cannot_be_read_fails_the_job(jobs: Jobs, text: str, words: str) -> None:
    told = jobs.ask(jobs.run(text))
    assert told["state"] == "Failed"
    assert words in told["errorMessage"]


def test_other_delimiters_and_line_ends_are_read(jobs: Jobs, running: Sandbox, org: World, deals: list[str]) -> None:
    job = jobs.run(f"Id;NextStep\r\n{deals[0]};a\r\n", lineEnding="CRLF", columnDelimiter="SEMICOLON")
    running.clock.advance(2)
    assert jobs.ask(job)["state"] == "JobComplete"
    assert held(org, deals[0])["NextStep"] == "a"


def test_data_beyond_the_limit_is_refused(jobs: Jobs, org: World, deals: list[str]) -> None:
    org.settings["bulk_max_bytes"] = 20
    with pytest.raises(SalesforceMalformedRequest) as caught:
        jobs.load(jobs.open(), f"Id,NextStep\n{deals[0]},a\n")
    assert code(caught) == "LIMIT_EXCEEDED"


def test_a_long_job_goes_batch_by_batch_and_can_fail_in_the_middle(
    jobs: Jobs, running: Sandbox, org: World, deals: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH_ROWS", 2)
    org.faults.add(system="sf", match="^BATCH .*/2$", kind="500")
    org.faults.add(system="sf", match="^BATCH .*/1$", kind="row_lock")
    job = jobs.run("Id,NextStep\n" + "".join(f"{each},done\n" for each in deals))
    running.clock.advance(1)
    assert (jobs.ask(job)["state"], jobs.ask(job)["numberRecordsProcessed"]) == ("InProgress", 2)
    running.clock.advance(2)
    assert jobs.ask(job)["state"] == "Failed"
    assert [row["sf__Id"] for row in jobs.rows(job, "successfulResults")] == [*deals[:2], deals[3]]
    assert [row["sf__Id"] for row in jobs.rows(job, "failedResults")] == [deals[2]]
    assert jobs.rows(job, "failedResults")[0]["sf__Error"].startswith("UNABLE_TO_LOCK_ROW:")
    assert [row["Id"] for row in jobs.rows(job, "unprocessedrecords")] == [deals[4]]


def test_jobs_outlive_a_restart_of_the_sandbox(tmp_path: Path) -> None:
    before = create_world(SandboxClock())
    before.attach(tmp_path)
    before.table(bulk.JOBS).insert({"jobType": "V2Ingest", "state": "Open"}, by="u", id="750HO0000000001AAA")
    before.table(bulk.DATA).insert({"text": "Id\n1\n"}, by="u", id="750HO0000000001AAA:upload")
    before.flush()
    after = create_world(SandboxClock())
    after.attach(tmp_path)
    assert after.table(bulk.JOBS).rows["750HO0000000001AAA"].values["state"] == "Open"
    assert after.table(bulk.DATA).rows["750HO0000000001AAA:upload"].values["text"] == "Id\n1\n"


def test_simple_salesforce_loads_and_reads(sf: Salesforce, org: World, deals: list[str]) -> None:
    org.settings["bulk_batch_s"] = 0
    records = [{"Id": each, "CloseDate": date(2026, 3, 1).isoformat()} for each in deals]
    told = sf.bulk2.Opportunity.update(records=records, wait=0)
    assert [(each["numberRecordsProcessed"], each["numberRecordsFailed"]) for each in told] == [(5, 0)]
    assert {held(org, each)["CloseDate"] for each in deals} == {"2026-03-01"}
    soql = "SELECT Id, Account.Name FROM Opportunity ORDER BY Id"
    pages = list(sf.bulk2.Opportunity.query(soql, max_records=2, wait=0))
    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
    assert [row["Id"] for row in rows] == sorted(deals)
    assert len(pages) == 3
    assert set(rows[0]) == {"Id", "Account.Name"}
