"""The hostile world as a state machine: what people, the vendor, time and the process may do, in any order.

Not here: how each is done (``place``, ``office``) and what must hold (``judge``). A rule that finds nothing to act on
does nothing: a story reads the same whatever it is told about. Deals are named by their place in the list, so that a
failing story can be read and played again as a script.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis import stateful
from hypothesis.stateful import RuleBasedStateMachine, precondition

from chaos.machine.doom import Died
from chaos.machine.judge import judge
from chaos.machine.office import Office
from chaos.machine.place import Deal, Place
from connector.handoff.model import Kind, Value

DEALS, ACCOUNTS = 5, 3
which = st.integers(0, DEALS - 1)
whose = st.integers(0, ACCOUNTS - 1)
hanging = st.integers(0, 9)
gap = st.integers(0, 9)
nth = st.integers(1, 40)
replica = st.integers(0, 1)
words = st.sampled_from(("A person's own words", "Other words of a person"))


Step = tuple[str, dict[str, Any]]
"""A rule's name and what it was given."""

REST_AFTER = 10
"""Steps between two judgements in the middle of a story, at least."""


def rule(**given: Any) -> Callable[[Any], Any]:
    """A rule that notes in the story's script that it was followed, with what it was given."""
    return _noted(stateful.rule, given)


def initialize(**given: Any) -> Callable[[Any], Any]:
    """The same for how a story begins."""
    return _noted(stateful.initialize, given)


def _noted(kind: Callable[..., Any], given: dict[str, Any]) -> Callable[[Any], Any]:
    def wrap(act: Any) -> Any:
        @functools.wraps(act)
        def follow(self: HostileWorld, **named: Any) -> None:
            if not self.inside:
                self.script.append((act.__name__, named))
            self.inside += 1
            try:
                act(self, **named)
            except BaseException:
                self.failed, type(self).last = True, self.script
                raise
            finally:
                self.inside -= 1

        return kind(**given)(follow)

    return wrap


class Tally:
    """What a run of many stories came to."""

    def __init__(self) -> None:
        self.examples = self.steps = self.passes = self.judged = 0
        self.most_passes = 0


