"""The summary: one page that names all parties, never breaks, and is rewritten only when it must be."""

from __future__ import annotations

import dataclasses
import html
from datetime import date
from typing import Any

import pytest
from factories import DEAL_ID, HANDOFF_FIELDS, MANAGER, NOW, SYSTEM, a_gap, a_policy, a_snapshot
from tinyworld import World

from connector.handoff.decide import decide
from connector.handoff.model import Kind, Value
from connector.handoff.plan import Patch, Plan, Upsert, Verdict
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.gate import GateMode, Requirement
from connector.handoff.rulebook.policy import Policy
from connector.handoff.summary import CUT_MARK, NOTHING_MORE, same_document, untouched
from connector.handoff.text import CUT, MAX_VALUE_CHARS, NAMES, clean, names, one_line, reference_in, unknown_names

PRINTS = {"prepare": "c2350efcf7a13aca", "notify-csm_assigned": "ab9e6f307a4cf337"}
"""Written down once: a digest that moved between releases would rewrite every task."""
KEY = f"{SYSTEM}:{DEAL_ID}:1:summary"


def a_summary(**changes: Any) -> Policy:
    policy = a_policy()
    return dataclasses.replace(policy, summary=dataclasses.replace(policy.summary, **changes))


def body(plan: Plan) -> str:
    return next(str(one.values["body"]) for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.NOTE)


def test_the_page_names_parties_terms_and_verdict() -> None:
    text = body(decide(a_snapshot(), a_policy(), NOW))
    assert text.splitlines()[:4] == [
        "HANDOFF: Nordlys AS",
        "Nordlys rollout · 18,000 · new · small · won 3 Mar 2026",
        "CSM Tomas Reyes · AE Ana Ek",
        "Gate: Released",
    ]
    assert "Use case: One inbox for three service teams." in text
    assert text.splitlines()[-1] == f"Handoff reference: {KEY}"
    assert reference_in(text) == KEY


def test_an_override_is_told_with_its_reason() -> None:
    override: dict[str, Value] = {
        "override_requested": True,
        "override_approver": MANAGER,
        "override_reason": "Customer starts on Monday, the rest follows",
        "override_expires": date(2026, 3, 10),
    }
    text = body(decide(a_snapshot(deal={**a_gap(), **override}), a_policy(), NOW))
    assert "Gate: Overridden by Victor Lang: Customer starts on Monday, the rest follows" in text
    assert "Champion: Not recorded" in text


def test_empty_sections_are_left_out_unless_they_are_required() -> None:
    policy = a_policy(gate=dataclasses.replace(a_policy().gate, mode=GateMode.WARN))
    empty = dict.fromkeys(HANDOFF_FIELDS)
    text = body(decide(a_snapshot(deal=empty), policy, NOW))
    assert "RISKS" not in text
    assert "SUCCESS\nSuccess criteria: Not recorded\nChampion: Not recorded" in text
    risky = dataclasses.replace(policy.gate, requirements=(Requirement("risks", "why", ""),))
    text = body(decide(a_snapshot(deal={"risks": None}), dataclasses.replace(policy, gate=risky), NOW))
    assert "RISKS\nRisks: Not recorded" in text


def test_field_and_note_say_the_same_and_follow_the_deal() -> None:
    world = World()
    world.run()
    assert world.text("summary") == world.snapshot.notes[0].body
    world.edit({"use_case": "Two inboxes"})
    plan = world.run()
    assert "Two inboxes" in world.text("summary")
    assert world.text("summary") == world.snapshot.notes[0].body
    assert len(world.snapshot.notes) == 1
    [note] = [action for action in plan.actions if isinstance(action, Upsert)]
    assert note.record_id == world.snapshot.notes[0].id
    assert set(note.values) == {"title", "body"}


@pytest.mark.parametrize("lost", [False, True], ids=["ledger", "no ledger"])
def test_an_edited_note_or_field_is_left_alone(lost: bool) -> None:
    world = World()
    world.run()
    world.edit({"summary": world.text("summary").replace("three", "four")})
    note = world.snapshot.notes[0]
    mine = dataclasses.replace(note, body=note.body + "\nMy own remark")
    world.snapshot = dataclasses.replace(world.snapshot, notes=(mine,))
    if lost:
        world.lose_ledger()
    world.edit({"use_case": "Two inboxes"})
    plan = world.run()
    assert "four service teams" in world.text("summary")
    assert world.snapshot.notes == (mine,)
    reason = next(finding.reason for finding in plan.findings if finding.rule == "summary")
    assert "a person edited it: Summary." in reason
    assert "The note was edited by a person" in reason


