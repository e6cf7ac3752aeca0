"""Change events of the Salesforce sandbox, read by a client written from the vendor's documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sandbox.pubsub_client import CUSTOM, EARLIEST, Client

from connector.sandbox.salesforce import granting
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.pubsub.channels import SelectionError
from connector.sandbox.server import Sandbox

ALL = ("Opportunity", "Account", "Task", "Event")
EVERY = "/data/ChangeEvents"
DEALS = "/data/OpportunityChangeEvent"


@pytest.fixture
def sb(running: Sandbox) -> Sandbox:
    running.pubsub.select(entities=ALL)
    return running


@pytest.fixture
def client(sb: Sandbox) -> Iterator[Client]:
    found = Client(sb)
    yield found
    found.close()


def rest(client: Client, method: str, path: str, body: Any = None, *, options: str = "") -> Any:
    """A REST call as the client's user."""
    headers = {"Authorization": f"Bearer {client.token}", **({"Sforce-Call-Options": options} if options else {})}
    url = f"{client.sandbox.sf_url}/services/data/v67.0/{path}"
    reply = requests.request(method, url, json=body, headers=headers, timeout=10)
    assert reply.status_code < 300, reply.text
    return reply.json() if reply.content else None


def header(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["ChangeEventHeader"]
    return found


def test_an_org_without_a_selection_makes_no_events(running: Sandbox) -> None:
    running.sf.table("Account").insert({"Name": "Acme"}, by="u")
    assert running.pubsub.state()["kept"] == 0
    assert running.pubsub.state()["selected"] == {}


def test_a_new_record_is_told_with_its_values_and_no_bitmap(client: Client, sb: Sandbox) -> None:
    stream = client.subscribe(EVERY, preset=EARLIEST)
    values = {"Name": "Acme", "BillingCity": "Kiel", "NumberOfEmployees": 12, "AnnualRevenue": 5.5}
    row = sb.sf.table("Account").insert(values, by="someone")
    record = client.read(stream.events(1)[0])
    assert header(record)["changeType"] == "CREATE"
    assert header(record)["entityName"] == "Account"
    assert header(record)["recordIds"] == [row.id]
    assert header(record)["commitUser"] == "someone"
    assert header(record)["changedFields"] == []
    assert (record["Name"], record["NumberOfEmployees"], record["AnnualRevenue"]) == ("Acme", 12, 5.5)
    assert record["BillingAddress"] == {"City": "Kiel", "Country": None}
    assert record["CreatedDate"] == int(row.created_at.timestamp() * 1000)
    assert "SystemModstamp" not in record
    assert "Id" not in record


def test_an_update_holds_what_changed_and_names_it_in_bitmaps(client: Client, sb: Sandbox, deal: str) -> None:
    stream = client.subscribe(DEALS)
    first = {"StageName": "Closed Won", "CloseDate": "2026-11-01", "NextStep": "sign"}
    sb.sf.table("Opportunity").update(deal, first, by="u")
    record = client.read(stream.events(1)[0])
    expected = {"StageName", "CloseDate", "NextStep", "Probability", "IsClosed", "IsWon", "LastModifiedDate"}
    assert expected <= set(header(record)["changedFields"])
    assert {"Name", "AccountId", "CreatedDate"} & set(header(record)["changedFields"]) == set()
    assert (record["StageName"], record["IsWon"], record["Probability"]) == ("Closed Won", True, 100.0)
    assert record["CloseDate"] == 1793491200000
    assert record["Name"] is None
    sb.sf.table("Opportunity").update(deal, {"NextStep": None}, by="u")
    record = client.read(stream.events(1)[0])
    assert header(record)["nulledFields"] == ["NextStep"]
    assert set(header(record)["changedFields"]) == {"NextStep", "LastModifiedDate"}


def test_a_part_of_a_compound_has_a_bitmap_of_its_own(client: Client, sb: Sandbox, deal: str) -> None:
    account = sb.sf.table("Opportunity").rows[deal].values["AccountId"]
    stream = client.subscribe("/data/AccountChangeEvent")
    sb.sf.table("Account").update(account, {"BillingCountry": "Peru"}, by="u")
    record = client.read(stream.events(1)[0])
    assert set(header(record)["changedFields"]) == {"BillingAddress.Country", "LastModifiedDate"}
    assert record["BillingAddress"]["Country"] == "Peru"


def test_a_long_text_arrives_as_a_difference(client: Client, sb: Sandbox, deal: str) -> None:
    lines = [f"line {n} of what was agreed with the customer" for n in range(60)]
    sb.sf.table("Opportunity").update(deal, {"Handoff_Summary__c": "\n".join(lines)}, by="u")
    stream = client.subscribe(DEALS)
    new = "\n".join(["line 0 is new", *lines[1:]])
    sb.sf.table("Opportunity").update(deal, {"Handoff_Summary__c": new}, by="u")
    record = client.read(stream.events(1)[0])
    assert header(record)["diffFields"] == ["Handoff_Summary__c"]
    told = record["Handoff_Summary__c"].split("\n")
    assert told[:2] == ["--- ", f"+++ {hashlib.sha256(new.encode()).hexdigest()}"]
    assert f"-{lines[0]}" in told
    assert "+line 0 is new" in told


def test_deletion_and_return_are_told(client: Client, sb: Sandbox, deal: str) -> None:
    stream = client.subscribe(DEALS)
    sb.sf.table("Opportunity").delete(deal, by="u")
    sb.sf.table("Opportunity").restore(deal, by="u")
    gone, back = (client.read(event) for event in stream.events(2))
    assert (header(gone)["changeType"], header(back)["changeType"]) == ("DELETE", "UNDELETE")
    assert [name for name, value in gone.items() if value is not None] == ["ChangeEventHeader"]
    assert back["Name"] == "Acme first"


def test_equal_changes_of_one_call_become_one_event_and_name_the_client(client: Client, sb: Sandbox) -> None:
    table = sb.sf.table("Opportunity")
    values = {"StageName": "Prospecting", "CloseDate": "2026-12-01"}
    ids = [table.insert({"Name": f"D{n}", **values}, by="u").id for n in range(5)]
    stream = client.subscribe(EVERY)
    same = [{"attributes": {"type": "Opportunity"}, "Id": id, "NextStep": "call"} for id in ids]
    same[-1]["NextStep"] = "write"
    rest(client, "PATCH", "composite/sobjects", {"records": same}, options="client=handoff-7, defaultNamespace=x")
    many, one = (client.read(event) for event in stream.events(2))
    assert header(many)["recordIds"] == ids[:4]
    assert header(one)["recordIds"] == ids[4:]
    assert header(many)["transactionKey"] == header(one)["transactionKey"]
    assert [header(each)["sequenceNumber"] for each in (many, one)] == [1, 2]
    assert header(many)["changeOrigin"] == "com/salesforce/api/rest/67.0;client=handoff-7"
    table.update(ids[0], {"NextStep": "by hand"}, by="u")
    assert header(client.read(stream.events(1)[0]))["changeOrigin"] == ""


def test_a_bulk_job_commits_by_groups_and_names_who_opened_it(client: Client, sb: Sandbox) -> None:
    sb.sf.setting("bulk_batch_s", 0)
    stream = client.subscribe("/data/AccountChangeEvent")
    options = "client=handoff-7"
    job = rest(client, "POST", "jobs/ingest", {"object": "Account", "operation": "insert"}, options=options)["id"]
    csv = "Name\n" + "".join(f"B{n}\n" for n in range(250))
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "text/csv"}
    url = f"{sb.sf_url}/services/data/v67.0/jobs/ingest/{job}/batches"
    assert requests.put(url, data=csv, headers=headers, timeout=10).status_code == 201
    rest(client, "PATCH", f"jobs/ingest/{job}", {"state": "UploadComplete"}, options=options)
    rest(client, "GET", f"jobs/ingest/{job}")
    first = [header(client.read(event)) for event in stream.events(100)]
    stream.more(100)
    second = stream.events(100)
    stream.more(100)
    heads = first + [header(client.read(event)) for event in [*second, *stream.events(50)]]
    assert len({head["transactionKey"] for head in heads}) == 2
    assert {head["changeOrigin"] for head in heads} == {"com/salesforce/api/rest/67.0;client=handoff-7"}


