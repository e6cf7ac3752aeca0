"""``quality.toml`` as a model.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connector.handoff.rulebook.quality import Consequence, Specific
from connector.policy.model.words import EnumOf, FieldName, Spec, Text

MAX_COPY_DAYS = 365


# --- quality.toml ----------------------------------------------------------------------------------------------------


class FlawSpec(Spec):
    """What one flaw of an answer leads to, what it costs of 100 points, and what is said after the quoted words."""

    leads_to: Annotated[Consequence, EnumOf] = Consequence.ADVISE
    cost: Annotated[int, Field(ge=0, le=100)]
    says: Text


class FlawsSpec(Spec):
    """The flaws that are looked for."""

    empty: FlawSpec
    copy_: Annotated[FlawSpec, Field(alias="copy")]
    short: FlawSpec
    vague: FlawSpec


class CopiesSpec(Spec):
    """When two answers are one."""

    min_words: Annotated[int, Field(ge=2)] = 6
    alike: Annotated[int, Field(ge=50, le=100)] = 90
    days: Annotated[int, Field(ge=0, le=MAX_COPY_DAYS)] = 0


class KindSpec(Spec):
    """What the answers of a kind of field must hold to be of use."""

    good: Text
    min_words: Annotated[int, Field(ge=0)] = 0
    needs: tuple[Annotated[Specific, EnumOf], ...] = ()
    telling: Annotated[int, Field(ge=0)] = 0
    each: bool = False
    opens_with_name: bool = False
    repeats: bool = False


class AnswerSpec(Spec):
    """One judged field."""

    kind: Text
    good: str = ""
    honest: tuple[Text, ...] = ()


class WordsSpec(Spec):
    """The words of one language."""

    empty: tuple[Text, ...] = ()
    elsewhere: tuple[Text, ...] = ()
    phrases: tuple[Text, ...] = ()
    generic: tuple[Text, ...] = ()
    filler: tuple[Text, ...] = ()
    numbers: tuple[Text, ...] = ()
    dates: tuple[Text, ...] = ()
    spans: tuple[Text, ...] = ()
    units: tuple[Text, ...] = ()
    roles: tuple[Text, ...] = ()
    nouns_have_capitals: bool = False


class QualitySpec(Spec):
    """quality.toml."""

    rules: FlawsSpec
    copies: CopiesSpec = Field(default_factory=CopiesSpec)
    kinds: Annotated[dict[FieldName, KindSpec], Field(min_length=1)]
    fields: Annotated[dict[str, AnswerSpec], Field(min_length=1)]
    words: Annotated[dict[str, WordsSpec], Field(min_length=1)]
