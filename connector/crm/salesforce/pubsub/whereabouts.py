"""Which deals a task, a meeting or an account belongs to, asked of the org in one call.

Not here: whether it is worth asking (``events``) and what the ledger knows already (the engine asks that first).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from connector.crm.salesforce.fields import DEAL_PREFIX, Names
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import in_lists, select
from connector.handoff.model import Kind, Ref

ASKED: tuple[Kind, ...] = (Kind.TASK, Kind.MEETING, Kind.ACCOUNT)


def deals_of(session: SalesforceSession, names: Names, refs: Sequence[Ref]) -> dict[Ref, tuple[str, ...]]:
    """The deals by record: what a task or meeting hangs on, an account's deals that are won or bear our gate."""
    wanted: dict[Kind, list[str]] = {}
    for ref in refs:
        wanted.setdefault(ref.kind, []).append(ref.id)
    statements: list[str] = []
    kinds: list[Kind] = []
    for kind in ASKED:
        if kind in wanted:
            soql = _accounts(names) if kind is Kind.ACCOUNT else _activities(names, kind)
            parts = [soql + part for part in in_lists(wanted[kind], around=soql)]
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


def _activities(names: Names, kind: Kind) -> str:
    return select(["Id", names.column(kind, "deal") or "WhatId"], of=names.object(kind), where="Id IN ")


def _accounts(names: Names) -> str:
    account = names.column(Kind.DEAL, "account") or "AccountId"
    gate = names.column(Kind.DEAL, "gate")
    begun = f"(IsWon = TRUE OR {gate} != null)" if gate else "IsWon = TRUE"
    return select(["Id", account], of=names.object(Kind.DEAL), where=f"{begun} AND {account} IN ")