def test_a_transaction_tells_its_net_effect_and_a_rollback_nothing(client: Client, sb: Sandbox, deal: str) -> None:
    stream = client.subscribe(EVERY)
    table = sb.sf.table("Opportunity")
    with sb.sf.transaction() as roll_back:
        table.update(deal, {"NextStep": "never"}, by="u")
        roll_back()
    with sb.sf.transaction():
        table.update(deal, {"NextStep": "first"}, by="u")
        table.update(deal, {"NextStep": "second", "Amount": 5.0}, by="u")
        fresh = sb.sf.table("Account").insert({"Name": "New"}, by="u")
        sb.sf.table("Account").update(fresh.id, {"Phone": "1"}, by="u")
        short = sb.sf.table("Account").insert({"Name": "Short"}, by="u")
        sb.sf.table("Account").delete(short.id, by="u")
    changed, created = (client.read(event) for event in stream.events(2))
    assert (changed["NextStep"], changed["Amount"]) == ("second", 5.0)
    assert header(created)["changeType"] == "CREATE"
    assert (created["Name"], created["Phone"]) == ("New", "1")
    assert sb.pubsub.state()["kept"] == 4  # the account and the deal of the fixture, and these two


def test_another_field_means_another_schema_and_the_old_one_stays(client: Client, sb: Sandbox, deal: str) -> None:
    stream = client.subscribe(DEALS)
    sb.sf.table("Opportunity").update(deal, {"NextStep": "a"}, by="u")
    old = stream.events(1)[0]
    catalog(sb.sf).put_field("Opportunity", Field("Extra__c", "date", label="Extra"))
    sb.sf.table("Opportunity").update(deal, {"NextStep": "b"}, by="u")
    new = stream.events(1)[0]
    assert new.schema_id != old.schema_id
    names = [[f["name"] for f in client.schema(each.schema_id)["fields"]] for each in (old, new)]
    assert "Extra__c" not in names[0]
    assert "Extra__c" in names[1]
    assert client.read(old)["NextStep"] == "a"


