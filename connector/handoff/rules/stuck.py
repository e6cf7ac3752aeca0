"""Makes one task for a customer who is stuck: on what, and three times for a short call; closes it when they moved on.

Not here: who is stuck (``rescue``), what a free time is (``meetings``) and the ladder of a task that nobody does
(``rules.late``). The task is made once per episode and never
changed afterwards; what a person closed or deleted stays so, and its times are those that were free when it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from connector.handoff.attention import RESCUE, attends
from connector.handoff.calendar import end_of_day, local_date, local_time, next_open
from connector.handoff.case import Case, fingerprint, listed
from connector.handoff.meetings import Room, Slot, offers
from connector.handoff.model import CrmTask, Kind, Value
from connector.handoff.plan import Finding, Order, Upsert, Verdict
from connector.handoff.productbook import Rescue, Stuck
from connector.handoff.rescue import Episode, episode, moved_on, signals, tasks
from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Extras, PlaybookTask
from connector.handoff.steps import Step
from connector.handoff.templating import render
from connector.handoff.text import Lines, clean, names, one_line

NAME = "stuck"
RESCUE_NAMES = frozenset({"thing", "stuck_since", "offers", "minutes"})
"""What the texts of a rescue task may name besides what all may."""

MAX_BODY_CHARS = 8_000
MOST_THINGS = 3
"""How many things a subject line names; the rest is counted."""

TOO_LATE = timedelta(days=14)
"""Help that was due longer ago is none any more: who reads a year of events in one go is told of no old troubles."""

_DONE = fingerprint("status", "done")
_PRIORITY = "task.priority"


def find(case: Case) -> Finding | None:
    """Rescue tasks to be made or closed now; None where no signal is meant for this deal."""
    found = signals(case) if case.released else ()
    if not found:
        return None
    if case.assignment is None:
        return Finding(NAME, Verdict.BLOCKED, "Nobody is told that the customer is stuck while there is no CSM.")
    actions: list[Upsert] = []
    said: list[str] = []
    ahead: list[datetime] = []
    try:
        for signal in found:
            _judge(case, signal, actions, said, ahead)
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"A rescue task could not be written: {error}.")
    verdict = Verdict.ACT if actions else Verdict.WAIT if said or ahead else Verdict.IN_SYNC
    reason = " ".join(said) or "The customer is not known to be stuck."
    return Finding(NAME, verdict, reason, actions=tuple(actions), recheck_at=min(ahead, default=None))


def late_steps(case: Case) -> Iterator[Step]:
    """Rescue tasks that are open, as steps that can be late by the day they have in the CRM."""
    product = case.policy.product
    if product is None or not product.rescue.missed or not attends(case, RESCUE, None):
        return
    for signal in signals(case):
        for step, task in tasks(case, signal).items():
            if not task.done and task.due is not None and not moved_on(case, signal, step):
                yield _late(case, signal, step, task, task.due)


def _late(case: Case, signal: Stuck, step: str, task: CrmTask, due: date) -> Step:
    product = case.policy.product
    until = end_of_day(case.policy.calendar, due)
    spec = PlaybookTask(
        step=step,
        subject=task.subject,
        body="",
        owner=signal.owner,
        limit=Limit(Decimal(0), Clock.WALL),
        done_when=(),
        extras=Extras(priority="high"),
        missed=product.rescue.missed if product else (),
    )
    return Step(
        spec=spec,
        begins=until,
        deadline=until,
        due=due,
        owner=case.person_for(signal.owner)[0],
        owner_why="",
        done_at=None,
        by_field=False,
        waiting=False,
        task=task,
    )


def _judge(case: Case, signal: Stuck, actions: list[Upsert], said: list[str], ahead: list[datetime]) -> None:
    made = tasks(case, signal)
    still_open = {step: task for step, task in made.items() if not task.done}
    for step, task in still_open.items():
        if why := moved_on(case, signal, step):
            said.append(f"Signal {signal.name}: the customer moved on, {why}.")
            actions += _close(case, step, task, why)
        else:
            # The clock alone changes nothing here. Their first event of a day, or of a kind, brings the deal back; what
            # else they do is seen with the next reading of handoffs in flight.
            said.append(f"Signal {signal.name}: its task is open since the customer got stuck.")
    now = episode(case, signal)
    if now is None or still_open:
        return
    if now.rests:
        said.append(f"Signal {signal.name} rests: {now.rests}.")
    elif now.due > case.now:
        ahead.append(now.due)
    elif case.now - now.due > TOO_LATE:
        said.append(f"Signal {signal.name}: they were stuck on {_thing(now)} too long ago for a rescue.")
    elif made and signal.seen is None:
        said.append(f"Signal {signal.name}: its task was made before.")  # by the win there is one episode
    elif now.step in made or now.step in case.ledger.effects:
        said.append(f"Signal {signal.name}: the task of this episode was made before.")
    else:
        said.append(f"Signal {signal.name}: the customer is stuck on {_thing(now)} since {case.day(now.begins)}.")
        actions.append(_create(case, now))


def _create(case: Case, found: Episode) -> Upsert:
    signal = found.signal
    policy = case.policy.product
    rescue = policy.rescue if policy else Rescue()
    owner, why = case.person_for(signal.owner)
    context: dict[str, object] = names(case) | {
        "thing": _thing(found),
        "stuck_since": case.day(found.begins),
        "minutes": str(rescue.minutes),
        "offers": Lines(_offer(case, slot) for slot in _offers(case, rescue)),
    }
    subject = one_line(render(signal.subject, context))
    due = local_date(case.policy.calendar, next_open(case.policy.calendar, case.now + rescue.within))
    values: dict[str, Value] = {
        "subject": subject,
        "body": clean(render(signal.body, context), limit=MAX_BODY_CHARS),
        "due": due,
        "owner": owner.id if owner else None,
        "remind_at": None,
    }
    if _PRIORITY in case.policy.extras:
        values["priority"] = "high"
    because = f" ({why})" if why else ""
    return Upsert(
        step=found.step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=case.key(found.step),
        values=values,
        parents=case.parents,
        fingerprint=fingerprint(subject, values["owner"], due),
        reason=f"The customer is stuck on {_thing(found)}; for {owner.name if owner else 'nobody'}{because}.",
    )


def _close(case: Case, step: str, task: CrmTask, why: str) -> list[Upsert]:
    effect = case.ledger.effects.get(step)
    if effect and effect.fingerprint == _DONE:
        return []  # a person opened it again
    return [
        Upsert(
            step=step,
            order=Order.CREATE,
            kind=Kind.TASK,
            key=case.key(step),
            values={"status": "done"},
            parents=case.parents,
            fingerprint=_DONE,
            reason=f"The customer moved on: {why}.",
            record_id=task.id,
        )
    ]


def _offers(case: Case, rescue: Rescue) -> tuple[Slot, ...]:
    """Free times of the CSM within so long; where nobody works that long (a weekend), from when they do again on.

    Raises ValueError when the calendar has no working hours.
    """
    calendar = case.calendar_for(Role.CSM)
    csm = case.assignment.person_id if case.assignment else ""
    taken = case.snapshot.busy.get(csm, ())
    length = timedelta(minutes=rescue.minutes)
    # Whoever reads it needs a moment to send it.
    opens = case.now + timedelta(minutes=30)
    found = offers(calendar, Room(opens, case.now + rescue.within, length), count=rescue.offers, taken=taken)
    if len(found) >= rescue.offers:
        return found
    again = next_open(calendar, opens)
    while len(found) < rescue.offers and again - opens < timedelta(days=14):
        again = next_open(calendar, again) + rescue.within
        found = offers(calendar, Room(opens, again, length), count=rescue.offers, taken=taken)
    return found


def _offer(case: Case, slot: Slot) -> str:
    calendar = case.calendar_for(Role.CSM)
    day = local_date(calendar, slot.start)
    begins, ends = local_time(calendar, slot.start), local_time(calendar, slot.end)
    return f"{day:%A}, {day.day} {day:%b}, {begins:%H:%M} to {ends:%H:%M} ({calendar.tz})"


def _thing(found: Episode) -> str:
    things = [one_line(each, limit=80) for each in found.things[:MOST_THINGS]]
    more = len(found.things) - len(things)
    if more:
        things.append(f"{more} more")
    return listed(things) if things else found.signal.thing
