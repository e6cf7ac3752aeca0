"""Where a deal stands in its handoff: its phase, its generation, and what is known when the ledger was lost.

Not here: what follows from a phase (``rules``), and how one win follows another (``wins``). The ledger is asked first;
where it knows nothing, the connector's own marks in the CRM (gate, start, keys of tasks and notes) are read instead, so
that a lost database begins nothing twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from connector.handoff import conditions, wins
from connector.handoff.calendar import end_of_day, local_date
from connector.handoff.case import PASSED, Case
from connector.handoff.exceptions import exempt, opened_at
from connector.handoff.model import Briefed, CrmMeeting, CrmNote, CrmTask, Gate, LedgerFacts, Snapshot, Value
from connector.handoff.moves import MoverKind
from connector.handoff.plan import KEPT, FieldCheck, Finding, Noticed, Phase, Remember, Verdict
from connector.handoff.prefill import fills
from connector.handoff.quality import Judged, judge, texts
from connector.handoff.rulebook.playbooks import Playbook
from connector.handoff.rulebook.policy import Policy
from connector.handoff.text import flaw_sentence, mover_words, reference_in

NAME = "lifecycle"


def begin(snapshot: Snapshot, policy: Policy, now: datetime) -> Case:
    """The case before any rule has spoken."""
    recovered = snapshot.ledger.generation == 0 and _marked(snapshot)
    ledger = _recover(snapshot, now) if recovered else snapshot.ledger
    spans = wins.pace(policy, now, rebuilt=recovered)
    past = wins.take_in(ledger, snapshot, pace=spans, rebuilt=recovered)
    phase = _phase(snapshot, past.ledger, recovered=recovered)
    ledger = past.ledger
    if snapshot.stage.is_won and phase is not Phase.BEFORE_START:
        win = wins.Win(snapshot.won_at, snapshot.won_by, snapshot.stage_before_win)
        ledger = wins.begin_win(ledger, win, pace=spans)
        phase = _won_phase(ledger)
    case = Case(
        snapshot=dataclasses.replace(snapshot, ledger=ledger),
        policy=policy,
        now=now,
        phase=phase,
        generation=ledger.generation,
        segment=_segment(snapshot, policy),
        won_at=ledger.won_at,
        recovered=recovered,
        excluded=snapshot.deal_type not in policy.deal_types and ledger.released_at is None,
        gate=ledger.gate,
        released_at=ledger.released_at,
        noticed=past.noticed | _bounced(snapshot.ledger, ledger, limit=policy.gate.fight_limit),
    )
    case = dataclasses.replace(case, judged=_judged(case))
    return dataclasses.replace(case, checks=_checks(case))


def remember(
    case: Case,
    done_signals: dict[str, datetime],
    *,
    playbook: Playbook | None = None,
    marks: Mapping[str, datetime] | None = None,
    briefed: Briefed | None = None,
) -> Remember:
    """What the ledger must hold after this decision."""
    ledger, snapshot = case.ledger, case.snapshot
    assigned = case.assignment if case.released else None
    won = snapshot.stage.is_won
    # Once nothing is missing, or somebody let the deal through, whatever was tried before is over.
    held = case.gate is Gate.HELD and bool(case.gaps)
    return Remember(
        generation=case.generation,
        won_at=case.won_at,
        left_won_at=None if won or case.generation == 0 else ledger.left_won_at or case.now,
        released_at=case.released_at,
        gate=case.gate,
        csm_id=assigned.person_id if assigned else ledger.csm_id,
        assigned_at=assigned_at(case),
        stage_before_win=snapshot.stage_before_win or ledger.stage_before_win if won else _open_stage(case),
        adopted=ledger.adopted,
        done_signals={**ledger.done_signals, **done_signals},
        last_win_at=ledger.last_win_at,
        put_back_at=ledger.put_back_at or (case.now if case.puts_back else None) if held else None,
        put_back_refused=ledger.put_back_refused if held else None,
        bounces=ledger.bounces if held else (),
        playbook=playbook or ledger.playbook,
        marks={**ledger.marks, **(marks or {})},
        waiting_since=case.waiting.since if case.waiting else None,
        waiting_pool=case.waiting.pool if case.waiting else "",
        second_id=_second(case),
        amount=_amount(snapshot),
        briefed=briefed,
        early_id=_early(case),
        early_until=_early_until(case),
        exempt=kind.value if (kind := exempt(case)) else "",
        exempt_at=opened_at(case),
    )


def _early(case: Case) -> str | None:
    """For whom the deal holds a place before it is won; one that was lost or is handed over holds none any more."""
    if case.released or case.phase is Phase.LOST:
        return None
    if case.phase is Phase.OPEN and case.assignment is not None:
        # Who has the account already, or was named by a person, is counted by what stands there.
        return None if case.assignment.rule == KEPT else case.assignment.person_id
    return case.ledger.early_id


def _second(case: Case) -> str | None:
    """The second CSM, of an open deal too; one that is lost before it was anybody's has none any more."""
    if case.phase is Phase.LOST and case.ledger.csm_id is None:
        return None
    if case.phase is Phase.OPEN and case.assignment is not None:
        return case.assignment.second_id
    chosen = case.assignment.second_id if case.assignment and case.released else None
    return chosen or case.ledger.second_id


