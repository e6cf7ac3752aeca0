"""Plays one handoff against the calendar: what would be made, due, missed and told, and when, by what people do.

Not here: any CRM. The real `decide` is asked again and again, its answers are carried out on a copy of the snapshot,
and time jumps to whatever comes next; nothing is written anywhere, and the same question has the same answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from connector.handoff.case import Case
from connector.handoff.decide import decide, weigh
from connector.handoff.model import (
    CrmMeeting,
    CrmNote,
    CrmTask,
    Effect,
    Kind,
    LedgerFacts,
    Outcome,
    Snapshot,
    Stage,
    Value,
)
from connector.handoff.plan import Notify, Patch, Plan, Remember, SendMail, Upsert
from connector.handoff.playbook_text import version_of
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.playbooks import Do
from connector.handoff.rulebook.policy import Policy
from connector.handoff.steps import Step, chosen, walk

HORIZON = timedelta(days=120)
"""How far is played where nobody says: the first 90 days and what is told of them afterwards."""
MOST_TURNS = 5_000
MOST_PASSES = 20
"""Decisions at one moment: the second has nothing more to write, unless the first set something off."""
PROMPT = timedelta(minutes=30)
"""So long before it is due prompt people have done a task."""

WON = Stage("won", "Closed Won", is_won=True, is_closed=True)


class Habit(StrEnum):
    """What people do meanwhile."""

    PROMPT = "prompt"
    IDLE = "idle"


class What(StrEnum):
    """What happens to a step."""

    MADE = "made"
    MOVED = "moved"
    DUE = "due"
    DONE = "done"
    MISSED = "missed"
    REMINDED = "reminded"
    REASSIGNED = "reassigned"
    ESCALATED = "escalated"
    WAITING = "waiting"


TOLD = {Do.REMIND: What.REMINDED, Do.REASSIGN: What.REASSIGNED, Do.ESCALATE: What.ESCALATED}
_ORDER = {each: place for place, each in enumerate(What)}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens: to which step, to whom, and a word on it."""

    at: datetime
    step: str
    what: What
    who: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """A handoff from ``begins`` to ``ends``. ``pretended`` says that its deal is not won yet, or was not handed off."""

    playbook: str
    version: str
    begins: datetime
    ends: datetime
    events: tuple[Event, ...]
    pretended: bool = False


@dataclass(slots=True)
class _Play:
    snapshot: Snapshot
    policy: Policy
    now: datetime
    habit: Habit
    events: list[Event] = field(default_factory=list)
    due: dict[str, Step] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)


def play(
    snapshot: Snapshot, policy: Policy, now: datetime, *, habit: Habit = Habit.IDLE, days: timedelta = HORIZON
) -> Played:
    """Play a handoff from now on. A deal without a handoff that runs is taken as won now, with nothing missing.

    Raises ValueError when the calendar has no working hours.
    """
    pretended = not weigh(snapshot, policy, now)[0].released
    if pretended:
        snapshot, policy = _as_won(snapshot, now), _without_gate(policy)
    game = _Play(snapshot, policy, now, habit)
    ends = now + days
    if snapshot.ledger.released_at is not None:
        game.done |= {step.spec.step for step in _steps(game) if step.done_at is not None}
    for _ in range(MOST_TURNS):
        ahead = _turn(game)
        if ahead is None or ahead > ends:
            break
        game.now = ahead
    book = chosen(weigh(game.snapshot, policy, game.now)[0])
    game.events += _ends(game, ends)
    ordered = sorted(game.events, key=lambda event: (event.at, _ORDER[event.what], event.step))
    name, version = (book.name, version_of(book)) if book else ("", "")
    return Played(name, version, now, ends, tuple(ordered), pretended)


