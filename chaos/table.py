"""What was broken, how often, and what became of it: rows, their sum, and how both are shown.

Not here: breaking anything. A row is a fact of one run; nothing is rounded into being whole.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

COLUMNS = ("what was broken", "where", "tried", "broken", "lost", "doubled", "other", "recovery s", "note")

MUST_STRIKE = frozenset({"kills", "losses", "weather", "replicas", "soak"})
"""Sections whose rows prove something only if the fault really struck."""

EVERY_TRY_STRIKES = frozenset({"kills"})
"""Sections of which every single try must strike: a daemon that was not killed at its point proves nothing."""

BY_KIND = MUST_STRIKE - {"kills"} | {"machine"}
"""Sections whose strikes are counted by kind; kills are counted apart, bad bodies are inputs."""

MATRIX = frozenset({"kills"})
"""Sections shown as points by feeds in the kept page."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of breakage at one place.

    ``where`` is CRM and feed; ``tried`` examples, bodies or seeds; ``broken`` how often the fault really struck;
    ``other`` further broken promises, told in ``note``; ``recovery`` seconds from breaking to whole, one each. A row
    with nothing tried says in ``note`` why it cannot be. ``faults`` are the strikes by kind where a row has several;
    ``seeds`` those from which its moments were chosen, where there were several.
    """

    section: str
    what: str
    where: str = ""
    tried: int = 0
    broken: int = 0
    lost: int = 0
    doubled: int = 0
    other: int = 0
    recovery: tuple[float, ...] = ()
    note: str = ""
    faults: Mapping[str, int] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()

    @property
    def kinds(self) -> Mapping[str, int]:
        """What struck and how often; a row that names no kinds is of one."""
        return self.faults or {self.what: self.broken}

    @property
    def struck(self) -> bool:
        """Whether the fault struck as often as it must have for the row to prove anything."""
        if self.tried == 0 or self.section not in MUST_STRIKE:
            return True
        return self.broken >= (self.tried if self.section in EVERY_TRY_STRIKES else 1)

    @property
    def held(self) -> bool:
        """Whether every promise was kept, and was put to the test."""
        return self.struck and not (self.lost or self.doubled or self.other)

    @property
    def seconds(self) -> str:
        """Median and longest recovery."""
        if not self.recovery:
            return ""
        return f"{statistics.median(self.recovery):.1f} / {max(self.recovery):.1f}"

    def cells(self) -> tuple[str, ...]:
        """As text, in the order of `COLUMNS`."""
        note = self.note if self.struck else f"IT DID NOT STRIKE EVERY TIME. {self.note}".rstrip()
        counts = (self.tried, self.broken, self.lost, self.doubled, self.other)
        shown = tuple(f"{count:,}" for count in counts) if any(counts) else ("", "", "", "", "")
        return (self.what, self.where, *shown, self.seconds, note)

    @property
    def told(self) -> str:
        """In a line: the tables of a long run are far above its last lines, which are all that some logs keep."""
        *_, note = self.cells()
        counts = f"{self.lost} lost, {self.doubled} doubled, {self.other} other"
        return ": ".join(part for part in (self.section, self.what, self.where, counts, note) if part)

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Row:
        """From plain data."""
        return cls(**{**data, "recovery": tuple(data["recovery"]), "seeds": tuple(data.get("seeds", ()))})


@dataclass(frozen=True, slots=True)
class Sum:
    """All rows together; ``untried`` are those for which this machine lacks something, as their notes say. ``seeds``
    is from how many the moments of the kills were chosen; ``faults`` counts the rest by section and kind."""

    kills: int
    seeds: int
    faults: Mapping[str, Mapping[str, int]]
    bad_inputs: int
    examples: int
    lost: int
    doubled: int
    other: int
    not_struck: int
    untried: int = 0

    @property
    def held(self) -> bool:
        """Whether nothing was lost, doubled or otherwise broken, and every fault struck."""
        return not (self.lost or self.doubled or self.other or self.not_struck)

    @property
    def line(self) -> str:
        """One sentence."""
        faults = sum(count for kinds in self.faults.values() for count in kinds.values())
        parts = [
            f"{self.kills:,} kills" + (f" from {self.seeds} seed{'s' * (self.seeds != 1)}" if self.kills else ""),
            f"{faults:,} other faults of {sum(map(len, self.faults.values()))} kinds",
            f"{self.bad_inputs:,} bad inputs",
            f"{self.examples:,} hostile-machine examples",
            f"{self.lost:,} lost",
            f"{self.doubled:,} doubled",
        ]
        if self.other:
            parts.append(f"{self.other:,} other broken promises")
        if self.not_struck:
            parts.append(f"{self.not_struck:,} rows whose fault did not strike")
        if self.untried:
            parts.append(f"{self.untried:,} rows could not be tried here")
        return "; ".join(parts) + "."

    @property
    def kinds(self) -> tuple[str, ...]:
        """A line for each section whose faults are counted by kind, the most frequent first."""
        return tuple(
            f"{section} {sum(kinds.values()):,}: "
            + ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items(), key=lambda each: (-each[1], each)))
            for section, kinds in self.faults.items()
        )


def total(rows: Iterable[Row]) -> Sum:
    """Add rows up."""
    rows = list(rows)
    faults: dict[str, Counter[str]] = {}
    for row in rows:
        if row.section in BY_KIND and row.broken:
            faults.setdefault(row.section, Counter()).update(row.kinds)
    return Sum(
        kills=sum(row.broken for row in rows if row.section == "kills"),
        seeds=len({seed for row in rows if row.section == "kills" for seed in row.seeds}),
        faults={section: dict(+kinds) for section, kinds in faults.items()},
        bad_inputs=sum(row.tried for row in rows if row.section == "doors"),
        examples=sum(row.tried for row in rows if row.section == "machine"),
        lost=sum(row.lost for row in rows),
        doubled=sum(row.doubled for row in rows),
        other=sum(row.other for row in rows),
        not_struck=sum(not row.struck for row in rows),
        untried=sum(row.section in MUST_STRIKE - MATRIX and not row.tried for row in rows),
    )


def show(section: str, rows: Sequence[Row], console: Console) -> None:
    """Print a section at a terminal."""
    shown = Shown(title=section, title_justify="left", title_style="bold")
    for name in COLUMNS:
        shown.add_column(name, justify="right" if name in COLUMNS[2:8] else "left", overflow="fold")
    for row in rows:
        shown.add_row(*row.cells(), style="" if row.held else "bold red")
    console.print(shown)


def markdown(section: str, rows: Sequence[Row]) -> str:
    """A section for the kept page."""
    return _matrix(rows) if section in MATRIX else _list(rows)


def _list(rows: Sequence[Row]) -> str:
    return _lines(COLUMNS, [row.cells() for row in rows])


def _matrix(rows: Sequence[Row]) -> str:
    """Points down, feeds across; a cell is kills and the median and longest seconds from restart to whole."""
    places = list(dict.fromkeys(row.where for row in rows))
    cells = {(row.what, row.where): row for row in rows}
    reasons = list(dict.fromkeys(row.note for row in rows if not row.tried and not row.other))
    lines = []
    for what in dict.fromkeys(row.what for row in rows):
        across = [cells[what, place] for place in places if (what, place) in cells]
        shown = [_cell(cells.get((what, place)), reasons) for place in places]
        sums = [str(sum(getattr(row, name) for row in across)) for name in ("broken", "lost", "doubled", "other")]
        seeds = str(len({seed for row in across for seed in row.seeds}))
        lines.append((f"`{what}`", *shown, seeds, *sums))
    told = "".join(f"\n{_letter(number)}: {reason}  " for number, reason in enumerate(reasons))
    return _lines(("point", *places, "seeds", "kills", "lost", "doubled", "other"), lines) + (
        f"\n{told}\n" if told else ""
    )


def _cell(row: Row | None, reasons: Sequence[str]) -> str:
    if row is None:
        return ""
    if not row.tried and not row.other:
        return _letter(reasons.index(row.note))
    trouble = "" if row.held else " **BROKEN**"
    return f"{row.broken} × {row.seconds or '–'}{trouble}"


def _letter(number: int) -> str:
    return f"({chr(ord('a') + number % 26)}{number // 26 or ''})"


def _lines(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"
