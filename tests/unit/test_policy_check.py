"""What `check` says of a CRM that does not fit: each mismatch alone, on top of a CRM that fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from connector.crm.port import (
    FieldSchema,
    ObjectSchema,
)
from connector.errors import Problem
from connector.handoff.model import Kind, Person, Stage, SystemName
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.handoff.rulebook.playbooks import Extras
from connector.policy.check import FITS, check
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import CHOICES
from connector.policy.load import load

ROOT = Path(__file__).parent.parent.parent
SF = SystemName("sf")
LOADED = load(ROOT / "mappings", {SF: "salesforce"})
POLICY, MAP = LOADED.policies[SF], LOADED.maps[SF]
WORDS = {
    FieldType.TEXT: "string",
    FieldType.LONG_TEXT: "textarea",
    FieldType.NUMBER: "double",
    FieldType.BOOL: "boolean",
    FieldType.DATE: "date",
    FieldType.DATETIME: "datetime",
    FieldType.CHOICE: "picklist",
    FieldType.PERSON: "reference",
    FieldType.REFERENCE: "reference",
}
STAGES = (
    Stage("Negotiation/Review", "Negotiation/Review", is_won=False, is_closed=False),
    Stage("Closed Won", "Closed Won", is_won=True, is_closed=True),
    Stage("Closed Lost", "Closed Lost", is_won=False, is_closed=True),
)
EMAILS = sorted(
    {
        *POLICY.override.approvers,
        POLICY.assignment.fallback,
        *(email for pool in POLICY.assignment.pools.values() for email in pool.members),
        *((POLICY.governance.owner,) if POLICY.governance else ()),
    }
)
PEOPLE = tuple(Person(f"005{n}", email, email.split("@")[0]) for n, email in enumerate(EMAILS))


def _fitting(crm_map: CrmMap) -> dict[Kind, ObjectSchema]:
    schemas = {}
    for kind in crm_map.objects:
        fields = {}
        for mapped in crm_map.of(kind):
            choices = tuple(mapped.to_vendor(one) for one in CHOICES.get(mapped.path, ()))
            if mapped.path == "type":
                choices = tuple(crm_map.deal_types)
            fields[mapped.field] = FieldSchema(
                mapped.field, mapped.label, WORDS[mapped.type], writable=True, max_length=0, choices=choices
            )
        schemas[kind] = ObjectSchema(kind, crm_map.objects[kind], fields)
    return schemas


def _with(kind: Kind, name: str, **changes: object) -> Mapping[Kind, ObjectSchema]:
    schemas = _fitting(MAP)
    old = schemas[kind]
    fields = {**old.fields, name: dataclasses.replace(old.fields[name], **changes)}  # type: ignore[arg-type]
    return {**schemas, kind: dataclasses.replace(old, fields=fields)}


def _check(
    schemas: Mapping[Kind, ObjectSchema] | None = None,
    stages: tuple[Stage, ...] = STAGES,
    people: tuple[Person, ...] = PEOPLE,
) -> tuple[Problem, ...]:
    return check(POLICY, MAP, schemas=schemas or _fitting(MAP), stages=stages, people=people)


def test_a_crm_that_fits_has_no_problems() -> None:
    assert _check() == ()


def test_a_missing_field_is_named_with_its_nearest_neighbour() -> None:
    schemas = _fitting(MAP)
    deal = schemas[Kind.DEAL]
    fields = {name.replace("Why_Bought", "Why_Bougt"): field for name, field in deal.fields.items()}
    (problem,) = _check({**schemas, Kind.DEAL: dataclasses.replace(deal, fields=fields)})
    assert str(problem) == (
        "salesforce.toml: fields.deal.why_bought: Opportunity.Handoff_Why_Bought__c does not exist or is hidden from "
        "this login; create it or grant read access; did you mean 'Handoff_Why_Bougt__c'?"
    )


@pytest.mark.parametrize(
    ("kind", "field", "changes", "key", "words"),
    [
        (Kind.DEAL, "Handoff_Gate__c", {"writable": False}, "fields.deal.gate", "grant edit access"),
        (Kind.ACCOUNT, "Handoff_CSM__c", {"type": "string"}, "fields.account.csm", "cannot hold a person"),
        (Kind.DEAL, "Handoff_Summary__c", {"max_length": 32768}, "fields.deal.summary", "131072 are needed"),
        (Kind.DEAL, "Handoff_Missing__c", {"max_length": 255}, "fields.deal.missing", "set max_chars = 255"),
        (Kind.TASK, "Handoff_Key__c", {"max_length": 40}, "fields.task.key", "80 are needed; use a longer field"),
        (Kind.DEAL, "Handoff_Gate__c", {"choices": ("Held", "Released")}, "fields.deal.gate", "lacks the value 'Over"),
        (
            Kind.TASK,
            "Status",
            {"choices": ("Not Started", "Done")},
            "fields.task.status",
            "lacks the value 'Completed'",
        ),
        (Kind.DEAL, "Type", {"choices": ("New Business", "Renewals", "Upsell")}, "deal_types.renewal", "'Renewals'?"),
    ],
)
def test_one_mismatch_is_one_problem(kind: Kind, field: str, changes: dict[str, object], key: str, words: str) -> None:
    (problem,) = _check(_with(kind, field, **changes))
    assert problem.key == key
    assert words in problem.message


def test_a_right_is_asked_for_only_where_the_owner_uses_it() -> None:
    # The gate is written again and again; a task's key once, when the task is made.
    (gate,) = _check(_with(Kind.DEAL, "Handoff_Gate__c", updateable=False))
    assert gate.key == "fields.deal.gate"
    assert _check(_with(Kind.TASK, "Handoff_Key__c", updateable=False)) == ()
    (key,) = _check(_with(Kind.TASK, "Handoff_Key__c", createable=False))
    assert "grant edit access" in key.message


def test_what_people_own_need_not_be_writable() -> None:
    assert _check(_with(Kind.DEAL, "Amount", writable=False)) == ()


def test_the_stage_a_revert_falls_back_to_must_be_open_and_there() -> None:
    told = _check(stages=STAGES[1:])
    assert [problem.key for problem in told] == ["stages.revert_to", "stages.before_close", "stages.pre_assign"]
    assert all("there is no stage 'Negotiation/Review'" in problem.message for problem in told)
    closed = dataclasses.replace(STAGES[0], is_closed=True)
    shut = _check(stages=(closed, *STAGES[1:]))
    assert len(shut) == 3
    assert all("is a closed stage" in problem.message for problem in shut)


def test_a_pipeline_without_a_won_stage_is_told() -> None:
    (problem,) = _check(stages=(STAGES[0], STAGES[2]))
    assert "no stage of the CRM is marked as won" in problem.message


def test_people_must_exist_and_be_active() -> None:
    without = tuple(person for person in PEOPLE if not person.email.startswith("dana"))
    left = tuple(
        dataclasses.replace(person, active=False) if person.email.startswith("maya") else person for person in without
    )
    told = _check(people=left)
    assert [problem.key for problem in told] == [
        "assignment.pools[enterprise].members",
        "assignment.fallback",
        "escalation.ladder[3].to",
        "red_flags.to",
    ]
    assert "maya.lindqvist@seller.example is not active" in told[0].message
    assert "no user of the CRM has the email dana.kowalski@seller.example" in told[1].message


def test_somebody_with_a_second_active_user_counts_as_active() -> None:
    old = dataclasses.replace(PEOPLE[0], id="005x", active=False)
    assert _check(people=(*PEOPLE, old)) == ()


def test_kinds_that_were_not_described_are_skipped() -> None:
    schemas = _fitting(MAP)
    assert _check({Kind.DEAL: schemas[Kind.DEAL]}) == ()


def test_every_type_has_vendor_words() -> None:
    assert set(FITS) == set(FieldType)


@pytest.mark.parametrize(("choices", "told"), [(("High", "Normal"), False), (("Urgent", "Normal"), True), ((), False)])
def test_a_priority_that_the_crm_lacks_is_told_where_a_step_asks_for_it(choices: tuple[str, ...], told: bool) -> None:
    book = POLICY.playbooks[0]
    tasks = tuple(dataclasses.replace(task, extras=Extras()) for task in book.tasks)
    plain = dataclasses.replace(POLICY, playbooks=(dataclasses.replace(book, tasks=tasks),))
    asked = dataclasses.replace(tasks[0], extras=Extras(priority="high"))
    policy = dataclasses.replace(POLICY, playbooks=(dataclasses.replace(book, tasks=(asked, *tasks[1:])),))
    schemas = _with(Kind.TASK, "Priority", choices=choices)
    found = check(policy, MAP, schemas=schemas, stages=STAGES, people=PEOPLE)
    words = "playbooks[five tasks].tasks[welcome-packet].priority: Priority has no value 'High' in salesforce"
    assert [words in str(problem) for problem in found] == [True] * told
    assert check(plain, MAP, schemas=schemas, stages=STAGES, people=PEOPLE) == ()


def test_a_person_s_own_words_for_an_outcome_need_not_be_in_the_crm() -> None:
    outcome = MappedField("meeting.outcome", Kind.MEETING, "Outcome__c", FieldType.CHOICE, FieldOwner.HUMAN, "Outcome")
    crm_map = dataclasses.replace(MAP, fields={**MAP.fields, outcome.path: outcome})
    schemas = _fitting(crm_map)
    meeting = schemas[Kind.MEETING]
    described = dataclasses.replace(meeting.fields["Outcome__c"], choices=("Held",))
    fields = {**meeting.fields, "Outcome__c": described}
    found = check(
        POLICY,
        crm_map,
        schemas={**schemas, Kind.MEETING: dataclasses.replace(meeting, fields=fields)},
        stages=STAGES,
        people=PEOPLE,
    )
    assert found == ()