class HostileWorld(RuleBasedStateMachine):
    """One story. ``begin`` gives a fresh world; ``tally`` counts over all stories."""

    begin: ClassVar[Callable[[], Office]]
    tally: ClassVar[Tally]
    last: ClassVar[list[Step]] = []
    """The script of the story that failed."""

    def __init__(self) -> None:
        super().__init__()
        self.office = type(self).begin()
        self.place: Place = self.office.place
        self.thrown_away: list[str] = []
        self.deleted: set[str] = set()
        self.script: list[Step] = []
        self.inside = 0
        self.rested_at = 0
        self.failed = False
        self.trouble = False
        self.made = 0
        self.set_back = timedelta()

    # how it begins

    @initialize(full=st.booleans(), won=st.booleans())
    def a_start(self, full: bool, won: bool) -> None:
        """The daemon has connected; there are two accounts with a deal each, the second with or without gaps.

        The first may have been won and handed over.
        """
        self.office.run()
        first = self.place.add_account("Nordlys AS")
        second = self.place.add_account("Falkenberg GmbH")
        self._add(first, {})
        self._add(second, {} if full else {self._asked(0): None})
        if won:
            self.win_complete(deal=0)
            self.passes(number=0, count=2)

    # people

    @precondition(lambda self: len(self.place.deals()) < DEALS)
    @rule(account=whose, lacks=st.none() | gap)
    def create(self, account: int, lacks: int | None) -> None:
        """A rep makes a deal, complete or with a gap."""
        accounts = self.place.accounts()
        self._add(
            accounts[account % len(accounts)] if accounts else None, {} if lacks is None else {self._asked(lacks): None}
        )

    @rule(account=st.booleans())
    def create_bare(self, account: bool) -> None:
        """Somebody makes an account, or a deal without one."""
        if account and len(self.place.accounts()) < ACCOUNTS:
            self.place.add_account("Third party")
        elif len(self.place.deals()) < DEALS:
            self._add(None, {})

    @rule(deal=which, name=gap, value=st.none() | words)
    def edit(self, deal: int, name: int, value: str | None) -> None:
        """A rep fills or empties a handoff field."""
        self._on(deal, lambda one: self.place.edit(one.id, self._said(name, value)))

    @rule(deal=which)
    def complete(self, deal: int) -> None:
        """A rep fills every handoff field."""
        self._on(deal, lambda one: self.place.edit(one.id, self.place.full))

    @rule(deal=which, amount=st.sampled_from((5000, 70000)))
    def reprice(self, deal: int, amount: int) -> None:
        """The amount changes, and with it perhaps the segment."""
        self._on(deal, lambda one: self.place.edit(one.id, {"amount": Decimal(amount)}))

    @rule(deal=which, value=words)
    def rename(self, deal: int, value: str) -> None:
        """A deal gets another name."""
        self._on(deal, lambda one: self.place.edit(one.id, {"name": value}))

    @rule(deal=which, name=st.sampled_from(("summary", "missing", "csm", "gate", "status")), value=st.none() | words)
    def edit_ours(self, deal: int, name: str, value: str | None) -> None:
        """A person writes into a field that the connector keeps."""
        given: Value = value
        if name in self.place.pickable:
            given = None
        elif name == "csm":
            given = self.place.csms[0] if value else None
        self._on(deal, lambda one: self.place.edit(one.id, {name: given}))

    @rule(deal=which)
    def win(self, deal: int) -> None:
        """A rep wins a deal."""
        self._on(deal, lambda one: self.place.move(one.id, self.place.won))

    @rule(deal=which)
    def win_complete(self, deal: int) -> None:
        """A rep fills everything and wins."""

        def both(one: Deal) -> None:
            self.place.edit(one.id, self.place.full)
            self.place.move(one.id, self.place.won)

        self._on(deal, both)

    @rule(deal=which)
    def reopen(self, deal: int) -> None:
        """A rep opens a closed deal again."""
        self._on(deal, lambda one: self.place.move(one.id, self.place.opens[0]))

    @rule(deal=which)
    def lose(self, deal: int) -> None:
        """A deal is lost."""
        self._on(deal, lambda one: self.place.move(one.id, self.place.lost))

    @precondition(lambda self: self.place.approver)
    @rule(deal=which)
    def override(self, deal: int) -> None:
        """A manager lets a deal through."""
        given: dict[str, Value] = {
            "override_requested": True,
            "override_reason": "The customer starts on Monday whatever happens",
            "override_approver": self.place.approver,
            "override_expires": (self.place.now() + timedelta(days=5)).date(),
        }
        self._on(deal, lambda one: self.place.edit(one.id, given))

    @rule(deal=which, account=whose)
    def change_account(self, deal: int, account: int) -> None:
        """A deal moves to another account."""
        accounts = self.place.accounts()
        if accounts:
            self._on(deal, lambda one: self.place.edit(one.id, {"account": accounts[account % len(accounts)]}))

    @rule(account=whose, csm=st.none() | st.integers(0, 2))
    def edit_account(self, account: int, csm: int | None) -> None:
        """A person names another CSM on an account, or none."""
        accounts = self.place.accounts()
        if accounts:
            given = None if csm is None else self.place.csms[csm % len(self.place.csms)]
            self.place.edit_account(accounts[account % len(accounts)], {"csm": given})

    @precondition(lambda self: len(self.place.accounts()) > 1)
    @rule(one=whose, other=whose)
    def merge_accounts(self, one: int, other: int) -> None:
        """Two accounts become one."""
        accounts = self.place.accounts()
        if one % len(accounts) != other % len(accounts):
            self.place.merge_accounts(accounts[one % len(accounts)], accounts[other % len(accounts)])

    @precondition(lambda self: self.place.merges_deals and len(self.place.deals()) > 1)
    @rule(one=which, other=which)
    def merge_deals(self, one: int, other: int) -> None:
        """Two deals become one, where the CRM can do that; of two handoffs that is another matter."""
        deals = self.place.deals()
        if one % len(deals) == other % len(deals):
            return
        winner, loser = deals[one % len(deals)], deals[other % len(deals)]
        self.place.merge_deals(winner.id, loser.id)

    @rule(deal=which)
    def delete(self, deal: int) -> None:
        """A deal goes to the bin."""

        def bin(one: Deal) -> None:
            self.place.delete(one.id)
            self.thrown_away.append(one.id)

        self._on(deal, bin)

    @precondition(lambda self: self.thrown_away)
    @rule()
    def restore(self) -> None:
        """The last one comes back."""
        self.place.restore(self.thrown_away.pop())

    @rule(deal=which, rep=st.integers(0, 1))
    def reassign(self, deal: int, rep: int) -> None:
        """A deal gets another owner."""
        self._on(deal, lambda one: self.place.edit(one.id, {"owner": self.place.reps[rep]}))

    @rule(person=st.integers(0, 4), active=st.booleans())
    def leave(self, person: int, active: bool) -> None:
        """A CSM or a rep leaves, or comes back."""
        people = (*self.place.csms, *self.place.reps)
        self.place.set_active(people[person % len(people)], active)

    @rule(
        deal=which,
        item=hanging,
        what=st.sampled_from(("complete", "edit", "delete")),
        kind=st.sampled_from(("task", "note")),
    )
    def on_what_hangs(self, deal: int, item: int, what: str, kind: str) -> None:
        """A person ticks off, edits or deletes a task or a note of the connector."""
        deals = self.place.deals()
        hung = self.place.hung(deals[deal % len(deals)].id) if deals else ()
        chosen = [each for each in hung if each.kind == kind]
        if not chosen:
            return
        one = chosen[item % len(chosen)]
        if what == "delete":
            self.deleted.add(one.key)
            self.place.delete_hung(one)
        elif what == "edit":
            self.place.edit_hung(one, f"Mine now, {one.kind.value} {item}")
        elif one.kind is Kind.TASK:
            self.place.complete_task(one)

    # the vendor

    @rule(fault=st.integers(0, 30), count=st.integers(1, 3), number=replica)
    def foul_pass(self, fault: int, count: int, number: int) -> None:
        """The vendor does something wrong, so many times, and a pass runs into it."""
        self.place.plant(self.place.faults[fault % len(self.place.faults)], count)
        self.trouble = True
        self._run(number)

    @rule(faults=st.lists(st.integers(0, 30), min_size=2, max_size=4, unique=True), deal=which, count=st.integers(1, 4))
    def foul_win(self, faults: list[int], deal: int, count: int) -> None:
        """Several things go wrong at once while a complete deal is won."""
        for fault in faults:
            self.place.plant(self.place.faults[fault % len(self.place.faults)], 1)
        self.win_complete(deal=deal)
        self.passes(number=0, count=count)

    @rule(name=st.integers(0, 3), hide=st.booleans())
    def change_setup(self, name: int, hide: bool) -> None:
        """An admin hides a field from the connector, or takes values off a list."""
        self.trouble = True
        names = self.place.hideable if hide else self.place.pickable
        if names:
            (self.place.hide if hide else self.place.drop_choice)(names[name % len(names)])

    @precondition(lambda self: self.trouble)
    @rule()
    def mend(self) -> None:
        """The vendor is well again, and somebody has the parked rows tried anew."""
        self._heal()

    @precondition(lambda self: not self.trouble)
    @rule(refused=st.integers(0, 2), lost=st.integers(0, 1))
    def bad_chat(self, refused: int, lost: int) -> None:
        """The chat service is away, or takes a message and does not answer."""
        self.office.refused_notices, self.office.lost_notices = refused, lost
        self.trouble = True

    # time

    @rule(seconds=st.sampled_from((5, 60, 600, 7200, 90000, 3000000)))
    def hours_pass(self, seconds: int) -> None:
        """Time goes by for everybody: seconds, hours, a day, five weeks."""
        self.office.wait(timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from((-3600, -600, -20, 600, 3600)))
    def machine_clock(self, seconds: int) -> None:
        """The machine's clock is set."""
        self.office.clock.advance(timedelta(seconds=seconds))
        self.set_back += timedelta(seconds=max(0, -seconds))

    @rule(seconds=st.sampled_from((-2, 30, 3600)))
    def vendor_clock(self, seconds: int) -> None:
        """The vendor's clock moves by itself."""
        self.place.advance(seconds)

    # the process

    @rule(number=replica)
    def a_pass(self, number: int) -> None:
        """A pass."""
        self._run(number)

    @rule(number=replica, count=st.integers(2, 4))
    def passes(self, number: int, count: int) -> None:
        """A minute or so of passes."""
        for _ in range(count):
            self._run(number)
            self.office.wait(timedelta(seconds=20))

    @rule(number=replica, at=nth)
    def die(self, number: int, at: int) -> None:
        """The process ends somewhere in its next pass."""

        def end() -> None:
            raise Died

        self.office.strike(number, at, end)
        self._run(number)

    @rule(number=replica)
    def restart(self, number: int) -> None:
        """The process is started anew."""
        self.office.boot(number % len(self.office.replicas))

    @precondition(lambda self: len(self.office.replicas) > 1)
    @rule(number=replica, at=nth, stuck=st.sampled_from((0, 30, 200)))
    def between(self, number: int, at: int, stuck: int) -> None:
        """A replica stops in mid-pass for so many seconds, and another makes a whole pass meanwhile."""

        def meanwhile() -> None:
            self.office.struck["another replica's pass in mid-pass"] += 1
            self.office.wait(timedelta(seconds=stuck))
            self.office.run((number + 1) % 2)

        self.office.strike(number, at, meanwhile)
        self._run(number)

    @rule(number=replica, at=nth, deal=which, name=gap, value=st.none() | words)
    def edit_meanwhile(self, number: int, at: int, deal: int, name: int, value: str | None) -> None:
        """A rep edits a handoff field in the middle of a pass."""

        def meanwhile() -> None:
            self.office.struck["an edit in mid-pass"] += 1
            self._on(deal, lambda one: self.place.edit(one.id, self._said(name, value)))

        self.office.strike(number, at, meanwhile)
        self._run(number)

    @rule(number=replica, at=nth, deal=which)
    def delete_meanwhile(self, number: int, at: int, deal: int) -> None:
        """A deal is deleted in the middle of a pass."""

        def meanwhile() -> None:
            self.office.struck["a deletion in mid-pass"] += 1
            deals = self.place.deals()
            if deals:
                self.place.delete(deals[deal % len(deals)].id)
                self.thrown_away.append(deals[deal % len(deals)].id)

        self.office.strike(number, at, meanwhile)
        self._run(number)

    # rest

    @precondition(lambda self: len(self.script) >= self.rested_at + REST_AFTER)
    @rule()
    def come_to_rest(self) -> None:
        """All is well again, and the world is judged."""
        self.rested_at = len(self.script)
        self._judge()

    def teardown(self) -> None:
        """Every story ends at rest."""
        kind = type(self)
        kind.tally.examples += 1
        kind.tally.steps += len(self.script)
        if not self.failed:
            kind.last = self.script
            self._judge()
            kind.last = []

    # inside

    def _judge(self) -> None:
        kind = type(self)
        self._heal()
        # By a clock that was set back, what was looked at last was looked at in time to come: a sweep waits for that.
        self.office.wait(self.set_back)
        self.set_back = timedelta()
        passes = self.office.rest()
        kind.tally.judged += 1
        kind.tally.passes += passes
        kind.tally.most_passes = max(kind.tally.most_passes, passes)
        judge(self.office, people_deleted=frozenset(self.deleted))

    def _asked(self, number: int) -> str:
        """One of the fields that the gate asks for."""
        names = sorted(self.place.full)
        return names[number % len(names)]

    def _said(self, number: int, value: str | None) -> dict[str, Value]:
        """A value for it, or none; where it takes no words, what fills it."""
        name = self._asked(number)
        usual = self.place.full[name]
        return {name: value if value is None or isinstance(usual, str) else usual}

    def _heal(self) -> None:
        self.place.heal()
        self.office.refused_notices = self.office.lost_notices = 0
        self.office.stores[0].retry(system=self.place.system)
        self.trouble = False

    def _run(self, number: int) -> None:
        self.office.run(number)

    def _add(self, account: str | None, values: dict[str, Value]) -> None:
        self.made += 1
        plain: dict[str, Value] = {
            "name": f"Rollout {self.made}",
            "owner": self.place.reps[0],
            "amount": Decimal(18000),
        }
        with suppress(self.place.refusals):
            self.place.add_deal(account, {**plain, **self.place.full, **values})

    def _on(self, number: int, act: Callable[[Deal], Any]) -> None:
        deals = self.place.deals()
        if deals:
            with suppress(self.place.refusals):  # what the CRM refuses people is not done
                act(deals[number % len(deals)])
