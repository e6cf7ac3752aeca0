"""Anything may happen to the inbox and the outbox in any order; these promises hold all the same.

No look and no row is lost, no row is handed out twice for one attempt, a deal's orders go out in turn, only the
attempt that was claimed settles a row, what is superseded is never sent, and in the end the last wish is what was
written last.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from plans import BUSY, GONE, NOW, REFUSED, SILENT, a_deal_patch, a_notice, a_plan, a_task, an_account_patch
from postgres_server import server_of

from connector.clock import ManualClock
from connector.handoff.model import HandoffKey, SystemName
from connector.handoff.plan import Action, Order, Patch, Plan
from connector.store import (
    RANKS,
    Applied,
    Claimed,
    Decided,
    Look,
    OutboxRow,
    Park,
    Reread,
    Result,
    Retry,
    Settlement,
    State,
    Store,
    Unsure,
    open_store,
)
from connector.store.states import OPEN, TRANSITIONS

DEALS = ("D1", "D2")
ACCOUNT = "A1"
KEPT_ANYWAY = {"patch-account", "notify-csm_assigned"}
LEASE_SECONDS = 60.0
STEPS = ("patch-revert", "patch-account", "task-a", "patch-deal", "notify-csm_assigned")
RUN = itertools.count()

wishes = st.one_of(
    st.just(dict.fromkeys(STEPS, 1)),
    st.dictionaries(st.sampled_from(STEPS), st.integers(min_value=1, max_value=2), max_size=len(STEPS)),
)
"""Mostly what was wanted before, so that rows live long enough to be sent more than once."""

results = st.sampled_from(["applied", "retry", "reread", "unsure", "park"])


def an_action(system: str, deal_id: str, step: str, variant: int) -> Action:
    """The action of this step; another variant is another payload."""
    text = f"{step} {variant}"
    key = f"{system}:{deal_id}:1:{step}"
    match step:
        case "patch-revert":
            return a_deal_patch(deal_id, step=step, order=Order.REVERT, values={"stage": text})
        case "patch-account":
            return an_account_patch(ACCOUNT, csm=text)
        case "patch-deal":
            return a_deal_patch(deal_id, values={"percent": Decimal(variant)})
        case "notify-csm_assigned":
            return a_notice(deal_id, key=key, fingerprint=text)
    return a_task(step, deal_id, key=key, fingerprint=text, values={"subject": text})


class StoreMachine(RuleBasedStateMachine):
    """The store under every order of calls; its model is what must be true whatever the order was."""

    reopen: Callable[[], Store]
    clock: ManualClock

    def __init__(self) -> None:
        super().__init__()
        self.store = self.reopen()
        self.system = SystemName(f"run-{next(RUN)}")
        self.store.set_baseline(self.system, NOW)
        self.claims: list[Claimed] = []
        self.handed_out: set[tuple[int, int]] = set()
        self.seen: dict[int, OutboxRow] = {}
        self.asked: dict[str, int] = dict.fromkeys(DEALS, 0)
        self.answered: dict[str, int] = dict.fromkeys(DEALS, 0)
        self.taken: dict[str, tuple[int, int]] = {}

    # What happens

    @rule(deal_id=st.sampled_from(DEALS))
    def something_changed(self, deal_id: str) -> None:
        self.store.enqueue(self.system, [Look(deal_id, self.clock.now(), "changed")], cursor=("deals", "x"))
        self.asked[deal_id] += 1

    @rule()
    def take_looks(self) -> None:
        for look in self.store.due(self.system, limit=10):
            self.taken[look.deal_id] = (look.version, self.asked[look.deal_id])

    @rule(deal_ids=st.sampled_from([("D1",), ("D2",), DEALS]), wish=wishes)
    def decide(self, deal_ids: tuple[str, ...], wish: dict[str, int]) -> None:
        decided = []
        for deal_id in deal_ids:
            version, asked = self.taken.pop(deal_id, (None, 0))
            decided.append(Decided(self._plan(deal_id, wish), version))
            self.answered[deal_id] = max(self.answered[deal_id], asked)
        self.store.record(self.system, decided, act=True)
        waiting = {row.step for row in self._rows() if row.deal_id in deal_ids and row.state is State.PENDING}
        assert waiting - set(wish) <= KEPT_ANYWAY, "what nobody wants any more still waits to be sent"

    @rule(size=st.integers(min_value=1, max_value=4), owner=st.sampled_from(["w1", "w2"]))
    def claim(self, size: int, owner: str) -> None:
        self.clock.advance(timedelta(seconds=1))
        before = {row.id: row for row in self._rows()}
        claimed = self._claim(owner, size)
        if claimed is None:
            return
        assert 1 <= len(claimed.rows) <= size
        assert len({target(row) for row in claimed.rows}) == len(claimed.rows), "one record twice in a call"
        for row in claimed.rows:
            assert before[row.id].state is State.PENDING
            assert row.lane == claimed.lane
            assert (row.id, row.attempt) not in self.handed_out
            self.handed_out.add((row.id, row.attempt))
            earlier = [
                other
                for other in before.values()
                if other.deal_id == row.deal_id and other.state in OPEN and RANKS[other.order] < RANKS[row.order]
            ]
            assert earlier == []
        self.claims.append(claimed)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """Settle some claim, perhaps one that was settled, rescued or given to another long ago."""
        claimed = data.draw(st.sampled_from(self.claims))
        chosen = [data.draw(results) for _ in claimed.rows]
        before = {row.id: row for row in self._rows()}
        items = [
            Settlement(row.id, row.attempt, self._result(name, row))
            for row, name in zip(claimed.rows, chosen, strict=True)
        ]
        counted = self.store.settle(items)
        after = {row.id: row for row in self._rows()}
        ends = {"applied": State.APPLIED, "retry": State.PENDING, "reread": State.SUPERSEDED}
        ends |= {"unsure": State.UNKNOWN, "park": State.PARKED}
        took = 0
        for row, name in zip(claimed.rows, chosen, strict=True):
            now = before[row.id]
            mine = now.attempt == row.attempt
            counts = mine and (now.state is State.SENDING or (now.state is State.UNKNOWN and name == "applied"))
            assert after[row.id].state is (ends[name] if counts else now.state)
            took += counts
        assert counted == took

    @rule()
    def workers_die(self) -> None:
        """Their leases run out; what they were sending is looked up later."""
        self.clock.advance(timedelta(seconds=LEASE_SECONDS))
        self.store.rescue(self.system, all_mine=False)
        assert all(row.state is not State.SENDING for row in self._rows())

    @precondition(lambda self: self.claims)
    @rule()
    def a_worker_is_slow(self) -> None:
        """It comes back with an answer after its rows were looked up, not found, and given to another."""
        self.workers_die()
        for row in self.store.unknown_rows(self.system, limit=10):
            self.store.resolve_unknown(row.id, found=None)
        self.claim(4, "w3")

    @rule(done=st.booleans())
    def verify(self, done: bool) -> None:
        for row in self.store.unknown_rows(self.system, limit=10):
            assert self.store.resolve_unknown(row.id, found=f"found-{row.id}" if done else None)

    @rule()
    def retry_by_hand(self) -> None:
        self.store.retry(system=self.system)
        assert self.store.parked(self.system) == ()

    @rule()
    def restart(self) -> None:
        """A process that starts again knows no claim and no look it had taken."""
        self.store.close()
        self.store = self.reopen()
        self.claims.clear()
        self.taken.clear()

    # What must hold

    @invariant()
    def rows_only_move_along_the_table(self) -> None:
        now = {row.id: row for row in self._rows()}
        assert set(self.seen) <= set(now), "a row is lost"
        for row_id, before in self.seen.items():
            row = now[row_id]
            assert row.action == before.action
            assert row.attempt >= before.attempt
            assert row.state is before.state or row.state in reachable(before.state)
            if before.state is State.SUPERSEDED:
                assert row.attempt == before.attempt, "a superseded row was sent"
        self.seen = now

    @invariant()
    def a_step_has_one_open_row(self) -> None:
        steps = [(row.deal_id, row.step) for row in self._rows() if row.state in OPEN]
        assert len(steps) == len(set(steps))

    @invariant()
    def no_look_is_lost(self) -> None:
        owed = {deal_id for deal_id in DEALS if self.asked[deal_id] > self.answered[deal_id]}
        assert owed <= {look.deal_id for look in self.store.due(self.system, limit=10)}

    def teardown(self) -> None:
        """Whatever happened: when people stop and receivers answer, the last wish is what was written last."""
        self.workers_die()
        for row in self.store.unknown_rows(self.system, limit=1000):
            self.store.resolve_unknown(row.id, found=None)
        last = dict.fromkeys(("patch-account", "task-a", "patch-deal"), 9)
        for deal_id in DEALS:
            self.store.record(self.system, [Decided(self._plan(deal_id, last))], act=True)
        self.clock.advance(timedelta(minutes=10))
        while claimed := self._claim("last", 50):
            self.store.settle([Settlement(row.id, row.attempt, Applied(f"id-{row.id}")) for row in claimed.rows])
        rows = self._rows()
        assert all(row.state not in OPEN for row in rows)
        facts = self.store.facts(self.system, DEALS)
        for deal_id in DEALS:
            applied = [row for row in rows if row.deal_id == deal_id and row.state is State.APPLIED]
            for step in last:
                newest = max((row for row in applied if row.step == step), key=lambda row: row.id)
                assert newest.action == an_action(self.system, deal_id, step, 9)
                assert facts[deal_id].effects[step].record_id == newest.record_id
        self.store.close()

    def _plan(self, deal_id: str, wish: dict[str, int]) -> Plan:
        actions = [an_action(self.system, deal_id, step, variant) for step, variant in wish.items()]
        return a_plan(deal_id, *actions, key=HandoffKey(self.system, deal_id))

    def _claim(self, owner: str, size: int) -> Claimed | None:
        return self.store.claim(self.system, owner=owner, batch=lambda _lane: size, lease_seconds=LEASE_SECONDS)

    def _rows(self) -> list[OutboxRow]:
        return [row for deal_id in DEALS for row in self.store.rows(self.system, deal_id)]

    def _result(self, name: str, row: OutboxRow) -> Result:
        return {
            "applied": Applied(f"id-{row.id}"),
            "retry": Retry(BUSY, at=self.clock.now() + timedelta(seconds=1)),
            "reread": Reread(GONE),
            "unsure": Unsure(SILENT),
            "park": Park(REFUSED),
        }[name]


def target(row: OutboxRow) -> str:
    """What a row is about at the receiver."""
    return row.action.ref.id if isinstance(row.action, Patch) else row.key


def reachable(start: State) -> set[State]:
    """Every state that can follow, in any number of steps."""
    found: set[State] = set()
    waiting = [start]
    while waiting:
        for following in TRANSITIONS[waiting.pop()] - found:
            found.add(following)
            waiting.append(following)
    return found


def run(url: str, *, examples: int, steps: int) -> None:
    clock = ManualClock(NOW)

    class Machine(StoreMachine):
        pass

    Machine.clock = clock
    Machine.reopen = staticmethod(lambda: open_store(url, clock=clock))  # type: ignore[assignment]
    budget = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=budget)


def test_on_sqlite(tmp_path: Path) -> None:
    run(f"sqlite:///{tmp_path / 'handoff.db'}", examples=50, steps=40)


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with server_of(request.config).database() as url:
        yield url


@pytest.mark.postgres
def test_on_postgres(postgres_url: str) -> None:
    run(postgres_url, examples=8, steps=30)
