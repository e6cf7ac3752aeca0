"""A plan for an org as people read it in a terminal, and as plain data for ``--json``.

Not here: planning and doing (``crm.salesforce.provision``), and what follows for the exit code (``provision``).
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import typer
from rich.progress import Progress as Bar

from connector.cli.show import console, progress_console
from connector.crm.salesforce.provision.apply import Failure, LeftRunning, Outcome, Progress
from connector.crm.salesforce.provision.conflicts import Danger
from connector.crm.salesforce.provision.install import Applied, Look
from connector.crm.salesforce.provision.items import WRITES, Difference, Do, Grant, Item
from connector.crm.salesforce.provision.source import DESTRUCTIVE, MANIFEST
from connector.errors import CrmError

SIGNS: Mapping[Do, tuple[str, str]] = {
    Do.CREATE: ("+", "green"),
    Do.CHANGE: ("~", "yellow"),
    Do.REMOVE: ("-", "red"),
    Do.CONFLICT: ("!", "bold red"),
    Do.BY_HAND: ("?", "cyan"),
    Do.KEEP: ("=", "dim"),
}
"""The mark of each kind of line and its colour, in the order they are printed."""

HEADS: Mapping[Do, str] = {
    Do.CREATE: "To be made",
    Do.CHANGE: "To be changed",
    Do.REMOVE: "To be taken out",
    Do.CONFLICT: "In conflict",
    Do.BY_HAND: "By hand",
    Do.KEEP: "Kept",
}
ID_CHARS = 15
"""An id as Setup shows it; the API's has three characters more (facts: Salesforce §7)."""
WIDEST = 120
"""Columns of text a person reads with ease, however wide the terminal is."""
CUT = 400
"""Characters of a long value (a formula) that the terminal shows; ``--json`` has all of it."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is told of one org. ``given`` are the options to repeat when what was planned is to be applied."""

    system: str
    look: Look
    login_problem: str
    removing: bool
    given: str = ""

    @property
    def org(self) -> str:
        """Which org this is, so that nobody applies to the wrong one."""
        org = self.look.org
        kind = "a sandbox org" if org.is_sandbox else "a PRODUCTION org"
        return f"{' '.join(part for part in (org.name, org.org_id) if part) or 'an org'}, {kind}"


def tell_plan(page: Page) -> None:
    """The plan, the dangers, and what could not be read."""
    out = console()
    out.rule(f"{page.system}: {'the way back' if page.removing else 'the plan'} for {page.org}")
    for do in SIGNS:
        _tell_items(do, page.look.plan.of(do))
    for grant in page.look.plan.grants:
        what = "is taken from" if grant.take else "is given to the connector's user"
        out.print(f"  ~ PermissionSet {grant.permission_set} {what} {grant.user_id}", markup=False)
    _tell_dangers(page.look.dangers)
    for problem in page.look.desired.problems:
        out.print(f"[bold red]To mend first[/]: {problem}", soft_wrap=True)
    for words in page.look.org.unread:
        out.print(f"Could not be read with this login: {words}", markup=False, soft_wrap=True)
    if page.login_problem and not page.removing:
        words = "so its permission set must be assigned by hand"
        out.print(
            f"The daemon's own login does not work yet, {words}: {page.login_problem}", markup=False, soft_wrap=True
        )


def tell_next(page: Page, *, applying: bool) -> None:
    """The last lines of a plan that was not carried out: the counts, and what to do."""
    out, plan = console(), page.look.plan
    found = [f"{len(plan.of(do))} {HEADS[do].lower()}" for do in SIGNS if do is not Do.KEEP and plan.of(do)]
    found += [f"{len(plan.grants)} to be given or taken"] if plan.grants else []
    counts = ", ".join(found)
    if plan.blocked or page.look.desired.problems:
        out.print(f"{counts}. Nothing can be applied before the conflicts are solved.", markup=False)
    elif plan.is_empty:
        out.print("Nothing to do: the org has everything." if not page.removing else "Nothing to take out.")
    elif applying:
        out.print("Nothing was written.")
    else:
        out.print(f"{counts}. Nothing was written. To do it:", markup=False)
        again = " ".join(part for part in ("handoff provision", page.system, page.given, "--apply") if part)
        out.print(f"  {again}", **_PLAIN)


