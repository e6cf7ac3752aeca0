"""Plans and findings as people read them in a terminal, and as plain data for ``--json``.

Not here: computing anything. The words are the core's own; this only lays them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Group
from rich.text import Text

from connector.cli.screen import PlainTable, Screen
from connector.engine.ways import Way
from connector.handoff.case import listed
from connector.handoff.measures.catalogue import PER_HANDOFF
from connector.handoff.measures.figure import Figure
from connector.handoff.measures.lacking import churned, words
from connector.handoff.measures.summing import shown_value
from connector.handoff.model import Value
from connector.handoff.plan import Action, Finding, Notify, Patch, Plan, SendMail, Upsert
from connector.handoff.whynot import WhyNot
from connector.store import AuditView

CUT = 90
"""Characters of a long value that a table shows; ``--json`` has all of it."""


def plain(value: Value) -> Any:
    """A value as JSON can hold it; numbers as numbers, times as ISO text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def action_data(action: Action) -> dict[str, Any]:
    """One write as plain data."""
    match action:
        case Patch():
            return {
                "write": "update",
                "record": f"{action.ref.kind.value} {action.ref.id}",
                "values": {name: plain(value) for name, value in action.values.items()},
                "was": {name: plain(value) for name, value in action.expected.items()},
                "reason": action.reason,
            }
        case Upsert():
            return {
                "write": "update" if action.record_id else "create",
                "record": action.kind.value,
                "key": action.key,
                "values": {name: plain(value) for name, value in action.values.items()},
                "reason": action.reason,
            }
        case Notify():
            return {
                "write": "tell",
                "record": action.to_email,
                "key": action.key,
                "values": {"text": action.text},
                "reason": action.reason,
            }
        case SendMail():
            return {
                "write": "send",
                "record": action.to_email,
                "key": action.key,
                "values": {"subject": action.subject, "text": action.text},
                "reason": action.reason,
            }


def finding_data(finding: Finding) -> dict[str, Any]:
    """One rule's finding as plain data, with the gate's fields and the CSM candidates when it has them."""
    data: dict[str, Any] = {"rule": finding.rule, "verdict": finding.verdict.value, "reason": finding.reason}
    if finding.checks:
        data["fields"] = [
            {
                "field": check.field,
                "label": check.label,
                "present": check.present,
                "why": check.why,
                "flaw": check.flaw,
            }
            for check in finding.checks
        ]
    if finding.assignment is not None:
        data["csm"] = finding.assignment.email
        data["by"] = finding.assignment.rule
        data["candidates"] = [
            {"email": each.email, "accounts": each.accounts, "cap": each.cap, "chosen": each.chosen, "why": each.why}
            for each in finding.assignment.candidates
        ]
    if finding.recheck_at is not None:
        data["looks_again"] = finding.recheck_at.isoformat()
    return data


def plan_data(plan: Plan) -> dict[str, Any]:
    """A whole plan as plain data."""
    return {
        "system": plan.key.system,
        "deal": plan.key.deal_id,
        "acted_on": not plan.standing.observed,
        "standing": {"footing": plan.standing.footing.value, "why": plan.standing.why},
        "phase": plan.phase.value,
        "generation": plan.generation,
        "segment": plan.segment,
        "gate": plan.gate.value if plan.gate else None,
        "percent": plan.percent,
        "missing": [check.label for check in plan.missing],
        "quality": plan.quality,
        "answers": [
            {"field": each.field, "label": each.label, "score": each.score, "flaws": each.flaws, "said": each.said}
            for each in plan.answers
        ],
        "findings": [finding_data(finding) for finding in plan.findings],
        "writes": [action_data(action) for action in plan.actions],
        "tasks": [
            {
                "step": task.step,
                "subject": task.subject,
                "owner": task.owner_email,
                "due": plain(task.due),
                "state": task.state,
            }
            for task in plan.tasks
        ],
        "figures": _figure_data(plan.figure) if plan.figure else None,
        "looks_again": plan.recheck_at.isoformat() if plan.recheck_at else None,
    }


