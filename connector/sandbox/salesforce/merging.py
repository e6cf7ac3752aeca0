"""Two things people do at a screen and no REST call does: merge accounts, and take records out of the recycle bin.

Not deletion (`writes.py`). Facts: Salesforce §7: the loser of a merge is deleted and names its master.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.rows import Missing
from connector.sandbox.salesforce.catalog import catalog

if TYPE_CHECKING:
    from connector.sandbox.state import World

MAX_LOSERS = 2
"""A merge takes up to three records in all."""


def merge_accounts(world: World, master: str, losers: list[str], *, by: str) -> int:
    """Give everything that hangs on the losers to the master and delete them; returns how many rows changed parents.

    Raises Missing for an account that is not there, ValueError for too many or for a merge with itself.
    """
    accounts = world.table("Account")
    if not 0 < len(losers) <= MAX_LOSERS or master in losers:
        raise ValueError(f"a merge takes one to {MAX_LOSERS} other accounts, not {losers}")
    for account in (master, *losers):
        if accounts.get(account) is None:
            raise Missing(account)
    moved = _reparent(world, master, set(losers), by=by)
    for loser in losers:
        accounts.update(loser, {"MasterRecordId": master}, by=by)
        accounts.delete(loser, by=by)
    return moved


def undelete(world: World, name: str, record_id: str, *, by: str) -> int:
    """Take a record and what was deleted with it out of the recycle bin; returns how many rows came back.

    Raises Missing when it is not there, NotUnique when a key was taken in the meantime.
    """
    row = world.table(name).rows.get(record_id)
    if row is None or row.deleted_at is None:
        raise Missing(record_id)
    gone_at = row.deleted_at
    world.table(name).restore(record_id, by=by)
    count = 1
    for child, parent in catalog(world).hanging(name):
        for hung in list(world.table(child).rows.values()):
            if hung.deleted_at == gone_at and hung.values.get(parent) == record_id:
                count += undelete(world, child, hung.id, by=by)
    return count


def _reparent(world: World, master: str, losers: set[str], *, by: str) -> int:
    moved = 0
    for kind in catalog(world).objects():
        for field in kind.own:
            if "Account" not in field.to or field.name == "MasterRecordId" or kind.setup:
                continue
            table = world.table(kind.name)
            for row in list(table.where(field.name, losers)):
                if row.id != master or field.name != "ParentId":
                    table.update(row.id, {field.name: master}, by=by)
                    moved += 1
    return moved
