"""The morning's digest: what is late, stuck or due today, told each person in one message, where the policy says so.

Not here: that one message (``engine.bundles``), and what of a late task climbs the ladder (``rules.late``). Each deal
says its lines an hour before work begins, once a working day. Where the ledger was lost they may be said once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from connector.handoff.calendar import local_date
from connector.handoff.case import Case, fingerprint
from connector.handoff.commitments import late_steps
from connector.handoff.model import Outcome, Person
from connector.handoff.mornings import next_morning, this_morning
from connector.handoff.plan import Finding, Notify, Order, Phase, Verdict
from connector.handoff.rules import stuck
from connector.handoff.steps import Step, walk
from connector.handoff.text import clean, one_line

NAME = "digest"
MAX_TEXT_CHARS = 4_000


def find(case: Case) -> Finding | None:
    """This deal's lines of the morning's digest; None where there is no digest or the deal has nothing to say."""
    if not case.policy.notify.digest:
        return None
    today = local_date(case.policy.calendar, case.now)
    open_steps = [step for step in (*walk(case), *late_steps(case), *stuck.late_steps(case)) if _is_open(step)]
    lines: dict[str, list[str]] = {}
    for person, line in (*_stuck(case), *_due(case, open_steps, today)):
        lines.setdefault(person.id, []).append(line)
    ahead = min((day for step in open_steps if (day := _day(step)) > today), default=None)
    if not lines and ahead is None:
        return None
    at = this_morning(case)
    told = tuple(message for who in lines for message in _messages(case, who, lines[who], at)) if at else ()
    said = f"{len(lines)} of the morning's digests speak of this deal." if lines else "Nothing is late or due today."
    return Finding(
        NAME, Verdict.ACT if told else Verdict.WAIT, said, actions=told, recheck_at=_again(case, ahead, today, lines)
    )


def _again(case: Case, ahead: date | None, today: date, lines: dict[str, list[str]]) -> datetime:
    """The next morning while something is late, else the morning of the day on which something is due."""
    return next_morning(case, today if lines or ahead is None else ahead)


def _is_open(step: Step) -> bool:
    made = step.task or step.meeting or step.spec.step.startswith("promise.")
    over = step.meeting is not None and step.meeting.outcome in (Outcome.CANCELED, Outcome.MOVED)
    return bool(made) and step.begun and step.done_at is None and not over


def _stuck(case: Case) -> Iterator[tuple[Person, str]]:
    """Handoffs that do not begin: held at the gate, or without a CSM."""
    ae, fallback = case.ae, case.fallback
    if case.outcome is Phase.HELD and ae and ae.active:
        yield ae, f"Held at the gate: {case.gap_count}."
    if case.waiting is not None and fallback:
        yield fallback, f"Waits for a CSM since {case.day(case.waiting.since)}."


def _due(case: Case, steps: list[Step], today: date) -> Iterator[tuple[Person, str]]:
    for step in steps:
        present = case.snapshot.person(step.task.owner_id) if step.task else None
        owner = present if present and present.active else step.owner
        if owner is None or not owner.active or _day(step) > today:
            continue
        made = step.task or step.meeting
        subject = one_line(made.subject if made else step.spec.subject)
        if step.meeting is not None and step.meeting.end and step.meeting.end <= case.now:
            yield owner, f"Was it held? {subject}, {case.day(step.meeting.end)}"
        elif _day(step) < today:
            yield owner, f"Late, was due {_spoken(_day(step))}: {subject}"
        else:
            yield owner, f"Due today: {subject}"


def _day(step: Step) -> date:
    """The day it is due: in the CRM a person may have set another."""
    return (step.task.due if step.task else None) or step.due


def _spoken(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def _messages(case: Case, person_id: str, lines: list[str], at: datetime) -> Iterator[Notify]:
    person = case.snapshot.person(person_id)
    if person is None or not person.email:
        return
    today = local_date(case.policy.calendar, case.now)
    account = case.snapshot.account.text("name") if case.snapshot.account else ""
    said = fingerprint(person.id, today)
    for way in ("", *case.policy.notify.in_crm):
        step = f"notify-digest-{person.id}" + (f"-{way}" if way else "")
        told = case.ledger.effects.get(step)
        if told is not None and told.fingerprint == said:
            continue
        yield Notify(
            step=step,
            order=Order.NOTIFY,
            key=f"{case.key('digest')}:{today:%Y%m%d}:{person.id}",
            to_email=person.email,
            to_name=one_line(person.name),
            subject=one_line(account or case.snapshot.deal.text("name") or case.snapshot.key.deal_id),
            text=clean("\n".join(f"- {line}" for line in lines), limit=MAX_TEXT_CHARS),
            fingerprint=said,
            reason=f"{one_line(person.name)} reads of it in this morning's digest.",
            way=way,
            to_id=person.id,
            deal_id=case.snapshot.deal.ref.id,
            not_before=at,
            together=True,
        )
