"""Finds out what is known of one handoff and works out its row of figures. Pure: from a case that all rules have seen.

Not here: what is made of the facts (``catalogue``). What leaves no other trace is kept as a mark in the ledger: how
complete the deal was with its win, whose it was then, when the CSM was told, the kickoff of a CSM who is none any more,
when first value was seen. Everything else is read anew each time, so that what people enter late corrects the past.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from connector.handoff.acceptance import answers
from connector.handoff.calendar import end_of_day, local_date, local_time, working_days
from connector.handoff.case import Case
from connector.handoff.commitments import commitments, next_due
from connector.handoff.lifecycle import assigned_at
from connector.handoff.measures.catalogue import FIRST_MONTH, PER_HANDOFF, values_of
from connector.handoff.measures.facts import DAY, TOLD_BY, Facts
from connector.handoff.measures.figure import NOBODY, Figure, Funnel, Who
from connector.handoff.measures.lacking import lacked
from connector.handoff.milestones import activation, moment_of, progress
from connector.handoff.model import DealType, Gate, TouchKind, Value
from connector.handoff.plan import Action, Patch, Phase
from connector.handoff.redflags import look, watched
from connector.handoff.rescue import episode, signals
from connector.handoff.rulebook.playbooks import Do
from connector.handoff.rulebook.watch import CommitmentStatus
from connector.handoff.rules.answering import ASKED, COMPLETE
from connector.handoff.rules.metrics import AT_CLOSE, first_touch, percent_at_close, touches_of
from connector.handoff.rules.onboarding import is_followed
from connector.handoff.steps import Step, met_customer, walk

AE, KICKOFF = "sold-by:", "kickoff:"
"""Marks that end with a person's id: whose deal it was when it was won, whose kickoff was held when."""
TOLD, ACTIVATED, OVERRIDDEN, ESCALATED = "csm-told", "first-value", "let-through", "escalated"
"""Marks of the first message to a CSM, of first value, of an override, and of an escalation that only a lost ledger
knew."""

_LATE, _FLAG = "late:", "flag."
_HUNDRED = Decimal(100)
LARGEST = Decimal(10) ** 13
"""A number above it is a slip of the hand, in any currency. In hundredths, sums of thousands still fit a column."""

_FILLED = 100
_WON = frozenset({Phase.WON, Phase.HELD, Phase.IN_FLIGHT})
_BEGUN = _WON | {Phase.REOPENED, Phase.LOST}

_ACCOUNT = {
    "nps": "account.nps",
    "csat": "account.csat",
    "tickets": "account.tickets_30",
    "churned_at": "account.churned_at",
    "renewed_at": "account.renewed_at",
    "renewal_talk_at": "account.renewal_talk_at",
    "expansion": "account.expansion_amount",
}
"""Facts that stand on the account, where the mapping says where."""


@dataclass(frozen=True, slots=True)
class Found:
    """A handoff's figures, what to remember for them, and when to look again because something comes to count then."""

    figure: Figure | None = None
    marks: Mapping[str, datetime] = field(default_factory=dict)
    due_at: datetime | None = None


NOTHING = Found()


def measured(case: Case, *, actions: Iterable[Action], marks: Mapping[str, datetime], reason: str) -> Found:
    """What is measured of a case that all rules have seen. ``actions`` are what it comes to, ``marks`` all that the
    ledger will hold of it, ``reason`` why it has a handoff or none."""
    if case.generation < 1 or case.phase not in _BEGUN:
        return NOTHING
    own = dict(_marks(case, marks))
    steps = walk(case)
    facts = _facts(case, steps, {**marks, **own}, _writes(case, actions))
    figure = _figure(case, facts, {**marks, **own}, reason)
    return Found(figure, own, _due_at(case, facts))