def _early_until(case: Case) -> datetime | None:
    """When the place is given back though nothing became of the deal; None where none is held, or for as long as it
    is open."""
    if _early(case) is None:
        return None
    if case.phase is not Phase.OPEN:
        # Won in time it is held until the gate lets the deal through, however long that takes.
        until, won = case.ledger.early_until, case.won_at or case.now
        return until if until is not None and until <= won else None
    return place_until(case)


def place_until(case: Case) -> datetime | None:
    """When the place that an open deal holds is given back; None where it is held for as long as the deal is open."""
    days, closes = case.policy.assignment.place_held_days, case.value("close_date")
    if days is None or not isinstance(closes, date):
        return None
    calendar = case.policy.calendar
    last = local_date(calendar, closes) if isinstance(closes, datetime) else closes
    return end_of_day(calendar, last + timedelta(days=days))


def _amount(snapshot: Snapshot) -> Decimal | None:
    value = snapshot.deal.get("amount")
    return value if isinstance(value, Decimal) else None


def assigned_at(case: Case) -> datetime | None:
    """When this generation got its first CSM; None while it has none, or when that is no longer known."""
    if case.ledger.csm_id or case.ledger.assigned_at:
        return case.ledger.assigned_at
    return case.now if case.assignment and case.released else None


def coverage(case: Case) -> Finding:
    """Why this deal has, or has not, a handoff: the sentence that comes first in every plan."""
    verdict = Verdict.WAIT if case.outcome in {Phase.OPEN, Phase.HELD, Phase.REOPENED} else Verdict.IN_SYNC
    return Finding(NAME, verdict, _sentence(case))


def _sentence(case: Case) -> str:
    ledger = case.ledger
    if case.excluded and (case.snapshot.stage.is_won or case.passed_by):
        return f"Deals of type {case.snapshot.deal_type.value} get no handoff by this policy."
    match case.outcome:
        case Phase.OPEN:
            with_whom = f"; {case.csm.name} is to be CSM" if case.csm else ""
            return f"The deal is open; its handoff begins when it is won{with_whom}."
        case Phase.BEFORE_START:
            won = f"Won on {case.day(won_at)}" if (won_at := case.snapshot.won_at) else "Won at an unknown time"
            return f"{won}, before this connector began to act on {case.day(ledger.baseline)}; it is only observed."
        case Phase.WON:
            return "Won; the handoff is about to begin."
        case Phase.HELD:
            return f"Held at the gate: {case.gap_count}."
        case Phase.IN_FLIGHT:
            began = case.day(case.released_at or case.now)
            nobody = f"it waits for a CSM since {case.day(case.waiting.since)}" if case.waiting else ""
            with_whom = f"{case.csm.name} is CSM" if case.csm else nobody or "no CSM could be assigned"
            return f"In handoff since {began} (gate: {case.gate.value if case.gate else 'unknown'}); {with_whom}."
        case Phase.REOPENED if case.passed_by:
            return f"{_won_and_left(case)} before anything came of it; its handoff begins when it is won again."
        case Phase.REOPENED:
            return (
                "Reopened after its handoff began; tasks and summary stay as they are, "
                "and nothing is made twice if it is won again soon."
            )
        case Phase.LOST if case.won_at and ledger.released_at is None:
            return f"{_won_and_left(case)} and closed without being won; there is nothing to hand off any more."
        case Phase.LOST:
            return "Closed without being won; there is nothing to hand off."


def _won_and_left(case: Case) -> str:
    """When it was won and taken out of the won stage again, and by whom, as the beginning of a sentence."""
    won = f"Won on {case.day(case.won_at)}" if case.won_at else "Won"
    last = next((each for each in reversed(case.snapshot.passed) if each.entered_at == case.won_at), None)
    if last is not None and last.entered_by.kind is not MoverKind.UNKNOWN:
        won += f" by {mover_words(case, last.entered_by)}"
    if last is not None and last.left_by.kind is not MoverKind.UNKNOWN:
        return f"{won}, taken out of the won stage by {mover_words(case, last.left_by)}"
    return f"{won} and taken out of the won stage again"


def _phase(snapshot: Snapshot, ledger: LedgerFacts, *, recovered: bool) -> Phase:
    """The phase by what happened up to now; a won deal's is refined once its generation is known."""
    stage = snapshot.stage
    if stage.is_won:
        # That a win was once decided is not enough: in observe mode nothing came of it.
        known = ledger.gate is not None or ledger.released_at is not None or ledger.adopted or recovered
        before = snapshot.won_at is None or snapshot.won_at < ledger.baseline
        return Phase.BEFORE_START if before and not known else Phase.WON
    if stage.is_closed:
        return Phase.LOST
    if ledger.released_at is not None:
        return Phase.REOPENED
    if ledger.gate is Gate.HELD:
        return Phase.HELD
    # It was won since the start, and whoever took it back was faster than the look at it.
    return Phase.REOPENED if ledger.last_win_at else Phase.OPEN


