"""How good the answers on a deal are: empty in disguise, copied, too short, or so general that any customer fits.

Not here: the words and measures it goes by (all are data, mappings/quality.toml), what a flaw leads to
(``rules.gate``, ``rules.readiness``) and how it is said on the deal (``text``). Nothing is understood: words are
counted and compared, so that an admin can follow each finding back to a line of the file. The same answers give the
same findings.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from connector.handoff.model import Value
from connector.handoff.rulebook.quality import (
    AnswerField,
    AnswerKind,
    Consequence,
    Flaw,
    QualityPolicy,
    Specific,
    Words,
)

MOST_CHARS = 4_000
"""How much of one answer is read: what is vague for so long does not become specific after it."""
MOST_QUOTED = 90
POINTER_LEAVES = 3
"""An answer that points elsewhere and has fewer words of its own than this says nothing itself."""
FULL = 100
PRINT_CHARS = 16

_WORD = re.compile(r"\w+(?:['’\-]\w+)*")
_BULLET = re.compile(r"(?m)^[ \t]*(?:[-*•–]|\(?\d{1,2}[.)](?=\s))[ \t]*")
_STARTS = re.compile(r"[.!?\n\"“”;•]")
_MAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}\.\w{2}")
_DAY = re.compile(
    r"\b\d{4}-\d{1,2}-\d{1,2}\b|\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b|\b\d{1,2}\.\d{1,2}\.(?:\d{2,4})?|\b20[2-4]\d\b"
)
_SIGNS = re.compile(r"[%€$£¥]")


@dataclass(frozen=True, slots=True)
class AnswerFlaw:
    """One thing wrong with an answer: its words, what is said of them, what a good answer has instead.

    ``counts``: the gate takes the field for missing. ``where`` a copy stands too: a field's path or another deal's id;
    empty for the question itself.
    """

    flaw: Flaw
    quote: str
    says: str
    good: str
    counts: bool
    where: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """One answer: what is wrong with it, the gravest first, and its score from 0 to 100."""

    field: str
    flaws: tuple[AnswerFlaw, ...]
    score: int


def judge(
    policy: QualityPolicy,
    answers: Mapping[str, str],
    *,
    asked: Mapping[str, tuple[str, ...]] | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> tuple[Judged, ...]:
    """Judge the answers of one deal by canonical field name; blank ones are left out, they are nobody's words.

    ``asked`` are the words a rep reads beside a field (why, advice); the last of them says what a good answer has,
    where quality.toml does not. ``elsewhere`` names, for a field, another deal with the same answer.
    """
    found: list[Judged] = []
    before: list[tuple[str, frozenset[str]]] = []
    for field in policy.fields:
        text = answers.get(field.path, "")[:MOST_CHARS].strip()
        if not text:
            continue
        questions = (asked or {}).get(field.path, ())
        look = _Look(policy, field, text, questions)
        flaws = look.flaws(before, (elsewhere or {}).get(field.path, ""))
        if not field.kind.repeats:
            before.append((field.path, look.bag))
        cost = max((policy.rules[each.flaw].cost for each in flaws), default=0)
        found.append(Judged(field.path, flaws, max(FULL - cost, 0)))
    return tuple(found)


def score(judged: Sequence[Judged], *, unanswered: int) -> int:
    """The deal's score: the mean over its answers, in which a required one that is not there counts as 0."""
    total = len(judged) + unanswered
    return sum(each.score for each in judged) // total if total else FULL


def texts(policy: QualityPolicy, lookup: Callable[[str], Value]) -> dict[str, str]:
    """What stands in the fields that are judged, by path; ``lookup`` gives a field's value. Blank ones are left out."""
    values = {field.path: lookup(field.path) for field in policy.fields}
    return {path: value for path, value in values.items() if isinstance(value, str) and value.strip()}


def fingerprints(policy: QualityPolicy, answers: Mapping[str, str]) -> Mapping[str, str]:
    """A digest of each answer that ought to be this deal's own, by field: equal for answers that say the same."""
    found: dict[str, str] = {}
    for field in policy.fields:
        look = _Look(policy, field, answers.get(field.path, "")[:MOST_CHARS].strip(), ())
        if look.comparable:
            found[field.path] = hashlib.sha256(plain(look.text).encode()).hexdigest()[:PRINT_CHARS]
    return found


