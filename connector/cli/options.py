"""Options that several commands share, spelled once.

Not here: what any command does with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", envvar="HANDOFF_CONFIG", help="The daemon's config file; mappings lie where it says."
    ),
]
DEFAULT_CONFIG = Path("config.toml")

System = Annotated[
    str, typer.Option("--system", "-s", help="Only this system, by its name in config.toml. All by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output instead of tables.")]
