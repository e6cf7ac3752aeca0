"""A mapping tried against one deal: what is told of a field and its value. Pure."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector.crm.port import FieldSchema, ObjectSchema
from connector.errors import Problem, UserError
from connector.handoff.model import Kind, Person, Record, Ref, Value
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.tried import Line, lines

ANA = Person("u1", "ana@seller.example", "Ana Ek")
GONE = Person("u2", "bo@seller.example", "Bo Ek", active=False)
TYPES = {
    "amount": FieldType.NUMBER,
    "owner": FieldType.PERSON,
    "acceptance": FieldType.CHOICE,
    "gate": FieldType.CHOICE,
    "hidden": FieldType.TEXT,
}


def tried(
    raw: dict[str, str], values: dict[str, Value], *only: str, found: tuple[Problem, ...] = ()
) -> dict[str, Line]:
    mapped = {
        name: MappedField(
            path=name,
            kind=Kind.DEAL,
            field=f"{name}__c",
            type=kind,
            owner=FieldOwner.DAEMON if name == "gate" else FieldOwner.HUMAN,
            label=name,
            values={"Accepted": "Ja", "Rejected": "Nein"} if name == "acceptance" else {},
        )
        for name, kind in TYPES.items()
    }
    schema = ObjectSchema(
        Kind.DEAL,
        "Opportunity",
        {
            f"{name}__c": FieldSchema(f"{name}__c", f"The {name}", "string", True, 0, (), updateable=name != "amount",
                                      createable=name != "amount")
            for name in TYPES
            if name != "hidden"
        },
    )  # fmt: skip
    record = Record(Ref(Kind.DEAL, "d"), values)
    made = lines(
        CrmMap("salesforce", {}, mapped),
        schemas={Kind.DEAL: schema, Kind.ACCOUNT: schema},
        raw={Kind.DEAL: {f"{name}__c": text for name, text in raw.items()}},
        records={Kind.DEAL: record},
        people={each.id: each for each in (ANA, GONE)},
        found=found,
        only=only,
    )
    return {each.path: each for each in made}


def test_a_value_is_shown_as_it_is_held_and_as_rules_see_it() -> None:
    found = tried({"amount": "8000.0", "owner": "u1"}, {"amount": Decimal("8000.0"), "owner": "u1"})
    assert (found["amount"].raw, found["amount"].becomes, found["amount"].may) == ("8000.0", "8000.0", "read")
    assert found["owner"].becomes == "Ana Ek <ana@seller.example>"
    assert found["gate"].may == "read, write (kept by the connector)"
    assert (found["hidden"].may, found["gate"].becomes) == ("hidden or not there", "(empty)")
    assert not any(each.trouble for each in found.values())


def test_what_is_wrong_with_a_value_is_told_beside_it() -> None:
    found = tried({"amount": "many", "owner": "u9", "acceptance": "Jaa"}, {"owner": "u9", "acceptance": "Jaa"})
    assert found["amount"].trouble == "'many' cannot be read as a number, so rules see it as empty"
    assert found["owner"].trouble.startswith("'u9' is nobody this login knows")
    assert found["acceptance"].trouble == "'Jaa' is not among the values that are translated; did you mean 'Ja'?"
    assert tried({"owner": "u2"}, {"owner": "u2"})["owner"].trouble == "Bo Ek is not active in the CRM"


def test_what_check_says_of_a_field_stands_beside_it() -> None:
    wrong = Problem("salesforce.toml", "fields.deal.gate", "lacks the value 'Held'")
    assert tried({}, {}, found=(wrong,))["gate"].trouble == "lacks the value 'Held'"


def test_a_name_that_is_not_mapped_is_told_with_the_nearest() -> None:
    assert list(tried({}, {}, "gate")) == ["gate"]
    with pytest.raises(UserError, match="is not mapped; did you mean 'amount'"):
        tried({}, {}, "amonut")
