"""The sandbox's formula language: what a formula says of a record, and which formulas the org refuses to save."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.formula import FormulaError, RuntimeFault, Surroundings, parse
from connector.sandbox.salesforce.objects import objects_at_first

KINDS = {kind.name: kind for kind in objects_at_first(bare=False)}
TOYS = (
    Field("Parts__c", "multipicklist", 255, values=("Desk", "Flow")),
    Field("Where__c", "address"),  # type: ignore[arg-type]
    Field("Short__c", "textarea", 255),
    Field("RecordTypeId", "reference", 18, to=("RecordType",)),
)
DEAL = KINDS["Opportunity"].with_fields(TOYS)
RECORD_TYPE = ObjectType(
    "RecordType", "Record type", "012", (Field("DeveloperName", "string", 80),), system=DEAL.system
)
ACCOUNT, MANAGER, APPROVER, TYPE = "001HO0000000001AAA", "005HO0000000001AAA", "005HO0000000002AAA", "012HO0000000001"
OTHERS: dict[tuple[str, str], dict[str, Any]] = {
    ("Account", ACCOUNT): {"Id": ACCOUNT, "Name": "Acme", "Industry": "Healthcare", "OwnerId": MANAGER},
    ("User", MANAGER): {"Id": MANAGER, "Email": "victor@x.example", "ProfileId": "00e1", "IsActive": True},
    ("User", APPROVER): {"Id": APPROVER, "Email": "ruth@x.example", "ManagerId": MANAGER},
    ("Profile", "00e1"): {"Id": "00e1", "Name": "Sales"},
    ("RecordType", TYPE): {"Id": TYPE, "DeveloperName": "New_Business"},
}
RECORD: dict[str, Any] = {
    "Id": "006HO0000000001YAA",
    "Name": "Acme first",
    "StageName": "Closed Won",
    "Type": "Renewal",
    "Amount": 12_000.0,
    "Probability": 75,
    "CloseDate": "2026-11-30",
    "IsWon": True,
    "AccountId": ACCOUNT,
    "OwnerId": MANAGER,
    "Handoff_Override_Approver__c": APPROVER,
    "Handoff_Started_At__c": "2026-11-20T12:30:00.000+0000",
    "Handoff_Risks__c": "Plant 2\r\nis against it",
    "NextStep": "Call  12",
    "Parts__c": "Desk;Flow",
    "RecordTypeId": TYPE,
}
PRIOR = {**RECORD, "StageName": "Negotiation/Review", "Amount": 9_000.0, "Handoff_Risks__c": "Plant 2\nis against it"}
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def around(*, user: Mapping[str, Any] | None = None, permissions: tuple[str, ...] = ()) -> Surroundings:
    return Surroundings(
        user=user if user is not None else OTHERS["User", MANAGER],
        look=lambda name, id: OTHERS.get((name, id)),
        holds=lambda name: name in permissions,
        now=NOW,
    )


def find(name: str) -> ObjectType | None:
    return RECORD_TYPE if name == "RecordType" else KINDS.get(name)


def fires(text: str, *, new: bool = False, changes: Mapping[str, Any] | None = None, **more: Any) -> bool:
    formula = parse(text, DEAL, find=find)
    return formula.fires({**RECORD, **(changes or {})}, None if new else PRIOR, around=around(**more))


TRUE = [
    # literals, comments, operators and their order
    "TRUE",
    "true && !FALSE",
    "NOT FALSE /* a comment\n over lines */",
    'Name = "Acme first"',
    "Name = 'Acme first'",
    "1 + 2 * 3 = 7",
    "10 - 2 - 3 = 5",
    "2 * 3 ^ 2 = 36",
    "2 ^ 3 ^ 2 = 64",
    "-2 + 5 = 3",
    "7 / 2 = 3.5",
    "1 <> 2 && 1 != 2 && 2 == 2",
    "2 > 1 && 1 < 2 && 2 >= 2 && 2 <= 2",
    "FALSE && FALSE || TRUE",
    '"a" & "b" + "c" = "abc"',
    r'"say \"hi\"" = ' + "'say \"hi\"'",
    r"'it\'s' = " + '"it\'s"',
    'amount > 11999.99 && NAME = "Acme first"',
    # paths
    'Account.Industry = "Healthcare"',
    'Handoff_Override_Approver__r.Email = "ruth@x.example"',
    'Handoff_Override_Approver__r.Manager.Email = "victor@x.example"',
    'Owner:User.Email = "victor@x.example"',
    "Owner.Email = $User.Email",
    "OwnerId = $User.Id",
    "LEN(OwnerId) = 15",
    '$Profile.Name = "Sales"',
    "ISBLANK($UserRole.Name)",
    '$RecordType.DeveloperName = "New_Business"',
    'RecordType.DeveloperName = "New_Business"',
    "NOT($Permission.Bypass)",
    "Account.Owner.IsActive",
    # logic
    "AND(IsWon, OR(FALSE, TRUE), NOT(FALSE))",
    "IF(Amount > 1, TRUE, FALSE)",
    'CASE(Type, "New Business", 1, "Renewal", 2, 0) = 2',
    'CASE(Amount, 1, "a", 12000, "b", "c") = "b"',
    'CASE(TEXT(StageName), "Closed Won", "x", "") = "x"',
    # blanks
    "ISBLANK(Handoff_Go_Live_Date__c)",
    "ISBLANK(Handoff_Champion__c) && ISBLANK(Handoff_Use_Case__c) && ISBLANK(Handoff_CSM__c)",
    "NOT(ISBLANK(Amount))",
    "ISBLANK(TEXT(Handoff_Gate__c))",
    'ISPICKVAL(Handoff_Gate__c, "")',
    'TEXT(Handoff_Gate__c) = ""',
    'Handoff_Champion__c = ""',
    'Handoff_Champion__c <> "x"',
    "NOT(ISNULL(Handoff_Champion__c))",
    "ISNULL(Handoff_Percent__c)",
    "BLANKVALUE(Handoff_Percent__c, 7) = 7",
    'BLANKVALUE(Handoff_Champion__c, "x") = "x"',
    'NULLVALUE(Handoff_Champion__c, "x") = ""',
    "NOT(Handoff_Override__c)",
    "NOT(ISBLANK(Parts__c))",
    # picklists
    'ISPICKVAL(StageName, "Closed Won")',
    'NOT(ISPICKVAL(StageName, "closed won"))',
    'ISPICKVAL(PRIORVALUE(StageName), "Negotiation/Review")',
    'TEXT(PRIORVALUE(StageName)) = "Negotiation/Review"',
    'INCLUDES(Parts__c, "Flow")',
    # text
    'TEXT(Amount) = "12000"',
    'TEXT(CloseDate) = "2026-11-30"',
    'TEXT(Handoff_Started_At__c) = "2026-11-20 12:30:00Z"',
    'VALUE("12.50") = 12.5',
    'ISNUMBER("12.50") && NOT(ISNUMBER("12 50")) && NOT(ISNUMBER(Handoff_Champion__c))',
    'CONTAINS(Name, "first") && NOT(CONTAINS(Name, "First"))',
    'BEGINS(Name, "Acme") && BEGINS(Name, "")',
    "LEN(Name) = 10 && LEN(Handoff_Champion__c) = 0",
    'TRIM("  a ") = "a" && UPPER("a") = "A" && LOWER("A") = "a"',
    'LEFT("abcd", 2) = "ab" && RIGHT("abcd", 2) = "cd" && MID("abcd", 2, 2) = "bc"',
    'LEFT("abcd", 9) = "abcd" && RIGHT("abcd", 9) = "abcd" && RIGHT("abcd", 0) = ""',
    'SUBSTITUTE(NextStep, " ", "") = "Call12"',
    r'REGEX(NextStep, "[A-Za-z]+\\s+\\d{2}")',
    r'NOT(REGEX(NextStep, "Call"))',
    'REGEX(Handoff_Champion__c, "")',
    # dates
    "TODAY() = DATE(2026, 11, 22) && NOW() > Handoff_Started_At__c",
    "CloseDate - TODAY() = 8 && TODAY() + 8 = CloseDate && 8 + TODAY() = CloseDate",
    "CloseDate > TODAY()",
    'DATEVALUE("2026-11-30") = CloseDate',
    "DATEVALUE(Handoff_Started_At__c) = DATE(2026, 11, 20)",
    'DATETIMEVALUE("2026-11-20 12:30:00") = Handoff_Started_At__c',
    "Handoff_Started_At__c + 0.5 = DATETIMEVALUE('2026-11-21 00:30:00')",
    "NOW() - Handoff_Started_At__c = 1.875",
    "YEAR(CloseDate) = 2026 && MONTH(CloseDate) = 11 && DAY(CloseDate) = 30",
    # numbers
    "ABS(-3) = 3 && ROUND(2.5, 0) = 3 && ROUND(1.234, 2) = 1.23 && ROUND(1250, -2) = 1300",
    "MIN(3, 1, 2) = 1 && MAX(3, 1, 2) = 3 && MOD(7, 3) = 1 && MOD(-7, 3) = -1",
    "Probability = 0.75",
    # change
    "ISCHANGED(StageName) && ISCHANGED(Amount) && NOT(ISCHANGED(Name)) && NOT(ISCHANGED(Handoff_Risks__c))",
    "PRIORVALUE(Amount) = 9000",
    "NOT(ISNEW())",
]


@pytest.mark.parametrize("text", TRUE)
def test_it_is_true_of_the_record(text: str) -> None:
    assert fires(text)
    assert not fires(f"NOT({text})")


def test_a_path_over_a_missing_record_is_blank() -> None:
    for gone in (None, "001HO0000009999AAA"):
        assert fires('ISBLANK(Account.Industry) && Account.Industry = ""', changes={"AccountId": gone})
        assert fires("NOT(Account.Owner.IsActive)", changes={"AccountId": gone})


@pytest.mark.parametrize(
    "text",
    [
        "Handoff_Percent__c > 5",
        "NOT(Handoff_Percent__c > 5)",
        "Handoff_Percent__c = 5",
        "Handoff_Percent__c <> 5",
        "Handoff_Percent__c + 1 = 1",
        "Handoff_Go_Live_Date__c < TODAY()",
        "NOT(Handoff_Go_Live_Date__c < TODAY())",
        'NOT(CONTAINS(Handoff_Champion__c, "x"))',
        'CONTAINS(Handoff_Champion__c, "x")',
        "Amount = NULL",
        "IF(Handoff_Percent__c > 5, TRUE, FALSE)",
        "AND(TRUE, Handoff_Percent__c > 5)",
    ],
)
def test_what_comes_out_null_does_not_fire(text: str) -> None:
    assert not fires(text)


def test_null_is_skipped_by_or_and_false_to_if_and_and() -> None:
    assert fires("OR(Handoff_Percent__c > 5, TRUE)")
    assert fires("NOT(AND(TRUE, Handoff_Percent__c > 5))")
    assert fires("IF(Handoff_Percent__c > 5, FALSE, TRUE)")


def test_a_new_record_has_changed_nothing_and_its_prior_value_is_its_value() -> None:
    assert fires("ISNEW()", new=True)
    assert not fires("ISCHANGED(StageName)", new=True)
    assert fires('ISPICKVAL(PRIORVALUE(StageName), "Closed Won") && PRIORVALUE(Amount) = 12000', new=True)


def test_permissions_and_the_user_are_the_ones_who_save() -> None:
    assert fires("$Permission.Bypass", permissions=("Bypass",))
    assert not fires("$Permission.Bypass", permissions=("Other",))
    assert fires("ISBLANK($User.Email) && ISBLANK($Profile.Name)", user={})


def test_arguments_that_are_not_needed_are_not_looked_at() -> None:
    assert fires("OR(TRUE, 1 / 0 = 1)")
    assert fires("NOT(AND(FALSE, 1 / 0 = 1))")
    assert fires("IF(TRUE, TRUE, 1 / 0 = 1)")


@pytest.mark.parametrize("text", ["1 / 0 = 1", 'VALUE("x") = 1', "DATE(2026, 13, 1) = TODAY()", "10 ^ 9999999 = 1"])
def test_what_cannot_be_evaluated_is_a_fault(text: str) -> None:
    with pytest.raises(RuntimeFault):
        fires(text)


TYPES = "Expected Number, Date, DateTime, Picklist, received"
REFUSED = [
    ("Handoff_Nope__c = 1", "Field Handoff_Nope__c does not exist. Check spelling."),
    ("Account.Nope = 1", "Field Account.Nope does not exist. Check spelling."),
    ("AccountId.Name = 'x'", "Field AccountId.Name does not exist. Check spelling."),
    ("Handoff_CSM__c.Email = 'x'", "Field Handoff_CSM__c.Email does not exist. Check spelling."),
    ("Owner:Queue.Name = 'x'", "Queue is an invalid object type for the Owner field. Check spelling."),
    ("$User.Nope = 1", "Field $User.Nope does not exist. Check spelling."),
    ("$User.Name = 'x'", "Field $User.Name does not exist. Check spelling."),
    ("$Permission.Gone", "Field $Permission.Gone does not exist. Check spelling."),
    ("$Nope.X = 1", "Field $Nope.X does not exist. Check spelling."),
    ("RecordType.Nope = ''", "Field RecordType.Nope does not exist. Check spelling."),
    ("NOPE(1)", "Unknown function NOPE. Check spelling."),
    ("VLOOKUP(1)", "The sandbox does not evaluate VLOOKUP()."),
    # picklists only where a picklist may stand
    *(
        (text, "Field StageName is a picklist field. Picklist fields are only supported in certain functions.")
        for text in (
            "ISBLANK(StageName)",
            'StageName = "Closed Won"',
            'BEGINS(StageName, "Closed")',
            "ISBLANK(PRIORVALUE(StageName))",
            'CASE("x", "a", StageName, "b") = "a"',
            "StageName",
        )
    ),
    (
        'ISPICKVAL(Parts__c, "Desk")',
        "Field Parts__c is a multi-select picklist field. Multi-select picklist fields are only supported in certain",
    ),
    ('ISPICKVAL(Name, "x")', "Incorrect parameter type for function 'ISPICKVAL()'. Expected Picklist, received Text"),
    (
        "ISPICKVAL(StageName, Name)",
        "Incorrect parameter type for function 'ISPICKVAL()'. Expected Text Literal, received Text",
    ),
    (
        'INCLUDES(Parts__c, "Nope")',
        "Incorrect parameter for function INCLUDES(). Text Literal must be a valid value for this multi-select",
    ),
    # long text areas and compound fields
    *(
        (text, 'You referenced an unsupported field type called "Long Text Area" using the following field: ' + name)
        for text, name in (
            ("LEN(Handoff_Risks__c) > 5", "Handoff_Risks__c"),
            ("ISBLANK(PRIORVALUE(Handoff_Risks__c))", "Handoff_Risks__c"),
            ('CONTAINS(Handoff_Risks__c, "x")', "Handoff_Risks__c"),
            ('Handoff_Risks__c = ""', "Handoff_Risks__c"),
        )
    ),
    (
        "ISBLANK(Where__c)",
        'You referenced an unsupported field type called "Address" using the following field: Where__c',
    ),
    # types
    ("TEXT(Name) = 'x'", f"Incorrect parameter type for function 'TEXT()'. {TYPES} Text"),
    ("ISBLANK(IsWon)", "Incorrect argument type for function 'ISBLANK()'."),
    ("Amount = 'x'", "Incorrect parameter type for operator '='. Expected Number, received Text"),
    ("CloseDate > 5", "Incorrect parameter type for operator '>'. Expected Date, received Number"),
    ("IsWon > IsWon", "Incorrect parameter type for operator '>'. Expected Number, Date, DateTime, received Boolean"),
    ("CloseDate + CloseDate = 1", "Expected Number, Date, DateTime, received Date"),
    ("NOT(Name)", "Incorrect parameter type for function 'NOT()'. Expected Boolean, received Text"),
    ("AND(IsWon, 1)", "Incorrect parameter type for function 'AND()'. Expected Boolean, received Number"),
    ("IF(IsWon, 1, 'x') = 1", "Incorrect parameter type for function 'IF()'. Expected Number, received Text"),
    ("IF(IsWon, TRUE)", "Incorrect number of parameters for function 'IF()'. Expected 3, received 2"),
    ("LEN(Name, 2) = 1", "Incorrect number of parameters for function 'LEN()'. Expected 1, received 2"),
    ("ISCHANGED(Account.Name)", "The ISCHANGED function cannot reference the Account.Name field."),
    ("PRIORVALUE(Owner.Email) = 'x'", "The PRIORVALUE function cannot reference the Owner.Email field."),
    ("ISCHANGED('x')", "Incorrect argument type for function 'ISCHANGED()'."),
    ("Name", "Formula result is data type (Text), incompatible with expected data type (true or false)."),
    ("Amount", "Formula result is data type (Number), incompatible with expected data type (true or false)."),
    ('REGEX(Name, "(")', "Incorrect argument value for function 'REGEX()'"),
    # syntax
    ("AND(IsWon", "Syntax error.  Missing ')'"),
    ("IsWon)", "Syntax error. Extra ')'"),
    ("IsWon IsClosed", "Syntax error.  Found 'IsClosed'"),
    ("IsWon &&", "Syntax error"),
    ('"abc', "Syntax error.  Found '\"'"),
    ("", "Syntax error"),
    ("/* open", "Syntax error.  Found '/'"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_formula_the_org_does_not_save(text: str, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse(text, DEAL, find=find, permitted=lambda name: name != "Gone")
    assert words in caught.value.message


def test_a_fault_has_its_place() -> None:
    with pytest.raises(FormulaError) as caught:
        parse("AND(\n  IsWon,\n  Nope__c)", DEAL)
    assert (caught.value.line, caught.value.column) == (3, 3)


def test_the_source_has_two_limits() -> None:
    spaced = "TRUE" + " " * 3_896
    assert parse(spaced, DEAL).text == spaced
    with pytest.raises(FormulaError, match=r"Formula is too long \(3,901 characters\).  Maximum length is 3,900"):
        parse(spaced + " ", DEAL)
    with pytest.raises(FormulaError, match=r"Encoded formula is too long \(4,0\d\d characters\)"):
        parse(f'Name = "{"é" * 2_010}"', DEAL)


def test_what_compiles_too_big_is_refused_and_fields_behind_relationships_cost_more() -> None:
    near = parse("ISBLANK(Name)", DEAL)
    far = parse("ISBLANK(Handoff_Override_Approver__r.Manager.Email)", DEAL)
    assert far.size > near.size + 60
    many = [f"ISBLANK(Handoff_Override_Approver__r.Manager.Email{' ' * index})" for index in range(50)]
    with pytest.raises(FormulaError, match=r"Compiled formula is too big to execute \([56],\d{3} characters\)"):
        parse(f"OR({', '.join(many)})", DEAL)


def test_the_gate_of_a_required_field_is_far_from_the_limit() -> None:
    gate = (
        "AND(IsWon, OR(ISNEW(), ISCHANGED(StageName)), NOT($Permission.Handoff_Bypass), "
        "NOT(AND(Handoff_Override__c, NOT(ISBLANK(Handoff_Override_Reason__c)), "
        "Handoff_Override_Expires__c >= TODAY(), OR("
        'Handoff_Override_Approver__r.Email = "a@x.example", Handoff_Override_Approver__r.Email = "b@x.example"))), '
        'TEXT(Type) = "New Business", Amount >= 12000, ISBLANK(Handoff_Risks__c))'
    )
    assert 200 < parse(gate, DEAL).size < 1_500