def _turn(game: _Play) -> datetime | None:
    """Decide and carry out until nothing is to be written any more; the next moment at which anything happens."""
    for _ in range(MOST_PASSES):
        plan = decide(game.snapshot, game.policy, game.now)
        _note(game, plan)
        game.snapshot = _carried_out(game.snapshot, plan, game.now)
        if not plan.actions:
            break
    steps = _steps(game)
    game.due |= {step.spec.step: step for step in steps if step.begun and (step.task or step.meeting)}
    for step in steps:
        if step.done_at is not None and step.spec.step not in game.done:
            game.done.add(step.spec.step)
            game.events.append(Event(step.done_at, step.spec.step, What.DONE, _name(step), step.proof))
    ahead = [plan.recheck_at] if plan.recheck_at else []
    if game.habit is Habit.PROMPT:
        open_now = (step for step in steps if step.begun and step.done_at is None and (step.task or step.meeting))
        ahead += [_does(game, step) for step in open_now]
    return min((at for at in ahead if at > game.now), default=None)


def _does(game: _Play, step: Step) -> datetime:
    """When a prompt person does a step; it is done on the spot once that moment is here."""
    at = step.meeting.end if step.meeting and step.meeting.end else max(step.deadline - PROMPT, step.begins)
    if at > game.now:
        return at
    snapshot, now = game.snapshot, game.now
    if step.task is not None:
        done = dataclasses.replace(step.task, done=True, done_at=now)
        tasks = tuple(done if one.id == done.id else one for one in snapshot.tasks)
        game.snapshot = dataclasses.replace(snapshot, tasks=tasks)
    elif step.meeting is not None:
        held = dataclasses.replace(step.meeting, outcome=Outcome.HELD)
        meetings = tuple(held if one.id == held.id else one for one in snapshot.meetings)
        game.snapshot = dataclasses.replace(snapshot, meetings=meetings)
    return now + timedelta(seconds=1)


def _note(game: _Play, plan: Plan) -> None:
    """What this plan makes and tells."""
    people = game.snapshot.people
    for action in plan.actions:
        if isinstance(action, Upsert) and action.kind in (Kind.TASK, Kind.MEETING):
            owner = people.get(str(action.values.get("owner")))
            made = action.record_id is None
            if made or "due" in action.values or "start" in action.values:
                when = action.values.get("due") or action.values.get("start")
                what = What.MADE if made else What.MOVED
                game.events.append(Event(game.now, action.step, what, owner.name if owner else "", f"for {when}"))
    for mark in plan.remember.marks.keys() - game.snapshot.ledger.marks.keys():
        kind, _, rest = mark.partition(":")
        step, _, name = rest.rpartition(":")
        if kind == "late":
            told = [one for one in plan.actions if isinstance(one, Notify) and one.step.startswith(_late(step, name))]
            names = dict.fromkeys(one.to_name for one in told)
            what = TOLD[Do(name.partition("-")[0])]
            game.events.append(Event(game.now, step, what, " and ".join(names) or "nobody"))


def _late(step: str, name: str) -> str:
    return f"notify-late-{step}-{name}-"


def _ends(game: _Play, ends: datetime) -> Iterator[Event]:
    """When each step that began was due, which were missed, and which wait to the end."""
    done = {one.step: one.at for one in game.events if one.what is What.DONE}
    for name, step in game.due.items():
        if name in game.done and name not in done:
            continue  # it was done before the play began
        if step.deadline <= ends:
            yield Event(step.deadline, name, What.DUE, _name(step))
        if step.deadline <= ends and done.get(name, ends) > step.deadline:
            yield Event(step.deadline, name, What.MISSED, _name(step))
    for step in _steps(game):
        if step.waiting and step.done_at is None:
            yield Event(ends, step.spec.step, What.WAITING, _name(step), f"until {step.waits_for}")


def _name(step: Step) -> str:
    return step.owner.name if step.owner else ""


def _steps(game: _Play) -> tuple[Step, ...]:
    case: Case = weigh(game.snapshot, game.policy, game.now)[0]
    return walk(case)


def _as_won(snapshot: Snapshot, now: datetime) -> Snapshot:
    stage = dataclasses.replace(WON, pipeline=snapshot.stage.pipeline)
    return dataclasses.replace(
        snapshot,
        stage=stage,
        stage_since=now,
        won_at=now,
        passed=(),
        ledger=LedgerFacts(baseline=now),
        tasks=(),
        notes=(),
        meetings=(),
        deal=dataclasses.replace(snapshot.deal, values={**snapshot.deal.values, "gate": None, "started_at": None}),
    )


