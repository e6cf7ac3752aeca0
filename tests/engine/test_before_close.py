"""Before the close on both CRMs: shipped maps, real adapters and engine, the sandbox's org and portal.

Not here: the rules by themselves (``tests/unit/test_core_early.py`` and its neighbours). One clock rules the CRM and
the engine, and nothing waits.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from engine.test_playbook_on_crms import FILLED, MAPPINGS, NEW_YORK, OPEN, REP, VICTOR, WON, Desk

from connector.handoff.measures.keeping import KEPT, in_field
from connector.handoff.model import DealType
from connector.sandbox.server import Sandbox

LOST = {"salesforce": "Closed Lost", "hubspot": "closedlost"}
MAYA, TOMAS, PRIYA = (f"{name}@seller.example" for name in ("maya.lindqvist", "tomas.reyes", "priya.nair"))
SMALL = 8000
LARGE = {
    "risks": "A strike of the ground crew in May, says Ingrid Holm.",
    "competition": "Zendesk lost on price; Jira stays in use.",
    "economic_buyer": "Olav Berg, finance director",
    "stakeholders": "Ingrid Holm, head of service, for it",
    "champion_stake": "Her bonus hangs on the 2 hours.",
    "go_live_date": date(2027, 4, 1),
}


@pytest.fixture(params=["salesforce", "hubspot"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    process = folder / "process.toml"
    process.write_text(process.read_text().replace("named_csm = false", "named_csm = true", 1))
    with Sandbox.running() as sandbox:
        sandbox.hs.settings.update(search_per_second=0, burst_limit=0)
        monday = datetime(2027, 2, 1, 15, 0, tzinfo=sandbox.clock.now().tzinfo)
        sandbox.clock.advance((monday - sandbox.clock.now()).total_seconds())
        yield Desk(sandbox, request.param, folder)


def an_open(desk: Desk, name: str = "Nordlys", **values: object) -> str:
    """A rep's deal in negotiation, with an account of its own."""
    with desk.side.lock:
        account = desk.view.add_account({"name": name, "country": "Norway"}, by=desk.rep)
        given = {"name": name, "amount": SMALL, "close_date": date(2027, 3, 1), "owner": desk.rep, "account": account}
        whole = {**given, **FILLED, **values}
        deal = desk.view.add_deal(whole, stage=OPEN[desk.vendor], deal_type=DealType.NEW, by=desk.rep)
    desk.run()
    return deal


def move(desk: Desk, deal: str, stage: dict[str, str]) -> None:
    with desk.side.lock:
        desk.view.move_deal(deal, stage[desk.vendor], by=desk.rep)
    desk.run()


def csm(desk: Desk, deal: str) -> str:
    """The email of the CSM whom the deal names; empty for nobody."""
    named = desk.view.deal(deal).text("csm")
    return desk.who(named) if named else ""


def heard(desk: Desk) -> list[tuple[str, str]]:
    """Which moments were told, and to whom."""
    return [(one.step.removeprefix("notify-"), one.to_email) for _, one in desk.told]


def why(desk: Desk, deal: str, rule: str) -> str:
    """What the latest decision says by one rule, as ``explain`` shows it."""
    view = desk.shared.store.handoff(desk.name, deal)
    assert view is not None
    return " ".join(each["reason"] for each in view.plan["findings"] if each["rule"] == rule)


def change(desk: Desk, file: str, old: str, new: str) -> None:
    """An admin edits a mapping file, and the process starts anew."""
    path = desk.folder / file
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new, 1))


def one_place(desk: Desk) -> None:
    """The pool of small customers is one CSM with room for one."""
    old = 'members = ["aiko.tanaka@seller.example", "sam.okafor@seller.example"]\ncap = 50'
    change(desk, "process.toml", old, f'members = ["{MAYA}"]\nwhen_full = "wait"\ncap = 1')
    desk.begin()


def test_an_open_deal_gets_its_csm_who_stays_and_is_told_of_both(desk: Desk) -> None:
    deal = an_open(desk)
    early = csm(desk, deal)
    assert early
    assert heard(desk) == [("csm_preassigned", early)]
    assert desk.view.deal(deal).text("gate") == ""
    assert not desk.view.account(desk.view.deal(deal).account).csm
    assert "is to be CSM: pre-assigned before the close." in why(desk, deal, "assignment")
    move(desk, deal, WON)
    assert csm(desk, deal) == early
    assert heard(desk) == [("csm_preassigned", early), ("csm_assigned", early)]
    assert desk.who(desk.view.account(desk.view.deal(deal).account).csm) == early
    assert desk.shared.store.roster(desk.name)[desk.view.deal(deal).text("csm")].accounts == 1


