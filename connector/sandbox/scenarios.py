"""The scripted sales period: casts deals into plots, starts them at a pace, and waits on the state of the world.

One thread per world. It acts through the same hands as the screens and never talks to the connector; it is not
the judge either: what came of it all is counted by `tally.py`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from connector.sandbox import agreed, book, plots, views
from connector.sandbox.book import AccountPlan, ContactPlan, DealPlan
from connector.sandbox.expectations import withdraw
from connector.sandbox.plots import Part, Plot, Scene, Until
from connector.sandbox.rows import Refused
from connector.sandbox.screens.actions import Actions, Refusal
from connector.sandbox.seed import add_account, add_roles
from connector.sandbox.stories import STORIES
from connector.sandbox.tally import tally

if TYPE_CHECKING:
    from connector.sandbox.state import World
    from connector.sandbox.views import CrmView, DealView

# Shares of the plots, and whether their deals are complete when they are won.
MIX: tuple[tuple[Plot, int, bool], ...] = (
    (plots.clean, 38, True),
    (plots.bulk, 16, True),
    (plots.fixed, 18, False),
    (plots.left, 6, False),
    (plots.overridden, 6, False),
    (plots.refused, 3, False),
    (plots.rewon, 6, True),
    (plots.flicker, 2, True),
    (plots.edited, 5, True),
)
DEFAULT_PACE = 10.0  # deals a second that come to their decisive moment
TICK = 0.15  # seconds between two looks at the world
SETTLE = 90.0  # seconds the connector gets at the end to bring everything in order
SETTLE_EVERY = 1.0
_SHARE_FROM_BOOK = 0.3
_SHARE_NEW_ACCOUNT = 0.7
_READS = ("query", "search", "updated", "composite")
_PLAY = "play"


@dataclass(slots=True)
class Progress:
    """How far a period is. `done` and `total` count deals; phases: opening, playing, settling, done, stuck, failed.

    `given_up` names waits that came to nothing, `refused` saves that the CRM's own rules did not let through for good.
    """

    phase: str = "opening"
    done: int = 0
    total: int = 0
    waiting_for: str = ""
    given_up: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    """A plot under way."""

    moves: Iterator[Until]
    parts: list[Part]
    wait: Until | None = None
    deadline: float = 0.0


class Play:
    """One sales period on one world, in a thread of its own. Read `progress` from any thread."""

    def __init__(self, world: World, *, deals: int, seed: int, pace: float) -> None:
        self.world = world
        self.progress = Progress(total=deals)
        self._pace, self._seed = pace, seed
        self._rng = random.Random(f"play:{seed}")
        crm = views.view(world)
        self._scene = Scene(world, crm, Actions(world), self._rng, self._looks)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"play-{world.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End early; what was done stays."""
        self._stopped.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end; whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def running(self) -> bool:
        """Whether the thread still acts."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            cast = cast_parts(self._scene, deals=self.progress.total)
            self.progress.phase = "playing"
            self._perform(cast)
            self._settle()
        except Exception as error:
            self.progress.phase, self.progress.waiting_for = "failed", f"{type(error).__name__}: {error}"
            # A rule of the org that forbids the period's deals is no fault of the sandbox.
            if not isinstance(error, Refused | Refusal):
                raise

    def _perform(self, cast: list[tuple[Plot, list[Part]]]) -> None:
        waiting, active, budget, last = list(cast), list[_Running](), 1.0, time.monotonic()
        while (waiting or active) and not self._over():
            now = time.monotonic()
            budget, last = min(budget + (now - last) * self._pace, max(self._pace, 1.0)), now
            while waiting and budget >= 1:
                plot, parts = waiting.pop(0)
                budget -= len(parts)
                # Dice of its own for each plot: what happens in one must not hang on the timing of another.
                scene = replace(self._scene, rng=random.Random(f"{self._seed}:{len(waiting)}"))
                active.append(_Running(plot(scene, parts), parts))
            active = [each for each in active if self._advance(each)]
            waits = sorted({each.wait.what for each in active if each.wait})
            self.progress.waiting_for = ", ".join(waits) or ("the next deals" if waiting else "")
            self._stopped.wait(TICK)

    def _advance(self, running: _Running) -> bool:
        """Play on as far as the world allows; whether the plot goes on."""
        while True:
            with self.world.lock:
                if running.wait is not None and not running.wait.ready():
                    if time.monotonic() < running.deadline:
                        return True
                    if running.wait.needed:
                        self.progress.given_up += [f"{p.deal}: {running.wait.what}" for p in running.parts]
                        self.progress.done += len(running.parts)
                        return False
                running.wait = self._next(running)
            if running.wait is None:
                self.progress.done += len(running.parts)
                return False
            running.deadline = time.monotonic() + running.wait.seconds

    def _next(self, running: _Running) -> Until | None:
        """What people wait for next; None at the end, also when the CRM's rules leave them nothing to do."""
        words = self._scene.kept_back
        try:
            wait = next(running.moves, None)
        except Refusal as error:
            words |= {part.deal: str(error) for part in running.parts if not self._scene.gate(part)}
            wait = None
        if wait is None:
            for part in running.parts:
                if part.deal in words:
                    self.progress.refused.append(f"{part.deal}: {words[part.deal]}")
                    withdraw(self.world, part.deal)
        return wait

    def _settle(self) -> None:
        """Give the connector time to finish, and a few more looks in which it must not do anything twice."""
        self.progress.phase, self.progress.waiting_for = "settling", "everything to be in order"
        quiet, deadline = self._looks() + plots.LOOKS, time.monotonic() + SETTLE
        lost = len(tally(self.world)["lost"])
        while (lost or self._looks() < quiet) and time.monotonic() < deadline and not self._over():
            self.progress.waiting_for = f"{lost} effects" if lost else "a last look"
            self._stopped.wait(SETTLE_EVERY)
            lost = len(tally(self.world)["lost"])
        self.progress.phase = "stuck" if lost or self.progress.given_up else "done"
        self.progress.waiting_for = f"{lost} effects" if lost else ""

    def _over(self) -> bool:
        # A reset empties the scratch memory; whoever still plays then plays to an empty house.
        return self._stopped.is_set() or self.world.scratch.get(_PLAY) is not self

    def _looks(self) -> int:
        counts = self.world.journal.counts(system=self.world.name)
        return sum(number for kind, number in counts.items() if kind.startswith(_READS))


