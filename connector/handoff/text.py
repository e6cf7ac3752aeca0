"""Text from the CRM, cleaned and limited, and the names under which templates find it.

Not here: which text goes where (``summary``, ``rules``), rendering (``templating``), HTML (adapters escape for their
vendor). Whatever stands in a CRM was typed by anyone; it is data for a template, never a template, and cannot break a
line or a reference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal

from jinja2 import TemplateError, meta

from connector.handoff.case import Case
from connector.handoff.model import Value
from connector.handoff.moves import Mover, MoverKind
from connector.handoff.plan import FieldCheck
from connector.handoff.quality import AnswerFlaw
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.templating import ENVIRONMENT
from connector.plain import scrubbed

NOT_RECORDED = "Not recorded"
REFERENCE = "Handoff reference:"
MAX_VALUE_CHARS = 900
"""Most of one field that a one-page document shows; the rest is read in the field itself."""
MAX_LINE_CHARS = 255
"""Most of a name or subject line: Task.Subject holds 255 characters (facts: Salesforce, Task)."""
MAX_NAME_CHARS = 80
"""Most of the name of what moved a deal."""
CUT = " … (cut; the rest is in the field)"

_IN_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": "<br>"}

_REFERENCE_IN_VALUE = re.compile(re.escape(REFERENCE[:-1]) + r"\s*:", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n{3,}")


class Lines(tuple[str, ...]):
    """Lines of text a template may print whole or walk through."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(self)


class Fields(Mapping[str, str]):
    """Every mapped field as people would write it, by label and by canonical name; each is made when asked for."""

    __slots__ = ("_case", "_paths")

    def __init__(self, case: Case) -> None:
        self._case = case
        self._paths = {rule.label: path for path, rule in case.policy.fields.items()}

    def __getitem__(self, name: str) -> str:
        path = self._paths.get(name, name)
        if path not in self._case.policy.fields:
            raise KeyError(name)
        return shown(self._case, path)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def clean(text: str, *, limit: int = MAX_VALUE_CHARS) -> str:
    """CRM text made harmless: no control or direction characters, at most ``limit`` characters, any cut marked."""
    # Four times the limit is read at most: what is dropped below cannot make a longer text fit.
    text = scrubbed(unicodedata.normalize("NFC", text[: limit * 4]))
    text = _REFERENCE_IN_VALUE.sub(REFERENCE[:-1] + " -", text)
    text = _BLANK_LINES.sub("\n\n", text).strip()
    return text if len(text) <= limit else text[: limit - len(CUT)].rstrip() + CUT