def test_a_place_is_held_by_an_open_deal_and_free_again_when_it_is_lost(desk: Desk) -> None:
    one_place(desk)
    first, second = an_open(desk, "First"), an_open(desk, "Second")
    assert [csm(desk, each) for each in (first, second)] == [MAYA, ""]
    assert "at the cap (1 of 1 accounts)" in why(desk, second, "assignment")
    move(desk, first, LOST)
    assert csm(desk, first) == ""
    desk.set(second, risks="A strike.")
    desk.run()
    assert csm(desk, second) == MAYA
    move(desk, second, WON)
    assert csm(desk, second) == MAYA, "a place that was held is taken, not asked for anew"
    assert REP not in {email for _, email in heard(desk)}


def test_cs_reviews_a_deal_two_working_days_before_its_close(desk: Desk) -> None:
    deal = an_open(desk, champion="", close_date=date(2027, 2, 9))
    assert desk.tasks(deal) == {}
    desk.until(datetime(2027, 2, 5, 9, 1, tzinfo=NEW_YORK))
    task = desk.tasks(deal)["handoff_review"]
    assert desk.who(task.owner) == csm(desk, deal)
    assert task.due is not None
    assert task.due.date() == date(2027, 2, 5)
    assert "Champion" in task.body
    desk.set(deal, close_date=date(2027, 2, 23))
    desk.run()
    moved = desk.tasks(deal)["handoff_review"].due
    assert moved is not None
    assert moved.date() == date(2027, 2, 19)
    desk.set(deal, champion=FILLED["champion"])
    move(desk, deal, WON)
    assert desk.tasks(deal)["handoff_review"].done


def test_the_csm_sends_a_handoff_back_and_takes_it_and_then_it_is_complete(desk: Desk) -> None:
    deal = desk.won()
    assert not desk.view.deal(deal).fields.get("complete")
    desk.set(deal, acceptance="Rejected", reject_reason="Unclear promises", reject_note="Which response time?")
    desk.run()
    task = desk.tasks(deal)["handoff_rejected-1"]
    assert desk.who(task.owner) == REP
    assert "Unclear promises (Which response time?)" in task.body
    assert ("handoff_rejected", REP) in heard(desk)
    assert "Rejected by the CSM once" in why(desk, deal, "acceptance")
    desk.set(deal, acceptance="Resubmitted")
    desk.run()
    assert desk.tasks(deal)["handoff_rejected-1"].done
    assert heard(desk)[-1] == ("handoff_resubmitted", csm(desk, deal))
    assert "the CSM has not reviewed the summary" in why(desk, deal, "completion")
    desk.set(deal, acceptance="Accepted")
    desk.run()
    assert "Accepted by the CSM. It was rejected once before." in why(desk, deal, "acceptance")
    assert desk.view.deal(deal).fields.get("complete") is True
    assert desk.view.deal(deal).text("completed_at")
    assert [step for step in desk.tasks(deal) if step.startswith("handoff_")] == [
        *(["handoff_review"] if "handoff_review" in desk.tasks(deal) else []),
        "handoff_rejected-1",
    ]


def test_the_box_of_the_csm_completes_it_as_well(desk: Desk) -> None:
    deal = desk.won()
    desk.set(deal, summary_reviewed=True)
    desk.run()
    assert desk.view.deal(deal).fields.get("complete") is True


def test_figures_stand_on_the_deal_as_they_are_counted_and_follow_the_past(desk: Desk) -> None:
    deal = desk.won()
    who = desk.view.deal(deal).text("csm")

    def same() -> dict[str, Decimal]:
        """What the deal's fields say, which is what is counted."""
        shown = {one.field: desk.view.deal(deal).fields.get(one.field) for one in KEPT}
        figure = desk.shared.store.figure(desk.name, deal)
        assert figure is not None
        counted = {one.field: (one, figure.values[one.key]) for one in KEPT}
        found = {name: Decimal(str(value)) for name, value in shown.items() if value is not None}
        assert found == {name: in_field(one, value) for name, (one, value) in counted.items() if value is not None}
        return found

    assert same() == {"metric_escalations": 0, "metric_overrides": 0}
    desk.set(deal, handoff_rating=4)
    desk.until(datetime(2027, 2, 3, 15, 0, tzinfo=NEW_YORK))
    with desk.side.lock:
        at = desk.sandbox.clock.now() - timedelta(hours=1)
        desk.view.add_activity(deal, "meeting", subject="Kickoff", body="", at=at, minutes=30, by=who)
    desk.run()
    desk.until(datetime(2027, 2, 4, 10, 0, tzinfo=NEW_YORK))
    late = same()["metric_kickoff_days"]
    with desk.side.lock:
        at = datetime(2027, 2, 2, 11, 0, tzinfo=NEW_YORK)
        desk.view.add_activity(deal, "meeting", subject="Kickoff", body="", at=at, minutes=30, by=who)
    desk.run()
    assert 0 < same()["metric_kickoff_days"] < late, "logged afterwards, it corrects the past"
    figure = desk.shared.store.figure(desk.name, deal)
    assert figure is not None
    assert figure.values["rating"] == 400


