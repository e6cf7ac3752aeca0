"""The native gate: which formula each requirement, condition, mode and override becomes, and what is left to people.

Not here: whether formulas and core agree on any deal (tests/property/test_provision_rules_properties.py).
"""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from factories import MANAGER, PEOPLE, WON_STAGE, a_policy, a_snapshot, when
from formulas import DESCRIBED, a_map, compiled, fires

from connector.crm.salesforce.provision.formula import compiled_size, text
from connector.crm.salesforce.provision.options import ByHand, Options, Part
from connector.crm.salesforce.provision.rules import override, validation_rules
from connector.crm.salesforce.provision.translate import NotNativeError, Translator
from connector.handoff.model import DealType, Kind, SystemName
from connector.handoff.rulebook.conditions import Condition, Op, Segment
from connector.handoff.rulebook.conditions import Test as Comparison
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.gate import GateMode, GateModeRule, OverridePolicy, Requirement
from connector.handoff.rulebook.policy import Policy
from connector.policy.conditions import SUITS
from connector.policy.crmmap import MappedField
from connector.policy.load import load

ROOT = Path(__file__).parent.parent.parent
TRANSITION = "IsWon, OR(ISNEW(), ISCHANGED(StageName)), NOT($Permission.Handoff_Gate_Bypass)"
PRIOR = {"StageName": "Negotiation", "IsWon": False}


def a_gate(*asks: Requirement, **changes: Any) -> Policy:
    policy = a_policy(override=OverridePolicy((), 10, 14))
    return dataclasses.replace(
        policy, gate=dataclasses.replace(policy.gate, requirements=asks, **({"exceptions": ()} | changes))
    )


def need(field: str, condition: Condition | None = None, why: str = "CS needs it.", advice: str = "") -> Requirement:
    return Requirement(field, why, advice, condition or Condition())


def rules(policy: Policy, **options: Any) -> Part:
    return validation_rules(a_map(), policy, Options(described=DESCRIBED, **options))


def formulas(part: Part) -> list[str]:
    return [one.text("errorConditionFormula") for one in part.components]


@pytest.mark.parametrize(
    ("field", "blank"),
    [
        ("champion", "ISBLANK(Handoff_Champion__c)"),
        ("why_bought", "ISBLANK(Handoff_Why_Bought__c)"),
        ("amount", "ISBLANK(Amount)"),
        ("go_live_date", "ISBLANK(Handoff_Go_Live_Date__c)"),
        ("type", "ISBLANK(TEXT(Type))"),
        ("override_requested", "NOT(Handoff_Override__c)"),
        ("owner", "ISBLANK(OwnerId)"),
        ("account.country", "ISBLANK(Account.BillingCountry)"),
    ],
)
def test_each_type_has_its_own_blank_test(field: str, blank: str) -> None:
    assert formulas(rules(a_gate(need(field)))) == [f"AND({TRANSITION}, {blank})"]


ENTERPRISE = "AND(NOT(ISBLANK(Amount)), Amount >= 60000)"