def _without_gate(policy: Policy) -> Policy:
    return dataclasses.replace(policy, gate=dataclasses.replace(policy.gate, mode=GateMode.OFF, exceptions=()))


def _carried_out(snapshot: Snapshot, plan: Plan, now: datetime) -> Snapshot:
    """The world once the plan is carried out and remembered."""
    ledger = snapshot.ledger
    facts = {name: getattr(plan.remember, name) for name in Remember.__slots__}
    kept = ledger.effects if plan.generation == ledger.generation else {}
    snapshot = dataclasses.replace(snapshot, ledger=dataclasses.replace(ledger, effects=kept, **facts))
    for action in plan.actions:
        match action:
            case Patch():
                snapshot = _patched(snapshot, action)
            case Notify() | SendMail():
                snapshot = _effect(snapshot, Effect(action.step, action.key, action.fingerprint))
            case Upsert():
                snapshot = _upserted(snapshot, action, now)
    return snapshot


def _patched(snapshot: Snapshot, patch: Patch) -> Snapshot:
    ledger = snapshot.ledger
    written = {**ledger.written, patch.ref: {**ledger.written.get(patch.ref, {}), **patch.values}}
    ledger = dataclasses.replace(ledger, written=written)
    account = snapshot.account
    if patch.ref.kind is Kind.ACCOUNT and account is not None:
        account = dataclasses.replace(account, values={**account.values, **patch.values})
        return dataclasses.replace(snapshot, account=account, ledger=ledger)
    if patch.ref.kind is Kind.DEAL:
        deal = dataclasses.replace(snapshot.deal, values={**snapshot.deal.values, **patch.values})
        return dataclasses.replace(snapshot, deal=deal, ledger=ledger)
    return dataclasses.replace(snapshot, ledger=ledger)


def _upserted(snapshot: Snapshot, upsert: Upsert, now: datetime) -> Snapshot:
    record_id = upsert.record_id or f"played-{upsert.key}"
    given = dict(upsert.values)
    if upsert.kind is Kind.TASK:
        new_task = _task(snapshot, upsert, record_id, given, now)
        others = tuple(one for one in snapshot.tasks if one.id != record_id)
        snapshot = dataclasses.replace(snapshot, tasks=(*others, new_task))
    elif upsert.kind is Kind.MEETING:
        before = next((one for one in snapshot.meetings if one.id == record_id), None)
        plain = before or CrmMeeting(record_id, upsert.key, "", None, None, None)
        names = {"subject": "subject", "owner": "owner_id", "start": "start", "end": "end"}
        changes: dict[str, Value] = {names[name]: value for name, value in given.items() if name in names}
        meeting = dataclasses.replace(plain, **changes)  # type: ignore[arg-type]  # values of those fields
        meetings = tuple(one for one in snapshot.meetings if one.id != record_id)
        snapshot = dataclasses.replace(snapshot, meetings=(*meetings, meeting))
    elif upsert.kind is Kind.NOTE:
        note = CrmNote(record_id, upsert.key, str(given.get("body", "")))
        notes = tuple(one for one in snapshot.notes if one.id != record_id)
        snapshot = dataclasses.replace(snapshot, notes=(*notes, note))
    return _effect(snapshot, Effect(upsert.step, record_id, upsert.fingerprint))


def _task(snapshot: Snapshot, upsert: Upsert, record_id: str, given: dict[str, Value], now: datetime) -> CrmTask:
    before = next((one for one in snapshot.tasks if one.id == record_id), None)
    plain = before or CrmTask(record_id, upsert.key, "", None, done=False)
    names = {"subject": "subject", "owner": "owner_id", "due": "due"}
    changes: dict[str, Value] = {names[name]: value for name, value in given.items() if name in names}
    task = dataclasses.replace(plain, **changes)  # type: ignore[arg-type]  # values of those fields
    return dataclasses.replace(task, done=True, done_at=now) if given.get("status") == "done" else task


def _effect(snapshot: Snapshot, effect: Effect) -> Snapshot:
    ledger = snapshot.ledger
    effects = {**ledger.effects, effect.step: effect}
    return dataclasses.replace(snapshot, ledger=dataclasses.replace(ledger, effects=effects))
