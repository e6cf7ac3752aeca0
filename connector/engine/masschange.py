"""Mass-change stop: judge what a batch of decisions would set off, before any of it is recorded, hence sent.

Not here: letting go (``store.holds``) and what is told where (``alarms``, ``brake_words``). What is counted are deals
that gain effects nothing in the ledger has yet, each once within a sliding window, so that a mass that trickles in over
many passes is seen too. Once a limit is passed, the deals of that sort are held: decided, shown, not recorded. The
others go on: an import does not keep honest wins waiting (docs/adr/0022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from connector.engine.alarms import clear_alarm, raise_alarm
from connector.engine.brake_words import MASS_ALARM, WINS, Sort, cause_of, cry_of, what_of
from connector.engine.parts import Shared, System
from connector.handoff.moves import MoverKind
from connector.handoff.plan import Phase, Plan
from connector.store import FORESEEN, Decided, Gain, Gained, HeldDeal, HoldState, Look

MASS_STOPPED = "mass.stopped"
FORESEEN_SORT = "foreseen"
"""How a change is noted that an earlier decision had named the time for."""

CAUSE_GONE = 10
"""So many held deals on which nothing would be changed any more, at once: then all that are held are looked at."""

OWN_PART, OWN_LEAST = 10, 5
"""A person who made no more than this part of the limit, or this many wins, is not whom a mass came from."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Weighed:
    """One decision with the look it answers, what it would newly set off, who won the deal, and since when it is held
    if it is."""

    decided: Decided
    look: Look
    gained: Gained
    mover: str
    sort: Sort
    held: HeldDeal | None = None

    @property
    def deal_id(self) -> str:
        """The deal."""
        return self.decided.plan.key.deal_id

    @property
    def foreseen(self) -> bool:
        """Whether an earlier decision named this very time for it."""
        return self.look.reason == FORESEEN


