"""The dated paths judged by the models of PyPI hubspot-sdk: no unknown key, no missing field, no wrong type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import hubspot_sdk
import pytest
from hubspot_judge import strict, strict_error, strict_page
from hubspot_sdk import HubSpot
from hubspot_sdk._base_client import BasePage
from hubspot_sdk.types.shared.journal_fetch_response import JournalFetchResponse
from pydantic import BaseModel

from connector.sandbox.hubspot.oauth import JOURNAL_SCOPES
from connector.sandbox.hubspot.schema import APP_CLIENT_ID, APP_CLIENT_SECRET, APP_REFRESH_TOKEN, PORTAL_ID, TOKEN

WHEN = "2026-12-01T09:00:00Z"
TYPES = ("deals", "companies", "contacts", "tasks", "notes", "meetings", "calls", "emails")
MERGING = ("deals", "companies", "contacts")
NAME = {
    "deals": "dealname",
    "companies": "name",
    "contacts": "firstname",
    "tasks": "hs_task_subject",
    "notes": "hs_note_body",
    "meetings": "hs_meeting_title",
    "calls": "hs_call_title",
    "emails": "hs_email_subject",
}


class Redated(httpx.HTTPTransport):
    """Sends what the client asks of 2026-03 to another version, and to OAuth as a form: it has JSON there, where the
    documents ask for a form (facts: HubSpot §7)."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self._version = version

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url).replace("/2026-03/", f"/{self._version}/")
        if "/oauth/" in url:
            form = httpx.Request("POST", url, data=json.loads(request.content))
            return super().handle_request(form)
        request.url = httpx.URL(url.replace("/2026-03", f"/{self._version}"))
        return super().handle_request(request)


class Judge:
    """Calls the vendor's client, checks each answer strictly, and counts the operations seen."""

    def __init__(self, url: str, version: str) -> None:
        self.client = HubSpot(
            access_token=TOKEN, base_url=url, max_retries=0, http_client=httpx.Client(transport=Redated(version))
        )
        self.seen: set[str] = set()

    def note(self, resource: Any, method: str) -> None:
        """Count an operation."""
        path = type(resource).__module__.removeprefix("hubspot_sdk.resources.")
        self.seen.add(f"{path}.{method}")

    def call(self, resource: Any, method: str, **arguments: Any) -> Any:
        """One operation; the JSON of the answer, None when it has none."""
        self.note(resource, method)
        raw = getattr(resource.with_raw_response, method)(**arguments)
        if raw.http_response.status_code == 204:
            return None
        body = raw.http_response.json()
        model = type(raw.parse())
        if issubclass(model, BasePage):
            strict_page(_item_of(raw.parse()), body)
        else:
            strict(model, body)
        return body

    def raw(self, model: type[BaseModel], resource: Any, method: str, **arguments: Any) -> Any:
        """One operation whose answer the library hands on unread; the JSON, judged as this model."""
        self.note(resource, method)
        body = getattr(resource, method)(**arguments).json()
        strict(model, body)
        return body

    def refused(self, resource: Any, method: str, **arguments: Any) -> Any:
        """One operation that is refused; the judged error body."""
        with pytest.raises(hubspot_sdk.APIStatusError) as caught:
            getattr(resource, method)(**arguments)
        body = caught.value.response.json()
        strict_error(body)
        return body


def _item_of(page: Any) -> type[BaseModel]:
    assert page.results, "an empty page shows no shape"
    return type(page.results[0])


@pytest.fixture(params=["2026-03", "2026-09"])
def judge(request: pytest.FixtureRequest, portal: Any) -> Iterator[Judge]:
    found = Judge(portal.url, request.param)
    yield found
    found.client.close()


