"""Search: operators, limits, the 10,000 cap, order, and an index that lags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

SEARCH = "/crm/objects/2026-09/deals/search"


def _body(*filters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"filterGroups": [{"filters": list(filters)}] if filters else [], "limit": 200, **more}


def _filter(name: str, operator: str, **values: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **values}


def _ids(found: Any) -> list[str]:
    return [r["id"] for r in found["results"]]


def _ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        (_filter("dealname", "EQ", value="alpha one"), ["Alpha One"]),
        (_filter("dealname", "NEQ", value="Alpha One"), ["Beta Two", "Gamma Three"]),
        (_filter("dealname", "IN", values=["alpha one", "beta two"]), ["Alpha One", "Beta Two"]),
        (_filter("dealname", "IN", values=["Alpha One"]), []),
        (_filter("dealname", "NOT_IN", values=["alpha one"]), ["Beta Two", "Gamma Three"]),
        (_filter("dealname", "CONTAINS_TOKEN", value="tw*"), ["Beta Two"]),
        (_filter("dealname", "NOT_CONTAINS_TOKEN", value="two"), ["Alpha One", "Gamma Three"]),
        (_filter("amount", "LT", value="100"), ["Alpha One"]),
        (_filter("amount", "LTE", value="100"), ["Alpha One", "Beta Two"]),
        (_filter("amount", "GT", value="9"), ["Beta Two"]),
        (_filter("amount", "GTE", value="9"), ["Alpha One", "Beta Two"]),
        (_filter("amount", "BETWEEN", value="50", highValue="100"), ["Beta Two"]),
        (_filter("amount", "HAS_PROPERTY"), ["Alpha One", "Beta Two"]),
        (_filter("amount", "NOT_HAS_PROPERTY"), ["Gamma Three"]),
        (_filter("dealstage", "IN", values=["closedwon"]), ["Beta Two"]),
        (_filter("dealstage", "IN", values=["CLOSEDWON"]), []),
        (_filter("hs_is_closed_won", "EQ", value="true"), ["Beta Two"]),
        (_filter("hs_v2_date_entered_closedwon", "GTE", value="1000"), ["Beta Two"]),
    ],
)
def test_operators(portal: Any, filter_: dict[str, Any], names: list[str]) -> None:
    portal.deal(dealname="Alpha One", amount="9")
    portal.deal(dealname="Beta Two", amount="100", dealstage="closedwon")
    portal.deal(dealname="Gamma Three")
    found = portal.ok("POST", SEARCH, _body(filter_, properties=["dealname"]))
    assert [r["properties"]["dealname"] for r in found["results"]] == names
    assert found["total"] == len(names)


def test_groups_are_alternatives_and_filters_conditions(portal: Any) -> None:
    ids = [portal.deal(dealname=str(n), amount=str(n)).id for n in range(4)]
    groups = [
        {"filters": [_filter("amount", "GTE", value="1"), _filter("amount", "LT", value="2")]},
        {"filters": [_filter("amount", "EQ", value="3")]},
    ]
    assert _ids(portal.ok("POST", SEARCH, {"filterGroups": groups})) == [ids[1], ids[3]]


@pytest.mark.parametrize(
    "body",
    [
        {"filterGroups": [{"filters": []}] * 6},
        _body(*[_filter("amount", "HAS_PROPERTY")] * 7),
        {"filterGroups": [{"filters": [_filter("amount", "HAS_PROPERTY")] * 5}] * 4},
        _body(sorts=["amount", "dealname"]),
        _body(limit=201),
        _body(limit=0),
        _body(after="9801"),
        _body(after="abc"),
        _body(_filter("nope", "EQ", value="1")),
        _body(_filter("amount", "SOUNDS_LIKE", value="1")),
        _body(_filter("amount", "GT", value="lots")),
        _body(_filter("hs_lastmodifieddate", "GTE", value="yesterday")),
        _body(_filter("amount", "IN")),
        _body(_filter("amount", "BETWEEN", value="1")),
        _body(query="x" * 3_000),
    ],
)
def test_what_exceeds_the_limits_is_a_400(portal: Any, body: dict[str, Any]) -> None:
    reply = portal.ask("POST", SEARCH, body)
    assert (reply.status_code, reply.json()["category"]) == (400, "VALIDATION_ERROR")


def test_five_groups_of_eighteen_filters_pass(portal: Any) -> None:
    groups = [{"filters": [_filter("amount", "HAS_PROPERTY")] * n} for n in (6, 6, 4, 1, 1)]
    assert portal.ok("POST", SEARCH, {"filterGroups": groups})["total"] == 0


def test_ten_thousand_are_the_most_that_can_be_paged(portal: Any) -> None:
    for n in range(10_050):
        portal.table("deals").insert({"dealname": str(n)}, by="seed")
    last = portal.ok("POST", SEARCH, _body(after="9800"))
    assert (last["total"], len(last["results"]), last["paging"]["next"]["after"]) == (10_050, 200, "10000")
    assert portal.ask("POST", SEARCH, _body(after="10000")).status_code == 400


def test_pages_by_last_modified_in_both_directions(portal: Any) -> None:
    ids = []
    for n in range(5):
        portal.world.clock.advance(1)
        ids.append(portal.deal(dealname=str(n)).id)
    portal.world.clock.advance(1)
    portal.ok("PATCH", f"/crm/objects/2026-09/deals/{ids[0]}", {"properties": {"amount": "1"}})
    ascending = {"sorts": [{"propertyName": "hs_lastmodifieddate", "direction": "ASCENDING"}], "limit": 2}
    seen, after = [], "0"
    while after:
        page = portal.ok("POST", SEARCH, {**ascending, "after": after})
        seen += _ids(page)
        after = page.get("paging", {}).get("next", {}).get("after")
    assert seen == [*ids[1:], ids[0]]
    backwards = portal.ok("POST", SEARCH, {"sorts": ["-hs_lastmodifieddate"], "limit": 2})
    assert _ids(backwards) == [ids[0], ids[4]]


def test_record_ids_are_compared_as_numbers(portal: Any) -> None:
    for number in ("9", "10", "100"):
        portal.table("deals").insert({"dealname": number}, by="seed", id=number)
    body = _body(_filter("hs_object_id", "GT", value="9"), sorts=["hs_object_id"])
    assert _ids(portal.ok("POST", SEARCH, body)) == ["10", "100"]
    assert _ids(portal.ok("POST", SEARCH, _body(_filter("hs_object_id", "IN", values=["100", "9", "7"])))) == [
        "9",
        "100",
    ]


def test_one_millisecond_is_a_window(portal: Any) -> None:
    moment = portal.world.clock.now()
    at = portal.deal().id
    portal.world.clock.advance(0.001)
    later = portal.deal().id
    exact = _body(_filter("hs_lastmodifieddate", "EQ", value=_ms(moment)))
    assert _ids(portal.ok("POST", SEARCH, exact)) == [at]
    after = _body(_filter("hs_lastmodifieddate", "GT", value=_ms(moment)))
    assert _ids(portal.ok("POST", SEARCH, after)) == [later]
    iso = (moment + timedelta(milliseconds=1)).astimezone(UTC).isoformat()
    both = _body(_filter("hs_lastmodifieddate", "BETWEEN", value=moment.isoformat(), highValue=iso))
    assert _ids(portal.ok("POST", SEARCH, both)) == [at, later]


def test_a_new_record_is_found_only_once_the_index_has_it(portal: Any) -> None:
    portal.world.setting("index_lag_s", 10)
    deal = portal.deal()
    assert portal.ok("POST", SEARCH, _body())["total"] == 0
    assert portal.ok("GET", f"/crm/objects/2026-09/deals/{deal.id}")["id"] == deal.id
    portal.world.clock.advance(10)
    assert _ids(portal.ok("POST", SEARCH, _body())) == [deal.id]


def test_a_lagging_index_matches_the_old_value_and_returns_the_new(portal: Any) -> None:
    deal = portal.deal()
    portal.world.clock.advance(60)
    portal.world.setting("index_lag_s", 10)
    won = {"properties": {"dealstage": "closedwon"}}
    portal.ok("PATCH", f"/crm/objects/2026-09/deals/{deal.id}", won)
    by_new = _body(_filter("dealstage", "EQ", value="closedwon"))
    assert portal.ok("POST", SEARCH, by_new)["total"] == 0
    by_old = portal.ok("POST", SEARCH, _body(_filter("dealstage", "EQ", value="contractsent")))
    assert by_old["results"][0]["properties"]["dealstage"] == "closedwon"
    recent = _body(_filter("hs_lastmodifieddate", "GTE", value=_ms(portal.world.clock.now())))
    assert portal.ok("POST", SEARCH, recent)["total"] == 0
    entered = _body(_filter("hs_v2_date_entered_closedwon", "HAS_PROPERTY"))
    assert portal.ok("POST", SEARCH, entered)["total"] == 0
    portal.world.clock.advance(10)
    assert _ids(portal.ok("POST", SEARCH, by_new)) == [deal.id]


def test_lag_by_fault_concerns_one_write(portal: Any) -> None:
    portal.world.faults.add(system="hs", match="POST /crm/objects/2026-09/deals$", kind="search_lag", arg=30)
    body = {"properties": {"dealname": "late"}}
    late = portal.ok("POST", "/crm/objects/2026-09/deals", body)["id"]
    soon = portal.ok("POST", "/crm/objects/2026-09/deals", body)["id"]
    assert _ids(portal.ok("POST", SEARCH, _body())) == [soon]
    portal.world.clock.advance(30)
    assert _ids(portal.ok("POST", SEARCH, _body())) == [late, soon]


def test_archived_records_never_appear(portal: Any) -> None:
    deal = portal.deal()
    portal.ok("DELETE", f"/crm/objects/2026-09/deals/{deal.id}")
    assert portal.ok("POST", SEARCH, _body())["total"] == 0


def test_by_association_and_by_words(portal: Any) -> None:
    company, deal, _ = portal.company(), portal.deal(dealname="Big renewal"), portal.deal(dealname="Other")
    portal.ok("PUT", f"/crm/objects/2026-09/deals/{deal.id}/associations/default/companies/{company.id}")
    by_company = _body(_filter("associations.company", "EQ", value=company.id))
    assert _ids(portal.ok("POST", SEARCH, by_company)) == [deal.id]
    assert _ids(portal.ok("POST", SEARCH, _body(query="renewal big"))) == [deal.id]


def test_a_property_made_unique_by_api_is_looked_up_without_a_scan(portal: Any) -> None:
    new = {"name": "crm_key", "label": "Key", "type": "string", "fieldType": "text", "groupName": "handoff"}
    portal.deal(dealname="before")
    portal.ok("POST", "/crm/properties/2026-09/deals", {**new, "hasUniqueValue": True})
    deal = portal.deal(crm_key="K-7")
    assert portal.table("deals").is_indexed("crm_key")
    assert _ids(portal.ok("POST", SEARCH, _body(_filter("crm_key", "EQ", value="K-7")))) == [deal.id]


def test_a_duplicated_delivery_by_fault(portal: Any) -> None:
    deal = portal.deal()
    portal.world.faults.add(system="hs", match="search", kind="duplicated")
    assert _ids(portal.ok("POST", SEARCH, _body())) == [deal.id, deal.id]
