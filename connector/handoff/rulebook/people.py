"""Who becomes the CSM, who else belongs to a deal, and up whom things escalate.

Not here: files, TOML, validation and messages about mistakes (``connector.policy`` reads those and builds this).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from connector.handoff.rulebook.calendars import Limit
from connector.handoff.rulebook.conditions import Condition


class Method(StrEnum):
    """How a pool's next CSM is chosen."""

    ROUND_ROBIN = "round_robin"
    FEWEST_ACCOUNTS = "fewest_accounts"
    LEAST_REVENUE = "least_revenue"


class WhenFull(StrEnum):
    """What a deal does when nobody of its pool can take one more account."""

    WAIT = "wait"
    NEXT_POOL = "next_pool"
    FALLBACK = "fallback"


FULL_TIME = Decimal(1)


@dataclass(frozen=True, slots=True)
class Pool:
    """CSMs who share a kind of customer. ``cap`` is the most accounts one of them may hold (None: no cap).

    ``weights`` are the shares of those who work part of the time: of the customers, and of the cap. A deal that waits
    does so for ``wait_at_most`` (None: for ever). ``second_from`` names the pool of the second CSM.
    """

    name: str
    members: tuple[str, ...]
    cap: int | None
    method: Method
    weights: Mapping[str, Decimal] = dataclasses.field(default_factory=dict)
    when_full: WhenFull = WhenFull.FALLBACK
    next_pool: str = ""
    wait_at_most: Limit | None = None
    second_from: str = ""

    def weight(self, email: str) -> Decimal:
        """A member's share of a full-time CSM's work."""
        return self.weights.get(email, FULL_TIME)

    def cap_of(self, email: str) -> int | None:
        """The most accounts this member may hold, at least one."""
        return None if self.cap is None else max(int(self.cap * self.weight(email)), min(self.cap, 1))


@dataclass(frozen=True, slots=True)
class Away:
    """Days, both included, on which somebody (by email) gets no new accounts."""

    who: str
    begins: date
    ends: date


@dataclass(frozen=True, slots=True)
class AssignmentRule:
    """Ordered: the first rule whose condition holds names the pool."""

    name: str
    when: Condition
    pool: str


@dataclass(frozen=True, slots=True)
class AssignmentPolicy:
    """Who becomes CSM. ``keep_current`` keeps the CSM a known customer has; ``fallback`` is an email.

    Those ``away`` on a day and those ``paused`` get no new accounts and keep what they have. ``away_from_calendar``: so
    do those whose calendar in the CRM shows one event over the whole working day. An open deal holds the place of the
    CSM it was given to for ``place_held_days`` after its close date (None: until it is won or lost). ``buddies`` names,
    by the email of somebody new, who is second CSM beside them in their first ``buddy_handoffs`` handoffs.
    """

    rules: tuple[AssignmentRule, ...]
    pools: Mapping[str, Pool]
    fallback: str
    keep_current: bool = True
    away: tuple[Away, ...] = ()
    paused: tuple[str, ...] = ()
    away_from_calendar: bool = False
    place_held_days: int | None = None
    buddies: Mapping[str, str] = dataclasses.field(default_factory=dict)
    buddy_handoffs: int = 5


class Role(StrEnum):
    """Who a task can belong to."""

    AE = "ae"
    CSM = "csm"
    FALLBACK = "fallback"
    AE_MANAGER = "ae_manager"
    CSM_MANAGER = "csm_manager"
    PHASE = "phase"
    """The AE while the handoff is young, the CSM from then on."""
    FIRST_AVAILABLE = "first_available"
    """Whoever of AE and CSM is at work and has fewer open tasks."""
    SPONSOR = "sponsor"
    """The executive of our own who looks after the customer's."""


@dataclass(frozen=True, slots=True)
class Rung:
    """Who is told next of a task that is late, by role or email, and how long ``after`` those before them."""

    roles: tuple[Role, ...]
    emails: tuple[str, ...]
    after: Limit


@dataclass(frozen=True, slots=True)
class Escalation:
    """The ladder, declared once; ``managers`` says whose manager is who (by email) where the CRM does not.
    ``sponsor`` is the email of the executive sponsor of deals that name none."""

    ladder: tuple[Rung, ...] = ()
    managers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sponsor: str = ""


NO_ESCALATION = Escalation()


@dataclass(frozen=True, slots=True)
class Teams:
    """The roles in which the CSM joins the deal's and the account's team; empty where the CSM does not. The second CSM
    joins in roles of their own."""

    deal: str = ""
    account: str = ""
    deal_second: str = ""
    account_second: str = ""


NO_TEAMS = Teams()
