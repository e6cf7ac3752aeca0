"""What came of a quarter on one CRM, told from its records, its messages and what its people know of themselves.

Not here: anything of the connector: no ledger, no log. What is promised stands in `broken`, one line for each promise
that did not hold; an empty list is a quarter in which all did.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox import agreed, views
from connector.sandbox.people.hands import Hands
from connector.sandbox.people.parts import FLAGGED, SETTLED_DAYS, STUCK, Customer, Seller
from connector.sandbox.tally import Offence, doubles

if TYPE_CHECKING:
    from connector.sandbox.people.quarter import Deed, Quarter
    from connector.sandbox.views import TaskView

TOLD_WITHIN = timedelta(minutes=5)
"""Of the win; so the product promises."""
GRACE = timedelta(days=6)
"""So long after its day a task that nobody does may still wait for its first rung: it is told in working hours."""
ADDED = "added-in-mid-quarter"
TIERS = ("high_touch", "hybrid", "low_touch")
SEGMENTS = ("small", "mid", "enterprise")
TYPES = ("new", "renewal", "upsell")
CHANGES = ("before_without_it", "after_with_it")
HIGH_FROM, HYBRID_FROM = 100_000, 50_000
EARLY = {"day-7": "set_up_done", "day-14": "activated"}
"""Steps that a customer who is there already never gets."""
WHOLE_DAYS = 60
"""From so many days on a quarter is to show everything at least once."""
AFTER_IT = frozenset({"ae-day-90"})
"""Steps that begin when the quarter is over."""
CONTROL = frozenset({Customer.WELL, Customer.PLAIN})
"""Who is in no trouble, and so is to have none raised."""
SIGNALS = tuple(each.value for each in (*STUCK, *FLAGGED))


@dataclass(slots=True)
class Steps:
    """What became of one step over all handoffs. Every one that was made is in exactly one of the rest."""

    made: int = 0
    by_signal: int = 0
    by_hand: int = 0
    escalated: int = 0
    running: int = 0
    waiting: int = 0
    unaccounted: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Verdict:
    """The figures of one CRM's quarter."""

    won: int = 0
    handed_off: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    segments: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    sellers: Counter[str] = field(default_factory=Counter)
    customers: Counter[str] = field(default_factory=Counter)
    held: int = 0
    control: int = 0
    steps: dict[str, Steps] = field(default_factory=dict)
    signals: dict[str, dict[str, int]] = field(default_factory=dict)
    told_minutes: list[float] = field(default_factory=list)
    told_before: int = 0
    change: dict[str, int] = field(default_factory=dict)
    while_away: int = 0
    doubled: list[str] = field(default_factory=list)
    messages: int = 0
    broken: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "won": self.won,
            "handoffs": self.handed_off,
            "by_tier": dict(sorted(self.tiers.items())),
            "by_segment": dict(sorted(self.segments.items())),
            "by_type": dict(sorted(self.types.items())),
            "held_with_gaps": self.held,
            "by_customer": dict(sorted(self.customers.items())),
            "control_group": self.control,
            "by_seller": dict(sorted(self.sellers.items())),
            "steps": {
                name: {
                    "made": each.made, "done_by_signal": each.by_signal, "done_by_hand": each.by_hand,
                    "escalated": each.escalated, "not_due_yet": each.running, "waits_for_step_before": each.waiting,
                    "unaccounted": each.unaccounted,
                }
                for name, each in sorted(self.steps.items())
            },
            "signals": self.signals,
            "csm_told_minutes": {
                "p50": _share(self.told_minutes, 0.5), "p99": _share(self.told_minutes, 0.99),
                "told": len(self.told_minutes), "told_before_the_win": self.told_before,
            },
            "policy_change": self.change,
            "assigned_while_away": self.while_away,
            "messages": self.messages,
            "doubled": self.doubled,
            "broken": self.broken,
        }  # fmt: skip


def _share(values: list[float], share: float) -> float | None:
    """A quantile, by the nearest rank."""
    ranked = sorted(values)
    return round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 2) if ranked else None