def test_a_field_without_a_grant_is_not_told(client: Client, sb: Sandbox, deal: str) -> None:
    catalog(sb.sf).put_field("Opportunity", Field("Secret__c", "string", 80, "Secret"))
    stream = client.subscribe(DEALS)
    sb.sf.table("Opportunity").update(deal, {"Secret__c": "x", "NextStep": "y"}, by="u")
    record = client.read(stream.events(1)[0])
    assert (record["Secret__c"], record["NextStep"]) == (None, "y")
    assert "Secret__c" not in header(record)["changedFields"]
    user = sb.sf.table("User").find_unique("Username", "integration@handoff.sandbox")
    assert user is not None
    own = granting.put_set(sb.sf, "Sees_Secret")
    granting.grant_fields(sb.sf, own, {"Opportunity.Secret__c": (True, False)})
    granting.assign(sb.sf, user.id, own)
    sb.sf.table("Opportunity").update(deal, {"Secret__c": "z"}, by="u")
    record = client.read(stream.events(1)[0])
    assert record["Secret__c"] == "z"
    assert "Secret__c" in header(record)["changedFields"]


def test_gaps_overflow_and_wildcards_can_be_planted(client: Client, sb: Sandbox, deal: str) -> None:
    stream = client.subscribe(DEALS)
    sb.pubsub.plant_gap("Opportunity", [deal])
    sb.pubsub.plant_overflow("Opportunity")
    sb.pubsub.plant_wildcard("Opportunity", "Amount")
    sb.pubsub.gaps(1)
    sb.sf.table("Opportunity").update(deal, {"NextStep": "untold"}, by="u")
    gap, overflow, wild, told = (client.read(event) for event in stream.events(4))
    assert (header(gap)["changeType"], header(gap)["recordIds"]) == ("GAP_UPDATE", [deal])
    assert header(overflow)["changeType"] == "GAP_OVERFLOW"
    assert header(wild)["recordIds"] == ["006*"]
    assert header(wild)["changedFields"] == ["Amount"]
    assert (header(told)["changeType"], told["NextStep"]) == ("GAP_UPDATE", None)


