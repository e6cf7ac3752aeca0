"""Which deals a task, a meeting or an account belongs to, asked of the org in one call.

Not here: whether it is worth asking (``events``) and what the ledger knows already (the engine asks that first).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from connector.crm.salesforce.fields import DEAL_PREFIX, Names
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import Open, Soql, either, select_in, where
from connector.handoff.model import Kind, Ref

ASKED: tuple[Kind, ...] = (Kind.TASK, Kind.MEETING, Kind.ACCOUNT)


def deals_of(session: SalesforceSession, names: Names, refs: Sequence[Ref]) -> dict[Ref, tuple[str, ...]]:
    """The deals by record: what a task or meeting hangs on, an account's deals that are won or bear our gate."""
    wanted: dict[Kind, list[str]] = {}
    for ref in refs:
        wanted.setdefault(ref.kind, []).append(ref.id)
    statements: list[Soql] = []
    kinds: list[Kind] = []
    for kind in ASKED:
        if kind in wanted:
            asked = _accounts(names) if kind is Kind.ACCOUNT else _activities(names, kind)
            parts = list(asked.of(wanted[kind]))
            statements += parts
            kinds += [kind] * len(parts)
    found: dict[Ref, list[str]] = defaultdict(list)
    account = names.column(Kind.DEAL, "account") or "AccountId"
    for place, row in session.read_all(statements):
        kind = kinds[place]
        if kind is Kind.ACCOUNT:
            found[Ref(kind, str(row[account]))].append(str(row["Id"]))
        else:
            parent = str(row.get(names.column(kind, "deal") or "WhatId") or "")
            if parent.startswith(DEAL_PREFIX):
                found[Ref(kind, str(row["Id"]))].append(parent)
    return {ref: tuple(deals) for ref, deals in found.items()}


def _activities(names: Names, kind: Kind) -> Open:
    return select_in(["Id", names.column(kind, "deal") or "WhatId"], of=names.object(kind), field="Id")


def _accounts(names: Names) -> Open:
    account = names.column(Kind.DEAL, "account") or "AccountId"
    gate = names.column(Kind.DEAL, "gate")
    won = where("IsWon", "=", value=True)
    begun = either(won, where(gate, "!=", None)) if gate else won
    return select_in(["Id", account], of=names.object(Kind.DEAL), where=begun, field=account)
