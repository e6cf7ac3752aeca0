"""One deal's whys as the page shows them: what was decided last, by the sentences of ``handoff explain``.

Not here: deciding (nothing is read from a CRM for this) and laying out. What the ledger keeps of the latest decision is
what the daemon acted on; how the deal stands at this moment is for the command to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.handoff.model import SystemName
from connector.store import AuditView, HandoffView, Store
from connector.store.stillness import held_said, pauses_said

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One table: its caption, head and rows."""

    caption: str
    head: Cells
    rows: tuple[Cells, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """A deal with its reasons. ``still`` are sentences about what stands still; parts without rows are left out."""

    system: str
    deal_id: str
    name: str
    place: str
    head: str
    still: tuple[str, ...]
    parts: tuple[Part, ...]
    next_look: str
    decided: str


def why_of(store: Store, system: SystemName, deal_id: str) -> Why | None:
    """What the ledger knows of a deal; None when it never saw it."""
    view = store.handoff(system, deal_id)
    if view is None:
        return None
    figure = store.figure(system, deal_id)
    plan = view.plan or {}
    gate = view.gate.value if view.gate else "-"
    return Why(
        system=system,
        deal_id=deal_id,
        name=(figure.title if figure else "") or f"deal {deal_id}",
        place=" · ".join(filter(None, (figure.account_name if figure else "", f"{system}:{deal_id}"))),
        head=f"phase {view.phase.value if view.phase else '-'}, generation {view.generation}, segment "
        f"{view.segment or '-'}, gate {gate}, {view.percent}% complete",
        still=(*held_said(store, system, deal_id), *pauses_said(store, system)),
        parts=tuple(part for part in _parts(plan, store.audit(system, deal_id)) if part.rows),
        next_look=_next_look(view),
        decided=f"{view.decided_at:%Y-%m-%d %H:%M} UTC, because {view.looked_because}" if view.decided_at else "never",
    )


def _next_look(view: HandoffView) -> str:
    if view.next_look is None:
        return "when something changes, and at each sweep"
    return f"{view.next_look:%Y-%m-%d %H:%M} UTC, because {view.next_look_reason}"


def _parts(plan: Mapping[str, Any], history: Sequence[AuditView]) -> Iterator[Part]:
    """The tables of `explain`, in its order and under its captions."""
    findings = plan.get("findings", ())
    yield _part("What the rules found", ("Rule", "Verdict", "Reason"), findings, _finding)
    for finding in findings:
        yield _part(
            "The gate, field by field", ("Field", "Filled", "Why it is asked"), finding.get("checks", ()), _check
        )
        candidates = (finding.get("assignment") or {}).get("candidates", ())
        head = ("CSM", "Accounts", "Cap", "Chosen", "Why, or why not")
        yield _part("Candidates for CSM", head, candidates, _candidate)
    good = f"How good the answers are: {plan.get('quality')} of 100"
    yield _part(good, ("Field", "Score", "Found", "What is said of it"), plan.get("answers", ()), _answer)
    tasks = ("Step", "Subject", "Owner", "Due", "State", "Why")
    yield _part("Tasks and clocks", tasks, plan.get("tasks", ()), _task)
    writes = ("Step", "What", "Why")
    yield _part("What this decision has written", writes, plan.get("actions", ()), _write)
    yield Part("What happened so far", ("When (UTC)", "What", "By", "Why"), tuple(map(_happened, history)))


def _part(
    caption: str, head: Cells, items: Sequence[Mapping[str, Any]], row: Callable[[Mapping[str, Any]], Cells]
) -> Part:
    return Part(caption, head, tuple(row(each) for each in items))


def _finding(each: Mapping[str, Any]) -> Cells:
    return each["rule"], each["verdict"], each["reason"]


def _check(each: Mapping[str, Any]) -> Cells:
    holds = each["present"] and not each.get("flaw")
    return each["label"], "yes" if holds else "too little" if each["present"] else "no", each["why"]


def _candidate(each: Mapping[str, Any]) -> Cells:
    chosen = "yes" if each["chosen"] else ""
    return each["email"], str(each["accounts"]), str(each["cap"] or "-"), chosen, each["why"]


def _answer(each: Mapping[str, Any]) -> Cells:
    said = each["said"][0] if each["said"] else ""
    return each["label"], str(each["score"]), ", ".join(each["flaws"]) or "-", said


def _task(each: Mapping[str, Any]) -> Cells:
    return each["step"], each["subject"], each["owner_email"], each["due"] or "-", each["state"], each["why"]


def _write(each: Mapping[str, Any]) -> Cells:
    where = each.get("to") or each.get("key") or " ".join((each.get("ref") or {}).values())
    return each["step"], f"{each['type']} {where}", each["reason"]


def _happened(each: AuditView) -> Cells:
    return f"{each.at:%Y-%m-%d %H:%M:%S}", each.kind.value, each.by, each.reason