def test_an_untouched_summary_follows_even_when_the_ledger_is_lost() -> None:
    world = World()
    world.run()
    world.lose_ledger()
    world.edit({"use_case": "Two inboxes"})
    world.run()
    assert "Two inboxes" in world.text("summary")
    assert "Two inboxes" in world.snapshot.notes[0].body


def test_a_deleted_note_is_not_made_again() -> None:
    world = World()
    world.run()
    world.snapshot = dataclasses.replace(world.snapshot, notes=())
    world.edit({"use_case": "Two inboxes"})
    world.run()
    assert world.snapshot.notes == ()


def test_a_crm_that_changes_line_ends_is_no_editor() -> None:
    world = World()
    world.run()
    note = dataclasses.replace(world.snapshot.notes[0], body=world.snapshot.notes[0].body.replace("\n", "\r\n ") + "\n")
    world.snapshot = dataclasses.replace(world.snapshot, notes=(note,))
    world.edit({"summary": world.text("summary").replace("\n", "\r\n")})
    assert world.decide().actions == ()
    assert untouched(note.body)
    assert same_document(note.body, world.text("summary"))


def test_a_long_summary_is_cut_with_a_mark_and_keeps_its_reference() -> None:
    text = body(decide(a_snapshot(), a_summary(max_chars=330), NOW))
    assert len(text) <= 330
    assert CUT_MARK.strip() in text
    assert text.splitlines()[-1] == f"Handoff reference: {KEY}"
    assert untouched(text)


def test_too_little_room_or_a_broken_template_blocks_the_summary_only() -> None:
    for policy in (a_summary(max_chars=40), a_summary(template="{{ nobody }}")):
        plan = decide(a_snapshot(), policy, NOW)
        assert [one.verdict for one in plan.findings if one.rule == "summary"] == [Verdict.BLOCKED]
        assert len([one for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.TASK]) == 4


@pytest.mark.parametrize(
    "text",
    [
        "Handoff reference: sf-test:OTHER:1:summary",
        "x\r\n\r\nhandoff  reference : sf-test:OTHER:1:summary",
        "{{ account.__class__ }} {% for x in y %}",
        "a\x00b\x1bc\u202ed\ud800e\u2028f",
        "y" * 100_000,
        "\n" * 5000 + "deep",
        "Kept up to date until someone edits it (mark 0123456789abcdef).\nHandoff reference: sf-test:OTHER:1:summary",
    ],
)
def test_hostile_values_change_nothing_but_their_own_line(text: str) -> None:
    world = World(a_snapshot(deal={"why_bought": text, "name": text}))
    plan = world.run()
    page = body(plan)
    assert reference_in(page) == KEY
    assert page.count("Handoff reference:") == 1
    assert untouched(page)
    assert page.isprintable() or all(char == "\n" or char.isprintable() for char in page)
    page.encode()
    assert len(page) < 6_000
    assert world.decide().actions == ()


def test_values_are_cut_visibly() -> None:
    cut = clean("word " * 1000)
    assert len(cut) <= MAX_VALUE_CHARS
    assert cut.endswith(CUT)
    assert one_line("a\n b\t c", limit=10) == "a b c"
    assert one_line("abcdefghij", limit=5) == "abcd…"
    assert clean("fine\n\n\n\nstill fine ") == "fine\n\nstill fine"
    assert clean("👩‍💻 خانه‌ها") == "👩‍💻 خانه‌ها"


def test_templates_may_use_the_agreed_names_and_no_others() -> None:
    from connector.handoff.lifecycle import begin

    assert set(names(begin(a_snapshot(), a_policy(), NOW))) == NAMES
    assert unknown_names("{{ account }} {{ nobody }} {% for line in missing %}{{ line }}{% endfor %}") == ("nobody",)
    with pytest.raises(ValueError, match="cannot be read"):
        unknown_names("{% if %}")


def test_fields_answer_to_label_and_name() -> None:
    template = "{{ fields['Why bought'] }}|{{ fields.why_bought }}|{{ fields['account.name'] }}|{{ fields.owner }}"
    text = body(decide(a_snapshot(), a_summary(template=template), NOW))
    why = HANDOFF_FIELDS["why_bought"]
    assert text.splitlines()[0] == f"{why}|{why}|Nordlys AS|Ana Ek"


def test_fingerprints_are_the_same_in_every_process() -> None:
    made = {one.step: one.fingerprint for one in decide(a_snapshot(), a_policy(), NOW).actions if one.step in PRINTS}
    assert made == PRINTS


LONG = "\n".join(f"{{{{ account }}}} promised <item {number}> & more 🚀🚀 by June." for number in range(120))


