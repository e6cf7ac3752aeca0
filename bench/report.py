"""What was measured, as data, and how it is shown: on the terminal, in results.md and as JSON.

Not here: measuring. A target that was missed says so and by how much; nothing is rounded into being met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from bench.machine import LOAD

NOISE = """\
Connector, SDKs and sandbox share this machine, so seconds include the sandbox's own work and whatever else ran
meanwhile; they are noisy. Calls are exact: the sandbox's journal counts them."""

SECTION = "\n\n## "

MET, MISSED = "met", "MISSED"


@dataclass(frozen=True, slots=True)
class Target:
    """A promise held against what was measured: at most ``limit``, both in ``unit``."""

    what: str
    measured: float
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the measured figure is within the limit."""
        return self.measured <= self.limit

    @property
    def verdict(self) -> str:
        """``met``, or ``MISSED`` and by how much."""
        if self.met:
            return MET
        over = self.measured - self.limit
        share = f", {over / self.limit:.0%} over" if self.limit else ""
        return f"{MISSED} by {over:,.3g} {self.unit}".rstrip() + share


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the benchmark: what was asked, what came out, and how it was measured."""

    name: str
    title: str
    tables: tuple[Table, ...]
    targets: tuple[Target, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """A whole run."""

    machine: Sequence[tuple[str, str]]
    began: datetime
    quick: bool
    points: list[Point] = field(default_factory=list)

    @property
    def missed(self) -> list[Target]:
        """Targets that were not met."""
        return [target for point in self.points for target in point.targets if not target.met]

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "date": self.began.isoformat(timespec="seconds"),
            "quick": self.quick,
            "machine": dict(self.machine),
            "points": [
                {**asdict(point), "targets": [{**asdict(t), "verdict": t.verdict} for t in point.targets]}
                for point in self.points
            ],
            "missed": [target.what for target in self.missed],
        }

    def markdown(self) -> str:
        """As ``results.md``."""
        parts = [
            "# What `make bench` measured",
            f"{self.began:%Y-%m-%d %H:%M} UTC"
            + (" · a quick run: smaller numbers than the targets ask for" if self.quick else ""),
            _table(Table("", ("Machine", ""), tuple(self.machine))),
            NOISE,
        ]
        return "\n\n".join([*parts, *map(section, self.points)]) + "\n"

    def kept_in(self, text: str) -> str:
        """A ``results.md`` in which these points take the place of their former selves, or stand at the end."""
        head, *sections = text.rstrip("\n").split(SECTION)
        for point in self.points:
            aside = f"by itself, {self.began:%Y-%m-%d %H:%M} UTC, load {dict(self.machine)[LOAD]} when it began"
            made = section(point, aside=aside).removeprefix(SECTION.lstrip("\n"))
            places = [at for at, old in enumerate(sections) if _command(point.name) in old]
            sections[slice(places[0], places[0] + 1) if places else slice(len(sections), None)] = [made]
        return SECTION.join([head, *sections]) + "\n"


def section(point: Point, *, aside: str = "") -> str:
    """One point's part of ``results.md``; ``aside`` says when it was measured, if not with all others."""
    ran = " · ".join(part for part in (_command(point.name), f"{point.seconds:.0f} s", aside) if part)
    parts = [f"## {point.title}", ran]
    if point.targets:
        parts.append(_table(targets_of(point)))
    parts += [f"**{table.title}**\n\n{_table(table)}" for table in point.tables]
    return "\n\n".join([*parts, *point.notes])


def _command(name: str) -> str:
    return f"`python -m bench {name}`"


def targets_of(point: Point) -> Table:
    """The targets of a point with their verdicts."""
    rows = tuple(
        (t.what, _number(t.measured, t.unit), f"≤ {_number(t.limit, t.unit)}", t.verdict) for t in point.targets
    )
    return Table("Targets", ("Target", "Measured", "Limit", ""), rows)


def show(point: Point, console: Console) -> None:
    """Print one point for a person."""
    console.rule(point.title, align="left")
    tables = [targets_of(point)] if point.targets else []
    for table in (*tables, *point.tables):
        shown = Shown(*table.columns, title=table.title, title_justify="left")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for note in point.notes:
        console.print(note, highlight=False, markup=False)


def count(number: float) -> str:
    """A number as people read it: thousands apart, and no decimals for whole ones."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.2f}"


def _number(number: float, unit: str) -> str:
    return f"{count(number)} {unit}".rstrip()


def _table(table: Table) -> str:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return "\n".join(lines)
