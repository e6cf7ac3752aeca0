"""Loads the CRM sales data set into a world: agents become users, opportunities become deals with their history.

Loading twice adds nothing: each deal carries its opportunity id in its name. Every row of the file is accounted
for in the report: loaded, there already, or refused with a reason. Reading and repairing is `dataset.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector.sandbox import dataset, views
from connector.sandbox.dataset import AgentRow, Dataset, DealRow, RowNote
from connector.sandbox.people import AE, BY_EMAIL, SALES_LEAD, Person
from connector.sandbox.seed import HISTORY_UNTIL
from connector.sandbox.views import at_moment

if TYPE_CHECKING:
    from connector.sandbox.state import World
    from connector.sandbox.views import CrmView

_NAME = re.compile(r"\[([0-9A-Za-z-]+)\]$")
_NOON = time(12, tzinfo=UTC)
# The CRM wants an expected close date of every open deal; the files have none.
_OPEN_FOR = timedelta(days=90)
# User numbers of loaded agents start behind those of the seeded people.
_FIRST_NUMBER = 1_000


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the files. `rows` = `loaded` + `already` + rows of the pipeline in `refused`."""

    system: str
    rows: int
    loaded: int
    already: int
    users: int
    accounts: int
    counts: dict[str, dict[str, int]]
    repaired: list[RowNote]
    incomplete: list[RowNote]
    refused: list[RowNote]


def load_folder(world: World, folder: Path) -> LoadReport:
    """Load the four files of `folder` into a world. Raises `dataset.DatasetError` when a file or column is missing."""
    found = dataset.read(folder)
    with world.lock:
        crm = views.view(world)
        users = _users(crm, found.agents)
        accounts, new_accounts = _accounts(crm, found)
        loaded, already = _deals(crm, found, users=users, accounts=accounts)
        world.setting(HISTORY_UNTIL, world.clock.now().isoformat())
        world.flush()
    notes = {"repaired": found.repaired, "incomplete": found.incomplete, "refused": found.refused}
    return LoadReport(
        system=world.name,
        rows=found.rows,
        loaded=loaded,
        already=already,
        users=len(users),
        accounts=new_accounts,
        counts={name: dataset.count_kinds(rows) for name, rows in notes.items()},
        **notes,
    )


def _users(crm: CrmView, agents: list[AgentRow]) -> dict[str, str]:
    """User ids by agent name; agents are made in the order of the file, managers first."""
    known = {user.email: user.id for user in crm.users()}
    ids: dict[str, str] = {}
    for number, agent in enumerate(agents, start=_FIRST_NUMBER):
        email = _email(agent.name)
        if email not in known:
            first, _, last = agent.name.partition(" ")
            manager = _email(agent.manager) if agent.manager else ""
            role = AE if agent.manager else SALES_LEAD
            person = BY_EMAIL.get(email) or Person(first, last or first, email, role, agent.region, manager)
            known[email] = crm.add_user(person, number=number)
        ids[agent.name] = known[email]
    return ids


def _accounts(crm: CrmView, found: Dataset) -> tuple[dict[str, str], int]:
    """Account ids by name, and how many were new. A parent company is named in the order it appears."""
    ids = {account.name: account.id for account in crm.accounts()}
    by, new = crm.users()[0].id, 0
    parents_first = sorted(found.accounts, key=lambda row: bool(row.parent))
    for row in parents_first:
        if row.name in ids:
            continue
        words = (f"Founded {row.founded}." if row.founded else "", f"Part of {row.parent}." if row.parent else "")
        values: dict[str, Any] = {
            "name": row.name,
            "industry": row.industry or None,
            "country": row.country or None,
            "employees": row.employees,
            "revenue": row.revenue,
            "parent": ids.get(row.parent),
            "description": " ".join(word for word in words if word) or None,
        }
        ids[row.name] = crm.add_account(values, by=by)
        new += 1
    return ids, new


def _deals(crm: CrmView, found: Dataset, *, users: dict[str, str], accounts: dict[str, str]) -> tuple[int, int]:
    present = {match[1] for deal in crm.deals() if (match := _NAME.search(deal.name))}
    fresh = [row for row in found.deals if row.key not in present]
    now = crm.world.clock.now()
    for row in fresh:
        _deal(crm, row, owner=users[row.agent], account=accounts.get(row.account), now=now)
    return len(fresh), len(found.deals) - len(fresh)


def _deal(crm: CrmView, row: DealRow, *, owner: str, account: str | None, now: datetime) -> None:
    began = _at(row.engaged) or _at(row.closed) or now
    values = {
        "name": f"{row.account or 'No account'} – {row.product} [{row.key}]",
        "amount": row.amount,
        "close_date": row.closed or (began + _OPEN_FOR).date(),
        "owner": owner,
        "account": account,
        "product": row.product,
    }
    open_phase = "demo" if row.phase in ("won", "lost") else row.phase
    with at_moment(crm.world.clock, min(began, now)):
        deal_id = crm.add_deal(values, stage=crm.stage_of(open_phase, "new").id, deal_type="new", by=owner)
    if row.phase != open_phase:
        ended = _at(row.closed) or now
        with at_moment(crm.world.clock, min(max(ended, began), now)):
            crm.move_deal(deal_id, crm.stage_of(row.phase, "new").id, by=owner)


def _at(day: date | None) -> datetime | None:
    # The files have dates without times; noon keeps the day the same in every time zone the seller works in.
    return datetime.combine(day, _NOON) if day else None


def _email(name: str) -> str:
    local = ".".join("".join(ch for ch in part if ch.isalnum() or ch == "-") for part in name.lower().split())
    return f"{local}@seller.example"
