"""Raises red flags: one task with what shows it, and one message to each of both leaderships, once per episode.

Not here: what is a red flag (``handoff.redflags``). The task is for people from the moment it is made: it is neither
moved nor closed, and one that was deleted is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.handoff.attention import RED_FLAGS, left_alone
from connector.handoff.calendar import limit_end, local_date
from connector.handoff.case import Case, fingerprint
from connector.handoff.model import Kind, Person, Value
from connector.handoff.plan import Action, Finding, Notify, Order, Upsert, Verdict
from connector.handoff.redflags import Raised, asked_for, look, made_before, watched
from connector.handoff.rulebook.people import Role
from connector.handoff.templating import render
from connector.handoff.text import clean, names, one_line

NAME = "red_flags"
MOMENT = "red_flag"
"""The name of the message's template, beside those of the moments."""
FLAG_NAMES = frozenset({"flag", "evidence", "advice"})
"""What that template may name besides what all may."""

SUBJECT = "Red flag, {{ flag }}: {{ account }}"
TEXT = (
    "{{ account }} ({{ deal }}, {{ amount }}) shows a red flag: {{ flag }}. {{ evidence }} {{ advice }}\n"
    "AE: {{ ae }}. CSM: {{ csm }}."
)


def find(case: Case) -> Finding | None:
    """Raise what is new; None where no red flags are looked for."""
    if not asked_for(case) or case.assignment is None:
        return None
    if not watched(case):
        since = case.policy.red_flags.since
        return None if since else Finding(NAME, Verdict.IN_SYNC, left_alone(RED_FLAGS))
    looked = [look(case, flag) for flag in case.policy.red_flags.flags]
    marks = dict(one.mark for one in looked if one.mark)
    ahead = min((one.comes_at for one in looked if one.comes_at), default=None)
    standing = [one.raised for one in looked if one.raised]
    new = [one for one in standing if not made_before(case, one.step)]
    people = _people(case)
    if new and not people:
        reason = "A red flag stands, and nobody of [red_flags] to is known and active."
        return Finding(NAME, Verdict.BLOCKED, reason, recheck_at=ahead, marks=marks)
    try:
        actions = [action for one in new for action in _actions(case, one, people)]
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"A red flag could not be told: {error}.", recheck_at=ahead, marks=marks)
    said = " ".join(f"Red flag {one.flag.name}: {one.evidence}" for one in standing)
    verdict = Verdict.ACT if actions else Verdict.WAIT if standing else Verdict.IN_SYNC
    return Finding(NAME, verdict, said or "No red flag.", actions=tuple(actions), recheck_at=ahead, marks=marks)


def _people(case: Case) -> tuple[Person, ...]:
    """Both leaderships, each person once, in the policy's order."""
    asked = case.policy.red_flags
    found = [case.person_for(role)[0] for role in asked.roles]
    found += [case.person_by_email(email) for email in asked.emails]
    return tuple({one.id: one for one in found if one and one.active and one.email}.values())


def _actions(case: Case, raised: Raised, people: tuple[Person, ...]) -> Iterator[Action]:
    context = names(case) | {
        "flag": raised.flag.name.replace("-", " "),
        "evidence": raised.evidence,
        "advice": raised.flag.advice,
    }
    subject = one_line(render(SUBJECT, context))
    text = clean(render(case.policy.notify.texts.get(MOMENT, TEXT), context), limit=8_000)
    yield _task(case, raised, people[0], subject=subject, text=text)
    for person in people:
        for way in ("", *case.policy.notify.in_crm):
            yield _message(case, raised, person, subject=subject, text=text, way=way)


def _task(case: Case, raised: Raised, owner: Person, *, subject: str, text: str) -> Upsert:
    calendar = case.calendar_for(Role.CSM)
    due = local_date(calendar, limit_end(calendar, case.now, case.policy.red_flags.limit))
    values: dict[str, Value] = {"subject": subject, "body": text, "due": due, "owner": owner.id, "remind_at": None}
    if "task.priority" in case.policy.extras:
        values["priority"] = "high"
    return Upsert(
        step=raised.step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=case.key(raised.step),
        values=values,
        parents=case.parents,
        fingerprint=fingerprint(subject, owner.id, due),
        reason=f"Red flag {raised.flag.name}: {raised.evidence}",
    )


def _message(case: Case, raised: Raised, person: Person, *, subject: str, text: str, way: str) -> Notify:
    return Notify(
        step=f"notify-{raised.step}-{person.id}" + (f"-{way}" if way else ""),
        order=Order.NOTIFY,
        key=f"{case.key(raised.step)}:{person.id}",
        to_email=person.email,
        to_name=one_line(person.name),
        subject=subject,
        text=text,
        fingerprint=fingerprint(person.id, raised.step),
        reason=f"{one_line(person.name)} is told of the red flag {raised.flag.name}.",
        way=way,
        to_id=person.id,
        deal_id=case.snapshot.deal.ref.id,
        not_before=case.told_at(),
    )
