"""Puts the meetings of a playbook into the calendar: made once, moved while nobody touched them.

Not here: when a meeting is to be and when it counts as held (``meetings``). A meeting that a person moved, canceled,
reassigned or deleted is left so, and its outcome is never written: whether it was held only people can say.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connector.handoff import stakeholders
from connector.handoff.case import Case, fingerprint, listed
from connector.handoff.lifecycle import assigned_at
from connector.handoff.meetings import Slot
from connector.handoff.model import CrmMeeting, Kind, Outcome, Person, Value
from connector.handoff.plan import Order, Upsert
from connector.handoff.rulebook.people import Role
from connector.handoff.steps import Step, slot_from
from connector.handoff.summary import sections
from connector.handoff.templating import render
from connector.handoff.text import Lines, clean, one_line

AGENDA_NAMES = frozenset({"sections", "stakeholders"})
"""The names of `agenda_words`."""

ATTENDEES = "meeting.attendees"
MAX_BODY_CHARS = 8_000
"""Far below Event.Description's 32,000 (facts: Salesforce, Task): an agenda, not the summary."""

TOO_LATE = timedelta(days=30)
"""So long after it should have been over no meeting is made: a step that is new in the playbook is not for customers of
last year, whose deal somebody edits."""

ENDED = {
    Outcome.HELD: "held",
    Outcome.MISSED: "missed",
    Outcome.MOVED: "moved",
    Outcome.CANCELED: "canceled",
}
"""What became of a meeting, as a step's state; one that is planned is open."""


def proposed(case: Case, step: Step) -> Slot | None:
    """When a meeting is to be if it is written now, never in the past; None for a step that makes none."""
    if step.slot is None or step.slot.start > case.now:
        return step.slot
    if step.meeting and step.meeting.start and step.meeting.end:
        return Slot(step.meeting.start, step.meeting.end)
    return slot_from(case, step.spec, case.now)


def too_late(case: Case, step: Step) -> bool:
    """Whether a meeting that nobody has made yet is of no use any more."""
    return case.now - max(step.deadline, assigned_at(case) or step.deadline) > TOO_LATE


def create(case: Case, step: Step, context: dict[str, object], *, reason: str) -> Upsert:
    """The meeting of a step that has none yet; never in the past, whenever its clock started."""
    slot = proposed(case, step)
    assert slot is not None
    owner_id = step.owner.id if step.owner else None
    subject = one_line(render(step.spec.subject, context))
    guests = _guests(case, step)
    values: dict[str, Value] = {
        "subject": subject,
        "body": _body(step, {**context, **agenda_words(case)}, guests),
        "start": slot.start,
        "end": slot.end,
        "owner": owner_id,
    }
    if guests and ATTENDEES in case.policy.extras:
        values["attendees"] = ";".join(dict.fromkeys(each.id for each in (step.owner, *guests) if each))
    return _upsert(case, step, values, said=_said(subject, owner_id, slot), reason=reason)


def move(case: Case, step: Step, meeting: CrmMeeting, context: dict[str, object], *, reason: str) -> Upsert | None:
    """The parts of a planned meeting that must change, when it still says what was last written to it.

    One that has begun is never moved, and none is moved into the past.
    """
    effect = case.ledger.effects.get(step.spec.step)
    if effect is None or effect.fingerprint != present(meeting) or meeting.outcome is not Outcome.PLANNED:
        return None
    if meeting.start is None or meeting.end is None or meeting.start <= case.now:
        return None
    now_at = Slot(meeting.start, meeting.end)
    wanted = proposed(case, step) or now_at
    owner_id = step.owner.id if step.owner else meeting.owner_id
    subject = one_line(render(step.spec.subject, context))
    values: dict[str, Value] = {}
    if subject != meeting.subject:
        values["subject"] = subject
    if owner_id != meeting.owner_id:
        values["owner"] = owner_id
    if wanted != now_at:
        values |= {"start": wanted.start, "end": wanted.end}
    if not values:
        return None
    return _upsert(case, step, values, said=_said(subject, owner_id, wanted), reason=reason)


def standing(case: Case, step: Step, meeting: CrmMeeting) -> tuple[str, str]:
    """State and reason of a step whose meeting is in the calendar and was not held."""
    effect = case.ledger.effects.get(step.spec.step)
    at = when(case, meeting.start) if meeting.start else "an unknown time"
    if meeting.outcome is not Outcome.PLANNED:
        return ENDED[meeting.outcome], f"Was to be on {at}; a person set its outcome, so no other one is made."
    if meeting.end is not None and meeting.end <= case.now:
        return "open", f"Was on {at}; nobody said yet whether it was held."
    if effect and effect.fingerprint != present(meeting):
        return "open", f"On {at}. A person changed the meeting, so it is left as it is."
    return "open", f"On {at}."


def present(meeting: CrmMeeting) -> str:
    """What a meeting says now, to be held against what was last written to it."""
    return _print(meeting.subject, meeting.owner_id, meeting.start, meeting.end)


def when(case: Case, moment: datetime) -> str:
    """A moment by the team's clock, e.g. ``3 May 2026, 14:30``."""
    return f"{case.day(moment)}, {case.clock(moment)}"


def _said(subject: str, owner_id: str | None, slot: Slot) -> str:
    return _print(subject, owner_id, slot.start, slot.end)


def _print(subject: str, owner_id: str | None, start: datetime | None, end: datetime | None) -> str:
    times = (each.astimezone(UTC).replace(microsecond=0) if each else None for each in (start, end))
    return fingerprint(subject, owner_id, *times)


def agenda_words(case: Case) -> dict[str, object]:
    """What the text of a meeting may name besides what all may: the summary's sections, and who is who."""
    return {"sections": sections(case), "stakeholders": Lines(stakeholders.lines(case))}


def _guests(case: Case, step: Step) -> tuple[Person, ...]:
    """Who is asked to come besides the owner; a role that nobody fills, or the owner does, is left out."""
    roles: tuple[Role, ...] = step.spec.draft.invite if step.spec.draft else ()
    people = (case.person_for(role)[0] for role in roles)
    owner_id = step.owner.id if step.owner else ""
    return tuple({each.id: each for each in people if each and each.id != owner_id}.values())


def _body(step: Step, context: dict[str, object], guests: tuple[Person, ...]) -> str:
    text = render(step.spec.body, context)
    if guests:
        named = listed(one_line(each.name or each.email) for each in (step.owner, *guests) if each)
        text = f"{text.rstrip()}\n\nWith: {named}"
    return clean(text, limit=MAX_BODY_CHARS)


def _upsert(case: Case, step: Step, values: dict[str, Value], *, said: str, reason: str) -> Upsert:
    return Upsert(
        step=step.spec.step,
        order=Order.CREATE,
        kind=Kind.MEETING,
        key=case.key(step.spec.step),
        values=values,
        parents=case.parents,
        fingerprint=said,
        reason=reason,
        record_id=step.meeting.id if step.meeting else None,
    )
