"""Rules of a policy in words: conditions, limits, people, times, triggers, what proves a task done.

Not here: one deal's own words (``handoff.text``) and the documents that quote these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal

from connector.documents.subject import Subject
from connector.handoff.case import listed
from connector.handoff.picture import limit_words
from connector.handoff.rulebook.calendars import Calendar, Limit
from connector.handoff.rulebook.conditions import Condition, Op, Operand, Test
from connector.handoff.rulebook.people import Role, Rung
from connector.handoff.rulebook.playbooks import Do, Make, Miss, PlaybookTask, Signal, SignalKind, TriggerKind
from connector.handoff.triggers import told

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WHOLE_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WHOLE_DAY = 1440
"""Minutes of a day."""

ROLES = {
    Role.AE: "the AE",
    Role.CSM: "the CSM",
    Role.FALLBACK: "the fallback person",
    Role.AE_MANAGER: "the AE's manager",
    Role.CSM_MANAGER: "the CSM's manager",
    Role.PHASE: "the AE at first, the CSM later",
    Role.FIRST_AVAILABLE: "the AE or the CSM, whoever is there",
    Role.SPONSOR: "the executive sponsor",
}

OPS = {
    Op.IS: "is",
    Op.IS_NOT: "is not",
    Op.IN: "is",
    Op.NOT_IN: "is none of",
    Op.AT_LEAST: "is at least",
    Op.MORE_THAN: "is more than",
    Op.AT_MOST: "is at most",
    Op.LESS_THAN: "is less than",
    Op.CONTAINS: "contains",
}

DEAL_TYPES = {"new": "new business", "renewal": "renewals", "upsell": "upsells"}
OUR_WORDS = {"segment": "the segment", "deal_type": "the deal type", "tier": "the tier", "extras": "the tier's extras"}

SIGNALS = {
    SignalKind.MEETING_HELD: "a meeting is held",
    SignalKind.EMAIL_LOGGED: "an email is logged",
    SignalKind.CALL_LOGGED: "a call is logged",
    SignalKind.MEETING_PLANNED: "a meeting is in the calendar",
    SignalKind.CUSTOMER_REPLIED: "the customer writes back",
}

_PLACE = re.compile(r"\{\{\s*(.+?)\s*\}\}")
_FIELD = re.compile(r"""fields\[\s*["']([\w.]+)["']\s*\](?:\s*or\s*["'](.*?)["'])?""")
_TRAILING = re.compile(r"\s*[:,–-]\s*\{\{\s*account\s*\}\}\s*$")
_LOGIC = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def plain(number: Decimal | int) -> str:
    """A number as people write it: 60,000."""
    return f"{Decimal(number).normalize():,f}"


def named(name: str) -> str:
    """A name of the config as a word."""
    return name.replace("_", " ")


def either(words: Iterable[str]) -> str:
    """``a, b or c``."""
    *head, last = [*words] or [""]
    return f"{', '.join(head)} or {last}" if head else last


def operand(value: Operand) -> str:
    """A constant of a condition."""
    match value:
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return plain(value)
        case tuple():
            return either(value)
        case date():
            return day(value)
        case str():
            return value


def day(value: date) -> str:
    """A date as people read it in any country."""
    return f"{value.day} {value:%b %Y}"


def test(subject: Subject, one: Test) -> str:
    """One comparison, with the field's label."""
    label = OUR_WORDS.get(one.field) or subject.label(one.field)
    if one.op is Op.FILLED:
        return f"{label} is {'empty' if one.operand is False else 'filled'}"
    value = one.operand
    if isinstance(value, str) and one.field not in OUR_WORDS:
        value = subject.choice(one.field, value)
    elif isinstance(value, tuple) and one.field not in OUR_WORDS:
        value = tuple(subject.choice(one.field, each) for each in value)
    words = operand(value)
    return f"{label} {OPS[one.op]} {named(words) if one.field in OUR_WORDS else words}"


def condition(subject: Subject, when: Condition, *, always: str = "always") -> str:
    """All tests of a condition."""
    return listed(test(subject, one) for one in when.tests) if when.tests else always


def deals(subject: Subject, when: Condition) -> str:
    """The deals a condition names, as short as people say it: ``new business, enterprise``."""
    return ", ".join(_deals(subject, when)) or "all deals"


def _deals(subject: Subject, when: Condition) -> Iterator[str]:
    for one in when.tests:
        wanted = one.operand if isinstance(one.operand, tuple) else (one.operand,)
        if one.op in (Op.IS, Op.IN) and one.field == "deal_type":
            yield listed(DEAL_TYPES.get(str(each), str(each)) for each in wanted)
        elif one.op in (Op.IS, Op.IN) and one.field in ("segment", "tier"):
            yield either(named(str(each)) for each in wanted)
        else:
            yield test(subject, one)


def limit(subject: Subject, value: Limit) -> str:
    """A time limit."""
    return limit_words(value, day=subject.day)


def within(subject: Subject, value: Limit) -> str:
    """A time limit as a phrase."""
    words = limit(subject, value)
    return words if words == "at once" else f"within {words}"


def span(value: timedelta) -> str:
    """A stretch of time in whole days, else hours, else minutes."""
    seconds = int(value.total_seconds())
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0 and (seconds >= size or unit == "minute"):
            return counted(seconds // size, unit)
    return counted(seconds, "second")


def counted(number: int | Decimal, unit: str) -> str:
    """``1 day``, ``2 days``."""
    return f"{plain(number)} {unit}{'' if number == 1 else 's'}"


def people(roles: Iterable[Role], emails: Iterable[str] = ()) -> str:
    """Several people: roles first."""
    return listed([*(ROLES[role] for role in roles), *emails])


def rung(subject: Subject, one: Rung, *, first: bool) -> str:
    """One step of the ladder: whom it tells, and when."""
    when = limit(subject, one.after)
    after = "" if when == "at once" else f"{when} later"
    return f"{people(one.roles, one.emails)}{', ' + (after or 'at once') if first or after else ', at the same time'}"


def begins(subject: Subject, task: PlaybookTask, titles: dict[str, str]) -> str:
    """What makes a step begin; ``titles`` are the subjects of its playbook's steps."""
    if task.after:
        return f"after “{titles.get(task.after, task.after)}”"
    if task.trigger is None:
        return "with the handoff"
    if task.trigger.kind is TriggerKind.WHEN:
        return f"when {condition(subject, task.trigger.when)}"
    anchor = task.trigger.anchor
    return told(task.trigger, label=subject.label(anchor) if subject.has(anchor) else "")


def done(subject: Subject, task: PlaybookTask) -> str:
    """What proves a step done; that its task can be closed goes without saying where there is more."""
    own = [one for one in task.done_when if one.kind is not SignalKind.TASK_CLOSED]
    return either(_signal(subject, one, task.make) for one in own or task.done_when)


def _signal(subject: Subject, signal: Signal, make: Make) -> str:
    match signal.kind:
        case SignalKind.FIELD_FILLED:
            return f"{subject.label(signal.field)} is filled"
        case SignalKind.FIELD_IS:
            return condition(subject, signal.when)
        case SignalKind.MILESTONE:
            return f"the customer reaches {named(signal.name)}"
        case SignalKind.EVENT:
            often = f" {signal.at_least} times" if signal.at_least > 1 else ""
            return f"the product counts {named(signal.name)}{often}"
        case SignalKind.TASK_CLOSED:
            return {Make.TASK: "the task is closed", Make.MEETING: "it is held", Make.NOTE: "it is written"}[make]
        case _:
            return SIGNALS[signal.kind]


def missed(subject: Subject, misses: Iterable[Miss]) -> str:
    """What follows when a step is not done in time, in order."""
    return "; ".join(_missed(subject, one) for one in misses)


def _missed(subject: Subject, miss: Miss) -> str:
    words = limit(subject, miss.after)
    when = "at once" if words == "at once" else f"after {words}"
    match miss.do:
        case Do.REMIND:
            return f"its owner is reminded {when}"
        case Do.REASSIGN:
            return f"{ROLES[miss.to]} gets it {when}"
        case Do.ESCALATE:
            return f"it goes up the ladder {when}"


def title(subject: Subject, text: str) -> str:
    """A template's text as a heading: its places named, the account at its end left out."""
    return filled(subject, _TRAILING.sub("", text))


def filled(subject: Subject, text: str) -> str:
    """A template's text for a reader: each place as what stands there, in brackets."""
    return _PLACE.sub(lambda found: _place(subject, found[1]), _LOGIC.sub("", text)).strip()


def _place(subject: Subject, inner: str) -> str:
    if found := _FIELD.match(inner):
        return f"[{subject.label(found[1])}]"
    return f"[{named(inner.partition('|')[0].strip())}]"


def hours(calendar: Calendar) -> str:
    """The hours of a calendar, days with the same hours together: ``Mon–Fri 09:00–17:00``."""
    by_day: dict[int, list[str]] = {}
    for window in sorted(calendar.windows, key=lambda one: (one.weekday, one.start)):
        by_day.setdefault(window.weekday, []).append(f"{clock(window.start)}–{clock(window.end)}")
    groups: list[tuple[list[int], str]] = []
    for weekday, found in by_day.items():
        words = " and ".join(found)
        if groups and groups[-1][1] == words and groups[-1][0][-1] == weekday - 1:
            groups[-1][0].append(weekday)
        else:
            groups.append(([weekday], words))
    return ", ".join(f"{_weekdays(found)} {words}" for found, words in groups)


def _weekdays(found: list[int]) -> str:
    first, last = DAYS[found[0]], DAYS[found[-1]]
    return first if len(found) == 1 else f"{first}–{last}"


def clock(minutes: int) -> str:
    """Minutes from midnight as a time of day."""
    minutes = minutes if minutes == WHOLE_DAY else minutes % WHOLE_DAY
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def sentence(text: str) -> str:
    """Begins with a capital, but for an address."""
    return text if "@" in text.partition(" ")[0] else text[:1].upper() + text[1:]
