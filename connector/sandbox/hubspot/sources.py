"""Who changed a property, in HubSpot's words: a person at the screen, an app, a workflow, an import.

Not the history itself (`render.py`). Writers are told apart by how the rows name them: `app:` an app, `flow:` a
workflow, an owner's id or e-mail address a person, one of `MACHINES` an import, anything else somebody at the screen.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot.schema import APP, APP_ID
from connector.sandbox.hubspot.workflows import FLOW_PREFIX

if TYPE_CHECKING:
    from connector.sandbox.state import World

APP_PREFIX = "app:"
MACHINES = frozenset({"system", "seed", "load", "import"})
APP_IDS = "app_ids"
"""Setting: the ids of further apps, {caller: id}."""

SPREAD = 1_000_000
FIRST_FLOW = 88_000_000
FIRST_IMPORT = "61000001"


def source(world: World, by: str) -> dict[str, Any]:
    """The fields of a history entry that name its writer (facts: HubSpot §1)."""
    if by.startswith(APP_PREFIX):
        name = by.removeprefix(APP_PREFIX)
        return {"sourceType": "INTEGRATION", "sourceId": str(app_id(world, by)), "sourceLabel": name}
    if by.startswith(FLOW_PREFIX):
        name = by.removeprefix(FLOW_PREFIX)
        return {"sourceType": "AUTOMATION_PLATFORM", "sourceId": _enrollment(name), "sourceLabel": name}
    if (user := user_id(world, by)) is not None:
        return {"sourceType": "CRM_UI", "sourceId": f"userId:{user}", "updatedByUserId": user}
    if by in MACHINES:
        return {"sourceType": "IMPORT", "sourceId": FIRST_IMPORT}
    return {"sourceType": "CRM_UI", "sourceId": by}


def app_id(world: World, caller: str) -> int:
    """The id of the app that this caller is."""
    if caller == APP:
        return APP_ID
    named: dict[str, int] = world.settings.get(APP_IDS, {})
    return named.get(caller, APP_ID + 1 + zlib.crc32(caller.encode()) % SPREAD)


def user_id(world: World, by: str) -> int | None:
    """The user id of a person who writes, None for anybody else."""
    owners = world.table("owners")
    row = owners.get(by, deleted=True) or owners.find_unique("email", by)
    return None if row is None else int(row.values["userId"])


def _enrollment(name: str) -> str:
    return f"enrollmentId:{FIRST_FLOW + zlib.crc32(name.encode()) % SPREAD};actionExecutionIndex:0"
