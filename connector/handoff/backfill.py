"""What a deal from before the start is filled with when an admin asks for it: figures on the deal itself, nothing else.

Not here: which deals those are and when it is sent (outer layers). No task, note, message, CSM or stage change comes
of it, and never the gate or the start: those two are the marks by which a handoff that was begun is known again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from connector.handoff import lifecycle, summary
from connector.handoff.case import Case
from connector.handoff.conditions import filled
from connector.handoff.model import Snapshot, Status, Value
from connector.handoff.ownership import Change, change_deal, same
from connector.handoff.plan import Finding, Order, Patch, Phase, Plan, Verdict
from connector.handoff.rulebook.policy import Policy
from connector.handoff.text import gap_lines

NAME = "backfill"
STEP = "backfill"


def backfill(snapshot: Snapshot, policy: Policy, now: datetime, *, fields: Collection[str]) -> Plan | None:
    """The plan for one old deal: at most one patch of these ``fields`` (of `FIELDS`); None for any other deal.

    Only fields that are empty or say what this connector last wrote are changed. Raises ValueError for a field that
    is not filled in this way, or a summary template that cannot be rendered.
    """
    strange = sorted(set(fields) - set(FIELDS))
    if strange:
        raise ValueError(f"a backfill does not write {', '.join(strange)}")
    case = lifecycle.begin(snapshot, policy, now)
    if case.phase is not Phase.BEFORE_START or case.excluded:
        return None
    wanted: dict[str, Value] = {}
    for name in FIELDS:
        if name in fields:
            wanted |= FIELDS[name](case)
    foreign = {name for name in wanted if _is_foreign(case, name)}
    ours = {name: value for name, value in wanted.items() if name not in foreign}
    change = change_deal(case, ours, reason=_reason(case))
    patch = replace(change.patch, step=STEP, order=Order.BACKFILL) if change.patch else None
    verdict = Verdict.ACT if patch else Verdict.IN_SYNC
    words = patch.reason if patch else "What is kept on the deal is up to date."
    left = tuple(case.label(name) for name in FIELDS if name in foreign and not _says(case, name, wanted[name]))
    remark = Change(None, (*change.left, *left), change.hidden).remark
    finding = Finding(NAME, verdict, words + remark, actions=(patch,) if patch else (), checks=case.checks)
    return Plan(
        key=snapshot.key,
        phase=case.phase,
        generation=case.generation,
        findings=(lifecycle.coverage(case), finding),
        actions=finding.actions,
        remember=lifecycle.remember(case, {}),
        percent=case.percent,
        missing=case.gaps,
        segment=case.segment,
    )


def _is_foreign(case: Case, name: str) -> bool:
    """Whether the field holds something that this connector is not known to have written.

    Stricter than for a live handoff: years may lie between this deal and the connector, and the field may be older.
    """
    deal = case.snapshot.deal
    return filled(deal.get(name)) and name not in case.ledger.written.get(deal.ref, {})


def _says(case: Case, name: str, value: Value) -> bool:
    return same(case.snapshot.deal.get(name), value)


def _reason(case: Case) -> str:
    return f"Won before the start; {case.gap_count}." if case.checks else "Won before the start; no field is required."


def _percent(case: Case) -> Mapping[str, Value]:
    return {"percent": Decimal(case.percent)}


def _missing(case: Case) -> Mapping[str, Value]:
    head = f"Won before handoffs were checked: {case.gap_count}."
    return {"missing": "\n".join((head, *gap_lines(case))) if case.gaps else None}


def _completion(case: Case) -> Mapping[str, Value]:
    """Written once: the figure is the share at the time, and what is filled in later does not move it."""
    deal = case.snapshot.deal
    known = "metric_completion" in case.ledger.written.get(deal.ref, {}) or filled(deal.get("metric_completion"))
    return {} if known else {"metric_completion": Decimal(case.percent)}


def _status(case: Case) -> Mapping[str, Value]:
    """Nothing is to be done for an old win, so it stands at the end of the way, and on nobody's board."""
    del case
    return {"status": Status.REVIEW.value}


def _summary(case: Case) -> Mapping[str, Value]:
    """The text; one that differs only in line ends and indents is the same."""
    text = summary.document(case)
    return {} if summary.same_document(case.snapshot.deal.text("summary"), text) else {"summary": text}


FIELDS: Mapping[str, Callable[[Case], Mapping[str, Value]]] = {
    "percent": _percent,
    "missing": _missing,
    "metric_completion": _completion,
    "status": _status,
    "summary": _summary,
}
"""What a backfill can fill, by canonical name. Times stay empty: for an old win they would be fiction."""

DEFAULT = ("percent", "missing", "metric_completion")
"""What is true of an old deal as it stands. The status and a summary are somebody's wish."""


def patch_of(plan: Plan) -> Patch | None:
    """The one write of a backfill's plan."""
    return next((action for action in plan.actions if isinstance(action, Patch)), None)