def verdict(quarter: Quarter, *, changed_at: datetime | None) -> Verdict:
    """Judge a quarter that is over."""
    with quarter.world.lock:
        return _Judge(quarter, changed_at).judged()


class _Judge:
    def __init__(self, quarter: Quarter, changed_at: datetime | None) -> None:
        self._quarter, self._changed_at = quarter, changed_at
        self._world = quarter.world
        self._view = views.view(quarter.world)
        self._found = Verdict()
        self._tasks: dict[str, list[TaskView]] = defaultdict(list)
        self._keys: Mapping[str, list[tuple[str, datetime]]] = self._messages()
        for task in Hands(quarter.world).all_tasks():
            self._tasks[task.deal].append(task)

    def judged(self) -> Verdict:
        found = self._found
        found.messages = len({message.key for message in self._world.messages if self._is_ours(message.key)})
        for deed in self._quarter.deeds:
            if deed.deal:
                self._judge(deed)
        self._signals()
        if self._quarter.days >= WHOLE_DAYS:
            found.broken += self._not_shown()
        twice = [each for each in doubles(self._world) if not _is_ladder(each.records) and not self._are_episodes(each)]
        found.doubled = [f"{each.name}: {each.what} {each.records}" for each in twice] + list(self._same_key())
        found.broken += [f"doubled: {each}" for each in found.doubled]
        for name, step in found.steps.items():
            found.broken += [f"step {name} is unaccounted for: {deal}" for deal in step.unaccounted]
        late = _share(found.told_minutes, 0.99)
        if late is not None and late > TOLD_WITHIN.total_seconds() / 60:
            found.broken.append(f"CSMs were told within {late} minutes (p99), not within 5")
        return found

    def _messages(self) -> Mapping[str, list[tuple[str, datetime]]]:
        """What was said about each deal: keys without the deal, and when."""
        said: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for message in self._world.messages:
            for part in (message.key or "").split(":"):
                if part in self._quarter.by_deal:
                    said[part].append((message.key or "", message.at))
        return said

    def _is_ours(self, key: str | None) -> bool:
        return any(part in self._quarter.by_deal for part in (key or "").split(":"))

    def _judge(self, deed: Deed) -> None:
        deal, found = self._view.deal(deed.deal), self._found
        found.won += deed.won_at is not None
        handed = bool(deal.text("started_at")) and deal.text("gate") in agreed.PASSED_GATES
        found.sellers[deed.part.seller.value] += 1
        found.held += deed.won_at is None and deal.text("gate") == agreed.HELD
        if deed.won_at is None:
            if handed or deal.text("started_at"):
                found.broken.append(f"{deal.name} was handed off with gaps")
            elif (
                deed.part.seller is Seller.NEVER
                and deed.part.won < self._quarter.end - timedelta(hours=1)
                and deal.text("gate") != agreed.HELD
            ):
                found.broken.append(f"{deal.name} was won with gaps and is not held")
            return
        if deed.won_at > self._quarter.end - timedelta(hours=1):
            return
        if not handed:
            state = f"{deal.text('gate')!r} {deal.text('missing')[:80]!r}"
            found.broken.append(f"{deal.name} was won at {deed.won_at} and is not handed off: {state}")
            return
        found.handed_off += 1
        found.segments[agreed.segment(deal.amount)] += 1
        found.types[deed.part.plan.deal_type] += 1
        amount = deal.amount or 0.0
        found.tiers["high_touch" if amount >= HIGH_FROM else "hybrid" if amount >= HYBRID_FROM else "low_touch"] += 1
        self._told(deed)
        self._steps(deed)
        self._change(deed)
        self._away(deed)

    def _told(self, deed: Deed) -> None:
        """When the CSM, or whoever has to find one, heard of the win, counted from the win that counted."""
        assert deed.won_at is not None
        words = ("notify-csm_assigned", "notify-nobody_eligible")
        said = self._keys.get(deed.deal, [])
        heard = [at for key, at in said if at >= deed.won_at and any(word in key for word in words)]
        self._found.told_before += any("notify-csm_preassigned" in key and at < deed.won_at for key, at in said)
        if heard:
            self._found.told_minutes.append((min(heard) - deed.won_at).total_seconds() / 60)
        else:
            self._found.broken.append(f"nobody was told that {self._view.deal(deed.deal).name} was won")

    def _not_shown(self) -> Iterator[str]:
        """What a whole quarter has to show and this one did not."""
        found = self._found
        yield from (
            f"{name} was raised for nobody" for name, each in found.signals.items() if not each["raised_as_due"]
        )
        shown = {name for name, each in found.steps.items() if each.made}
        yield from (f"step {name} was never made" for name in (*CHAINED, *THIRTY) if name not in shown | AFTER_IT)
        for what, seen, all_of in (
            ("tier", found.tiers, TIERS),
            ("segment", found.segments, SEGMENTS),
            ("deal type", found.types, TYPES),
            ("handoff", found.change, CHANGES),
        ):
            yield from (f"there was no {what} {each.replace('_', ' ')}" for each in all_of if not seen.get(each))
        if found.control < max(found.customers[each] for each in SIGNALS):
            yield "fewer customers do well than are in one sort of trouble"

    # steps

    def _steps(self, deed: Deed) -> None:
        tasks = {task.key.rsplit(":", 1)[1]: task for task in self._tasks[deed.deal]}
        first_open = True
        for step in (*_plan(deed), ADDED):
            task = tasks.get(step)
            if task is None:
                continue
            entry = self._found.steps.setdefault(step, Steps())
            entry.made += 1
            if task.done:
                if step in deed.by_hand:
                    entry.by_hand += 1
                else:
                    entry.by_signal += 1
            elif self._was_escalated(deed, step):
                entry.escalated += 1
            elif task.due is not None and task.due > self._quarter.end - GRACE:
                entry.running += 1
            elif step in CHAINED and not first_open:
                entry.waiting += 1
            else:
                entry.unaccounted.append(f"{self._view.deal(deed.deal).name}, due {task.due}")
            if not task.done and step in CHAINED:
                first_open = False
        for step in _owed(deed, self._quarter.end):
            if step not in tasks and not _was_there(deed, step):
                self._found.steps.setdefault(step, Steps()).unaccounted.append(
                    f"{self._view.deal(deed.deal).name}: never made"
                )

    def _was_escalated(self, deed: Deed, step: str) -> bool:
        """Whether somebody else was told of it, or got it; being reminded is not enough."""
        rungs = (f":late-{step}:escalate", f":late-{step}:reassign")
        return any(rung in key for key, _ in self._keys.get(deed.deal, []) for rung in rungs)

    def _change(self, deed: Deed) -> None:
        """A step that came to the playbook is for handoffs that began afterwards."""
        if self._changed_at is None or deed.part.plan.deal_type != "new" or deed.won_at is None:
            return
        has = any(task.key.endswith(f":{ADDED}") for task in self._tasks[deed.deal])
        after = deed.won_at >= self._changed_at
        word = ("after" if after else "before") + ("_with_it" if has else "_without_it")
        self._found.change[word] = self._found.change.get(word, 0) + 1
        if has is not after:
            name = self._view.deal(deed.deal).name
            words = "began after it and lacks its step" if after else "began before it and has its step"
            self._found.broken.append(f"the changed playbook: {name} {words}")

    def _away(self, deed: Deed) -> None:
        csm = self._view.deal(deed.deal).text("csm")
        held = deed.part.holder and self._view.user_named(deed.part.holder).id == csm
        for who, first, last in self._quarter.absences:
            if (
                csm == who
                and not held
                and deed.won_at is not None
                and first + timedelta(hours=15) <= deed.won_at < last - timedelta(hours=4)
            ):
                early = any("csm_preassigned" in key for key, at in self._keys.get(deed.deal, []) if at < first)
                self._found.while_away += not early

    # signals

    def _signals(self) -> None:
        lasting = [deed for deed in self._quarter.deeds if self._lasted(deed)]
        self._found.customers.update(deed.part.customer.value for deed in lasting)
        self._found.control = sum(deed.part.customer in CONTROL for deed in lasting)
        for signal in SIGNALS:
            raised = {deal for deal, tasks in self._tasks.items() if any(_raises(task, signal) for task in tasks)}
            counted = {"raised_as_due": 0, "missed": 0, "raised_for_others": 0, "raised_for_control": 0}
            for deed in self._quarter.deeds:
                due = deed.part.customer.value == signal and self._lasted(deed)
                control = deed.part.customer in CONTROL
                if deed.deal in raised:
                    counted[
                        "raised_for_control"
                        if control
                        else "raised_as_due"
                        if deed.part.customer.value == signal
                        else "raised_for_others"
                    ] += 1
                elif due:
                    counted["missed"] += 1
                    self._found.broken.append(f"{signal} was not raised for {self._view.deal(deed.deal).name}")
                if deed.deal in raised and control:
                    self._found.broken.append(
                        f"{signal} was raised for {self._view.deal(deed.deal).name}, who is in no trouble"
                    )
            self._found.signals[signal] = counted

    def _lasted(self, deed: Deed) -> bool:
        return deed.won_at is not None and deed.won_at + timedelta(days=SETTLED_DAYS) <= self._quarter.end

    def _are_episodes(self, found: Offence) -> bool:
        """Whether these are tasks of one customer who was in the same trouble several times, each told once."""
        mine = [task.key for tasks in self._tasks.values() for task in tasks if task.id in found.records]
        steps = {key.rsplit(":", 1)[1] for key in mine}
        return len(steps) == len(found.records) and all(step.startswith(("stuck-", "flag.")) for step in steps)

    def _same_key(self) -> Iterator[str]:
        for tasks in self._tasks.values():
            for key, count in Counter(task.key for task in tasks).items():
                if count > 1:
                    yield f"{count} tasks {key}"


