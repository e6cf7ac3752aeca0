"""Drafts of mails to the customer: in the customer's own words, or a list of the words that are missing.

Not here: where a draft is kept (``rules.mails``) and sending it, which a person does, or ``rules.posting`` where the
template says so. A mail that quotes nothing of
this customer says what every vendor's mail says, so none is written: what stands in its place tells which fields to
fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connector.handoff.case import Case
from connector.handoff.model import Outcome, Person
from connector.handoff.rulebook.playbooks import Mail
from connector.handoff.sending import address, written_to
from connector.handoff.steps import Step
from connector.handoff.templating import render
from connector.handoff.text import MAX_NAME_CHARS, clean, flaw_sentence, names, one_line, shown
from connector.plain import ADDRESS

MAIL_NAMES = frozenset({"contact", "first_name", "csm_email", "ae_email", "meetings"})
"""What a mail's templates may name besides what all may; ``meetings["kickoff"]`` is when that step's meeting is."""

MAX_MAIL_CHARS = 6_000
TITLE_CHARS = 80
"""What a note's title holds (facts: Salesforce, Note)."""
CHAMPION = "champion"

REFUSED = """\
This mail is not written yet: without the customer's own words it would say what every vendor's mail says.
Fill these in on the deal, and the draft follows:"""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, or the lines that say what it lacks. ``text`` is what its note says; ``body`` what the customer reads,
    who is called ``to``, with a ``copy`` for a colleague."""

    subject: str
    text: str
    lacks: tuple[str, ...] = ()
    body: str = ""
    to: str = ""
    copy: Person | None = None


class Meetings(Mapping[str, str]):
    """When the meetings of the playbook are, by step; empty for one that is not in the calendar."""

    __slots__ = ("_case",)

    def __init__(self, case: Case) -> None:
        self._case = case

    def __getitem__(self, step: str) -> str:
        made = self._case.meeting(step)
        if made is None or made.start is None or made.outcome is not Outcome.PLANNED:
            return ""
        return f"{self._case.day(made.start)}, {self._case.clock(made.start)}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def draft(case: Case, step: Step, mail: Mail) -> Drafted:
    """The draft of a step. Raises ValueError when a template cannot be rendered."""
    context = words(case, mail)
    heading = subject(mail, context)
    lacks = tuple(_lacks(case, mail))
    if lacks:
        return Drafted(heading, "\n".join((REFUSED, *(f"- {each}" for each in lacks))), lacks)
    copy, body = _copies(case, step), clean(render(mail.text, context), limit=MAX_MAIL_CHARS)
    copied = f"Copy: {one_line(copy.name)} <{one_line(copy.email)}>" if copy else ""
    head = "\n".join(filter(None, (f"To: {_address(case, mail)}", copied, f"Subject: {heading}")))
    return Drafted(heading, f"{head}\n\n{body}", body=body, to=_addressee(case, mail), copy=copy)


def subject(mail: Mail, context: Mapping[str, object]) -> str:
    """The subject, on one line. Raises ValueError when it cannot be rendered."""
    return one_line(render(mail.subject, context))


def words(case: Case, mail: Mail) -> dict[str, object]:
    """What a mail's templates may name."""
    whole = _addressee(case, mail)
    return {
        **names(case),
        "contact": whole,
        "first_name": whole.split()[0] if whole else "",
        "csm_email": one_line(case.csm.email) if case.csm else "",
        "ae_email": one_line(case.ae.email) if case.ae else "",
        "meetings": Meetings(case),
    }


def title(subject: str) -> str:
    """The title of the note that a draft is kept in."""
    return one_line(f"Draft: {subject}", limit=TITLE_CHARS)


def _lacks(case: Case, mail: Mail) -> Iterator[str]:
    """What keeps a mail from being this customer's alone, a sentence each."""
    if not _addressee(case, mail):
        yield f"{case.label(CHAMPION)}: nobody to write to; no contact has a role on the deal and the field is empty."
    judged = {each.field: each.flaws for each in case.judged}
    for path in mail.quotes:
        if not case.snapshot.knows(path):
            yield f"{case.label(path)}: the connector may not read this field."
        elif not shown(case, path):
            yield f"{case.label(path)}: is empty."
        elif flaws := judged.get(path):
            yield f"{case.label(path)}: {flaw_sentence(case, flaws[0])}"


def _addressee(case: Case, mail: Mail) -> str:
    """Whom it is to: a contact with a role, else whoever the AE calls champion."""
    contact = written_to(case, mail)
    if contact is not None and contact.name.strip():
        return one_line(contact.name, limit=MAX_NAME_CHARS)
    told = one_line(shown(case, CHAMPION)) if CHAMPION in case.policy.fields else ""
    return one_line(told.split(",")[0].split("(")[0], limit=MAX_NAME_CHARS)


def _address(case: Case, mail: Mail) -> str:
    contact = written_to(case, mail)
    known = (contact and contact.name.strip()) or (mail.send and mail.send.field)
    email = one_line(address(case, mail)) if known else ""
    return f"{_addressee(case, mail)} <{email}>" if email else _addressee(case, mail)


def _copies(case: Case, step: Step) -> Person | None:
    """The colleague who reads along: of AE and CSM the one who does not write it."""
    others = (one for one in (case.csm, case.ae) if one and one.active and step.owner and one.id != step.owner.id)
    return next((one for one in others if ADDRESS.fullmatch(one.email)), None)
