"""A HubSpot portal as a hostile place: what only this vendor has (merged deals, archived records, option lists).

Not here: what both vendors share (``vendors``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from chaos.machine import strikes
from chaos.machine.vendors import VendorPlace
from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.session import Waits
from connector.crm.port import CRM
from connector.handoff.model import Kind, SystemName
from connector.sandbox.hubspot import catalog, links, merging, records, schema
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.rows import Row

DEAL, COMPANY = kind_of("deals"), kind_of("companies")
KEPT_BY_THE_PORTAL = ("hs_", "notes_", "num_", "days_to_close", "closedate", "closed_", "$", "pipeline")


class HubSpotPlace(VendorPlace):
    """The sandbox's portal."""

    name = "hubspot"
    system = SystemName("hs")
    tables: ClassVar[Mapping[str, Kind]] = {
        "deals": Kind.DEAL,
        "companies": Kind.ACCOUNT,
        "tasks": Kind.TASK,
        "notes": Kind.NOTE,
    }
    merges_deals: bool = True
    pickable: tuple[str, ...] = ("status", "gate")

    def connected(self) -> CRM:
        """A new session, by the shipped mapping."""
        return HubSpotCRM(
            system=self.system,
            map=self.map,
            token=schema.TOKEN,
            base_url=self.sandbox.hs_url,
            waits=Waits(clock=self.machine_clock, wait=lambda _: None),
            listens=False,
        )

    def is_us(self, by: str) -> bool:
        """The private app."""
        return by == schema.APP

    def derived(self, kind: Kind, name: str) -> bool:
        """What the portal computes."""
        return (kind, name) not in self.canonical and name.startswith(KEPT_BY_THE_PORTAL)

    def key(self, kind: Kind, row: Row) -> str:
        """A property of tasks and notes."""
        del kind
        return str(row.values.get("handoff_key") or "")

    def restore(self, deal_id: str) -> bool:
        """A person brings a deal back."""
        with self.world.lock:
            merging.restore(self.world, DEAL, deal_id, by=self.reps[0])
        return True

    def merge_deals(self, winner: str, loser: str) -> None:
        """A person merges two deals."""
        with self.world.lock:
            merging.merge_all(self.world, "deals", winner, [loser], by=self.reps[0])

    def merge_accounts(self, winner: str, loser: str) -> None:
        """A person merges two companies."""
        with self.world.lock:
            merging.merge_all(self.world, "companies", winner, [loser], by=self.reps[0])

    def set_active(self, person: str, active: bool) -> None:
        """Somebody is deactivated, or comes back."""
        with self.world.lock:
            self.world.table("owners").update(person, {"active": active}, by="system")

    def drop_choice(self, name: str) -> None:
        """An admin replaces the options of a property."""
        found = catalog.properties(self.world, DEAL)[self._field(Kind.DEAL, name)]
        if name not in self._picks:
            self._picks[name] = found
            catalog.keep(self.world, DEAL, dataclasses.replace(found, options=found.options[:1]), by="system")
            self.changed.add(strikes.choice(found.name))

    def hide(self, name: str) -> None:
        """No property can be hidden from an app alone (facts: HubSpot §3d): scopes are by object."""

    def heal(self) -> None:
        """And puts them back."""
        super().heal()
        for definition in self._picks.values():
            catalog.keep(self.world, DEAL, definition, by="system")
        self._picks.clear()

    def _furnish(self) -> None:
        self._picks = getattr(self, "_picks", {})
        schema.furnish(self.world)

    def _give_account(self, deal_id: str, account_id: str) -> None:
        for other, _ in list(links.linked(self.world, DEAL, deal_id, COMPANY)):
            links.unlink(self.world, DEAL, deal_id, COMPANY, other, by=self.reps[0])
        if account_id:
            links.link(self.world, DEAL, deal_id, COMPANY, account_id, by=self.reps[0])

    def _delete(self, kind: Kind, record_id: str) -> None:
        with self.world.lock:
            name = next(name for name, each in self.tables.items() if each is kind)
            records.archive(self.world, kind_of(name), record_id, by=self.reps[0])

    def _parent(self, kind: Kind, row: Row) -> str:
        found = links.linked(self.world, kind_of("notes" if kind is Kind.NOTE else "tasks"), row.id, DEAL)
        return next((other for other, _ in found), "")
