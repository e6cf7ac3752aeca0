"""Keeps promises in sight: a weekly list for the CSM, and a task at once for one that cannot be kept.

Not here: reading them (``handoff.commitments``) and the ladder for those that are overdue (``rules.late``). The list is
said once a week; where the ledger was lost it may be said once more that morning. The task is people's once it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from connector.handoff.attention import COMMITMENTS, attends, left_alone
from connector.handoff.calendar import days_from, limit_end, local_date
from connector.handoff.case import Case, fingerprint
from connector.handoff.commitments import Commitment, commitments, deadline, keeper
from connector.handoff.model import Kind, Person, Value
from connector.handoff.mornings import morning_of, next_morning, this_morning
from connector.handoff.plan import Action, Finding, Notify, Order, Upsert, Verdict
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.watch import CommitmentPolicy, CommitmentStatus, ListAs
from connector.handoff.text import clean, one_line

NAME = "commitments"
WEEK = timedelta(days=7)
MAX_BODY_CHARS = 8_000
_OWED = "promises-owed"
_CAUGHT_UP = "promises-caught-up"


def find(case: Case) -> Finding | None:
    """The week's list and what cannot be kept; None where no promise is tracked."""
    asked, csm = case.policy.commitments, case.csm
    if asked is None or csm is None:
        return None
    found = commitments(case)
    if not found:
        alone = case.released and asked.since is None and not attends(case, COMMITMENTS, None)
        return Finding(NAME, Verdict.IN_SYNC, left_alone(COMMITMENTS)) if alone else None
    owed = [one for one in found if one.status.owed]
    actions: list[Action] = [
        _cannot(case, asked, one)
        for one in found
        if one.status is CommitmentStatus.UNDELIVERABLE and not _made(case, one.step)
    ]
    days = _list_days(case, asked) if owed else ()
    missed = _is_owed(case) if owed else False
    listed = []
    if missed or local_date(case.policy.calendar, case.now) in days:
        listed = list(_list(case, asked, owed, csm))
    actions += listed
    mornings = [*(morning_of(case, day) for day in days), *([next_morning(case)] if missed else [])]
    return Finding(
        NAME,
        Verdict.ACT if actions else Verdict.WAIT if owed else Verdict.IN_SYNC,
        _reason(case, found),
        actions=tuple(actions),
        recheck_at=min((at for at in mornings if at > case.now), default=None),
        marks={_CAUGHT_UP: case.now} if listed and missed else {},
        owed={_OWED: case.now} if listed else {},
    )


def _is_owed(case: Case) -> bool:
    """Whether a pause kept the last list from being made, and none was made since."""
    owed, caught_up = case.ledger.marks.get(_OWED), case.ledger.marks.get(_CAUGHT_UP)
    return owed is not None and (caught_up is None or caught_up < owed)


def _reason(case: Case, found: tuple[Commitment, ...]) -> str:
    done = sum(one.status is CommitmentStatus.DONE for one in found)
    lines = " ".join(f"{line}." for line in _lines(case, [one for one in found if one.status.owed]))
    return f"{done} of {len(found)} commitments are kept. {lines}".strip()


def _lines(case: Case, owed: Sequence[Commitment]) -> list[str]:
    return [_line(case, one) for one in sorted(owed, key=lambda one: (one.due or date.max, one.text))]


def _line(case: Case, one: Commitment) -> str:
    until = deadline(case, one)
    if until is None:
        when = "no date"
    else:
        when = f"{'overdue since' if until <= case.now else 'due'} {case.day(until - timedelta(seconds=1))}"
    who = keeper(case, one)
    doing = ", in progress" if one.status is CommitmentStatus.IN_PROGRESS else ""
    return f"{one.text} ({when}{doing}; {one_line(who.name) if who else 'nobody'})"


def _list_days(case: Case, asked: CommitmentPolicy) -> tuple[date, ...]:
    """The days of the lists around today: the weekday asked for, or the next on which the team works."""
    if asked.weekday is None:
        return ()
    calendar = case.policy.calendar
    today = local_date(calendar, case.now)
    first = today - timedelta(days=today.weekday()) + timedelta(days=asked.weekday)
    return tuple(days_from(calendar, first + WEEK * number, 0, working=False) for number in (-1, 0, 1, 2))


def _list(case: Case, asked: CommitmentPolicy, owed: Sequence[Commitment], csm: Person) -> Iterator[Action]:
    """This week's list for the CSM, on its morning."""
    at = this_morning(case)
    if at is None:
        return
    today = local_date(case.policy.calendar, case.now)
    account = case.snapshot.account.text("name") if case.snapshot.account else ""
    subject = one_line(f"Promised to {account or case.snapshot.deal.text('name')}: {len(owed)} to keep")
    text = clean("\n".join(f"- {line}" for line in _lines(case, owed)), limit=MAX_BODY_CHARS)
    if asked.list_as is ListAs.TASK:
        step = f"promises.{today:%Y%m%d}"
        if not _made(case, step):
            yield _task(case, step, csm, subject=subject, text=text, due=today)
        return
    for way in ("", *case.policy.notify.in_crm):
        step = f"notify-promises-{csm.id}" + (f"-{way}" if way else "")
        said = fingerprint(csm.id, today)
        told = case.ledger.effects.get(step)
        if told is None or told.fingerprint != said:
            yield Notify(
                step=step,
                order=Order.NOTIFY,
                key=f"{case.key('promises')}:{today:%Y%m%d}:{csm.id}",
                to_email=csm.email,
                to_name=one_line(csm.name),
                subject=subject,
                text=text,
                fingerprint=said,
                reason=f"{one_line(csm.name)} is told this week's promises.",
                way=way,
                to_id=csm.id,
                deal_id=case.snapshot.deal.ref.id,
                not_before=at,
                together=True,
            )


def _cannot(case: Case, asked: CommitmentPolicy, one: Commitment) -> Upsert:
    calendar = case.calendar_for(Role.CSM)
    due = local_date(calendar, limit_end(calendar, case.now, asked.notice))
    account = case.snapshot.account.text("name") if case.snapshot.account else ""
    subject = one_line(f"Promised, and cannot be kept: {account or case.snapshot.deal.text('name')}")
    ae = case.ae
    text = clean(
        f"Promised: {one.text}\nTell the customer before they notice, offer something else, and write down what was "
        f"agreed. Promised by {one_line(ae.name) if ae else 'Sales'}: say so to them as well.",
        limit=MAX_BODY_CHARS,
    )
    owner = case.csm or case.fallback
    assert owner is not None  # a handoff without a CSM has no list
    return _task(case, one.step, owner, subject=subject, text=text, due=due)


def _task(case: Case, step: str, owner: Person, *, subject: str, text: str, due: date) -> Upsert:
    values: dict[str, Value] = {"subject": subject, "body": text, "due": due, "owner": owner.id, "remind_at": None}
    if "task.priority" in case.policy.extras:
        values["priority"] = "high"
    return Upsert(
        step=step,
        order=Order.CREATE,
        kind=Kind.TASK,
        key=case.key(step),
        values=values,
        parents=case.parents,
        fingerprint=fingerprint(subject, owner.id, due),
        reason=f"{subject}: a task for {one_line(owner.name)}.",
    )


def _made(case: Case, step: str) -> bool:
    return step in case.ledger.effects or case.task(step) is not None
