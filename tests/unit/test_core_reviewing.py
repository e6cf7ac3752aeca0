"""The review of a period: what the trail says, which fields nobody reads, what was silent or repeats, what follows."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from factories import a_policy, a_step
from plans import a_plan as stored_plan

from connector.cli.review_paper import data_of, paper_of, touched_paper
from connector.clock import ManualClock
from connector.engine.reviewing import evidence_of
from connector.handoff.byhand import Touch
from connector.handoff.governing.breaches import rule, stood
from connector.handoff.governing.fold import DECIDED, OVERRIDDEN, Evidence, Told, Touched, fold
from connector.handoff.governing.periods import named_month, run_of
from connector.handoff.governing.proposals import proposals
from connector.handoff.governing.readers import readers
from connector.handoff.governing.review import Lost, Rated, Review, Seen, repeats, review
from connector.handoff.governing.silent import silent
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.facts import Facts
from connector.handoff.measures.figure import Figure, Who
from connector.handoff.measures.summing import Sum
from connector.handoff.model import HandoffKey, SystemName
from connector.handoff.rulebook.governance import Cadence, Threshold
from connector.handoff.rulebook.playbooks import Mail
from connector.handoff.rulebook.policy import Policy
from connector.papers import html, markdown
from connector.store import Decided, open_store
from connector.store.figures import Selection

AT = datetime(2026, 10, 5, 9, tzinfo=UTC)
SF = SystemName("sf")
OCTOBER = run_of(named_month("2026-10"), 3)


def decided(deal: str, *, minutes: int = 0, **data: Any) -> Told:
    return Told(AT + timedelta(minutes=minutes), deal, 1, DECIDED, "", "", data)


def overridden(deal: str, *missing: str, by: str = "victor.lang@seller.example") -> Told:
    return Told(AT, deal, 1, OVERRIDDEN, by, "Board wants it this quarter", {"missing": list(missing)})


def a_figure(deal: str, ae: str = "Elena Marchetti") -> Figure:
    return Figure(SF, deal, 1, Facts(AT), title=f"Deal {deal}", account_name=f"Account {deal}", ae=Who("u", ae))


def a_plan(**changes: Any) -> dict[str, Any]:
    checks = [{"field": "champion", "label": "Champion", "present": True}]
    return {"segment": "small", "findings": [{"rule": "gate", "checks": checks}], "tasks": [], **changes}


# --- the trail


def test_rules_gaps_and_steps_are_counted_by_deal_not_by_decision() -> None:
    rows = [
        decided(
            "D1", chosen_by="everyone", csm="maya@x", gate="Held", missing=["Champion"], actions=[{"step": "call"}]
        ),
        decided("D1", minutes=1, csm="maya@x", gate="Held", missing=["Champion"], actions=[{"step": "call"}]),
        decided("D2", chosen_by="everyone", csm="tomas@x", gate="Released", missing=[], actions=[]),
        decided("D3", csm=None, gate=None, missing=["Champion"], actions=[]),  # an open deal: nothing was caught yet
        decided("D4", gate="Warned", missing=["Champion"], actions=[]),  # only observed, or won in another period
    ]
    found = fold(rows, {"D1": a_plan(), "D2": a_plan(segment="enterprise", reached=["first-value"])})
    assert (found.chosen_by, found.lacked, found.made) == ({"everyone": 2}, {"Champion": 1}, {"call": 1})
    assert (found.segments, found.asked) == ({"small": 1, "enterprise": 1}, {"champion": 2})
    assert (found.deals, found.reached, found.rules_known) == (2, {"first-value": 1}, True)


def test_a_deal_that_was_lost_since_is_none_of_those_won(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'handoff.db'}", clock=ManualClock(AT), mode="tool")
    figures = []
    for deal, stands in (("D1", True), ("D2", False)):
        figure = dataclasses.replace(
            a_figure(deal), facts=Facts(AT, won_at=AT, stands=stands), won_on=AT.date(), covered=True
        )
        plan = stored_plan(deal, key=HandoffKey(SF, deal), figure=figure)
        store.record(SF, [Decided(plan=plan)], act=True)
        figures.append(figure)
    policy = a_policy()
    found = evidence_of(store, SF, policy, OCTOBER[0], tuple(figures))
    assert found.deals == store.covered(Selection(since=OCTOBER[0].first, until=OCTOBER[0].end)).won == 1
    store.close()


def test_a_csm_changed_by_a_person_is_a_touch_and_one_changed_by_a_rule_is_none() -> None:
    rows = [
        decided("D1", chosen_by="everyone", csm="maya@x"),
        decided("D1", minutes=1, csm="tomas@x"),
        decided("D2", chosen_by="everyone", csm="maya@x"),
        decided("D2", minutes=1, chosen_by="everyone", csm="tomas@x"),
        decided("D3", csm="maya@x"),
    ]
    assert fold(rows, {}).touched == (Touched("assignment", Touch.REASSIGNED, ("D1",)),)


def test_a_deal_put_back_twice_was_won_against_the_gate() -> None:
    put_back = {"actions": [{"step": "patch-revert"}]}
    once = [decided("D1", **put_back)]
    assert fold(once, {}).touched == ()
    twice = [*once, decided("D1", minutes=9, **put_back), decided("D2", **put_back)]
    assert fold(twice, {}).touched == (Touched("gate", Touch.MOVED, ("D1",)),)


def test_steps_touched_by_hand_come_from_the_latest_decision() -> None:
    one = {"step": "call", "touch": Touch.CLOSED.value}
    found = fold([], {"D1": a_plan(by_hand=[one]), "D2": a_plan(by_hand=[one]), "D3": a_plan()})
    assert found.touched == (Touched("call", Touch.CLOSED, ("D1", "D2")),)


# --- who reads a field


def test_a_field_is_read_by_whatever_uses_its_answer() -> None:
    policy = a_policy()
    assert readers(policy)["champion"] == ("summary section “Success”",)
    bare = dataclasses.replace(policy, summary=dataclasses.replace(policy.summary, sections=()))
    assert readers(bare)["champion"] == ()
    named = a_step("call", body='Ask for {{ fields["champion"] }}')
    mailed = a_step("mail", mail=Mail("Hello", "Hello", ("use_case",)))
    book = dataclasses.replace(policy.playbooks[0], tasks=(named, mailed))
    found = readers(dataclasses.replace(bare, playbooks=(book,)))
    assert found["champion"] == (f"playbook {book.name}, step call",)
    assert found["use_case"] == (f"playbook {book.name}, step mail, draft",)


def test_a_word_in_a_text_is_no_reading_of_the_field() -> None:
    policy = a_policy()
    bare = dataclasses.replace(policy, summary=dataclasses.replace(policy.summary, sections=()))
    book = dataclasses.replace(policy.playbooks[0], tasks=(a_step("call", body="Call the champion about fields."),))
    assert readers(dataclasses.replace(bare, playbooks=(book,)))["champion"] == ()


# --- what was silent, what repeats


def test_what_never_fired_is_named_with_its_key() -> None:
    evidence = Evidence(
        deals=4,
        segments={"small": 4},
        chosen_by={"everyone": 4},
        rules_known=True,
        asked={"champion": 4, "why_bought": 4, "use_case": 4},
        lacked={"champion": 1},
        made={"welcome-packet": 4},
    )
    found = {(one.kind, one.name): one for one in silent(a_policy(), evidence)}
    assert found["segment", "enterprise"].key == "process.toml [[segments]] enterprise"
    assert ("segment", "small") not in found
    assert ("assignment rule", "enterprise") in found
    assert ("assignment rule", "everyone") not in found
    requirements = [name for kind, name in found if kind == "gate requirement"]
    labels = {path: rule.label for path, rule in a_policy().fields.items()}
    assert set(requirements) >= {labels["success_criteria"], labels["why_bought"]}
    assert found["gate requirement", labels["success_criteria"]].said == "no deal had to have it, of 4"
    assert "never missing, of 4" in found["gate requirement", labels["why_bought"]].said


def test_without_wins_and_without_rules_in_the_trail_nothing_is_called_silent() -> None:
    assert silent(a_policy(), Evidence()) == ()
    kinds = {one.kind for one in silent(a_policy(), Evidence(deals=3, segments={"small": 3}))}
    assert "assignment rule" not in kinds


def test_exceptions_repeat_by_ae_field_and_approver() -> None:
    rows = [overridden("D1", "Champion"), overridden("D2", "Champion", "Risks"), overridden("D3", by="ruth@x")]
    figures = {"D1": a_figure("D1"), "D2": a_figure("D2"), "D3": a_figure("D3", "Marcus Bell")}
    found = repeats(fold(rows, {}), figures)
    assert {(one.what, one.who): one.deals for one in found} == {
        ("AE", "Elena Marchetti"): ("D1", "D2"),
        ("approver", "victor.lang@seller.example"): ("D1", "D2"),
        ("field", "Champion"): ("D1", "D2"),
    }


# --- the whole


def whole(policy: Policy | None = None, **changes: Any) -> Review:
    policy = policy or a_policy()
    low = Threshold("completion-red", "completion", Cadence.MONTH, Decimal(85), advice="Coach the AEs.")
    completion = MEASURES["completion"]
    three = (Sum(20, 16, 16), Sum(20, 15, 15), Sum(20, 14, 14))
    evidence = fold(
        [overridden("D1", "Champion"), overridden("D2", "Champion")], {f"D{n}": a_plan() for n in range(1, 5)}
    )
    seen = Seen(
        system="sf",
        periods=OCTOBER,
        sums={"completion": three, "nps": (Sum(2, 0, 0), Sum(), Sum())},
        rulings=(rule(low, [stood(OCTOBER[0], completion, three[0], won=(date(2026, 10, 1), date(2026, 11, 1)))]),),
        evidence=dataclasses.replace(evidence, **changes.pop("evidence", {})),
        figures=tuple(a_figure(f"D{n}") for n in range(1, 5)),
        rated=(Rated("Elena | Marchetti", Sum(3, 1200, 3), Sum(3, 1, 2), Sum()),),
        lost=(
            Lost("D8", "Nordlys", "Elena", "Maya", ("no kickoff", "no champion")),
            Lost("D9", "Stallion", "Elena", "Maya", ("no kickoff",)),
        ),
    )
    return review(policy, dataclasses.replace(seen, **changes), MEASURES.values(), partial=False)


def test_proposals_have_their_evidence_and_the_key_to_edit() -> None:
    bare = dataclasses.replace(a_policy(), summary=dataclasses.replace(a_policy().summary, sections=()))
    touched = (Touched("call", Touch.CLOSED, ("D1", "D2", "D3")), Touched("read", Touch.DELETED, ("D1", "D2")))
    made = whole(bare, evidence={"touched": touched})
    found = {one.key: one for one in proposals(made, bare.targets)}
    breached = found["process.toml [governance] completion-red"]
    assert (breached.change, breached.evidence) == (
        "Coach the AEs",
        "Complete at close is 80 %, below 85 %, of 20 handoffs",
    )
    assert (
        "nothing uses the answer"
        in found["process.toml [[gate.require]] champion; playbook.toml [[summary.sections]]"].evidence
    )
    assert found["playbook.toml, step call: done_when"].evidence.startswith(
        "closed by hand, not by its signal on 3 deals"
    )
    assert not any("step read" in key for key in found)  # twice is no habit
    assert found["process.toml [gate], playbook.toml"].evidence == "2 of 2 customers who left within 90 days"
    assert "for 3 periods: 80 %, 75 %, 70 %" in found["process.toml [targets] completion_percent"].evidence


def test_few_cases_are_said_to_be_few_and_propose_nothing() -> None:
    made = whole()
    nps = next(line for line in made.lines if line.measure.key == "nps")
    assert nps.few
    assert not any("nps" in one.key for one in proposals(made, a_policy().targets))


def test_a_breach_needs_no_proposal_once_it_is_kept() -> None:
    kept = dataclasses.replace(whole(), rulings=())
    assert not any("[governance]" in one.key for one in proposals(kept, a_policy().targets))


def test_the_paper_says_it_all_and_nothing_a_deal_holds_becomes_markup() -> None:
    targets = a_policy().targets
    made = whole(evidence={"comments": (("D1", "<b>Champion</b> left | **twice**"),)})
    proposed = proposals(made, targets)
    paper = paper_of([(made, proposed)], {SF: targets}, made_at=AT)
    text, page = markdown(paper), html(paper)
    for part in ("October 2026", "What to change", "**breached**", "80 %", "Account D1", "no kickoff", "2026-09"):
        assert part in text
    assert "&lt;b&gt;Champion&lt;/b&gt; left" in page
    assert "<b>Champion</b>" not in page
    data = data_of(made, proposed, targets)
    assert data["thresholds"][0]["breached"] is True
    assert {one["key"] for one in data["proposals"]} == {one.key for one in proposed}
    assert data["exceptions"]["count"] == 2


def test_touched_steps_make_a_paper_of_their_own() -> None:
    made = whole(evidence={"touched": (Touched("call", Touch.CLOSED, ("D1",)),)})
    text = markdown(touched_paper([(made, ())], made_at=AT))
    assert "Account D1" in text
    assert "What to change" not in text
