"""``handoff init``: a first config.toml and a first folder of mappings, from a few answers and what the CRM says.

Not here: the questions (``init_answers``), what is read (``engine.firstread``) and how files are drafted
(``policy.drafting``). Reads only; writes files only, and none that is there already.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from connector.bootstrap.audit import open_readings
from connector.cli import show
from connector.cli.init_answers import (
    MAPPINGS,
    SHIPPED_COUNTRY,
    SHIPPED_ZONE,
    Answers,
    Ask,
    ask_people,
    ask_systems,
    config_text,
    from_file,
    systems_of,
)
from connector.engine.firstread import First, first_read
from connector.errors import Problem, UserError
from connector.policy.assumed import MARK, assumed
from connector.policy.crmmap import MapFile
from connector.policy.drafting import POOLS, Firm, Said, Seen, process_file, vendor_file
from connector.policy.expected import FOLDER
from connector.policy.firsttests import first_tests
from connector.policy.load import load_mappings
from connector.policy.shipped import shipped_mappings
from connector.settings.model import Vendor

CONFIG, PROCESS = "config.toml", "process.toml"
NOBODY = "nobody@your-domain.example"
GUESSED = "nobody was named"


def command(
    folder: Annotated[Path, typer.Argument(help="Where to write; made when it is not there.")] = Path(),
    *,
    vendor: Annotated[
        list[str] | None, typer.Option("--vendor", help="salesforce or hubspot; once for each CRM.")
    ] = None,
    url: Annotated[
        list[str] | None, typer.Option("--url", help="The address of each --vendor, in their order.")
    ] = None,
    answers: Annotated[Path | None, typer.Option("--answers", help="A TOML file with the answers.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; guess what is not answered.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Read no CRM; guess from what is shipped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a config and mappings that are there.")] = False,
) -> None:
    """Write a first config.toml and mappings from a few answers and what the CRM says; guesses are marked ASSUMED.

    Asks which CRM, its address, which variables hold the credentials, who approves exceptions, who the CSMs are, and
    the time zone. Then it reads the CRM (fields, stages, deal types, users; nothing is written there) and fits the
    shipped mappings to it: what exists under another name is mapped, with the reason above it.

    Without a terminal: **--answers FILE**, or **--vendor** with **--yes**. `handoff check` lists what is still ASSUMED;
    take the comment out once you looked. Exit code 0 when it was written, 2 for mistakes, 3 when a CRM was not read.

    For example: `handoff init acme`, `handoff init --vendor hubspot --yes`. Then: `handoff check`.
    """
    _refuse_present(folder, force=force)
    known = from_file(answers) if answers else Answers()
    known.systems = known.systems or systems_of(vendor or (), url or ())
    ask = _asker(yes=yes or answers is not None)
    if not known.systems and ask is None:
        raise UserError([Problem("", "--vendor", "name the CRM: --vendor salesforce, --vendor hubspot, or both")])
    if ask:
        ask_systems(known, ask)
    if not known.systems:
        raise UserError([Problem("", "--vendor", "no CRM was named; there is nothing to begin with")])
    with tempfile.TemporaryDirectory(prefix="handoff-init-") as made:
        draft = Path(made)
        (draft / CONFIG).write_text(config_text(known.systems), encoding="utf-8")
        found = {} if offline else _read(draft / CONFIG)
        if ask:
            one = next(reversed(tuple(found.values())), None)
            ask_people(known, ask, csms=one.csms if one else (), approver=one.approver if one else "")
        write_mappings(draft / MAPPINGS, known, found)
        load_mappings(draft / CONFIG)
        _move(draft, folder)
    _tell(folder, found, systems=[str(one["name"]) for one in known.systems])


def _refuse_present(folder: Path, *, force: bool) -> None:
    there = [path for path in (folder / CONFIG, folder / MAPPINGS) if path.exists()]
    if there and not force:
        words = " and ".join(str(path) for path in there)
        message = f"{words} {'is' if len(there) == 1 else 'are'} there already; name another folder, or say --force"
        raise UserError([Problem("", "FOLDER", message)])


def _asker(*, yes: bool) -> Ask | None:
    """How to ask; None where nobody is to be asked, or nobody is there."""
    if yes or not sys.stdin.isatty():
        return None
    return lambda words, usual: str(typer.prompt(words, default=usual, show_default=bool(usual), err=True)).strip()


def _read(config: Path) -> dict[str, First]:
    """What the first system of each mapping file says. Raises `UserError` and `CrmError`; nothing was written then."""
    try:
        readings = open_readings(config)
    except UserError as error:
        raise UserError(
            [Problem(each.where.replace(str(config), CONFIG), each.key, each.message) for each in error.problems]
        ) from error
    found: dict[str, First] = {}
    with Progress(transient=True, disable=not sys.stderr.isatty(), console=show.progress_console()) as progress:
        for each in readings.systems:
            if each.file in found:
                continue  # systems that share a mapping file share what the first of them says
            task = progress.add_task(each.name)

            def told(words: str, done: int, total: int, task: Any = task, name: str = each.name) -> None:
                progress.update(task, description=f"{name}: {words}", completed=done, total=total)

            before = next(iter(found.values()), None)
            among = frozenset(one.email for one in before.people if one.active) if before else None
            found[each.file] = first_read(each.crm, each.crm_map, told=told, among=among)
    return found


def write_mappings(target: Path, answers: Answers, found: Mapping[str, First]) -> None:
    """The shipped mappings, fitted to what was read and said."""
    shutil.copytree(shipped_mappings(), target)
    shipped = {each.value: (target / f"{each.value}.toml").read_text(encoding="utf-8") for each in Vendor}
    for name in shipped:
        (target / f"{name}.toml").unlink()
    for one in answers.systems:
        vendor = str(one["vendor"])
        path = target / MapFile(vendor, str(one.get("map", ""))).file
        first = found.get(path.name)
        seen = first.seen if first else Seen(vendor)
        path.write_text(vendor_file(shipped[vendor], seen).text, encoding="utf-8")
    process = target / PROCESS
    company = firm(answers, found)
    process.write_text(process_file(process.read_text(encoding="utf-8"), company).text, encoding="utf-8")
    tests = target / FOLDER / PROCESS
    tests.write_text(first_tests(tests.read_text(encoding="utf-8"), company), encoding="utf-8")


def firm(answers: Answers, found: Mapping[str, First]) -> Firm:
    """The company's people and hours: what was said, else what was read, each guess with its reason."""
    one = next(reversed(tuple(found.values())), None)  # the last one read guesses only people whom all of them know
    approver = (one.approver, one.approver_why) if one and one.approver else (NOBODY, GUESSED)
    csms = (one.csms, one.csms_why) if one and one.csms else ((approver[0],), GUESSED)
    approvers = Said(answers.approvers) if answers.approvers else Said((approver[0],), approver[1])
    named = answers.csms or csms[0]
    fallback = Said(answers.fallback) if answers.fallback else Said(named[0], "the first of the CSMs")
    everybody = Said(named, f"every CSM stands in every pool; {csms[1] if not answers.csms else 'share them out'}")
    boss = str(approvers.value[0])
    sold = sorted({email for each in found.values() for email in each.sellers} - {boss}) or [named[0]]
    manages_none = any(str(one["vendor"]) == Vendor.HUBSPOT.value for one in answers.systems)
    pools = {name: Said(answers.pools[name]) if name in answers.pools else everybody for name in POOLS}
    return Firm(
        approvers=approvers,
        fallback=fallback,
        pools=pools,
        time_zone=Said(answers.time_zone) if answers.time_zone else Said(SHIPPED_ZONE, "as shipped; nobody was asked"),
        country=Said(answers.country) if answers.country else Said(SHIPPED_COUNTRY, "as shipped; nobody was asked"),
        managers=dict.fromkeys(sold, boss) if manages_none else {},
        managers_why="HubSpot does not say who manages whom; these own the last won deals",
    )


