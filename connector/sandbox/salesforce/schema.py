"""A new org, and the records that every org has: the organization, its stages, its integration user and its admin.

Not the people and not the book of business: those come from the seed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from connector.sandbox.salesforce import actions, bulk, profiles, rules
from connector.sandbox.salesforce.catalog import PART, Catalog, catalog
from connector.sandbox.salesforce.objects import STAGES
from connector.sandbox.salesforce.pubsub import capture
from connector.sandbox.state import World

if TYPE_CHECKING:
    from connector.sandbox.rows import Row
    from connector.sandbox.state import SandboxClock

INTEGRATION_USERNAME = "integration@handoff.sandbox"
INTEGRATION_NAME = "Handoff Integration"
ADMIN_USERNAME = "admin@handoff.sandbox"
OWN_USERS = (
    (INTEGRATION_USERNAME, profiles.INTEGRATION_PROFILE, "Handoff", "Integration", "Integration user"),
    (ADMIN_USERNAME, profiles.ADMIN_PROFILE, "Org", "Admin", "System administrator"),
)
"""The users an org has before anybody works there: username, profile, first and last name, title."""

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
    # The setup's own modules ask for the admin, so they are known only by now.
    from connector.sandbox.salesforce.metadata.applying import refill

    profiles.furnish(world)
    for username, profile, first, last, title in OWN_USERS:
        _user(world, username, profile=profile, first=first, last=last, title=title)
    by = integration_user(world).id
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
    refill(world)


def integration_user(world: World) -> Row:
    """The user the connector's tokens stand for. Raises LookupError when it was removed."""
    return _named_user(world, INTEGRATION_USERNAME)


def admin_user(world: World) -> Row:
    """The user who may customize the org. Raises LookupError when it was removed."""
    return _named_user(world, ADMIN_USERNAME)


def org_id(world: World) -> str:
    """The organization's id."""
    return next(iter(world.table("Organization").rows))


def _named_user(world: World, username: str) -> Row:
    found = world.table("User").find_unique("Username", username)
    if found is None:
        raise LookupError(username)
    return found


def _user(world: World, username: str, *, profile: str, first: str, last: str, title: str) -> None:
    known = world.table("User").find_unique("Username", username)
    if known is not None:
        profiles.give(world, known.id, profile)
        return
    user_id = world.next_id("User")
    held = world.table("Profile").find_unique("Name", profile)
    world.table("User").insert(
        {
            "Username": username,
            "FirstName": first,
            "LastName": last,
            "Email": f"{first}.{last}@seller.example".lower(),
            "Title": title,
            "IsActive": True,
            "ProfileId": held.id if held else None,
        },
        by=user_id,
        id=user_id,
    )
