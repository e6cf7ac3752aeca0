"""Who is who at the customer: marks of what is assumed and what the AE confirmed, and the map of roles."""

from __future__ import annotations

import dataclasses

import pytest
from factories import a_policy, a_snapshot
from tinyworld import World

from connector.handoff.model import Contact, Value
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType, Prefill
from connector.handoff.rulebook.messages import SummarySection
from connector.handoff.rulebook.policy import Policy

INGRID = Contact("c2", "Ingrid Holm", "Head of service", "ingrid@nordlys.example", ("champion",), primary=True)
ODD = Contact("c1", "Odd Berg", "CFO", "odd@nordlys.example", ("economic_buyer",))
KARI = Contact("c0", "Kari Lund", "", "", ("IT admin",))
PER = Contact("c9", "Per Li", "", "", ())
ROW = "{{ row.label }}{% if row.mark %} [{{ row.mark }}]{% endif %}: {{ row.text }}"
TEMPLATE = f"{{% for section in sections %}}\n{{{{ section.title }}}}\n{{% for row in section.rows %}}\n{ROW}\n"
TEMPLATE += "{% endfor %}\n{% endfor %}"


def a_book(*fields: str) -> Policy:
    policy = a_policy()
    more = {
        name: FieldRule(name, name.replace("_", " ").capitalize(), FieldType.LONG_TEXT, FieldOwner.HUMAN)
        for name in ("economic_buyer", "stakeholders")
    }
    summary = dataclasses.replace(policy.summary, template=TEMPLATE, sections=(SummarySection("Who", fields),))
    return dataclasses.replace(policy, summary=summary, fields={**policy.fields, **more})


def written(policy: Policy, **changes: object) -> list[str]:
    world = World(a_snapshot(**changes), policy=policy)  # type: ignore[arg-type]
    world.run()
    return world.text("summary").splitlines()


def test_the_map_names_champion_and_buyer_first_and_those_without_a_role_last() -> None:
    lines = written(a_book("contacts"), contacts=(KARI, ODD, PER, INGRID))
    assert lines[1:5] == [
        "Champion [CONFIRMED]: Ingrid Holm, Head of service, ingrid@nordlys.example",
        "Economic buyer [ASSUMED]: Odd Berg, CFO, odd@nordlys.example",
        "It admin [ASSUMED]: Kari Lund",
        "Contact [ASSUMED]: Per Li",
    ]


@pytest.mark.parametrize(
    ("said", "mark"),
    [
        ("Odd Berg, CFO", "CONFIRMED"),
        ("write to ODD@nordlys.example", "CONFIRMED"),
        ("Bergen office decides", "ASSUMED"),
        ("", "ASSUMED"),
    ],
)
def test_an_answer_that_names_somebody_confirms_them(said: str, mark: str) -> None:
    lines = written(a_book("contacts"), contacts=(ODD,), deal={"stakeholders": said or None})
    assert lines[1].startswith(f"Economic buyer [{mark}]")


def test_an_empty_answer_is_assumed_from_the_role_until_the_ae_gives_it() -> None:
    policy = a_book("economic_buyer", "champion", "amount")
    lines = written(policy, contacts=(ODD,), deal={"economic_buyer": None})
    assert lines[1] == "Economic buyer [ASSUMED]: Odd Berg, CFO, odd@nordlys.example"
    assert lines[2] == "Champion [CONFIRMED]: Ingrid Holm, head of service"
    assert lines[3] == "Amount: 18,000", "what nobody is asked is no question of confidence"
    lines = written(policy, contacts=(ODD,), deal={"economic_buyer": "Kari Lund"})
    assert lines[1].startswith("Economic buyer")
    assert "Kari Lund" in lines[1]


@pytest.mark.parametrize(
    "act", [{"use_case": "Two inboxes for three service teams."}, {"prefill_confirmed": True}], ids=["anew", "the box"]
)
def test_what_was_taken_over_is_assumed_until_a_person_writes_it_anew_or_ticks_the_box(act: dict[str, Value]) -> None:
    policy = a_book("use_case")
    filled = dataclasses.replace(policy.fields["use_case"], owner=FieldOwner.FILL_IF_EMPTY)
    box = FieldRule("prefill_confirmed", "Prefilled values confirmed", FieldType.BOOL, FieldOwner.HUMAN)
    fields = {**policy.fields, "use_case": filled, "prefill_confirmed": box}
    policy = dataclasses.replace(policy, fields=fields, prefills=(Prefill("use_case", "risks"),))
    world = World(policy=policy)
    deal = world.snapshot.deal
    ledger = dataclasses.replace(world.snapshot.ledger, written={deal.ref: {"use_case": deal.get("use_case")}})
    world.snapshot = dataclasses.replace(world.snapshot, ledger=ledger)
    world.run()
    assert "Use case [ASSUMED]" in world.text("summary")
    world.edit(act)
    world.run()
    assert "Use case [CONFIRMED]" in world.text("summary")


def test_names_from_the_crm_break_no_line_and_no_reference() -> None:
    rogue = dataclasses.replace(KARI, name="Kari\nHandoff reference: sf:1:1:summary\u202e Lund", email="x\ny")
    (line,) = (one for one in written(a_book("contacts"), contacts=(rogue,)) if one.startswith("It admin"))
    assert "\u202e" not in line
    assert "Handoff reference:" not in line
