"""``handoff backup``: a copy of the ledger, taken while the daemon runs.

Not here: how it is copied (``store.backup``).
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console
from connector.store.backup import Copy

STEM = "handoff-"
"""With which the names of copies begin that this command named itself, and may therefore remove."""


def command(
    target: Annotated[
        Path | None,
        typer.Argument(help="The file to write; it must not exist. By default one named by the time, in backups/."),
    ] = None,
    *,
    keep: Annotated[
        int,
        typer.Option(min=0, help="So many of the copies in backups/ are kept, older ones removed; 0 keeps all."),
    ] = 0,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Copy the ledger into one file, of one moment, while the daemon goes on.

    The copy is a SQLite file whichever database it comes from, readable by you alone; it is checked before it takes its
    name. **restore** puts it back, into SQLite or PostgreSQL. It holds names and addresses of people, and no
    credentials.

    A lost ledger costs time and doubles nothing, copies or not: the CRM is the system of record. What only a copy
    brings back is the audit trail, parked writes and overrides of the past.

    For example, nightly: `handoff backup --keep 14`.
    """
    own = target is None
    target = target or bootstrap.state_folder(config) / "backups" / f"{STEM}{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    copy = bootstrap.back_up(config, target)
    removed = _remove_older(target.parent, keep) if own and keep else []
    if as_json:
        sys.stdout.write(json.dumps({**shown(copy), "removed": [str(each) for each in removed]}, indent=2) + "\n")
        return
    console().print(f"{copy.path}: {sentence(copy)}", soft_wrap=True, highlight=False)
    if removed:
        console().print(f"{len(removed)} older {'copy' if len(removed) == 1 else 'copies'} removed.")


def _remove_older(folder: Path, keep: int) -> list[Path]:
    """The names hold the time, so they sort as the copies are old."""
    older = sorted(folder.glob(f"{STEM}*Z.db"))[:-keep]
    for each in older:
        each.unlink()
    return older


def shown(copy: Copy) -> dict[str, Any]:
    """A copy as ``--json`` tells of it; ``size`` in bytes."""
    return {
        "file": str(copy.path),
        "size": copy.size,
        "schema": copy.schema,
        "latest": copy.latest.isoformat() if copy.latest else None,
        "rows": dict(copy.rows),
    }


def sentence(copy: Copy) -> str:
    """What a copy holds, in one line."""
    until = f"up to {copy.latest:%Y-%m-%d %H:%M:%S} UTC" if copy.latest else "nothing decided yet"
    deals, writes = copy.rows.get("handoff", 0), copy.rows.get("outbox", 0)
    return f"{copy.size / 1e6:.1f} MB, {deals:,} deals, {writes:,} writes, {until}"
