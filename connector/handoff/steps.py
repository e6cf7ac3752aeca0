"""The steps of a handoff's playbook: owner, due date, whether done, and how it stands in the CRM.

Not here: the tasks and meetings to be written (``rules.playbook``, ``rules.drafts``). A step's plan is drawn up from
the release; once the step before it is done, its own clock starts at that moment instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.handoff.calendar import limit_end, local_date
from connector.handoff.case import Case
from connector.handoff.conditions import filled
from connector.handoff.meetings import Room, Slot, held_at, place
from connector.handoff.model import CrmMeeting, CrmTask, Person
from connector.handoff.rulebook import Draft, Limit, Playbook, PlaybookTask, Role, SignalKind


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it stands: ``deadline`` by its clock, ``done_at`` None while open, ``task`` or ``meeting`` the CRM's.

    ``waiting`` steps are made only when the step before is done. ``owner_why`` is empty for the obvious owner. ``slot``
    is when a meeting is to be; such a step is over when the meeting is.
    """

    spec: PlaybookTask
    begins: datetime
    deadline: datetime
    due: date
    owner: Person | None
    owner_why: str
    done_at: datetime | None
    by_field: bool
    waiting: bool
    task: CrmTask | None
    meeting: CrmMeeting | None = None
    slot: Slot | None = None


def chosen(case: Case) -> Playbook | None:
    """The first playbook that fits the deal."""
    return next((book for book in case.policy.playbooks if case.holds(book.when)), None)


def walk(case: Case) -> tuple[Step, ...]:
    """Every step of the chosen playbook, in its order; empty unless the handoff is running.

    Raises ValueError when the calendar has no working hours, which ``policy.check`` refuses.
    """
    book = chosen(case)
    if book is None or not case.released or case.released_at is None:
        return ()
    planned: dict[str, datetime] = {}
    done: dict[str, datetime] = {}
    found: dict[str, Step] = {}
    busy = _open_tasks(case, book)
    for spec in _in_order(book):
        start = planned.get(spec.after, case.released_at)
        planned[spec.step] = _over(case, spec, start)[1]
        before_done = not spec.after or spec.after in done
        step = _step(case, spec, begins=done.get(spec.after, start), before_done=before_done, busy=busy)
        found[spec.step] = step
        if step.done_at is None and step.owner is not None:
            busy[step.owner.id] += 1
        if step.done_at is not None:
            done[spec.step] = step.done_at
    return tuple(found[spec.step] for spec in book.tasks)


def done_signals(steps: tuple[Step, ...]) -> dict[str, datetime]:
    """When each finished step was first seen done, for the ledger."""
    return {step.spec.step: step.done_at for step in steps if step.done_at is not None}


def met_customer(case: Case, steps: tuple[Step, ...]) -> tuple[tuple[datetime, str | None], ...]:
    """The playbook's own meetings that were held with the customer: when each began, and who had it."""
    own = (step.meeting for step in steps if step.spec.draft and step.spec.draft.with_customer)
    return tuple((one.start, one.owner_id) for one in own if one and one.start and held_at(case, one))


def slot_from(case: Case, spec: PlaybookTask, begins: datetime) -> Slot | None:
    """When a meeting of this step is to be if its clock starts then; None for a task."""
    return _over(case, spec, begins)[0]


def _in_order(book: Playbook) -> list[PlaybookTask]:
    """Each step after the one that triggers it; what is left of a circle keeps its place."""
    left = list(book.tasks)
    ordered: list[PlaybookTask] = []
    while left:
        waiting_for = {spec.step for spec in left}
        following = next((spec for spec in left if spec.after not in waiting_for), left[0])
        left.remove(following)
        ordered.append(following)
    return ordered


def _open_tasks(case: Case, book: Playbook) -> Counter[str]:
    """By person, the open tasks on the deal that are not this playbook's: its own are counted on the walk."""
    own = {case.key(spec.step) for spec in book.tasks}
    others = (task for task in case.snapshot.tasks if task.key not in own and not task.done)
    return Counter(task.owner_id for task in others if task.owner_id)


def _step(case: Case, spec: PlaybookTask, *, begins: datetime, before_done: bool, busy: Mapping[str, int]) -> Step:
    task, meeting = case.task(spec.step), case.meeting(spec.step)
    by_field = any(
        signal.kind is SignalKind.FIELD_FILLED and filled(case.value(signal.field)) for signal in spec.done_when
    )
    slot, deadline = _over(case, spec, begins)
    owner, why = _owner(case, spec, task or meeting, begins=begins, busy=busy)
    return Step(
        spec=spec,
        begins=begins,
        deadline=deadline,
        due=local_date(case.policy.calendar, slot.start if slot else deadline),
        owner=owner,
        owner_why=why,
        done_at=_done_at(case, spec, task or meeting, by_field=by_field),
        by_field=by_field,
        waiting=not spec.at_release and not before_done,
        task=task,
        meeting=meeting,
        slot=slot,
    )


def _done_at(case: Case, spec: PlaybookTask, made: CrmTask | CrmMeeting | None, *, by_field: bool) -> datetime | None:
    """The first time it was seen done; the CRM's own time for a closed task or a meeting that was held, else now."""
    if spec.step in case.ledger.done_signals:
        return case.ledger.done_signals[spec.step]
    if isinstance(made, CrmTask) and made.done:
        return made.done_at or case.now
    if isinstance(made, CrmMeeting) and (held := held_at(case, made)):
        return held
    return case.now if by_field else None


def _owner(
    case: Case,
    spec: PlaybookTask,
    made: CrmTask | CrmMeeting | None,
    *,
    begins: datetime,
    busy: Mapping[str, int],
) -> tuple[Person | None, str]:
    """Who should own it. What is the AE's stays with its owner: the deal may get another owner after the sale. So does
    what somebody got because they could take it first."""
    present = case.snapshot.person(made.owner_id) if made else None
    role = case.phase_owner(begins) if spec.owner is Role.PHASE else spec.owner
    from_cs = spec.owner is Role.PHASE and present == case.csm
    if role in (Role.AE, Role.FIRST_AVAILABLE) and present and present.active and not from_cs:
        return present, ""
    return case.first_available(busy) if role is Role.FIRST_AVAILABLE else case.person_for(role)


def _over(case: Case, spec: PlaybookTask, start: datetime) -> tuple[Slot | None, datetime]:
    """When a step whose clock starts then is to be over; for a meeting also when it is to be."""
    deadline = _deadline(case, start, spec.limit)
    if spec.draft is None:
        return None, deadline
    slot = _slot(case, spec.draft, opens=_deadline(case, start, spec.draft.earliest), closes=deadline, step=spec.step)
    return slot, slot.end


def _slot(case: Case, draft: Draft, *, opens: datetime, closes: datetime, step: str) -> Slot:
    room = Room(opens, closes, timedelta(minutes=draft.minutes))
    return place(case.policy.calendar, room, key=case.key(step))


def _deadline(case: Case, start: datetime, limit: Limit) -> datetime:
    return limit_end(case.policy.calendar, start, limit)