def _marks(case: Case, known: Mapping[str, datetime]) -> Iterator[tuple[str, datetime]]:
    """What this look has to remember, as far as the ledger does not hold it yet."""
    won = case.snapshot.stage.is_won and case.phase in _WON
    fresh = case.ledger.released_at is None and not case.ledger.adopted
    if won and fresh and _at_close(case, known) is None:
        yield f"{AT_CLOSE}{case.percent}", case.won_at or case.now
    owner = case.snapshot.deal.text("owner")
    if won and owner and not any(name.startswith(AE) for name in known):
        yield f"{AE}{owner}", case.now
    if TOLD not in known and (told := _told(case)) is not None:
        yield TOLD, told
    if case.gate is Gate.OVERRIDDEN and OVERRIDDEN not in known:
        yield OVERRIDDEN, case.now
    yield from _as_the_deal_says(case, known)
    if (held := _kickoff(case)) is not None and case.csm is not None and known.get(f"{KICKOFF}{case.csm.id}") != held:
        yield f"{KICKOFF}{case.csm.id}", held
    if (at := _activated(case, known)) is not None and known.get(ACTIVATED) != at:
        yield ACTIVATED, at


def _as_the_deal_says(case: Case, known: Mapping[str, datetime]) -> Iterator[tuple[str, datetime]]:
    """What only a lost ledger knew, and the deal's own fields still say (``keeping`` wrote them)."""
    for name, mark in (("metric_overrides", OVERRIDDEN), ("metric_escalations", ESCALATED)):
        if case.recovered and case.value(name) == 1 and mark not in known:
            yield mark, case.now


def _facts(case: Case, steps: tuple[Step, ...], marks: Mapping[str, datetime], writes: Mapping[str, Value]) -> Facts:
    asked = answers(case)
    due, done = _plan_of_first_month(case, steps)
    promises_due, kept = _promises(case)
    kickoff = _kickoff_ever(case, marks)
    won_at = None if case.ledger.adopted else case.won_at
    found = {name: case.value(path) for name, path in _ACCOUNT.items() if _reads(case, path)}
    return Facts(
        at=case.now,
        stands=case.snapshot.stage.is_won and case.phase in _WON,
        excluded=case.excluded,
        deal_type=case.snapshot.deal_type,
        won_at=case.won_at,
        adopted=case.ledger.adopted,
        released_at=case.released_at,
        short=_at_close(case, marks),
        asked_at=marks.get(f"{ASKED}-{case.generation}"),
        answered_at=marks.get(f"{COMPLETE}-{case.generation}"),
        assigned_at=assigned_at(case),
        told_at=marks.get(TOLD),
        first_touch_at=first_touch(case, touches_of(case, steps)) if case.released else None,
        kickoff_at=kickoff,
        kickoff_days=working_days(case.policy.calendar, won_at, kickoff) if won_at and kickoff else None,
        activates=activation(case) is not None and is_followed(case),
        activated_at=marks.get(ACTIVATED),
        steps_due=due,
        steps_done=done,
        promises_due=promises_due,
        promises_kept=kept,
        rejections=len(asked.rounds) if asked else 0,
        accepted=asked.accepted if asked else None,
        rating=_rating(case.value("handoff_rating")),
        repeat_asks=_whole(case.value("repeat_asks")),
        escalations=_escalations(case, marks),
        overridden=OVERRIDDEN in marks,
        complete=writes.get("complete", case.value("complete")) is True if "complete" in case.policy.fields else None,
        watched=tuple(found),
        nps=_hundredths(found.get("nps")),
        csat=_hundredths(found.get("csat")),
        tickets=_whole(found.get("tickets")),
        churned_at=moment_of(found.get("churned_at")),
        renewed_at=moment_of(found.get("renewed_at")),
        renewal_talk_at=moment_of(found.get("renewal_talk_at")),
        expansion=_hundredths(found.get("expansion")),
        amount=_hundredths(case.value("amount")),
        drop_days=case.policy.targets.drop_after_days,
    )


def _figure(case: Case, facts: Facts, marks: Mapping[str, datetime], reason: str) -> Figure:
    calendar, account = case.policy.calendar, case.snapshot.account
    day = local_date(calendar, case.won_at) if case.won_at else None
    return Figure(
        system=case.snapshot.key.system,
        deal_id=case.snapshot.key.deal_id,
        generation=case.generation,
        facts=facts,
        title=case.snapshot.deal.text("name"),
        account_id=account.ref.id if account else "",
        account_name=account.text("name") if account else "",
        ae=_sold_by(case, marks),
        csm=_who(case, case.csm.id if case.csm else case.ledger.csm_id or ""),
        segment=case.segment,
        tier=case.tier.name if case.tier else "",
        source=case.snapshot.deal.text("lead_source"),
        deal_type=case.snapshot.deal_type.value,
        amount=facts.amount,
        currency=case.snapshot.deal.text("currency"),
        won_on=day,
        won_weekday=day.weekday() if day else None,
        won_hour=local_time(calendar, case.won_at).hour if case.won_at else None,
        activated_on=local_date(calendar, facts.activated_at) if facts.activated_at else None,
        phase=case.outcome.value,
        covered=case.released_at is not None,
        reason=_why_not(case, reason),
        funnel=_funnel(case, facts),
        stuck=tuple(_stuck(case)) if facts.stands else (),
        promise_due=next_due(case) if facts.stands else None,
        looked_on=local_date(calendar, case.now),
        lacks=lacked(facts, case.policy.targets) if facts.stands and not facts.excluded else (),
        values=values_of(facts),
    )


