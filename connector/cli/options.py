"""Options that several commands share, spelled once, and the check of whatever number goes to the database.

Not here: what any command does with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.plain import row_number

Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="HANDOFF_CONFIG", help="The daemon's config file; mappings lie where it says."
    ),
]
MOST_SHOWN = 40
"""Characters of a mistaken number that are said back."""

DEFAULT_CONFIG = Path("config.toml")

System = Annotated[
    str, typer.Option("--system", "-s", help="Only this system, by its name in config.toml. All by default.")
]


def number(text: str | int) -> int:
    """A number that a person names: of a row, or how many. Raises `typer.BadParameter`, which says what is wrong."""
    found = row_number(str(text))
    if found is None:
        raise typer.BadParameter(f"{str(text)[:MOST_SHOWN]!r} is no number that anything here can have")
    return found


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output instead of tables.")]
