"""A Salesforce org as a hostile place: what only this vendor has (hidden fields, picklists, a cascade to the bin).

Not here: what both vendors share (``vendors``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from chaos.machine import strikes
from chaos.machine.vendors import VendorPlace
from connector.crm.port import CRM
from connector.crm.salesforce.adapter import connect_salesforce
from connector.crm.salesforce.login import SalesforceLogin
from connector.crm.salesforce.wire import MARK
from connector.handoff.model import Kind, SystemName
from connector.sandbox.rows import Row
from connector.sandbox.salesforce import merging, schema
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.users import integration_user

APP = {"client_id": "handoff-daemon", "client_secret": "sandbox-secret"}
KEPT_BY_THE_ORG = frozenset(
    {
        *("IsClosed", "IsWon", "Probability", "ForecastCategory", "ForecastCategoryName", "ExpectedRevenue"),
        *("LastStageChangeDate", "LastActivityDate", "LastAmountChangedHistoryId", "HasOverdueTask", "CloseDate"),
    }
)


class SalesforcePlace(VendorPlace):
    """The sandbox's org."""

    name = "salesforce"
    system = SystemName("sf")
    tables: ClassVar[Mapping[str, Kind]] = {
        "Opportunity": Kind.DEAL,
        "Account": Kind.ACCOUNT,
        "Task": Kind.TASK,
        "Note": Kind.NOTE,
    }
    merges_deals: bool = False
    pickable: tuple[str, ...] = ("status", "gate")
    hideable: tuple[str, ...] = ("summary", "missing", "champion", "csm")

    def connected(self) -> CRM:
        """A new session, by the shipped mapping."""
        return connect_salesforce(
            system=self.system,
            map=self.map,
            login=SalesforceLogin(self.sandbox.sf_url, **APP),
            clock=self.machine_clock,
            sleep=lambda _: None,
        )

    def is_us(self, by: str) -> bool:
        """The integration user."""
        return by == self._us

    def derived(self, kind: Kind, name: str) -> bool:
        """What the org computes."""
        return name in KEPT_BY_THE_ORG or (kind is Kind.DEAL and name.startswith(("Fiscal", "Push")))

    def key(self, kind: Kind, row: Row) -> str:
        """A field of tasks; a line of notes."""
        if kind is not Kind.NOTE:
            return str(row.values.get("Handoff_Key__c") or "")
        lines = str(row.values.get("Body") or "").splitlines()
        return next((line.removeprefix(MARK).strip() for line in lines if line.startswith(MARK)), "")

    def restore(self, deal_id: str) -> bool:
        """A person takes a deal out of the bin."""
        with self.world.lock:
            merging.undelete(self.world, "Opportunity", deal_id, by=self.reps[0])
        return True

    def merge_deals(self, winner: str, loser: str) -> None:
        """Opportunities cannot be merged."""

    def merge_accounts(self, winner: str, loser: str) -> None:
        """A person merges two accounts."""
        with self.world.lock:
            merging.merge_accounts(self.world, winner, [loser], by=self.reps[0])

    def set_active(self, person: str, active: bool) -> None:
        """Somebody is deactivated, or comes back."""
        with self.world.lock:
            self.world.table("User").update(person, {"IsActive": active}, by="system")

    def drop_choice(self, name: str) -> None:
        """An admin replaces the values of a picklist."""
        found = catalog(self.world).object("Opportunity")
        field = found.find(self._field(Kind.DEAL, name)) if found else None
        if field is not None and name not in self._picks:
            self._picks[name] = field
            catalog(self.world).put_field("Opportunity", dataclasses.replace(field, values=("Something else",)))
            self.changed.add(strikes.choice(field.name))

    def hide(self, name: str) -> None:
        """An admin takes a field from the connector."""
        field = self._field(Kind.DEAL, name)
        catalog(self.world).hide_field("Opportunity", field)
        self.changed.add(strikes.hidden(field))

    def heal(self) -> None:
        """And gives all of it back."""
        super().heal()
        org = catalog(self.world)
        kind = org.object("Opportunity")
        kept = org._keeping("Opportunity")
        if kept["hidden"] and kind is not None:
            kept["hidden"] = []
            org._set(kind)
        for field in self._picks.values():
            org.put_field("Opportunity", field)
        self._picks.clear()

    def _furnish(self) -> None:
        self._picks = getattr(self, "_picks", {})
        schema.furnish(self.world)
        self._us = integration_user(self.world).id

    def _give_account(self, deal_id: str, account_id: str) -> None:
        self.world.table("Opportunity").update(deal_id, {"AccountId": account_id}, by=self.reps[0])

    def _delete(self, kind: Kind, record_id: str) -> None:
        with self.world.lock:
            name = next(name for name, each in self.tables.items() if each is kind)
            gone = [(name, record_id)]
            for child, parent in catalog(self.world).hanging(name):
                gone += [(child, row.id) for row in list(self.world.table(child).where(parent, [record_id]))]
            for table, one in gone:
                if self.world.table(table).get(one) is not None:
                    self.world.table(table).delete(one, by=self.reps[0])

    def _parent(self, kind: Kind, row: Row) -> str:
        return str(row.values.get("ParentId" if kind is Kind.NOTE else "WhatId") or "")