def writes_table(plans: Iterable[Plan], *, title: str = "Writes that would be made") -> PlainTable:
    """Every write the plans would make, with its reason."""
    table = PlainTable(title=title, title_justify="left")
    table.add_column("Deal", no_wrap=True)  # an id that is cut is none
    for column in ("Write", "What", "Why"):
        table.add_column(column)
    for plan in plans:
        for action in plan.actions:
            data = action_data(action)
            what = ", ".join(f"{name}={_cut(value)}" for name, value in data["values"].items())
            table.add_row(plan.key.deal_id, f"{data['write']} {data['record']}", what, data["reason"])
    return table


def ways_data(way: Way) -> dict[str, Any]:
    """One kind of write, what it costs by either way, and which is taken."""
    return {
        "write": f"{way.kind.value} {way.operation.value}",
        "rows": way.rows,
        "calls_in_batches": way.in_batches,
        "calls_by_jobs": way.by_jobs,
        "way": "jobs" if way.jobs else "batches",
        "jobs": way.jobs,
        "calls": way.calls,
    }


def ways_text(ways: Sequence[Way]) -> str:
    """The calls that writing costs, in words; by jobs they are counted with one look at each."""
    total = sum(way.calls for way in ways)
    lines = [f"{total} call{'' if total == 1 else 's'} to write this:"]
    for way in ways:
        other = "" if way.by_jobs is None else f", by jobs {way.by_jobs}"
        taken = f"by {way.jobs} job{'' if way.jobs == 1 else 's'}" if way.jobs else "in batches"
        what = f"{way.rows} {way.kind.value} {way.operation.value}{'' if way.rows == 1 else 's'}"
        lines.append(f"  {what} {taken} (in batches {way.in_batches}{other})")
    return "\n".join(lines)


def explain(plan: Plan, *, deal_name: str) -> Group:
    """Everything a person asks about one deal: gate by field, candidates, tasks and clocks, the next look."""
    head = Text.assemble(
        (deal_name, "bold"),
        f"  {plan.key}\n",
        f"phase {plan.phase.value}, generation {plan.generation}, ",
        f"segment {plan.segment or '-'}, gate {plan.gate.value if plan.gate else '-'}, {plan.percent}% complete\n",
        (plan.standing.why, "yellow" if plan.standing.observed else "green"),
    )
    parts: list[Any] = [head, _findings_table(plan)]
    for finding in plan.findings:
        if finding.checks:
            parts.append(_gate_table(finding))
        if finding.assignment is not None and finding.assignment.candidates:
            parts.append(_candidates_table(finding))
    if plan.answers:
        parts.append(_answers_table(plan))
    if plan.tasks:
        parts.append(_tasks_table(plan))
    if plan.figure is not None:
        parts += _figures(plan.figure)
    next_look = plan.recheck_at.isoformat() if plan.recheck_at else "when something changes, and at each sweep"
    parts.append(Text(f"Next look: {next_look}"))
    return Group(*parts)


def completeness_table(counts: Mapping[str, tuple[str, int, int]]) -> PlainTable:
    """Per required field: label, deals that have it, deals that need it."""
    table = PlainTable(
        "Field", "Filled", "Of", "Share", title="Completeness of the handoff fields", title_justify="left"
    )
    for label, filled, needed in counts.values():
        table.add_row(label, str(filled), str(needed), f"{100 * filled / needed:.1f}%" if needed else "-")
    return table


def console() -> Screen:
    """Where people read: standard output, with plain text when it is no terminal."""
    return Screen(highlight=False, soft_wrap=False)


def progress_console() -> Screen:
    """Where progress is shown: standard error, so that ``--json`` stays clean."""
    return Screen(stderr=True)


