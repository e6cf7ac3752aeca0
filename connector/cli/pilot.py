"""``handoff pilot``: the deals of a pilot beside those that are only observed, as a report.

Not here: the numbers (``handoff.rollout``), the paper (``documents.rollout``), and setting the mode (config.toml).
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.show import console
from connector.documents.rollout import paper
from connector.documents.shelf import Format
from connector.errors import Problem, UserError
from connector.handoff.rollout import rollout
from connector.papers import html, markdown, pdf

FORMS = (Format.MD.value, Format.HTML.value, Format.PDF.value)
"""As what the report may be written; pictures are of the quick-reference card alone."""


class Action(StrEnum):
    """What is asked of the pilot."""

    REPORT = "report"


def command(
    action: Annotated[Action, typer.Argument(help="report: both groups side by side, and what to decide.")],
    *,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only deals won since this day (UTC).")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", "-f", metavar="md|html|pdf", help="As what; by the ending of --out if left out.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; standard output by default, but for pdf.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Compare the deals of the pilot with those only observed, and say what to decide before all is acted on.

    For each group: wins, how many were held or would have been, which of them were let go with gaps, whether the CSM is
    whom the rules chose, how long it took to a CSM and to the first touch, how complete the answers are, the CSMs'
    ratings; each number with how many wins it is made of. Then what CSMs and AEs wrote (handoff_rating and
    handoff_feedback, where they are mapped). Reads the ledger only. What is compared was noted while the mode was
    observe or pilot.

    For example: `handoff pilot report --since 2026-11-01`, `handoff pilot report --out pilot.pdf`.
    """
    del action  # there is but one so far, and a word that says so
    wanted = _form(form, out)
    opened = bootstrap.open_store_only(config, mode="read")
    names = [each.name for each in opened.watched if system in ("", each.name)]
    if not names:
        known = ", ".join(each.name for each in opened.watched)
        raise UserError([Problem("", "--system", f"no system is called {system!r}; config.toml has {known}")])
    begin = since.replace(tzinfo=UTC) if since else None
    found = {str(name): rollout(opened.store.trials(name, since=begin)) for name in names}
    if as_json:
        sys.stdout.write(json.dumps({name: asdict(one) for name, one in found.items()}, indent=2, default=str) + "\n")
        return
    report = paper(found, made=opened.clock.now().date())
    if wanted is Format.PDF:
        if out is None:
            raise UserError([Problem("", "--out", "name the file a PDF is to be written to")])
        out.write_bytes(pdf(report))
    else:
        text = html(report) if wanted is Format.HTML else markdown(report)
        if out is None:
            sys.stdout.write(text)
            return
        out.write_text(text, encoding="utf-8")
    console().print(f"Written to {out}.", markup=False, highlight=False)


def _form(given: str, out: Path | None) -> Format:
    """As what the report is written. Raises UserError."""
    ending = out.suffix.removeprefix(".").lower() if out else ""
    word = given.strip().lower() or ending or Format.MD.value
    if word not in FORMS:
        raise UserError([Problem("", "--format" if given else "--out", f"{word!r} is none of {', '.join(FORMS)}")])
    return Format(word)
