"""The v3 and v4 paths judged by hubspot-api-client 12 with its client-side validation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hubspot
import pytest
from hubspot.crm.associations.v4 import models as links
from hubspot.crm.objects import models
from hubspot.crm.properties import models as fields

from connector.sandbox.hubspot.schema import TOKEN

WHEN = "2026-12-01T09:00:00Z"
TYPES = ("deals", "companies", "contacts", "tasks", "notes", "meetings", "calls", "emails")


class Judge:
    """Calls the vendor's typed client and compares every key of the answer with the model it became."""

    def __init__(self, url: str) -> None:
        self.client = hubspot.Client.create(access_token=TOKEN, host=url, base_url=url, retry=0)
        self.seen: set[str] = set()

    def call(self, api: Any, method: str, *args: Any, **more: Any) -> Any:
        """One operation; the typed answer."""
        self.seen.add(f"{type(api).__module__}.{method}")
        found = getattr(api, method)(*args, **more, _request_timeout=(2, 10))
        if found is not None:
            raw = json.loads(api.api_client.last_response.data)
            assert not list(_unknown(found, raw, type(found).__name__))
        return found


def _unknown(model: Any, raw: Any, where: str) -> Iterator[str]:
    """Keys of the JSON that the model does not know; HubSpot's clients would drop them silently."""
    if isinstance(raw, list):
        for item, entry in zip(model, raw, strict=True):
            yield from _unknown(item, entry, f"{where}[]")
    elif isinstance(raw, dict) and hasattr(model, "attribute_map"):
        names = {wire: name for name, wire in model.attribute_map.items()}
        for key, entry in raw.items():
            if key not in names:
                yield f"{where}.{key}"
            else:
                yield from _unknown(getattr(model, names[key]), entry, f"{where}.{key}")


@pytest.fixture
def judge(portal: Any) -> Judge:
    return Judge(portal.url)


def _walk_single(judge: Judge, table: str, given: dict[str, str]) -> None:
    api = judge.client.crm.objects.basic_api
    name = next(iter(given))
    made = judge.call(api, "create", table, models.SimplePublicObjectInputForCreate(properties=given, associations=[]))
    judge.call(api, "update", table, made.id, models.SimplePublicObjectInput(properties={name: "Second"}))
    read = judge.call(
        api, "get_by_id", table, made.id, properties=[name, "hubspot_owner_id"], properties_with_history=[name]
    )
    assert read.properties[name] == "Second"
    assert read.properties["hubspot_owner_id"] is None
    assert len(read.properties_with_history[name]) == 2
    judge.call(api, "get_page", table, limit=1, properties=[name])
    judge.call(api, "archive", table, made.id)
    assert judge.call(api, "get_by_id", table, made.id, archived=True).archived


def _walk_batch(judge: Judge, table: str, given: dict[str, str]) -> None:
    api, name = judge.client.crm.objects.batch_api, next(iter(given))
    inputs = [
        models.SimplePublicObjectBatchInputForCreate(properties={**given, name: str(n)}, associations=[])
        for n in range(3)
    ]
    ids = [
        r.id
        for r in judge.call(
            api, "create", table, models.BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs)
        ).results
    ]
    changes = [models.SimplePublicObjectBatchInput(id=i, properties={name: "x"}) for i in [*ids, "1"]]
    updated = judge.call(api, "update", table, models.BatchInputSimplePublicObjectBatchInput(inputs=changes))
    assert (updated.num_errors, updated.errors[0].category) == (1, "OBJECT_NOT_FOUND")
    wanted = models.BatchReadInputSimplePublicObjectId(
        inputs=[models.SimplePublicObjectId(id=i) for i in [*ids, "1"]],
        properties=[name],
        properties_with_history=[name],
    )
    assert judge.call(api, "read", table, wanted).num_errors == 1
    search = models.PublicObjectSearchRequest(
        filter_groups=[models.FilterGroup(filters=[models.Filter(property_name=name, operator="EQ", value="x")])],
        limit=2,
        properties=[name],
    )
    found = judge.call(judge.client.crm.objects.search_api, "do_search", table, search)
    assert (found.total, len(found.results), found.paging.next.after) == (3, 2, "2")
    gone = models.BatchInputSimplePublicObjectId(inputs=[models.SimplePublicObjectId(id=i) for i in ids])
    judge.call(api, "archive", table, gone)


def _walk_upsert(judge: Judge, table: str) -> None:
    api = judge.client.crm.objects.batch_api
    inputs = [
        models.SimplePublicObjectBatchInputUpsert(
            id=k, id_property="handoff_key", properties={"hs_timestamp": WHEN}, object_write_trace_id=k
        )
        for k in ("a", "b")
    ]
    body = models.BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)
    assert [r.new for r in judge.call(api, "upsert", table, body).results] == [True, True]
    assert [r.new for r in judge.call(api, "upsert", table, body).results] == [False, False]


