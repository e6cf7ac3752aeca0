"""Policies and snapshots for tests: believable by default, every part replaceable by name.

Not here: anything that talks to a CRM or a store. ``a_snapshot(deal={"amount": Decimal(5)})`` merges into the default
deal; a value of None empties that field. All ids are made of words so that a failing test can be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector.handoff.model import (
    CrmTask,
    DealType,
    HandoffKey,
    Kind,
    LedgerFacts,
    Load,
    Person,
    Record,
    Ref,
    Snapshot,
    Stage,
    SystemName,
    Value,
)
from connector.handoff.rulebook.calendars import Calendar, Clock, Limit, Window
from connector.handoff.rulebook.conditions import Condition, Op, Segment, Test
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import GateMode, GatePolicy, OverridePolicy, Requirement
from connector.handoff.rulebook.messages import NotifyPolicy, SummaryPolicy, SummarySection
from connector.handoff.rulebook.people import AssignmentPolicy, AssignmentRule, Method, Pool, Role
from connector.handoff.rulebook.playbooks import Playbook, PlaybookTask, Signal, SignalKind
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import Targets

SYSTEM = SystemName("sf-test")
DEAL_ID = "006A"
DEAL = Ref(Kind.DEAL, DEAL_ID)
ACCOUNT = Ref(Kind.ACCOUNT, "001A")

BASELINE = datetime(2026, 3, 1, tzinfo=UTC)
WON_AT = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
"""A Tuesday, ten in the morning where the team works."""
NOW = WON_AT + timedelta(minutes=5)

OPEN_STAGE = Stage("Negotiation", "Negotiation", is_won=False, is_closed=False, pipeline="default")
WON_STAGE = Stage("Closed Won", "Closed Won", is_won=True, is_closed=True, pipeline="default")
LOST_STAGE = Stage("Closed Lost", "Closed Lost", is_won=False, is_closed=True, pipeline="default")
STAGES = {stage.id: stage for stage in (OPEN_STAGE, WON_STAGE, LOST_STAGE)}

AE, MANAGER, MAYA, TOMAS, PRIYA, LENA, DANA = "u-ae", "u-manager", "u-maya", "u-tomas", "u-priya", "u-lena", "u-dana"

HANDOFF_FIELDS: dict[str, Value] = {
    "why_bought": "Support costs doubled in 2025 and the board asked for a plan by June.",
    "use_case": "One inbox for three service teams.",
    "success_criteria": "First answer in 2 hours by 1 June.",
    "champion": "Ingrid Holm, head of service",
}
SUMMARY_TEMPLATE = """\
HANDOFF: {{ account }}
{{ deal }} · {{ amount }} · {{ deal_type }} · {{ segment }} · won {{ won_on }}
CSM {{ csm }} · AE {{ ae }}
Gate: {{ gate }}{% if override_reason %} by {{ override_by }}: {{ override_reason }}{% endif %}

{% for section in sections %}