def audit_data(entry: AuditView) -> dict[str, Any]:
    """One line of the audit trail as plain data."""
    return {"at": entry.at.isoformat(), "kind": entry.kind.value, "by": entry.by, "reason": entry.reason}


def history_table(history: Iterable[AuditView]) -> PlainTable:
    """What the ledger remembers of a deal, oldest first."""
    table = PlainTable("When (UTC)", "What", "By", "Why", title="What happened so far", title_justify="left")
    for entry in history:
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.kind.value, entry.by, entry.reason)
    return table


def why_not_table(missing: Iterable[WhyNot]) -> PlainTable:
    """What is not there, and why; what is missing for one reason stands together."""
    table = PlainTable("What", "Which", "Why", title="Why not", title_justify="left")
    together: dict[tuple[str, str], list[str]] = {}
    for one in missing:
        together.setdefault((one.what, one.why), []).append(one.name)
    for (what, why), names in together.items():
        table.add_row(what, ", ".join(names), why)
    return table


def _findings_table(plan: Plan) -> PlainTable:
    table = PlainTable("Rule", "Verdict", "Reason", title="What the rules found", title_justify="left")
    for finding in plan.findings:
        table.add_row(finding.rule, finding.verdict.value, finding.reason)
    return table


def _gate_table(finding: Finding) -> PlainTable:
    table = PlainTable("Field", "Filled", "Why it is asked", title="The gate, field by field", title_justify="left")
    for check in finding.checks:
        filled = "yes" if check.holds else Text("too little" if check.present else "no", style="red")
        table.add_row(check.label, filled, check.why)
    return table


def _answers_table(plan: Plan) -> PlainTable:
    title = f"How good the answers are: {plan.quality} of 100"
    table = PlainTable("Field", "Score", "Found", "What is said of it", title=title, title_justify="left")
    for each in plan.answers:
        table.add_row(each.label, str(each.score), ", ".join(each.flaws) or "-", each.said[0] if each.said else "")
    return table


def _candidates_table(finding: Finding) -> PlainTable:
    table = PlainTable(
        "CSM", "Accounts", "Cap", "Chosen", "Why, or why not", title="Candidates for CSM", title_justify="left"
    )
    for each in finding.assignment.candidates if finding.assignment else ():
        table.add_row(each.email, str(each.accounts), str(each.cap or "-"), "yes" if each.chosen else "", each.why)
    return table


def _tasks_table(plan: Plan) -> PlainTable:
    table = PlainTable(
        "Step", "Subject", "Owner", "Due", "State", "Why", title="Tasks and clocks", title_justify="left"
    )
    for task in plan.tasks:
        table.add_row(task.step, task.subject, task.owner_email, str(task.due or "-"), task.state, task.why)
    return table


def _figures(figure: Figure) -> list[Any]:
    """What is measured of this handoff, and what it lacked."""
    table = PlainTable("Measure", "Value", "Starts", "Ends", title="What is measured", title_justify="left")
    for one in PER_HANDOFF:
        if (value := figure.values.get(one.key)) is not None:
            table.add_row(one.title, shown_value(one, value), one.starts or "-", one.ends or "-")
    measured = [table] if table.row_count else []
    lacks = listed(words(figure.lacks))
    if not lacks:
        return measured
    left = "The customer left within 90 days. " if churned(figure.facts) else ""
    return [*measured, Text(f"{left}What this handoff lacks: {lacks}.")]


def _figure_data(figure: Figure) -> dict[str, Any]:
    values = {
        one.key: {"value": value, "text": shown_value(one, value)}
        for one in PER_HANDOFF
        if (value := figure.values.get(one.key)) is not None
    }
    return {"values": values, "lacks": list(figure.lacks), "stuck": list(figure.stuck), "funnel": figure.funnel.value}


def _cut(value: Any) -> str:
    text = str(value).replace("\n", " ⏎ ")
    return text if len(text) <= CUT else text[: CUT - 1] + "…"
