"""The one-page summary, and what people are told.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from connector.handoff.rulebook.calendars import Quiet


@dataclass(frozen=True, slots=True)
class SummarySection:
    """One heading of the summary and the canonical fields under it."""

    title: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SummaryPolicy:
    """The one-page document. ``template`` is Jinja text; ``max_chars`` is what the field it is kept in holds.

    ``note_chars`` is what one note holds (0: as much as the field); a longer document goes on in further notes. With
    ``markup`` a note is kept as HTML, in which some characters take more room than they show.
    """

    template: str
    sections: tuple[SummarySection, ...]
    max_chars: int
    note_chars: int = 0
    markup: bool = False


@dataclass(frozen=True, slots=True)
class NotifyPolicy:
    """Which moments are told by email or chat (``csm_assigned``, ``deal_held``, ``nobody_eligible``).

    ``texts`` holds one Jinja text per moment, over the same words as a task's; the subject is the core's.
    ``in_crm`` are the ways in which the CRM itself tells its users as well (``bell``, ``mail``).
    ``essential``: only tasks of high priority are reminded of. ``any_hour``: what is late is told at night as well.
    In ``quiet`` hours, by the team's clock, every message waits for their end. ``digest``: what is late or due today is
    told each person in one message in the morning. What changed of the answers is told ``changes_after`` the first
    change, all of it at once.
    """

    moments: frozenset[str]
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    in_crm: tuple[str, ...] = ()
    essential: bool = True
    any_hour: bool = False
    quiet: Quiet | None = None
    digest: bool = False
    changes_after: timedelta = timedelta(hours=1)
