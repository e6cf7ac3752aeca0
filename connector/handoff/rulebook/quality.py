"""How good an answer has to be.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Flaw(StrEnum):
    """What an answer may suffer from, the worst first."""

    EMPTY = "empty"
    COPY = "copy"
    SHORT = "short"
    VAGUE = "vague"


class Consequence(StrEnum):
    """What a flaw leads to: nothing, a word to the rep, or a gap at the gate."""

    OFF = "off"
    ADVISE = "advise"
    REQUIRE = "require"


class Specific(StrEnum):
    """What makes an answer one that only this customer could have given."""

    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    UNIT = "unit"


@dataclass(frozen=True, slots=True)
class FlawRule:
    """What one flaw leads to, what it takes off an answer's 100 points, and the words after the quoted text."""

    leads_to: Consequence
    cost: int
    says: str


@dataclass(frozen=True, slots=True)
class AnswerKind:
    """What a field of this kind must hold to be of use; ``good`` tells the rep.

    ``needs``: any one of these makes an answer specific. ``telling``: so many words that are neither filler nor generic
    make up for them (0: nothing does). With ``each`` every line is an answer of its own. ``opens_with_name``: the first
    word of a sentence may be a name. ``repeats``: the same answer in two fields is no copy.
    """

    name: str
    good: str
    min_words: int = 0
    needs: tuple[Specific, ...] = ()
    telling: int = 0
    each: bool = False
    opens_with_name: bool = False
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class AnswerField:
    """One judged field: its kind, what a good answer has in place of the kind's words, and honest ways to say none."""

    path: str
    kind: AnswerKind
    good: str = ""
    honest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of all languages together. One written with a capital counts with its capital only.

    ``nouns_have_capitals``: a capital alone makes no name, as in German.
    """

    empty: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    generic: frozenset[str] = frozenset()
    filler: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    dates: tuple[str, ...] = ()
    spans: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    nouns_have_capitals: bool = False


@dataclass(frozen=True, slots=True)
class CopyPolicy:
    """Answers of fewer words than ``min_words`` may be alike. ``alike`` is the share of words two answers must have in
    common to be one (percent); other deals of the same AE count for ``days`` (0: they do not)."""

    min_words: int = 6
    alike: int = 90
    days: int = 0


@dataclass(frozen=True, slots=True)
class QualityPolicy:
    """How answers are judged. Without ``fields`` none is."""

    rules: Mapping[Flaw, FlawRule] = dataclasses.field(default_factory=dict)
    fields: tuple[AnswerField, ...] = ()
    words: Words = Words()
    copies: CopyPolicy = CopyPolicy()


NO_QUALITY = QualityPolicy()
