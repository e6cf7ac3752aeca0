"""The steps of a handoff's playbook: owner, due date, whether done, and how it stands in the CRM.

Not here: the tasks and meetings to be written (``rules.playbook``, ``rules.drafts``), what makes a step begin
(``triggers``) and what shows that it is done (``signals``). A step's plan is drawn up from the release; once the step
before it is done, its own clock starts at that moment instead.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connector.handoff.calendar import limit_end, local_date
from connector.handoff.case import Case
from connector.handoff.ladder import Heir, reassigned_to
from connector.handoff.meetings import Room, Slot, find_place, held_at
from connector.handoff.model import CrmMeeting, CrmNote, CrmTask, Person
from connector.handoff.playbook_text import as_before
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import NO_PLAYBOOK, Playbook, PlaybookTask
from connector.handoff.signals import Proof, proven
from connector.handoff.triggers import Begin, begin, mark_of

NAME = "steps"
"""Under which a case keeps its steps: most rules ask for them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it stands: ``deadline`` by its clock, ``done_at`` None while open, ``task`` or ``meeting`` the CRM's.

    ``waiting`` steps are made only when their trigger fires, which is ``foreseen`` where that is known; ``waits_for``
    says for what. ``begun`` steps have theirs behind them, and ``seen`` is when, if that has to be remembered.
    ``owner_why`` is empty for the obvious owner. ``slot`` is when a meeting is to be; such a step is over when the
    meeting is. ``proof`` says by what it was seen done, ``by_field`` whether by anything but its own record.
    ``timed`` is the spec with the role by whose hours it is due: AE or CSM, where it is for whichever of the two.
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
    begun: bool = True
    waits_for: str = ""
    foreseen: datetime | None = None
    seen: datetime | None = None
    proof: str = ""
    note: CrmNote | None = None
    timed: PlaybookTask | None = None

    @property
    def clocked(self) -> PlaybookTask:
        """The step as its clock sees it."""
        return self.timed or self.spec


def chosen(case: Case) -> Playbook | None:
    """The playbook the handoff began with; before it began, the first that fits the deal.

    Of a handoff that began before its playbook was kept, the steps are known that it had: none comes to them, and no
    reminder of theirs.
    """
    if case.ledger.released_at is not None and case.ledger.playbook is not None:
        return case.ledger.playbook if case.ledger.playbook.tasks else None
    fits = present(case)
    if fits is None or case.ledger.released_at is None or case.ledger.steps is None:
        return fits
    known = as_before(fits, case.ledger.steps)
    return known if known.tasks else None


def present(case: Case) -> Playbook | None:
    """The playbook a handoff of this deal would begin with now, with all that is added to it; None where none is meant
    for it. A step that is there already is not added again."""
    fits = [book for book in case.policy.playbooks if case.holds(book.when)]
    books = [*[book for book in fits if not book.adds][:1], *(book for book in fits if book.adds)]
    if len(books) < 2:
        return books[0] if books else None
    name = " + ".join(book.name for book in books)
    tasks: dict[str, PlaybookTask] = {}
    for task in (task for book in books for task in book.tasks):
        tasks.setdefault(task.step, task)
    return Playbook(name, Condition(), tuple(tasks.values()))


def kept(case: Case) -> Playbook | None:
    """The playbook to remember with the handoff; None while it has not begun."""
    if not case.released:
        return case.ledger.playbook
    return chosen(case) or NO_PLAYBOOK


def marks(steps: tuple[Step, ...]) -> dict[str, datetime]:
    """Triggers that fired and leave no other trace, for the ledger."""
    return {mark_of(step.spec.step): step.seen for step in steps if step.seen is not None}


def walk(case: Case) -> tuple[Step, ...]:
    """Every step of the chosen playbook, in its order; empty unless the handoff is running.

    Raises ValueError when the calendar has no working hours, which ``policy.check`` refuses.
    """
    steps: tuple[Step, ...] | None = case.memo.get(NAME)
    if steps is None:
        steps = case.memo[NAME] = _walk(case)
    return steps


def _walk(case: Case) -> tuple[Step, ...]:
    book = chosen(case)
    if book is None or not case.released or case.released_at is None:
        return ()
    planned: dict[str, datetime] = {}
    done: dict[str, datetime] = {}
    found: dict[str, Step] = {}
    busy = _open_tasks(case, book)
    for spec in _in_order(book):
        start = planned.get(spec.after, case.released_at)
        at = _begin(case, spec, guess=done.get(spec.after, start), busy=busy)
        if spec.after and spec.after not in done:
            at = Begin(at.at, fired=False, waits_for=f"step {spec.after} is done")
        starts = at.at if spec.trigger else start
        planned[spec.step] = _over(case, _timed(case, spec, begins=starts, busy=busy), starts)[1]
        step = _step(case, spec, at, busy)
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
    return _over(case, _timed(case, spec, begins=begins, busy={}), begins)[0]