{{ section.title | upper }}
{% for row in section.rows %}
{{ row.label }}: {{ row.text }}
{% endfor %}
{% endfor %}
"""


def a_person(id: str, *, name: str, active: bool = True, manager_id: str | None = None) -> Person:
    """A CRM user whose email follows from the name."""
    email = f"{name.lower().replace(' ', '.')}@seller.example"
    return Person(id, email, name, active=active, manager_id=manager_id)


PEOPLE = {
    person.id: person
    for person in (
        a_person(AE, name="Ana Ek", manager_id=MANAGER),
        a_person(MANAGER, name="Victor Lang"),
        a_person(MAYA, name="Maya Lindqvist"),
        a_person(TOMAS, name="Tomas Reyes"),
        a_person(PRIYA, name="Priya Nair"),
        a_person(LENA, name="Lena Frost", active=False),
        a_person(DANA, name="Dana Kowalski"),
    )
}


def a_calendar(**changes: Any) -> Calendar:
    """Monday to Friday, nine to five in Berlin, no holidays."""
    windows = tuple(Window(weekday=day, start=9 * 60, end=17 * 60) for day in range(5))
    return dataclasses.replace(Calendar("office", "Europe/Berlin", windows, frozenset()), **changes)


def when(field: str, op: Op, operand: Any) -> Condition:
    """A condition with one test."""
    return Condition((Test(field, op, operand),))


def a_step(step: str, **changes: Any) -> PlaybookTask:
    """A playbook task of the CSM with eight business hours, completed by closing it."""
    plain = PlaybookTask(
        step=step,
        subject=step.replace("-", " ").capitalize() + ": {{ account }}",
        body="For {{ deal }}, won on {{ won_on }}.",
        owner=Role.CSM,
        limit=Limit(Decimal(8), Clock.BUSINESS),
        done_when=(Signal(SignalKind.TASK_CLOSED),),
    )
    return dataclasses.replace(plain, **changes)


def a_playbook(**changes: Any) -> Playbook:
    """Five tasks: welcome-packet (AE), setup-call, prepare, run-call (by field), check-in (AE, made when it is due)."""
    tasks = (
        a_step("welcome-packet", owner=Role.AE, limit=Limit(Decimal(2), Clock.BUSINESS), remind=True),
        a_step("setup-call", after="welcome-packet", limit=Limit(Decimal(24), Clock.WALL)),
        a_step("prepare", after="setup-call"),
        a_step("run-call", after="prepare", done_when=(Signal(SignalKind.FIELD_FILLED, "go_live_date"),)),
        a_step("check-in", owner=Role.AE, after="run-call", at_release=False),
    )
    return dataclasses.replace(Playbook("standard", Condition(), tasks), **changes)


def _field_rules() -> dict[str, FieldRule]:
    daemon = {
        "gate": FieldType.CHOICE,
        "status": FieldType.CHOICE,
        "percent": FieldType.NUMBER,
        "missing": FieldType.LONG_TEXT,
        "csm": FieldType.PERSON,
        "started_at": FieldType.DATETIME,
        "first_touch_at": FieldType.DATETIME,
        "summary": FieldType.LONG_TEXT,
        "metric_completion": FieldType.NUMBER,
        "metric_assign_minutes": FieldType.NUMBER,
        "metric_ttft_hours": FieldType.NUMBER,
        "account.csm": FieldType.PERSON,
    }
    human = {
        **dict.fromkeys(HANDOFF_FIELDS, FieldType.LONG_TEXT),
        "name": FieldType.TEXT,
        "stage": FieldType.CHOICE,
        "amount": FieldType.NUMBER,
        "owner": FieldType.PERSON,
        "risks": FieldType.LONG_TEXT,
        "go_live_date": FieldType.DATE,
        "override_requested": FieldType.BOOL,
        "override_reason": FieldType.TEXT,
        "override_approver": FieldType.PERSON,
        "override_expires": FieldType.DATE,
        "account.name": FieldType.TEXT,
        "account.industry": FieldType.TEXT,
    }
    owners = {**dict.fromkeys(daemon, FieldOwner.DAEMON), **dict.fromkeys(human, FieldOwner.HUMAN)}
    return {
        path: FieldRule(path, path.replace("_", " ").capitalize(), type_, owners[path])
        for path, type_ in {**daemon, **human}.items()
    }


def a_policy(**changes: Any) -> Policy:
    """Gate `revert` over four fields, two segments, pools with a cap of 50, the five-task playbook, all moments."""
    requirements = tuple(
        Requirement(field, why=f"CS needs {field}", advice="Name a number or a date.") for field in HANDOFF_FIELDS
    )
    csms = tuple(PEOPLE[id].email for id in (MAYA, TOMAS, PRIYA))
    plain = Policy(
        version="test",
        fields=_field_rules(),
        segments=(
            Segment("enterprise", when("amount", Op.AT_LEAST, Decimal(60000))),
            Segment("small", Condition()),
        ),
        gate=GatePolicy(GateMode.REVERT, (), requirements, {"default": "Negotiation"}),
        override=OverridePolicy((PEOPLE[MANAGER].email,), min_reason_chars=20, max_days=14),
        assignment=AssignmentPolicy(
            rules=(
                AssignmentRule("enterprise", when("segment", Op.IS, "enterprise"), "enterprise"),
                AssignmentRule("everyone", Condition(), "growth"),
            ),
            pools={
                "enterprise": Pool("enterprise", csms[:1], 50, Method.FEWEST_ACCOUNTS),
                "growth": Pool("growth", csms, 50, Method.ROUND_ROBIN),
            },
            fallback=PEOPLE[DANA].email,
        ),
        calendar=a_calendar(),
        playbooks=(a_playbook(),),
        summary=SummaryPolicy(
            SUMMARY_TEMPLATE,
            (
                SummarySection("Why they bought", ("why_bought", "use_case")),
                SummarySection("Success", ("success_criteria", "champion")),
                SummarySection("Risks", ("risks",)),
            ),
            max_chars=32_000,
        ),
        notify=NotifyPolicy(frozenset({"csm_assigned", "deal_held", "nobody_eligible", "deal_fought"})),
        targets=Targets(),
        rewin_window=timedelta(days=30),
    )
    return dataclasses.replace(plain, **changes)


def a_ledger(**changes: Any) -> LedgerFacts:
    """A ledger that acts on wins since `BASELINE` and knows nothing of the deal."""
    return dataclasses.replace(LedgerFacts(BASELINE), **changes)


def a_snapshot(
    *,
    deal: Mapping[str, Value] | None = None,
    account: Mapping[str, Value] | None = None,
    ledger: Mapping[str, Any] | None = None,
    with_account: bool = True,
    **changes: Any,
) -> Snapshot:
    """A deal won at `WON_AT` with all four handoff fields filled, and an account without a CSM.

    ``deal``, ``account`` and ``ledger`` are merged into the defaults; every other name replaces that part of the
    snapshot. ``with_account=False`` gives a deal without one.
    """
    # A CRM shows every field it may, empty ones as empty: what is not there at all is hidden from the connector.
    shown = dict.fromkeys(path for path in a_policy().fields if "." not in path)
    under = dict.fromkeys(path.removeprefix("account.") for path in a_policy().fields if path.startswith("account."))
    plain_deal = {"name": "Nordlys rollout", "amount": Decimal(18000), "owner": AE, **HANDOFF_FIELDS}
    deal_values = {**shown, **plain_deal, **(deal or {})}
    account_values = {**under, "name": "Nordlys AS", "industry": "energy", **(account or {})}
    plain = Snapshot(
        key=HandoffKey(SYSTEM, DEAL_ID),
        observed_at=NOW,
        deal=Record(DEAL, deal_values),
        stage=WON_STAGE,
        deal_type=DealType.NEW,
        ledger=a_ledger(**(ledger or {})),
        account=Record(ACCOUNT, account_values) if with_account else None,
        won_at=WON_AT,
        stage_before_win=OPEN_STAGE.id,
        people=PEOPLE,
        roster={MAYA: Load(10, 3), TOMAS: Load(12, 1), PRIYA: Load(8, 2)},
    )
    return dataclasses.replace(plain, **changes)


def a_gap() -> dict[str, Value]:
    """Deal values with one required field empty."""
    return {"champion": None}


def a_task(step: str, **changes: Any) -> CrmTask:
    """The CRM task of a playbook step of generation 1, open and owned by Maya."""
    plain = CrmTask(f"t-{step}", f"{SYSTEM}:{DEAL_ID}:1:{step}", step, MAYA, done=False)
    return dataclasses.replace(plain, **changes)
