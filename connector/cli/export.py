"""``handoff export``: all that is stored of one account, contact or deal. Not here: finding it (``store.subject``)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console
from connector.cli.trail import own_file
from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.sheets import write_csv
from connector.store import About, Stored, Subject, plain_row
from connector.store.subject import LEAST_CHARS

Words = Annotated[
    list[str] | None,
    typer.Option("--also", help="A name or mail address by which it is known as well; may be given several times."),
]


def command(
    *,
    config: Config = DEFAULT_CONFIG,
    system: Annotated[
        str, typer.Option("--system", "-s", help="The system it is in, by its name in config.toml.")
    ] = "",
    account: Annotated[str, typer.Option("--account", help="An account or company, by its id in the CRM.")] = "",
    contact: Annotated[str, typer.Option("--contact", help="A person at a customer, by the id in the CRM.")] = "",
    deal: Annotated[str, typer.Option("--deal", help="A deal, by its id in the CRM.")] = "",
    also: Words = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write a CSV file per table into this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Export all that is stored of one account, contact or deal: for whoever asks what we know of them.

    Without --json or --csv it says how many rows of which tables there are. Names and mail addresses are looked for in
    every text; give those by which a contact is known with --also, for the ledger keeps no list of people.

    For example: `handoff export --contact 003HO0000000007 --also "Ana Ferreira" --also ana@acme.example --json`.

    Exit code 1 when nothing is stored.
    """
    given = [(about, each) for about, each in zip(About, (account, contact, deal), strict=True) if each]
    if len(given) != 1:
        raise UserError([Problem("", "--account, --contact, --deal", "give exactly one of them")])
    ((about, record_id),) = given
    opened = bootstrap.open_store_only(config, mode="read")
    subject = subject_of(opened, system, about, record_id, also or [])
    stored = opened.store.stored(subject)
    data = {table: [plain_row(row) for row in rows] for table, rows in stored.rows.items()}
    if csv is not None:
        _write_tables(csv, data)
    if as_json:
        head = {"system": subject.system, about.value: record_id, "deals": stored.deals}
        sys.stdout.write(json.dumps(head | {"tables": data}, indent=2) + "\n")
    else:
        print_counts(stored, subject)
    if not data:
        raise typer.Exit(EXIT_FOUND)


def subject_of(opened: bootstrap.OpenedStore, system: str, about: About, record_id: str, also: list[str]) -> Subject:
    """Whom or what the arguments name. Raises `UserError` for a system that is not configured, and for short words."""
    names = [each.name for each in opened.watched]
    if system and system not in names:
        raise UserError(
            [Problem("", "--system", f"no system is called {system!r}; config.toml has {', '.join(names)}")]
        )
    if not system and len(names) != 1:
        raise UserError([Problem("", "--system", f"say which system the id is of: {', '.join(names)}")])
    short = [word for word in also if len(word.strip()) < LEAST_CHARS]
    if short:
        message = f"{short[0]!r} is too short to look for in texts; give the whole name, or the mail address"
        raise UserError([Problem("", "--also", message)])
    return Subject(SystemName(system or names[0]), about, record_id, tuple(word.strip() for word in also))


def print_counts(stored: Stored, subject: Subject) -> None:
    """How much is stored, in a line per table."""
    out = console()
    if not stored.counts:
        out.print(f"Nothing is stored of {subject.about.value} {subject.id}.", markup=False, highlight=False)
        return
    out.print(f"Stored of {subject.about.value} {subject.id} in {subject.system}:", markup=False, highlight=False)
    for table, count in stored.counts.items():
        out.print(f"  {table}: {count} row{'' if count == 1 else 's'}", highlight=False)


def _write_tables(folder: Path, data: Mapping[str, list[dict[str, Any]]]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError([Problem(str(folder), "--csv", error.strerror or "cannot be made")]) from error
    for table, rows in data.items():
        with own_file(folder / f"{table}.csv", "--csv") as file:
            names = list(rows[0])
            write_csv(file, names, ([_cell(row[name]) for name in names] for row in rows))


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