def _walk_objects(judge: Judge, resource: Any, table: str, **named: str) -> None:
    name, unique = NAME[table], "email" if table == "contacts" else "handoff_key"
    dated = {"hs_timestamp": WHEN} if table not in ("deals", "companies", "contacts") else {}
    given = {name: "First", **dated}
    made = judge.call(resource, "create", properties=given, associations=[], **named)
    one = {"object_id" if named else _id_argument(table): made["id"], **named}
    judge.call(resource, "update", properties={name: "Second"}, **one)
    read = judge.call(resource, "get", properties=[name, "hubspot_owner_id"], properties_with_history=[name], **one)
    assert read["properties"]["hubspot_owner_id"] is None
    assert [h["value"] for h in read["propertiesWithHistory"][name]] == ["Second", "First"]
    batch = resource.batch
    inputs = [{"properties": {**given, name: str(n)}, "associations": []} for n in range(3)]
    made_ids = [r["id"] for r in judge.call(batch, "create", inputs=inputs, **named)["results"]]
    page = judge.call(resource, "list", limit=2, properties=[name], **named)
    assert page["paging"]["next"]["after"] == page["results"][-1]["id"]
    judge.call(batch, "update", inputs=[{"id": i, "properties": {name: "x"}} for i in made_ids], **named)
    absent = [*({"id": i} for i in made_ids), {"id": "1"}]
    got = judge.call(batch, "get", inputs=absent, properties=[name], properties_with_history=[name], **named)
    assert got["errors"][0]["context"]["ids"] == ["1"]
    _walk_upsert(judge, batch, table, unique, dated, named)
    found = judge.call(
        resource,
        "search",
        after="",
        filter_groups=[{"filters": [{"propertyName": name, "operator": "EQ", "value": "x"}]}],
        limit=2,
        properties=[name],
        sorts=[name],
        **named,
    )
    assert found["total"] == 3
    assert found["paging"]["next"]["after"] == "2"
    judge.call(batch, "delete", inputs=[{"id": i} for i in made_ids[:1]], **named)
    if table in MERGING:
        merged = judge.call(resource, "merge", primary_object_id=made_ids[1], object_id_to_merge=made_ids[2])
        assert merged["properties"]["hs_merged_object_ids"].split(";") == made_ids[1:]
    judge.call(resource, "delete", **one)
    gone = judge.call(resource, "get", archived=True, **one)
    assert gone["archived"]
    judge.refused(resource, "get", **one)
    judge.refused(resource, "create", properties={"nope": "x"}, associations=[], **named)


def _walk_upsert(
    judge: Judge, batch: Any, table: str, unique: str, dated: dict[str, str], named: dict[str, str]
) -> None:
    if table in ("deals", "companies"):
        judge.client.crm.properties.create(
            object_type=table,
            name=f"{table}_key",
            label=f"Key of {table}",
            type="string",
            field_type="text",
            group_name="handoff",
            has_unique_value=True,
        )
        unique = f"{table}_key"
    inputs = [
        {"id": key, "id_property": unique, "properties": {unique: key, **dated}, "object_write_trace_id": key}
        for key in ("a@x.example", "b@x.example")
    ]
    bad = {"id": "c", "id_property": unique, "properties": {"nope": "1"}, "object_write_trace_id": "c"}
    first = judge.call(batch, "upsert", inputs=[*inputs, bad], **named)
    assert [r["new"] for r in first["results"]] == [True, True]
    assert first["errors"][0]["context"]["objectWriteTraceId"] == ["c"]
    again = judge.call(batch, "upsert", inputs=inputs, **named)
    assert [r["new"] for r in again["results"]] == [False, False]


def _id_argument(table: str) -> str:
    return {"companies": "company_id"}.get(table, f"{table[:-1]}_id")


@pytest.mark.parametrize("table", TYPES)
def test_records(judge: Judge, table: str) -> None:
    _walk_objects(judge, getattr(judge.client.crm.objects, table), table)


