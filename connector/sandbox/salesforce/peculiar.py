"""Saves that do something else than what was asked: team members, products, person accounts, locked accounts.

Not ordinary checks (`writes.py`), not permissions (`guards.py`) and not computed fields (`derived.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import granting
from connector.sandbox.salesforce.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.fields import ObjectType
    from connector.sandbox.state import World

GROUP_USERS = "group_access_users"
"""Setting: ids of users whose access to accounts comes by group; what they add to account teams goes with the owner."""

LOCKS = "locked_accounts"
LOCKED = "UNABLE_TO_LOCK_ROW"
ACCOUNT_OF = {"AccountTeamMember": "AccountId", "Opportunity": "AccountId", "Contact": "AccountId"}
"""Writing a row of these locks the account it names (facts: Salesforce §3.1, §6 teams)."""


def lock_account(world: World, account_id: str, *, times: int = 1) -> None:
    """Let the next `times` writes that lock this account find it locked by somebody else."""
    world.scratch.setdefault(LOCKS, {})[account_id] = times


def check_lock(world: World, kind: ObjectType, row: Row | None, found: Mapping[str, Any]) -> None:
    """Raises ApiError UNABLE_TO_LOCK_ROW when the write needs an account that is locked."""
    locks: dict[str, int] = world.scratch.get(LOCKS, {})
    if not locks:
        return
    field = ACCOUNT_OF.get(kind.name, "")
    held = found.get(field) or (row.values.get(field) if row else None)
    account = row.id if row is not None and kind.name == "Account" else held
    if account in locks:
        locks[account] -= 1
        if not locks[account]:
            del locks[account]
        raise ApiError(LOCKED, f"unable to obtain exclusive access to this record or 1 records: {account}")


def instead_of_insert(world: World, kind: ObjectType, found: Mapping[str, Any], *, by: str) -> Row | None:
    """The row that an insert changes rather than adding one, or None.

    A team member who is on the opportunity already is updated (facts: Salesforce §6.6).
    """
    if kind.name != "OpportunityTeamMember":
        return None
    members = world.table(kind.name).where("OpportunityId", [found.get("OpportunityId")])
    known = next((row for row in members if row.values.get("UserId") == found.get("UserId")), None)
    if known is None:
        return None
    fixed = {f.name for f in kind.own if f.create_only}
    return world.table(kind.name).update(known.id, {n: v for n, v in found.items() if n not in fixed}, by=by)


def check_update(kind: ObjectType, row: Row, found: Mapping[str, Any]) -> None:
    """Raises ApiError for a change that this very row does not take: the name of a person (facts: Salesforce §7)."""
    if kind.name == "Account" and row.values.get("IsPersonAccount") and "Name" in found:
        raise ApiError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "Unable to create/update fields: Name. A person account takes its name from FirstName and LastName.",
            ("Name",),
        )


def after_update(world: World, kind: ObjectType, row: Row, before: Mapping[str, Any], *, by: str) -> None:
    """What a saved change brings along: a new account owner costs the team members that group users added."""
    if kind.name != "Account" or before.get("OwnerId") == row.values.get("OwnerId"):
        return
    grouped = world.settings.get(GROUP_USERS, ())
    members = world.table("AccountTeamMember")
    for member in list(members.where("AccountId", [row.id])):
        if member.created_by in grouped:
            members.delete(member.id, by=by)


def after_delete(world: World, name: str, row: Row, *, by: str) -> None:
    """What a deletion brings along: an amount counted anew, or the same field's grant on the other kind of activity."""
    if name == "OpportunityLineItem":
        recount(world, row.values["OpportunityId"], by=by)
    twin = granting.twin_of(str(row.values.get("Field"))) if name == "FieldPermissions" else None
    if twin is not None:
        table = world.table(name)
        for other in list(table.where("ParentId", [row.values["ParentId"]])):
            if other.values["Field"] == twin:
                table.delete(other.id, by=by)


def recount(world: World, deal_id: str, *, by: str) -> None:
    """Bring an opportunity's amount in step with its products; the amount stays when there are none left."""
    if world.table("Opportunity").get(deal_id) is not None:
        has = any(True for _ in world.table("OpportunityLineItem").where("OpportunityId", [deal_id]))
        world.table("Opportunity").update(deal_id, {"HasOpportunityLineItem": has}, by=by)
