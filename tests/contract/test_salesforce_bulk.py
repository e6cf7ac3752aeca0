"""Jobs over the real line: what is sent, what comes back for each row, and what a broken line leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from contract.maps import FIELDS, salesforce_map
from contract.worlds import SandboxWorld

from connector.crm.salesforce.adapter import SalesforceCRM, connect_salesforce
from connector.crm.salesforce.bulk import NULL, cell, row_error
from connector.crm.salesforce.login import SalesforceLogin
from connector.crm.writing import (
    Applied,
    Jobs,
    JobState,
    Operation,
    Refused,
    Unknown,
    Write,
)
from connector.errors import Advice, CrmError, FaultCode
from connector.handoff.model import Kind, Ref, SystemName, Value
from connector.sandbox.server import Sandbox

UPDATE = (Kind.DEAL, Operation.UPDATE)


class Rig:
    """A sandbox, an adapter on it and its jobs."""

    def __init__(self, sandbox: Sandbox, **options: Any) -> None:
        self.sandbox = sandbox
        self.calls: Counter[str] = Counter()
        self.crm: SalesforceCRM = connect_salesforce(
            system=SystemName("sf"),
            map=salesforce_map(),
            login=SalesforceLogin(sandbox.sf_url, client_id="handoff-daemon", client_secret="sandbox-secret"),
            on_call=lambda label: self.calls.update([label]),
            sleep=lambda _seconds: None,
            timeouts=(2.0, 5.0),
            **options,
        )
        self.crm.connect()
        self.world = SandboxWorld(sandbox, sandbox.sf, self.crm, fields=FIELDS, page=2000, tells_self=True)
        self.jobs: Jobs = self.crm.jobs

    def deals(self, count: int) -> list[str]:
        account = self.world.add_account(name="Nordlys AS", country="Norway")
        return [self.world.add_deal(name=f"Deal {n}", account=account, won=True) for n in range(count)]

    def job(self, writes: list[Write]) -> str:
        job_id = self.jobs.open(*UPDATE)
        self.jobs.load(job_id, writes)
        return job_id

    def fault(self, match: str, kind: str, **more: Any) -> None:
        self.sandbox.sf.faults.add(system="sf", match=match, kind=kind, **more)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Sandbox.running() as sandbox:
        sandbox.clock.freeze(sandbox.clock.now())
        yield Rig(sandbox)


def patch(deal_id: str, **values: Value) -> Write:
    return Write(kind=Kind.DEAL, operation=Operation.UPDATE, values=values, record_id=deal_id, key=f"k:{deal_id}")


def test_a_job_is_run_later_and_tells_of_each_row_in_the_order_asked(rig: Rig) -> None:
    one, two, three = rig.deals(3)
    text = 'says "yes, but"\nand more, too'
    writes = [patch(one, risks=text, percent=Decimal("71.5")), patch(two, status="Nowhere"), patch(three, risks=None)]
    job = rig.job(writes)
    assert rig.jobs.ask(job) is JobState.RUNNING
    rig.world.advance(5)
    assert rig.jobs.ask(job) is JobState.ENDED
    first, second, third = rig.jobs.results(job, writes)
    assert first == Applied(one)
    assert third == Applied(three)
    assert isinstance(second, Refused)
    assert (second.fault.code, second.fault.vendor_code) == (
        FaultCode.REJECTED,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    )
    assert "fields: Handoff_Status__c" in second.fault.message
    read = rig.crm.fetch([one, two, three])
    assert read[one].deal.get("risks") == text
    assert rig.calls["bulk.results"] == 2, "nothing was left out, so nobody asks what was"


def test_nothing_empties_a_field_and_what_is_not_named_stays(rig: Rig) -> None:
    one, two = rig.deals(2)
    rig.world.edit(one, risks="old", percent=12, started_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    rig.world.edit(two, risks="keep", go_live_date=date(2026, 1, 1))
    writes = [
        patch(one, risks=None, percent=None, started_at=None),
        patch(two, go_live_date=date(2026, 5, 6), override_requested=True),
    ]
    job = rig.job(writes)
    rig.world.advance(5)
    assert rig.jobs.ask(job) is JobState.ENDED
    assert rig.jobs.results(job, writes) == (Applied(one), Applied(two))
    read = rig.crm.fetch([one, two], bare=True)
    assert [read[one].deal.get(name) for name in ("risks", "percent", "started_at")] == [None] * 3
    assert read[two].deal.get("risks") == "keep"
    assert read[two].deal.get("go_live_date") == date(2026, 5, 6)
    assert read[two].deal.get("override_requested") is True


def test_a_job_that_breaks_off_says_which_rows_it_left_out(rig: Rig) -> None:
    deals = rig.deals(2)
    writes = [patch(each, percent=Decimal(1)) for each in deals]
    rig.fault("^BATCH ", "500")
    job = rig.job(writes)
    rig.world.advance(5)
    assert rig.jobs.ask(job) is JobState.BROKEN_OFF
    outcomes = rig.jobs.results(job, writes)
    assert all(isinstance(each, Refused) and each.fault.advice is Advice.RETRY for each in outcomes)


def test_a_row_the_job_never_heard_of_is_unknown(rig: Rig) -> None:
    one, two = rig.deals(2)
    job = rig.job([patch(one, percent=Decimal(1))])
    rig.world.advance(5)
    rig.jobs.ask(job)
    known, unknown = rig.jobs.results(job, [patch(one, percent=Decimal(1)), patch(two, percent=Decimal(1))])
    assert known == Applied(one)
    assert isinstance(unknown, Unknown)


def test_an_open_job_can_be_given_up_and_a_closed_one_cannot(rig: Rig) -> None:
    [deal] = rig.deals(1)
    job = rig.jobs.open(*UPDATE)
    assert rig.jobs.ask(job) is JobState.OPEN
    assert rig.jobs.give_up(job)
    assert rig.jobs.ask(job) is JobState.BROKEN_OFF
    ran = rig.job([patch(deal, percent=Decimal(1))])
    rig.world.advance(5)
    rig.jobs.ask(ran)
    assert not rig.jobs.give_up(ran)
    assert rig.jobs.ask("750000000000001AAA") is JobState.GONE
    assert rig.jobs.give_up("750000000000001AAA")


@pytest.mark.parametrize(
    ("match", "kind", "state"),
    [
        ("PUT .*batches", "503", JobState.OPEN),
        ("PUT .*batches", "reset_after", JobState.OPEN),
        ("PATCH .*jobs", "503", JobState.OPEN),
        ("PATCH .*jobs", "reset_after", JobState.RUNNING),
    ],
)
def test_after_a_broken_line_the_job_itself_says_how_far_it_came(
    match: str, kind: str, state: JobState, rig: Rig
) -> None:
    [deal] = rig.deals(1)
    job = rig.jobs.open(*UPDATE)
    rig.fault(match, kind)
    with pytest.raises(CrmError):
        rig.jobs.load(job, [patch(deal, percent=Decimal(1))])
    assert rig.jobs.ask(job) is state


def test_an_expired_token_costs_one_more_and_loses_nothing(rig: Rig) -> None:
    [deal] = rig.deals(1)
    for match in ("PUT .*batches", "PATCH .*jobs", "GET .*jobs/ingest/[^/]*$", "GET .*successfulResults"):
        rig.fault(match, "expired_token")
    writes = [patch(deal, percent=Decimal(1))]
    job = rig.job(writes)
    rig.world.advance(5)
    assert rig.jobs.ask(job) is JobState.ENDED
    assert rig.jobs.results(job, writes) == (Applied(deal),)
    assert rig.calls["token"] == 5


def test_a_look_is_tried_again_and_a_long_outage_is_told(rig: Rig) -> None:
    job = rig.jobs.open(*UPDATE)
    rig.fault("GET .*jobs", "503", count=2)
    assert rig.jobs.ask(job) is JobState.OPEN
    rig.fault("GET .*jobs", "503", count=3)
    with pytest.raises(CrmError) as caught:
        rig.jobs.ask(job)
    assert caught.value.fault.advice is Advice.RETRY


def test_rows_of_one_account_stand_side_by_side(rig: Rig) -> None:
    deals = rig.deals(4)
    accounts = ["001B", "001A", "001B", "001A"]
    writes = [
        Write(Kind.DEAL, Operation.UPDATE, {"percent": Decimal(1)}, record_id=deal, parents=(Ref(Kind.ACCOUNT, home),))
        for deal, home in zip(deals, accounts, strict=True)
    ]
    table = rig.jobs.table(writes)  # type: ignore[attr-defined]
    assert [line.split(",")[0] for line in table.splitlines()[1:]] == [deals[1], deals[3], deals[0], deals[2]]


def test_threshold_zero_means_no_new_jobs_but_old_ones_can_be_asked() -> None:
    with Sandbox.running() as sandbox:
        crm = connect_salesforce(
            system=SystemName("sf"),
            map=salesforce_map(),
            login=SalesforceLogin(sandbox.sf_url, client_id="handoff-daemon", client_secret="sandbox-secret"),
            bulk_threshold=0,
        )
        assert crm.capabilities.bulk == {}
        assert crm.jobs.ask("750000000000001AAA") is JobState.GONE


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, NULL), ("", NULL), (True, "true"), (False, "false"), (12, "12"), (0.5, "0.5"), ("a\r\nb\rc", "a\nb\nc")],
)
def test_cells(value: Any, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(
    ("text", "code", "message", "fields"),
    [
        (
            "A_CODE:Required fields are missing: [Name]:Name --",
            "A_CODE",
            "Required fields are missing: [Name]",
            ["Name"],
        ),
        ("A_CODE:busy with record: 001:--", "A_CODE", "busy with record: 001", []),
        ("A_CODE:two:X__c Y__c --", "A_CODE", "two", ["X__c", "Y__c"]),
        ("A_CODE:plain --", "A_CODE", "plain", []),
        ("A_CODE", "A_CODE", "", []),
        ("", "", "", []),
    ],
)
def test_a_rows_error_is_taken_apart(text: str, code: str, message: str, fields: list[str]) -> None:
    assert row_error(text) == {"statusCode": code, "message": message, "fields": fields}
