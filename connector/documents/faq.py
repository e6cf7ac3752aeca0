"""Questions people ask about the handoff, each answered from the rule that is behind it.

Not here: a question whose rule is not in the config is not in the document either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from connector.documents import gatebook
from connector.documents.subject import Subject
from connector.documents.words import (
    condition,
    counted,
    deals,
    either,
    hours,
    limit,
    people,
    rung,
    sentence,
    span,
)
from connector.handoff.case import listed
from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldOwner
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.people import WhenFull
from connector.handoff.rulebook.quality import Consequence
from connector.papers import Block, Heading, Words
from connector.policy.meaning import MEANING


def faq(subject: Subject) -> tuple[Block, ...]:
    """Questions that the config has an answer to."""
    return tuple(block for question, answer in QUESTIONS for block in _asked(question, answer(subject)))


def _asked(question: str, words: tuple[str, ...]) -> Iterator[Block]:
    if words:
        yield Heading(1, question)
        yield from (Words(each) for each in words)


def _went_back(subject: Subject) -> tuple[str, ...]:
    if not gatebook.asks(subject) or subject.policy.gate.mode is GateMode.OFF:
        return ()
    lines = [f"Required fields were empty, so {gatebook.LEADS_TO[subject.policy.gate.mode]}."]
    if subject.has("missing"):
        lines[0] += f" “{subject.label('missing')}” on the deal lists them, with why each is asked and what to do."
    lines += [
        f"For {deals(subject, one.when)}, {gatebook.LEADS_TO[one.mode]}." for one in subject.policy.gate.exceptions
    ]
    return tuple(lines)


def _not_known(subject: Subject) -> tuple[str, ...]:
    if not gatebook.asks(subject):
        return ()
    lines = []
    if honest := gatebook.honest(subject):
        ways = "; ".join(f"in {label}: {either(f'“{each}”' for each in words[:3])}" for label, words in honest)
        lines.append(f"Where there is nothing to tell, say so in words that count as an answer: {ways}.")
    if gatebook.override(subject):
        approvers = listed(subject.policy.override.approvers)
        lines.append(
            f"Where it is not known yet and the deal cannot wait, ask for an exception: {approvers} may approve one."
        )
    return tuple(lines)


def _exception(subject: Subject) -> tuple[str, ...]:
    if not gatebook.override(subject) or not gatebook.asks(subject):
        return ()
    policy = subject.policy.override
    fields = listed(subject.label(each) for each in gatebook.OVERRIDE_FIELDS if subject.has(each))
    reason, ahead = counted(policy.min_reason_chars, "character"), counted(policy.max_days, "day")
    return (
        f"Fill in {fields}. The reason needs {reason}, the last day is at most {ahead} ahead.",
        f"May approve: {listed(policy.approvers)}.",
        f"More than {counted(subject.policy.targets.exceptions_a_week, 'exception')} within seven days are a red flag.",
    )


def _vague(subject: Subject) -> tuple[str, ...]:
    gaps, told = (gatebook.judged(subject, each) for each in (Consequence.REQUIRE, Consequence.ADVISE))
    lines = []
    if gaps:
        lines.append(f"An answer counts as missing when it {gaps}.")
    if told:
        lines.append(f"The deal says so, and no more, when an answer {told}.")
    return tuple(lines)


def _assumed(subject: Subject) -> tuple[str, ...]:
    policy = subject.policy
    if not policy.prefills:
        return ()
    sources = listed(dict.fromkeys(subject.label(one.field) for one in policy.prefills))
    lines = [f"{sources} are taken over once from what the CRM knows, while they are empty."]
    if subject.has("prefill_confirmed"):
        lines[0] += (
            f" Until somebody ticks “{subject.label('prefill_confirmed')}” or writes them anew, they are assumed."
        )
    return tuple(lines)


def _which_csm(subject: Subject) -> tuple[str, ...]:
    policy = subject.policy.assignment
    lines = []
    if policy.keep_current:
        lines.append("A known customer keeps the CSM they have.")
    lines += [f"{one.name}: somebody of the pool {one.pool}." for one in policy.rules]
    if subject.has("csm"):
        lines.append(sentence(MEANING["csm"]))
    return tuple(lines)


def _nobody_free(subject: Subject) -> tuple[str, ...]:
    policy = subject.policy.assignment
    words = {WhenFull.FALLBACK: f"{policy.fallback} gets the account", WhenFull.NEXT_POOL: "", WhenFull.WAIT: ""}
    lines = []
    for pool in policy.pools.values():
        what = words[pool.when_full]
        if pool.when_full is WhenFull.NEXT_POOL:
            what = f"the pool {pool.next_pool} is asked"
        elif pool.when_full is WhenFull.WAIT:
            longest = f" for at most {limit(subject, pool.wait_at_most)}" if pool.wait_at_most else ""
            what = f"the deal waits{longest}, the oldest first, then {policy.fallback} gets the account"
        cap = f"at most {counted(pool.cap, 'account')} each" if pool.cap is not None else "no cap"
        lines.append(f"Pool {pool.name} ({cap}): when nobody of it can take one more, {what}.")
    return tuple(lines)


def _other_types(subject: Subject) -> tuple[str, ...]:
    lines = []
    for kind in subject.policy.deal_types:
        books = [
            one.name
            for one in subject.policy.playbooks
            if gatebook.narrowed(one.when, kind.value) and kind.value != "new"
        ]
        if books:
            lines.append(f"{kind.value.capitalize()}: by the playbook “{'”, “'.join(books)}”.")
    return tuple(lines)


def _reopened(subject: Subject) -> tuple[str, ...]:
    window = span(subject.policy.rewin_window)
    again = f"Won again within {window}, a deal goes on with its handoff: no task, note or message is made twice."
    return (f"{again} Won again later, it is a new handoff.",)


def _due(subject: Subject) -> tuple[str, ...]:
    calendars = [("", subject.policy.calendar), *((_for(one), one.calendar) for one in subject.policy.calendars)]
    return tuple(
        f"{one.name}{words}: {hours(one)}, {one.tz}{', without public holidays' if one.holidays else ''}."
        for words, one in calendars
    )


def _for(one: object) -> str:
    team, pools, countries = (getattr(one, name) for name in ("team", "pools", "countries"))
    parts = [team.value if team else "", *pools, *countries]
    return f" ({', '.join(part for part in parts if part)})" if any(parts) else ""


def _not_done(subject: Subject) -> tuple[str, ...]:
    ladder = subject.policy.escalation.ladder
    steps = [rung(subject, one, first=number == 0) for number, one in enumerate(ladder)]
    return (f"It goes up the ladder: {'; then '.join(steps)}.",) if steps else ()


def _rejected(subject: Subject) -> tuple[str, ...]:
    due = gatebook.resubmit(subject)
    if not due:
        return ()
    field, word = subject.label("acceptance"), subject.choice("acceptance", "Resubmitted")
    return (f"The AE gets a task with the reason, to be answered {due}, and then sets “{field}” to “{word}”.",)


def _promised(subject: Subject) -> tuple[str, ...]:
    policy = subject.policy.commitments
    if policy is None:
        return ()
    field = subject.label(policy.field)
    return (
        f"On a line of its own in “{field}”: what | by when | who keeps it | status.",
        "Lines without a bar are prose and are not followed up.",
    )


def _flagged(subject: Subject) -> tuple[str, ...]:
    policy = subject.policy.red_flags
    if not policy.flags:
        return ()
    told = people(policy.roles, policy.emails)
    lines = [f"{told} are told, and the first of them has a task, within {limit(subject, policy.limit)}."]
    for one in policy.flags:
        sign = (
            f"no answer for {limit(subject, one.slower_than)}"
            if one.slower_than.hours
            else f"{counted(one.no_shows, 'meeting')} missed, one after the other"
            if one.no_shows
            else condition(subject, one.when)
        )
        lines.append(f"{sentence(one.name.replace('-', ' '))}: {sign}. {one.advice}".strip())
    return tuple(lines)


def _edit(subject: Subject) -> tuple[str, ...]:
    kept = [
        subject.label(each.path)
        for kind in (Kind.DEAL, Kind.ACCOUNT)
        for each in subject.map.of(kind)
        if each.owner is FieldOwner.DAEMON
    ]
    if not kept:
        return ()
    return (f"Yes, what a person changed stays so. What nobody touched is kept true: {listed(dict.fromkeys(kept))}.",)


Answer = Callable[[Subject], tuple[str, ...]]
QUESTIONS: tuple[tuple[str, Answer], ...] = (
    ("Why is my win not handed over?", _went_back),
    ("What if I do not have the information yet?", _not_known),
    ("How do I ask for an exception?", _exception),
    ("I filled it in. Why does the deal still complain?", _vague),
    ("Who wrote something into my fields?", _assumed),
    ("Why this CSM, and may I change it?", _which_csm),
    ("What if no CSM has room?", _nobody_free),
    ("What about renewals and upsells?", _other_types),
    ("What if a deal is reopened and won again?", _reopened),
    ("Which hours count for due dates?", _due),
    ("What if somebody does not do their task?", _not_done),
    ("What if the CSM sends the handoff back?", _rejected),
    ("How do I write down a promise?", _promised),
    ("When is a customer in danger, and who hears of it?", _flagged),
    ("May I change what the connector wrote?", _edit),
)
"""Each question with the function that finds its answer in the config; no lines, no question."""
