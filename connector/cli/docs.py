"""``handoff docs``: the documents of the process, written from the live config, and what changed in them.

Not here: what they say (``documents``) and how they look (``papers``). Without --live no login is needed and nothing
but the mapping files is read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.markup import escape

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.plan import connect_for_reading
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.clock import SystemClock
from connector.crm.port import ObjectSchema
from connector.documents.catalogue import DOCUMENTS
from connector.documents.shelf import CHANGES, Format, Shelved, State, shelved, write
from connector.documents.subject import Subject
from connector.errors import Problem, UserError
from connector.handoff.model import Kind, SystemName
from connector.policy.crmmap import CrmMap
from connector.policy.load import load_mappings
from connector.settings.mistakes import did_you_mean

FOUND = 1
MOST_TOLD = 8
"""Changes of one document that are printed; all of them stand in `CHANGES`."""


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder they lie in.")] = Path("documents"),
    *,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this document; may be said again.")] = None,
    form: Annotated[str, typer.Option("--format", "-f", help="Any of md, html, pdf; png: the card.")] = "md,html,pdf",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; 1 when they are not what is set.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Also the lines that changed.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Names of fields and stages as the CRM has them now.")] = False,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Write the documents of the process from the live config, and say what changed in them.

    Quick-reference card for Sales (one page), intake checklist for CS, questions and answers, configuration guide,
    technical specification, metrics guide, maintenance schedule, definitions with sign-off, and outlines of the
    trainings: as Markdown, HTML and PDF, in your words and with the labels of your fields. Nothing stands in them that
    is not set; what is not set is left out.

    What lies in the folder from before is compared, and what changed is told in words and kept in CHANGES.md. With
    several systems each has a folder of its own. Sign a printed PDF, not the file: it is written anew.

    **--check** writes nothing and ends with 1 when the files are not what the config says: for the pipeline that tests
    your mappings. Say the same --format and --live there as when you write them.

    For example: `handoff docs --out documents`, `handoff docs --only quick-reference-card --format pdf`,
    `handoff docs --check --format md`.
    """
    names, formats = _names(only or ()), _formats(form)
    subjects = [*_live(config, system)] if live else [*_offline(config, system)]
    several = len(load_mappings(config).policies) > 1
    found: dict[str, tuple[Subject, Path, tuple[Shelved, ...]]] = {}
    for subject in subjects:
        folder = out / subject.system if several else out
        found[subject.system] = (subject, folder, shelved(subject, folder, names=names, formats=formats))
    if not check:
        for subject, folder, documents in found.values():
            day = SystemClock().now().date()
            write(folder, documents, heading=f"{day.isoformat()}, policy {subject.policy.version}")
    if as_json:
        sys.stdout.write(json.dumps({"systems": [_data(*each) for each in found.values()]}, indent=2) + "\n")
    else:
        for each in found.values():
            _tell(*each, written=not check, diff=diff)
    if check and any(one.state is not State.SAME for _, _, documents in found.values() for one in documents):
        raise typer.Exit(FOUND)


def _names(only: Sequence[str]) -> tuple[str, ...]:
    asked = [name.strip() for each in only for name in each.split(",") if name.strip()]
    for name in asked:
        if name not in DOCUMENTS:
            raise UserError([Problem("", "--only", f"there is no document {name!r}; {did_you_mean(name, DOCUMENTS)}")])
    return tuple(asked) or tuple(DOCUMENTS)


def _formats(text: str) -> tuple[Format, ...]:
    asked = [each.strip().lower() for each in text.split(",") if each.strip()]
    known = [each.value for each in Format]
    for name in asked:
        if name not in known:
            raise UserError([Problem("", "--format", f"{name!r} is none of {', '.join(known)}")])
    if not asked:
        raise UserError([Problem("", "--format", f"is empty; say any of {', '.join(known)}")])
    return tuple(Format(name) for name in dict.fromkeys(asked))


def _offline(config: Path, system: str) -> Iterator[Subject]:
    loaded = load_mappings(config)
    for name in loaded.policies:
        if system in ("", name):
            yield Subject(name, loaded.policies[name], loaded.maps[name])
    if system and SystemName(system) not in loaded.policies:
        known = did_you_mean(system, loaded.policies)
        raise UserError([Problem("", "--system", f"there is no system {system!r} in {config}; {known}")])


def _live(config: Path, system: str) -> Iterator[Subject]:
    loaded = load_mappings(config)
    runtime = bootstrap.open_runtime(config, mode="read")
    for each in runtime.chosen(system):
        connect_for_reading(each)
        stages = {stage.id: stage.label for stage in each.stages}
        yield Subject(each.name, each.policy, loaded.maps[each.name], labels(each.crm, loaded.maps[each.name]), stages)


class Describes(Protocol):
    """Whatever tells the fields of a kind of record (``crm.port``)."""

    def describe(self, kind: Kind) -> ObjectSchema:
        """Its fields, by the vendor's name."""
        ...


def labels(crm: Describes, crm_map: CrmMap) -> Mapping[str, str]:
    """What the CRM calls each mapped field, by canonical path; without those that it has no label for."""
    found: dict[str, str] = {}
    for kind in (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.MEETING):
        fields = crm_map.of(kind)
        schema = crm.describe(kind) if fields else None
        for mapped in fields:
            if schema and mapped.field in schema.fields:
                found[mapped.path] = schema.fields[mapped.field].label
    # Some standard fields have no better label than their own name.
    return {path: label for path, label in found.items() if label not in ("", crm_map.fields[path].field)}


def _data(subject: Subject, folder: Path, documents: Sequence[Shelved]) -> dict[str, Any]:
    return {
        "system": subject.system,
        "policy": subject.policy.version,
        "folder": str(folder),
        "documents": [
            {
                "name": one.document.name,
                "title": one.document.title,
                "state": one.state.name.lower(),
                "files": [*one.files],
                "changes": [*one.changes],
                "diff": [*one.diff],
            }
            for one in documents
        ],
    }


def _tell(subject: Subject, folder: Path, documents: Sequence[Shelved], *, written: bool, diff: bool) -> None:
    out = console()
    out.rule(f"{subject.system}: policy {subject.policy.version}, {folder}")
    table = PlainTable("Document", "For", "State")
    for one in documents:
        if one.files or one.stale:
            table.add_row(one.document.name, one.document.reader, one.state.value)
    out.print(table)
    for one in documents:
        if one.changes:
            out.print(f"[bold]{escape(one.document.title)}[/bold]")
            for words in one.changes[:MOST_TOLD]:
                out.print(f"  {words}", markup=False, highlight=False)
            if len(one.changes) > MOST_TOLD:
                out.print(f"  and {len(one.changes) - MOST_TOLD} more")
        if diff and one.diff:
            out.print("\n".join(one.diff), markup=False, highlight=False, soft_wrap=True)
    differing = [one for one in documents if one.state is not State.SAME]
    if not differing:
        out.print("They say what the config says.")
    elif written:
        out.print(f"Written; what changed stands in {folder / CHANGES}.", markup=False)
    else:
        out.print("These are not what the config says. Write them: handoff docs", markup=False)