CHAINED = (
    "welcome-packet",
    "schedule-setup-call",
    "prepare-account",
    "run-setup-call",
    "check-in",
    "review-changes",
    "check-in-after-change",
)
THIRTY = (
    "intro-mail",
    "welcome",
    "kickoff",
    "kickoff-recap",
    "day-7",
    "day-14",
    "day-21",
    "day-30",
    "ae-day-30",
    "ae-day-90",
)
ON_DAY = {
    "intro-mail": 1,
    "welcome": 1,
    "kickoff": 4,
    "day-7": 10,
    "day-14": 17,
    "day-21": 24,
    "day-30": 33,
    "ae-day-30": 33,
}
"""By which day after the win a step must be there, at the latest."""
DAY_OF = {"day-21": 21, "day-30": 30, "ae-day-30": 30}
"""Steps that begin on a day of their own and are done by any contact."""


def _plan(deed: Deed) -> tuple[str, ...]:
    """The steps of this handoff's playbook."""
    if deed.part.plan.deal_type != "new":
        return CHAINED[5:]
    return CHAINED[:5] if agreed.segment(deed.part.plan.amount) == "small" else THIRTY


def _was_there(deed: Deed, step: str) -> bool:
    """Whether somebody was in touch with the customer when the step's day came: what is done by then makes no task."""
    assert deed.won_at is not None
    if step not in DAY_OF:
        return False
    day = deed.won_at + timedelta(days=DAY_OF[step])
    return any(day - timedelta(days=1) <= at <= day + timedelta(days=4) for at in deed.touched)


def _owed(deed: Deed, end: datetime) -> Iterator[str]:
    """The steps that must have been made by the end."""
    assert deed.won_at is not None
    for step in _plan(deed):
        if step in CHAINED or (
            step in ON_DAY and step not in EARLY and deed.won_at + timedelta(days=ON_DAY[step]) < end
        ):
            yield step


def _is_ladder(keys: tuple[str, ...]) -> bool:
    """Whether a person stands on several rungs of the ladder, and so hears of a task on each of them."""
    return all(":late-" in key for key in keys)


def _raises(task: TaskView, signal: str) -> bool:
    step = task.key.rsplit(":", 1)[1]
    return step.startswith((f"stuck-{signal}-", f"flag.{signal}."))
