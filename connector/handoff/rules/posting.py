"""What is to be done for a mail that goes out by itself: written, announced, begun, told of.

Not here: the drafts that people send (``rules.mails``) and the sending itself (``engine.mailer``). The note is marked
before the mail leaves and both are recorded together; what a person edited, deleted or closed meanwhile is not sent.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.handoff import mails, sending
from connector.handoff.case import Case, fingerprint
from connector.handoff.mails import Drafted
from connector.handoff.model import CrmNote, Effect, Kind, Value
from connector.handoff.plan import Action, Notify, Order, SendMail, Upsert
from connector.handoff.rulebook.playbooks import Mail, Sending
from connector.handoff.rules.summarise import keep_note, note_print
from connector.handoff.sending import DRAFT, LOGGED, MAIL, STILL_SENDING, UNSENT, Head, State
from connector.handoff.steps import Step
from connector.handoff.summary import Part, same_document, sealed_note, unsealed
from connector.handoff.text import clean, one_line

MAX_LOGGED_CHARS = 8_000
LIMIT_AGAIN = timedelta(hours=1)
"""How long a mail waits that the day's limit kept back, before it asks again."""

APART = timedelta(hours=4)
"""So long after one mail the next may go to the same customer: of what was held up together, not all goes at once."""
ANNOUNCED = timedelta(days=1)
"""A mail that could not go for so long after its time is announced anew: nobody expects it any more."""

_FIRST_LINE = re.compile(r"\A\s*[^\n]*\n+")


@dataclass(frozen=True, slots=True)
class Posting:
    """What follows for one mail; ``remark`` is a sentence for whoever asks why."""

    actions: tuple[Action, ...] = ()
    remark: str = ""
    recheck_at: datetime | None = None
    marks: Mapping[str, datetime] = field(default_factory=dict)
    lacks: bool = False


@dataclass(frozen=True, slots=True)
class _Letter:
    """One step's mail, its note as it stands, and what that says."""

    case: Case
    step: Step
    mail: Mail
    send: Sending
    note: CrmNote | None
    head: Head | None

    @property
    def name(self) -> str:
        """The step of the note."""
        return f"{DRAFT}{self.step.spec.step}"

    @property
    def to(self) -> str:
        """The address."""
        return sending.address(self.case, self.mail)

    def effect(self, start: str) -> Effect | None:
        """What is known to have come of it."""
        return self.case.ledger.effects.get(f"{start}{self.step.spec.step}")

    def part(self, first: str, text: str, subject: str) -> Part:
        """The note with this first line."""
        return Part(self.name, mails.title(subject), sealed_note(self.case, self.name, f"{first}\n\n{text}"))


def posted(case: Case, step: Step) -> Posting:
    """What is to be done for the mail of a step. Raises ValueError when a template cannot be rendered."""
    mail = step.spec.mail
    assert mail is not None
    assert mail.send is not None
    note = case.note(f"{DRAFT}{step.spec.step}")
    letter = _Letter(case, step, mail, mail.send, note, sending.head_of(note))
    if letter.effect(MAIL) is not None or sending.listed(case, step.spec.step):
        return _told(letter)
    state = letter.head.state if letter.head else None
    if (failed := letter.effect(UNSENT)) is not None:
        return _failed(letter, failed.record_id)
    if state is State.BEGAN:
        return _under_way(letter)
    if state in (State.GONE, State.FAILED):
        return Posting(remark=f" {step.spec.step}: its note says what became of it.")
    if step.done_at is None:
        return _waiting(letter)
    if state is State.WAITS and letter.head is not None:
        return _rewritten(letter, State.OVER, letter.head.at, why="")
    return Posting()


def _waiting(letter: _Letter) -> Posting:
    """Write the draft and when it goes, until that time has come."""
    case, step = letter.case, letter.step
    made = mails.draft(case, step, letter.mail)
    if made.lacks:
        part = Part(letter.name, mails.title(made.subject), sealed_note(case, letter.name, made.text))
        return dataclasses.replace(_kept(letter, part), lacks=True)
    if why := sending.hindered(case, letter.mail, step.owner):
        part = letter.part(sending.KEPT.format(why=why), made.text, made.subject)
        return _kept(letter, part, f" {step.spec.step} is not sent by itself: {why}.")
    head = letter.head
    fits = head is not None and head.state is State.WAITS and case.now - head.at <= ANNOUNCED
    if head is None or not fits or not _says(letter, State.WAITS, head.at, made):
        at = sending.goes_at(case, step.spec, letter.send)
        part = letter.part(sending.headline(case, State.WAITS, at, to=letter.to), made.text, made.subject)
        kept = _kept(letter, part)
        if not kept.actions:
            return dataclasses.replace(kept, remark=f" {step.spec.step} is not sent: a person changed its draft.")
        return dataclasses.replace(kept, recheck_at=at, remark=f" {step.spec.step} goes out on {_when(case, at)}.")
    if head.at > case.now:
        return Posting(remark=f" {step.spec.step} goes out on {_when(case, head.at)}.", recheck_at=head.at)
    if (wait := _not_now(letter)) is not None:
        return wait
    if " ".join(made.text.split()) not in " ".join((letter.note.body if letter.note else "").split()):
        return Posting(remark=f" {step.spec.step} is not sent: it is too long for its note, so nobody saw it whole.")
    return _begin(letter, made)


