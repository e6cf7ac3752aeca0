"""What the core answers: findings with reasons, and the actions that follow from them.

Not here: how an action becomes a vendor's request, and in which order lanes are sent (``engine``).
Every action names the natural key under which it can be found again in the CRM or in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from connector.handoff.acting import ACTED, Standing
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure
from connector.handoff.model import Briefed, Gate, HandoffKey, Kind, Ref, Value, Waiting
from connector.handoff.moves import Bounce, Refusal
from connector.handoff.rulebook.playbooks import Playbook

if TYPE_CHECKING:  # what is found of steps is made of the plan's own types
    from connector.handoff.byhand import ByHand
    from connector.handoff.trial import Trial


class Verdict(StrEnum):
    """What one rule found."""

    ACT = "act"
    IN_SYNC = "in_sync"
    WAIT = "wait"
    BLOCKED = "blocked"


class Order(StrEnum):
    """When an action may go out. A row waits until all rows of its deal in earlier orders are settled.

    A revert must not wait; the account's CSM is written before any task so that losing the ledger in between cannot
    assign a second CSM; the deal's own fields come last, so a status on the deal means the rest is in place. What old
    deals are filled with comes after everything that somebody waits for.
    """

    REVERT = "0-revert"
    ASSIGN = "1-assign"
    CREATE = "2-create"
    DEAL = "3-deal"
    NOTIFY = "4-notify"
    BACKFILL = "5-backfill"


@dataclass(frozen=True, slots=True)
class Patch:
    """Set fields of a deal or account. ``expected`` holds the values that were read when it was decided."""

    step: str
    order: Order
    ref: Ref
    values: Mapping[str, Value]
    expected: Mapping[str, Value]
    reason: str


@dataclass(frozen=True, slots=True)
class Upsert:
    """Create or update a task, note or meeting that carries ``key``. ``record_id`` is set when it is known to exist.

    ``values`` for a task: subject, body, due (date), owner (person id), remind_at (datetime or None);
    for a note: title, body, owner. ``parents`` are the records it hangs on, the deal first.
    """

    step: str
    order: Order
    kind: Kind
    key: str
    values: Mapping[str, Value]
    parents: tuple[Ref, ...]
    fingerprint: str
    reason: str
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell a person outside the CRM record. ``key`` travels along so that receivers can dedupe.

    ``way`` is empty for email and chat of our own; ``bell`` and ``mail`` are the CRM's, to its user ``to_id``, about
    the deal ``deal_id``. It is not sent before ``not_before``. What is ``together`` goes in one message with all
    else of that kind which is due for the same person.
    """

    step: str
    order: Order
    key: str
    to_email: str
    to_name: str
    subject: str
    text: str
    fingerprint: str
    reason: str
    way: str = ""
    to_id: str = ""
    deal_id: str = ""
    not_before: datetime | None = None
    together: bool = False


@dataclass(frozen=True, slots=True)
class SendMail:
    """Send a mail to a customer, at most once: only while the note of step ``note`` is known to say what ``marked`` is
    the fingerprint of, and never again once anything became of it.

    ``to_email`` is the customer, ``from_email`` whoever's task it is, ``copy_email`` a colleague or empty.
    """

    step: str
    order: Order
    key: str
    to_name: str
    to_email: str
    from_name: str
    from_email: str
    copy_name: str
    copy_email: str
    subject: str
    text: str
    note: str
    marked: str
    fingerprint: str
    reason: str


