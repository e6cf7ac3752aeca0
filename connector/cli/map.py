"""``handoff map``: the mapping tried against one live deal. Reads only.

Not here: what a value becomes (the adapters), what is wrong with a field (``policy.check``) or a value
(``policy.tried``), and the rules (``handoff``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.cli import show
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.plan import connect_for_reading
from connector.cli.screen import PlainTable
from connector.crm.port import DealFacts
from connector.engine.parts import System as EngineSystem
from connector.engine.people import fresh_people
from connector.engine.reconciler import look_at
from connector.errors import Problem, UserError
from connector.handoff.model import Kind, Person, Record
from connector.handoff.plan import Plan
from connector.policy.check import check
from connector.policy.crmmap import CrmMap
from connector.policy.tried import KINDS, Line, lines

CUT = 48
"""Characters of a value in the table; ``--json`` has all of it."""


class Action(StrEnum):
    """What is asked of the mapping."""

    TRY = "try"


@dataclass(frozen=True, slots=True)
class _Tried:
    system: str
    facts: DealFacts
    lines: tuple[Line, ...]
    people: Mapping[str, Person]
    plan: Plan | None
    raw_type: str

    @property
    def troubled(self) -> bool:
        return any(each.trouble for each in self.lines)


def command(
    action: Annotated[Action, typer.Argument(help="try: read one deal by the mapping and show what comes of it.")],
    deal: Annotated[str, typer.Argument(help="The deal's id in its CRM.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these fields, by their names in the mapping; all by default.")
    ] = None,
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Try the mapping against one live deal: each field with what the CRM holds and what the rules see of it.

    Shows the CRM's field and label, the value as it is kept there, what it becomes, whether this login may read and
    write the field, and what is wrong with field or value; then the stage, the type, the people that were found, and
    what the gate would say. Nothing is written. Exit code 1 when something is wrong.

    For example: `handoff map try 006HO0000000001YAA --system sf`, or for two fields alone
    `handoff map try 006HO0000000001YAA champion account.csm`.
    """
    del action  # there is but one so far, and a word that says so
    runtime = bootstrap.open_runtime(config, mode="read")
    for each in runtime.chosen(system):
        connect_for_reading(each)
        facts = each.crm.fetch([deal]).get(deal)
        if facts is None:
            continue
        tried = _tried(runtime, each, deal, facts, names or [])
        if as_json:
            sys.stdout.write(json.dumps(_data(tried), indent=2) + "\n")
        else:
            _print(tried, only=bool(names))
        if tried.troubled:
            raise typer.Exit(EXIT_FOUND)
        return
    known = ", ".join(each.name for each in runtime.chosen(system))
    message = f"is not a deal this login can see in {known}; check the id, and --system when there are several"
    raise UserError([Problem("", deal, message)])


def _tried(
    runtime: bootstrap.Runtime, system: EngineSystem, deal: str, facts: DealFacts, names: Sequence[str]
) -> _Tried:
    crm_map = runtime.loaded.maps[system.name]
    schemas = {kind: system.crm.describe(kind) for kind in KINDS}
    people = fresh_people(runtime.shared, system)
    found = check(system.policy, crm_map, schemas=schemas, stages=system.crm.stages(), people=list(people.values()))
    records: dict[Kind, Record | None] = {Kind.DEAL: facts.deal, Kind.ACCOUNT: facts.account}
    raw = {
        kind: system.crm.raw(kind, record.ref.id, _there(crm_map, kind, schemas[kind].fields))
        for kind, record in records.items()
        if record is not None
    }
    kind_field = crm_map.fields.get("type")
    return _Tried(
        system=system.name,
        facts=facts,
        lines=lines(crm_map, schemas=schemas, raw=raw, records=records, people=people, found=found, only=names),
        people=people,
        plan=look_at(runtime.shared, system, [deal]).plans.get(deal),
        raw_type=raw[Kind.DEAL].get(kind_field.field, "") if kind_field else "",
    )


def _there(crm_map: CrmMap, kind: Kind, fields: Mapping[str, object]) -> tuple[str, ...]:
    """What can be asked for: fields that are hidden fail a whole question."""
    return tuple(dict.fromkeys(mapped.field for mapped in crm_map.of(kind) if mapped.field in fields))


