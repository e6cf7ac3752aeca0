"""``handoff audit``: how the last won deals were handed over, before anything is installed.

Not here: reading (``engine.audit``), judging (``handoff.audit``), the paper (``audit_paper``). Writes nothing to a CRM
and needs neither our fields nor a ledger.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from connector import papers
from connector.bootstrap.audit import Reading, Readings, open_readings
from connector.cli import audit_paper, show
from connector.cli.app import EXIT_CRM, EXIT_FOUND
from connector.cli.audit_paper import Findings
from connector.cli.floor import batch_of
from connector.cli.init_answers import config_text, systems_of
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.screen import complain
from connector.crm.installer import Danger
from connector.engine.audit import judge, take
from connector.errors import Advice, CrmError, Problem, UserError

WHOLE_SECOND = timedelta(seconds=1)
"""The CRM's time is that of an answer, which has no parts of a second; what was logged within it is no plan."""

MOST = 10_000
"""What one search of HubSpot goes through (facts: HubSpot §1)."""


def pdf_of(found: Sequence[Findings]) -> bytes:
    """The report as PDF. Raises `UserError` where it cannot be set."""
    try:
        return papers.pdf(audit_paper.paper(found))
    except papers.PdfError as error:
        raise UserError([Problem("", "--format", str(error))]) from error


def json_of(found: Sequence[Findings]) -> bytes:
    """The report as data, by system."""
    return (json.dumps({each.system: audit_paper.data(each) for each in found}, indent=2) + "\n").encode()


FORMATS: Mapping[str, Callable[[Sequence[Findings]], bytes]] = {
    "md": lambda found: papers.markdown(audit_paper.paper(found)).encode(),
    "html": lambda found: papers.html(audit_paper.paper(found)).encode(),
    "pdf": pdf_of,
    "json": json_of,
}
"""Name, which is the ending of the file too -> the report."""

Last = Annotated[int, typer.Option("--last", min=1, max=MOST, help="How many won deals, the latest first.")]


