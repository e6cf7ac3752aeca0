"""``handoff playbook``: the playbooks as a table or a picture, and one handoff played against the calendar.

Not here: what a playbook means and how it is played (``handoff``), and moving handoffs (``playbook_migrate``). Nothing
else is stored, and nothing is sent.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.plan import connect_for_reading
from connector.cli.playbook_migrate import Asked, migrate
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.engine.parts import System as EngineSystem
from connector.engine.reconciler import observe
from connector.errors import Problem, UserError
from connector.handoff.calendar import local_date, local_time
from connector.handoff.decide import weigh
from connector.handoff.model import Snapshot
from connector.handoff.picture import begins_words, limit_words, mermaid, missed_words, signal_words
from connector.handoff.playbook_text import version_of
from connector.handoff.rulebook.playbooks import Playbook, PlaybookTask
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.playbook import states
from connector.handoff.simulate import Habit, Played, play
from connector.handoff.steps import Step, chosen, walk
from connector.policy.calendars import hours_a_day
from connector.policy.load import load_mappings

DAYS = 120


class Action(StrEnum):
    """What is asked of the playbooks."""

    SHOW = "show"
    SIMULATE = "simulate"
    MIGRATE = "migrate"


@dataclass(frozen=True, slots=True)
class _Seen:
    """One deal as it stands, in its system, now."""

    system: EngineSystem
    snapshot: Snapshot
    now: datetime


def command(
    action: Annotated[
        Action,
        typer.Argument(help="show: what the playbooks say. simulate: play one deal's. migrate: move handoffs on."),
    ],
    *,
    deal: Annotated[str, typer.Option("--deal", "-d", help="The deal's id in its CRM.")] = "",
    name: Annotated[str, typer.Option("--name", help="Only the playbook of this name.")] = "",
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="As a picture in Mermaid's language.")] = False,
    people: Annotated[Habit, typer.Option("--people", help="Whether people do their tasks.")] = Habit.IDLE,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How many days are played.")] = DAYS,
    every: Annotated[bool, typer.Option("--all", help="migrate: every handoff under way.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="migrate: carry it out.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="migrate: back to the playbook before.")] = False,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Show the playbooks, play one against the calendar, or move handoffs on to the present one.

    **show** prints each playbook as a table, with **--mermaid** as a picture that GitHub, GitLab and most wikis draw;
    with **--deal** the calendar of that deal's own steps. It reads the mapping files only, and needs no login,
    unless a deal is named.

    **simulate --deal** plays that deal's handoff from now on in a second or two: which task is made when, due when,
    missed, and who is told. With **--people prompt** everybody does their tasks in time, without it nobody does any. A
    deal that is not won yet is played as if it were won now, with nothing missing.

    **migrate** lets handoffs under way go on by the playbook they would begin with now: one with **--deal**, every one
    with **--all**. It shows what that makes and leaves, and stores nothing without **--yes**. No step is made twice,
    what should have been done by now is not asked any more, and **--undo** moves them back. Exit code 1 when handoffs
    would move and --yes was not said.

    For example: `handoff playbook show --mermaid`, `handoff playbook simulate --deal 006HO0000000001YAA`,
    `handoff playbook migrate --all`.
    """
    if action is Action.MIGRATE:
        migrate(config, system, Asked(deal=deal, every=every, yes=yes, undo=undo), as_json=as_json)
        return
    if action is Action.SIMULATE:
        seen = _seen(config, system, deal)
        played = play(seen.snapshot, seen.system.policy, seen.now, habit=people, days=timedelta(days=days))
        _tell_played(seen, played, as_json=as_json)
    elif deal:
        seen = _seen(config, system, deal)
        _tell_deal(seen, as_mermaid=as_mermaid, as_json=as_json)
    else:
        _tell_books(_policy(config, system), name, as_mermaid=as_mermaid, as_json=as_json)


def _policy(config: Config, system: str) -> Policy:
    """The policy of the system named, or of the first: all have the same playbooks."""
    found = [policy for each, policy in load_mappings(config).policies.items() if system in ("", each)]
    if not found:
        raise UserError([Problem("", "--system", f"there is no system {system!r} in {config}")])
    return found[0]


def _seen(config: Config, system: str, deal: str) -> _Seen:
    if not deal:
        raise UserError([Problem("", "--deal", "is needed here; name the deal's id in its CRM")])
    runtime = bootstrap.open_runtime(config, mode="read")
    for each in runtime.chosen(system):
        connect_for_reading(each)
        for snapshot in observe(runtime.shared, each, [deal], unread={}):
            now = runtime.shared.clock.now()
            roster = dict(runtime.shared.store.roster(each.name, now=now))
            return _Seen(each, dataclasses.replace(snapshot, roster=roster), now)
    names = ", ".join(each.name for each in runtime.chosen(system))
    message = f"is not a deal this login can see in {names}; check the id, and --system when there are several"
    raise UserError([Problem("", deal, message)])


# --- the playbooks ----------------------------------------------------------------------------------------------------