def test_more_than_a_hundred_thousand_changes_overflow(sb: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.sandbox.salesforce.pubsub.capture.MAX_CHANGES", 3)
    client = Client(sb)
    stream = client.subscribe(EVERY, preset=EARLIEST)
    with sb.sf.transaction():
        for n in range(4):
            sb.sf.table("Account").insert({"Name": f"A{n}"}, by="u")
    assert header(client.read(stream.events(1)[0]))["changeType"] == "GAP_OVERFLOW"
    client.close()


def test_an_event_over_a_megabyte_is_a_gap(client: Client, sb: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.sandbox.salesforce.pubsub.capture.MAX_EVENT_CHARS", 1_000)
    stream = client.subscribe(EVERY, preset=EARLIEST)
    sb.sf.table("Account").insert({"Name": "Big", "Description": "x" * 2_000}, by="u")
    assert header(client.read(stream.events(1)[0]))["changeType"] == "GAP_CREATE"


def test_a_row_that_queries_see_late_is_told_late(client: Client, sb: Sandbox, deal: str) -> None:
    sb.clock.freeze(sb.clock.now())
    sb.sf.setting("late_commit_ms", 5_000)
    before = sb.pubsub.state()["kept"]
    sb.sf.table("Opportunity").update(deal, {"NextStep": "late"}, by="u")
    assert sb.pubsub.state()["kept"] == before
    stream = client.subscribe(DEALS)
    sb.clock.advance(6)
    assert client.read(stream.events(1)[0])["NextStep"] == "late"


def test_a_custom_channel_carries_its_own_members(client: Client, sb: Sandbox, deal: str) -> None:
    sb.pubsub.select("Handoff__chn", ["Opportunity"])
    stream = client.subscribe("/data/Handoff__chn", preset=EARLIEST)
    assert header(client.read(stream.events(1)[0]))["recordIds"] == [deal]
    sb.pubsub.select("ChangeEvents", ["Account"])
    assert client.subscribe(EVERY, preset=EARLIEST).next().events[0].replay_id


def test_only_five_entities_are_included(running: Sandbox) -> None:
    with pytest.raises(SelectionError, match="only 5"):
        running.pubsub.select(entities=(*ALL, "Contact", "User"))
    with pytest.raises(SelectionError, match="Nothing__c"):
        running.pubsub.select(entities=["Nothing__ChangeEvent"])
    assert running.pubsub.state()["selected"] == {}


def test_events_and_replay_ids_survive_a_restart(tmp_path: Path) -> None:
    with Sandbox.running(folder=tmp_path) as first:
        first.pubsub.select(entities=ALL)
        client = Client(first)
        first.sf.table("Account").insert({"Name": "One"}, by="u")
        first.sf.table("Account").insert({"Name": "Two"}, by="u")
        seen = client.subscribe(EVERY, preset=EARLIEST).events(2)[0]
        client.close()
    with Sandbox.running(folder=tmp_path) as second:
        second.sf.table("Account").insert({"Name": "Three"}, by="u")
        client = Client(second)
        again = client.subscribe(EVERY, preset=CUSTOM, replay_id=seen.replay_id).events(2)
        assert [client.read(event)["Name"] for event in again] == ["Two", "Three"]
        client.close()
