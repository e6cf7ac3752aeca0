"""What a company makes of what happens in its product: whose an event is, what is counted, milestones, stuck signals.

Not here: the file it stands in (``policy.product``), counting (``product``), and the playbooks that refer to it by
name (``rulebook``). All of it is plain data, the same for every CRM.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from connector.handoff.rulebook.conditions import Condition
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.playbooks import Miss


class By(StrEnum):
    """How an event names an account."""

    CRM_ID = "crm_id"
    """By the id that the account has in the CRM."""

    FIELD = "field"
    """By what stands in a mapped field of the account or the deal: the product's own id, a contact's address."""

    DOMAIN = "domain"
    """By the domain of a mail address, against the domain in a mapped field such as the website."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One way to tell whose an event is. ``take`` says where it stands in the event: ``group_id``, ``user_id``, or
    ``properties.<name>``; ``field`` is a canonical path, empty for `By.CRM_ID`."""

    take: str
    by: By
    field: str = ""

    @property
    def kind(self) -> str:
        """What tells its values from those of another way."""
        return f"{self.by.value}:{self.field}"


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is counted per account: events of these names whose properties fit, or a field of the CRM.

    With ``distinct`` the values of that property are counted, each once, instead of the events. With ``session`` the
    events are also counted by the session that this property names. ``field`` is a canonical path: a number is a count,
    a date or a ticked box counts once.
    """

    name: str
    events: tuple[str, ...] = ()
    where: Condition = dataclasses.field(default_factory=Condition)
    distinct: str = ""
    session: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """So many of a measure."""

    measure: str
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class Milestone:
    """What a customer reaches once all ``needs`` are met, counted from the win on, for deals its condition names.

    ``says`` is the progress in words, with ``{n}`` and ``{of}`` filled in; ``activation``: it is the one that shows
    that the customer has got something out of the product. ``onboarding`` is the stage that the account
    has reached with it.
    """

    name: str
    needs: tuple[Need, ...]
    when: Condition = dataclasses.field(default_factory=Condition)
    says: str = "{n} of {of}"
    activation: bool = False
    onboarding: str = ""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A sign that a customer is stuck, and the one task it makes.

    The episode begins when ``seen`` was counted (without one: with the win) and lasts while ``missing`` was not counted
    since; the task is made ``after`` so long. With ``in_session`` it begins when so many of ``seen`` came in one
    session. ``moved_on`` are further measures that end it. ``thing`` names what the customer is stuck on where the
    events do not. Only episodes that began within ``within`` of the win count.
    """

    name: str
    subject: str
    body: str
    thing: str
    seen: Need | None = None
    missing: str = ""
    after: timedelta = timedelta(0)
    in_session: int = 0
    moved_on: tuple[str, ...] = ()
    within: timedelta = timedelta(days=90)
    when: Condition = dataclasses.field(default_factory=Condition)
    owner: Role = Role.CSM


@dataclass(frozen=True, slots=True)
class Rescue:
    """What is offered to a customer who is stuck: a call of so many ``minutes``, at so many times, all ``within``.
    ``missed`` follows when nobody did the task by its day, for handoffs that begin with it."""

    minutes: int = 15
    offers: int = 3
    within: timedelta = timedelta(hours=24)
    missed: tuple[Miss, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductPolicy:
    """All of it. ``silent_after``: when nobody's events came for so long, that one customer's lack proves nothing.

    Of deals won before ``since`` nobody is told that they are stuck. ``churned`` is the field that says that an account
    left, ``stayed`` for how long one must have been there to count as kept, ``first`` which time its actions are of.
    """

    identities: tuple[Identity, ...] = ()
    measures: tuple[Measure, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    rescue: Rescue = Rescue()
    silent_after: timedelta = timedelta(hours=24)
    since: date | None = None
    churned: str = ""
    stayed: timedelta = timedelta(days=183)
    first: timedelta = timedelta(days=14)
    begun: str = ""
    """The onboarding stage of an account whose handoff runs and that has reached nothing yet."""

    def measure(self, name: str) -> Measure | None:
        """A measure by its name."""
        return next((one for one in self.measures if one.name == name), None)

    def milestone(self, name: str) -> Milestone | None:
        """A milestone by its name."""
        return next((one for one in self.milestones if one.name == name), None)

    def most_wanted(self) -> dict[str, int]:
        """By measure, the highest count that anything here asks for: beyond it one more event changes nothing."""
        wanted: dict[str, int] = {}
        needs = [need for one in self.milestones for need in one.needs]
        needs += [one.seen for one in self.stuck if one.seen is not None]
        needs += [Need(one.seen.measure, one.in_session) for one in self.stuck if one.seen and one.in_session]
        for need in needs:
            wanted[need.measure] = max(wanted.get(need.measure, 1), need.at_least)
        return wanted
