"""One system under a real engine and a real store, over the CRM in memory, on a clock that moves when told.

Not here: any expectation. `Desk` plays the machine (passes, restarts, faults) and `MemoryCRM` the people; ``calls``
counts what was asked of the CRM, for tests that care about idle daemons.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from factories import BASELINE, HANDOFF_FIELDS, PEOPLE, STAGES, WON_STAGE, a_policy

from connector.clock import ManualClock
from connector.crm.memory import MemoryCRM
from connector.crm.memory_rows import Row
from connector.engine.onepass import PassResult, run_pass
from connector.engine.parts import Shared, System, Timing
from connector.handoff.model import Kind, SystemName, Value
from connector.handoff.plan import Notify
from connector.handoff.rulebook.policy import Policy
from connector.store import Store, open_store
from connector.telemetry import Telemetry

SYSTEM = SystemName("mem")
POLL = timedelta(seconds=5)
SLOW_POLL = timedelta(seconds=30)
"""While waiting for rest only, to spare time."""


@dataclass(slots=True)
class Desk:
    """The machine under test. ``told`` holds every message that was sent outside the CRM."""

    clock: ManualClock
    crm: MemoryCRM
    store: Store
    shared: Shared
    system: System
    calls: Counter[str]
    told: list[Notify] = field(default_factory=list)

    def run(self, **span: float) -> PassResult:
        """Let time pass (a poll's worth by default), then run one pass."""
        self.clock.advance(timedelta(**span) if span else POLL)
        return run_pass(self.shared, self.system)

    def settle(self, *, passes: int = 40) -> None:
        """Poll until two minutes went by without a look or a write. Raises AssertionError when that never comes."""
        quiet = 0
        for _ in range(passes * 4):
            result = self.run(seconds=SLOW_POLL.seconds)
            quiet = 0 if result.looked or result.applied or result.error else quiet + 1
            if quiet * SLOW_POLL >= timedelta(minutes=2):
                return
        raise AssertionError(f"never quiet: {self.store.counts(SYSTEM)} {self.store.next_due(SYSTEM)}")

    def idle_minute(self) -> Counter[str]:
        """What a minute of polls asks of the CRM."""
        self.calls.clear()
        for _ in range(12):
            self.run()
        return +self.calls

    def restart(self, **changes: Any) -> None:
        """A new process on the same store; ``changes`` replace parts of the system (policy, act)."""
        old = self.system
        self.system = System(
            name=old.name,
            crm=changes.get("crm", old.crm),
            policy=changes.get("policy", old.policy),
            act=changes.get("act", old.act),
        )

    def lose_ledger(self) -> None:
        """The database is gone and a new, empty one takes its place."""
        self.store.close()
        self.store = open_store("sqlite://", clock=self.clock)
        self.shared = dataclasses.replace(self.shared, store=self.store)
        self.restart()

    def a_deal(self, *, account: str | None = "new", stage: str = "Negotiation", **values: Value) -> str:
        """A deal with every required field filled, unless ``values`` empty one; with an account of its own."""
        if account == "new":
            account = self.crm.add_account(name="Nordlys AS", industry="energy")
        given: dict[str, Value] = {"name": "Nordlys rollout", "owner": "u-ae", **HANDOFF_FIELDS, **values}
        return self.crm.add_deal(stage=stage, account_id=account, **given)  # type: ignore[arg-type]

    def win(self, deal_id: str) -> None:
        """The rep drags a deal to Closed Won."""
        self.crm.edit(deal_id, stage=WON_STAGE.id)

    def deal(self, deal_id: str) -> dict[str, Value]:
        """A deal's fields as they stand."""
        return self.crm.row(deal_id).values

    def account_of(self, deal_id: str) -> dict[str, Value]:
        """The fields of a deal's account."""
        account_id = self.crm.row(deal_id).account_id
        assert account_id is not None
        return self.crm.row(account_id).values

    def tasks(self, deal_id: str) -> dict[str, Row]:
        """The connector's tasks on a deal, by step; raises AssertionError when one is there twice."""
        found: dict[str, Row] = {}
        for row in self.crm.rows(Kind.TASK):
            if row.deal_id == deal_id and row.key:
                step = row.key.rsplit(":", 1)[1]
                assert step not in found, f"{step} twice on {deal_id}"
                found[step] = row
        return found

    def notes(self, deal_id: str) -> list[Row]:
        """The notes on a deal."""
        return [row for row in self.crm.rows(Kind.NOTE) if row.deal_id == deal_id]


def a_desk(
    *,
    policy: Policy | None = None,
    act: bool = True,
    start: datetime = BASELINE,
    timing: Timing | None = None,
    send: Callable[[Notify], None] | None = None,
    url: str = "sqlite://",
    **crm: Any,
) -> Desk:
    """A daemon that begins to act now, at ``start``, over a CRM with people and stages and nothing else."""
    clock = ManualClock(start)
    calls: Counter[str] = Counter()
    memory = MemoryCRM(
        system=SYSTEM,
        clock=clock,
        people=list(PEOPLE.values()),
        stages=list(STAGES.values()),
        on_call=lambda label: calls.update([label]),
        **crm,
    )
    told: list[Notify] = []
    store = open_store(url, clock=clock)
    shared = Shared(
        store=store,
        clock=clock,
        telemetry=Telemetry(),
        timing=timing or Timing(),
        owner="test",
        send_notice=send or told.append,
        stopping=threading.Event(),
    )
    system = System(name=SYSTEM, crm=memory, policy=policy or a_policy(), act=act)
    return Desk(clock, memory, store, shared, system, calls, told)
