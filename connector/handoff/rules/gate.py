"""The gate: a win counts when the fields that customer success needs are filled.

Not here: which fields those are (the policy's requirements) and what an override must have (``override``).
A handoff that passed keeps its verdict: what is emptied later is shown as missing, but pulls nothing back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from connector.handoff.case import PASSED, Case, listed
from connector.handoff.model import Gate, Status, Value
from connector.handoff.moves import MoverKind
from connector.handoff.override import Override, objection_text, requested
from connector.handoff.ownership import change_deal, put_back
from connector.handoff.plan import Finding, LetThrough, Phase, Verdict
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rules.assignment import waiting_line
from connector.handoff.text import advice_lines, bounced_by, gap_lines, how_often, mover_words, one_line

NAME = "gate"
MAX_REFUSAL_CHARS = 300
"""Most of the CRM's own words that a rep is shown."""


def find(case: Case) -> Finding | None:
    """Judge a win; keep the state of a held or running handoff true."""
    if case.excluded:
        return None
    won = case.snapshot.stage.is_won
    if won and case.phase in {Phase.WON, Phase.HELD}:
        return _judge(case)
    if case.phase is Phase.HELD or (case.passed_by and not won and _holds_back(case)):
        return _still_held(case)
    return _keep_current(case) if case.phase is Phase.IN_FLIGHT else None


@dataclass(frozen=True, slots=True)
class _Ruling:
    """The verdict on a win, its reason, and the stage the deal must go back to, if it must.

    ``stays`` says to the rep why a deal that should have gone back was left where it is.
    """

    gate: Gate
    reason: str
    back_to: str | None = None
    stays: str = ""


def _judge(case: Case) -> Finding:
    override = requested(case)
    ruling = _rule(case, override)
    wanted = _fields(case, ruling, override, open_=ruling.back_to is not None)
    return _finding(case, ruling, wanted, override=override)


def _still_held(case: Case) -> Finding:
    override = requested(case)
    if case.gaps:
        reason = f"Held: {case.gap_count}. The deal can be won again once they are filled."
    else:
        reason = "Held until it is won again: all required fields are filled now."
    if case.passed_by:
        reason = f"It was won and left again before it was looked at. {reason}"
    reason += _won_by(case)
    ruling = _Ruling(Gate.HELD, reason)
    return _finding(case, ruling, _fields(case, ruling, override, open_=True), override=override)


def _keep_current(case: Case) -> Finding:
    gate = case.gate or Gate.RELEASED
    reason = f"Passed the gate ({gate.value})"
    reason += f"; {case.gap_count} now, which does not stop the handoff." if case.gaps else "; nothing is missing."
    ruling = _Ruling(gate, reason)
    return _finding(case, ruling, _fields(case, ruling, None, open_=False), override=None)


def _rule(case: Case, override: Override | None) -> _Ruling:
    mode = _mode(case)
    if mode is GateMode.OFF:
        return _Ruling(Gate.NOT_CHECKED, "The gate is off for this deal, so it goes on unchecked.")
    if not case.gaps:
        if not case.checks:
            return _Ruling(Gate.RELEASED, "No field is required of this deal, so it goes on.")
        return _Ruling(Gate.RELEASED, f"All {len(case.checks)} required fields are filled.")
    if override and override.valid and override.approver:
        words = f"{case.gap_count}, but {override.approver.name} let the deal through: {override.reason}"
        return _Ruling(Gate.OVERRIDDEN, words[0].upper() + words[1:])
    gaps = f"{case.gap_count}: {', '.join(gap.label for gap in case.gaps)}."
    if mode is GateMode.WARN:
        return _Ruling(Gate.WARNED, f"Goes on with a warning; {gaps}")
    if mode is GateMode.HOLD:
        return _Ruling(Gate.HELD, f"Held until they are filled; {gaps}")
    back_to = _earlier_stage(case)
    if stays := _why_it_stays(case, back_to):
        return _Ruling(Gate.HELD, f"Held in the won stage. {stays} {gaps}", stays=stays)
    if back_to is None:
        return _Ruling(Gate.HELD, f"Held; its earlier stage is not known, so the stage stays as it is. {gaps}")
    return _Ruling(Gate.HELD, f"Put back to its earlier stage{_moved_by(case)}; {gaps}", back_to)


def _mode(case: Case) -> GateMode:
    return next((one.mode for one in case.policy.gate.exceptions if case.holds(one.when)), case.policy.gate.mode)


def _holds_back(case: Case) -> bool:
    """Whether a win that came and went unseen would have been held, and not so long ago that it is another deal's
    matter by now; one that would have gone on is begun when it is won again."""
    left = case.ledger.left_won_at
    if left is None or case.now - left > case.policy.rewin_window:
        return False
    override = requested(case)
    let_through = override is not None and override.valid
    return bool(case.gaps) and not let_through and _mode(case) in (GateMode.HOLD, GateMode.REVERT)


def _why_it_stays(case: Case, back_to: str | None) -> str:
    """Why putting the deal back there would be of no use, in the rep's words; empty when it may be tried."""
    ledger = case.ledger
    if case.fought:
        times = len(ledger.bounces)
        again = f"{bounced_by(case)} moved it to Closed Won again{' each time' if times > 1 else ''}"
        return f"The deal was put back {how_often(times)} and {again}, so it stays there."
    refused = ledger.put_back_refused
    if refused and refused.stage == back_to:
        words = one_line(refused.words, limit=MAX_REFUSAL_CHARS).rstrip(".")
        return f"The deal could not be put back, because the CRM refused it: {words}."
    return ""