Action = Patch | Upsert | Notify | SendMail
"""Later actions (associate, draft) join this union; every ``match`` over it must then grow an arm."""


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """The gate on one field: its canonical name, the admin's label, whether it is filled, and why it is asked.

    ``flaw`` says what is wrong with an answer that counts as missing all the same; empty where nothing is.
    """

    field: str
    label: str
    present: bool
    why: str
    advice: str = ""
    flaw: str = ""

    @property
    def holds(self) -> bool:
        """Whether the gate lets the field pass."""
        return self.present and not self.flaw


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it was judged: its field, the admin's label, its score, and what is wrong with it, in sentences.

    ``flaws`` are the rules that found something (``empty``, ``copy``, ``short``, ``vague``).
    """

    field: str
    label: str
    score: int
    flaws: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prints:
    """Digests, by field, of answers that ought to be one deal's own, with whose deal it is and of which account."""

    owner: str
    account: str
    of: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AnswersTo:
    """The names, as digests, to which the account of a deal answers in the product."""

    account_id: str
    subjects: frozenset[str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One CSM who was considered: what they carry and, when not chosen, why not."""

    person_id: str
    email: str
    name: str
    accounts: int
    cap: int | None
    chosen: bool
    why: str


KEPT = "kept"
"""The rule of an assignment of somebody who was there already."""

PRE_ASSIGNED = "pre-assigned"
"""The rule of an assignment of somebody to whom the deal was given before its close."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The CSM and how it came to be. ``new`` is False when an existing CSM was kept.

    ``turn`` is their place in the line from now on; 0 is its end. ``second_id`` is the second CSM, where there is one;
    ``second_turn`` says that they go to the end of the line for it, ``buddy`` that they are there because the CSM is
    new.
    """

    person_id: str
    email: str
    rule: str
    new: bool
    candidates: tuple[Candidate, ...] = ()
    turn: int = 0
    second_id: str | None = None
    second_turn: bool = False
    buddy: bool = False


@dataclass(frozen=True, slots=True)
class LetThrough:
    """Who let a deal through with gaps, why, and until when that would have counted."""

    by: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule concludes. ``reason`` is a sentence a rep or an admin can read.

    ``recheck_at`` is when the rule wants to look again though nothing changes (a due date, an override's expiry).
    ``puts_back`` is set by the gate when it sends the deal back to its earlier stage, ``let_through`` when an override
    is what lets the deal go on. ``marks`` are moments to remember that leave no other trace. ``waiting`` is set by the
    assignment when the deal waits for a CSM. ``calendars`` names, by step, the people (ids) in whose calendars a free
    place matters to what is written now. ``owed`` are marks to remember instead, where a pause keeps its messages from
    being made.
    """

    rule: str
    verdict: Verdict
    reason: str
    actions: tuple[Action, ...] = ()
    recheck_at: datetime | None = None
    checks: tuple[FieldCheck, ...] = ()
    assignment: Assignment | None = None
    gate: Gate | None = None
    puts_back: bool = False
    let_through: LetThrough | None = None
    marks: Mapping[str, datetime] = field(default_factory=dict)
    waiting: Waiting | None = None
    calendars: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owed: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskState:
    """One playbook step for one handoff, as `explain` shows it."""

    step: str
    subject: str
    owner_email: str
    due: date | None
    state: str
    why: str


class Phase(StrEnum):
    """Where the deal stands in its handoff."""

    OPEN = "open"
    BEFORE_START = "before_start"
    WON = "won"
    HELD = "held"
    IN_FLIGHT = "in_flight"
    REOPENED = "reopened"
    LOST = "lost"


class Noticed(StrEnum):
    """What a decision sees for the first time, for counting; the next decision knows it already."""

    PASSED_WIN = "passed_win"
    BOUNCE = "bounce"
    FIGHT = "fight"


@dataclass(frozen=True, slots=True)
class Remember:
    """What the ledger must know after this decision, whether or not an action follows. Replaces the row's facts."""

    generation: int
    won_at: datetime | None
    left_won_at: datetime | None
    released_at: datetime | None
    gate: Gate | None
    csm_id: str | None
    assigned_at: datetime | None
    stage_before_win: str | None
    adopted: bool
    done_signals: Mapping[str, datetime] = field(default_factory=dict)
    last_win_at: datetime | None = None
    put_back_at: datetime | None = None
    put_back_refused: Refusal | None = None
    bounces: tuple[Bounce, ...] = ()
    playbook: Playbook | None = None
    marks: Mapping[str, datetime] = field(default_factory=dict)
    waiting_since: datetime | None = None
    waiting_pool: str = ""
    second_id: str | None = None
    amount: Decimal | None = None
    briefed: Briefed | None = None
    early_id: str | None = None
    early_until: datetime | None = None
    exempt: str = ""
    exempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole answer for one deal: findings, at most one write per record, what to remember, the next look.

    ``rebuilt``: the ledger had lost what the deal itself tells of.
    ``unreadable`` are labels of required fields that the CRM does not show to the connector. ``calendars`` are the
    people, by step, whose calendars should be known for what is written: without them what it places may overlap.
    ``untold`` is what to remember of the answers where the message about them is not made. ``standing`` says whether
    the plan is carried out, or was only computed.
    """

    key: HandoffKey
    phase: Phase
    generation: int
    findings: tuple[Finding, ...]
    actions: tuple[Action, ...]
    remember: Remember
    percent: int
    missing: tuple[FieldCheck, ...]
    tasks: tuple[TaskState, ...] = ()
    assignment: Assignment | None = None
    gate: Gate | None = None
    segment: str = ""
    recheck_at: datetime | None = None
    noticed: frozenset[Noticed] = frozenset()
    rebuilt: bool = False
    unreadable: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    quality: int | None = None
    prints: Prints | None = None
    """None where nothing is to be remembered of this deal's answers."""
    answers_to: AnswersTo | None = None
    """None where nothing is to be remembered of how the product names the account."""
    calendars: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untold: Briefed | None = None
    by_hand: tuple[ByHand, ...] = ()
    reached: tuple[str, ...] = ()
    """The names of the milestones that the customer has reached."""
    comments: tuple[str, ...] = ()
    """What the CSM wrote of the handoff."""
    figure: Figure | None = None
    """What is measured of this handoff; None where there is none to measure."""
    standing: Standing = ACTED
    trial: Trial | None = None
    """None where a pilot has nothing to compare."""

    @property
    def facts(self) -> Facts | None:
        """What its figures are made of."""
        return self.figure.facts if self.figure else None

    @property
    def coverage(self) -> str:
        """Why this deal has, or has not, a handoff: one sentence for the coverage report."""
        return next((finding.reason for finding in self.findings), "")
