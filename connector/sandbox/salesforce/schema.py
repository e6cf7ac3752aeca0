"""A new org, and the records that every org has: the organization, its stages, its integration user and its admin.

Not the people and not the book of business: those come from the seed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from connector.sandbox.salesforce import actions, bulk, profiles, rules, users
from connector.sandbox.salesforce.catalog import PART, Catalog, catalog
from connector.sandbox.salesforce.metadata import standard
from connector.sandbox.salesforce.metadata.applying import refill
from connector.sandbox.salesforce.objects import STAGES
from connector.sandbox.salesforce.pubsub import capture
from connector.sandbox.state import World

if TYPE_CHECKING:
    from connector.sandbox.state import SandboxClock

DAILY_LIMIT = 100_000
"""API requests in 24 hours of an Enterprise org (facts: Salesforce §3.1)."""


def create_world(clock: SandboxClock, *, bare: bool = False) -> World:
    """An org without records; a bare one lacks the handoff fields. Stamps have one second (facts: Salesforce §1.1)."""
    world = World(
        "sf",
        clock=clock,
        make_id=lambda table, n: catalog(world).make_id(table, n),
        resolution=timedelta(seconds=1),
        settings={"daily_limit": DAILY_LIMIT, "late_commit_ms": 0},
    )
    world.parts[PART] = Catalog(world, bare=bare)
    world.on_load = world.parts[PART].load
    world.rules = rules.enforce
    capture.install(world)
    bulk.add_tables(world)
    actions.add_tables(world)
    return world


def furnish(world: World) -> None:
    """Add what every org has and this one lacks, and what was deployed into this one."""
    profiles.furnish(world)
    users.furnish(world)
    by = users.integration_user(world).id
    if not world.table("Organization").rows:
        world.table("Organization").insert(
            {"Name": "Seller Example GmbH", "IsSandbox": True, "OrganizationType": "Enterprise Edition"}, by=by
        )
    if not world.table("OpportunityStage").rows:
        for order, (name, closed, won, probability) in enumerate(STAGES, start=1):
            category = "Closed" if won else "Omitted" if closed else "Pipeline"
            world.table("OpportunityStage").insert(
                {
                    "ApiName": name,
                    "MasterLabel": name,
                    "IsActive": True,
                    "IsClosed": closed,
                    "IsWon": won,
                    "SortOrder": order,
                    "DefaultProbability": probability,
                    "ForecastCategoryName": category,
                },
                by=by,
            )
    standard.furnish(world)
    refill(world)
