"""The users an org has before anybody works there, and its own id: what everything else in the sandbox asks for.

Not the people of the seed, and not what a user may do (`permissions.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce import profiles

if TYPE_CHECKING:
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

INTEGRATION_USERNAME = "integration@handoff.sandbox"
INTEGRATION_NAME = "Handoff Integration"
ADMIN_USERNAME = "admin@handoff.sandbox"
OWN_USERS = (
    (INTEGRATION_USERNAME, profiles.INTEGRATION_PROFILE, "Handoff", "Integration", "Integration user"),
    (ADMIN_USERNAME, profiles.ADMIN_PROFILE, "Org", "Admin", "System administrator"),
)
"""The users an org has before anybody works there: username, profile, first and last name, title."""


def furnish(world: World) -> None:
    """Add those of them that are missing."""
    for username, profile, first, last, title in OWN_USERS:
        _user(world, username, profile=profile, first=first, last=last, title=title)


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
