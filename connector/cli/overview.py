"""``handoff overview``: many daemons on one page, for whoever looks after several companies or regions.

Not here: one daemon in detail (``status``, ``metrics``). A place is a config.toml whose ledger can be read from
here, or what ``handoff overview --json`` wrote where it cannot: no CRM is called and nobody's secrets travel.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.text import Text

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import AsJson
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.summing import NOTHING, aim, few, on_target, shown
from connector.handoff.rulebook.watch import Targets
from connector.policy.load import load_all
from connector.store.figures import EVERYTHING, Selection
from connector.web.status import SystemStatus, read_status

SHOWN = ("completion", "ttft", "kickoff", "activation30", "drop")
FORMAT = "handoff-overview-1"
AS_CODE = {True: "green", False: "red", None: ""}


@dataclass(frozen=True, slots=True)
class Told:
    """One measure of one system: as text, how many handoffs count, and whether it meets its target (None: no target,
    or too few to judge)."""

    text: str
    counted: int
    met: bool | None


@dataclass(frozen=True, slots=True)
class Line:
    """One system at one place; ``trouble`` is empty where it runs. ``place`` is the config's folder, ``held`` the deals
    held at its gate, which is no fault."""

    place: str
    system: str
    vendor: str = ""
    mode: str = ""
    trouble: str = ""
    last_pass: str = ""
    waiting: int = 0
    parked: int = 0
    held: int = 0
    alarms: int = 0
    won: int = 0
    handed: int = 0
    measures: Mapping[str, Told] = field(default_factory=dict)

    @property
    def wants_a_person(self) -> bool:
        """Whether something has to be seen to there."""
        return bool(self.trouble or self.parked or self.alarms)


def command(
    places: Annotated[
        list[Path], typer.Argument(help="config.toml files, their folders, or files that --json wrote elsewhere.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show many daemons at once: does each run, what waits for a person, and its most important measures.

    Reads only ledgers. Where a ledger cannot be read from here, run `handoff overview config.toml --json > acme.json`
    beside it and name that file instead: it holds counts and figures, no deal, no person and no secret.

    Exit code 1 when a system of any of them needs a person. For example: `handoff overview clients/*/config.toml`.
    """
    lines = [line for place in places for line in _at(place)]
    if as_json:
        data = {"format": FORMAT, "systems": [dataclasses.asdict(line) for line in lines]}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        _print(lines)
    if any(line.wants_a_person for line in lines):
        raise typer.Exit(EXIT_FOUND)


def _at(place: Path) -> Iterator[Line]:
    """The systems at one place; one that cannot be read is a line that says so, and keeps no other from being shown."""
    file = place / "config.toml" if place.is_dir() else place
    if not file.exists():
        raise UserError([Problem("", str(place), "there is no such file or folder; name a config.toml or its folder")])
    if file.suffix == ".json":
        yield from _brought(file)
        return
    name = file.resolve().parent.name
    try:
        yield from _read(file, name)
    except UserError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        told = f"{error.problems[0]}{more}. Run handoff overview --json where the daemon runs, and name that file"
        yield Line(name, "–", trouble=told)


def _read(config: Path, name: str) -> Iterator[Line]:
    _, loaded = load_all(config)
    opened = bootstrap.open_store_only(config, mode="read")
    try:
        status = read_status(opened.store, opened.watched, now=opened.clock.now())
        for each in status.systems:
            chosen = Selection(systems=(each.name,))
            targets = loaded.policies[each.name].targets
            sums = opened.store.sums(chosen, measures=SHOWN, targets=targets).get(EVERYTHING, {})
            covered = opened.store.covered(chosen)
            yield _line(name, each, won=covered.won, handed=covered.handed, measures=_told(sums, targets))
    finally:
        opened.store.close()


def _line(name: str, each: SystemStatus, **figures: Any) -> Line:
    return Line(
        place=name,
        system=each.name,
        vendor=each.vendor,
        mode=each.mode,
        trouble="" if each.ok else each.trouble,
        last_pass=each.last_pass_age,
        waiting=each.looks_due + each.waiting,
        parked=each.parked,
        held=each.held,
        alarms=len(each.alarms),
        **figures,
    )


def _told(sums: Mapping[str, Any], targets: Targets) -> dict[str, Told]:
    found = {}
    for key in SHOWN:
        measure, one = MEASURES[key], sums.get(key, NOTHING)
        met = None if few(one, least=targets.few) else on_target(measure, one, aim(measure, targets))
        found[key] = Told(shown(measure, one).text, one.counted, met)
    return found


def _brought(file: Path) -> Iterator[Line]:
    """What was written elsewhere. Raises `UserError` for anything else."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(data["format"])
        for each in data["systems"]:
            measures = {key: Told(**told) for key, told in each["measures"].items() if key in SHOWN}
            yield Line(**{**each, "measures": measures})
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        message = "is not what handoff overview --json writes; write it anew with this version"
        raise UserError([Problem("", str(file), message)]) from error


def _print(lines: Sequence[Line]) -> None:
    """Two tables, each narrow enough for a terminal of 80 columns."""
    out = console()
    table = PlainTable("Where", "System", "Mode", "Handed over", "Wants a person", box=box.SIMPLE_HEAD)
    for line in lines:
        table.add_row(
            line.place, line.system, line.mode, f"{line.handed} of {line.won}" if line.mode else "", _wants(line)
        )
    out.print(table)
    figures = PlainTable("Where", "System", *(MEASURES[key].title for key in SHOWN), box=box.SIMPLE_HEAD)
    for line in lines:
        if line.measures:
            figures.add_row(line.place, line.system, *(_cell(line.measures.get(key)) for key in SHOWN))
    if figures.row_count:
        out.print(figures)
        out.print("In brackets: handoffs that count.", highlight=False)
    busy = sum(line.wants_a_person for line in lines)
    out.print(f"{len(lines)} system{'s' * (len(lines) != 1)}, {busy or 'none'} in need of a person.", highlight=False)


def _cell(told: Told | None) -> Text:
    return Text(
        f"{told.text} ({told.counted})" if told and told.counted else "–", style=AS_CODE[told.met if told else None]
    )


def _wants(line: Line) -> Text:
    alarms = f"{line.alarms} alarm{'s' * (line.alarms != 1)}" if line.alarms else ""
    said = [line.trouble, f"{line.parked} parked" if line.parked else "", alarms]
    return Text("; ".join(part for part in said if part), style="red")
