"""The sections of a chaos run, in order, and how much of each is asked for.

Not here: what a section breaks (a module each, loaded when it is its turn). A section whose module is not there or
that falls over is told as such and fails the run; it is never left out in silence.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.table import Row

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to break: ``short`` or whole, from which ``seed``, in how many parallel ``lanes``.

    Everything a section produces (folders, logs, databases) stays under ``folder`` until the end of the run, so that
    what it contains can be searched. ``say`` prints a line of progress.
    """

    short: bool
    seed: int
    folder: Path
    lanes: int
    say: Say

    def place(self, name: str) -> Path:
        """An empty folder of that name for a section's own."""
        made = self.folder / name
        made.mkdir(parents=True)
        return made


Section = Callable[[Effort], Iterator[Row]]

MODULES: Mapping[str, str] = {
    "kills": "chaos.kills",
    "losses": "chaos.losses",
    "weather": "chaos.weather",
    "machine": "chaos.machine",
    "replicas": "chaos.replicas",
    "doors": "chaos.doors",
    "soak": "chaos.soak",
    "secrets": "chaos.secrets",
}
"""Which module each section is; ``secrets`` is last, as it searches what all others left behind."""


def section(name: str, module: str) -> Section:
    """The section of a module, loaded when it is run."""

    def run(effort: Effort) -> Iterator[Row]:
        try:
            found: Section = importlib.import_module(module).run
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            yield Row(name, "the section itself", other=1, note=f"there is no module {module}: nothing was proved")
            return
        yield from found(effort)

    return run


SECTIONS: Mapping[str, Section] = {name: section(name, module) for name, module in MODULES.items()}


def play(name: str, effort: Effort) -> Iterator[Row]:
    """The rows of a section; one that falls over or tells nothing ends with a row that says so."""
    told = 0
    try:
        for told, row in enumerate(SECTIONS[name](effort), 1):  # noqa: B007  # how many is asked afterwards
            yield row
    except Exception as error:  # noqa: BLE001  # whatever it was, it is told, and what it would have shown is not shown
        effort.say(traceback.format_exc())
        yield Row(name, "the section itself", other=1, note=f"it fell over: {type(error).__name__}: {error}"[:300])
    else:
        if not told:
            yield Row(name, "the section itself", other=1, note="it told nothing: nothing was proved")