def test_exceptions_stand_in_a_queue_and_more_than_three_a_week_are_a_red_flag(desk: Desk) -> None:
    victor = desk.view.user_named(VICTOR).id
    asked = {
        "champion": "",
        "override_requested": True,
        "override_reason": "The customer starts on Monday, the rest follows.",
        "override_approver": victor,
        "override_expires": date(2027, 2, 10),
    }
    deals = [desk.won(**asked) for _ in range(3)]
    queue = desk.shared.store.open_exceptions(desk.name)
    assert [(one.deal_id, one.kind, one.by, one.missing) for one in queue] == [
        (deal, "overridden", VICTOR, ("Champion",)) for deal in deals
    ]
    assert desk.shared.store.alarms(desk.name) == ()
    deals.append(desk.won(**asked))
    (flag,) = desk.shared.store.alarms(desk.name)
    assert flag.subject == "4 exceptions were opened within a week"
    desk.set(deals[0], champion=FILLED["champion"])
    desk.run()
    assert [one.deal_id for one in desk.shared.store.open_exceptions(desk.name)] == deals[1:]
    assert desk.shared.store.alarms(desk.name) == (flag,), "what was opened counts, though it is over"
    desk.until(desk.sandbox.clock.now() + timedelta(days=8))
    assert [one for one in desk.shared.store.alarms(desk.name) if one.name == flag.name] == []


def test_a_threshold_of_the_amount_gives_a_named_csm_and_extras(desk: Desk) -> None:
    change(desk, "process.toml", "named_csm = true", "named_csm = false")
    step = """
[[playbooks.tasks]]
step = "sponsor"
subject = "Name an executive sponsor: {{ account }} ({{ tier }})"
owner = "ae"
within = { working_days = 5 }
trigger = { when = { extras = { contains = "executive_sponsor" } } }

# --- Renewals and upsells"""
    change(desk, "playbook.toml", "\n# --- Renewals and upsells", step)
    desk.begin()
    small, large = an_open(desk, "Small"), an_open(desk, "Large", amount=60000)
    assert (csm(desk, small), csm(desk, large) in (MAYA, TOMAS)) == ("", True)
    assert "Tier low_touch has no named CSM before the close" in why(desk, small, "assignment")
    desk.set(small, amount=50000, risks=LARGE["risks"], competition=LARGE["competition"])
    desk.run()
    assert csm(desk, small), "the threshold was passed"
    desk.set(large, amount=120000, **LARGE)
    desk.run()
    move(desk, large, WON)
    move(desk, small, WON)
    sponsor = desk.tasks(large)["sponsor"]
    assert (sponsor.subject, desk.who(sponsor.owner)) == ("Name an executive sponsor: Large (high_touch)", REP)
    assert "sponsor" not in desk.tasks(small)


def test_what_the_crm_knows_is_taken_over_and_assumed_until_the_ae_confirms_it(desk: Desk) -> None:
    lines = '# [[prefill]]\n# field = "go_live_date"\n# from = "close_date"\n# days = 30\n'
    more = '[[prefill]]\nfield = "stakeholders"\nfrom = "name"\n'
    change(desk, "process.toml", lines, lines.replace("# ", "") + more)
    desk.begin()
    deal = an_open(desk, "Nordlys rollout", close_date=date(2027, 3, 1))
    shown = desk.view.deal(deal)
    assert shown.fields["go_live_date"] == date(2027, 3, 31)
    assert shown.text("stakeholders") == "Nordlys rollout"
    assert shown.text("assumed").splitlines()[1:] == [
        "Stakeholders: Nordlys rollout (from Deal name)",
        "Go-live date: 31 Mar 2027 (from Close date, 30 days later)",
    ]
    assert "Assumed until the AE confirms it: Stakeholders and Go-live date." in why(desk, deal, "prefill")
    desk.set(deal, go_live_date=date(2027, 4, 2), champion="Ingrid Holm herself")
    desk.run()
    assert desk.view.deal(deal).fields["go_live_date"] == date(2027, 4, 2), "what the AE wrote is theirs"
    assert "Go-live date" not in desk.view.deal(deal).text("assumed")
    desk.set(deal, prefill_confirmed=True)
    desk.run()
    assert desk.view.deal(deal).text("assumed") == ""
    assert desk.view.deal(deal).text("stakeholders") == "Nordlys rollout"
