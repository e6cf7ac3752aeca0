"""What the CSM said of a handoff: accepted, or rejected and why, round for round, and by when the AE answers.

Not here: the task for the AE (``rules.acceptance``) and the messages (``rules.notify``). A round begins when the deal
says that the handoff was rejected; it is over when the deal says anything else or the AE closed the task. Rounds are
remembered as marks; where the ledger was lost, the tasks in the CRM tell how many there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connector.handoff.calendar import limit_end
from connector.handoff.case import Case, fingerprint
from connector.handoff.chores import made
from connector.handoff.model import CrmTask
from connector.handoff.rulebook.people import Role
from connector.handoff.text import clean, one_line

FIELD, REASON, NOTE, REVIEWED = "acceptance", "reject_reason", "reject_note", "summary_reviewed"
ACCEPTED, REJECTED, RESUBMITTED = "accepted", "rejected", "resubmitted"
STEP = "handoff_rejected"
MAX_NOTE_CHARS = 600

_BEGAN, _SAID, _OVER, _LEFT, _LATE = "rejected:", "rejected-as:", "resubmitted:", "rejected-left:", "resubmit-late:"


@dataclass(frozen=True, slots=True)
class Round:
    """One rejection: its number from 1, when it was seen, when the answer is due and when it came (None: not yet)."""

    number: int
    at: datetime
    due: datetime
    answered_at: datetime | None = None

    @property
    def step(self) -> str:
        """The name of its task."""
        return f"{STEP}-{self.number}"


@dataclass(frozen=True, slots=True)
class Answers:
    """How things stand between CSM and AE: what the deal says, and every round, the latest last.

    ``begins``, ``ends`` and ``late`` say what this decision sees for the first time; ``marks`` are to be remembered.
    """

    said: str
    rounds: tuple[Round, ...] = ()
    begins: bool = False
    ends: bool = False
    late: bool = False
    marks: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def latest(self) -> Round | None:
        """The latest round, when there was one."""
        return self.rounds[-1] if self.rounds else None

    @property
    def open(self) -> Round | None:
        """The round that waits for the AE."""
        return self.latest if self.latest and self.latest.answered_at is None else None

    @property
    def accepted(self) -> bool:
        """Whether the CSM took the handoff."""
        return self.said == ACCEPTED


def answers(case: Case) -> Answers | None:
    """What was said of a running handoff; None where nobody is asked, or no field is mapped for it."""
    if case.policy.acceptance is None or FIELD not in case.policy.fields or not case.snapshot.knows(FIELD):
        return None
    if not case.released or case.assignment is None:
        return None
    said = str(case.value(FIELD) or "").strip().casefold()
    return _now(case, said, _past(case))


def reviewed(case: Case) -> bool | None:
    """Whether the CSM has read the summary: they ticked it, or took the handoff; None where no field is mapped."""
    ticked = case.value(REVIEWED) is True
    asked = answers(case)
    if asked is None and REVIEWED not in case.policy.fields:
        return None
    return ticked or bool(asked and asked.accepted)


def because(case: Case) -> str:
    """Why the CSM rejected it, as a sentence's end: the code, and the note where there is one."""
    code, note = one_line(case.snapshot.deal.text(REASON)), clean(case.snapshot.deal.text(NOTE), limit=MAX_NOTE_CHARS)
    return f"{code or 'no reason given'}{f' ({note})' if note else ''}"


def _past(case: Case) -> tuple[Round, ...]:
    """The rounds known before this decision, in order."""
    marks = case.ledger.marks
    numbers = sorted(int(name.removeprefix(_BEGAN)) for name in marks if name.startswith(_BEGAN))
    known = tuple(_round(case, n, marks[_mark(_BEGAN, n)], marks.get(_mark(_OVER, n))) for n in numbers)
    if known:
        return known
    tasks: list[CrmTask] = []
    while (task := made(case, case.key(f"{STEP}-{len(tasks) + 1}"))) is not None:
        tasks.append(task)
    rejected = str(case.value(FIELD) or "").strip().casefold() == REJECTED
    over = [task.done or not (rejected and task is tasks[-1]) for task in tasks]
    return tuple(_round(case, n, case.now, case.now if gone else None) for n, gone in enumerate(over, 1))


def _round(case: Case, number: int, at: datetime, answered_at: datetime | None) -> Round:
    assert case.policy.acceptance is not None
    due = limit_end(case.calendar_for(Role.AE), at, case.policy.acceptance.resubmit_within)
    return Round(number, at, due, answered_at)


def _now(case: Case, said: str, past: tuple[Round, ...]) -> Answers:
    last = past[-1] if past else None
    marks: dict[str, datetime] = {}
    # Rounds that were read from the CRM are remembered from here on.
    for one in past:
        marks |= _remembered(case, one)
    if said == REJECTED and (last is None or _again(case, last)):
        new = _round(case, len(past) + 1, case.now, None)
        marks[_mark(_BEGAN, new.number)] = case.now
        marks[_as(case, new.number)] = case.now
        return Answers(said, (*past, new), begins=True, marks=marks)
    if last is None or last.answered_at is not None:
        if last is not None and said != REJECTED:
            marks.setdefault(_mark(_LEFT, last.number), case.now)
        return Answers(said, past, marks=_new(case, marks))
    task = made(case, case.key(last.step))
    if said != REJECTED or (task is not None and task.done):
        marks[_mark(_OVER, last.number)] = case.now
        if said != REJECTED:
            marks[_mark(_LEFT, last.number)] = case.now
        over = Round(last.number, last.at, last.due, case.now)
        return Answers(said, (*past[:-1], over), ends=True, marks=_new(case, marks))
    late = last.due <= case.now and _mark(_LATE, last.number) not in case.ledger.marks
    if late:
        marks[_mark(_LATE, last.number)] = case.now
    return Answers(said, past, late=late and not case.recovered, marks=_new(case, marks))


def _again(case: Case, last: Round) -> bool:
    """Whether a deal that says it was rejected tells of another time: it said something else meanwhile, or its reason
    is another than in the round that is over."""
    if last.answered_at is None:
        return False
    marks = case.ledger.marks
    known = any(name.startswith(f"{_SAID}{last.number}:") for name in marks)
    return _mark(_LEFT, last.number) in marks or (known and _as(case, last.number) not in marks)


def _remembered(case: Case, one: Round) -> dict[str, datetime]:
    found = {_mark(_BEGAN, one.number): one.at}
    if one.answered_at is not None:
        found[_mark(_OVER, one.number)] = one.answered_at
    if not any(name.startswith(f"{_SAID}{one.number}:") for name in case.ledger.marks):
        found[_as(case, one.number)] = one.at
    return found


def _new(case: Case, marks: Mapping[str, datetime]) -> dict[str, datetime]:
    return {name: at for name, at in marks.items() if name not in case.ledger.marks}


def _as(case: Case, number: int) -> str:
    """Under which name it is remembered why the round began."""
    return f"{_SAID}{number}:{fingerprint(case.value(REASON), case.value(NOTE))}"


def _mark(kind: str, number: int) -> str:
    return f"{kind}{number}"