def one_line(text: str, *, limit: int = MAX_LINE_CHARS) -> str:
    """The same on one line, a cut marked by an ellipsis."""
    text = " ".join(clean(text, limit=max(limit * 4, MAX_VALUE_CHARS)).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def shown(case: Case, path: str) -> str:
    """A field as a person would write it; empty when it holds nothing."""
    value = case.value(path)
    rule = case.policy.fields.get(path)
    if rule and rule.type is FieldType.PERSON:
        person = case.snapshot.person(value)
        return one_line(person.name) if person else ""
    return _shown(case, value)


def names(case: Case) -> dict[str, object]:
    """What every template may name. ``fields`` answers to a field's label and to its canonical name."""
    ae, csm = case.ae, case.csm
    return {
        "account": one_line(case.snapshot.account.text("name")) if case.snapshot.account else "no account",
        "deal": one_line(case.snapshot.deal.text("name")) or case.snapshot.key.deal_id,
        "csm": one_line(csm.name) if csm else "nobody yet",
        "ae": one_line(ae.name) if ae else "unknown",
        "amount": _shown(case, case.value("amount")) or NOT_RECORDED,
        "segment": case.segment or "no segment",
        "tier": case.tier.name if case.tier else "no tier",
        "won_on": case.day(case.won_at) if case.won_at else "unknown date",
        "fields": Fields(case),
        "missing": Lines(gap_lines(case)),
        "passed_over": Lines(_passed_over(case)),
        "put_back": how_often(len(case.ledger.bounces)),
        "moved_by": bounced_by(case),
    }


NAMES = frozenset(
    {"account", "deal", "csm", "ae", "amount", "segment", "tier", "won_on", "fields", "missing", "passed_over"}
    | {"put_back", "moved_by"}
)
"""The names every template may use; a test holds it equal to what `names` gives."""


def bounced_by(case: Case) -> str:
    """What moved the deal again after it was put back, each of them once; empty when nothing did."""
    return " or ".join(dict.fromkeys(mover_words(case, bounce.by) for bounce in case.ledger.bounces))


def _passed_over(case: Case) -> tuple[str, ...]:
    """One line per candidate who did not become CSM, with the reason."""
    candidates = case.assignment.candidates if case.assignment else ()
    return tuple(f"{one_line(each.name or each.email)}: {each.why}" for each in candidates if not each.chosen)


def mover_words(case: Case, mover: Mover) -> str:
    """Who or what moved a deal, as part of a sentence a rep understands."""
    name = one_line(mover.name, limit=MAX_NAME_CHARS)
    if mover.kind is MoverKind.PERSON:
        known = case.person_by_user_id(mover.name)
        return one_line(known.name) if known else "a person"
    words = _MOVERS[mover.kind]
    return f"{words} ({name})" if name and mover.kind in _NAMED else words


def how_often(times: int) -> str:
    """A count of times as people say it."""
    return {1: "once", 2: "twice"}.get(times, f"{times} times")


_MOVERS = {
    MoverKind.UNKNOWN: "something in the CRM",
    MoverKind.AUTOMATION: "a workflow",
    MoverKind.INTEGRATION: "another integration",
    MoverKind.IMPORT: "an import",
    MoverKind.SELF: "another program that uses the connector's login",
}
_NAMED = frozenset({MoverKind.AUTOMATION, MoverKind.INTEGRATION})


def gap_lines(case: Case) -> tuple[str, ...]:
    """One line per required field that is empty or says too little: its label, why it is asked, how to fill it well."""
    return tuple(_gap_line(gap) for gap in case.gaps)


def advice_lines(case: Case) -> tuple[str, ...]:
    """One line per answer that could be better: its label, its own words, what is wrong with them, what is asked."""
    return tuple(
        f"{case.label(each.field)}: {flaw_sentence(case, each.flaws[0])}" for each in case.judged if each.flaws
    )


def flaw_sentence(case: Case, flaw: AnswerFlaw) -> str:
    """What is wrong with an answer and what a good one has, as a rep reads it. The quoted words are anyone's."""
    here = flaw.where in case.policy.fields
    where = f" ({case.label(flaw.where) if here else f'deal {flaw.where}'})" if flaw.where else ""
    wrong = f'"{one_line(flaw.quote)}" {flaw.says.strip().rstrip(".")}{where}.'
    return f"{wrong} {flaw.good}".strip()


def _gap_line(gap: FieldCheck) -> str:
    parts = (gap.why, gap.flaw) if gap.flaw else (gap.why, gap.advice)
    sentences = (part.strip().rstrip(".") + "." for part in parts if part.strip())
    return f"{gap.label}: {' '.join(sentences)}".rstrip(": ")


def room_taken(text: str, *, markup: bool) -> int:
    """How many characters a text takes where it is kept: as HTML a line break and ``&``, ``<``, ``>`` take more.

    A character beyond the first 65,536, such as an emoji, is taken for two: so count programs that keep text as UTF-16,
    and neither vendor says how it counts.
    """
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if not markup:
        return units
    return units + sum(text.count(each) * (len(kept) - 1) for each, kept in _IN_MARKUP.items())


def reference_in(text: str) -> str:
    """The natural key in a document's last line; empty when it has none."""
    last = text.rstrip().rsplit("\n", 1)[-1]
    return last.partition(REFERENCE)[2].strip() if REFERENCE in last else ""


def unknown_names(template: str, allowed: frozenset[str] = NAMES) -> tuple[str, ...]:
    """Names in a template that nothing will fill. Raises ValueError when the template is not well formed."""
    try:
        return tuple(sorted(meta.find_undeclared_variables(ENVIRONMENT.parse(template)) - allowed))
    except TemplateError as error:
        raise ValueError(f"the template cannot be read: {error}") from error


def _shown(case: Case, value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value:,.2f}".removesuffix(".00")
        case datetime():
            return case.day(value)
        case date():
            return f"{value.day} {value:%b %Y}"
        case str():
            return clean(value)