def command(
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    last: Last = 15,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only deals that closed on this day or later.")
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", help=f"One or more of {', '.join(FORMATS)}, with commas between.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the report here; of several formats each gets its own ending.")
    ] = None,
    vendor: Annotated[
        list[str] | None, typer.Option("--vendor", help="Without a config.toml: salesforce or hubspot.")
    ] = None,
    url: Annotated[list[str] | None, typer.Option("--url", help="Without one: the address of each --vendor.")] = None,
    token_env: Annotated[
        str, typer.Option(metavar="NAME", help="The variable that holds an admin's token, to see the CRM's own rules.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say how complete the last won deals were, as if the gate had stood: per field, AE and segment, deal by deal.

    Reads only, and needs nothing installed: a config.toml with a login is enough, or **--vendor** with the credentials
    in their usual variables; without a folder of mappings the shipped rules are judged by. Also finds fields that exist
    under other names, rules of the CRM's own that would get in the way, and how soon anybody called after the win. What
    the login may not see of rules and automation is listed; with **--token-env** an admin's token looks at those.

    Exit code 0 when the report is whole, 1 when a system had no won deal to look at, 2 for mistakes in arguments and
    files, 3 when a CRM could not be read; what the others told is reported all the same.

    For example: `handoff audit --last 15`, `handoff audit --vendor hubspot`,
    `handoff audit --last 50 --format md,pdf --out audit`. Then: `handoff init`.
    """
    wanted = _formats(formats, out, as_json=as_json)
    readings = _open(config, vendor or (), url or (), token=_token(token_env))
    if token_env and len(readings.chosen(system)) > 1:
        raise UserError([Problem("", "--token-env", "an admin's token is of one CRM; name it with --system")])
    found, failed = _all(readings, system, last=last, since=since.date() if since else None)
    if found:
        _hand_over(found, wanted, out)
    if failed:
        raise typer.Exit(EXIT_CRM)
    if not all(each.mapped.deals for each in found):
        raise typer.Exit(EXIT_FOUND)


def _open(config: Path, vendors: Sequence[str], urls: Sequence[str], *, token: str) -> Readings:
    """The systems of a config, or those that were named instead. Raises `UserError`."""
    if not vendors:
        return open_readings(config, token=token)
    with tempfile.TemporaryDirectory(prefix="handoff-audit-") as folder:
        named = Path(folder) / "config.toml"
        named.write_text(config_text(systems_of(vendors, urls)), encoding="utf-8")
        try:
            return open_readings(named, token=token)
        except UserError as error:
            raise UserError([Problem("", each.key, each.message) for each in error.problems]) from error


def _token(variable: str) -> str:
    """An admin's access token, or none. Raises `UserError` for a variable that is not set."""
    token = os.environ.get(variable, "").strip() if variable else ""
    if variable and not token:
        raise UserError([Problem("", "--token-env", f"the variable {variable} is not set or empty")])
    return token


def _formats(asked: str, out: Path | None, *, as_json: bool) -> tuple[str, ...]:
    """The formats, each once. Raises `UserError` for those that are none, or cannot be printed."""
    names = [each.strip().lower() for each in asked.split(",") if each.strip()] + (["json"] if as_json else [])
    if not names:
        ending = out.suffix.removeprefix(".").lower() if out else ""
        names = [ending if ending in FORMATS else "md"]
    for each in names:
        if each not in FORMATS:
            raise UserError([Problem("", "--format", f"{each!r} is no format; use {', '.join(FORMATS)}")])
    if out is None and (len(set(names)) > 1 or "pdf" in names):
        message = "goes into a file, and so do several formats at once; name it with --out"
        raise UserError([Problem("", "--format", f"{'pdf' if 'pdf' in names else ','.join(names)} {message}")])
    return tuple(dict.fromkeys(names))


def _all(
    readings: Readings, system: str, *, last: int, since: date | None
) -> tuple[tuple[Findings, ...], tuple[str, ...]]:
    """What each system told, and those that told nothing; a failure of one keeps no other from being read."""
    found: list[Findings] = []
    failed: list[str] = []
    with Progress(transient=True, disable=not sys.stderr.isatty(), console=show.progress_console()) as progress:
        for each in readings.chosen(system):
            task = progress.add_task(each.name)

            def told(words: str, done: int, total: int, task: int = task, name: str = each.name) -> None:
                progress.update(task, description=f"{name}: {words}", completed=done, total=total)  # type: ignore[arg-type]

            try:
                found.append(look(each, last=last, since=since, shipped=readings.shipped, told=told))
            except CrmError as error:
                failed.append(each.name)
                complain(f"{each.name}: {error.fault.message} ({error.fault.vendor_code}); nothing is reported of it")
    return tuple(found), tuple(failed)


def look(
    reading: Reading, *, last: int, since: date | None, shipped: bool, told: Callable[[str, int, int], None]
) -> Findings:
    """Read one system and judge it. Raises `CrmError`."""
    sample = take(reading.crm, reading.crm_map, last=last, since=since, told=told)
    now = reading.crm.server_time() + WHOLE_SECOND
    told("looking for rules that would get in the way", 0, 1)
    dangers, unread = _rivals(reading)
    mapped, likely = (
        judge(sample, reading.policy, system=reading.name, now=now, with_guesses=guesses) for guesses in (False, True)
    )
    return Findings(
        system=reading.name,
        vendor=reading.vendor,
        home=reading.crm.home,
        at=now,
        sample=sample,
        mapped=mapped,
        likely=likely,
        policy=reading.policy,
        crm_map=reading.crm_map,
        dangers=dangers,
        conflicts_unread=unread,
        calls=dict(reading.calls),
        floor=fewest(reading.calls, deals=len(sample.facts)),
        shipped=shipped,
        asked=last,
        since=since,
    )


def _rivals(reading: Reading) -> tuple[tuple[Danger, ...], tuple[str, ...]]:
    """What would fight. A login that may not look at the set-up is no reason to report nothing."""
    try:
        survey = reading.survey()
    except CrmError as error:
        if error.fault.advice is Advice.HALT:
            raise
        return (), (f"rules and automation ({error.fault.message})",)
    return survey.dangers, survey.unread


def fewest(calls: Mapping[str, int], *, deals: int) -> int:
    """The fewest calls: of every kind that takes many records, so many as full batches of the deals come to.

    Calls about one thing each (a login, a description of an object) are as many as there are things.
    """
    return sum(
        min(made, max(1, math.ceil(deals / batch))) if (batch := batch_of(kind)) else made
        for kind, made in calls.items()
    )


def _hand_over(found: Sequence[Findings], wanted: Sequence[str], out: Path | None) -> None:
    if out is None:
        sys.stdout.write(FORMATS[wanted[0]](found).decode())
        _say_calls(found, to_stderr=True)
        return
    for name, path in _targets(wanted, out):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(FORMATS[name](found))
        except OSError as error:
            raise UserError([Problem("", "--out", f"{path} cannot be written: {error.strerror}")]) from error
        show.console().print(f"Written: {path}", markup=False, highlight=False, soft_wrap=True)
    for each in found:
        whole = each.likely.whole
        line = f"{each.system}: {whole.passed} of {whole.deals} won deals would have passed, {whole.percent} % complete"
        show.console().print(line, markup=False, highlight=False, soft_wrap=True)
    _say_calls(found, to_stderr=False)


def _targets(wanted: Sequence[str], out: Path) -> Iterator[tuple[str, Path]]:
    """Each format and its file: the one that was named, or that name with the format's ending."""
    if len(wanted) == 1:
        yield wanted[0], out
        return
    stem = out.with_suffix("") if out.suffix.removeprefix(".") in FORMATS else out
    for name in wanted:
        yield name, stem.with_name(f"{stem.name}.{name}")


def _say_calls(found: Sequence[Findings], *, to_stderr: bool) -> None:
    for each in found:
        line = f"{each.system}: {each.made} API calls (in full batches: {each.floor}), nothing written"
        if to_stderr:
            complain(line)
        else:
            show.console().print(line, markup=False, highlight=False, soft_wrap=True)
