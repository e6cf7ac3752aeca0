"""quality.toml as a `QualityPolicy`: every field a mapped text that people fill, every kind one that is described.

Not here: the shape of keys (``model``) and judging an answer (``handoff.quality``). The words of all languages go
together: an answer is not asked which language it is in.
"""

from __future__ import annotations

from collections.abc import Iterable

from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.quality import AnswerField, AnswerKind, CopyPolicy, Flaw, FlawRule, QualityPolicy, Words
from connector.policy.conditions import Scope
from connector.policy.known import KNOWN
from connector.policy.model.quality import FlawsSpec, QualitySpec, WordsSpec
from connector.settings.mistakes import did_you_mean

TEXTS = frozenset({FieldType.TEXT, FieldType.LONG_TEXT})


def quality(spec: QualitySpec, *, scope: Scope) -> QualityPolicy:
    """How answers are judged. Problems go to the scope."""
    kinds = {
        name: AnswerKind(
            name=name,
            good=one.good,
            min_words=one.min_words,
            needs=one.needs,
            telling=one.telling,
            each=one.each,
            opens_with_name=one.opens_with_name,
            repeats=one.repeats,
        )
        for name, one in spec.kinds.items()
    }
    fields: list[AnswerField] = []
    for path, one in spec.fields.items():
        wrong = scope.words.complaint(path) or _not_a_text(path, scope)
        if wrong:
            scope.complain(("fields", path), wrong, of_key=True)
        kind = kinds.get(one.kind)
        if kind is None:
            message = f"no kind is called {one.kind!r}; {did_you_mean(one.kind, kinds)}"
            scope.complain(("fields", path, "kind"), message)
            continue
        fields.append(AnswerField(path, kind, one.good, one.honest))
    copies = CopyPolicy(spec.copies.min_words, spec.copies.alike, spec.copies.days)
    return QualityPolicy(_rules(spec.rules), tuple(fields), _words(spec.words.values()), copies)


def _not_a_text(path: str, scope: Scope) -> str | None:
    prefix, _, name = path.rpartition(".")
    known = KNOWN[Kind(prefix) if prefix else Kind.DEAL].get(name)
    if known and known.written:
        return "is written by the connector; only what people write is judged"
    type_ = scope.words.type_of(path)
    if type_ is None or type_ in TEXTS:
        return None
    return f"is a {type_.value.replace('_', ' ')}, which is filled or not; only texts are judged, so take it out"


def _rules(spec: FlawsSpec) -> dict[Flaw, FlawRule]:
    given = {Flaw.EMPTY: spec.empty, Flaw.COPY: spec.copy_, Flaw.SHORT: spec.short, Flaw.VAGUE: spec.vague}
    return {flaw: FlawRule(one.leads_to, one.cost, one.says) for flaw, one in given.items()}


def _words(languages: Iterable[WordsSpec]) -> Words:
    every = tuple(languages)

    def together(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word for one in every for word in getattr(one, name)))

    def low(name: str) -> frozenset[str]:
        return frozenset(word.casefold() for word in together(name))

    return Words(
        empty=together("empty"),
        elsewhere=together("elsewhere"),
        phrases=together("phrases"),
        generic=low("generic"),
        filler=low("filler"),
        numbers=low("numbers"),
        dates=together("dates"),
        spans=low("spans"),
        units=low("units"),
        roles=low("roles"),
        nouns_have_capitals=any(one.nouns_have_capitals for one in every),
    )
