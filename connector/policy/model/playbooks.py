"""``playbook.toml`` and further files of playbooks as models.

Not here: references between keys (``build``), rules nobody can reach (``reach``) and what the core decides by
(``handoff.rulebook``): these models are only the shape of TOML.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.handoff.model import Status
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Make, SignalKind
from connector.policy.model.people import Weekday
from connector.policy.model.words import (
    MAX_ANCHOR_DAYS,
    MAX_COUNT,
    MAX_MEETING_MINUTES,
    EnumOf,
    MissSpec,
    Spec,
    StepName,
    Text,
    When,
    WithinSpec,
)

MAX_WEEKS = 52


# --- playbook.toml ---------------------------------------------------------------------------------------------------


class SignalSpec(Spec):
    """How the machine sees that a task is done."""

    signal: Annotated[SignalKind, EnumOf]
    field: str = ""
    when: When | None = None
    milestone: str = ""
    event: str = ""
    at_least: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = None


class TriggerSpec(Spec):
    """What makes a step begin: one of step, stage, when, milestone, event, signal, or an anchor with days counted from
    it; or with a weekday of so many weeks after it, as so many steps."""

    step: Text | None = None
    stage: Text | None = None
    when: When | None = None
    anchor: Text | None = None
    milestone: Text | None = None
    event: Text | None = None
    signal: Text | None = None
    at_least: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = None
    days: Annotated[int, Field(ge=0, le=MAX_ANCHOR_DAYS)] | None = None
    working_days: Annotated[int, Field(ge=0, le=MAX_ANCHOR_DAYS)] | None = None
    before: bool = False
    weekday: Weekday | None = None
    weeks: Annotated[int, Field(ge=1, le=MAX_WEEKS)] | None = None


class MailSpec(Spec):
    """A mail to the customer that a task drafts; ``quotes`` are the fields without which it is not written.

    With ``send`` it goes out without a person, so long after the draft was written as ``send_after`` says.
    """

    subject: Text
    text: Text
    quotes: Annotated[tuple[Text, ...], Field(min_length=1)]
    send: bool = False
    send_after: WithinSpec | None = None
    to_role: Text | None = None
    to_field: Text | None = None


class TaskSpec(Spec):
    """One step of a playbook: a task, or with ``make = "meeting"`` an event in the calendar."""

    step: StepName
    make: Annotated[Make, EnumOf] = Make.TASK
    subject: Text
    body: str = ""
    owner: Annotated[Role, EnumOf]
    within: WithinSpec
    minutes: Annotated[int, Field(ge=5, le=MAX_MEETING_MINUTES)] | None = None
    earliest: WithinSpec | None = None
    customer: bool | None = None
    invite: tuple[Annotated[Role, EnumOf], ...] | None = None
    queue: str = ""
    priority: Literal["", "low", "medium", "high"] = ""
    type: Literal["", "todo", "call", "email"] = ""
    done_when: tuple[SignalSpec, ...] = ()
    after: str = ""
    at_release: bool = True
    remind: bool = False
    trigger: TriggerSpec | None = None
    missed: tuple[Literal["remind", "reassign", "escalate"] | MissSpec, ...] = ()
    status: Annotated[Status | None, EnumOf] = None
    mail: MailSpec | None = None


class PlaybookSpec(Spec):
    """A task sequence for some handoffs; without ``when`` for every one that came this far. With ``adds`` its tasks
    come to those of the playbook that is used."""

    name: Text
    when: When = Field(default_factory=dict)
    adds: bool = False
    tasks: Annotated[tuple[TaskSpec, ...], Field(min_length=1)]


class SectionSpec(Spec):
    """One heading of the summary."""

    title: Text
    fields: Annotated[tuple[Text, ...], Field(min_length=1)]


class SummarySpec(Spec):
    """The one-page handoff document."""

    template: Text = "templates/summary.txt.j2"
    sections: Annotated[tuple[SectionSpec, ...], Field(min_length=1)]


class PlaybooksFileSpec(Spec):
    """A file with playbooks and nothing else, named in process.toml."""

    playbooks: Annotated[tuple[PlaybookSpec, ...], Field(min_length=1)]


class PlaybookFileSpec(Spec):
    """playbook.toml."""

    playbooks: Annotated[tuple[PlaybookSpec, ...], Field(min_length=1)]
    summary: SummarySpec
