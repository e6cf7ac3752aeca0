"""The mappings that ship: they load, they say what the process asks for, and their schemas are up to date."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from connector.handoff.model import DealType, Gate, Kind, Status, SystemName
from connector.handoff.rulebook.calendars import Clock
from connector.handoff.rulebook.conditions import Condition, Op
from connector.handoff.rulebook.conditions import Test as Comparison
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.people import Method, Role
from connector.handoff.rulebook.policy import Policy
from connector.handoff.summary import SUMMARY_NAMES
from connector.handoff.text import NAMES, unknown_names
from connector.policy.conditions import SUITS
from connector.policy.known import CHOICES, KNOWN
from connector.policy.load import OPTIONAL, Loaded, load
from connector.policy.maps import MAPPED_KINDS
from connector.policy.schemas import schema_texts

ROOT = Path(__file__).parent.parent.parent
SF, HS = SystemName("sf"), SystemName("hs")
EVERY = {"success_criteria", "champion"}
NEW = EVERY | {"why_bought", "use_case", "commitments"}
MID = NEW | {"risks", "competition"}
ENTERPRISE = MID | {"economic_buyer", "stakeholders", "champion_stake", "go_live_date"}


@pytest.fixture(scope="module")
def shipped() -> Loaded:
    return load(ROOT / "mappings", {SF: "salesforce", HS: "hubspot"})


def _required(policy: Policy, *, segment: str, deal_type: str) -> set[str]:
    facts = {"segment": segment, "deal_type": deal_type}

    def holds(condition: Condition) -> bool:
        return all(
            facts[test.field] in test.operand if isinstance(test.operand, tuple) else facts[test.field] == test.operand
            for test in condition.tests
        )

    return {one.field for one in policy.gate.requirements if holds(one.when)}


@pytest.mark.parametrize("system", [SF, HS])
@pytest.mark.parametrize(
    ("segment", "deal_type", "fields"),
    [
        ("small", "new", NEW),
        ("mid", "new", MID),
        ("enterprise", "new", ENTERPRISE),
        ("enterprise", "renewal", EVERY),
        ("small", "upsell", EVERY),
    ],
)
def test_the_gate_asks_for_the_fields_of_the_segment(
    shipped: Loaded, system: SystemName, segment: str, deal_type: str, fields: set[str]
) -> None:
    assert _required(shipped.policies[system], segment=segment, deal_type=deal_type) == fields
    assert shipped.policies[system].gate.mode is GateMode.REVERT


def test_segments_go_by_amount(shipped: Loaded) -> None:
    found = [(one.name, one.when.tests) for one in shipped.policies[SF].segments]
    assert found == [
        ("enterprise", (Comparison("amount", Op.AT_LEAST, Decimal(60000)),)),
        ("mid", (Comparison("amount", Op.AT_LEAST, Decimal(12000)),)),
        ("small", ()),
    ]


def test_pools_override_and_fallback(shipped: Loaded) -> None:
    policy = shipped.policies[HS]
    assert {name: (pool.cap, pool.method) for name, pool in policy.assignment.pools.items()} == {
        "enterprise": (25, Method.FEWEST_ACCOUNTS),
        "mid": (40, Method.ROUND_ROBIN),
        "small": (50, Method.ROUND_ROBIN),
    }
    assert policy.assignment.fallback == "dana.kowalski@seller.example"
    assert policy.override.approvers == ("victor.lang@seller.example", "ruth.adeyemi@seller.example")
    assert (policy.override.min_reason_chars, policy.override.max_days) == (15, 14)


def test_five_tasks_for_new_and_two_for_renewals_and_upsells(shipped: Loaded) -> None:
    five, light = shipped.policies[SF].playbooks
    assert [(task.subject.split(":")[0], task.owner, task.limit.hours) for task in five.tasks] == [
        ("Send welcome packet", Role.AE, Decimal(2)),
        ("Schedule setup call", Role.CSM, Decimal(8)),
        ("Prepare account", Role.CSM, Decimal(8)),
        ("Run setup call", Role.CSM, Decimal(8)),
        ("Check in after setup", Role.AE, Decimal(16)),
    ]
    assert all(task.at_release and task.limit.clock is Clock.BUSINESS for task in five.tasks)
    assert [task.step for task in five.tasks if task.remind] == ["schedule-setup-call"]
    assert [task.subject for task in light.tasks] == [
        "Review what changes: {{ account }}",
        "Check in after the change: {{ account }}",
    ]
    assert light.when.tests == (Comparison("deal_type", Op.IN, ("renewal", "upsell")),)


def test_a_working_day_is_as_long_as_the_calendar_says(shipped: Loaded) -> None:
    calendar = shipped.policies[SF].calendar
    assert calendar.tz == "America/New_York"
    assert [(window.weekday, window.start, window.end) for window in calendar.windows] == [
        (day, 540, 1020) for day in range(5)
    ]
    assert date(2026, 11, 26) in calendar.holidays
    assert date(2026, 11, 25) not in calendar.holidays


def test_each_crm_has_its_own_stages_and_limits(shipped: Loaded) -> None:
    assert shipped.policies[SF].gate.revert_to == {"": "Negotiation/Review"}
    assert shipped.policies[HS].gate.revert_to == {"default": "contractsent", "8801001": "880100102"}
    room = {name: (one.summary.max_chars, one.summary.note_chars) for name, one in shipped.policies.items()}
    assert room == {SF: (131_072, 32_000), HS: (65_536, 65_536)}
    assert [shipped.policies[name].summary.markup for name in (SF, HS)] == [False, True]
    assert shipped.maps[HS].deal_type("existingbusiness") is DealType.UPSELL
    assert shipped.maps[SF].deal_type(None) is DealType.NEW


def test_the_map_names_fields_both_ways(shipped: Loaded) -> None:
    field = shipped.maps[SF].get(Kind.ACCOUNT, "csm")
    assert field is not None
    assert (field.field, field.type, field.owner, field.name) == (
        "Handoff_CSM__c",
        FieldType.PERSON,
        FieldOwner.DAEMON,
        "csm",
    )
    status = shipped.maps[HS].fields["task.status"]
    assert status.to_vendor("done") == "COMPLETED"
    assert status.from_vendor("NOT_STARTED") == "open"
    assert shipped.maps[HS].get(Kind.NOTE, "no-such-field") is None


def test_templates_use_only_words_the_core_fills(shipped: Loaded) -> None:
    policy = shipped.policies[SF]
    assert unknown_names(policy.summary.template, SUMMARY_NAMES) == ()
    assert set(policy.notify.texts) == policy.notify.moments
    for moment, text in policy.notify.texts.items():
        assert unknown_names(text, NAMES | OPTIONAL.get(moment, frozenset())) == ()


def test_a_version_names_the_content(shipped: Loaded) -> None:
    again = load(ROOT / "mappings", {SF: "salesforce"})
    assert again.policies[SF].version == shipped.policies[SF].version
    assert again.policies[SF] == shipped.policies[SF]
    assert shipped.policies[SF].version != shipped.policies[HS].version


@pytest.mark.parametrize("name", sorted(schema_texts()))
def test_exported_schemas_are_up_to_date(name: str) -> None:
    file = ROOT / "mappings" / "schemas" / name
    assert file.read_text(encoding="utf-8") == schema_texts()[name], "run: python -m connector.policy.schemas"


@pytest.mark.parametrize("file", ["salesforce", "hubspot", "process", "playbook", "quality", "product"])
def test_every_file_teaches_and_names_its_schema(file: str) -> None:
    lines = (ROOT / "mappings" / f"{file}.toml").read_text(encoding="utf-8").splitlines()
    schema = lines[0].removeprefix("#:schema ")
    assert (ROOT / "mappings" / schema).is_file()
    assert sum(line.startswith("#") for line in lines[:12]) >= 8


def test_words_for_choices_are_the_core_s() -> None:
    assert set(CHOICES["gate"]) == {gate.value for gate in Gate}
    assert CHOICES["status"] == tuple(status.value for status in Status)


def test_tables_are_complete() -> None:
    assert set(SUITS) == set(FieldType)
    assert set(KNOWN) == set(MAPPED_KINDS)
