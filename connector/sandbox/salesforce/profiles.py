"""The profiles every org has, what they grant, and who has which.

Not permission sets that an admin or a deployment adds (`granting.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce import granting
from connector.sandbox.salesforce.catalog import BARE
from connector.sandbox.salesforce.setup_objects import OBJECT_RIGHTS, STANDARD_PROFILE, USER_PERMISSIONS

if TYPE_CHECKING:
    from connector.sandbox.state import World

ADMIN_PROFILE = "System Administrator"
INTEGRATION_PROFILE = "API Only Integrations"
OPENED = ("Account", "Contact", "Opportunity")
DAILY_WORK = ("Read", "Create", "Edit", "Delete")
PEOPLE = ("ApiEnabled", "EditEvent", "EditTask", "ViewSetup")
PROVISIONED = ("SendCustomNotifications", "TransferAnyEntity", "ViewAllData")
"""What the connector's own user may do besides in an org where the product is in place (facts: Salesforce §7)."""


def furnish(world: World) -> None:
    """Add the profiles that are missing."""
    of_integration = PEOPLE if world.settings[BARE] else (*PEOPLE, *PROVISIONED)
    wanted = {
        STANDARD_PROFILE: (PEOPLE, DAILY_WORK),
        INTEGRATION_PROFILE: (of_integration, DAILY_WORK),
        ADMIN_PROFILE: (USER_PERMISSIONS, OBJECT_RIGHTS),
    }
    for name, (user, rights) in wanted.items():
        if world.table("Profile").find_unique("Name", name) is None:
            _add(world, name, user=user, rights=rights)


def give(world: World, user_id: str, name: str) -> None:
    """Give a user without a profile the one of this name."""
    profile = world.table("Profile").find_unique("Name", name)
    if profile is not None and "ProfileId" not in world.table("User").rows[user_id].values:
        world.table("User").update(user_id, {"ProfileId": profile.id}, by=user_id, touch=False)


def _add(world: World, name: str, *, user: tuple[str, ...], rights: tuple[str, ...]) -> None:
    profile = world.table("Profile").insert({"Name": name}, by="setup")
    own = granting.put_set(world, f"X{profile.id}", label=name, profile=profile.id)
    granting.grant_user(world, own, user)
    granting.grant_objects(world, own, dict.fromkeys(OPENED, rights))
