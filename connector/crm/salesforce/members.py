"""Places on the teams of opportunities and accounts, as rows to send.

Not here: sending (``writes``). On an opportunity's team a second row for the same person updates the first, so nothing
can be doubled; on an account's team nobody promises that, so its rows are looked for (facts: Salesforce §6.6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import ALIVE, select_in
from connector.crm.writing import (
    Write,
)
from connector.handoff.model import Kind
from connector.policy.crmmap import CrmMap

DEAL_TEAM, ACCOUNT_TEAM = "OpportunityTeamMember", "AccountTeamMember"
READ = "Read"

Place = tuple[str, str]
"""An account and a person."""

Seat = tuple[str, str, str]
"""A team of deal or account, which one, and a person."""


def sent(write: Write, crm_map: CrmMap, *, known: Mapping[Place, str]) -> dict[str, Any]:
    """The row of one place. One with an ``id`` is there already; accounts, persons and deals never change in it."""
    role, person = write.values["role"], write.values["person"]
    access = crm_map.team_access.get(str(write.values["on"]), READ)
    if write.values["on"] == "deal":
        return {
            "attributes": {"type": DEAL_TEAM},
            "OpportunityId": write.parents[0].id,
            "UserId": person,
            "TeamMemberRole": role,
            "OpportunityAccessLevel": access,
        }
    place = (_account(write), str(person))
    row: dict[str, Any] = {"attributes": {"type": ACCOUNT_TEAM}, "TeamMemberRole": role, "AccountAccessLevel": access}
    if place in known:
        return {**row, "id": known[place]}
    # No other access level is asked for: each must be at least the org's default, which is not ours to know.
    return {**row, "AccountId": place[0], "UserId": place[1]}


def leaves(write: Write) -> bool:
    """Whether somebody is to be taken off a team."""
    return write.values["role"] is None


def on_deals(session: SalesforceSession, writes: Sequence[Write], *, role: str) -> dict[Seat, str]:
    """Which of these people are on those deals' teams in this role, with the row's id. Raises `CrmError`."""
    deals = sorted({write.parents[0].id for write in writes})
    asked = select_in(
        ["Id", "OpportunityId", "UserId", "TeamMemberRole"], of=DEAL_TEAM, where=ALIVE, field="OpportunityId"
    )
    rows = session.read_all(list(asked.of(deals)))
    return {
        ("deal", str(row["OpportunityId"]), str(row["UserId"])): str(row["Id"])
        for _, row in rows
        if row.get("TeamMemberRole") == role
    }


def on_accounts(session: SalesforceSession, writes: Sequence[Write]) -> dict[Place, str]:
    """Which of these people are on those accounts' teams, with the row's id. Raises `CrmError`."""
    accounts = sorted({_account(write) for write in writes if write.values["on"] == "account"} - {""})
    if not accounts:
        return {}
    # No IsDeleted here: rows of this object that are gone are never told (facts: Salesforce §1.1).
    asked = select_in(["Id", "AccountId", "UserId"], of=ACCOUNT_TEAM, field="AccountId")
    rows = session.read_all(list(asked.of(accounts)))
    return {(str(row["AccountId"]), str(row["UserId"])): str(row["Id"]) for _, row in rows}


def seat(write: Write) -> Seat:
    """What a write is about: two that name the same one are one row to the vendor."""
    on = str(write.values["on"])
    return on, write.parents[0].id if on == "deal" else _account(write), str(write.values["person"])


def _account(write: Write) -> str:
    return next((ref.id for ref in write.parents if ref.kind is Kind.ACCOUNT), "")
