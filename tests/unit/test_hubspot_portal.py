"""What a portal is like: its stages, owners and keys, and readings that depend on how large it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hubspot_portal import Asked, Portal, Reply, a_crm, a_portal

from connector.crm.hubspot import associations
from connector.crm.hubspot.associations import Link
from connector.errors import UserError
from connector.handoff.model import Kind

KEY = {"name": "handoff_key", "label": "Key", "type": "string", "hasUniqueValue": True}


@pytest.fixture
def portal() -> Iterator[Portal]:
    with a_portal() as portal:
        yield portal


def stage(stage_id: str, *, probability: str, closed: str) -> dict[str, Any]:
    return {"id": stage_id, "label": stage_id, "metadata": {"probability": probability, "isClosed": closed}}


def owner(owner_id: str, *, user_id: int | None, **more: Any) -> dict[str, Any]:
    given = {"id": owner_id, "userId": user_id, "email": f"P{owner_id}@Seller.example", "type": "PERSON"}
    return {**given, "firstName": "P", "lastName": owner_id, **more}


def test_won_is_by_probability_and_closed_never_by_id(portal: Portal) -> None:
    stages = [
        stage("closedwon", probability="0.0", closed="true"),
        stage("8801", probability="1.0", closed="true"),
        stage("almost", probability="1.0", closed="false"),
    ]
    portal.say(Reply({"results": [{"id": "default", "stages": stages}]}))
    assert {each.id: (each.is_won, each.is_closed) for each in a_crm(portal).stages()} == {
        "closedwon": (False, True),
        "8801": (True, True),
        "almost": (False, False),
    }


def test_archived_owners_are_people_who_left_and_queues_are_nobody(portal: Portal) -> None:
    def answer(asked: Asked) -> Reply:
        if "archived=true" in asked.path:
            return Reply({"results": [owner("71", user_id=None), owner("72", user_id=None)]})
        if "after=" in asked.path:
            return Reply({"results": [owner("73", user_id=9)]})
        listed = [owner("72", user_id=8), owner("79", user_id=None, type="QUEUE")]
        return Reply({"results": listed, "paging": {"next": {"after": "p2"}}})

    portal.otherwise = answer
    people = {each.id: (each.active, each.email) for each in a_crm(portal).people()}
    assert people == {
        "71": (False, "p71@seller.example"),
        "72": (True, "p72@seller.example"),
        "73": (True, "p73@seller.example"),
    }


def test_a_token_of_another_portal_is_refused(portal: Portal) -> None:
    def of(portal_id: int) -> Any:
        def answer(asked: Asked) -> Reply:
            if asked.path.startswith("/account-info"):
                return Reply({"portalId": portal_id})
            return Reply({"results": [KEY] if "/properties/" in asked.path else []})

        return answer

    crm = a_crm(portal)
    portal.otherwise = of(7)
    assert not [problem for problem in crm.connect() if problem.key == "handoff_key"]
    assert crm.portal_id == "7"
    portal.otherwise = of(8)
    with pytest.raises(UserError, match="portal 8, before it was 7"):
        crm.connect()


def test_a_key_without_a_property_is_told_before_anything_is_made(portal: Portal) -> None:
    with pytest.raises(UserError, match=r"tasks: handoff_key: has no property for task\.key"):
        a_crm(portal).connect()


@pytest.mark.parametrize(("total", "searches"), [(900, 5), (1001, 6)])
def test_accounts_are_counted_by_pages_or_by_person_whichever_takes_fewer_calls(
    portal: Portal, total: int, searches: int
) -> None:
    owners = [str(n) for n in range(71, 76)]
    held = dict.fromkeys(owners, 0)
    companies = [(str(n), owners[n * n % 5]) for n in range(1, total + 1)]
    for _, owner_id in companies:
        held[owner_id] += 1

    def answer(asked: Asked) -> Reply:
        if "/owners/" in asked.path:
            return Reply({"results": [owner(each, user_id=1) for each in owners if "archived=false" in asked.path]})
        filters = asked.body["filterGroups"][0]["filters"]
        low = next((int(each["value"]) for each in filters if each["operator"] == "GT"), 0)
        wanted = next((each["value"] for each in filters if each["operator"] == "EQ"), None)
        rows = [row for row in companies if int(row[0]) > low and wanted in (None, row[1])]
        page = [{"id": each, "properties": {"handoff_csm": csm}} for each, csm in rows[: asked.body["limit"]]]
        more = {"paging": {"next": {"after": str(len(page))}}} if len(page) < len(rows) else {}
        return Reply({"total": len(rows), "results": page, **more})

    portal.otherwise = answer
    counts = a_crm(portal).account_counts()
    assert counts == {each: count for each, count in held.items() if count}
    assert sum("/search" in path for path in portal.paths()) == searches


def test_a_stage_nobody_has_heard_of_makes_the_pipelines_be_read_again(portal: Portal) -> None:
    deal = {"id": "31", "properties": {"dealstage": "brand-new", "pipeline": "default"}}
    pipelines = [[], [stage("brand-new", probability="1.0", closed="true")]]
    told = iter(pipelines)

    def answer(asked: Asked) -> Reply:
        if "/pipelines/" in asked.path:
            return Reply({"results": [{"id": "default", "stages": next(told)}]})
        return Reply({"results": [deal] if asked.path.endswith("/deals/batch/read") else []})

    portal.otherwise = answer
    crm = a_crm(portal)
    crm.stages()
    assert crm.fetch(["31"])["31"].stage.is_won


def test_a_deal_with_more_links_than_a_page_is_read_to_the_end(portal: Portal) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/deals/tasks/batch/read"):
            (one,) = asked.body["inputs"]
            rest = {} if "after" in one else {"paging": {"next": {"after": "92"}}}
            to = [{"toObjectId": 93 if "after" in one else 92, "associationTypes": []}]
            return Reply({"results": [{"from": {"id": "31"}, "to": to, **rest}]})
        if asked.path.endswith("/tasks/batch/read"):
            return Reply({"results": [{"id": one["id"], "properties": {}} for one in asked.body["inputs"]]})
        deal = {"id": "31", "properties": {"dealstage": "open", "pipeline": "default"}}
        return Reply({"results": [deal] if asked.path.endswith("/deals/batch/read") else []})

    portal.otherwise = answer
    assert [task.id for task in a_crm(portal).fetch(["31"])["31"].tasks] == ["92", "93"]


def test_the_primary_company_is_the_marked_one_and_else_the_oldest() -> None:
    plain, older, marked = Link("30", frozenset({341})), Link("4", frozenset({341})), Link("50", frozenset({5, 341}))
    assert associations.primary([plain, older, marked]) == "50"
    assert associations.primary([plain, older]) == "4"
    assert associations.primary([]) is None


def test_the_earliest_start_is_one_search_for_one_record(portal: Portal) -> None:
    row = {"id": "31", "properties": {"handoff_started_at": "2026-11-18T09:00:00Z"}}
    portal.say(Reply({"total": 1, "results": [row]}))
    assert a_crm(portal).earliest_start() == datetime(2026, 11, 18, 9, tzinfo=UTC)
    body = portal.asked[0].body
    assert (body["limit"], body["sorts"][0]["direction"]) == (1, "ASCENDING")


def test_describe_tells_who_may_write_and_what_may_be_chosen(portal: Portal) -> None:
    options = [{"value": "Held", "hidden": False}, {"value": "Old", "hidden": True}]
    listed = [
        {"name": "handoff_gate", "label": "Gate", "type": "enumeration", "options": options},
        {"name": "hs_is_closed", "label": "Closed", "type": "bool", "modificationMetadata": {"readOnlyValue": True}},
        {"name": "gone", "label": "Gone", "type": "string", "archived": True},
    ]
    portal.say(Reply({"results": listed}))
    fields = a_crm(portal).describe(Kind.DEAL).fields
    assert set(fields) == {"handoff_gate", "hs_is_closed"}
    assert fields["handoff_gate"].choices == ("Held",)
    assert (fields["handoff_gate"].writable, fields["hs_is_closed"].writable) == (True, False)
