"""The judge: what stands in one CRM, counted from its records, and what is lost or doubled there.

It knows the shipped policy from `agreed.py`, the ends of played deals from `expectations.py`, and nothing of the
connector: no ledger, no log, no call is looked at. A win that was made a moment ago counts as lost until its
effects stand, so ask when the connector has had its time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector.sandbox import agreed, views
from connector.sandbox.expectations import Expectation, expected
from connector.sandbox.people import BY_EMAIL, CS_LEAD, CSM, SALES_LEAD
from connector.sandbox.seed import HISTORY_UNTIL

if TYPE_CHECKING:
    from connector.sandbox.state import Message, World
    from connector.sandbox.views import CrmView, DealView, NoteView, TaskView, UserView

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_MAY_HOLD_ACCOUNTS = frozenset({CSM, CS_LEAD})


@dataclass(frozen=True, slots=True)
class Offence:
    """One effect that is missing, there twice, or where none should be. `records` are the ids to look at."""

    deal: str
    name: str
    what: str
    records: tuple[str, ...] = ()


@dataclass(slots=True)
class Case:
    """A deal with everything that hangs on it."""

    deal: DealView
    wins: list[datetime]
    gates: list[str]
    due: str  # "handed_off", "overridden", "held", or "" when nothing may have been done to it
    why: str
    expectation: Expectation | None
    tasks: list[TaskView] = field(default_factory=list)
    notes: list[NoteView] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    @property
    def onboarding(self) -> dict[str, list[TaskView]]:
        """The connector's tasks by subject, the account's name cut off."""
        found: dict[str, list[TaskView]] = defaultdict(list)
        for task in self.tasks:
            subject = _subject(task)
            if subject:
                found[subject].append(task)
        return found

    @property
    def summaries(self) -> list[NoteView]:
        """The summary notes."""
        return [note for note in self.notes if agreed.is_summary(note.title)]


def tally(world: World) -> dict[str, Any]:
    """Everything counted in one world, as plain JSON values; `lost` and `doubled` list the offences."""
    with world.lock:
        crm = views.view(world)
        users = {user.id: user for user in crm.users()}
        cases = _cases(crm)
        judged = [case for case in cases if case.due]
        lost = [offence for case in judged for offence in _lost(case, users)]
        doubled = [offence for case in cases for offence in (*_doubled(case), *_strayed(case))]
        return {
            **_counts(judged, users),
            "loads": _loads(crm, users),
            "lost": [asdict(offence) for offence in lost],
            "doubled": [asdict(offence) for offence in doubled],
        }


def doubles(world: World) -> list[Offence]:
    """What stands there twice, of deals in any state."""
    with world.lock:
        return [offence for case in _cases(views.view(world)) for offence in _doubled(case)]


def _counts(judged: list[Case], users: Mapping[str, UserView]) -> dict[str, Any]:
    now = Counter(case.deal.text("gate") for case in judged)
    handed = [case for case in judged if case.deal.text("csm")]
    told = [message for case in judged for message in case.messages]
    assigned = Counter(_email(case.deal.text("csm"), users) for case in handed)
    return {
        "won": sum(1 for case in judged if case.wins),
        "held": sum(1 for case in judged if agreed.HELD in case.gates),
        "held_now": now[agreed.HELD],
        "released": now[agreed.RELEASED],
        "overridden": now[agreed.OVERRIDDEN],
        "assigned": dict(sorted(assigned.items())),
        "tasks": sum(len(tasks) for case in judged for tasks in case.onboarding.values()),
        "summaries": sum(len(case.summaries) for case in judged),
        "notifications": len({message.key for message in told}),
        "notifications_repeated": len(told) - len({message.key for message in told}),
    }


def _loads(crm: CrmView, users: Mapping[str, UserView]) -> dict[str, int]:
    held = Counter(account.csm for account in crm.accounts() if account.csm)
    return {_email(user_id, users): count for user_id, count in sorted(held.items())}


# gathering


def _cases(crm: CrmView) -> list[Case]:
    world = crm.world
    since = views.as_moment(world.settings.get(HISTORY_UNTIL)) or _EARLIEST
    known = expected(world)
    cases = {deal.id: _case(crm, deal, known.get(deal.id), since=since) for deal in crm.deals()}
    for task in crm.tasks():
        if task.deal in cases:
            cases[task.deal].tasks.append(task)
    for note in crm.notes():
        if note.deal in cases:
            cases[note.deal].notes.append(note)
    for message in world.messages:
        for part in (message.key or "").split(":"):
            if part in cases:
                cases[part].messages.append(message)
    return list(cases.values())


def _case(crm: CrmView, deal: DealView, expectation: Expectation | None, *, since: datetime) -> Case:
    wins = [at for at in crm.wins(deal.id) if at > since]
    gates = [str(c.new) for c in crm.history(deal.id) if c.field == "gate" and c.new]
    if expectation is not None:
        return Case(deal, wins, gates, expectation.outcome, f"story {expectation.story!r}", expectation)
    due, why = _judge(crm, deal, wins, gates)
    return Case(deal, wins, gates, due, why, None)


def _judge(crm: CrmView, deal: DealView, wins: list[datetime], gates: list[str]) -> tuple[str, str]:
    """What the shipped policy asks for, when nobody noted what to expect."""
    if any(gate in agreed.PASSED_GATES for gate in gates):
        return "handed_off", "it passed the gate"
    if not wins:
        return "", "never won, or won before the history of this world ends"
    if not agreed.gaps(deal.fields, amount=deal.amount, deal_type=deal.deal_type):
        # Filled, but put back and not won again: it waits for its rep.
        return ("handed_off", "won with every required field") if deal.stage.won else ("held", "not won again yet")
    if deal.stage.won and _override_counts(crm, deal, on=wins[-1]):
        return "overridden", "won with a manager's override"
    return "held", "won with gaps"


def _override_counts(crm: CrmView, deal: DealView, *, on: datetime) -> bool:
    approver = {user.id: user.email for user in crm.users() if user.active}.get(deal.text("override_approver"), "")
    may = approver in BY_EMAIL and BY_EMAIL[approver].role == SALES_LEAD
    expires = deal.fields.get("override_expires")
    asked = bool(deal.fields.get("override_requested") and deal.text("override_reason").strip())
    return asked and may and expires is not None and expires >= on.date()


# judging


def _lost(case: Case, users: Mapping[str, UserView]) -> Iterator[Offence]:
    deal = case.deal
    if case.due == "held":
        if deal.text("gate") != agreed.HELD:
            yield _offence(case, f"should be Held ({case.why}) and its gate says {deal.text('gate') or 'nothing'!r}")
        elif not deal.text("missing"):
            yield _offence(case, "is held and nothing on it says what is missing")
        return
    yield from _lost_fields(case, users)
    for subject in agreed.subjects(deal.deal_type):
        if subject not in case.onboarding:
            yield _offence(case, f"has no task {subject!r}")
    if not case.summaries:
        yield _offence(case, "has no summary note")
    if case.expectation is not None and not case.messages:
        yield _offence(case, "nobody was told of it")


def _lost_fields(case: Case, users: Mapping[str, UserView]) -> Iterator[Offence]:
    deal, gate = case.deal, case.deal.text("gate")
    passed = {agreed.OVERRIDDEN} if case.due == "overridden" else agreed.PASSED_GATES
    if gate not in passed:
        yield _offence(case, f"should have passed the gate ({case.why}) and its gate says {gate or 'nothing'!r}")
    csm = users.get(deal.text("csm"))
    if csm is None:
        yield _offence(case, "has no CSM")
    elif not csm.active or BY_EMAIL.get(csm.email) is None or BY_EMAIL[csm.email].role not in _MAY_HOLD_ACCOUNTS:
        yield _offence(case, f"has {csm.name} as CSM, who is not an active CSM", csm.id)
    for name in ("status", "percent", "summary", "started_at"):
        if not deal.text(name):
            yield _offence(case, f"has no {name.replace('_', ' ')}")
    wish = case.expectation
    if wish and wish.touched and not deal.text("first_touch_at"):
        yield _offence(case, "was touched by its CSM and its first touch is not noted")
    if wish and wish.says and not (wish.says in deal.text("summary") and _noted(case.summaries, wish.says)):
        yield _offence(
            case, "was edited after its handoff and its summary still says the old thing", *_ids(case.summaries)
        )


def _doubled(case: Case) -> Iterator[Offence]:
    for subject, tasks in case.onboarding.items():
        if len(tasks) > 1:
            yield _offence(case, f"has {len(tasks)} tasks {subject!r}", *_ids(tasks))
    if len(case.summaries) > 1:
        yield _offence(case, f"has {len(case.summaries)} summary notes", *_ids(case.summaries))
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for message in case.messages:
        said[(str(message.body.get("to", "")), str(message.body.get("text", "")))].add(message.key or str(message.id))
    for keys in said.values():
        if len(keys) > 1:
            yield _offence(case, "the same message was sent under two keys", *sorted(keys))


def _strayed(case: Case) -> Iterator[Offence]:
    """Effects of a handoff on a deal that has not been handed off."""
    if case.due in ("handed_off", "overridden"):
        return
    early = agreed.REVIEW_SUBJECT
    tasks = [task for subject, same in case.onboarding.items() for task in same if subject != early]
    state = "is held" if case.due == "held" else "was not won in this period"
    if tasks:
        yield _offence(case, f"{state} and has onboarding tasks", *_ids(tasks))
    if case.summaries:
        yield _offence(case, f"{state} and has a summary note", *_ids(case.summaries))
    # A deal that stands before its close, or is back there, may have its CSM already.
    named = ("csm",) if case.deal.stage.won and case.due != "held" else ()
    for name in (*named, "summary", "started_at"):
        if case.deal.text(name):
            yield _offence(case, f"{state} and its field {name!r} is filled")


def _subject(task: TaskView) -> str:
    for subject in agreed.ALL_SUBJECTS:
        if task.subject == subject or task.subject.startswith(f"{subject}:"):
            return subject
    return task.subject.partition(":")[0] if task.key else ""


def _noted(notes: Iterable[NoteView], text: str) -> bool:
    return any(text in note.body for note in notes)


def _offence(case: Case, what: str, *records: str) -> Offence:
    return Offence(case.deal.id, case.deal.name, what, records)


def _ids(items: Iterable[TaskView | NoteView]) -> tuple[str, ...]:
    return tuple(item.id for item in items)


def _email(user_id: str, users: Mapping[str, UserView]) -> str:
    return users[user_id].email if user_id in users else user_id
