"""The one-page summary: what the CSM must know, in one plain text that says by itself whether anyone edited it.

Not here: where it is kept (``rules.summarise``) and its wording (the policy's template). Two lines close every
document: a mark over the text above, by which an edit is seen even when the ledger is lost, and the natural key,
because notes in Salesforce have no field for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connector.handoff.case import Case, fingerprint
from connector.handoff.model import Gate
from connector.handoff.override import requested
from connector.handoff.rulebook import SummarySection
from connector.handoff.text import NAMES, NOT_RECORDED, REFERENCE, names, render, shown

STEP = "summary"
TITLE = "Handoff summary"
SUMMARY_NAMES = NAMES | {"deal_type", "gate", "override_by", "override_reason", "sections"}
"""The names the summary's template may use; ``sections`` hold ``title`` and ``rows`` of ``label`` and ``text``."""
CUT_MARK = "\n[Cut here to fit; the rest is in the deal's own fields.]"

_FOOTER = "\n\nKept up to date until someone edits it (mark {mark}).\n" + REFERENCE + " {key}"
_SEALED = re.compile(
    r"\s*Kept up to date until someone edits it \(mark ([0-9a-f]{16})\)\.\s*" + re.escape(REFERENCE) + r"\s*\S+\s*$"
)
_BLANKS = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a section: its label and what it says."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """One heading and the fields under it that hold something."""

    title: str
    rows: tuple[Row, ...]


def document(case: Case) -> str:
    """The whole document, at most ``policy.summary.max_chars`` long; the same text for the same facts, always.

    Raises ValueError when the template cannot be rendered.
    """
    override = requested(case) if case.gate is Gate.OVERRIDDEN else None
    context = {
        **names(case),
        "deal_type": case.snapshot.deal_type.value,
        "gate": case.gate.value if case.gate else Gate.NOT_CHECKED.value,
        "override_by": override.approver.name if override and override.approver else "",
        "override_reason": override.reason if override else "",
        "sections": tuple(section for one in case.policy.summary.sections if (section := _section(case, one))),
    }
    text = render(case.policy.summary.template, context)
    return _seal(text, key=case.key(STEP), most=case.policy.summary.max_chars)


def untouched(text: str) -> bool:
    """Whether a document found in the CRM is word for word one that `document` made."""
    seal = _SEALED.search(text)
    return seal is not None and seal[1] == _mark(text[: seal.start()])


def same_document(one: str, other: str) -> bool:
    """Whether two documents have the same words; line ends and indents may differ, as CRMs change them."""
    return one.split() == other.split()


def _section(case: Case, section: SummarySection) -> Section | None:
    """The section with its filled fields; one that is required says what was not recorded, any other is left out."""
    needed = {check.field for check in case.checks}
    rows = [
        Row(case.label(path), text or NOT_RECORDED)
        for path in section.fields
        if (text := shown(case, path)) or path in needed
    ]
    return Section(section.title, tuple(rows)) if rows else None


def _seal(text: str, *, key: str, most: int) -> str:
    lines = [line.rstrip() for line in text.strip().splitlines()]
    body = _BLANKS.sub("\n\n", "\n".join(lines))
    room = most - len(_FOOTER.format(mark="0" * 16, key=key))
    if room < len(CUT_MARK):
        raise ValueError(f"summary.max_chars is {most}, too little for a summary with its reference")
    if len(body) > room:
        body = body[: room - len(CUT_MARK)].rstrip() + CUT_MARK
    return body + _FOOTER.format(mark=_mark(body), key=key)


def _mark(body: str) -> str:
    return fingerprint(" ".join(body.split()))