def test_every_operation_answers_in_the_vendors_shape(
    judge: Judge, portal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = judge.client.crm.objects
    for table in TYPES:
        _walk_objects(judge, getattr(objects, table), table)
        portal.world.clear()
    _walk_objects(judge, objects.generic_objects, "notes", object_type="0-46")
    for walk in (_walk_associations, _walk_properties, _walk_validations, _walk_portal, _walk_tokens, _walk_journal):
        walk(judge, portal)
    with capsys.disabled():
        print(f"\nhubspot-sdk judged {len(judge.seen)} distinct operations of the dated paths")
    assert len(judge.seen) >= 155


def _walk_associations(judge: Judge, portal: Any) -> None:
    crm = judge.client.crm
    deal, company, task = portal.deal(), portal.company(), portal.task()
    pair = {"from_object_type": "tasks", "to_object_type": "deals"}
    ends = {"object_type": "deals", "object_id": deal.id, "to_object_type": "companies"}
    made = judge.call(
        crm.associations,
        "create",
        from_object_type="deals",
        from_object_id=deal.id,
        to_object_type="companies",
        to_object_id=company.id,
    )
    assert made["results"][0]["associationSpec"]["associationTypeId"] == 341
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}
    labelled = judge.call(crm.associations, "update_labels", to_object_id=company.id, body=[spec], **ends)
    assert labelled["labels"] == ["Primary"]
    assert judge.call(crm.associations, "list", **ends)["results"][0]["toObjectId"] == company.id
    found = judge.call(crm.objects.deals, "get", deal_id=deal.id, associations=["companies"])
    assert {a["type"] for a in found["associations"]["companies"]["results"]} == {
        "deal_to_company",
        "deal_to_company_unlabeled",
    }
    batch, ids = crm.associations.batch, {"from": {"id": task.id}, "to": {"id": deal.id}}
    typed = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 216}
    absent = {"from": {"id": "1"}, "to": {"id": deal.id}}
    failed = judge.call(batch, "create_default", inputs=[ids, absent], **pair)
    assert failed["numErrors"] == 1
    judge.call(batch, "create", inputs=[{**ids, "types": [typed]}], **pair)
    read = judge.call(batch, "get", inputs=[{"id": task.id}, {"id": "1"}], **pair)
    assert read["results"][0]["to"][0]["associationTypes"][0]["typeId"] == 216
    assert read["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    judge.call(batch, "delete_labels", inputs=[{**ids, "types": [typed]}], **pair)
    judge.call(batch, "delete", inputs=[{"from": {"id": task.id}, "to": [{"id": deal.id}]}], **pair)
    judge.call(crm.associations, "delete", to_object_id=company.id, **ends)
    judge.call(crm.associations_schema.labels, "list_labels", from_object_type="deals", to_object_type="companies")
    judge.call(
        crm.associations,
        "search",
        object_type="deals",
        after="",
        filter_groups=[],
        limit=1,
        properties=["dealname"],
        sorts=[],
    )


def _walk_properties(judge: Judge, portal: Any) -> None:
    properties = judge.client.crm.properties
    made = {
        "object_type": "deals",
        "field_type": "select",
        "group_name": "handoff",
        "label": "Size",
        "type": "enumeration",
    }
    option = {"label": "Big", "value": "big", "hidden": False, "displayOrder": 0}
    judge.call(properties, "create", name="size", options=[option], **made)
    judge.call(properties, "update", object_type="deals", property_name="size", label="Sizes")
    judge.call(properties, "get", object_type="deals", property_name="size")
    judge.call(properties, "get", object_type="deals", property_name="handoff_csm")
    for table in TYPES:
        judge.call(properties, "list", object_type=table)
    judge.refused(properties, "create", name="size", options=[option], **made)
    judge.refused(properties, "get", object_type="deals", property_name="nope")
    named = {"inputs": [{"name": "size"}, {"name": "nope"}], "object_type": "deals"}
    new = {"name": "more", "label": "More", "fieldType": "text", "type": "string", "groupName": "handoff"}
    judge.call(properties.batch, "create", object_type="deals", inputs=[new])
    judge.call(properties.batch, "get", archived=False, data_sensitivity="non_sensitive", **named)
    judge.call(properties.batch, "delete", **named)
    judge.call(properties, "delete", object_type="deals", property_name="more")
    judge.call(properties, "get", object_type="deals", property_name="more", archived=True)
    group = {"object_type": "deals", "group_name": "extra"}
    judge.call(properties.groups, "create", object_type="deals", name="extra", label="Extra", display_order=3)
    judge.call(properties.groups, "update", label="Extras", **group)
    judge.call(properties.groups, "get", **group)
    judge.call(properties.groups, "list", object_type="deals")
    judge.call(properties.groups, "delete", **group)


def _walk_validations(judge: Judge, portal: Any) -> None:
    validations = judge.client.crm.properties_validations
    one = {"object_type_id": "0-3", "property_name": "dealname", "rule_type": "MAX_LENGTH"}
    update = "update_by_object_type_id_property_name_and_rule_type"
    judge.call(validations, update, rule_arguments=["200"], should_apply_normalization=False, **one)
    rule = judge.call(validations, "get_by_object_type_id_property_name_and_rule_type", **one)
    assert rule["ruleArguments"] == ["200"]
    of_one = {"object_type_id": "0-3", "property_name": "dealname"}
    judge.call(validations, "get_by_object_type_id_and_property_name", **of_one)
    judge.call(validations, "get_by_object_type_id", object_type_id="0-3")


def _walk_tokens(judge: Judge, portal: Any) -> None:
    oauth, app = judge.client.auth.oauth, {"client_id": APP_CLIENT_ID, "client_secret": APP_CLIENT_SECRET}
    granted = judge.call(oauth, "create_token", grant_type="refresh_token", refresh_token=APP_REFRESH_TOKEN, **app)
    told = judge.call(oauth, "introspect_token", token=granted["access_token"], token_type_hint="access_token", **app)
    assert told["hub_id"] == PORTAL_ID


def _walk_journal(judge: Judge, portal: Any) -> None:
    app = {"client_id": APP_CLIENT_ID, "client_secret": APP_CLIENT_SECRET}
    granted = judge.call(
        judge.client.auth.oauth,
        "create_token",
        grant_type="client_credentials",
        scope=" ".join((*JOURNAL_SCOPES, "crm.objects.deals.read")),
        **app,
    )
    journal = judge.client.with_options(access_token=granted["access_token"]).webhooks_journal
    wanted = {"subscription_type": "OBJECT", "object_type_id": "0-3", "portal_id": PORTAL_ID}
    lists = {"actions": ["CREATE", "UPDATE"], "properties": ["dealstage"], "object_ids": []}
    made = judge.call(journal.subscriptions, "create", **wanted, **lists)
    judge.call(journal.subscriptions, "list")
    judge.call(journal.subscriptions, "get", subscription_id=made["id"])
    deal = portal.deal()
    portal.world.clock.advance(60)
    first = judge.raw(JournalFetchResponse, journal.journal, "get_earliest")
    portal.table("deals").update(deal.id, {"dealstage": "closedwon"}, by=portal.owner.id)
    portal.world.clock.advance(60)
    judge.raw(JournalFetchResponse, journal.journal, "get_next_from_offset", offset=first["currentOffset"])
    many = journal.journal.batch
    judge.call(many, "get_earliest", count=2)
    judge.call(many, "get_latest", count=2)
    judge.call(many, "get_from_offset", offset=first["currentOffset"], count=2)
    judge.call(many, "get", inputs=[first["currentOffset"]])
    judge.call(journal.subscriptions, "delete", subscription_id=made["id"])
    judge.call(journal.subscriptions, "delete_for_portal", portal_id=PORTAL_ID)


def _walk_portal(judge: Judge, portal: Any) -> None:
    crm = judge.client.crm
    owner, _ = portal.owner, portal.leaver
    for row in (owner, portal.leaver):
        portal.table("owners").put(row)
    in_renewals = {"object_type": "deals", "pipeline_id": "8801001"}
    judge.call(crm.pipelines, "list", object_type="deals")
    judge.call(crm.pipelines, "get", **in_renewals)
    judge.call(crm.pipelines, "list_stages", **in_renewals)
    judge.call(crm.pipelines, "get_stage", stage_id="880100103", **in_renewals)
    judge.call(crm.owners, "list", email="maya@seller.example")
    judge.call(crm.owners, "list", archived=True)
    judge.call(crm.owners, "get", owner_id=int(owner.id))
    judge.call(judge.client.account, "get")
    judge.call(judge.client.account, "get_daily_private_apps_usage")
    for name in (
        "get_custom_property_limits",
        "get_calculated_property_limits",
        "get_pipeline_limits",
        "get_record_limits",
        "get_custom_object_type_limits",
        "get_association_label_limits",
    ):
        judge.call(crm.limits, name)
