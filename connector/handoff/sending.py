"""Mails that go out by themselves: what their notes say of it, when, to whom, and what became of them.

Not here: what a mail says (``mails``), what is to be done now (``rules.posting``) and handing it to a server
(``engine.mailer``). The first line of the draft's note is the state, for people and for this connector alike: a lost
ledger finds there what was promised, begun and done, and never sends what was begun.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from connector.handoff import stakeholders
from connector.handoff.calendar import limit_end, next_open, quiet_until
from connector.handoff.case import Case
from connector.handoff.model import Contact, CrmNote, Person
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Mail, PlaybookTask, Sending
from connector.handoff.summary import untouched
from connector.handoff.text import one_line
from connector.plain import ADDRESS

DRAFT = "draft--"
"""How the steps of these notes begin; a playbook's own step has no two dashes in a row."""
MAIL, UNSENT, LOGGED = "mail--", "unsent--", "logged--"
"""How the steps of a mail begin: that it was sent, that it was not, that the CRM keeps it among what was done."""

STILL_SENDING = timedelta(minutes=30)
"""So long after it was begun a mail may go out: long enough for a mail server that asks to try again (greylisting),
too short for a mail of last night, or out of a backup."""

QUIETER = 4
"""How often working hours and quiet hours are asked in turn until both agree."""


class State(StrEnum):
    """The first words of the note of a mail that goes out by itself."""

    WAITS = "Goes out by itself"
    BEGAN = "Being sent"
    GONE = "Sent"
    FAILED = "Not sent"
    OVER = "Was to go out by itself"


TAILS = {
    State.WAITS: "to {to}. To stop it, edit or delete this note, or close its task.",
    State.BEGAN: "to {to}. It goes out once or not at all.",
    State.GONE: "to {to}. Answers reach you; what was sent stands below.",
    State.OVER: "to {to}, and does not: its step was done before.",
    State.FAILED: "to {to}: {why} Please look, and send it yourself where it has not arrived.",
}
IN_DOUBT = "nobody knows whether the mail server took it, and it is not sent a second time."
KEPT = "Stays a draft: {why}. Please send it yourself."

_WHEN = r"on \d{1,2} [^\s\d]{3,4} \d{4}, \d\d:\d\d \((?P<at>\d{4}-\d\d-\d\dT\d\d:\d\dZ)\)"
_HEAD = re.compile(rf"\A\s*(?P<state>{'|'.join(State)}) {_WHEN}")
_STAMP = "%Y-%m-%dT%H:%MZ"


@dataclass(frozen=True, slots=True)
class Head:
    """What a note says of its mail: when it goes or went, to the minute."""

    state: State
    at: datetime


def head_of(note: CrmNote | None) -> Head | None:
    """The state in a note; None where it says nothing of one."""
    found = _HEAD.match(note.body) if note else None
    if found is None:
        return None
    return Head(State(found["state"]), datetime.strptime(found["at"], _STAMP).replace(tzinfo=UTC))


def headline(case: Case, state: State, at: datetime, *, to: str, why: str = "") -> str:
    """The first line of a note."""
    stamp = at.astimezone(UTC).strftime(_STAMP)
    return f"{state} on {case.day(at)}, {case.clock(at)} ({stamp}) {TAILS[state].format(to=to, why=why)}"


def sent_at(case: Case, spec: PlaybookTask) -> datetime | None:
    """When the mail of a step went out by itself; None where it did not."""
    if spec.mail is None or spec.mail.send is None:
        return None
    note = case.note(f"{DRAFT}{spec.step}")
    head = head_of(note)
    if f"{MAIL}{spec.step}" in case.ledger.effects or listed(case, spec.step):
        return head.at if head and head.state in (State.BEGAN, State.GONE) else case.now
    if note is not None and head is not None and head.state is State.GONE and untouched(note.body):
        return head.at
    return None


def listed(case: Case, step: str) -> bool:
    """Whether the CRM lists the mail of a step among what was done, as far as such records are read with the tasks."""
    return case.task(f"{LOGGED}{step}") is not None


def written_to(case: Case, mail: Mail) -> Contact | None:
    """The contact a mail is written to; None where no contact has such a role."""
    if mail.send is not None and mail.send.role:
        return next(iter(stakeholders.in_role(case, mail.send.role)), None)
    return stakeholders.first(case)


def address(case: Case, mail: Mail) -> str:
    """The address a mail would go to; empty where none is known."""
    if mail.send is not None and mail.send.field:
        return str(case.value(mail.send.field) or "").strip()
    contact = written_to(case, mail)
    return contact.email.strip() if contact else ""


def hindered(case: Case, mail: Mail, owner: Person | None) -> str:
    """Why a mail cannot go out by itself at all, as part of a sentence; empty where it can."""
    send, to = mail.send, address(case, mail)
    if send is None:
        return "its template does not say that it is sent"
    if not case.snapshot.post.ready:
        return case.snapshot.post.why
    if owner is None or not owner.active or ADDRESS.fullmatch(owner.email) is None:
        return "nobody who is active and has a mail address owns its task"
    if not to:
        return f"no address is known: {_where(case, send)}"
    if ADDRESS.fullmatch(to) is None:
        return f"{one_line(to, limit=80)!r} is no mail address: {_where(case, send)}"
    return ""


def _where(case: Case, send: Sending) -> str:
    if send.field:
        return f"see {case.label(send.field)}"
    role = f"the role {send.role}" if send.role else "a role"
    return f"the contact with {role} on the deal has none"


def goes_at(case: Case, spec: PlaybookTask, send: Sending) -> datetime:
    """When a mail goes whose draft is written now: a whole minute, in working hours and out of quiet ones."""
    end = limit_end(case.calendar_for(spec.owner), case.now, send.after)
    whole = end.replace(second=0, microsecond=0)
    return open_from(case, spec.owner, whole if whole == end else whole + timedelta(minutes=1))


def open_from(case: Case, role: Role, moment: datetime) -> datetime:
    """The first moment from this one on at which customers may be written to."""
    quiet = case.policy.notify.quiet
    for _ in range(QUIETER):
        moment = next_open(case.calendar_for(role), moment)
        until = quiet_until(case.policy.calendar, quiet, moment) if quiet else None
        if until is None:
            break
        moment = until
    return moment
