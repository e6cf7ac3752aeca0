"""A quarter on one CRM: everybody does what their habits say, at moments that the seed decides.

People see only what stands in the CRM: they find their tasks there, log calls, mails and meetings, close some by hand,
late or never. Nothing here talks to the connector; events of the product are handed to whoever posts them. Not here:
who plays what (``parts``), what came of it (``verdict``).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from connector.sandbox import agreed, people
from connector.sandbox.people.hands import Hands
from connector.sandbox.people.parts import ZONE, Customer, Part, Seller, at_desk, is_working_day, looks, relays
from connector.sandbox.people.usage import usage
from connector.sandbox.rows import Refused
from connector.sandbox.seed import add_account, add_roles

if TYPE_CHECKING:
    from connector.sandbox.state import World
    from connector.sandbox.views import ActivityKind, TaskView

Track = dict[str, Any]
Doing = Callable[[], bool | None]
"""What somebody does at its moment; False when it left no trace."""

HOLIDAYS = (("priya.nair@seller.example", 15), ("maya.lindqvist@seller.example", 36))
"""CSMs with the day of the quarter from which they are away for a week."""
AWAY_DAYS = 5
PIPELINE = 5
"""Deals that people work on all the time and that are not won in this quarter."""
VAGUE = ("tbd", "see call")
REASON = "Signature had to be in before the quarter closed; the rest follows next week."

WAYS: dict[str, ActivityKind] = {
    "welcome-packet": "email", "schedule-setup-call": "meeting", "run-setup-call": "meeting", "check-in": "call",
    "intro-mail": "email", "welcome": "email", "kickoff": "meeting", "kickoff-recap": "email", "day-7": "call",
    "day-14": "call", "day-21": "email", "day-30": "meeting", "ae-day-30": "call", "ae-day-90": "call",
    "review-changes": "call", "check-in-after-change": "call",
}  # fmt: skip
"""By what people do the steps whose doing can be seen; the others they close by hand."""

ARRANGES = "schedule-setup-call"
"""The step after which a meeting stands in the calendar."""
OUT_OF_REACH: dict[Customer, tuple[ActivityKind, ...]] = {
    Customer.SLOW: ("call", "meeting"),
    Customer.ABSENT: ("meeting",),
}
"""By what these cannot be reached; whoever answers no mail answers no telephone either."""

HABITS = (("signal", 62), ("hand", 18), ("late", 11), ("never", 9))
"""What becomes of a task, of a hundred. Those for a customer who does well are done as they should be."""

GRADES: Mapping[Seller, tuple[int, int]] = {
    Seller.READY: (5, 0),
    Seller.LATE: (4, 0),
    Seller.GAPS: (3, 1),
    Seller.VAGUE: (2, 2),
    Seller.OVERRIDE: (2, 1),
    Seller.NEVER: (1, 1),
}
"""What a CSM says of a handoff by how the AE filled it in: the grade, and how often the customer was asked again."""


@dataclass(slots=True)
class Deed:
    """What became of one deal, as its people know it."""

    part: Part
    deal: str = ""
    account: str = ""
    owner: str = ""
    won_at: datetime | None = None
    answered: bool = False
    mails: int = 0
    by_hand: set[str] = field(default_factory=set)
    touched: list[datetime] = field(default_factory=list)
    by_signal: dict[str, datetime] = field(default_factory=dict)
    used: list[tuple[datetime, str]] = field(default_factory=list)


class Quarter:
    """One CRM's quarter. `act` does what is due; `next_at` is when the next thing is."""

    def __init__(
        self, world: World, cast: Iterable[Part], *, start: datetime, days: int, post: Callable[[list[Track]], None]
    ) -> None:
        self.world = world
        self.start, self.days, self.end = start, days, start + timedelta(days=days)
        self.deeds = [Deed(part) for part in cast]
        self.by_deal: dict[str, Deed] = {}
        self.absences: list[tuple[str, datetime, datetime]] = []
        self._hands, self._post = Hands(world), post
        self._view = self._hands.view
        self._queue: list[tuple[datetime, int, Doing]] = []
        self._count = itertools.count()
        self._events: list[tuple[datetime, int, Track]] = []
        self._pipeline: list[str] = []
        self._begin()

    @property
    def next_at(self) -> datetime | None:
        """When somebody does something next; None when nobody will."""
        return self._queue[0][0] if self._queue else None

    def act(self, now: datetime) -> int:
        """Do what is due by `now`, as of the world's clock. How much of it left a trace somewhere."""
        done = 0
        with self.world.lock:
            while self._queue and self._queue[0][0] <= now:
                done += heapq.heappop(self._queue)[2]() is not False
        self.world.flush()
        return done

    # the course of things

    def _at(self, moment: datetime, do: Doing) -> None:
        if moment < self.end:
            heapq.heappush(self._queue, (moment, next(self._count), do))

    def _soon(self, moment: datetime, do: Doing) -> None:
        """Small things are done at the desk, many at a time."""
        self._at(at_desk(moment), do)

    def _begin(self) -> None:
        self._at(self.start, self._take_holidays)
        for moment in looks(self.start, self.end):
            self._at(moment, self._look)
        for moment in relays(self.start, self.end):
            self._at(moment, self._relay)
        for number, moment in enumerate(at for at in looks(self.start, self.end) if at.astimezone(ZONE).hour == 15):
            self._at(moment, partial(self._sell, number))
        for deed in self.deeds:
            opened = min(at_desk(deed.part.opened), deed.part.won - timedelta(minutes=30))
            self._at(max(opened, self.start), partial(self._open, deed))
            self._at(deed.part.won, partial(self._win, deed))

    @property
    def _now(self) -> datetime:
        return self.world.clock.now()

    def _take_holidays(self) -> None:
        for email, day in HOLIDAYS:
            first = self.start.replace(hour=0, minute=0) + timedelta(days=day)
            first -= timedelta(days=first.weekday())
            last = first + timedelta(days=AWAY_DAYS)
            person = self._view.user_named(email).id
            self._hands.days_off(person, first, last)
            self.absences.append((person, first, last))

    def _is_away(self, person: str) -> bool:
        return any(who == person and first <= self._now < last for who, first, last in self.absences)

    # sellers

    def _sell(self, day: int) -> None:
        """Every afternoon somebody works on a deal that is still far from its close."""
        if len(self._pipeline) < PIPELINE:
            plan = self.deeds[day % len(self.deeds)].part.plan
            owner = self._view.user_named(plan.owner).id
            values = {"name": f"{plan.name} (next year)", "amount": plan.amount, "owner": owner}
            stage = self._view.stage_of("qualified", plan.deal_type).id
            self._pipeline.append(self._view.add_deal(values, stage=stage, deal_type=plan.deal_type, by=owner))
        deal = self._pipeline[day % len(self._pipeline)]
        self._view.set_deal(deal, {"next_step": f"Call number {day}"}, by=self._view.deal(deal).owner)

    def _open(self, deed: Deed) -> None:
        part, plan = deed.part, deed.part.plan
        deed.owner = self._view.user_named(plan.owner).id
        deed.account = add_account(self._view, replace(part.home, csm=part.holder), by=deed.owner)
        known = plan.fields if part.seller in (Seller.READY, Seller.OVERRIDE) else {}
        values = {
            "name": plan.name, "amount": plan.amount, "close_date": part.won.date(), "owner": deed.owner,
            "account": deed.account, "product": plan.product, "next_step": plan.next_step, **known,
        }  # fmt: skip
        if part.seller is Seller.OVERRIDE:
            values["success_criteria"] = None
        stage = self._view.stage_of("negotiation", plan.deal_type).id
        deed.deal = self._view.add_deal(values, stage=stage, deal_type=plan.deal_type, by=deed.owner)
        add_roles(self._view, deed.deal, deed.account, by=deed.owner)
        self.by_deal[deed.deal] = deed

    def _win(self, deed: Deed) -> None:
        part, answers = deed.part, dict(deed.part.plan.fields)
        dice = part.dice("win")
        match part.seller:
            case Seller.LATE | Seller.VAGUE:
                if part.seller is Seller.VAGUE:
                    answers |= dict(zip(("use_case", "why_bought"), VAGUE, strict=True))
                self._view.set_deal(deed.deal, answers, by=deed.owner)
            case Seller.GAPS | Seller.NEVER:
                needed = agreed.required(amount=part.plan.amount, deal_type=part.plan.deal_type)
                gone = dice.choice([each for each in needed if each != "champion"])
                kept = {name: text for name, text in answers.items() if name != gone}
                self._view.set_deal(deed.deal, kept, by=deed.owner)
                self._move(deed)
                if part.seller is Seller.GAPS:
                    mends = self._now + timedelta(hours=dice.uniform(1, 6))
                    self._at(mends, lambda: self._mend(deed, {gone: answers[gone]}))
                return
            case Seller.OVERRIDE:
                approver = self._view.user_named(dice.choice(people.APPROVERS)).id
                request = {
                    "override_requested": True, "override_reason": REASON, "override_approver": approver,
                    "override_expires": (self._now + timedelta(days=5)).date(),
                }  # fmt: skip
                self._view.set_deal(deed.deal, request, by=deed.owner)
            case _:
                self._view.set_deal(deed.deal, {"prefill_confirmed": True}, by=deed.owner)
        self._won(deed)

    def _mend(self, deed: Deed, answers: dict[str, Any]) -> None:
        self._view.set_deal(deed.deal, answers, by=deed.owner)
        self._won(deed)

    def _won(self, deed: Deed) -> None:
        self._move(deed)
        deed.won_at = self._now
        for one in usage(deed.part, days=(self.end - self._now).total_seconds() / 86_400) if self._uses(deed) else ():
            self._used(deed, self._now + timedelta(hours=one.hours), one.event, dict(one.properties))
        self._trouble(deed, self._now)

    def _move(self, deed: Deed) -> None:
        stage = self._view.stage_of("won", deed.part.plan.deal_type).id
        try:
            self._view.move_deal(deed.deal, stage, by=deed.owner)
        except Refused:  # the org's own rules: the seller comes back with the answers
            return

    @staticmethod
    def _uses(deed: Deed) -> bool:
        return deed.part.plan.deal_type == "new"

    # customers

    def _used(self, deed: Deed, at: datetime, event: str, properties: dict[str, Any]) -> None:
        number = next(self._count)
        user = deed.part.home.contacts[number % 3].first.lower()
        told: Track = {
            "type": "track",
            "messageId": f"{deed.part.plan.key}-{number}",
            "event": event,
            "timestamp": at.isoformat(),
            "userId": f"{user}@{deed.part.home.domain}",
            "properties": properties,
        }
        if number % 2:
            told["groupId"] = deed.account
        heapq.heappush(self._events, (at, number, told))

    def _relay(self) -> bool:
        due: list[Track] = []
        while self._events and self._events[0][0] <= self._now:
            due.append(heapq.heappop(self._events)[2])
        if due:
            self._post(due)
        return bool(due)

    def _trouble(self, deed: Deed, won: datetime) -> None:
        """What the customers do whom a red flag is to be raised for."""
        day = timedelta(days=1)
        match deed.part.customer:
            case Customer.SLOW:
                self._soon(won + 2 * day, lambda: self._mail(deed))
                self._soon(won + 5 * day, lambda: self._mail(deed))
            case Customer.ABSENT:
                for days in (3, 6):
                    self._soon(won + days * day, lambda: self._absent(deed))
            case Customer.ASKING:
                asks = {"scope_requests": "A second integration that nobody sold"}
                self._soon(won + 8 * day, lambda: self._view.set_deal(deed.deal, asks, by=deed.owner))
            case _:
                return

    def _csm(self, deed: Deed) -> str:
        return self._view.deal(deed.deal).text("csm")

    def _mail(self, deed: Deed) -> None:
        if csm := self._csm(deed):
            deed.touched.append(self._now)
            self._hands.log(deed.deal, "email", by=csm, subject="How is it going?")
            self._mailed(deed, by=csm)

    def _absent(self, deed: Deed) -> None:
        if csm := self._csm(deed):
            self._hands.miss(deed.deal, by=csm, subject="Set-up together")

    def _mailed(self, deed: Deed, *, by: str) -> None:
        """The customer answers a mail of their CSM within hours; the slow one only the first."""
        if by != self._csm(deed):
            return
        deed.mails += 1
        hours = deed.part.dice(f"reply {deed.mails}").uniform(1, 5)
        if deed.part.customer is Customer.SLOW and deed.mails > 1:
            hours = 24.0 * 8
        self._soon(self._now + timedelta(hours=hours), lambda: self._hands.reply(deed.deal, by=deed.owner))

    # tasks

    def _look(self) -> bool:
        """Everybody reads what is new on their list, and decides when to do it; CSMs answer the handoff."""
        answered = False
        for task in self._hands.new_tasks():
            deed = self.by_deal.get(task.deal)
            if deed is not None:
                self._decide(deed, task)
        for deed in self.by_deal.values():
            if deed.won_at is not None and not deed.answered and self._csm(deed):
                answered |= self._answer(deed)
        return answered

    def _decide(self, deed: Deed, task: TaskView) -> None:
        step = task.key.rsplit(":", 1)[1]
        dice = deed.part.dice(step)
        drawn = dice.choices([name for name, _ in HABITS], [weight for _, weight in HABITS])[0]
        habit = "signal" if deed.part.customer is Customer.WELL else drawn
        due = max(task.due or self._now, self._now + timedelta(hours=2))
        match habit:
            case "signal" | "hand":
                at = self._now + (due - self._now) * dice.uniform(0.1, 0.6)
            case "late":
                at = due + timedelta(days=dice.uniform(2, 5))
            case _:
                return
        self._soon(at, lambda: self._do(deed, task.id, step, seen=habit == "signal"))

    def _do(self, deed: Deed, task_id: str, step: str, *, seen: bool) -> bool:
        task = self._view_task(task_id)
        if task is None or task.done:
            return False
        if self._is_away(task.owner) or not is_working_day(self._now):
            again = self._now + timedelta(hours=20)
            self._soon(again, lambda: self._do(deed, task_id, step, seen=seen))
            return False
        way = WAYS.get(step)
        if way in OUT_OF_REACH.get(deed.part.customer, ()):
            way = None
        if way is None or not seen:
            deed.by_hand.add(step)
            self._view.complete_task(task_id, by=task.owner)
            return True
        deed.by_signal[step] = self._now
        if step == ARRANGES and "meeting" not in OUT_OF_REACH.get(deed.part.customer, ()):
            later = at_desk(self._now + timedelta(days=1))
            self._hands.plan(deed.deal, at=later, by=task.owner, subject="Set-up together")
        deed.touched.append(self._now)
        self._hands.log(deed.deal, way, by=task.owner, subject=task.subject.partition(":")[0])
        if way == "email":
            self._mailed(deed, by=task.owner)
        return True

    def _view_task(self, task_id: str) -> TaskView | None:
        return self._view.task(task_id)

    def _answer(self, deed: Deed) -> bool:
        csm = self._csm(deed)
        if self._is_away(csm) or not self._view.deal(deed.deal).text("started_at"):
            return False
        deed.answered = True
        if deed.part.seller is not Seller.VAGUE:
            self._accept(deed)
            return True
        refused = {
            "acceptance": "Rejected",
            "reject_reason": "Missing information",
            "reject_note": "What for, and why now?",
        }
        self._view.set_deal(deed.deal, refused, by=csm)
        better = {name: deed.part.plan.fields.get(name) for name in ("use_case", "why_bought")}
        again = {name: text for name, text in better.items() if text} | {"acceptance": "Resubmitted"}
        self._soon(self._now + timedelta(hours=20), lambda: self._view.set_deal(deed.deal, again, by=deed.owner))
        self._soon(self._now + timedelta(hours=44), lambda: self._accept(deed))
        return True

    def _accept(self, deed: Deed) -> None:
        grade, again = GRADES[deed.part.seller]
        said = {"acceptance": "Accepted", "summary_reviewed": True, "handoff_rating": grade, "repeat_asks": again}
        known = {name: value for name, value in said.items() if self._view.has_field(name)}
        self._view.set_deal(deed.deal, known, by=self._csm(deed))
