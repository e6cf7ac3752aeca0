"""The corpus of texts that mean harm (``data/attacks.toml``), for whoever tries it on a part of the product.

Not here: what must come of it; each test says that.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "data" / "attacks.toml"

SHORT = {
    "{high half}": "half \ud83d character",
    "{low half}": "half \ude00 character",
    "{both halves wrong}": "\ude00\ud83d",
    "{long}": "A long text with words. " * 400,
    "{very long word}": "x" * 9_000,
    "{many lines}": "line\n" * 2_000,
    "{deep brackets}": "([{<" * 1_000,
    "{many quotes}": "'\"" * 2_000,
    "{many ampersands}": "&<>" * 2_000,
}
"""What a word in braces stands for: TOML holds no halves of characters, and nobody reads nine thousand."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One text and what it would strike."""

    kind: str
    text: str

    @property
    def storable(self) -> str:
        """As a CRM could hold it: no vendor stores NUL or halves of characters (facts: both answer JSON in UTF-8)."""
        return "".join(each for each in self.text if each != "\0" and not "\ud800" <= each <= "\udfff")


def attacks() -> tuple[Attack, ...]:
    """The whole corpus."""
    return tuple(_attacks())


def _attacks() -> Iterator[Attack]:
    for kind, table in tomllib.loads(CORPUS.read_text(encoding="utf-8")).items():
        yield from (Attack(kind, SHORT.get(text, text)) for text in table["texts"])