def _not_now(letter: _Letter) -> Posting | None:
    """What a mail whose time has come still waits for."""
    case, step = letter.case, letter.step
    if step.task is None:
        return Posting(remark=f" {step.spec.step} is not sent: its task is not there.")
    opens = sending.open_from(case, step.spec.owner, case.now)
    if opens > case.now:
        return Posting(remark=f" {step.spec.step} waits for working hours.", recheck_at=opens)
    own = f"{MAIL}{step.spec.step}"
    last = max((at for name, at in case.ledger.marks.items() if name.startswith(MAIL) and name != own), default=None)
    if last is not None and case.now < last + APART:
        return Posting(remark=f" {step.spec.step} waits: another mail has just gone.", recheck_at=last + APART)
    if case.snapshot.post.left <= 0:
        why = case.snapshot.post.why or "the day's limit of mails is reached"
        return Posting(remark=f" {step.spec.step} waits: {why}.", recheck_at=case.now + LIMIT_AGAIN)
    return None


def _begin(letter: _Letter, made: Drafted) -> Posting:
    """Mark the note and, once that is confirmed, send."""
    case, step = letter.case, letter.step
    key = f"{MAIL}{step.spec.step}"
    before = case.ledger.marks.get(key)
    # The same moment in every decision until the mark is there, or each would take back what the last one recorded.
    fresh = before is not None and letter.head is not None and letter.head.at <= before
    at = before if before and fresh and case.now - before < STILL_SENDING else case.now.replace(microsecond=0)
    part = _begun(letter, at, made)
    why = "The note says that its mail is being sent, before it leaves."
    upsert, remark = keep_note(case, part, owner_id=step.owner.id if step.owner else None, why=(why, why))
    if upsert is None:
        return Posting(remark=remark)
    mail = _mail(letter, made, marked=note_print(part.text))
    return Posting((upsert, mail), f" {step.spec.step} goes out now.", at + STILL_SENDING, {key: at})


def _under_way(letter: _Letter) -> Posting:
    """A mail of which the note says that it was begun, and nobody what came of it."""
    case, step, head = letter.case, letter.step, letter.head
    assert head is not None
    over = head.at + STILL_SENDING
    if over <= case.now:
        return _failed(letter, sending.IN_DOUBT)
    waits = Posting(remark=f" {step.spec.step} is being sent.", recheck_at=over)
    at = case.ledger.marks.get(f"{MAIL}{step.spec.step}")
    ours = at is not None and at.replace(second=0, microsecond=0) == head.at
    if not ours or at is None or step.done_at is not None or step.task is None:
        return waits
    made = mails.draft(case, step, letter.mail)
    if made.lacks or sending.hindered(case, letter.mail, step.owner) or not _says(letter, State.BEGAN, at, made):
        return waits
    mail = _mail(letter, made, marked=note_print(_begun(letter, at, made).text))
    return dataclasses.replace(waits, actions=(mail,))


def _told(letter: _Letter) -> Posting:
    """It was sent: the note and the CRM's list of mails say so."""
    case, step, head = letter.case, letter.step, letter.head
    name = step.spec.step
    at = case.ledger.marks.get(f"{MAIL}{name}") or (head.at if head else case.now)
    actions: list[Action] = []
    content = _content(letter)
    if head is not None and head.state is State.BEGAN:
        kept = _rewritten(letter, State.GONE, at, why="")
        actions += kept.actions
    if "email.key" in case.policy.extras and letter.effect(LOGGED) is None and not sending.listed(case, name):
        actions.append(_log(letter, at, content))
    return Posting(tuple(actions), f" {name} was sent on {_when(case, at)}.")


def _failed(letter: _Letter, why: str) -> Posting:
    """It was not sent, or nobody knows: its person hears of it, once."""
    step, head = letter.step, letter.head
    why = one_line(why, limit=300)
    actions: list[Action] = []
    if head is not None and head.state in (State.WAITS, State.BEGAN):
        actions += _rewritten(letter, State.FAILED, head.at, why=why).actions
    actions += [told] if (told := _cry(letter, why)) else []
    return Posting(tuple(actions), f" {step.spec.step} was not sent: {why.rstrip('.')}.")