def _won_phase(ledger: LedgerFacts) -> Phase:
    if ledger.released_at is not None:
        return Phase.IN_FLIGHT
    return Phase.HELD if ledger.gate is Gate.HELD else Phase.WON


def _bounced(before: LedgerFacts, after: LedgerFacts, *, limit: int) -> frozenset[Noticed]:
    """Whether the win now seen undid a put-back, and whether that was once too often."""
    newest = after.bounces[-1:]
    if not newest or newest == before.bounces[-1:]:
        return frozenset()
    # Once given way to, nothing is put back any more and so nothing is undone: there is one such bounce, even where the
    # limit was lowered in the meantime.
    tips = len(after.bounces) >= limit
    return frozenset({Noticed.BOUNCE, Noticed.FIGHT}) if tips else frozenset({Noticed.BOUNCE})


def _marked(snapshot: Snapshot) -> bool:
    """Whether this connector has left its marks on the deal, though the ledger knows nothing of it."""
    if _key_generation(snapshot):
        return True
    deal = snapshot.deal
    return bool(deal.text("gate") or deal.text("started_at")) and not _copied(snapshot)


def _copied(snapshot: Snapshot) -> bool:
    """Whether the marks came along when someone cloned another deal: the summary then refers to that one."""
    reference = reference_in(snapshot.deal.text("summary"))
    return bool(reference) and not reference.startswith((f"{snapshot.key}:", f"{snapshot.lineage}:"))


def _recover(snapshot: Snapshot, now: datetime) -> LedgerFacts:
    """The ledger's facts as far as the CRM still tells them."""
    deal = snapshot.deal
    started = _moment(deal.get("started_at"))
    gate = _gate(deal.get("gate")) or (Gate.RELEASED if started else None)
    csm = snapshot.person(deal.get("csm"))
    released = gate in PASSED
    return dataclasses.replace(
        snapshot.ledger,
        generation=max(_key_generation(snapshot), 1),
        won_at=started or snapshot.won_at,
        released_at=(started or snapshot.won_at or now) if released else None,
        gate=gate,
        csm_id=csm.id if csm and released else None,
    )


def _key_generation(snapshot: Snapshot) -> int:
    """The highest generation in the keys of what hangs on this deal; 0 when none is ours."""
    prefix = f"{snapshot.lineage}:"
    made: list[CrmTask | CrmNote | CrmMeeting] = [*snapshot.tasks, *snapshot.notes, *snapshot.meetings]
    keys = [one.key or "" for one in made]
    numbers = [key.removeprefix(prefix).split(":", 1)[0] for key in keys if key.startswith(prefix)]
    return max((int(number) for number in numbers if number.isascii() and number.isdigit()), default=0)


def _gate(value: Value) -> Gate | None:
    return next((gate for gate in Gate if str(value or "").strip().casefold() == gate.value.casefold()), None)


def _moment(value: Value) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _open_stage(case: Case) -> str | None:
    """The stage to go back to, as far as an open deal tells it."""
    stage = case.snapshot.stage
    return case.ledger.stage_before_win if stage.is_closed else stage.id


def _segment(snapshot: Snapshot, policy: Policy) -> str:
    def value(path: str) -> Value:
        return snapshot.deal_type.value if path == "deal_type" else snapshot.field(path)

    return next((segment.name for segment in policy.segments if conditions.holds(segment.when, value)), "")


def _judged(case: Case) -> tuple[Judged, ...]:
    """The deal's answers, judged beside what the rep is asked there."""
    policy = case.policy.quality
    if not policy.fields or case.phase is Phase.LOST:
        return ()
    asked = {need.field: (need.why, need.advice) for need in case.policy.gate.requirements if case.holds(need.when)}
    return judge(policy, texts(policy, case.value), asked=asked, elsewhere=case.snapshot.copied)


def _checks(case: Case) -> tuple[FieldCheck, ...]:
    """Every requirement that applies to this deal, and whether its field is filled.

    A field that cannot be read is nobody's gap: no rep could fill it, so only the rule that needs it rests.
    """
    taken_over = fills(case)
    flawed = {each.field: flaw_sentence(case, flaw) for each in case.judged for flaw in each.flaws[:1] if flaw.counts}
    return tuple(
        FieldCheck(
            field=need.field,
            label=case.label(need.field),
            present=conditions.filled(case.value(need.field)) or need.field in taken_over,
            why=need.why,
            advice=need.advice,
            flaw=flawed.get(need.field, ""),
        )
        for need in case.policy.gate.requirements
        if case.holds(need.when) and case.snapshot.knows(need.field)
    )
