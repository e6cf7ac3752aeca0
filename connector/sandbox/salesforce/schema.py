"""The org's tables and the records that every org has: the organization, its stages, its integration user.

Not the people and not the book of business: those come from the seed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from connector.sandbox.salesforce import derived
from connector.sandbox.salesforce.ids import make_id
from connector.sandbox.salesforce.objects import OBJECTS, STAGES
from connector.sandbox.state import World

if TYPE_CHECKING:
    from connector.sandbox.rows import Row
    from connector.sandbox.state import SandboxClock

INTEGRATION_USERNAME = "integration@handoff.sandbox"
INTEGRATION_NAME = "Handoff Integration"
DAILY_LIMIT = 100_000
"""API requests in 24 hours of an Enterprise org (facts: Salesforce §3.1)."""


def create_world(clock: SandboxClock) -> World:
    """An org without records. Stamps have one-second resolution (facts: Salesforce §1.1)."""
    world = World(
        "sf",
        clock=clock,
        make_id=make_id,
        resolution=timedelta(seconds=1),
        settings={"daily_limit": DAILY_LIMIT, "late_commit_ms": 0},
    )
    for kind in OBJECTS:
        table = world.add_table(
            kind.name,
            unique=tuple(f.name for f in kind.own if f.unique),
            indexed=kind.indexed + (("ApiName",) if kind.name == "OpportunityStage" else ()),
        )
        derived.hook(table, {f.name: f.default for f in kind.own if f.default is not None})
    return world


def furnish(world: World) -> None:
    """Add what every org has and this one lacks."""
    if not world.table("User").find_unique("Username", INTEGRATION_USERNAME):
        _integration_user(world)
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


def integration_user(world: World) -> Row:
    """The user the connector's tokens stand for. Raises LookupError when it was removed."""
    found = world.table("User").find_unique("Username", INTEGRATION_USERNAME)
    if found is None:
        raise LookupError(INTEGRATION_USERNAME)
    return found


def org_id(world: World) -> str:
    """The organization's id."""
    return next(iter(world.table("Organization").rows))


def _integration_user(world: World) -> None:
    users = world.table("User")
    user_id = world.next_id("User")
    users.insert(
        {
            "Username": INTEGRATION_USERNAME,
            "FirstName": "Handoff",
            "LastName": "Integration",
            "Email": "handoff.integration@seller.example",
            "Title": "Integration user",
            "IsActive": True,
        },
        by=user_id,
        id=user_id,
    )