def _tell_books(policy: Policy, name: str, *, as_mermaid: bool, as_json: bool) -> None:
    books = [book for book in policy.playbooks if name in ("", book.name)]
    if not books:
        known = ", ".join(book.name for book in policy.playbooks)
        raise UserError([Problem("", "--name", f"there is no playbook {name!r}; there are: {known}")])
    if as_mermaid:
        sys.stdout.write("\n".join(mermaid(book, policy, day=_day(policy)) for book in books))
    elif as_json:
        sys.stdout.write(json.dumps({"playbooks": [_book_data(book, policy) for book in books]}, indent=2) + "\n")
    else:
        for book in books:
            _print_book(book, policy)


def _day(policy: Policy) -> Decimal:
    return hours_a_day(policy.calendar)


def _book_data(book: Playbook, policy: Policy) -> dict[str, Any]:
    return {
        "name": book.name,
        "version": version_of(book),
        "tasks": [_task_data(task, policy) for task in book.tasks],
    }


def _task_data(task: PlaybookTask, policy: Policy) -> dict[str, Any]:
    day = _day(policy)
    return {
        "step": task.step,
        "makes": task.make.value,
        "owner": task.owner.value,
        "begins": begins_words(task),
        "after": task.after,
        "within": limit_words(task.limit, day=day),
        "done_when": signal_words(task.done_when, make=task.make),
        "missed": list(missed_words(task, policy, day=day)),
    }


def _print_book(book: Playbook, policy: Policy) -> None:
    out = console()
    adds = ", added to whichever playbook is used" if book.adds else ""
    out.rule(f"{book.name} (version {version_of(book)}){adds}")
    table = PlainTable("Step", "Begins", "Owner", "Within", "Done when", "If not")
    for task in book.tasks:
        data = _task_data(task, policy)
        lines = (data["step"], data["begins"], data["owner"], data["within"], data["done_when"])
        table.add_row(*lines, "; ".join(data["missed"]) or "-")
    out.print(table)


# --- one deal ---------------------------------------------------------------------------------------------------------


def _tell_deal(seen: _Seen, *, as_mermaid: bool, as_json: bool) -> None:
    policy = seen.system.policy
    case, _ = weigh(seen.snapshot, policy, seen.now)
    book = chosen(case)
    if book is not None and as_mermaid:
        sys.stdout.write(mermaid(book, policy, day=_day(policy)))
        return
    steps = walk(case)
    rows = [
        {
            "step": state.step,
            "subject": state.subject,
            "owner": state.owner_email,
            **_times(step),
            "due": state.due.isoformat() if state.due else None,
            "state": state.state,
            "why": state.why,
        }
        for step, state in zip(steps, states(case, steps), strict=True)
    ]
    head = {"deal": seen.snapshot.key.deal_id, "playbook": book.name if book else "", "phase": case.outcome.value}
    version = version_of(book) if book else ""
    if as_json:
        sys.stdout.write(json.dumps({**head, "version": version, "steps": rows}, indent=2) + "\n")
        return
    out = console()
    if not rows:
        out.print("This deal has no handoff that runs; play one with: handoff playbook simulate --deal …")
        return
    out.rule(f"{head['deal']}: {head['playbook']} (version {version})")
    table = PlainTable("Step", "Owner", "Begins", "Due", "State", "Why")
    for step, row in zip(steps, rows, strict=True):
        begins = _shown(policy, step.begins) if row["begins"] else "-"
        table.add_row(row["step"], row["owner"], begins, row["due"] or "-", row["state"], row["why"])
    out.print(table)


def _times(step: Step) -> Mapping[str, str | None]:
    known = step.begun or step.foreseen is not None or step.spec.trigger is None
    return {
        "begins": step.begins.isoformat() if known else None,
        "deadline": step.deadline.isoformat() if known else None,
    }


def _tell_played(seen: _Seen, played: Played, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_played_data(seen, played), indent=2) + "\n")
        return
    out = console()
    policy = seen.system.policy
    if not played.playbook:
        out.print("No playbook is meant for this kind of deal, so there is nothing to play.")
        return
    out.rule(f"{seen.snapshot.key.deal_id}: {played.playbook} (version {played.version})")
    if played.pretended:
        out.print("Played as if the deal were won now, with nothing missing.")
    table = PlainTable("When", "Step", "What", "Who", "")
    for event in played.events:
        table.add_row(_shown(policy, event.at), event.step, event.what.value, event.who, event.words)
    out.print(table)
    out.print("Nothing was stored or sent.")


def _played_data(seen: _Seen, played: Played) -> dict[str, Any]:
    events = [
        {**dataclasses.asdict(event), "at": event.at.isoformat(), "what": event.what.value} for event in played.events
    ]
    return {
        "deal": seen.snapshot.key.deal_id,
        "playbook": played.playbook,
        "version": played.version,
        "pretended": played.pretended,
        "begins": played.begins.isoformat(),
        "ends": played.ends.isoformat(),
        "events": events,
    }


def _shown(policy: Policy, moment: datetime) -> str:
    """A moment by the team's clock."""
    day = local_date(policy.calendar, moment)
    return f"{day:%a} {day.day} {day:%b %Y}, {local_time(policy.calendar, moment):%H:%M}"
