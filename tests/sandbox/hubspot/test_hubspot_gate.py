"""Who may call and how often, and what a planted fault looks like in this vendor's words."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox.hubspot import ratelimit, schema
from connector.sandbox.hubspot.ratelimit import Gate, Throttled
from connector.sandbox.hubspot.schema import TOKEN
from connector.sandbox.state import SandboxClock

DETAILS = "/account-info/2026-09/details"
SEARCH = "/crm/objects/2026-09/deals/search"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
def test_without_the_token_nothing_is_served(portal: Any, header: dict[str, str]) -> None:
    reply = portal.session.get(portal.url + DETAILS, headers=header, timeout=10)
    assert (reply.status_code, reply.json()["category"]) == (401, "INVALID_AUTHENTICATION")


def test_a_further_token_stands_for_another_caller(portal: Any) -> None:
    portal.world.setting("tokens", {"pat-other": "app:other"})
    headers = {"Authorization": "Bearer pat-other"}
    made = portal.ok("POST", "/crm/v3/objects/deals", {"properties": {"dealname": "x"}}, headers=headers)
    assert portal.table("deals").get(made["id"]).created_by == "app:other"


def test_a_burst_ends_in_429_and_the_window_rolls() -> None:
    world, seconds = schema.create_world(SandboxClock()), [0.0]
    gate = Gate(now=lambda: seconds[0])
    for n in range(190):
        seconds[0] = n / 100
        gate.admit(world, search=False)
    with pytest.raises(Throttled) as caught:
        gate.admit(world, search=False)
    body = caught.value.body("c-1")
    assert (body["errorType"], body["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
    assert gate.headers(world)["X-HubSpot-RateLimit-Remaining"] == "0"
    seconds[0] = 10.005
    gate.admit(world, search=False)
    with pytest.raises(Throttled):
        gate.admit(world, search=False)


def test_searches_have_a_second_of_their_own() -> None:
    world, seconds = schema.create_world(SandboxClock()), [0.0]
    gate = Gate(now=lambda: seconds[0])
    for _ in range(5):
        gate.admit(world, search=True)
    with pytest.raises(Throttled) as caught:
        gate.admit(world, search=True)
    body = caught.value.body("c-1")
    assert body["message"] == "You have reached your secondly limit."
    assert (body["category"], "policyName" in body) == ("RATE_LIMITS", False)
    gate.admit(world, search=False)
    seconds[0] = 1.0
    gate.admit(world, search=True)


def test_the_day_ends_the_quota() -> None:
    clock = SandboxClock()
    world = schema.create_world(clock)
    world.settings["daily_limit"] = 2
    gate = Gate(now=lambda: 0.0)
    gate.admit(world, search=False)
    gate.admit(world, search=True)
    with pytest.raises(Throttled) as caught:
        gate.admit(world, search=False)
    assert caught.value.body("c")["policyName"] == "DAILY"
    clock.advance(86_400)
    gate.admit(world, search=False)
    assert gate.today(world) == 1


def test_headers_tell_what_is_left_except_on_search(portal: Any) -> None:
    portal.world.settings.update(burst_limit=3, search_per_second=1)
    replies = [portal.ask("GET", DETAILS) for _ in range(4)]
    assert [r.status_code for r in replies] == [200, 200, 200, 429]
    assert [r.headers["X-HubSpot-RateLimit-Remaining"] for r in replies] == ["2", "1", "0", "0"]
    assert replies[0].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    searches = [portal.ask("POST", SEARCH, {"limit": 1}) for _ in range(2)]
    assert [r.status_code for r in searches] == [200, 429]
    assert not any("RateLimit" in name for r in searches for name in r.headers)


def test_daily_usage_counts_the_calls(portal: Any) -> None:
    portal.ask("GET", DETAILS)
    usage = portal.ok("GET", "/account-info/2026-09/api-usage/daily/private-apps")["results"][0]
    assert (usage["currentUsage"], usage["usageLimit"]) == (2, ratelimit.daily_limit(portal.world))
    assert usage["resetsAt"] == "2026-11-03T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("429", 429), ("expired_token", 401), *((str(n), n) for n in (500, 502, 503, 504, *range(521, 527)))],
)
def test_planted_faults_speak_the_vendors_language(portal: Any, kind: str, status: int) -> None:
    portal.world.faults.add(system="hs", match="account-info", kind=kind)
    reply = portal.ask("GET", DETAILS)
    assert reply.status_code == status
    assert portal.ask("GET", DETAILS).status_code == 200


def test_a_planted_429_on_search_is_the_search_variant(portal: Any) -> None:
    portal.world.faults.add(system="hs", match="deals/search", kind="429")
    body = portal.ask("POST", SEARCH, {}).json()
    assert body["category"] == "RATE_LIMITS"
    portal.world.faults.add(system="hs", match="account-info", kind="429", arg="DAILY")
    assert portal.ask("GET", DETAILS).json()["policyName"] == "DAILY"


def test_a_portal_in_migration_says_how_long(portal: Any) -> None:
    portal.world.faults.add(system="hs", match="account-info", kind="migrating", arg=600)
    reply = portal.ask("GET", DETAILS)
    assert (reply.status_code, reply.headers["Retry-After"]) == (477, "600")


def test_the_journal_names_calls_rows_and_writers(portal: Any) -> None:
    deal = portal.deal()
    inputs = {"inputs": [{"id": deal.id}], "properties": []}
    portal.ok("POST", "/crm/objects/2026-09/deals/batch/read", inputs)
    portal.ok("POST", "/crm/objects/2026-09/0-3/search", {})
    portal.ok("PATCH", f"/crm/v3/objects/deals/{deal.id}", {"properties": {"dealname": "x"}})
    portal.ask("GET", "/crm/objects/2031-01/deals")
    seen = [(c.kind, c.rows, c.write, c.caller) for c in portal.world.journal.calls(system="hs")]
    assert seen == [
        ("deals.batch.read", 1, False, "app:handoff"),
        ("search.deals", 1, False, "app:handoff"),
        ("deals.update", 1, True, "app:handoff"),
        ("other", 0, False, ""),
    ]


def test_owners_are_found_by_email_and_the_departed_apart(portal: Any) -> None:
    active = portal.ok("GET", "/crm/owners/2026-09")["results"]
    assert [(o["id"], o["userId"], o["archived"]) for o in active] == [(portal.owner.id, 9001, False)]
    gone = portal.ok("GET", "/crm/owners/2026-09?archived=true")["results"]
    assert [(o["id"], o["userId"], o["userIdIncludingInactive"]) for o in gone] == [(portal.leaver.id, None, 9002)]
    assert portal.ok("GET", "/crm/owners/2026-09?email=MAYA@seller.example")["results"] == active
    assert portal.ok("GET", "/crm/owners/2026-09/9001?idProperty=userId")["id"] == portal.owner.id
    assert portal.ask("GET", "/crm/owners/2026-09/9001").status_code == 404


def test_won_stages_are_told_by_probability(portal: Any) -> None:
    found = portal.ok("GET", "/crm/pipelines/2026-09/deals")["results"]
    won = {s["id"] for p in found for s in p["stages"] if s["metadata"] == {"isClosed": "true", "probability": "1.0"}}
    assert won == {"closedwon", "880100103"}
    assert portal.ok("GET", "/crm/pipelines/2026-09/tasks")["results"] == []
    assert portal.ask("GET", "/crm/pipelines/2026-09/deals/nope").status_code == 404
