"""A hash-locked requirements file, line by line. Not here: resolving one (``make lock`` does)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?")
HASH = re.compile(r"\s+--hash=sha256:([0-9a-f]{64})\s*\\?")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock: its version, the condition under which it is installed, and the files that may be it."""

    name: str
    version: str
    condition: str
    hashes: tuple[str, ...]

    @property
    def installed(self) -> PackageMetadata | None:
        """What it says of itself; None where it is not installed here, or in another version."""
        try:
            told = metadata(self.name)
        except PackageNotFoundError:
            return None
        return told if told["Version"] == self.version else None


def read(path: Path) -> tuple[Locked, ...]:
    """Every package of a lock, in its order. Raises ValueError for a line that pins nothing or has no hash."""
    return tuple(_read(path))


def union(paths: Iterable[Path]) -> tuple[Locked, ...]:
    """The packages of several locks, each once. Raises ValueError when they disagree about a version."""
    found: dict[str, Locked] = {}
    for each in (one for path in paths for one in read(path)):
        if found.setdefault(each.name, each).version != each.version:
            raise ValueError(f"{each.name} is locked to {found[each.name].version} and to {each.version}")
    return tuple(found.values())


def _read(path: Path) -> Iterator[Locked]:
    held: tuple[str, str, str] | None = None
    hashes: list[str] = []
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        if line.startswith("#"):
            continue
        if found := HASH.fullmatch(line):
            hashes.append(found[1])
            continue
        if held is not None:
            if not hashes:
                raise ValueError(f"{path}: {held[0]} has no hash")
            yield Locked(*held, tuple(hashes))
            held, hashes = None, []
        if line.strip():
            pinned = PINNED.fullmatch(line)
            if pinned is None:
                raise ValueError(f"{path}:{number}: this line pins nothing: {line.strip()}")
            held = pinned[1].lower(), pinned[2], pinned[3] or ""