def start(world: World, *, deals: int, seed: int, pace: float = DEFAULT_PACE) -> Play:
    """Start a period of `deals` wins on one world. Raises RuntimeError while another still runs there."""
    if deals < 1 or pace <= 0:
        raise ValueError("a period needs at least one deal and a pace above nought")
    known = world.scratch.get(_PLAY)
    if known is not None and known.running:
        raise RuntimeError(f"a sales period is already playing on {world.name}")
    play = Play(world, deals=deals, seed=seed, pace=pace)
    world.scratch[_PLAY] = play
    play.start()
    return play


def start_play(
    worlds: Mapping[str, World], *, deals: int = book.DEFAULT_DEALS, seed: int = 7, pace: float = DEFAULT_PACE
) -> dict[str, Any]:
    """Start a period on every world that has none running, and tell how far each is."""
    for world in worlds.values():
        known = world.scratch.get(_PLAY)
        if known is None or not known.running:
            start(world, deals=deals, seed=seed, pace=pace)
    return progress(worlds)


def progress(worlds: Mapping[str, World]) -> dict[str, Any]:
    """How far the period of each world is; worlds where none was started are left out."""
    plays = {name: world.scratch.get(_PLAY) for name, world in worlds.items()}
    return {name: asdict(play.progress) for name, play in plays.items() if play is not None}


# casting


def cast_parts(scene: Scene, *, deals: int) -> list[tuple[Plot, list[Part]]]:
    """Choose and make the deals of a period: some stand in the book already, the others are created now."""
    makers = _Maker(scene)
    cast: list[tuple[Plot, list[Part]]] = []
    for (plot, _, complete), count in zip(MIX, _shares(deals), strict=True):
        parts = [makers.part(complete=complete) for _ in range(count)]
        if plot is plots.bulk:
            cast += [(plot, parts)] if parts else []
        else:
            cast += [(plot, [part]) for part in parts]
    scene.rng.shuffle(cast)
    return cast


def _shares(deals: int) -> list[int]:
    """How many deals each plot gets: by largest remainder, and the first plot when there are few."""
    whole = sum(share for _, share, _ in MIX)
    exact = [deals * share / whole for _, share, _ in MIX]
    counts = [int(number) for number in exact]
    by_rest = sorted(range(len(MIX)), key=lambda i: counts[i] - exact[i])
    for index in by_rest[: deals - sum(counts)]:
        counts[index] += 1
    return counts


