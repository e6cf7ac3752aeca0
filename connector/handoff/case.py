"""One deal under decision: what every rule may look at, and what the rules before it found.

Not here: the rules, and how the phase comes about (``lifecycle``). A `Case` never changes; a finding makes a new one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.handoff import conditions
from connector.handoff.calendar import local_date, local_time, quiet_until
from connector.handoff.model import (
    CrmMeeting,
    CrmNote,
    CrmTask,
    Gate,
    LedgerFacts,
    Person,
    Ref,
    Snapshot,
    Value,
    Waiting,
)
from connector.handoff.owners import by_phase, first_available
from connector.handoff.people import absence, by_email
from connector.handoff.plan import Assignment, FieldCheck, Finding, Noticed, Phase
from connector.handoff.quality import Judged, score
from connector.handoff.rulebook.calendars import Calendar, Team, TeamCalendar
from connector.handoff.rulebook.conditions import Condition, Tier
from connector.handoff.rulebook.people import Role
from connector.handoff.rulebook.policy import Policy

PASSED = frozenset({Gate.NOT_CHECKED, Gate.RELEASED, Gate.OVERRIDDEN, Gate.WARNED})
"""Verdicts with which a handoff goes on."""

_RUNNING = frozenset({Phase.WON, Phase.HELD, Phase.IN_FLIGHT})


@dataclass(frozen=True, slots=True)
class Case:
    """The snapshot and the policy, where the deal stands, and what was found so far.

    ``snapshot.ledger`` is already that of this ``generation``; ``recovered`` says that it had to be rebuilt from the
    CRM. ``won_at`` is this generation's win (None: unknown). ``excluded`` deals are of a type that gets no handoff.
    ``noticed`` is what no decision knew before; ``puts_back``: the gate sends the deal back now.
    ``checks`` are the requirements that apply to this deal, in the policy's order; ``judged`` are its answers.
    """

    snapshot: Snapshot
    policy: Policy
    now: datetime
    phase: Phase
    generation: int
    segment: str
    won_at: datetime | None
    checks: tuple[FieldCheck, ...] = ()
    recovered: bool = False
    excluded: bool = False
    gate: Gate | None = None
    released_at: datetime | None = None
    assignment: Assignment | None = None
    noticed: frozenset[Noticed] = frozenset()
    puts_back: bool = False
    judged: tuple[Judged, ...] = ()
    waiting: Waiting | None = None
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was worked out of this case once and is asked for by several rules; a new case begins with none."""

    @property
    def ledger(self) -> LedgerFacts:
        """What is remembered of this generation."""
        return self.snapshot.ledger

    @property
    def released(self) -> bool:
        """Whether the handoff is under way now: won, through the gate, not reopened."""
        return self.phase in _RUNNING and self.snapshot.stage.is_won and self.released_at is not None

    @property
    def passed_by(self) -> bool:
        """Whether the deal is open after a win that nothing came of, because it was left again before it was seen."""
        return self.phase is Phase.REOPENED and self.ledger.released_at is None

    @property
    def fought(self) -> bool:
        """Whether something moves the deal back as often as it is put back."""
        return len(self.ledger.bounces) >= self.policy.gate.fight_limit

    @property
    def near_close(self) -> bool:
        """Whether the deal is open and in a stage in which it says how ready it is."""
        stage = self.snapshot.stage
        return self.policy.shows_readiness(stage.pipeline, stage.id) and self.phase is Phase.OPEN and not self.excluded

    @property
    def pre_assigns(self) -> bool:
        """Whether the deal is open and in a stage in which it gets its CSM already."""
        stage = self.snapshot.stage
        return self.policy.assigns_early(stage.pipeline, stage.id) and self.phase is Phase.OPEN and not self.excluded

    @property
    def outcome(self) -> Phase:
        """The phase the deal is in once this decision is carried out."""
        if self.released:
            return Phase.IN_FLIGHT
        if self.gate is Gate.HELD and (self.phase is Phase.WON or self.passed_by):
            return Phase.HELD
        return self.phase

    @property
    def gaps(self) -> tuple[FieldCheck, ...]:
        """Required fields that are empty, or whose answer counts as none."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Labels of required fields that this login cannot read; they are not checked."""
        needs = (need for need in self.policy.gate.requirements if self.holds(need.when))
        return tuple(self.label(need.field) for need in needs if not self.snapshot.knows(need.field))

    @property
    def gap_count(self) -> str:
        """How many required fields are empty, or say too little, as part of a sentence."""
        gaps, total = self.gaps, len(self.checks)
        empty = sum(not gap.present for gap in gaps)
        weak = len(gaps) - empty
        if not weak:
            return f"{empty} of {total} required fields {'is' if empty == 1 else 'are'} empty"
        too_little = f"{weak} {'says' if weak == 1 else 'say'} too little"
        if not empty:
            return f"{weak} of {total} required fields {too_little.partition(' ')[2]}"
        return f"{empty} of {total} required fields {'is' if empty == 1 else 'are'} empty and {too_little}"

    @property
    def score(self) -> int | None:
        """How good the answers are, from 0 to 100; None where they are not judged."""
        if not self.policy.quality.fields:
            return None
        judged = {each.field for each in self.judged}
        asked = {field.path for field in self.policy.quality.fields}
        missing = sum(not check.present for check in self.checks if check.field in asked - judged)
        return score(self.judged, unanswered=missing)

    @property
    def percent(self) -> int:
        """Filled share of the required fields, in whole percent rounded down; 100 when nothing is required."""
        if not self.checks:
            return 100
        return (len(self.checks) - len(self.gaps)) * 100 // len(self.checks)

    @property
    def parents(self) -> tuple[Ref, ...]:
        """What tasks and notes hang on: the deal, then its account when it has one."""
        account = self.snapshot.account
        return (self.snapshot.deal.ref, account.ref) if account else (self.snapshot.deal.ref,)

    @property
    def ae(self) -> Person | None:
        """The deal's owner."""
        return self.snapshot.person(self.snapshot.deal.get("owner"))

    @property
    def csm(self) -> Person | None:
        """The CSM this decision stands by."""
        return self.snapshot.person(self.assignment.person_id) if self.assignment else None

    @property
    def second(self) -> Person | None:
        """The second CSM of this decision, where there is one."""
        return self.snapshot.person(self.assignment.second_id) if self.assignment else None

    @property
    def fallback(self) -> Person | None:
        """The person who steps in, when known and active."""
        person = self.person_by_email(self.policy.assignment.fallback)
        return person if person and person.active else None

    def value(self, path: str) -> Value:
        """A field by the path policies use, with ``segment``, ``deal_type``, ``stage`` and ``pipeline`` beside them."""
        match path:
            case "segment":
                return self.segment
            case "deal_type":
                return self.snapshot.deal_type.value
            case "stage":
                return self.snapshot.stage.id
            case "pipeline":
                return self.snapshot.stage.pipeline
            case "tier" if self.policy.tiers:
                return self.tier.name if self.tier else None
            case "extras" if self.policy.tiers:
                return ", ".join(self.tier.extras) if self.tier else None
            case _:
                return self.snapshot.field(path)

    @property
    def tier(self) -> Tier | None:
        """How much care the deal gets; None where the policy draws no such lines."""
        return next((one for one in self.policy.tiers if self.holds(one.when)), None)

    def holds(self, condition: Condition) -> bool:
        """Whether a condition of the policy holds for this deal."""
        return conditions.holds(condition, self.value)

    def key(self, step: str) -> str:
        """The natural key of one effect of this handoff."""
        return f"{self.snapshot.lineage}:{self.generation}:{step}"

    def task(self, step: str) -> CrmTask | None:
        """The CRM task of a playbook step, when it exists."""
        key = self.key(step)
        return next((task for task in self.snapshot.tasks if task.key == key), None)

    def meeting(self, step: str) -> CrmMeeting | None:
        """The meeting of a playbook step, when it exists."""
        key = self.key(step)
        return next((meeting for meeting in self.snapshot.meetings if meeting.key == key), None)

    def note(self, step: str) -> CrmNote | None:
        """The note of a playbook step, when it exists."""
        key = self.key(step)
        return next((note for note in self.snapshot.notes if note.key == key), None)

    def label(self, path: str) -> str:
        """What the admin calls a field."""
        rule = self.policy.fields.get(path)
        return rule.label if rule else path

    def person_by_email(self, email: str) -> Person | None:
        """A person by email; the active one when two share it, as former and present users may."""
        return by_email(self.snapshot.people, email)

    def person_by_user_id(self, user_id: str) -> Person | None:
        """The person whom the CRM also knows by this other id."""
        if not user_id:
            return None
        return next((person for person in self.snapshot.people.values() if person.user_id == user_id), None)

    def manager_of(self, person: Person | None) -> Person | None:
        """Who stands above somebody, as the policy or else the CRM says; None when neither does, or they left."""
        if person is None:
            return None
        named = self.policy.escalation.managers.get(person.email.strip().lower())
        boss = self.person_by_email(named) if named else self.snapshot.person(person.manager_id)
        return boss if boss and boss.active else None

    def calendar_for(self, role: Role) -> Calendar:
        """By which hours somebody in a role works: the first calendar that fits their team, pool and the customer."""
        fits = (one.calendar for one in self.policy.calendars if self._is_for(one, role))
        return next(fits, self.policy.calendar)

    def _is_for(self, one: TeamCalendar, role: Role) -> bool:
        team = Team.SALES if role in (Role.AE, Role.AE_MANAGER) else Team.CS
        email = self.csm.email.strip().lower() if self.csm else ""
        pools = self.policy.assignment.pools
        in_pool = team is Team.CS and any(email in pools[name].members for name in one.pools if name in pools)
        country = str(self.value("account.country") or "").strip().casefold() if one.countries else ""
        return (
            one.team in (None, team)
            and (not one.pools or in_pool)
            and (not one.countries or country in {each.strip().casefold() for each in one.countries})
        )

    def person_for(self, role: Role, *, at: datetime | None = None) -> tuple[Person | None, str]:
        """Who fills a role now, and a word on why when it is not the obvious person; ``at`` is another time by which
        phases and absences are judged."""
        csm = self.csm
        if role in (Role.AE_MANAGER, Role.CSM_MANAGER):
            boss = self.manager_of(self.ae if role is Role.AE_MANAGER else csm)
            whose = "AE" if role is Role.AE_MANAGER else "CSM"
            return (
                (boss, "") if boss else (self.fallback or csm, f"the {whose}'s manager is not known, so the stand-in")
            )
        if role is Role.SPONSOR:
            return self._sponsor()
        if role is Role.PHASE:
            role = self.phase_owner(at or self.now)
        if role is Role.FIRST_AVAILABLE:
            return self.first_available({}, at=at)
        if role is Role.CSM:
            return csm, ""
        if role is Role.FALLBACK:
            return (self.fallback, "") if self.fallback else (csm, "the fallback person is not active, so the CSM")
        ae = self.ae
        if ae and ae.active:
            return ae, ""
        boss = self.snapshot.person(ae.manager_id) if ae else None
        if boss and boss.active:
            return boss, "the AE is not active, so the AE's manager"
        return csm, "the deal has no active owner, so the CSM"

    def _sponsor(self) -> tuple[Person | None, str]:
        """The deal's own sponsor, else the one of the policy, else the CSM's manager."""
        own = self.snapshot.person(self.value("sponsor"))
        if own and own.active:
            return own, ""
        named = self.person_by_email(self.policy.escalation.sponsor) if self.policy.escalation.sponsor else None
        if named and named.active:
            return named, ""
        person, why = self.person_for(Role.CSM_MANAGER)
        return person, why or "no executive sponsor is active, so the CSM's manager"

    def told_at(self) -> datetime | None:
        """When a message that is decided now may be sent, where these are quiet hours; None: at once."""
        quiet = self.policy.notify.quiet
        return quiet_until(self.policy.calendar, quiet, self.now) if quiet else None

    def phase_owner(self, begins: datetime) -> Role:
        """Whose phase it is when something begins."""
        since = self.released_at or self.now
        return by_phase(released_at=since, begins=begins, sales_for=self.policy.sales_for)

    def first_available(
        self, open_tasks: Mapping[str, int], *, at: datetime | None = None
    ) -> tuple[Person | None, str]:
        """Whoever of AE and CSM can take something first, and why; ``open_tasks`` counts by person id."""
        today = local_date(self.policy.calendar, at or self.now)
        ae, why = self.person_for(Role.AE)
        found, because = first_available(
            ae, self.csm, absence=lambda each: absence(each, self.policy.assignment, today), open_tasks=open_tasks
        )
        return found, f"{because}; {why}" if why and found is ae else because

    def day(self, moment: datetime) -> str:
        """A moment as people in the team's time zone would write its day, e.g. ``3 May 2026``."""
        day = local_date(self.policy.calendar, moment)
        return f"{day.day} {day:%b %Y}"

    def day_of(self, moment: datetime | None) -> str:
        """The same with its preposition, of a moment that may be unknown."""
        return f"on {self.day(moment)}" if moment else "at an unknown time"

    def clock(self, moment: datetime) -> str:
        """A moment as the clock on the team's wall shows it, e.g. ``14:30``."""
        return f"{local_time(self.policy.calendar, moment):%H:%M}"

    def after(self, finding: Finding) -> Case:
        """The case as the next rule sees it."""
        changes: dict[str, object] = {}
        if finding.gate is not None:
            changes["gate"] = finding.gate
            if finding.gate in PASSED and self.released_at is None:
                changes["released_at"] = self.now
        if finding.assignment is not None:
            changes["assignment"] = finding.assignment
        if finding.puts_back:
            changes["puts_back"] = True
        if finding.waiting is not None:
            changes["waiting"] = finding.waiting
        return dataclasses.replace(self, **changes) if changes else self  # type: ignore[arg-type]


def fingerprint(*parts: Value) -> str:
    """A short digest that is the same in every process for the same values; blanks at the ends do not count."""
    plain = [part.strip() if isinstance(part, str) else None if part is None else str(part) for part in parts]
    return hashlib.sha256(json.dumps(plain, ensure_ascii=True).encode()).hexdigest()[:16]


def listed(words: Iterable[str]) -> str:
    """Words as a sentence lists them: ``a, b and c``."""
    *head, last = [*words] or [""]
    return f"{', '.join(head)} and {last}" if head else last
