"""Tokens: what they may do, what the portal's subscription allows, and a portal that has none of our properties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.sandbox.hubspot import catalog
from connector.sandbox.hubspot.kinds import KINDS, kind_of
from connector.sandbox.server import create_worlds

OTHER = "pat-other"
HEADERS = {"Authorization": f"Bearer {OTHER}"}
DEALS = "/crm/objects/2026-09/deals"
PROPERTIES = "/crm/properties/2026-09"
TEXT = {"label": "x", "type": "string", "fieldType": "text", "groupName": "dealinformation"}


def _grant(portal: Any, *scopes: str, kind: str = "private_app") -> None:
    portal.world.settings.update(
        tokens={OTHER: "app:other"}, token_scopes={OTHER: list(scopes)}, token_kinds={OTHER: kind}
    )


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("GET", DEALS, ["crm.objects.deals.read"]),
        ("POST", f"{DEALS}/search", ["crm.objects.deals.read"]),
        ("POST", f"{DEALS}/batch/update", ["crm.objects.deals.write"]),
        ("POST", "/crm/objects/2026-09/0-27/batch/upsert", ["crm.objects.contacts.write"]),
        ("GET", "/crm/v3/objects/notes/1", ["crm.objects.contacts.read"]),
        ("GET", "/crm/owners/2026-09", ["crm.objects.owners.read"]),
        (
            "POST",
            "/crm/associations/2026-09/tasks/deals/batch/read",
            ["crm.objects.contacts.read", "crm.objects.deals.read"],
        ),
        ("POST", f"{PROPERTIES}/deals", ["crm.schemas.deals.write"]),
        ("POST", f"{PROPERTIES}/tasks", ["crm.schemas.contacts.write", "crm.schemas.tasks.write"]),
        ("GET", f"{PROPERTIES}/companies", ["crm.objects.companies.read", "crm.schemas.companies.read"]),
        ("GET", "/crm/pipelines/2026-09/deals", ["crm.objects.deals.read", "crm.schemas.deals.read"]),
        (
            "GET",
            "/crm/limits/2026-09/custom-properties",
            ["crm.objects.companies.read", "crm.objects.contacts.read", "crm.objects.deals.read"],
        ),
    ],
)
def test_a_missing_scope_is_named(portal: Any, method: str, path: str, scopes: list[str]) -> None:
    _grant(portal, "oauth")
    reply = portal.ask(method, path, {}, headers=HEADERS)
    assert (reply.status_code, reply.json()["category"]) == (403, "MISSING_SCOPES")
    assert reply.json()["errors"][0]["context"]["requiredGranularScopes"] == scopes
    assert portal.ask("GET", "/account-info/2026-09/details", headers=HEADERS).status_code == 200


def test_reading_is_not_writing(portal: Any) -> None:
    deal = portal.deal()
    _grant(portal, "crm.objects.deals.read")
    portal.ok("GET", f"{DEALS}/{deal.id}", headers=HEADERS)
    refused = portal.ask("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealname": "x"}}, headers=HEADERS)
    assert refused.status_code == 403
    assert portal.table("deals").get(deal.id).values["dealname"] == "A deal"
    _grant(portal, "crm.objects.deals.write")
    portal.ok("PATCH", f"{DEALS}/{deal.id}", {"properties": {"dealname": "x"}}, headers=HEADERS)


@pytest.mark.parametrize(
    ("tier", "kind", "burst", "daily"),
    [
        ("free", "private_app", "100", "250000"),
        ("starter", "service_key", "100", "250000"),
        ("pro", "project_app", "190", "625000"),
        ("enterprise", "service_key", "190", "1000000"),
        ("enterprise", "oauth", "110", None),
    ],
)
def test_the_headers_are_those_of_the_tier(portal: Any, tier: str, kind: str, burst: str, daily: str | None) -> None:
    del portal.world.settings["burst_limit"]
    portal.world.settings["tier"] = tier
    _grant(portal, kind=kind)
    headers = portal.ask("GET", "/account-info/2026-09/details", headers=HEADERS).headers
    assert headers["X-HubSpot-RateLimit-Max"] == burst
    assert headers.get("X-HubSpot-RateLimit-Daily") == daily


def test_each_app_has_its_own_burst_and_the_day_is_everybodys(portal: Any) -> None:
    portal.world.settings.update(burst_limit=1, daily_limit=3)
    _grant(portal, "crm.objects.deals.read")
    assert [portal.ask("GET", DEALS).status_code for _ in range(2)] == [200, 429]
    assert [portal.ask("GET", DEALS, headers=HEADERS).status_code for _ in range(2)] == [200, 429]
    portal.world.settings["burst_limit"] = 0
    assert portal.ask("GET", DEALS).status_code == 200
    assert portal.ask("GET", DEALS, headers=HEADERS).json()["policyName"] == "DAILY"


def test_a_free_portal_takes_few_properties_and_says_so(portal: Any) -> None:
    portal.world.settings.update(tier="free", bare=True)
    portal.world.scratch.clear()
    for n in range(10):
        portal.ok("POST", f"{PROPERTIES}/deals", {**TEXT, "name": f"p{n}"})
    limits = portal.ok("GET", "/crm/limits/2026-09/custom-properties")["byObjectType"]
    assert [(r["limit"], r["usage"]) for r in limits if r["objectTypeId"] == "0-3"] == [(10, 10)]
    assert portal.ask("POST", f"{PROPERTIES}/deals", {**TEXT, "name": "p10"}).status_code == 400
    portal.ok("DELETE", f"{PROPERTIES}/deals/p0")
    portal.ok("POST", f"{PROPERTIES}/deals", {**TEXT, "name": "p10"})
    assert portal.ask("GET", f"{PROPERTIES}/deals/hs_v2_date_entered_current_stage").status_code == 404
    portal.ok("GET", f"{PROPERTIES}/deals/hs_v2_date_entered_closedwon")


def test_a_bare_portal_has_nothing_of_ours_and_stays_bare(tmp_path: Path) -> None:
    worlds, _ = create_worlds(tmp_path, bare_hubspot=True)
    for kind in KINDS:
        assert not [n for n in catalog.properties(worlds["hs"], kind) if n.startswith("handoff")]
        assert "handoff" not in catalog.groups(worlds["hs"], kind)
    for world in worlds.values():
        world.detach()
    again, found = create_worlds(tmp_path)
    assert found
    assert "handoff_csm" not in catalog.properties(again["hs"], kind_of("deals"))
    for world in again.values():
        world.detach()
    assert "handoff_csm" in catalog.properties(create_worlds(None)[0]["hs"], kind_of("deals"))