@pytest.mark.parametrize(
    ("field", "op", "operand", "formula"),
    [
        ("champion", Op.IS, " Ana ", 'LOWER(TRIM(Handoff_Champion__c)) = "ana"'),
        ("champion", Op.IS, 'a "b" \\ c', 'LOWER(TRIM(Handoff_Champion__c)) = "a \\"b\\" \\\\ c"'),
        ("champion", Op.IS_NOT, "Ana", 'NOT(LOWER(TRIM(Handoff_Champion__c)) = "ana")'),
        ("champion", Op.IN, ("A", "b"), 'CASE(LOWER(TRIM(Handoff_Champion__c)), "a", 1, "b", 1, 0) = 1'),
        (
            "champion",
            Op.CONTAINS,
            "An",
            'AND(NOT(ISBLANK(Handoff_Champion__c)), CONTAINS(LOWER(Handoff_Champion__c), "an"))',
        ),
        ("champion", Op.FILLED, True, "NOT(ISBLANK(Handoff_Champion__c))"),
        ("champion", Op.FILLED, False, "ISBLANK(Handoff_Champion__c)"),
        ("why_bought", Op.FILLED, True, "NOT(ISBLANK(Handoff_Why_Bought__c))"),
        ("type", Op.IS, "Renewal", 'LOWER(TRIM(TEXT(Type))) = "renewal"'),
        ("amount", Op.AT_LEAST, Decimal("60000"), ENTERPRISE),
        ("amount", Op.LESS_THAN, Decimal("0.5"), "AND(NOT(ISBLANK(Amount)), Amount < 0.5)"),
        ("amount", Op.IS_NOT, Decimal("1E+3"), "NOT(AND(NOT(ISBLANK(Amount)), Amount = 1000))"),
        ("probability", Op.MORE_THAN, Decimal(50), "AND(NOT(ISBLANK(Probability)), Probability * 100 > 50)"),
        ("close_date", Op.AT_MOST, date(2026, 12, 24), "AND(NOT(ISBLANK(CloseDate)), CloseDate <= DATE(2026, 12, 24))"),
        (
            "changed",
            Op.AT_LEAST,
            date(2026, 1, 2),
            "AND(NOT(ISBLANK(LastStageChangeDate)), DATEVALUE(LastStageChangeDate) >= DATE(2026, 1, 2))",
        ),
        ("override_requested", Op.IS, False, "NOT(Handoff_Override__c)"),
        ("account.industry", Op.IS, "Energy", 'LOWER(TRIM(TEXT(Account.Industry))) = "energy"'),
        ("account.employees", Op.FILLED, True, "NOT(ISBLANK(Account.NumberOfEmployees))"),
        ("segment", Op.IS, "enterprise", ENTERPRISE),
        ("segment", Op.IS, "small", f"NOT({ENTERPRISE})"),
        ("segment", Op.IN, ("enterprise", "small"), "TRUE"),
        ("deal_type", Op.IS, "renewal", 'ISPICKVAL(Type, "Renewal")'),
        ("deal_type", Op.IS, "new", 'NOT(OR(ISPICKVAL(Type, "Renewal"), ISPICKVAL(Type, "Upsell")))'),
        ("deal_type", Op.NOT_IN, ("new",), 'OR(ISPICKVAL(Type, "Renewal"), ISPICKVAL(Type, "Upsell"))'),
    ],
)
def test_the_table_of_conditions(field: str, op: Op, operand: Any, formula: str) -> None:
    described = DESCRIBED | {"Account.Industry": "picklist"}
    translator = Translator(a_policy(), a_map(), described)
    assert text(translator.condition(when(field, op, operand))) == formula


def test_every_comparison_a_policy_may_make_has_its_row() -> None:
    """What the policy's own table allows can be said, but for the words of a long text."""
    one_of = {
        FieldType.TEXT: ("champion", "x"),
        FieldType.NUMBER: ("amount", Decimal(1)),
        FieldType.BOOL: ("override_requested", True),
        FieldType.DATE: ("close_date", date(2026, 1, 1)),
        FieldType.DATETIME: ("changed", date(2026, 1, 1)),
        FieldType.CHOICE: ("type", "x"),
        FieldType.PERSON: ("owner", "x"),
        FieldType.REFERENCE: ("account", "x"),
        FieldType.LONG_TEXT: ("why_bought", "x"),
    }
    unsaid = set()
    for kind, ops in SUITS.items():
        field, operand = one_of[kind]
        for op in ops:
            value = (operand,) if op in (Op.IN, Op.NOT_IN) else True if op is Op.FILLED else operand
            try:
                compiled(text(Translator(a_policy(), a_map()).test(Comparison(field, op, value))))
            except NotNativeError:
                unsaid.add((kind, op))
    assert unsaid == {(FieldType.LONG_TEXT, Op.CONTAINS)}


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (when("why_bought", Op.CONTAINS, "price"), "long text"),
        (when("account.about", Op.FILLED, True), "no formula reaches"),
        (when("source", Op.IS, "Web"), "multi-select"),
    ],
)
def test_what_no_formula_says_is_told_and_not_dropped(condition: Condition, says: str) -> None:
    described = DESCRIBED | {"Opportunity.LeadSource": "multipicklist"}
    made = validation_rules(a_map(), a_gate(need("champion", condition), need("amount")), Options(described=described))
    assert [one.name for one in made.components] == ["Opportunity.Handoff_Req_Amount"]
    (left,) = made.by_hand
    assert left.name == "Native gate for Champion"
    assert says in left.why


