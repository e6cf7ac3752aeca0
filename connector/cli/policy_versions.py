"""``handoff policy versions`` and ``diff``: the mappings that ran, and what differs between two of them.

Not here: the command itself (``policy``) and the comparison (``policy.words``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector import bootstrap
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.policy.folder import read_folder
from connector.policy.words import Difference, differences
from connector.store import POLICY_NOTE, PolicyVersion

NOW = "now"
"""How the files as they lie there are called."""
SHORT = 8


@dataclass(frozen=True, slots=True)
class _Version:
    name: str
    files: Mapping[str, str]


def versions(config: Path, *, as_json: bool) -> None:
    """List them, newest first."""
    opened = bootstrap.open_store_only(config, mode="read")
    known = opened.store.policies()
    running = _running(opened)
    if as_json:
        rows = [_row(each, running) for each in known]
        sys.stdout.write(json.dumps({"versions": rows}, indent=2) + "\n")
        return
    out = console()
    if not known:
        out.print("No daemon ran with this ledger yet, so it remembers no version.")
        return
    table = PlainTable("Version", "Last started (UTC)", "Runs", "Ran before that")
    for each in known:
        row = _row(each, running)
        table.add_row(
            each.digest[:SHORT], f"{each.at:%Y-%m-%d %H:%M}", ", ".join(row["runs"]), ", ".join(row["before"])
        )
    out.print(table)
    out.print("What differs: handoff policy diff VERSION VERSION, or a version and: now")


def diff(config: Path, names: Sequence[str], *, as_json: bool) -> bool:
    """Say what differs between two; returns whether anything does. Raises `UserError`."""
    if len(names) > 2:  # two are compared
        raise UserError([Problem("", names[2], "only two versions are compared; name two, one, or none")])
    opened = bootstrap.open_store_only(config, mode="read")
    old, new = _chosen(opened, names)
    found = differences(old.files, new.files)
    if as_json:
        rows = [{"file": each.file, "key": each.key, "words": each.words} for each in found]
        sys.stdout.write(json.dumps({"before": old.name, "after": new.name, "differences": rows}, indent=2) + "\n")
    else:
        _print(old, new, found)
    return bool(found)


def _print(old: _Version, new: _Version, found: Sequence[Difference]) -> None:
    out = console()
    if not found:
        out.print(f"{old.name} and {new.name} say the same.")
        return
    out.print(f"From {old.name} to {new.name}:")
    for each in found:
        out.print(
            f"  {each.file}: {f'{each.key}: ' if each.key else ''}{each.words}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    out.print("What that changes on handoffs under way: handoff plan --policy-diff")


def _chosen(opened: bootstrap.OpenedStore, names: Sequence[str]) -> tuple[_Version, _Version]:
    if len(names) == 2:
        old, new = (_version(opened, name) for name in names)
        return old, new
    now = _version(opened, NOW)
    if names:
        return _version(opened, names[0]), now
    ran = [_version(opened, each.digest) for each in opened.store.policies()]
    # The newest that ran and says something else than what lies here now.
    for each in ran:
        if differences(each.files, now.files):
            return each, now
    if ran:
        return ran[0], now
    raise UserError([Problem("", "policy diff", "the ledger remembers no version yet; name two folders of mappings")])


def _version(opened: bootstrap.OpenedStore, name: str) -> _Version:
    """A version by the beginning of its digest, the files as they are now, or a folder."""
    if name == NOW:
        return _Version(NOW, read_folder(opened.mappings))
    matching = [each.digest for each in opened.store.policies() if each.digest.startswith(name)]
    if len(matching) == 1 and (files := opened.store.policy_files(matching[0])) is not None:
        return _Version(matching[0][:SHORT], files)
    if not matching and Path(name).is_dir() and (files := read_folder(Path(name))):
        return _Version(name, files)
    wrong = "is the beginning of several versions; give more of it" if matching else "is no version and no folder"
    raise UserError([Problem("", name, f"{wrong}; handoff policy versions lists them, now is the files as they are")])


def _running(opened: bootstrap.OpenedStore) -> Mapping[str, tuple[str, str]]:
    """By system, the version it runs with and the one before."""
    notes = {each.name: json.loads(opened.store.cursor(each.name, POLICY_NOTE) or "{}") for each in opened.watched}
    return {name: (str(note.get("digest", "")), str(note.get("before", ""))) for name, note in notes.items()}


def _row(version: PolicyVersion, running: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    return {
        "version": version.digest,
        "last_started": version.at.isoformat(),
        "runs": [name for name, (now, _) in running.items() if now == version.digest],
        "before": [name for name, (_, before) in running.items() if before == version.digest],
    }