def tell_applied(page: Page, *, applied: Applied, left: Look | None) -> None:
    """How it went, and what the second reading says."""
    out = console()
    for what, outcome in (("The check", applied.check), ("The deploy", applied.done)):
        if outcome is not None and not outcome.ok:
            out.print(f"{what} {outcome.job} was refused, so nothing was changed: {outcome.words}", markup=False)
            for failure in outcome.failures:
                out.print(f"  ! {_failure_line(failure)}", markup=False, soft_wrap=True)
    for grant, words in applied.refused:
        verb = "taken from" if grant.take else "given to"
        out.print(f"  ! {grant.permission_set} could not be {verb} {grant.user_id}: {words}", markup=False)
    if not applied.ok or left is None:
        return
    if applied.done is not None:
        out.print(f"Done: deploy {applied.done.job}.")
    if left.plan.is_empty:
        tail = "" if page.removing else " Next: what is listed under By hand, then handoff check."
        out.print(f"Read again: nothing is left to do.{tail}", markup=False)
    else:
        out.print("Read again: the org does not yet show everything. What is left:")
        for do in (Do.CREATE, Do.CHANGE, Do.REMOVE):
            _tell_items(do, left.plan.of(do))


def tell_json(page: Page, *, applied: Applied | None, left: Look | None) -> None:
    """Everything as one JSON object."""
    look = page.look
    data = {
        "system": page.system,
        "org": look.org.org_id,
        "name": look.org.name,
        "sandbox": look.org.is_sandbox,
        "empty": look.plan.is_empty,
        "blocked": bool(look.plan.blocked or look.desired.problems),
        "items": [_item_data(item) for item in look.plan.items],
        "grants": [
            {"permission_set": one.permission_set, "user": one.user_id, "take": one.take} for one in look.plan.grants
        ],
        "dangers": [
            {"weight": one.weight.value, "what": one.what, "effect": one.effect, "remedy": one.remedy}
            for one in look.dangers
        ],
        "problems": [str(one) for one in look.desired.problems],
        "unread": list(look.org.unread),
        "login_problem": page.login_problem,
        "applied": None if applied is None else _applied_data(applied),
        "left": None if left is None else [_item_data(one) for one in left.plan.of(*WRITES)],
    }
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def tell_export(folder: Path, written: Sequence[Path], look: Look, *, as_json: bool) -> None:
    """What was written, and how it gets into an org without us."""
    what = f"--source-dir {folder}/force-app"
    if look.plan.to_remove:
        what = f"--manifest {folder}/{MANIFEST} --post-destructive-changes {folder}/{DESTRUCTIVE}"
    commands = [f"sf project deploy start {what} --target-org ORG{more}" for more in (" --dry-run", "")]
    if as_json:
        data = {
            "folder": str(folder),
            "files": [str(path) for path in written],
            "deploy_with": commands,
            "conflicts": [_item_data(one) for one in look.plan.of(Do.CONFLICT)],
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    out = console()
    out.print(f"{len(written)} files written to {folder}. Nothing was changed in the org.", markup=False)
    _tell_items(Do.CONFLICT, look.plan.of(Do.CONFLICT))
    if look.dangers:
        out.print(f"{len(look.dangers)} things of the org's own may fight with this: see the plan, without --export.")
    out.print("Check it, then deploy it, with the Salesforce CLI:")
    for each in commands:
        out.print(f"  {each}", markup=False, soft_wrap=True)


def asked_to_apply(system: str, look: Look) -> bool:
    """Whether the person at the terminal says yes; no is the default. A production org is asked for by its id."""
    page = Page(system, look, "", removing=False)
    if look.org.is_sandbox or not look.org.org_id:
        return typer.confirm(f"Write this to {page.org}?", default=False)
    # A yes is typed without reading. Whoever writes to where everybody works names it.
    typed = typer.prompt(f"This is {page.org}. Type the org's id to write to it", default="", show_default=False)
    return str(typed).strip() in (look.org.org_id, look.org.org_id[:ID_CHARS])


def left_running(left: LeftRunning, *, system: str) -> str:
    """What to know when the end of a deploy was not seen: after Ctrl-C, a login that ended, or too long a wait."""
    why = f"its end was not seen ({left.fault.message}, {left.fault.vendor_code}); " if left.fault else ""
    if left.check_only:
        return f"{why}the check {left.job} goes on or not; it changes nothing in the org, and nothing was deployed"
    return (
        f"{why}the deploy {left.job} goes on in the org: Setup > Deployment Status shows it and can cancel it. "
        f"What is left to do afterwards: handoff provision {system}"
    )


def tell_bereft(grants: Sequence[Grant]) -> None:
    """Who does not hold a permission set any more, though it may still be there: nothing else would tell."""
    out = progress_console()
    out.print("These people lost a permission set that could not be given back; if it stays, assign it again:")
    for name in sorted({one.permission_set for one in grants}):
        users = ", ".join(one.user_id for one in grants if one.permission_set == name)
        out.print(f"  {name}: {users}", **_PLAIN)


def lost_words(error: CrmError, *, system: str) -> str:
    """What to know when the org's answer to a deploy never came."""
    return (
        f"the answer to the deploy was lost ({error.fault.vendor_code}), so it may be under way or not: "
        f"Setup > Deployment Status shows it. What is left to do once it ended: handoff provision {system}"
    )


@contextmanager
def watching(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Shows how far a deploy is, on standard error, while the block runs."""
    with Bar(transient=True, disable=quiet or not sys.stderr.isatty(), console=progress_console()) as bar:
        rows: dict[str, Any] = {}

        def told(progress: Progress) -> None:
            if progress.job not in rows:
                rows[progress.job] = bar.add_task("", total=None)
            what = "checking" if progress.check_only else "deploying"
            bar.update(
                rows[progress.job],
                description=f"{what} {progress.job} {progress.state}",
                total=progress.total or None,
                completed=progress.done,
            )

        yield told


def _tell_items(do: Do, items: Sequence[Item]) -> None:
    if not items:
        return
    out = console()
    sign, colour = SIGNS[do]
    quiet = [item for item in items if do is Do.KEEP and not item.detail]
    out.print(f"[{colour}]{HEADS[do]}[/] ({len(items)})")
    for item in items:
        if item in quiet:
            continue
        _say(f"{sign} {item.type} {unquote(item.name)}{f': {item.detail}' if item.detail else ''}", indent=2)
        for one in item.differences:
            _say(_difference_line(one), indent=6)
        if item.why and do is not Do.KEEP:
            _say(item.why, indent=6, style="dim")
    if quiet:
        out.print(f"  {sign} {len(quiet)} as wanted", **_PLAIN)


def _say(text: str, *, indent: int, style: str = "") -> None:
    """A line of the plan: wrapped under its own beginning for people, whole where a program reads."""
    out = console()
    pad = " " * indent
    if not out.is_terminal:
        out.print(pad + text, style=style, **_PLAIN)
        return
    width = min(out.width, WIDEST)
    for line in textwrap.wrap(text, width, initial_indent=pad, subsequent_indent=pad + "  ", break_on_hyphens=False):
        out.print(line, style=style, **_PLAIN)


_PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}


def _tell_dangers(dangers: Sequence[Danger]) -> None:
    if not dangers:
        return
    out = console()
    out.print(f"[bold yellow]The org's own, which may fight with this[/] ({len(dangers)})")
    for one in dangers:
        _say(f"{one.weight.value}: {one.what} {one.effect}", indent=2)
        _say(one.remedy, indent=6, style="dim")


def _difference_line(one: Difference) -> str:
    return f"{one.attribute}: {_cut(one.before) or '(none)'} -> {_cut(one.after)}"


def _failure_line(failure: Failure) -> str:
    where = f"{failure.file}:{failure.line}" if failure.line else failure.file
    return " ".join(part for part in (failure.type, failure.name, f"({where}):", failure.problem) if part)


def _cut(text: str) -> str:
    return text if len(text) <= CUT else text[: CUT - 1] + "…"


def _item_data(item: Item) -> dict[str, Any]:
    return {
        "do": item.do.value,
        "type": item.type,
        "name": item.name,
        "detail": item.detail,
        "why": item.why,
        "blocks": item.blocks,
        "differences": [
            {"attribute": one.attribute, "before": one.before, "after": one.after} for one in item.differences
        ],
    }


def _applied_data(applied: Applied) -> dict[str, Any]:
    return {
        "ok": applied.ok,
        "check": _outcome_data(applied.check),
        "deploy": _outcome_data(applied.done),
        "refused": [
            {"permission_set": grant.permission_set, "user": grant.user_id, "words": words}
            for grant, words in applied.refused
        ],
    }


def _outcome_data(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {
        "id": outcome.job,
        "ok": outcome.ok,
        "words": outcome.words,
        "failures": [
            {"type": one.type, "name": one.name, "file": one.file, "line": one.line, "problem": one.problem}
            for one in outcome.failures
        ],
    }
