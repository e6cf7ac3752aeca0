"""``handoff review``: the review of a month, a quarter or a week of hypercare, as a paper.

Not here: what it says (``handoff.governing``) and how it is laid out (``review_paper``). It reads the ledger alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System, number
from connector.cli.review_paper import data_of, paper_of, touched_data, touched_paper
from connector.cli.show import progress_console
from connector.engine.governance import live_since
from connector.engine.reviewing import review_of, week_now
from connector.errors import Problem, UserError
from connector.handoff.calendar import local_date
from connector.handoff.governing.periods import (
    Period,
    before,
    month_of,
    named_month,
    named_quarter,
    week_of,
)
from connector.handoff.governing.proposals import proposals
from connector.handoff.model import SystemName
from connector.handoff.rulebook.policy import Policy
from connector.papers import Paper, PdfError, PdfMissing, html, markdown, pdf
from connector.policy.load import load_all
from connector.store import Store


class Format(StrEnum):
    """How the review is written."""

    MD = "md"
    HTML = "html"
    PDF = "pdf"


def command(
    *,
    month: Annotated[str, typer.Option("--month", metavar="2026-10", help="The review of this month.")] = "",
    quarter: Annotated[str, typer.Option("--quarter", metavar="2026-Q3", help="The review of this quarter.")] = "",
    hypercare: Annotated[
        bool, typer.Option("--hypercare", help="The week of hypercare that ended last, counted from the go-live.")
    ] = False,
    week: Annotated[
        int | None, typer.Option("--week", parser=number, metavar="NUMBER", help="Another week of hypercare.")
    ] = None,
    touched: Annotated[
        bool, typer.Option("--touched", help="Only the automated steps that people touched by hand.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write into this file instead of showing it.")] = None,
    formats: Annotated[
        str, typer.Option("--format", metavar="md,html,pdf", help="As what; by the ending of --out if left out.")
    ] = "",
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Write the review of a period: figures against targets, what nobody reads, what repeats, what to change.

    Without a period it is the month that ended last. A threshold of `[governance]` in process.toml that is breached by
    what is known now makes exit code 1; the task for its owner is the daemon's, once, when the period is over.

    For example: `handoff review --month 2026-10 --out october.pdf`, or `--out october --format md,html,pdf`.
    With `--hypercare` the weeks are counted from `[governance] since`, else from the day acting began.
    """
    wanted = _formats(formats, out, as_json=as_json)
    _, loaded = load_all(config)
    opened = bootstrap.open_store_only(config, mode="read")
    names = [each.name for each in opened.watched if not system or each.name == system]
    if not names:
        known = ", ".join(each.name for each in opened.watched)
        raise _mistake("--system", f"there is no system {system!r} in config.toml; use one of: {known}")
    found = []
    for name in names:
        policy = loaded.policies[name]
        period = _period(opened.store, name, policy, month=month, quarter=quarter, hypercare=hypercare, week=week)
        review = review_of(opened.store, name, policy, period)
        found.append((review, proposals(review, policy.targets)))
    targets = {name: loaded.policies[name].targets for name in names}
    now = opened.clock.now()
    if as_json:
        data = [
            {"system": one.system, "period": one.period.name, "touched": touched_data(one)}
            if touched
            else data_of(one, proposed, targets[SystemName(one.system)])
            for one, proposed in found
        ]
        _put(json.dumps(data, indent=2, ensure_ascii=False) + "\n", out)
    else:
        paper = touched_paper(found, made_at=now) if touched else paper_of(found, targets, made_at=now)
        _write(paper, wanted, out)
    if any(ruling.breached for review, _ in found for ruling in review.rulings):
        raise typer.Exit(EXIT_FOUND)


def _formats(given: str, out: Path | None, *, as_json: bool) -> tuple[Format, ...]:
    """As what the review is written. Raises UserError."""
    ending = out.suffix.removeprefix(".").lower() if out else ""
    words = [word.strip().lower() for word in given.split(",") if word.strip()]
    if ending and not words and ending not in set(Format):
        known = ", ".join(f".{each}" for each in Format)
        raise _mistake("--out", f"ends in .{ending}, which is none of {known}; end it so, or say --format")
    words = words or [ending or Format.MD.value]
    for word in words:
        if word not in set(Format):
            raise _mistake("--format", f"{word!r} is none; use one or more of: {', '.join(Format)}")
    found = tuple(dict.fromkeys(Format(word) for word in words))
    if out is None and not as_json and (len(found) > 1 or Format.PDF in found):
        raise _mistake("--format", "a PDF, or several at once, need a file: add --out FILE")
    return found


def _period(
    store: Store,
    name: SystemName,
    policy: Policy,
    *,
    month: str,
    quarter: str,
    hypercare: bool,
    week: int | None,
) -> Period:
    """The period that is asked for. Raises UserError."""
    if sum((bool(month), bool(quarter), hypercare or week is not None)) > 1:
        raise _mistake("review", "takes one of --month, --quarter and --hypercare")
    try:
        if month:
            return named_month(month)
        if quarter:
            return named_quarter(quarter)
    except ValueError as error:
        raise _mistake("--month" if month else "--quarter", str(error)) from error
    if hypercare or week is not None:
        return _week(store, name, policy, week)
    last = before(month_of(local_date(policy.calendar, store.clock.now())))
    assert last is not None
    return last


def _week(store: Store, name: SystemName, policy: Policy, week: int | None) -> Period:
    since: date | None = live_since(store, name, policy)
    now = week_now(store, name, policy)
    if since is None or now is None:
        message = f"{name} is not live yet: hypercare counts from [governance] since, else from the day acting began"
        raise _mistake("--hypercare", message)
    if week is not None and not 1 <= week <= now:
        raise _mistake("--week", f"it is week {now} since {since.isoformat()}; name one from 1 to {now}")
    return week_of(week or max(now - 1, 1), since=since)


def _write(paper: Paper, formats: Sequence[Format], out: Path | None) -> None:
    for one in formats:
        target = out.with_suffix(f".{one.value}") if out and (len(formats) > 1 or not out.suffix) else out
        if one is Format.PDF:
            assert target is not None
            try:
                _put(pdf(paper), target)
            except (PdfMissing, PdfError) as error:
                raise _mistake("--format", str(error)) from error
        else:
            _put(markdown(paper) if one is Format.MD else html(paper), target)


def _put(content: str | bytes, out: Path | None) -> None:
    """Into the file, else to standard output. Raises UserError."""
    if out is None:
        sys.stdout.write(str(content))
        return
    try:
        if isinstance(content, bytes):
            out.write_bytes(content)
        else:
            out.write_text(content, encoding="utf-8")
    except OSError as error:
        raise _mistake("--out", f"{out} cannot be written: {error.strerror}") from error
    progress_console().print(f"Written: {out}", markup=False)


def _mistake(key: str, message: str) -> UserError:
    return UserError([Problem("", key, message)])