def _why_not(case: Case, reason: str) -> str:
    """Why there is no handoff, in words that many deals share; empty where there is one."""
    if case.released_at is not None:
        return ""
    if case.outcome is Phase.HELD:
        return "Held at the gate: required fields are empty, or say too little."
    return reason


def _funnel(case: Case, facts: Facts) -> Funnel:
    reached = {
        Funnel.ACTIVATED: facts.activated_at,
        Funnel.KICKED_OFF: facts.kickoff_at,
        Funnel.TOUCHED: facts.first_touch_at,
        Funnel.ASSIGNED: case.csm,
        Funnel.RELEASED: facts.released_at,
    }
    return next((stage for stage, there in reached.items() if there), Funnel.WON)


def _stuck(case: Case) -> Iterator[str]:
    """What stands still now, by name."""
    if case.outcome is Phase.HELD:
        yield "held"
    if case.waiting is not None or (case.released and case.csm is None):
        yield "no-csm"
    if case.released:
        for signal in signals(case):
            now = episode(case, signal)
            if now is not None and now.due <= case.now and not now.rests:
                yield signal.name
    if watched(case):
        yield from (flag.name for flag in case.policy.red_flags.flags if look(case, flag).raised)


def _due_at(case: Case, facts: Facts) -> datetime | None:
    """When something comes to count that did not yet: at most one look on each such day, none where nothing waits."""
    began = facts.began_at
    if began is None or not facts.stands or facts.excluded:
        return None
    days = {
        facts.drop_days if isinstance(one.after_days, str) else one.after_days
        for one in PER_HANDOFF
        if one.after_days and _may_count(facts, one.key)
    }
    ahead = [began + each * DAY for each in days]
    ahead += list(_promise_days(case))
    return min((at for at in ahead if at > case.now), default=None)


def _may_count(facts: Facts, key: str) -> bool:
    """Whether a measure that counts only from a day on will say anything of this handoff then."""
    new = facts.deal_type is DealType.NEW
    match key:
        case "milestones":
            return facts.steps_due > 0
        case "tickets30":
            return new and "tickets" in facts.watched
        case "retention90" | "retention365":
            return new and "churned_at" in facts.watched
        case "expansion":
            return new and "expansion" in facts.watched
        case _:
            return new and facts.activates


def _writes(case: Case, actions: Iterable[Action]) -> Mapping[str, Value]:
    """What this decision writes to the deal: a figure must not wait for a look at what we wrote ourselves."""
    patches = (one for one in actions if isinstance(one, Patch) and one.ref == case.snapshot.deal.ref)
    return {name: value for patch in patches for name, value in patch.values.items()}


def _at_close(case: Case, marks: Mapping[str, datetime]) -> bool | None:
    """Whether something required was missing with this win; None where nobody knows."""
    known = percent_at_close(case, marks)
    if known is not None:
        return known < _FILLED
    written = case.value("metric_completion")
    if case.ledger.released_at is None or case.ledger.adopted or not isinstance(written, Decimal):
        return None
    return written < _FILLED


def _told(case: Case) -> datetime | None:
    times = [one.at for step, one in case.ledger.effects.items() if step.startswith(TOLD_BY) and one.at]
    return min(times, default=None)


def _kickoff(case: Case) -> datetime | None:
    """When the first meeting of this CSM, or of the second, with the customer began that was held after the win."""
    since = case.won_at or case.released_at
    if since is None or not case.released:
        return None
    ours = {person.id for person in (case.csm, case.second) if person}
    logged = [(one.at, one.by) for one in case.snapshot.touches if one.kind is TouchKind.MEETING]
    met = (*logged, *met_customer(case, walk(case)))
    return min((at for at, by in met if by in ours and since <= at <= case.now), default=None)


