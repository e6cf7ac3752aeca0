"""Digests of answers on deals, so that the same words on another deal of the same AE are known for a copy.

Not here: what is a copy and what follows from it (``handoff.quality``). No word of an answer is kept, only a digest; it
is let go of after a year, with its deal, and when its account is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, select, tuple_

from connector.handoff.model import SystemName
from connector.handoff.plan import Prints
from connector.store.database import Database, Part, chunks
from connector.store.schema import answer

KEPT_FOR = timedelta(days=366)
"""Longer than any mapping may compare answers for."""

NOT_YET = datetime(9999, 1, 1, tzinfo=UTC)
"""Since when an answer stands that nobody has remembered yet."""


class Answers(Part):
    """Who said the same before."""

    def same_answers(
        self, system: SystemName, asked: Mapping[str, Prints], *, since: datetime
    ) -> Mapping[str, Mapping[str, str]]:
        """By deal and field, another deal on which this answer stood before, since a time.

        Only deals of the same owner and of another account count: a customer who renews may well say the same again.
        """
        prints = sorted({one for each in asked.values() for one in each.of.values()})
        said: dict[str, list[_Said]] = {}
        with self._db.read() as connection:
            for part in chunks(prints):
                query = select(answer).where(answer.c.system == system, answer.c.print.in_(part))
                for row in connection.execute(query):
                    if row.at > since or row.deal_id in asked:
                        said.setdefault(row.print, []).append(_Said(row.at, row.deal_id, row.owner_id, row.account_id))
        for deal_id, each in asked.items():
            for print_ in set(each.of.values()):
                known = said.setdefault(print_, [])
                if all(one.deal_id != deal_id for one in known):
                    known.append(_Said(NOT_YET, deal_id, each.owner, each.account))
        found: dict[str, dict[str, str]] = {}
        for deal_id, each in asked.items():
            for field, print_ in each.of.items():
                fresh = [one for one in said[print_] if one.at > since or one.deal_id == deal_id]
                if other := _earlier(sorted(fresh), deal_id, each):
                    found.setdefault(deal_id, {})[field] = other
        return found


@dataclass(frozen=True, slots=True, order=True)
class _Said:
    """That an answer stands on a deal, since when; those that are about to be remembered go by their ids."""

    at: datetime
    deal_id: str
    owner: str
    account: str


def _earlier(said: Sequence[_Said], deal_id: str, own: Prints) -> str:
    """The first other deal with this answer; they come in the order in which they were said, so none after our own."""
    for one in said:
        if one.deal_id == deal_id:
            return ""
        if one.owner == own.owner and own.owner and (one.account != own.account or not own.account):
            return one.deal_id
    return ""


def write_answers(
    db: Database, connection: Connection, system: SystemName, decided: Mapping[str, Prints], now: datetime
) -> None:
    """Remember what stands on these deals now; an answer that stayed the same keeps its time."""
    before: dict[tuple[str, str], str] = {}
    for part in chunks(sorted(decided)):
        query = select(answer.c.deal_id, answer.c.field, answer.c.print)
        for row in connection.execute(query.where(answer.c.system == system, answer.c.deal_id.in_(part))):
            before[row.deal_id, row.field] = row.print
    there = {(deal_id, field): one for deal_id, each in decided.items() for field, one in each.of.items()}
    gone = sorted(set(before) - set(there))
    for keys in chunks(gone):
        pairs = tuple_(answer.c.deal_id, answer.c.field)
        connection.execute(delete(answer).where(answer.c.system == system, pairs.in_(keys)))
    new = [
        {
            "system": system,
            "deal_id": deal_id,
            "field": field,
            "print": one,
            "owner_id": decided[deal_id].owner,
            "account_id": decided[deal_id].account,
            "at": now,
        }
        for (deal_id, field), one in sorted(there.items())
        if before.get((deal_id, field)) != one
    ]
    if not new:
        return
    connection.execute(delete(answer).where(answer.c.system == system, answer.c.at < now - KEPT_FOR))
    statement = db.insert(answer)
    fresh = statement.excluded
    changed = {name: fresh[name] for name in ("print", "owner_id", "account_id", "at")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["system", "deal_id", "field"], set_=changed), new
    )
