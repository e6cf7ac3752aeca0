"""The tables of the portal: what they are called, what is unique, what is indexed, what keeps a history.

Not the properties (`catalog.py`). Anyone in the sandbox may write rows of these tables directly: `shape` below
turns Python values into HubSpot's text, and derived properties are computed when read. Vendor rules (options,
owners, unknown names) are checked at the wire only.

Tables besides the object types: `owners` (email, firstName, lastName, userId, active, title), `associations`
(written through `links.link`), `properties` and `property_groups` (what was changed by API).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog, links, workflows
from connector.sandbox.hubspot.derive import iso
from connector.sandbox.hubspot.kinds import KINDS
from connector.sandbox.hubspot.shipped import followed
from connector.sandbox.state import World

if TYPE_CHECKING:
    from connector.sandbox.rows import Row, Table
    from connector.sandbox.state import SandboxClock

PORTAL_ID = 4242001
TOKEN = "pat-sandbox-handoff"
APP = "app:handoff"

# The one app that is installed in the portal, for OAuth, webhooks and the journal.
APP_ID = 5_151_001
APP_CLIENT_ID = "7d1f0c9e-4242-4c0a-9b0e-5a6d00000001"
APP_CLIENT_SECRET = "e3b0c442-4242-4f1d-8a5e-5a6d00000002"
APP_REFRESH_TOKEN = "na1-4242-refresh-sandbox-handoff"

# Ids look alike but never overlap, so that a mixed-up object type or an owner id in place of a user id shows.
FIRST_IDS = {
    "contacts": 1_100_000_000,
    "companies": 2_200_000_000,
    "deals": 3_300_000_000,
    "tasks": 4_400_000_000,
    "notes": 4_600_000_000,
    "meetings": 4_700_000_000,
    "calls": 4_800_000_000,
    "emails": 4_900_000_000,
    "owners": 71_000_000,
}
OWNERS_UNIQUE = ("email", "userId")
INDEXED = {
    "deals": ("dealstage", "pipeline", "hubspot_owner_id", "handoff_csm"),
    "companies": ("domain", "name", "handoff_csm", "hubspot_owner_id"),
    "tasks": ("hubspot_owner_id", "hs_task_status"),
}


def create_world(clock: SandboxClock, *, bare: bool = False) -> World:
    """An empty portal with its schema; a bare one has none of our properties."""
    world = World("hs", clock=clock, make_id=_make_id, resolution=timedelta(milliseconds=1))
    if bare:
        world.settings[catalog.BARE] = True
    for kind in KINDS:
        first = catalog.shipped(world, kind)
        table = world.add_table(
            kind.table,
            unique=tuple(n for n, d in first.items() if d.unique),
            indexed=tuple(n for n in INDEXED.get(kind.table, ()) if n in first),
            tracked=tuple(n for n, d in first.items() if followed(d)),
        )
        table.before_write = shape
    world.add_table("owners", unique=OWNERS_UNIQUE)
    links.add_table(world)
    workflows.watch(world)
    _install_rules(world)
    catalog.add_tables(world)
    _install_feeds(world)
    return world


def _install_feeds(world: World) -> None:
    # They name the app and the portal, so this module comes first.
    from connector.sandbox.hubspot.feeds import log, source, webhooks

    found = source.install(world)
    webhooks.install(world, found)
    log.install(world, found)


def _install_rules(world: World) -> None:
    # They know who a writer is, and for that this module.
    from connector.sandbox.hubspot import backdrop, governance

    governance.guard(world)
    backdrop.stand_behind(world)


def furnish(world: World) -> None:
    """Bring the tables in step with properties created by API and kept in the state file; a no-op in a new portal."""
    for kind in KINDS:
        for definition in catalog.properties(world, kind).values():
            if definition.unique:
                world.table(kind.table).add_unique(definition.name)
            if definition.name in INDEXED.get(kind.table, ()):
                world.table(kind.table).add_index(definition.name)
            if followed(definition):
                follow(world.table(kind.table), definition.name)


def follow(table: Table, name: str) -> None:
    """Keep a history of this property from now on."""
    table.tracked = table.tracked | {name}


def add_owner(
    world: World, *, email: str, first: str, last: str, user_id: int, title: str = "", active: bool = True
) -> Row:
    """Add a person who can own records. The owner id is the row's id and never the user id (facts: HubSpot §6)."""
    values = {
        "email": email,
        "firstName": first,
        "lastName": last,
        "userId": user_id,
        "title": title,
        "active": active,
    }
    return world.table("owners").insert(values, by="system")


def shape(_row: Row | None, changes: dict[str, Any]) -> dict[str, Any]:
    """Python values as HubSpot keeps them: text, with "" and None alike clearing a property."""
    return {name: as_text(value) for name, value in changes.items()}


def as_text(value: Any) -> str | None:
    """One value as text; None when empty."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _make_id(table: str, n: int) -> str:
    return str(FIRST_IDS.get(table, 0) + n)