def _kickoff_ever(case: Case, marks: Mapping[str, datetime]) -> datetime | None:
    """The first kickoff: of this CSM as the CRM tells it now, of those before as it is remembered."""
    own = f"{KICKOFF}{case.csm.id}" if case.csm else ""
    before = [at for name, at in marks.items() if name.startswith(KICKOFF) and name != own]
    now = _kickoff(case)
    return min((*before, *([now] if now else [])), default=None)


def _activated(case: Case, known: Mapping[str, datetime]) -> datetime | None:
    """When first value was reached. A count that only a field shows is seen when it is looked at; the first time
    counts, and the account's own field before that. A renewal's customer got there with the first deal: counted again
    it would be two in the funnel and in the CSM's pace."""
    if case.snapshot.deal_type is not DealType.NEW:
        return None
    milestone = activation(case)
    shown = moment_of(case.value("account.activated_on"))
    if milestone is None or not progress(case, milestone).done:
        return shown
    at = progress(case, milestone).at
    if at is None or at == case.now:
        return known.get(ACTIVATED) or shown or case.now
    return at


def _plan_of_first_month(case: Case, steps: tuple[Step, ...]) -> tuple[int, int]:
    """The playbook's steps whose time is over within the first 30 days, and those of them that were done by then."""
    began = case.won_at
    if began is None:
        return 0, 0
    end = began + FIRST_MONTH * DAY
    due = [one for one in steps if one.begun and not one.waiting and one.deadline <= end]
    return len(due), sum(one.done_at is not None and one.done_at <= end for one in due)


def _promises(case: Case) -> tuple[int, int]:
    """Promises whose day is over or that are settled, and those of them that were kept."""
    today = case.now
    found = [
        one
        for one in commitments(case)
        if not one.status.owed or (one.due is not None and end_of_day(case.policy.calendar, one.due) <= today)
    ]
    return len(found), sum(one.status is CommitmentStatus.DONE for one in found)


def _promise_days(case: Case) -> Iterator[datetime]:
    for one in commitments(case):
        if one.due is not None and one.status.owed:
            yield end_of_day(case.policy.calendar, one.due)


def _escalations(case: Case, marks: Mapping[str, datetime]) -> int:
    """Tasks that went up the ladder, and red flags that were raised."""
    steps = {
        name.removeprefix(_LATE).rpartition(":")[0]
        for name in marks
        if name.startswith(_LATE) and name.rpartition(":")[2].startswith(Do.ESCALATE.value)
    }
    keys = (task.key for task in case.snapshot.tasks if task.key and task.key.startswith(case.key("")))
    made = (*case.ledger.effects, *(key.rsplit(":", 1)[-1] for key in keys))
    seen = len(steps) + len({each for each in made if each.startswith(_FLAG)})
    return max(seen, int(ESCALATED in marks))


def _sold_by(case: Case, marks: Mapping[str, datetime]) -> Who:
    """Whose deal it was when it was won: it may have gone to somebody else since."""
    first = min(((at, name) for name, at in marks.items() if name.startswith(AE)), default=None)
    return _who(case, first[1].removeprefix(AE) if first else case.snapshot.deal.text("owner"))


def _who(case: Case, person_id: str) -> Who:
    if not person_id:
        return NOBODY
    person = case.snapshot.person(person_id)
    return Who(person_id, person.name if person else "")


def _reads(case: Case, path: str) -> bool:
    return path in case.policy.fields and case.snapshot.knows(path)


def _rating(value: Value) -> int | None:
    """From 1 to 5; anything else is none."""
    said = _hundredths(Decimal(value.strip()) if isinstance(value, str) and value.strip().isdecimal() else value)
    return said if said is not None and 100 <= said <= 500 else None


def _hundredths(value: Value) -> int | None:
    return int(value * _HUNDRED) if isinstance(value, Decimal) and _is_meant(value) else None


def _whole(value: Value) -> int | None:
    return int(value) if isinstance(value, Decimal) and _is_meant(value) and value >= 0 else None


def _is_meant(value: Decimal) -> bool:
    return value.is_finite() and abs(value) <= LARGEST