class _Maker:
    """Finds or makes deals for the parts."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._crm, self._rng = scene, scene.crm, scene.rng
        self._today = scene.world.clock.now().date()
        with scene.world.lock:
            self._homes = {a.id: home for a in self._crm.accounts() if (home := _home(self._crm, a.id)) is not None}
            self._open = self._open_deals()
        self._taken = {home.name for home in self._homes.values()}
        self._made = 0

    def part(self, *, complete: bool) -> Part:
        """A deal in negotiation, with every required answer or with one to three of them held back."""
        with self._scene.world.lock:
            if self._open and self._rng.random() < _SHARE_FROM_BOOK:
                return self._from_book(self._open.pop(), complete=complete)
            return self._new(complete=complete)

    def _open_deals(self) -> list[DealView]:
        late = {self._crm.stage_of(p, t).id for p in ("proposal", "negotiation") for t in ("new", "renewal", "upsell")}
        found = [d for d in self._crm.deals() if d.stage.id in late and d.account in self._homes and not d.text("gate")]
        self._rng.shuffle(found)
        return found

    def _from_book(self, deal: DealView, *, complete: bool) -> Part:
        plan = book.deal_plan(
            self._rng, self._homes[deal.account], key=deal.id, today=self._today, phase="negotiation",
            deal_type=deal.deal_type, complete=True, amount=deal.amount or 0.0,
        )  # fmt: skip
        texts = {name: text for name, text in plan.fields.items() if not deal.text(name)}
        held_back = {} if complete else self._hold_back(plan)
        cleared = {name: None for name in held_back if deal.text(name)}
        self._scene.do.set_fields(deal.id, _without(texts, held_back) | cleared, by=deal.owner)
        return Part(deal.id, deal.owner, held_back)

    def _new(self, *, complete: bool) -> Part:
        deal_type: agreed.DealType = self._rng.choices(("new", "renewal", "upsell"), weights=(80, 10, 10))[0]
        home = self._account(new=deal_type == "new" and self._rng.random() < _SHARE_NEW_ACCOUNT)
        self._made += 1
        plan = book.deal_plan(
            self._rng, home, key=f"P{self._made:05d}", today=self._today, phase="negotiation", deal_type=deal_type,
            complete=True,
        )  # fmt: skip
        held_back = {} if complete else self._hold_back(plan)
        owner = self._crm.user_named(plan.owner).id
        values = {
            "name": plan.name, "amount": plan.amount, "close_date": self._today, "owner": owner, "account": home.key,
            "product": plan.product, "next_step": plan.next_step, **_without(plan.fields, held_back),
        }  # fmt: skip
        first = self._crm.stage_of("negotiation", deal_type).id
        deal_id = self._crm.add_deal(values, stage=first, deal_type=deal_type, by=owner)
        add_roles(self._crm, deal_id, home.key, by=owner)
        return Part(deal_id, owner, held_back)

    def _account(self, *, new: bool) -> AccountPlan:
        if not new and self._homes:
            return self._rng.choice(list(self._homes.values()))
        plan = next(p for p in book.account_plans(self._rng, 10_000, held=False) if p.name not in self._taken)
        self._taken.add(plan.name)
        account_id = add_account(self._crm, plan, by=self._crm.users()[0].id)
        home = _home(self._crm, account_id)
        if home is None:
            raise LookupError(f"the account {plan.name} was not kept as it was written")
        self._homes[account_id] = home
        return home

    def _hold_back(self, plan: DealPlan) -> dict[str, Any]:
        needed = agreed.required(amount=plan.amount, deal_type=plan.deal_type)
        chosen = self._rng.sample(needed, k=min(len(needed), self._rng.randint(1, 3)))
        return {name: plan.fields[name] for name in chosen}


def _without(fields: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def _home(crm: CrmView, account_id: str) -> AccountPlan | None:
    """An account of the world as the book knows accounts; None for one without the people a story needs."""
    account = crm.account(account_id)
    contacts = []
    for contact in crm.contacts_of(account_id):
        first, _, last = contact.name.partition(" ")
        contacts.append(ContactPlan(first, last, contact.title, contact.email, ""))
    if account.industry not in STORIES or len(contacts) != 3:
        return None
    staff = account.employees or 0
    return AccountPlan(
        account_id, account.name, account.industry, account.country, staff, account.website, "", tuple(contacts)
    )
