"""Readiness: days before the close an open deal says how ready it is, what is missing and what reads as vague.

Not here: judging answers (``quality``) and which fields are asked for (the policy's requirements). It speaks in the
stages an admin names and no others, writes only fields of ours that say how things stand, never the gate's verdict, the
status or the stage, and ends with the win: from there the gate keeps the same fields. Where a deal leaves these stages
for an earlier one, or is lost, what was written is taken back once, so that nothing stale stays on it.
"""

from __future__ import annotations

from decimal import Decimal

from connector.handoff.case import Case
from connector.handoff.model import Value
from connector.handoff.ownership import change_deal
from connector.handoff.plan import Answer, Finding, Phase, Verdict
from connector.handoff.quality import Judged
from connector.handoff.rules.gate import quality_fields
from connector.handoff.text import flaw_sentence, gap_lines

NAME = "readiness"
FIELDS = ("percent", "missing", "quality", "advice", "handoff_tier")
READY = "Nothing is missing for the handoff."


def find(case: Case) -> Finding | None:
    """What an open deal says of itself before it is won."""
    if case.phase is Phase.LOST and case.ledger.gate is None and case.ledger.released_at is None:
        return _withdrawn(case, "The deal was lost", because="The deal was lost, so readiness is not shown any more.")
    if case.phase is not Phase.OPEN or case.excluded:
        return None
    if not case.near_close:
        why = "The deal went back to a stage in which readiness is not shown."
        return _withdrawn(case, "Went back to an earlier stage", because=why)
    change = change_deal(case, _fields(case), reason="The rep sees before the close what the handoff still needs.")
    verdict = Verdict.ACT if change.patch else Verdict.WAIT if case.gaps else Verdict.IN_SYNC
    return Finding(NAME, verdict, _reason(case) + change.remark, actions=change.actions, checks=case.checks)


def answer(case: Case, judged: Judged) -> Answer:
    """One judged answer as it is shown to whoever asks why."""
    said = tuple(flaw_sentence(case, flaw) for flaw in judged.flaws)
    flaws = tuple(flaw.flaw.value for flaw in judged.flaws)
    return Answer(judged.field, case.label(judged.field), judged.score, flaws, said)


def _fields(case: Case) -> dict[str, Value]:
    tier: dict[str, Value] = {"handoff_tier": case.tier.name} if case.tier else {}
    if not case.checks and not case.judged:
        return tier
    lines = (_headline(case), *gap_lines(case)) if case.gaps else ()
    wanted: dict[str, Value] = {"percent": Decimal(case.percent), "missing": "\n".join(lines) or None}
    return wanted | quality_fields(case) | tier


def _headline(case: Case) -> str:
    return f"Before Closed Won: {case.gap_count}. Fill in what is listed here."


def _reason(case: Case) -> str:
    missing = f"{case.gap_count}, {case.percent}% ready" if case.gaps else READY.rstrip(".")
    weak = sum(bool(each.flaws) for each in case.judged)
    said = f"Before the close: {missing[0].lower()}{missing[1:]}"
    if weak:
        said += f"; {weak} {'answer reads' if weak == 1 else 'answers read'} as empty, copied, short or vague"
    care = f" Tier {case.tier.name}." if case.tier else ""
    return f"{said}{'' if case.score is None else f' (quality {case.score} of 100)'}.{care}"


def _withdrawn(case: Case, news: str, *, because: str) -> Finding | None:
    """Take back what was said while the deal stood in one of these stages, as far as nobody changed it."""
    written = case.ledger.written.get(case.snapshot.deal.ref, {})
    said: dict[str, Value] = {name: None for name in FIELDS if written.get(name) is not None}
    if not said:
        return None
    change = change_deal(case, said, reason=because)
    if change.patch is None:
        return None
    return Finding(NAME, Verdict.ACT, f"{news}; its readiness is taken off.", change.actions)
