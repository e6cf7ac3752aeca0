"""Tells the CSM what changed of the answers after the handoff: once, old beside new, an hour's edits together.

Not here: the summary, which follows the deal at once (``rules.summarise``). What was edited and put back within the
hour is told to nobody. A CSM who is new has read the summary as it stands, and so has everybody when the ledger was
lost: then what changed before is told to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from connector.handoff.case import Case, fingerprint
from connector.handoff.model import Answered, Briefed
from connector.handoff.plan import Finding, Notify, Order, Verdict
from connector.handoff.rulebook.fields import FieldOwner
from connector.handoff.summary import CONTACTS
from connector.handoff.templating import render
from connector.handoff.text import Lines, clean, names, one_line, shown

NAME = "changes"
PEOPLES = frozenset({FieldOwner.HUMAN, FieldOwner.FILL_IF_EMPTY})
"""Whose fields are people's words: what was taken over once while it was empty is theirs to change."""

MOMENT = "summary_changed"
"""The name of the moment and of its template."""

CHANGES_NAMES = frozenset({"changes"})
"""What the message's template may name besides what all may: a line for each answer that changed."""

QUOTED_CHARS = 240
"""Most of an answer that is remembered, and quoted in a message; the rest is read in the summary."""

MOST_CHARS = 8_000
"""Most of a message: a mail, not the summary."""

SUBJECT = "Changed after the handoff: {{ account }}"
TEXT = """\
What is known of {{ account }} ({{ deal }}) changed since it was handed to you:
{{ changes }}
The summary on the deal says it already."""
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Change:
    """One answer that the CSM knows otherwise than it now stands."""

    field: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What to remember, what changed, and when that is to be told; ``due`` is None where nothing changed. ``untold`` is
    what to remember while it is not told."""

    briefed: Briefed | None
    changes: tuple[Change, ...] = ()
    due: datetime | None = None
    untold: Briefed | None = None


def find(case: Case) -> Finding | None:
    """The message that is due, or when it will be; None while the CSM knows all."""
    standing = stand(case)
    if standing.due is None:
        return None
    labels = ", ".join(case.label(each.field) for each in standing.changes)
    if standing.due > case.now:
        at = f"{case.day(standing.due)}, {case.clock(standing.due)}"
        return Finding(NAME, Verdict.WAIT, f"Changed: {labels}. The CSM is told on {at}.", recheck_at=standing.due)
    try:
        messages = tuple(_messages(case, standing.changes))
    except ValueError as error:
        return Finding(NAME, Verdict.BLOCKED, f"A message could not be written: {error}.")
    if not messages:
        return Finding(NAME, Verdict.IN_SYNC, f"Changed: {labels}. Nobody is there to be told.")
    return Finding(NAME, Verdict.ACT, messages[0].reason, actions=messages)


def stand(case: Case) -> Standing:
    """How what the CSM knows stands to what the deal says."""
    if MOMENT not in case.policy.notify.moments:
        return Standing(None)
    if not case.released or case.assignment is None:
        return Standing(case.ledger.briefed)
    answers = dict(_answers(case))
    known = case.ledger.briefed
    if known is None or case.ledger.csm_id != case.assignment.person_id:
        return Standing(Briefed(answers))
    changes = tuple(
        Change(path, known.answers[path].text, answer.text)
        for path, answer in answers.items()
        if path in known.answers and known.answers[path].print != answer.print
    )
    if not changes:
        return Standing(Briefed(answers))
    since = known.since or case.now
    due = since + case.policy.notify.changes_after
    untold = Briefed({**answers, **known.answers}, since)
    return Standing(untold if due > case.now else Briefed(answers), changes, due, untold)


def _answers(case: Case) -> Iterator[tuple[str, Answered]]:
    """What the summary shows of people's own words, of the fields that can be read."""
    paths = (path for section in case.policy.summary.sections for path in section.fields if path != CONTACTS)
    for path in dict.fromkeys(paths):
        rule = case.policy.fields.get(path)
        if rule is not None and rule.owner in PEOPLES and case.snapshot.knows(path):
            text = shown(case, path)
            yield path, Answered(fingerprint(" ".join(text.split())), one_line(text, limit=QUOTED_CHARS))


def _messages(case: Case, changes: tuple[Change, ...]) -> Iterator[Notify]:
    person, known = case.csm, case.ledger.briefed
    if person is None or not person.active or not person.email or known is None:
        return
    context = {**names(case), "changes": Lines(_line(case, each) for each in changes)}
    subject = one_line(render(SUBJECT, context))
    labels = ", ".join(case.label(each.field) for each in changes)
    text = clean(render(case.policy.notify.texts.get(MOMENT, TEXT), context), limit=MOST_CHARS)
    began = f"{known.since or case.now:%Y%m%dT%H%M%S}"
    for way in ("", *case.policy.notify.in_crm):
        # By when it began: what waits for the end of quiet hours must not give way to what changes then.
        step = f"notify-{MOMENT}-{began}" + (f"-{way}" if way else "")
        yield Notify(
            step=step,
            order=Order.NOTIFY,
            key=":".join((case.key(step), person.id)),
            to_email=person.email,
            to_name=one_line(person.name),
            subject=subject,
            text=text,
            fingerprint=fingerprint(person.id, text),
            reason=f"{one_line(person.name)} is told what changed: {labels}.",
            way=way,
            to_id=person.id,
            deal_id=case.snapshot.deal.ref.id,
            not_before=case.told_at(),
        )


def _line(case: Case, change: Change) -> str:
    was, now = (f"“{each}”" if each else NOTHING for each in (change.was, change.now))
    return f"- {case.label(change.field)}: was {was}, is now {now}"