@pytest.mark.parametrize(
    ("mode", "exceptions", "condition"),
    [
        (GateMode.OFF, (), None),
        (GateMode.WARN, (), None),
        (GateMode.HOLD, (), ""),
        (GateMode.REVERT, (), ""),
        (GateMode.REVERT, (GateModeRule(GateMode.WARN, when("segment", Op.IS, "enterprise")),), f"NOT({ENTERPRISE}), "),
        (
            GateMode.OFF,
            (GateModeRule(GateMode.HOLD, when("segment", Op.IS, "enterprise")),),
            "NOT(ISBLANK(Amount)), Amount >= 60000, ",
        ),
        (GateMode.HOLD, (GateModeRule(GateMode.REVERT, when("segment", Op.IS, "enterprise")),), ""),
    ],
)
def test_only_a_mode_that_stops_a_win_has_rules(
    mode: GateMode, exceptions: tuple[GateModeRule, ...], condition: str | None
) -> None:
    found = formulas(rules(a_gate(need("amount"), mode=mode, exceptions=exceptions)))
    assert found == ([] if condition is None else [f"AND({TRANSITION}, {condition}ISBLANK(Amount))"])


def test_a_gate_that_only_warns_says_so() -> None:
    (left,) = rules(a_gate(need("amount"), mode=GateMode.WARN)).by_hand
    assert "warn" in left.why
    assert rules(a_gate(need("amount"), mode=GateMode.OFF)).by_hand == ()


def test_a_type_of_deal_that_gets_no_handoff_is_not_stopped() -> None:
    policy = dataclasses.replace(a_gate(need("amount")), deal_types=(DealType.NEW, DealType.UPSELL))
    assert formulas(rules(policy)) == [f'AND({TRANSITION}, NOT(ISPICKVAL(Type, "Renewal")), ISBLANK(Amount))']


def test_the_override_arm() -> None:
    policy = a_policy(override=OverridePolicy(("Victor.Lang@seller.example",), 20, 14))
    assert text(override(Translator(policy, a_map(), DESCRIBED))) == (
        "AND(Handoff_Override__c, NOT(ISBLANK(Handoff_Override_Reason__c)), "
        "LEN(TRIM(Handoff_Override_Reason__c)) >= 20, NOT(ISBLANK(Handoff_Override_Approver__c)), "
        "Handoff_Override_Approver__r.IsActive, "
        'CONTAINS(" victor.lang@seller.example ", " " & LOWER(Handoff_Override_Approver__r.Email) & " "), '
        "NOT(ISBLANK(Handoff_Override_Expires__c)), Handoff_Override_Expires__c >= TODAY(), "
        "Handoff_Override_Expires__c <= TODAY() + 14)"
    )


def test_a_long_reason_is_only_asked_to_be_there() -> None:
    described = DESCRIBED | {"Opportunity.Handoff_Override_Reason__c": "textarea"}
    arm = text(override(Translator(a_policy(), a_map(), described)))
    assert "LEN(" not in arm
    assert "NOT(ISBLANK(Handoff_Override_Reason__c))" in arm


def test_without_the_fields_of_an_override_there_is_none() -> None:
    the_map = a_map()
    fields = {path: one for path, one in the_map.fields.items() if path != "override_expires"}
    policy = dataclasses.replace(a_gate(need("amount")), override=OverridePolicy(("a@b.example",), 1, 1))
    (made,) = validation_rules(dataclasses.replace(the_map, fields=fields), policy, Options()).components
    assert made.text("errorConditionFormula") == f"AND({TRANSITION}, ISBLANK(Amount))"
    assert "Tick" not in made.text("errorMessage")


def test_more_approvers_than_a_formula_holds_are_left_to_the_connector() -> None:
    many = tuple(f"somebody.with.a.long.name.{number}@seller.example" for number in range(80))
    policy = dataclasses.replace(a_gate(need("amount")), override=OverridePolicy(many, 10, 14))
    made = rules(policy)
    assert "IsActive" in made.components[0].text("errorConditionFormula")
    assert "Email" not in made.components[0].text("errorConditionFormula")
    assert [one.name for one in made.by_hand] == ["The approver's name for Amount"]


