"""One CRM of the sandbox with a person's hands on it: deals made ready, old books filled, wins made, and what stands.

Not here: the connector (``ground``). Everything is done and judged in the sandbox's own rows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connector.sandbox import agreed, book, people, views
from connector.sandbox.screens.actions import Actions
from connector.sandbox.seed import add_account
from connector.sandbox.state import World

REVOPS = "iris.novak@seller.example"
LONG_AGO = timedelta(days=300)
DEALS_PER_ACCOUNT = 10
CSM_TITLE = people.ROLE_TITLES[people.CSM]


@dataclass(slots=True)
class Desk:
    """One CRM of the sandbox and a person's hands on it."""

    world: World
    crm: views.CrmView = field(init=False)
    do: Actions = field(init=False)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.crm, self.do = views.view(self.world), Actions(self.world)
        self.rng = random.Random(f"bench:{self.world.name}")

    @property
    def name(self) -> str:
        """``sf`` or ``hs``."""
        return self.world.name

    def prepare(self, count: int) -> list[str]:
        """So many complete new-business deals in negotiation, each with an account of its own; returns their ids.

        They are written an hour back, so that making them is no part of what a poll finds.
        """
        now = self.world.clock.now()
        with self.world.lock, views.at_moment(self.world.clock, now - timedelta(hours=1)):
            by = self.crm.user_named(REVOPS).id
            return [self._deal(home, now=now, by=by) for home in book.account_plans(self.rng, count, held=False)]

    def _deal(self, home: book.AccountPlan, *, now: datetime, by: str) -> str:
        plan = book.deal_plan(
            self.rng, home, key="B", today=now.date(), phase="negotiation", deal_type="new", complete=True
        )
        owner = self.crm.user_named(plan.owner).id
        values = {
            "name": plan.name, "amount": plan.amount, "close_date": now.date(), "owner": owner,
            "account": add_account(self.crm, home, by=by), "product": plan.product, **plan.fields,
        }  # fmt: skip
        return self.crm.add_deal(values, stage=self.crm.stage_of("negotiation", "new").id, deal_type="new", by=owner)

    def fill(self, deals: int, *, numbered_from: int = 0, open_too: bool = True) -> None:
        """Old deals, half of them open and half won, ten to a customer with a CSM; all of it happened long ago.

        Without ``open_too`` all of them are won.
        """
        won, open_ = (self.crm.stage_of(phase, "new").id for phase in ("won", "negotiation"))
        with self.world.lock, views.at_moment(self.world.clock, self.world.clock.now() - LONG_AGO):
            by = self.crm.user_named(REVOPS).id
            csms = [user.id for user in self.crm.users() if user.title == CSM_TITLE and user.active]
            account = ""
            for number in range(numbered_from, numbered_from + deals):
                if number % DEALS_PER_ACCOUNT == 0:
                    csm = csms[number // DEALS_PER_ACCOUNT % len(csms)]
                    account = self.crm.add_account({"name": f"Customer {number}", "csm": csm}, by=by)
                values = {"name": f"Deal {number}", "amount": 20_000, "owner": by, "account": account}
                self.crm.add_deal(values, stage=won if number % 2 or not open_too else open_, deal_type="new", by=by)

    def win(self, deal_ids: Sequence[str]) -> None:
        """Drag deals to Closed Won, as their owners do."""
        stage = self.crm.stage_of("won", "new").id
        for deal_id in deal_ids:
            self.do.move_stage(deal_id, stage, by=self.crm.deal(deal_id).owner)

    def handed_off(self, deal_id: str) -> bool:
        """Whether the last write of a handoff is visible: status on the deal, all tasks, and the note."""
        with self.world.lock:
            deal = self.crm.deal(deal_id)
            if deal.text("gate") not in agreed.PASSED_GATES or not deal.text("status") or not deal.text("csm"):
                return False
            tasks = sum(bool(task.key) for task in self.crm.tasks_of(deal_id))
            return tasks >= len(agreed.NEW_SUBJECTS) and bool(self.crm.notes_of(deal_id))

    def mark(self) -> int:
        """The journal's last number."""
        calls = self.world.journal.calls(system=self.name)
        return calls[-1].seq if calls else 0

    def calls(self, since: int) -> list[Any]:
        """The requests this CRM answered after a mark."""
        return list(self.world.journal.calls(since, system=self.name))
