"""The admin guide's table of measures is that of the code. ``python tests/architecture/test_measures.py`` writes it.

Not here: the measures themselves (``tests/unit/test_core_measures.py``).
"""

from __future__ import annotations

import re
from pathlib import Path

from connector.cli.metrics_show import CLOCKS
from connector.handoff.measures.catalogue import MEASURES, PER_HANDOFF
from connector.handoff.measures.model import Clock, Measure
from connector.store.schema import figure

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "admin-guide.md"
TABLE = re.compile(r"(<!-- measures -->\n)(.*?)(<!-- end -->)", re.DOTALL)

HEAD = (
    "| Measure | Unit, clock, of many | From | To | Who counts | Who does not | Targets | Field | Source |",
    "|---|---|---|---|---|---|---|---|---|",
)


def row(one: Measure) -> str:
    clock = "" if one.clock is Clock.NONE else f", {CLOCKS[one.clock]}"
    aims = dict.fromkeys(f"`{each}`" for each in (one.target, one.alarm) if each)
    cells = (
        *(f"{one.title} (`{one.key}`)", f"{one.unit.value}{clock}; {one.way.value}", one.starts, one.ends),
        *(one.counts, one.excludes, ", ".join(aims), f"`{one.field}`" if one.field else "", one.source),
    )
    return "| " + " | ".join(cells) + " |"


def measures_table() -> str:
    return "\n".join((*HEAD, *(row(one) for one in MEASURES.values()))) + "\n"


def test_the_guide_shows_every_measure() -> None:
    found = TABLE.search(GUIDE.read_text(encoding="utf-8"))
    assert found is not None
    assert found.group(2) == measures_table(), "run: python tests/architecture/test_measures.py"


def test_each_measure_has_its_column() -> None:
    columns = {each.name.removeprefix("m_") for each in figure.columns if each.name.startswith("m_")}
    assert columns == {one.key for one in PER_HANDOFF}


if __name__ == "__main__":
    text = GUIDE.read_text(encoding="utf-8")
    GUIDE.write_text(
        TABLE.sub(lambda found: found.group(1) + measures_table() + found.group(3), text), encoding="utf-8"
    )