def test_a_long_list_makes_several_rules_that_act_as_one() -> None:
    countries = tuple(f"Country number {number}" for number in range(150))
    made = rules(a_gate(need("amount", when("account.country", Op.IN, countries))))
    names = [one.name.removeprefix("Opportunity.") for one in made.components]
    assert names[:2] == ["Handoff_Req_Amount", "Handoff_Req_Amount_2"]
    assert len(names) > 2
    assert f"Part 2 of {len(names)}" in made.components[1].text("description")
    for country, stopped in (("Country number 0", True), ("country NUMBER 149", True), ("Elsewhere", False)):
        deal = a_snapshot(deal={"amount": None}, account={"country": country})
        assert sum(fires(formula, deal) for formula in formulas(made)) == stopped


def test_a_list_that_cannot_be_cut_is_left_to_the_connector() -> None:
    countries = tuple(f"Country number {number}" for number in range(150))
    made = rules(a_gate(need("amount", when("account.country", Op.NOT_IN, countries))))
    assert made.components == ()
    assert "too long" in made.by_hand[0].why


def test_one_rule_per_field_with_a_name_of_its_own() -> None:
    named = [
        need("champion", when("segment", Op.IS, "small")),
        need("champion", when("deal_type", Op.IS, "renewal")),
        need("champion", when("amount", Op.FILLED, False), why="Another reason."),
        need("amount"),
        need("account.country"),
    ]
    made = rules(a_gate(*named))
    names = [one.name.removeprefix("Opportunity.") for one in made.components]
    assert len(names) == 4
    assert len({name.lower() for name in names}) == 4
    assert sorted(names)[:2] == ["Handoff_Req_Account_Country", "Handoff_Req_Amount"]
    # The order of the file does not name them.
    assert {one.name for one in rules(a_gate(*reversed(named))).components} == {one.name for one in made.components}


def test_a_long_name_and_a_long_message_are_cut() -> None:
    path = "the_very_long_name_of_a_field_that_somebody_made_up"
    label = "A label that goes on and on " * 5
    mapped = MappedField(path, Kind.DEAL, "Long__c", FieldType.TEXT, a_map().fields["champion"].owner, label)
    policy = a_policy(
        gate=dataclasses.replace(a_policy().gate, requirements=(need(path, why="Because. " * 60, advice="Do. " * 60),))
    )
    (made,) = validation_rules(a_map(mapped), policy, Options()).components
    assert len(made.name.removeprefix("Opportunity.")) <= 37
    assert "__" not in made.name
    assert not made.name.endswith("_")
    message = made.text("errorMessage")
    assert len(message) <= 255
    assert "missing for the handoff" not in message or message.startswith("A label")
    assert 'Tick "Override requested"' in message
    assert len(made.text("description")) <= 255


def test_the_message_says_what_why_how_and_the_way_out() -> None:
    policy = dataclasses.replace(
        a_gate(need("champion", advice="Name and role.")), override=OverridePolicy(("a@b.example",), 1, 1)
    )
    (made,) = rules(policy).components
    assert made.text("errorMessage") == (
        "Champion is missing for the handoff. CS needs it. Name and role. "
        'Cannot wait? Tick "Override requested" with reason, approver and expiry date.'
    )
    assert made.text("errorDisplayField") == "Handoff_Champion__c"
    assert made.text("active") == "true"


def test_another_records_field_is_shown_at_the_top() -> None:
    (made,) = rules(a_gate(need("account.country"))).components
    assert made.text("errorDisplayField") == ""


def test_deals_that_are_no_opportunities_have_no_native_gate() -> None:
    the_map = dataclasses.replace(a_map(), objects={Kind.DEAL: "Deal__c"})
    made = validation_rules(the_map, a_gate(need("amount")), Options())
    assert made.components == ()
    assert isinstance(made.by_hand[0], ByHand)