def _move(draft: Path, folder: Path) -> None:
    """Put what was drafted into place; what stood there was to be replaced."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / MAPPINGS).exists():
            shutil.rmtree(folder / MAPPINGS)
        shutil.copytree(draft / MAPPINGS, folder / MAPPINGS)
        shutil.copyfile(draft / CONFIG, folder / CONFIG)
    except OSError as error:
        raise UserError([Problem("", "FOLDER", f"{folder} cannot be written: {error.strerror}")]) from error


def _tell(folder: Path, found: Mapping[str, First], *, systems: Sequence[str]) -> None:
    out = show.console()
    guesses = assumed(folder / CONFIG, folder / MAPPINGS)
    said: list[str] = [f"Written: {folder / CONFIG} and {folder / MAPPINGS}"]
    for name, one in found.items():
        likely = sum(each.is_likely for each in one.seen.suggestions)
        words = "field that exists under another name is" if likely == 1 else "fields that exist under other names are"
        said.append(f"{name}: {likely} {words} mapped")
    said.append(f"{len(guesses)} guesses are marked {MARK}; look at each and take its comment out:")
    said += [f"  {each}" for each in guesses]
    where = "" if folder == Path() else f" --config {folder / CONFIG}"
    said.append(f"Next: handoff check{where}, then what is still to be made in the CRM, as a plan:")
    said += [f"  handoff provision {name}{where}" for name in systems]
    for line in said:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
