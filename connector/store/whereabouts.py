"""Which deals a record belongs to, as far as the ledger knows: what it made itself, and accounts it wrote to.

Not here: records it never heard of; those are asked of the CRM, if they are worth a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select

from connector.handoff.model import SystemName
from connector.store.database import Part, chunks
from connector.store.ledger import IN_FLIGHT
from connector.store.schema import effect, handoff


class Whereabouts(Part):
    """From records back to deals."""

    def deals_of_records(self, system: SystemName, record_ids: Iterable[str]) -> Mapping[str, str]:
        """The deal each of these records was made for, by record id; records that are not ours are left out."""
        found: dict[str, str] = {}
        with self._db.read() as connection:
            for part in chunks(sorted(set(record_ids))):
                query = select(effect.c.record_id, effect.c.deal_id)
                query = query.where(effect.c.system == system, effect.c.record_id.in_(part))
                found |= {row.record_id: row.deal_id for row in connection.execute(query)}
        return found

    def deals_of_accounts(self, system: SystemName, account_ids: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Handoffs under way by the account they wrote to; accounts with none are left out."""
        found: dict[str, list[str]] = {}
        phases = [phase.value for phase in IN_FLIGHT]
        with self._db.read() as connection:
            for part in chunks(sorted(set(account_ids))):
                query = select(handoff.c.account_id, handoff.c.deal_id)
                query = query.where(
                    handoff.c.system == system, handoff.c.account_id.in_(part), handoff.c.phase.in_(phases)
                )
                for row in connection.execute(query):
                    found.setdefault(row.account_id, []).append(row.deal_id)
        return {account: tuple(sorted(deals)) for account, deals in found.items()}

    def under_way(self, system: SystemName, deal_ids: Sequence[str]) -> frozenset[str]:
        """Which of these deals have a handoff under way."""
        found: set[str] = set()
        phases = [phase.value for phase in IN_FLIGHT]
        with self._db.read() as connection:
            for part in chunks(sorted(set(deal_ids))):
                query = select(handoff.c.deal_id)
                query = query.where(
                    handoff.c.system == system, handoff.c.deal_id.in_(part), handoff.c.phase.in_(phases)
                )
                found.update(connection.execute(query).scalars())
        return frozenset(found)
