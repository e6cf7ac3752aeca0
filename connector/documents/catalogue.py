"""The one table of documents: name, title, for whom, and what writes it.

Not here: files and folders (``shelf``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connector.documents.card import card
from connector.documents.configuration import configuration
from connector.documents.faq import faq
from connector.documents.governing import definitions, maintenance, metrics
from connector.documents.intake import intake
from connector.documents.subject import Subject
from connector.documents.techspec import techspec
from connector.documents.training import for_aes, for_csms, for_managers
from connector.papers import Block, Paper

MARK = "Written by handoff docs"
"""How the foot of each document begins; a file without it is somebody else's."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document: ``name`` is its file's, ``reader`` is for whom; without blocks it is not written at all."""

    name: str
    title: str
    reader: str
    blocks: Callable[[Subject], tuple[Block, ...]]
    one_page: bool = False
    landscape: bool = False


_TABLE = (
    Document("quick-reference-card", "Sales quick-reference card", "AEs", card, one_page=True),
    Document("intake-checklist", "CS intake checklist", "CSMs", intake),
    Document("faq", "Questions and answers", "everybody", faq),
    Document("configuration-guide", "Configuration guide", "CRM admins", configuration, landscape=True),
    Document("tech-spec", "Technical specification", "CRM admins", techspec, landscape=True),
    Document("metrics-guide", "Metrics guide", "leaders", metrics),
    Document("maintenance-schedule", "Maintenance schedule", "RevOps", maintenance),
    Document("definitions", "Definitions and sign-off", "leaders of Sales and customer success", definitions),
    Document("training-ae", "Training for AEs: outline", "AEs", for_aes),
    Document("training-csm", "Training for CSMs: outline", "CSMs", for_csms),
    Document("training-managers", "Training for managers: outline", "managers", for_managers),
)
DOCUMENTS: Mapping[str, Document] = {one.name: one for one in _TABLE}
"""Every document by its name, in the order in which they are listed."""


def foot(subject: Subject) -> str:
    """What stands below every page: which policy of which system a document tells of."""
    return f"{MARK} from the live config of {subject.system}, policy {subject.policy.version}"


def paper(document: Document, subject: Subject) -> Paper | None:
    """The document of a system; None where its config has nothing for it."""
    blocks = document.blocks(subject)
    if not blocks:
        return None
    return Paper(
        title=document.title,
        subtitle=f"For {document.reader}. {subject.vendor}: {subject.system}.",
        blocks=blocks,
        one_page=document.one_page,
        foot=foot(subject),
        landscape=document.landscape,
    )