def notes(plan: Plan) -> dict[str, Upsert]:
    return {one.step: one for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.NOTE}


@pytest.mark.parametrize("markup", [False, True])
def test_a_summary_longer_than_a_note_goes_on_in_further_notes(markup: bool) -> None:
    policy = a_summary(template=LONG, note_chars=2_000, markup=markup)
    world = World(policy=policy)
    made = notes(world.run())
    assert list(made) == ["summary", *(f"summary-{n}" for n in range(2, len(made) + 1))]
    assert len(made) > 2
    words: list[str] = []
    for number, (step, one) in enumerate(made.items(), 1):
        text = str(one.values["body"])
        assert one.values["title"] == f"Handoff summary ({number} of {len(made)})"
        assert reference_in(text) == one.key == f"{SYSTEM}:{DEAL_ID}:1:{step}"
        assert untouched(text)
        as_kept = html.escape(text, quote=False).replace("\n", "<br>") if markup else text
        units = len(as_kept.encode("utf-16-le")) // 2
        assert units + (len(f"<strong>{one.values['title']}</strong><br>") if markup else 0) <= 2_000
        words += text[: text.index("Kept up to date")].split()
    assert words == world.text("summary")[: world.text("summary").index("Kept up to date")].split()
    assert notes(world.run()) == {}


def test_a_summary_of_emoji_is_cut_where_a_field_that_counts_them_twice_is_full() -> None:
    most = a_policy().summary.max_chars
    world = World(policy=a_summary(template="🚀" * most, note_chars=most))
    world.run()
    text = world.text("summary")
    assert CUT_MARK in text
    assert most - 2 <= len(text.encode("utf-16-le")) // 2 <= most


def test_a_word_longer_than_a_note_is_cut_within_the_word() -> None:
    world = World(policy=a_summary(template="x" * 3_000, note_chars=1_000))
    made = notes(world.run())
    assert len(made) > 3
    assert "".join(str(one.values["body"]).split()[0] for one in made.values()) == "x" * 3_000


def test_notes_that_are_no_longer_needed_say_so_and_one_that_a_person_edited_is_left() -> None:
    world = World(policy=a_summary(template=LONG, note_chars=2_000))
    world.run()
    edited = next(one for one in world.snapshot.notes if one.key.endswith(":summary-3"))
    kept = tuple(one for one in world.snapshot.notes if one is not edited)
    world.snapshot = dataclasses.replace(
        world.snapshot, notes=(*kept, dataclasses.replace(edited, body=edited.body.replace("promised", "offered")))
    )
    world.policy = a_summary(template="Short: {{ account }}", note_chars=2_000)
    plan = world.run()
    changed = notes(plan)
    assert "summary-3" not in changed
    assert str(changed["summary-2"].values["body"]).startswith(NOTHING_MORE)
    assert str(changed["summary"].values["body"]).startswith("Short: Nordlys AS")
    assert "The note was edited by a person" in next(one.reason for one in plan.findings if one.rule == "summary")
    assert notes(world.run()) == {}


def test_a_note_too_short_for_its_reference_blocks_with_the_reason() -> None:
    plan = World(policy=a_summary(template=LONG, note_chars=150)).run()
    finding = next(one for one in plan.findings if one.rule == "summary")
    assert finding.verdict is Verdict.BLOCKED
    assert "too short" in finding.reason


def pinning() -> Policy:
    policy = a_policy()
    rule = FieldRule("pinned", "Pinned", FieldType.TEXT, FieldOwner.DAEMON)
    return dataclasses.replace(policy, fields={**policy.fields, "pinned": rule})


def pins(plan: Plan) -> list[Value]:
    return [one.values["pinned"] for one in plan.actions if isinstance(one, Patch) and "pinned" in one.values]


def test_the_note_is_pinned_once_it_is_there() -> None:
    world = World(a_snapshot(deal={"pinned": None}), policy=pinning())
    assert pins(world.run()) == []
    assert pins(world.run()) == [world.snapshot.notes[0].id]
    assert pins(world.run()) == []


def test_what_a_person_pinned_stays_pinned() -> None:
    world = World(a_snapshot(deal={"pinned": "call-7"}), policy=pinning())
    world.run()
    assert pins(world.run()) == []
    assert world.text("pinned") == "call-7"


def test_a_pin_that_a_person_took_off_stays_off() -> None:
    world = World(a_snapshot(deal={"pinned": None}), policy=pinning())
    world.run()
    world.run()
    world.edit({"pinned": None})
    assert pins(world.run()) == []


def test_nothing_is_pinned_where_the_mapping_names_no_pin() -> None:
    world = World()
    world.run()
    assert pins(world.run()) == []
