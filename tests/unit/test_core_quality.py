"""Judging answers: given this text in this kind of field, then this is said of it, quoting these words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from factories import a_policy, a_snapshot
from hypothesis import given
from hypothesis import strategies as st

from connector.handoff.decide import decide
from connector.handoff.model import Gate, SystemName
from connector.handoff.quality import MOST_QUOTED, fingerprints, judge
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.quality import AnswerField, Consequence, Flaw, FlawRule, QualityPolicy, Words
from connector.policy.load import load

SF = SystemName("sf")
SHIPPED = load(Path(__file__).parents[2] / "mappings", {SF: "salesforce"}).policies[SF]
QUALITY = SHIPPED.quality
KINDS = {field.path: field.kind for field in QUALITY.fields}


def flaws(field: str, text: str, *, policy: QualityPolicy = QUALITY, **context: object) -> list[tuple[str, str]]:
    (judged,) = judge(policy, {field: text}, **context)  # type: ignore[arg-type]
    return [(flaw.flaw.value, flaw.quote) for flaw in judged.flaws]


def led_to(consequence: Consequence, *only: Flaw) -> QualityPolicy:
    """The shipped rules, these of them leading to something else."""
    rules = {
        flaw: dataclasses.replace(rule, leads_to=consequence) if flaw in only else rule
        for flaw, rule in QUALITY.rules.items()
    }
    return dataclasses.replace(QUALITY, rules=rules)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "n/a",
            "N.A.",
            "TBD",
            "-",
            "...",
            "?",
            "x",
            "xxx",
            "see call",
            "See the call notes.",
            "none",
            "same as above",
        ),
        *("tbd, will update after the call", "As discussed", "ask Tom", "to be confirmed by 3 May", "unknown", "asdf"),
    ],
)
def test_emptiness_in_disguise_is_told(text: str) -> None:
    assert flaws("why_bought", text) == [("empty", text)]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("commitments", "None made"),
        ("commitments", "none made beyond the standard contract"),
        ("commitments", "Nothing was promised."),
        ("risks", "None known"),
        ("competition", "They looked at nobody else"),
    ],
)
def test_an_honest_none_is_a_good_answer(field: str, text: str) -> None:
    assert flaws(field, text) == []
    assert flaws("why_bought", text)[0][0] in {"empty", "short", "vague"}, "honest only where the field says so"


@pytest.mark.parametrize(
    ("field", "text", "quote"),
    [
        ("success_criteria", "The customer cares about ROI", "cares about ROI"),
        ("success_criteria", "A faster and better service for all their customers", "A faster and better"),
        ("champion", "the CFO", "the CFO"),
        ("champion", "Head of IT", "Head of IT"),
        ("stakeholders", "Ingrid Holm, CEO, for\nsome people in IT", "some people in IT"),
        ("commitments", "SSO by 1 March\nA custom report", "A custom report"),
        ("why_bought", "They want to drive growth and future proof the business", "drive growth"),
    ],
)
def test_what_fits_any_customer_is_quoted(field: str, text: str, quote: str) -> None:
    ((flaw, quoted),) = flaws(field, text)
    assert flaw == "vague"
    assert quoted.startswith(quote)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("success_criteria", "saves $200K a year by replacing the paper dockets"),
        ("success_criteria", "Live in two hospitals within six weeks, says Dr. Amadi"),
        ("champion", "Ingrid Holm, head of service"),
        ("champion", "Ingrid, ingrid@nordlys.example"),
        ("stakeholders", "Ingrid Holm, CEO, for; Per Dahl, IT, against"),
        ("commitments", "- SSO by 1 March\n- 10% off from seat 50 on"),
        ("commitments", "Promised by Tom:\n1. SSO by 1 March"),
        ("competition", "We won against Zendesk and HubSpot"),
        ("risks", "A forklift driver strike would stop the count in the cold store"),
    ],
)
def test_what_only_this_customer_could_say_is_let_be(field: str, text: str) -> None:
    assert flaws(field, text) == []


def test_too_short_goes_by_the_kind() -> None:
    assert ("short", "Ingrid") in flaws("champion", "Ingrid")
    assert ("short", "Two sites") in flaws("use_case", "Two sites")
    assert flaws("competition", "Samsara, Webfleet") == []


def test_a_copy_within_a_deal_is_told_of_the_later_field() -> None:
    text = "Three service desks answer the same mail twice and guests complain about it."
    answers = {"why_bought": text, "use_case": text.upper().replace(".", " !"), "risks": text.replace("mail", "letter")}
    found = {each.field: [flaw.flaw for flaw in each.flaws] for each in judge(QUALITY, answers)}
    assert Flaw.COPY not in found["why_bought"]
    assert Flaw.COPY in found["use_case"]
    assert Flaw.COPY in found["risks"], "one word changed is a copy still"


def test_the_same_person_may_stand_twice_and_short_answers_may_be_alike() -> None:
    person = "Ingrid Holm, head of service in Oslo, by phone only"
    answers = {
        "champion": person,
        "economic_buyer": person,
        "commitments": "SSO by March 1",
        "special_terms": "SSO by March 1",
    }
    assert [each.flaws for each in judge(QUALITY, answers)] == [()] * 4


def test_the_question_is_no_answer_and_another_deals_words_are_none_either() -> None:
    asked = {"success_criteria": ("CS plans towards it.", "Name a number, a date and who will judge it.")}
    assert flaws("success_criteria", "name a number, a date and who will judge it", asked=asked)[0][0] == "copy"
    own = "Every late turn cost them a slot, 212 of them last year."
    assert flaws("why_bought", own) == []
    assert flaws("why_bought", own, elsewhere={"why_bought": "Kestrel"}) == [("copy", own)]


def test_a_finding_says_what_a_good_answer_has_in_the_admin_s_words() -> None:
    def good(field: str, **context: object) -> str:
        (judged,) = judge(QUALITY, {field: "n/a"}, **context)  # type: ignore[arg-type]
        return judged.flaws[0].good

    assert good("risks") == KINDS["risks"].good
    assert good("risks", asked={"risks": ("Why.", "What could stop the roll-out.")}) == "What could stop the roll-out."
    own = dataclasses.replace(QUALITY, fields=(AnswerField("risks", KINDS["risks"], good="Our own words."),))
    (judged,) = judge(own, {"risks": "n/a"}, asked={"risks": ("Why.", "What could stop the roll-out.")})
    assert judged.flaws[0].good == "Our own words."


def test_scores_and_consequences() -> None:
    (judged,) = judge(QUALITY, {"use_case": "Better reporting"})
    assert [flaw.flaw for flaw in judged.flaws] == [Flaw.SHORT, Flaw.VAGUE]
    assert judged.score == 50
    (counted,) = judge(led_to(Consequence.REQUIRE, Flaw.VAGUE), {"use_case": "Better reporting"})
    assert [(flaw.flaw, flaw.counts) for flaw in counted.flaws] == [(Flaw.VAGUE, True), (Flaw.SHORT, False)]
    (off,) = judge(led_to(Consequence.OFF, Flaw.VAGUE, Flaw.SHORT), {"use_case": "Better reporting"})
    assert (off.flaws, off.score) == ((), 100)


def test_a_german_list_judges_german_answers_beside_the_english_one() -> None:
    words = dataclasses.replace(
        QUALITY.words,
        nouns_have_capitals=True,
        empty=(*QUALITY.words.empty, "folgt", "siehe oben"),
        phrases=(*QUALITY.words.phrases, "Effizienz steigern"),
        filler=QUALITY.words.filler | {"die", "und", "sie", "wollen", "der"},
    )
    german = dataclasses.replace(QUALITY, words=words)
    assert flaws("risks", "folgt", policy=german) == [("empty", "folgt")]
    assert flaws("risks", "n/a", policy=german) == [("empty", "n/a")]
    assert flaws("why_bought", "Sie wollen die Effizienz steigern und der Kunde", policy=german)[0][0] == "vague"
    assert flaws("champion", "die Leitung", policy=german)[0][0] == "vague", "a noun's capital makes no name"
    assert flaws("champion", "Sabine Kröger, Leitung", policy=german) == []


def test_digests_are_of_answers_that_ought_to_be_the_deal_s_own() -> None:
    one = {
        "why_bought": "Every late turn cost them a slot, 212 last year.",
        "champion": "Ingrid Holm of the Oslo service desk",
    }
    other = {
        "use_case": "every late turn cost them a SLOT: 212 last year",
        "commitments": "none made beyond the standard contract",
    }
    assert set(fingerprints(QUALITY, one)) == {"why_bought"}, "one person may be champion of many deals"
    assert fingerprints(QUALITY, one)["why_bought"] == fingerprints(QUALITY, other)["use_case"]
    assert set(fingerprints(QUALITY, other)) == {"use_case"}


@given(st.text(max_size=300))
def test_any_text_is_judged_and_judged_alike_twice(text: str) -> None:
    answers = dict.fromkeys(KINDS, text)
    found = judge(QUALITY, answers)
    assert found == judge(QUALITY, answers)
    assert all(0 <= each.score <= 100 and (each.score == 100) is (each.flaws == ()) for each in found)
    assert all(0 < len(flaw.quote) <= MOST_QUOTED for each in found for flaw in each.flaws)


@pytest.mark.parametrize("text", ["a" * 4000, "a@" * 2000, "see " * 1000, "1. " * 1300, "\n- " * 1300, "A B " * 1000])
def test_no_text_takes_long(text: str) -> None:
    judge(QUALITY, dict.fromkeys(KINDS, text * 50))


# the gate


def a_quality(consequence: Consequence) -> QualityPolicy:
    rules = {flaw: FlawRule(consequence, 50, "says nothing") for flaw in Flaw}
    return QualityPolicy(rules, (AnswerField("champion", KINDS["champion"]),), Words(empty=("n/a",)))


def judged_by(consequence: Consequence, mode: GateMode = GateMode.REVERT) -> Policy:
    policy = a_policy(quality=a_quality(consequence))
    return dataclasses.replace(policy, gate=dataclasses.replace(policy.gate, mode=mode))


def test_a_flaw_that_is_only_advised_lets_the_deal_pass() -> None:
    plan = decide(a_snapshot(deal={"champion": "n/a"}), judged_by(Consequence.ADVISE), a_snapshot().observed_at)
    assert plan.gate is Gate.RELEASED
    assert plan.missing == ()
    assert [(each.field, each.score, each.flaws) for each in plan.answers] == [("champion", 50, ("empty",))]


def test_a_flaw_that_is_required_is_a_gap_and_the_rep_reads_which_words() -> None:
    plan = decide(a_snapshot(deal={"champion": "n/a"}), judged_by(Consequence.REQUIRE), a_snapshot().observed_at)
    assert plan.gate is Gate.HELD
    assert [(gap.field, gap.present) for gap in plan.missing] == [("champion", True)]
    assert plan.percent == 75
    (patch,) = [action for action in plan.actions if "stage" in getattr(action, "values", {})]
    said = str(patch.values["missing"])  # type: ignore[union-attr]
    assert said.startswith("Not Closed Won yet: 1 of 4 required fields says too little.")
    assert 'Champion: CS needs champion. "n/a" says nothing. Name a number or a date.' in said


def test_an_empty_and_a_weak_answer_are_counted_apart() -> None:
    deal = {"champion": "n/a", "use_case": None}
    plan = decide(a_snapshot(deal=deal), judged_by(Consequence.REQUIRE), a_snapshot().observed_at)
    assert any("1 of 4 required fields is empty and 1 says too little" in each.reason for each in plan.findings)


def test_without_quality_nothing_is_judged_and_nothing_more_is_written() -> None:
    plan = decide(a_snapshot(deal={"champion": "n/a"}), a_policy(), a_snapshot().observed_at)
    assert (plan.answers, plan.quality, plan.prints) == ((), None, None)
    assert not {"advice", "quality"} & {name for action in plan.actions for name in getattr(action, "values", {})}
