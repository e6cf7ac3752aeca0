"""Moves of a deal through the won stage as a CRM's own history tells them: wins that were left again, and who moved it.

Not here: what follows from them (``fights``, ``lifecycle``), and any vendor's words for who wrote something (adapters
translate those). All of it may be missing: a CRM may keep no history, cut it short or not say who moved a deal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SAME_MOMENT = timedelta(seconds=2)
"""Two sources of one moment (a field's own stamp, the history's) may differ by the vendor's own calculation."""


class MoverKind(StrEnum):
    """What moved a deal."""

    UNKNOWN = ""
    PERSON = "person"
    AUTOMATION = "automation"
    INTEGRATION = "integration"
    IMPORT = "import"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class Mover:
    """Who or what moved a deal. ``name`` is the CRM's: a person's id, a workflow's or an integration's name or id."""

    kind: MoverKind = MoverKind.UNKNOWN
    name: str = ""


NOBODY_KNOWN = Mover()
"""Where the CRM does not say who it was."""


@dataclass(frozen=True, slots=True)
class Passing:
    """A stay in a won stage that has ended: when it began and ended, where it came from and went to, who moved it.

    ``came_from`` is the last open stage before it, None where the history does not reach back so far.
    """

    entered_at: datetime
    left_at: datetime
    came_from: str | None = None
    went_to: str | None = None
    entered_by: Mover = NOBODY_KNOWN
    left_by: Mover = NOBODY_KNOWN


@dataclass(frozen=True, slots=True)
class Bounce:
    """A deal that was put back came to the won stage again with its gaps, and no person had moved it there."""

    at: datetime
    by: Mover = NOBODY_KNOWN


@dataclass(frozen=True, slots=True)
class Refusal:
    """The CRM would not have a deal put back to this stage, and said why."""

    stage: str
    words: str