def _rewritten(letter: _Letter, state: State, at: datetime, *, why: str) -> Posting:
    """The note with another first line, and below it what it said."""
    context = mails.words(letter.case, letter.mail)
    subject = mails.subject(letter.mail, context)
    first = sending.headline(letter.case, state, at, to=_said_to(letter), why=why)
    return _kept(letter, letter.part(first, _content(letter), subject))


def _kept(letter: _Letter, part: Part, remark: str = "") -> Posting:
    owner = letter.step.owner
    why = (f"{owner.name if owner else 'Nobody'} finds the draft on the deal.", "The note says how its mail stands.")
    upsert, left = keep_note(letter.case, part, owner_id=owner.id if owner else None, why=why)
    return Posting((upsert,) if upsert else (), remark + left)


def _says(letter: _Letter, state: State, at: datetime, made: Drafted) -> bool:
    """Whether the note is word for word what it would be with this state."""
    first = sending.headline(letter.case, state, at, to=letter.to)
    return letter.note is not None and same_document(letter.note.body, letter.part(first, made.text, made.subject).text)


def _begun(letter: _Letter, at: datetime, made: Drafted) -> Part:
    first = sending.headline(letter.case, State.BEGAN, at, to=letter.to)
    return letter.part(first, made.text, made.subject)


def _content(letter: _Letter) -> str:
    """What the note says below its first line, without its seal."""
    return _FIRST_LINE.sub("", unsealed(letter.note.body), count=1).strip() if letter.note else ""


def _said_to(letter: _Letter) -> str:
    """Whom the note says it is to: the address may have changed since."""
    found = re.search(r"\) to (\S+?)[.:](?:\s|$)", letter.note.body.partition("\n")[0]) if letter.note else None
    return found[1] if found else letter.to or "nobody"


def _mail(letter: _Letter, made: Drafted, *, marked: str) -> SendMail:
    case, owner, copy = letter.case, letter.step.owner, made.copy
    assert owner is not None
    name = f"{MAIL}{letter.step.spec.step}"
    return SendMail(
        step=name,
        order=Order.NOTIFY,
        key=case.key(name),
        to_name=made.to,
        to_email=letter.to,
        from_name=one_line(owner.name),
        from_email=owner.email,
        copy_name=one_line(copy.name) if copy else "",
        copy_email=copy.email if copy else "",
        subject=made.subject,
        text=made.body,
        note=letter.name,
        marked=marked,
        fingerprint=fingerprint(letter.to, made.subject, made.body),
        reason=f"The mail of step {letter.step.spec.step} goes to {letter.to}, as its note said.",
    )


def _log(letter: _Letter, at: datetime, content: str) -> Upsert:
    case, name = letter.case, f"{LOGGED}{letter.step.spec.step}"
    owner = letter.step.owner
    values: dict[str, Value] = {
        "subject": mails.subject(letter.mail, mails.words(case, letter.mail)),
        "body": clean(content, limit=MAX_LOGGED_CHARS),
        "owner": owner.id if owner else None,
        "at": at,
    }
    return Upsert(
        step=name,
        order=Order.CREATE,
        kind=Kind.EMAIL,
        key=case.key(name),
        values=values,
        parents=case.parents,
        fingerprint=fingerprint(name, at),
        reason=f"The mail of step {letter.step.spec.step} was sent, and stands among what was done.",
    )


def _cry(letter: _Letter, why: str) -> Notify | None:
    """Tell whoever's task it is, once."""
    case, step = letter.case, letter.step
    person, name = step.owner, f"notify-unsent-{step.spec.step}"
    if person is None or not person.active or not person.email or name in case.ledger.effects:
        return None
    account = one_line(case.snapshot.account.text("name")) if case.snapshot.account else case.snapshot.key.deal_id
    return Notify(
        step=name,
        order=Order.NOTIFY,
        key=case.key(name),
        to_email=person.email,
        to_name=one_line(person.name),
        subject=f"Please look at a mail to {account}",
        text=f"A mail was to go to {_said_to(letter)} by itself, and it was not sent for certain: {why}\n"
        "Please see whether it arrived, and send it yourself if not; its text is the draft on the deal.",
        fingerprint=fingerprint(person.id),
        reason=f"{one_line(person.name)} is told that a mail was not sent.",
        to_id=person.id,
        deal_id=case.snapshot.deal.ref.id,
        not_before=case.told_at(),
    )


def _when(case: Case, moment: datetime) -> str:
    return f"{case.day(moment)}, {case.clock(moment)}"
