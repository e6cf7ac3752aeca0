"""A plan for a CRM as people read it in a terminal, and as plain data for ``--json``.

Not here: planning and doing (``crm.<vendor>.provision``), and what follows for the exit code (``provision``).
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
from rich.text import Text

from connector.cli.show import console, progress_console
from connector.crm.installer import WRITES, Danger, Difference, Do, Ending, Exported, Line, Mark, Progress, Survey

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
WIDEST = 120
"""Columns of text a person reads with ease, however wide the terminal is."""
CUT = 400
"""Characters of a long value (a formula) that the terminal shows; ``--json`` has all of it."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is told of one CRM. ``given`` are the options to repeat when what was planned is to be applied."""

    system: str
    survey: Survey
    login_problem: str
    removing: bool
    given: str = ""


def tell_plan(page: Page) -> None:
    """The plan, the dangers, and what could not be read."""
    out, survey = console(), page.survey
    out.rule(f"{page.system}: {'the way back' if page.removing else 'the plan'} for {survey.site}")
    for do in SIGNS:
        _tell_items(do, survey.plan.of(do))
    for words in survey.besides:
        out.print(f"  ~ {words}", markup=False)
    _tell_dangers(survey)
    for problem in survey.problems:
        out.print(Text("To mend first", style="bold red"), f": {problem}", sep="", markup=False, soft_wrap=True)
    for words in survey.unread:
        out.print(f"Could not be read with this login: {words}", markup=False, soft_wrap=True)
    for words in survey.lacking:
        out.print(f"To apply, this login lacks a scope, on {words}", markup=False, soft_wrap=True)
    if page.login_problem and not page.removing:
        out.print(page.login_problem, markup=False, soft_wrap=True)


def tell_next(page: Page, *, applying: bool) -> None:
    """The last lines of a plan that was not carried out: the counts, and what to do."""
    out, survey, plan = console(), page.survey, page.survey.plan
    found = [f"{len(plan.of(do))} {HEADS[do].lower()}" for do in SIGNS if do is not Do.KEEP and plan.of(do)]
    found += [f"{len(survey.besides)} to be given or taken"] if survey.besides else []
    counts = ", ".join(found)
    if not survey.may_apply:
        what = "what is to mend is mended" if survey.problems and not plan.blocked else "the conflicts are solved"
        out.print(f"{counts}. Nothing can be applied before {what}.".removeprefix(". "), markup=False)
    elif plan.is_empty:
        everything = f"Nothing to do: the {survey.site.noun} has everything."
        out.print(everything if not page.removing else "Nothing to take out.")
    elif applying:
        out.print("Nothing was written.")
    else:
        out.print(f"{counts}. Nothing was written. To do it:", markup=False)
        again = " ".join(part for part in ("handoff provision", page.system, page.given, "--apply") if part)
        out.print(f"  {again}", **_PLAIN)


def tell_applied(page: Page, *, ended: Ending, left: Survey | None) -> None:
    """How it went, and what the second reading says."""
    out = progress_console() if ended.mark is Mark.UNKNOWN else console()
    for words in ended.words:
        out.print(words, markup=False, soft_wrap=True, highlight=False)
    if not ended.ok or left is None:
        return
    if left.plan.is_empty:
        tail = "" if page.removing else " Next: what is listed under By hand, then handoff check."
        out.print(f"Read again: nothing is left to do.{tail}", markup=False)
    else:
        out.print(f"Read again: the {left.site.noun} does not yet show everything. What is left:")
        for do in (Do.CREATE, Do.CHANGE, Do.REMOVE):
            _tell_items(do, left.plan.of(do))


def tell_json(page: Page, *, ended: Ending | None, left: Survey | None) -> None:
    """Everything as one JSON object."""
    survey = page.survey
    data = {
        "system": page.system,
        **survey.data,
        "empty": survey.plan.is_empty,
        "blocked": not survey.may_apply,
        "items": [_item_data(item) for item in survey.plan.items],
        "dangers": [
            {"weight": one.weight.value, "what": one.what, "effect": one.effect, "remedy": one.remedy}
            for one in survey.dangers
        ],
        "problems": [str(one) for one in survey.problems],
        "unread": list(survey.unread),
        "lacking": list(survey.lacking),
        "login_problem": page.login_problem,
        "applied": None if ended is None else {"ok": ended.ok, "words": list(ended.words), **ended.data},
        "left": None if left is None else [_item_data(one) for one in left.plan.of(*WRITES)],
    }
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def tell_export(folder: Path, written: Exported, survey: Survey, *, as_json: bool) -> None:
    """What was written, and how it gets into a CRM without us."""
    if as_json:
        data = {
            "folder": str(folder),
            "files": [str(path) for path in written.files],
            "deploy_with": list(written.deploy_with),
            "conflicts": [_item_data(one) for one in survey.plan.of(Do.CONFLICT)],
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    out = console()
    where = survey.site.noun
    out.print(f"{len(written.files)} files written to {folder}. Nothing was changed in the {where}.", markup=False)
    _tell_items(Do.CONFLICT, survey.plan.of(Do.CONFLICT))
    if survey.dangers:
        words = f"{len(survey.dangers)} things of the {where}'s own may fight with this"
        out.print(f"{words}: see the plan, without --export.")
    for words in written.words:
        out.print(words, markup=False, soft_wrap=True)
    for each in written.deploy_with:
        out.print(f"  {each}", markup=False, soft_wrap=True)


def asked_to_apply(page: Page) -> bool:
    """Whether the person at the terminal says yes; no is the default. Where everybody works its id is asked for."""
    site = page.survey.site
    if not site.guarded:
        return typer.confirm(f"Write this to {site}?", default=False)
    # A yes is typed without reading. Whoever writes to where everybody works names it.
    question = f"This is {site}. Type the {site.noun}'s id to write to it"
    typed = typer.prompt(question, default="", show_default=False)
    return str(typed).strip() in site.ids


@contextmanager
def watching(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Shows how far an apply is, on standard error, while the block runs."""
    with Bar(transient=True, disable=quiet or not sys.stderr.isatty(), console=progress_console()) as bar:
        rows: dict[str, Any] = {}

        def told(progress: Progress) -> None:
            if progress.job not in rows:
                rows[progress.job] = bar.add_task("", total=None)
            bar.update(
                rows[progress.job],
                description=progress.words,
                total=progress.total or None,
                completed=progress.done,
            )

        yield told


def _tell_items(do: Do, items: Sequence[Line]) -> None:
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
        for number, step in enumerate(item.steps, 1):
            _say(f"{number}. {step}", indent=6)
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


def _tell_dangers(survey: Survey) -> None:
    dangers: Sequence[Danger] = survey.dangers
    if not dangers:
        return
    out = console()
    out.print(f"[bold yellow]The {survey.site.noun}'s own, which may fight with this[/] ({len(dangers)})")
    for one in dangers:
        _say(f"{one.weight.value}: {one.what} {one.effect}", indent=2)
        _say(one.remedy, indent=6, style="dim")


def _difference_line(one: Difference) -> str:
    return f"{one.attribute}: {_cut(one.before) or '(none)'} -> {_cut(one.after)}"


def _cut(text: str) -> str:
    return text if len(text) <= CUT else text[: CUT - 1] + "…"


def _item_data(item: Line) -> dict[str, Any]:
    return {
        "do": item.do.value,
        "type": item.type,
        "name": item.name,
        "detail": item.detail,
        "why": item.why,
        "blocks": item.blocks,
        "steps": list(item.steps),
        "differences": [
            {"attribute": one.attribute, "before": one.before, "after": one.after} for one in item.differences
        ],
    }
