"""Fields that Salesforce computes from others, and the history it keeps: run at every write, by API or by hand.

Not validation: a value that cannot be right is refused earlier, in `writes.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import granting, peculiar
from connector.sandbox.salesforce.values import parse_datetime, plain, wire_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector.sandbox.rows import Row, Table
    from connector.sandbox.state import World

HISTORY_FIELDS = ("StageName", "Amount", "CloseDate", "Probability")
"""A change of any of these leaves an OpportunityHistory row (facts: Salesforce §6.10)."""

Values = dict[str, Any]


def hook(table: Table, defaults: Callable[[], Mapping[str, Any]]) -> None:
    """Make a table derive its computed fields; what `defaults` gives fills what an insert leaves out."""
    derive = _DERIVE.get(table.name)

    def before(row: Row | None, changes: Values) -> Values:
        given = {name: plain(value) for name, value in changes.items()}
        if row is None:
            given = {**defaults(), **given}
        return derive(table.world, row, given) if derive else given

    table.before_write = before
    after = _AFTER.get(table.name)
    if after is not None:
        table.after_write = after(table.world)


def _opportunity(world: World, row: Row | None, given: Values) -> Values:
    old = row.values if row else {}
    given = _amount(world, row, given)
    if "StageName" not in given and row is not None:
        return given
    stage = world.table("OpportunityStage").find_unique("ApiName", given.get("StageName"))
    if stage is not None:
        given["IsClosed"] = stage.values["IsClosed"]
        given["IsWon"] = stage.values["IsWon"]
        given["Probability"] = stage.values["DefaultProbability"]
    if given.get("StageName") != old.get("StageName") and "LastStageChangeDate" not in given and row is not None:
        given["LastStageChangeDate"] = wire_datetime(world.clock.now())
    return given


def _amount(world: World, row: Row | None, given: Values) -> Values:
    # An amount given for a deal with products is ignored without a word (facts: Salesforce §7).
    has = given.get("HasOpportunityLineItem", row is not None and row.values.get("HasOpportunityLineItem"))
    if has and row is not None:
        items = world.table("OpportunityLineItem").where("OpportunityId", [row.id])
        given["Amount"] = float(sum(item.values.get("TotalPrice") or 0 for item in items))
    return given


def _line_item(_world: World, row: Row | None, given: Values) -> Values:
    now = {**(row.values if row else {}), **given}
    if "TotalPrice" not in given and now.get("UnitPrice") is not None:
        given["TotalPrice"] = float(now["UnitPrice"]) * float(now.get("Quantity") or 0)
    return given


def _account(world: World, row: Row | None, given: Values) -> Values:
    # Only where person accounts are on does an account have a last name (facts: Salesforce §7).
    now = {**(row.values if row else {}), **given}
    if not now.get("LastName"):
        return given
    return {**_full_name(world, row, given), "IsPersonAccount": True}


def _activity_account(world: World, row: Row | None, given: Values) -> Values:
    if "WhatId" not in given and row is not None:
        return given
    what = given.get("WhatId")
    deal = world.table("Opportunity").get(what) if what else None
    account = world.table("Account").get(what) if what else None
    given["AccountId"] = deal.values.get("AccountId") if deal else account.id if account else None
    return given


def _task(world: World, row: Row | None, given: Values) -> Values:
    given = _activity_account(world, row, given)
    if "Status" in given:
        done = given["Status"] == "Completed"
        was = bool(row and row.values.get("IsClosed"))
        given["IsClosed"] = done
        if done != was:
            kept = given.get("CompletedDateTime")
            given["CompletedDateTime"] = (kept or wire_datetime(world.clock.now())) if done else None
    return given


def _event(world: World, row: Row | None, given: Values) -> Values:
    given = _activity_account(world, row, given)
    now = {**(row.values if row else {}), **given}
    start = parse_datetime(now.get("StartDateTime") or "")
    if start is None:
        return given
    given["ActivityDate"] = start.date().isoformat()
    end = parse_datetime(now.get("EndDateTime") or "")
    if "EndDateTime" in given and end is not None:
        given["DurationInMinutes"] = int((end - start).total_seconds() // 60)
    elif now.get("DurationInMinutes") is not None:
        given["EndDateTime"] = wire_datetime(start + timedelta(minutes=int(now["DurationInMinutes"])))
    return given


def _user(world: World, row: Row | None, given: Values) -> Values:
    given = _full_name(world, row, given)
    if row is None and (profile := granting.profile_of(world, given)):
        given["ProfileId"] = profile
    return given


def _full_name(_world: World, row: Row | None, given: Values) -> Values:
    now = {**(row.values if row else {}), **given}
    parts = [now[part] for part in ("FirstName", "LastName") if now.get(part)]
    if parts and ("FirstName" in given or "LastName" in given):
        given["Name"] = " ".join(parts)
    return given


def _keeper(world: World) -> Callable[[Row, Values], None]:
    def keep(row: Row, before: Values) -> None:
        if all(before.get(name) == row.values.get(name) for name in HISTORY_FIELDS):
            return
        snapshot = {name: row.values.get(name) for name in HISTORY_FIELDS}
        world.table("OpportunityHistory").insert(
            {"OpportunityId": row.id, **snapshot}, by=row.modified_by, at=row.modified_at
        )

    return keep


def _products(world: World) -> Callable[[Row, Values], None]:
    def keep(row: Row, _before: Values) -> None:
        peculiar.recount(world, row.values["OpportunityId"], by=row.modified_by)

    return keep


def _twins(world: World) -> Callable[[Row, Values], None]:
    def keep(row: Row, _before: Values) -> None:
        granting.mirror(world, row.values, by=row.modified_by)

    return keep


_AFTER: dict[str, Callable[[World], Callable[[Row, Values], None]]] = {
    "Opportunity": _keeper,
    "FieldPermissions": _twins,
    "OpportunityLineItem": _products,
}
_DERIVE: dict[str, Callable[[World, Row | None, Values], Values]] = {
    "Account": _account,
    "OpportunityLineItem": _line_item,
    "Opportunity": _opportunity,
    "Task": _task,
    "Event": _event,
    "User": _user,
    "Contact": _full_name,
}