def _won_by(case: Case) -> str:
    """Who had won a deal that is open again, as a sentence; empty where the CRM does not say."""
    last = case.snapshot.passed[-1:]
    if not last or last[0].entered_by.kind is MoverKind.UNKNOWN:
        return ""
    words = mover_words(case, last[0].entered_by)
    return f" {words[0].upper()}{words[1:]} had moved it to Closed Won."


def _moved_by(case: Case) -> str:
    mover = case.snapshot.won_by
    return "" if mover.kind is MoverKind.UNKNOWN else f", having been won by {mover_words(case, mover)}"


def _earlier_stage(case: Case) -> str | None:
    """Where a revert goes: the CRM's history knows best, then the ledger, then the policy for this pipeline."""
    snapshot = case.snapshot
    known = (
        snapshot.stage_before_win,
        case.ledger.stage_before_win,
        case.policy.gate.revert_to.get(snapshot.stage.pipeline),
    )
    return next((stage for stage in known if stage and stage != snapshot.stage.id), None)


def _fields(case: Case, ruling: _Ruling, override: Override | None, *, open_: bool) -> dict[str, Value]:
    """The deal's own fields under a verdict; ``open_`` when the deal is not, or will not be, in the won stage."""
    wanted: dict[str, Value] = {
        "gate": ruling.gate.value,
        "percent": Decimal(case.percent),
        "missing": "\n".join((*_missing_lines(case, ruling, override, open_=open_), *_waits(case, ruling))) or None,
    }
    if ruling.gate is Gate.HELD:
        wanted["status"] = Status.PREPARATION.value
    # What is said of the answers stays as it was when the handoff began: that is what the CSM was given. It travels
    # with the verdict, so a deal that does not show the verdict yet has not got it either.
    begun = case.phase is Phase.IN_FLIGHT and case.snapshot.deal.text("gate") == ruling.gate.value
    return wanted if begun else wanted | quality_fields(case)


def quality_fields(case: Case) -> dict[str, Value]:
    """How good the answers are, and how to mend them; nothing where answers are not judged."""
    if case.score is None:
        return {}
    return {"quality": Decimal(case.score), "advice": "\n".join(advice_lines(case)) or None}


def _missing_lines(case: Case, ruling: _Ruling, override: Override | None, *, open_: bool) -> tuple[str, ...]:
    """What the rep reads: what happened and what to do, a line per gap, and why an override does not count."""
    gate = ruling.gate
    if not case.gaps or gate is Gate.NOT_CHECKED:
        return ()
    return (_headline(case, ruling, override, open_=open_), *gap_lines(case), *_about_override(gate, override))


def _waits(case: Case, ruling: _Ruling) -> tuple[str, ...]:
    """That a handoff which goes on waits for a CSM: it stands where a rep looks for what is still open."""
    if ruling.gate not in PASSED:
        return ()
    line = waiting_line(replace(case, gate=ruling.gate, released_at=case.released_at or case.now))
    return (line,) if line else ()


def _headline(case: Case, ruling: _Ruling, override: Override | None, *, open_: bool) -> str:
    count, gate = case.gap_count, ruling.gate
    if gate is not Gate.HELD:
        through = {Gate.WARNED: "Handed off with gaps", Gate.OVERRIDDEN: "Handed off under an override"}
        return f"{through.get(gate, 'Handed off')}: {count}. Please fill in what is still missing."
    if open_ and override and override.valid and override.approver and override.ends_at:
        last_day = case.day(override.ends_at - timedelta(seconds=1))
        return f"{count}, but {override.approver.name} approved an override: move the deal to Closed Won by {last_day}."
    if open_:
        return f"Not Closed Won yet: {count}. Fill in what is listed here, then move the deal to Closed Won again."
    stays = f" {ruling.stays}" if ruling.stays else ""
    return f"The handoff is on hold: {count}.{stays} Fill in what is listed here and it goes on by itself."


def _about_override(gate: Gate, override: Override | None) -> tuple[str, ...]:
    return (objection_text(override),) if gate is Gate.HELD and override and not override.valid else ()


def _finding(case: Case, ruling: _Ruling, wanted: dict[str, Value], *, override: Override | None) -> Finding:
    if ruling.back_to is None:
        change = change_deal(case, wanted, reason=ruling.reason)
    else:
        change = put_back(case, ruling.back_to, wanted, reason=ruling.reason)
    waiting = Verdict.WAIT if ruling.gate is Gate.HELD else Verdict.IN_SYNC
    resting = f" Not checked, because the CRM does not show it: {listed(case.unreadable)}." if case.unreadable else ""
    return Finding(
        NAME,
        Verdict.ACT if change.patch else waiting,
        ruling.reason + resting + change.remark,
        actions=change.actions,
        recheck_at=override.ends_at if override and override.valid and ruling.gate is Gate.HELD else None,
        checks=case.checks,
        gate=ruling.gate,
        puts_back=ruling.back_to is not None,
        let_through=_let_through(override) if ruling.gate is Gate.OVERRIDDEN else None,
    )


def _let_through(override: Override | None) -> LetThrough | None:
    if override is None or override.approver is None:
        return None
    return LetThrough(override.approver.email or override.approver.id, override.reason, override.ends_at)