def _data(tried: _Tried) -> dict[str, Any]:
    stage, plan = tried.facts.stage, tried.plan
    return {
        "system": tried.system,
        "deal": tried.facts.deal.ref.id,
        "account": tried.facts.account.ref.id if tried.facts.account else None,
        "stage": {"id": stage.id, "label": stage.label, "pipeline": stage.pipeline, "won": stage.is_won},
        "won_at": tried.facts.won_at.isoformat() if tried.facts.won_at else None,
        "deal_type": {"raw": tried.raw_type, "becomes": tried.facts.deal_type.value},
        "fields": [asdict(each) for each in tried.lines],
        "gate": plan.gate.value if plan is not None and plan.gate else None,
        "missing": [check.label for check in plan.missing] if plan is not None else [],
        "says": _says(plan),
    }


def _says(plan: Plan | None) -> list[str]:
    """What the first rules say of the deal: where it stands, the gate, how ready it is, who is CSM."""
    if plan is None:
        return ["The deal could not be decided; the log says why."]
    wanted = ("lifecycle", "gate", "readiness", "assignment")
    said = [finding.reason for finding in plan.findings if finding.rule in wanted]
    empty = ", ".join(check.label for check in plan.missing)
    lacking = [f"Required and empty, or saying too little: {empty}."] if empty else ["Nothing required is missing."]
    return [plan.standing.why, *said, *lacking]


def _table(fields: Sequence[Line]) -> PlainTable:
    """The fields with a value; names are never cut, for they are what an admin looks up."""
    table = PlainTable()
    table.add_column("Name, the CRM's field (label), what this login may", overflow="fold")
    table.add_column("Holds", overflow="fold")
    table.add_column("Becomes", overflow="fold")
    for each in fields:
        becomes = "the same" if each.raw and each.raw == each.becomes else _cut(each.becomes)
        named = f"{each.path}\n  {each.field}" + (f" ({each.label})" if each.label not in ("", each.field) else "")
        table.add_row(f"{named}\n  {each.may}", _cut(each.raw), becomes)
    return table


def _empty(fields: Sequence[Line]) -> str:
    """What is mapped well and holds nothing here, in a few lines instead of a table of blanks."""
    kept = sum("connector" in each.may for each in fields)
    words = f"{len(fields)} more fields are empty here" + (f", {kept} of them kept by the connector" if kept else "")
    return f"{words}: {', '.join(each.path for each in fields)}"


def _print(tried: _Tried, *, only: bool) -> None:
    out = show.console()
    stage = tried.facts.stage
    out.rule(f"{tried.system}: {tried.facts.deal.text('name') or tried.facts.deal.ref.id}")
    shown = [each for each in tried.lines if each.raw or each.trouble or only]
    if shown:
        out.print(_table(shown))
    for each in shown:
        if each.trouble:
            out.print(f"{each.path}: {each.trouble}", markup=False, highlight=False, style="red")
    if empty := [each for each in tried.lines if each not in shown]:
        out.print(_empty(empty), markup=False, highlight=False)
    won = " (won)" if stage.is_won else " (closed)" if stage.is_closed else " (open)"
    pipeline = f" of pipeline {stage.pipeline}" if stage.pipeline else ""
    lines_ = [
        f"Stage: {stage.label}{pipeline}{won}"
        + (f", since {tried.facts.won_at:%Y-%m-%d %H:%M} UTC" if tried.facts.won_at else ""),
        f"Type: {tried.raw_type or '(empty)'} counts as {tried.facts.deal_type.value}",
        f"Hangs on it: {len(tried.facts.tasks)} tasks, {len(tried.facts.notes)} notes, "
        f"{len(tried.facts.touches)} calls, mails and meetings, {len(tried.facts.contacts)} contacts with a role"
        + ("" if tried.facts.account else "; no account"),
        *_says(tried.plan),
    ]
    for line in lines_:
        out.print(line, markup=False, highlight=False)
    wrong = sum(bool(each.trouble) for each in tried.lines)
    out.print(f"{wrong} of {len(tried.lines)} fields to mend." if wrong else "Every field can be read as it is mapped.")


def _cut(text: str) -> str:
    text = text.replace("\n", " ⏎ ")
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"