def _begin(case: Case, spec: PlaybookTask, *, guess: datetime, busy: Mapping[str, int]) -> Begin:
    """When a step begins. Whose morning that is may only be known once the day is."""
    timed = _timed(case, spec, begins=guess, busy=busy)
    at = begin(case, timed, guess=guess)
    then = _timed(case, spec, begins=at.at, busy=busy)
    return at if then.owner is timed.owner else begin(case, then, guess=guess)


def _timed(case: Case, spec: PlaybookTask, *, begins: datetime, busy: Mapping[str, int]) -> PlaybookTask:
    """The step in the role of whoever does it, where that is the phase's or who can take it first: people's hours are
    those of their team."""
    if spec.owner is Role.PHASE:
        return dataclasses.replace(spec, owner=case.phase_owner(begins))
    if spec.owner is not Role.FIRST_AVAILABLE:
        return spec
    made = case.task(spec.step) or case.meeting(spec.step)
    owner = case.snapshot.person(made.owner_id) if made else None
    if owner is None or owner not in (case.ae, case.csm):
        owner = case.first_available(busy)[0]
    return dataclasses.replace(spec, owner=Role.CSM if owner is not None and owner == case.csm else Role.AE)


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


def _step(case: Case, spec: PlaybookTask, at: Begin, busy: Mapping[str, int]) -> Step:
    task, meeting = case.task(spec.step), case.meeting(spec.step)
    note = case.note(spec.step) if spec.note else None
    timed = _timed(case, spec, begins=at.at, busy=busy)
    slot, deadline = _over(case, timed, at.at)
    heir = reassigned_to(case, timed, deadline=deadline if at.fired else None)
    owner, why = _owner(case, spec, task or meeting, begins=at.at, busy=busy, heir=heir)
    people = frozenset(person.id for person in (owner, case.csm) if person)
    proof = proven(case, spec, since=at.at if at.fired else None, by=people)
    made_later = spec.trigger is not None or not spec.at_release
    return Step(
        spec=spec,
        begins=at.at,
        deadline=deadline,
        due=local_date(case.calendar_for(timed.owner), slot.start if slot else deadline),
        owner=owner,
        owner_why=why,
        done_at=_done_at(case, spec, task or meeting or note, proof),
        by_field=proof is not None,
        waiting=made_later and not at.fired and task is None and meeting is None and note is None,
        task=task,
        meeting=meeting,
        slot=slot,
        begun=at.fired,
        waits_for=at.waits_for,
        foreseen=at.foreseen,
        seen=at.seen,
        proof=proof.what if proof else "",
        note=note,
        timed=timed,
    )


def _done_at(
    case: Case, spec: PlaybookTask, made: CrmTask | CrmMeeting | CrmNote | None, proof: Proof | None
) -> datetime | None:
    """The first time it was seen done; the CRM's own time for a closed task or a meeting that was held. A note is done
    once it is there, or was."""
    if spec.step in case.ledger.done_signals:
        return case.ledger.done_signals[spec.step]
    if isinstance(made, CrmTask) and made.done:
        return made.done_at or case.now
    if isinstance(made, CrmMeeting) and (held := held_at(case, made)):
        return held
    if isinstance(made, CrmNote) or (spec.note and spec.step in case.ledger.effects):
        return case.now
    return proof.at if proof else None


def _owner(
    case: Case,
    spec: PlaybookTask,
    made: CrmTask | CrmMeeting | None,
    *,
    begins: datetime,
    busy: Mapping[str, int],
    heir: Heir | None,
) -> tuple[Person | None, str]:
    """Who should own it. What is the AE's stays with its owner: the deal may get another owner after the sale. So does
    what somebody got because they could take it first."""
    present = case.snapshot.person(made.owner_id) if made else None
    if heir is not None:
        # Who that is was settled when it was given: nobody's return and no later phase takes it away again.
        person, why = case.person_for(heir.role, at=heir.since)
        if person is None and present and present.active:
            return present, "it was not done in time, and there is nobody yet to take it over"
        return person, why or "it was not done in time, so it went to somebody else"
    role = case.phase_owner(begins) if spec.owner is Role.PHASE else spec.owner
    from_cs = spec.owner is Role.PHASE and present == case.csm
    if role in (Role.AE, Role.FIRST_AVAILABLE) and present and present.active and not from_cs:
        return present, ""
    return case.first_available(busy) if role is Role.FIRST_AVAILABLE else case.person_for(role)


def _over(case: Case, spec: PlaybookTask, start: datetime) -> tuple[Slot | None, datetime]:
    """When a step whose clock starts then is to be over; for a meeting also when it is to be."""
    calendar = case.calendar_for(spec.owner)
    deadline = limit_end(calendar, start, spec.limit)
    if spec.draft is None:
        return None, deadline
    room = Room(limit_end(calendar, start, spec.draft.earliest), deadline, timedelta(minutes=spec.draft.minutes))
    slot = find_place(case, spec, room, made=case.meeting(spec.step))
    return slot, slot.end