GIVEN = {
    "deals": {"dealname": "First"},
    "companies": {"name": "First"},
    "contacts": {"firstname": "First"},
    "tasks": {"hs_task_subject": "First", "hs_timestamp": WHEN},
    "notes": {"hs_note_body": "First", "hs_timestamp": WHEN},
    "meetings": {"hs_meeting_title": "First", "hs_timestamp": WHEN},
    "calls": {"hs_call_title": "First", "hs_timestamp": WHEN},
    "emails": {"hs_email_subject": "First", "hs_timestamp": WHEN},
}


@pytest.mark.parametrize("table", TYPES)
def test_records_fit_the_client(judge: Judge, table: str) -> None:
    _walk_single(judge, table, GIVEN[table])
    _walk_batch(judge, table, GIVEN[table])
    if "hs_timestamp" in GIVEN[table]:
        _walk_upsert(judge, table)


def test_the_clients_own_modules_reach_their_paths(judge: Judge, portal: Any) -> None:
    deal, task = portal.deal(), portal.task()
    crm = judge.client.crm
    assert crm.deals.basic_api.get_by_id(deal.id).properties["dealname"] == "A deal"
    assert crm.objects.tasks.basic_api.get_by_id(task.id).properties["hs_object_id"] == task.id
    assert crm.owners.owners_api.get_page().results[0].email == "maya@seller.example"


def test_associations_fit_the_client(judge: Judge, portal: Any) -> None:
    deal, company, task = portal.deal(), portal.company(), portal.task()
    basic, batch = judge.client.crm.associations.v4.basic_api, judge.client.crm.associations.v4.batch_api
    judge.call(basic, "create_default", "deals", deal.id, "companies", company.id)
    spec = [links.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=341)]
    assert judge.call(basic, "create", "deals", deal.id, "companies", company.id, spec).labels == []
    assert judge.call(basic, "get_page", "deals", deal.id, "companies").results[0].to_object_id == company.id
    to_deal = {"_from": links.PublicObjectId(id=task.id), "to": links.PublicObjectId(id=deal.id)}
    default = links.BatchInputPublicDefaultAssociationMultiPost(
        inputs=[links.PublicDefaultAssociationMultiPost(**to_deal)]
    )
    judge.call(batch, "create_default", "tasks", "deals", default)
    types = [links.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=216)]
    multi = links.BatchInputPublicAssociationMultiPost(
        inputs=[links.PublicAssociationMultiPost(**to_deal, types=types)]
    )
    judge.call(batch, "create", "tasks", "deals", multi)
    wanted = links.BatchInputPublicFetchAssociationsBatchRequest(
        inputs=[links.PublicFetchAssociationsBatchRequest(id=i) for i in (task.id, "1")]
    )
    read = judge.call(batch, "get_page", "tasks", "deals", wanted)
    assert read.results[0].to[0].association_types[0].type_id == 216
    assert read.num_errors == 1
    judge.call(batch, "archive_labels", "tasks", "deals", multi)
    judge.call(basic, "archive", "deals", deal.id, "companies", company.id)
    assert not list(portal.table("associations").live())


def test_properties_pipelines_and_owners_fit_the_client(judge: Judge, portal: Any) -> None:
    crm = judge.client.crm
    core, groups, batch = crm.properties.core_api, crm.properties.groups_api, crm.properties.batch_api
    new = fields.PropertyCreate(name="size", label="Size", type="number", field_type="number", group_name="handoff")
    judge.call(core, "create", "deals", new)
    judge.call(core, "update", "deals", "size", fields.PropertyUpdate(label="Sizes"))
    assert judge.call(core, "get_by_name", "deals", "size").label == "Sizes"
    for table in TYPES:
        judge.call(core, "get_all", table)
    names = [fields.PropertyName(name="size")]
    judge.call(batch, "read", "deals", fields.BatchReadInputPropertyName(archived=False, inputs=names))
    judge.call(batch, "archive", "deals", fields.BatchInputPropertyName(inputs=names))
    judge.call(groups, "create", "deals", fields.PropertyGroupCreate(name="extra", label="Extra"))
    judge.call(groups, "get_all", "deals")
    judge.call(groups, "get_by_name", "deals", "extra")
    judge.call(crm.pipelines.pipelines_api, "get_all", "deals")
    judge.call(crm.pipelines.pipelines_api, "get_by_id", "deals", "default")
    judge.call(crm.pipelines.pipeline_stages_api, "get_all", "deals", "default")
    judge.call(crm.pipelines.pipeline_stages_api, "get_by_id", "deals", "default", "closedwon")
    judge.call(crm.owners.owners_api, "get_page", email="maya@seller.example")
    judge.call(crm.owners.owners_api, "get_by_id", int(portal.owner.id))
    assert len(judge.seen) == 15