def plain(text: str) -> str:
    """A text as its words alone: no capitals, no signs, single blanks."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


@dataclass(frozen=True, slots=True)
class _Look:
    """One answer under the glass."""

    policy: QualityPolicy
    field: AnswerField
    text: str
    questions: tuple[str, ...]

    def flaws(self, before: Sequence[tuple[str, frozenset[str]]], elsewhere: str) -> tuple[AnswerFlaw, ...]:
        """What is wrong, the gravest first; what counts at the gate before what is only said."""
        if self._honest():
            return ()
        where = self._copied(before, elsewhere)
        if self._empty():
            found = [(Flaw.EMPTY, self.text)]
        else:
            candidates = (
                (Flaw.COPY, "" if where is None else self.text),
                (Flaw.SHORT, self.text if len(_WORD.findall(self.text)) < self.field.kind.min_words else ""),
                (Flaw.VAGUE, self._vague()),
            )
            found = [(flaw, quote) for flaw, quote in candidates if quote]
        made = [
            self._made(flaw, quote, where=(where or "") if flaw is Flaw.COPY else "")
            for flaw, quote in found
            if self._leads_to(flaw) is not Consequence.OFF
        ]
        return tuple(sorted(made, key=lambda each: not each.counts))

    @property
    def bag(self) -> frozenset[str]:
        """The words of an answer long enough to be told from another; empty for any other."""
        words = plain(self.text).split()
        return frozenset(words) if len(words) >= self.policy.copies.min_words else frozenset()

    @property
    def comparable(self) -> bool:
        """Whether another deal with this answer would be a copy."""
        return bool(self.bag) and not self.field.kind.repeats and not self._honest() and not self._empty()

    def _leads_to(self, flaw: Flaw) -> Consequence:
        rule = self.policy.rules.get(flaw)
        return rule.leads_to if rule else Consequence.OFF

    def _made(self, flaw: Flaw, quote: str, *, where: str) -> AnswerFlaw:
        good = self.field.good or (self.questions[-1] if self.questions else "") or self.field.kind.good
        says = self.policy.rules[flaw].says
        counts = self._leads_to(flaw) is Consequence.REQUIRE
        return AnswerFlaw(flaw, _cut(quote), says, good, counts=counts, where=where)

    def _honest(self) -> bool:
        said = plain(self.text)
        return any(said == (word := plain(each)) or said.startswith(f"{word} ") for each in self.field.honest)

    def _empty(self) -> bool:
        said, words = plain(self.text), _lexicon(self.policy.words)
        if len(set(said.replace(" ", ""))) < 2:
            return True
        rest = words.empty.sub(" ", self.text)
        if rest != self.text and not words.telling(rest):
            return True
        own = words.elsewhere.sub(" ", rest)
        return own != rest and len(words.telling(own)) < POINTER_LEAVES

    def _copied(self, before: Sequence[tuple[str, frozenset[str]]], elsewhere: str) -> str | None:
        """Where the answer stands too: in another field, on another deal, or (empty) in the question; else None."""
        if self.field.kind.repeats or not self.bag:
            return None
        of_field = next((path for path, bag in before if self._alike(bag)), "")
        if of_field or elsewhere:
            return of_field or elsewhere
        return "" if any(self._alike(frozenset(plain(each).split())) for each in self.questions) else None

    def _alike(self, other: frozenset[str]) -> bool:
        most = max(len(self.bag), len(other))
        return bool(other) and len(self.bag & other) * FULL >= self.policy.copies.alike * most

    def _vague(self) -> str:
        """The first words with which it stays general; empty when it does not."""
        kind, text = self.field.kind, _BULLET.sub("", self.text)
        items = [each for each in text.splitlines() if each.strip()] if kind.each else [text]
        vague = (self._vague_words(each, kind) for each in items if not each.rstrip().endswith(":"))
        return next((each for each in vague if each), "")

    def _vague_words(self, item: str, kind: AnswerKind) -> str:
        if not kind.needs:
            return ""
        words = _lexicon(self.policy.words)
        phrase = words.phrases.search(item)
        rest = words.phrases.sub(" ", item) if phrase else item
        told = len(words.telling(rest))
        met = words.specifics(rest, kind) & set(kind.needs)
        if phrase is None:
            enough = bool(met) or bool(kind.telling and told >= kind.telling)
        else:
            enough = bool(met & {Specific.NUMBER, Specific.DATE}) or (bool(met) and told >= max(kind.telling, 1))
        return "" if enough else phrase.group(0) if phrase else item.strip()


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """The words of a policy as patterns, made once."""

    words: Words
    empty: re.Pattern[str]
    elsewhere: re.Pattern[str]
    phrases: re.Pattern[str]
    dates: re.Pattern[str]
    unnamed: frozenset[str]

    def telling(self, text: str) -> set[str]:
        """The words of a text that are neither filler nor generic, nor dates or figures."""
        told = {each.casefold() for each in _WORD.findall(self.dates.sub(" ", text))}
        return {
            each
            for each in told - self.words.generic - self.words.filler
            if len(each) > 2 and not any(sign.isdigit() for sign in each)
        }

    def specifics(self, text: str, kind: AnswerKind) -> set[Specific]:
        """What only this customer could have said."""
        low = [each.group(0).casefold() for each in _WORD.finditer(text)]
        counted = [word in self.words.numbers or word[0].isdigit() for word in low]
        found: set[Specific] = set()
        if any(counted) or any(sign.isdigit() for sign in text):
            found.add(Specific.NUMBER)
        spans = any(one and two in self.words.spans for one, two in zip(counted, low[1:], strict=False))
        if spans or _DAY.search(text) or self.dates.search(text):
            found.add(Specific.DATE)
        if _SIGNS.search(text) or self.words.units.intersection(low):
            found.add(Specific.UNIT)
        if _MAIL.search(text) or any(self._names(text, kind)):
            found.add(Specific.NAME)
        return found

    def _names(self, text: str, kind: AnswerKind) -> Iterator[str]:
        """Words that can hardly be anything but names."""
        if text.isupper():
            return
        tokens = list(_WORD.finditer(text))
        capital = [self._capital(each.group(0)) for each in tokens]
        for place, token in enumerate(tokens):
            if not capital[place]:
                continue
            gap = text[tokens[place - 1].end() : token.start()] if place else "\n"
            in_row = any(
                0 <= other < len(tokens) and capital[other] and text[min(a, b) : max(a, b)].isspace()
                for other, a, b in (
                    (place - 1, tokens[place - 1].end() if place else 0, token.start()),
                    (place + 1, token.end(), tokens[place + 1].start() if place + 1 < len(tokens) else 0),
                )
            )
            first = place == 0 or bool(_STARTS.search(gap))
            word = token.group(0)
            unusual = any(sign.isupper() for sign in word[1:])
            if unusual or in_row or (not self.words.nouns_have_capitals and (not first or kind.opens_with_name)):
                yield word

    def _capital(self, word: str) -> bool:
        letters = any(sign.isalpha() for sign in word[1:])
        return letters and any(sign.isupper() for sign in word) and word.casefold() not in self.unnamed


@functools.lru_cache(maxsize=16)
def _lexicon(words: Words) -> _Lexicon:
    dates = frozenset(each.casefold() for each in words.dates)
    return _Lexicon(
        words=words,
        empty=_pattern(words.empty),
        elsewhere=_pattern(words.elsewhere),
        phrases=_pattern(words.phrases),
        dates=_pattern(words.dates),
        unnamed=words.generic | words.filler | words.numbers | words.spans | words.units | words.roles | dates,
    )


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Any of these phrases as whole words, the longest first; ``*`` stands for up to two words."""
    made = [_phrase(each) for each in sorted(phrases, key=len, reverse=True) if re.search(r"\w", each)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(made)})(?!\w)" if made else r"(?!)")


def _phrase(phrase: str) -> str:
    """One phrase; whoever writes it with a capital means it with its capital only."""
    parts = re.findall(r"\w+|\*", phrase)
    text = ""
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "*":
            text += r"(?:\W+\w+){0,2}" if last else r"(?:\w+\W+){0,2}"
        else:
            text += re.escape(part) + ("" if last or parts[place + 1 :] == ["*"] else r"\W+")
    return text if phrase != phrase.casefold() else f"(?i:{text})"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MOST_QUOTED else text[: MOST_QUOTED - 1].rstrip() + "…"
