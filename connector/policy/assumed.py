"""Guesses that nobody confirmed yet: comments that begin with ASSUMED, each with its place.

Not here: what is guessed (``suggest``, ``drafting``). The convention: a comment ``# ASSUMED: why`` on a line of its own
speaks of the line below it, one at the end of a line of that line. Whoever looked at it takes the comment out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from connector.policy.folder import read_folder

MARK = "ASSUMED"
ABOUT = "# {mark}: {why}"
_COMMENT = re.compile(rf"#\s*{MARK}\b:?\s*(?P<why>.*)$")
_KEY = re.compile(r"^\s*(?P<key>\[\[?[^\]]+\]\]?|(?:\"[^\"]*\"|[\w.-]+)(?=\s*=))")


@dataclass(frozen=True, slots=True)
class Assumption:
    """One guess: the file and line of its comment (from 1), the key it speaks of, and why it was guessed."""

    where: str
    line: int
    key: str
    why: str

    def __str__(self) -> str:
        return ": ".join(part for part in (f"{self.where}:{self.line}", self.key, self.why) if part)


def comment(why: str) -> str:
    """The line that says so."""
    return ABOUT.format(mark=MARK, why=" ".join(why.split()))


def in_text(text: str, *, where: str) -> Iterator[Assumption]:
    """The assumptions of one file. Text in quotes is none: what follows a quoted # stays part of its value."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        found = _COMMENT.search(_unquoted(line))
        if found is None:
            continue
        about = line if line[: found.start()].strip() else next((one for one in lines[number:] if _tells(one)), "")
        key = _KEY.match(about)
        yield Assumption(where, number, key["key"] if key else "", line[found.start("why") :].strip())


def assumed(config: Path, mappings: Path) -> tuple[Assumption, ...]:
    """All assumptions of a config and its folder of mappings, in the order of files and lines."""
    files: Mapping[str, str] = read_folder(mappings) if mappings.is_dir() else {}
    found = list(in_text(config.read_text(encoding="utf-8"), where=str(config)) if config.is_file() else ())
    for name, text in files.items():
        if name.endswith(".toml"):
            found += in_text(text, where=str(mappings / name))
    return tuple(found)


def _tells(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _unquoted(line: str) -> str:
    """The line with what stands in quotes blanked out, as long as before."""
    return re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'", lambda found: '"' + " " * (len(found[0]) - 2) + '"', line)
