"""Declared task sequences: what begins a step, who has it, what shows it done, and what follows if nobody does it.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from connector.handoff.rulebook.calendars import Days, Limit
from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import Role


class SignalKind(StrEnum):
    """How the machine sees that a task is done."""

    TASK_CLOSED = "task_closed"
    FIELD_FILLED = "field_filled"
    FIELD_IS = "field_is"
    MEETING_HELD = "meeting_held"
    EMAIL_LOGGED = "email_logged"
    CALL_LOGGED = "call_logged"
    MEETING_PLANNED = "meeting_planned"
    CUSTOMER_REPLIED = "customer_replied"
    MILESTONE = "milestone"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Signal:
    """A completion signal. A closed CRM task always completes its step.

    ``field`` is set for `FIELD_FILLED` only, ``when`` for `FIELD_IS`; ``name`` is a milestone's or, with ``at_least``,
    a measure's (of `ProductPolicy`), which count from the win on. What is held, planned or logged counts when the
    task's owner or the CSM did it after the step began, and so does what the customer wrote.
    """

    kind: SignalKind
    field: str = ""
    when: Condition = dataclasses.field(default_factory=Condition)
    name: str = ""
    at_least: int = 1


class TriggerKind(StrEnum):
    """What a step's clock starts by, where it is neither the release nor another step."""

    STAGE = "stage"
    WHEN = "when"
    TIME = "time"
    MILESTONE = "milestone"
    EVENT = "event"
    STUCK = "stuck"


WON = "won"
RELEASED = "released"
ANCHORS = (WON, RELEASED)
"""The anchors that are no field: when the deal was won, and when its handoff began."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What makes a step begin: the deal enters ``stage``, ``when`` comes true, or so many ``days`` have passed since
    the ``anchor`` (before it, when negative): it then begins in the morning of that day. With a ``weekday`` (0 is
    Monday) it is that day in the week ``days`` after the anchor, the first being the next one that comes. Or it begins
    once the milestone ``name`` is reached, ``at_least`` so many of the measure ``name`` are counted, or the stuck
    signal ``name`` calls for help."""

    kind: TriggerKind
    stage: str = ""
    when: Condition = dataclasses.field(default_factory=Condition)
    anchor: str = ""
    days: int = 0
    counted: Days = Days.CALENDAR
    weekday: int | None = None
    name: str = ""
    at_least: int = 1


class Do(StrEnum):
    """What follows when a task is not done in time."""

    REMIND = "remind"
    REASSIGN = "reassign"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Miss:
    """One consequence of a missed limit: ``after`` the one before it, the first after the limit itself.

    ``to`` is who gets the task, for `REASSIGN` only.
    """

    do: Do
    after: Limit
    to: Role = Role.FALLBACK


class Make(StrEnum):
    """What a step puts into the CRM."""

    TASK = "task"
    MEETING = "meeting"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a meeting step asks of its event: how long it is and when it may begin at the earliest after its trigger.

    ``with_customer``: the customer takes part, so that one which was held counts as a touch. ``invite`` are those who
    are asked to come besides the owner.
    """

    minutes: int
    earliest: Limit
    with_customer: bool = False
    invite: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Sending:
    """That a mail goes out by itself: so long ``after`` its draft was written, to whoever has the ``role`` at the
    customer or to the address in a ``field``; with neither, to whom the draft is written."""

    after: Limit
    role: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to the customer that a step drafts: ``subject`` and ``text`` are templates. Without the customer's own
    words in all of the fields that it ``quotes`` it is not written. A person sends it, unless it says ``send``."""

    subject: str
    text: str
    quotes: tuple[str, ...]
    send: Sending | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """What only some CRMs keep of a task, in the mapping's words; empty where a step does not say."""

    queue: str = ""
    priority: str = ""
    type: str = ""


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True)
class PlaybookTask:
    """One step. ``after`` names the step whose completion triggers it; empty means the release of the handoff.

    ``at_release`` says whether the CRM record is made at once with its date or when the step before is done.
    ``subject`` and ``body`` are templates over the same names as the summary's. A step with a ``draft`` is a meeting,
    which then has to take place within its ``limit``; any other is a task. With a ``trigger`` the record is made when
    that fires. ``missed`` is what follows when nobody did it in time. ``status`` is the Handoff Status the deal has
    reached once the step begins; empty where the share of what is done says it. A ``note`` is a document: written once
    when the step begins, and people's from then on. ``mail`` is what the owner is to send.
    """

    step: str
    subject: str
    body: str
    owner: Role
    limit: Limit
    done_when: tuple[Signal, ...]
    after: str = ""
    at_release: bool = True
    remind: bool = False
    draft: Draft | None = None
    extras: Extras = NO_EXTRAS
    trigger: Trigger | None = None
    missed: tuple[Miss, ...] = ()
    status: str = ""
    note: bool = False
    mail: Mail | None = None

    @property
    def make(self) -> Make:
        """What it puts into the CRM."""
        if self.note:
            return Make.NOTE
        return Make.MEETING if self.draft else Make.TASK


@dataclass(frozen=True, slots=True)
class Playbook:
    """A task sequence for the handoffs its condition names; the first playbook that fits is used. One that ``adds`` is
    used besides it: of those all that fit."""

    name: str
    when: Condition
    tasks: tuple[PlaybookTask, ...]
    adds: bool = False


NO_PLAYBOOK = Playbook("", Condition(), ())
"""What is remembered of a handoff for which no playbook was meant when it began."""


@dataclass(frozen=True, slots=True)
class MeetingPolicy:
    """How it is known that a meeting of the playbook took place: by its outcome, which a person sets.

    ``held_when_over``: one that nobody canceled also counts when its end has passed, for CRMs without an outcome.
    ``calendars``: a place for one is looked for in what the CRM shows of people's calendars.
    """

    held_when_over: bool = False
    calendars: bool = False


NO_MEETINGS = MeetingPolicy()