@dataclass(slots=True)
class Brake:
    """Judges one batch. ``looks`` is how many deals it may come to; `take` what was decided, then `close`.

    Both answer with what may be recorded now, and what is only to be recorded as observed.
    """

    shared: Shared
    system: System
    looks: int
    known: dict[str, Gain] = field(default_factory=dict)
    kept: list[Weighed] = field(default_factory=list)
    tripped: dict[Sort, frozenset[str]] = field(default_factory=dict)
    opened: bool = False
    under_way: int = 0

    def take(
        self, decided: Sequence[Decided], looks: Mapping[str, Look], movers: Mapping[str, str]
    ) -> tuple[list[Decided], list[Decided]]:
        """Judge a portion. Returns what may be acted on, and what is only to be observed (wins that were dropped)."""
        self.looks -= len(looks)
        if not self.system.act:
            return [], list(decided)
        gains = {each.deal_id: each for each in self.shared.store.gains(self.system.name, decided)}
        if gains:
            self._open()
        held = self._standing(decided)
        self._let_be([each for each, one in held.items() if one.state is HoldState.HELD and each not in gains])
        self._use_up([each for each, one in held.items() if one.state is HoldState.RELEASED])
        if not self.opened:
            return _without_dropped(decided, held)
        free, dropped = _without_dropped([one for one in decided if one.plan.key.deal_id not in gains], held)
        again: list[Weighed] = []
        for one in decided:
            deal_id = one.plan.key.deal_id
            if deal_id not in gains:
                continue
            mover = movers.get(deal_id, "")
            sort = _sort(one.plan, gains[deal_id], mover)
            weighed = Weighed(one, looks[deal_id], gains[deal_id], mover, sort, held.get(deal_id))
            match held[deal_id].state if deal_id in held else None:
                case HoldState.RELEASED:
                    free.append(one)
                case HoldState.DROPPED:
                    dropped.append(one)
                case HoldState.HELD:
                    again.append(weighed)
                case _:
                    self.kept.append(weighed)
        self._hold(again)
        return free + self._judge(), dropped

    def gone(self, deal_ids: Sequence[str]) -> None:
        """These are no longer in the CRM: whoever deletes an import that was held has mended it."""
        held = self.shared.store.holds(self.system.name, deal_ids) if deal_ids else {}
        self._let_be([each for each, one in held.items() if one.state is HoldState.HELD])
        self._use_up([each for each, one in held.items() if one.state is HoldState.RELEASED])

    def close(self) -> list[Decided]:
        """The batch is at its end, or broken off: what was kept back only to be counted may go."""
        kept, self.kept = self.kept, []
        self._note(kept)
        return [one.decided for one in kept]

    def _judge(self) -> list[Decided]:
        """Hold what belongs to a mass; give free what cannot come to be part of one in this batch any more."""
        for sort in Sort:
            limit = self._limit(sort)
            if limit and self._count(sort) > limit:
                self._trip(sort, limit)
        mass = [one for one in self.kept if self._in_mass(one)]
        self._hold(mass)
        rest = [one for one in self.kept if not self._in_mass(one)]
        still_open = any(
            (limit := self._limit(sort)) and sort not in self.tripped and self._count(sort) + self.looks > limit
            for sort in Sort
        )
        self.kept = rest if still_open else []
        if still_open:
            return []
        self._note(rest)
        return [one.decided for one in rest]

    def _open(self) -> None:
        if self.opened:
            return
        store, now = self.shared.store, self.shared.clock.now()
        self.opened = True
        store.forget_released(self.system.name, before=now - self.shared.limits.window)
        self.known = {one.deal_id: one for one in store.gained(self.system.name, since=now - self.shared.limits.window)}
        self.under_way = store.handoffs_under_way(self.system.name)

    def _standing(self, decided: Sequence[Decided]) -> Mapping[str, HeldDeal]:
        """How these deals are held; a drop is over when the deal was won anew, and the sweep goes by it again."""
        store, plans = self.shared.store, {one.plan.key.deal_id: one.plan for one in decided}
        held = dict(store.holds(self.system.name, tuple(plans)))
        anew = [
            each for each, one in held.items() if one.state is HoldState.DROPPED and not _same_win(one, plans[each])
        ]
        store.no_longer_held(self.system.name, anew, state=HoldState.DROPPED)
        # What kept an open deal's advice back must not keep its win back: from there on it is judged as any other.
        won = [each for each, one in held.items() if _was_open(one) and plans[each].phase is not Phase.OPEN]
        store.no_longer_held(self.system.name, won)
        return {each: one for each, one in held.items() if each not in anew and each not in won}

    def _use_up(self, deal_ids: Sequence[str]) -> None:
        """What was released is decided now, and exempt for a window from here, even where nothing was left to do: the
        mass of another day is another one."""
        self.shared.store.passed(self.system.name, deal_ids)

    def _limit(self, sort: Sort) -> int:
        limits = self.shared.limits
        match sort:
            case Sort.NEW:
                return limits.new
            case Sort.IMPORTED:
                return limits.imported
            case Sort.OPEN:
                return limits.open
            case Sort.CHANGED:
                return limits.changed
            case Sort.SHARE:
                return limits.share_limit(self.under_way)

    def _count(self, sort: Sort) -> int:
        return len({one.deal_id for one in self._counted(sort)} | {one.deal_id for one in self._known(sort)})

    def _counted(self, sort: Sort) -> list[Weighed]:
        if sort is Sort.SHARE:
            # What falls due by itself comes in waves: the day after a quarter's end all of its clocks run out at once.
            return [one for one in self.kept if one.sort is Sort.CHANGED and not one.foreseen and self._is_fresh(one)]
        return [one for one in self.kept if one.sort is sort and self._is_fresh(one)]

    def _is_fresh(self, one: Weighed) -> bool:
        """A deal that began its handoff within the window is counted as that, whatever else it gains; one that changed
        and now begins another handoff is counted anew, or a mass that is reopened and won again would be none."""
        noted = self.known.get(one.deal_id)
        return noted is None or (one.sort in WINS and noted.sort not in WINS)

    def _known(self, sort: Sort) -> list[Gain]:
        if sort is Sort.SHARE:
            return [one for one in self.known.values() if one.sort == Sort.CHANGED.value]
        counted = {Sort.CHANGED: (Sort.CHANGED.value, FORESEEN_SORT)}.get(sort, (sort.value,))
        return [one for one in self.known.values() if one.sort in counted]

    def _trip(self, sort: Sort, limit: int) -> None:
        counts = Counter(one.mover for one in self._counted(sort)) + Counter(one.mover for one in self._known(sort))
        own = max(OWN_LEAST, limit // OWN_PART)
        honest = {
            mover for mover, count in counts.items() if mover.startswith(f"{MoverKind.PERSON.value}:") and count <= own
        }
        if sort is not Sort.NEW or counts.total() - sum(counts[mover] for mover in honest) <= limit:
            honest = set()
        self.tripped[sort] = frozenset(honest)

    def _in_mass(self, one: Weighed) -> bool:
        noted = self.known.get(one.deal_id)
        if noted is not None and noted.sort in WINS and one.sort not in WINS:
            return False
        for sort, honest in self.tripped.items():
            same = one.sort is (Sort.CHANGED if sort is Sort.SHARE else sort)
            if same and one.mover not in honest and not (sort is Sort.SHARE and one.foreseen):
                return True
        return False

    def _hold(self, mass: Sequence[Weighed]) -> None:
        """Hold these, and tell whoever is to know."""
        for sort in Sort:
            of_sort = [one for one in mass if one.sort is sort]
            if of_sort:
                self._hold_sort(sort, of_sort)

    def _hold_sort(self, sort: Sort, found: Sequence[Weighed]) -> None:
        store, now = self.shared.store, self.shared.clock.now()
        why = cause_of(self.shared, self.system, sort, [(one.decided.plan, one.mover) for one in found])
        held = [
            HeldDeal(
                system=self.system.name,
                deal_id=one.deal_id,
                state=HoldState.HELD,
                cause=sort.value,
                at=one.held.at if one.held else now,
                why=one.held.why if one.held else why,
                what=what_of(one.decided.plan, one.gained.actions, mover=one.mover),
            )
            for one in found
        ]
        new = store.hold_deals(self.system.name, held, [one.look for one in found], stop=why)
        self._note([one for one in found if one.held is None])
        if new:
            log.error(
                MASS_STOPPED,
                system=self.system.name,
                sort=sort.value,
                deals=new,
                cause=why,
                first=[one.deal_id for one in found[:5]],
                next="handoff release shows what would be done, and lets it go",
            )
            self.shared.telemetry.mass_stops.labels(system=self.system.name, sort=sort.value).inc(new)
        cry_for_held(self.shared, self.system)

    def _let_be(self, deal_ids: Sequence[str]) -> None:
        """Deals that were held and on which nothing would be changed any more."""
        if not deal_ids:
            return
        store = self.shared.store
        store.no_longer_held(self.system.name, deal_ids)
        left = sum(store.held_counts(self.system.name).values())
        if left and len(deal_ids) >= min(CAUSE_GONE, left):
            due = self.shared.clock.now()
            reason = "held, and the cause seems to be gone"
            looks = [Look(deal_id=each.deal_id, due_at=due, reason=reason) for each in store.held(self.system.name)]
            store.enqueue(self.system.name, looks)
        cry_for_held(self.shared, self.system)

    def _note(self, found: Sequence[Weighed]) -> None:
        now = self.shared.clock.now()
        gains = [Gain(one.deal_id, _noted(one), one.mover, now) for one in found if self._is_fresh(one)]
        self.shared.store.note_gains(self.system.name, gains, forget=now - self.shared.limits.window)
        self.known.update({one.deal_id: one for one in gains})


def cry_for_held(shared: Shared, system: System) -> None:
    """Bring the alarm up to date with what is held; clear it when nothing is."""
    counts = shared.store.held_counts(system.name)
    shared.telemetry.held_deals.labels(system=system.name).set(sum(counts.values()))
    if not counts:
        clear_alarm(shared, system, MASS_ALARM)
        return
    raise_alarm(shared, system, MASS_ALARM, cry_of(shared, system, counts))


def _noted(one: Weighed) -> str:
    return FORESEEN_SORT if one.sort is Sort.CHANGED and one.foreseen else one.sort.value


def _was_open(held: HeldDeal) -> bool:
    return held.state is HoldState.HELD and held.cause == Sort.OPEN.value


def _sort(plan: Plan, gained: Gained, mover: str) -> Sort:
    if plan.phase is Phase.OPEN:
        return Sort.OPEN
    if not gained.begins:
        return Sort.CHANGED
    return Sort.IMPORTED if mover.startswith(f"{MoverKind.IMPORT.value}:") else Sort.NEW


def _same_win(held: HeldDeal, plan: Plan) -> bool:
    return bool(held.what.get("generation") == plan.generation)


def _without_dropped(decided: Sequence[Decided], held: Mapping[str, HeldDeal]) -> tuple[list[Decided], list[Decided]]:
    """What may be recorded as acted on, and what is only observed because a person dropped that win."""
    acted: list[Decided] = []
    dropped: list[Decided] = []
    for one in decided:
        hold = held.get(one.plan.key.deal_id)
        (dropped if hold is not None and hold.state is HoldState.DROPPED else acted).append(one)
    return acted, dropped