@pytest.mark.parametrize(
    ("prior", "won", "bypass", "stopped"),
    [
        (None, True, False, True),
        (PRIOR, True, False, True),
        ({"StageName": WON_STAGE.id, "IsWon": True}, True, False, False),
        (PRIOR, False, False, False),
        (PRIOR, True, True, False),
    ],
    ids=["made as won", "moved to won", "was won before", "not won", "with the permission"],
)
def test_a_rule_stops_only_the_step_into_a_won_stage(
    prior: dict[str, object] | None, won: bool, bypass: bool, stopped: bool
) -> None:
    (formula,) = formulas(rules(a_gate(need("champion"))))
    deal = a_snapshot(deal={"champion": None}, stage=dataclasses.replace(WON_STAGE, is_won=won))
    assert fires(formula, deal, prior=prior, bypass=bypass) is stopped


def test_a_field_that_is_named_like_a_part_of_another_rule_has_a_name_of_its_own() -> None:
    text_field = dataclasses.replace(a_map().fields["champion"], path="risks_2", field="Handoff_Risks_2__c")
    words = Comparison("champion", Op.IN, tuple(f"value number {number} with words" for number in range(180)))
    policy = a_gate(need("risks", Condition((words,))), need("risks_2"))
    names = [one.name for one in validation_rules(a_map(text_field), policy, Options()).components]
    assert "Opportunity.Handoff_Req_Risks_2" in names, "the first is cut into parts"
    assert len({name.lower() for name in names}) == len(names)


SIGNED = 'Won "and" signed'


@pytest.mark.parametrize(
    ("prior", "stopped"),
    [
        (None, True),
        (PRIOR, True),
        ({"StageName": SIGNED, "IsWon": True}, False),
        ({"StageName": WON_STAGE.id, "IsWon": True}, False),
    ],
    ids=["made as won", "moved to won", "moved on from another won stage", "was won before"],
)
def test_the_step_from_one_won_stage_to_another_is_no_win(prior: dict[str, object] | None, stopped: bool) -> None:
    (formula,) = formulas(rules(a_gate(need("champion")), won_stages=(WON_STAGE.id, SIGNED)))
    assert fires(formula, a_snapshot(deal={"champion": None}, stage=WON_STAGE), prior=prior) is stopped


def test_where_one_stage_alone_is_won_it_is_not_named() -> None:
    assert formulas(rules(a_gate(need("champion")), won_stages=(WON_STAGE.id,))) == formulas(
        rules(a_gate(need("champion")))
    )


def test_the_shipped_policy_gives_eleven_rules_that_an_org_takes() -> None:
    loaded = load(ROOT / "mappings", {SystemName("sf"): "salesforce"})
    made = validation_rules(loaded.maps[SystemName("sf")], loaded.policies[SystemName("sf")], Options())
    assert len(made.components) == 11
    assert made.by_hand == ()
    for formula in formulas(made):
        assert compiled(formula).size < 2_000


def test_a_segment_may_stand_on_the_account() -> None:
    policy = dataclasses.replace(
        a_gate(need("amount", when("segment", Op.IS, "home"))),
        segments=(Segment("home", when("account.country", Op.IS, "Norway")), Segment("rest", Condition())),
    )
    made = formulas(rules(policy))
    assert fires(made[0], a_snapshot(deal={"amount": None}, account={"country": "Norway"}))
    assert not fires(made[0], a_snapshot(deal={"amount": None}, with_account=False))


def test_an_approver_must_be_on_the_list_and_active() -> None:
    policy = a_policy()
    translator = Translator(policy, a_map(), DESCRIBED)
    arm = override(translator)
    valid = {
        "override_requested": True,
        "override_reason": "the customer starts on Monday",
        "override_approver": MANAGER,
        "override_expires": date(2026, 3, 10),
    }
    assert fires(arm, a_snapshot(deal=valid))
    gone = {**PEOPLE, MANAGER: dataclasses.replace(PEOPLE[MANAGER], active=False)}
    assert not fires(arm, a_snapshot(deal=valid, people=gone))
    assert not fires(arm, a_snapshot(deal={**valid, "override_reason": "short"}))
    # Part of an address, and none at all, are nobody's.
    for email in ("lang@seller.example", "victor.lang@seller", ""):
        somebody = {**PEOPLE, MANAGER: dataclasses.replace(PEOPLE[MANAGER], email=email)}
        assert not fires(arm, a_snapshot(deal=valid, people=somebody))
    assert compiled_size(arm) >= compiled(text(arm)).size
