"""People edit while the engine works: their edits stand, and two deals of one account do not fight."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest
from engine.harness import Desk, a_desk
from factories import PEOPLE, a_policy

from connector.crm.writing import (
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import Fault, FaultCode
from connector.handoff.model import Kind

STEPS = ["prepare", "run-call", "setup-call", "welcome-packet"]
HOUR = 60
"""Passes, when one is run a minute."""


def won(desk: Desk, **values: object) -> str:
    """A deal won and looked at."""
    deal_id = desk.a_deal(**values)  # type: ignore[arg-type]
    desk.run()
    desk.win(deal_id)
    desk.run()
    return deal_id


def lose_answers_of(desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """The next batch of a kind is done and its answer lost."""
    real = desk.crm.apply
    silent = Fault(FaultCode.OUTCOME_UNKNOWN, "timeout", "no answer")

    def apply(writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        outcomes = real(writes)
        if writes[0].kind is not kind:
            return outcomes
        monkeypatch.setattr(desk.crm, "apply", real)
        return tuple(Unknown(silent) for _ in writes)

    monkeypatch.setattr(desk.crm, "apply", apply)


def test_an_edit_after_a_write_whose_answer_was_lost_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.run()
    lose_answers_of(desk, monkeypatch, Kind.DEAL)
    deal_id = won(desk)
    desk.crm.edit(deal_id, summary="What the CSM wrote", status="3 Alignment")
    desk.settle()
    assert desk.deal(deal_id)["summary"] == "What the CSM wrote"
    assert desk.deal(deal_id)["status"] == "3 Alignment"
    assert desk.deal(deal_id)["gate"] == "Released"


def test_a_revert_whose_answer_was_lost_does_not_undo_the_next_win(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk()
    desk.run()
    lose_answers_of(desk, monkeypatch, Kind.DEAL)
    deal_id = won(desk, champion=None)
    desk.crm.edit(deal_id, champion="Bo Holm", stage="Closed Won")
    desk.settle()
    assert desk.deal(deal_id)["stage"] == "Closed Won"
    assert [stage for _, stage in desk.crm.row(deal_id).stages][-3:] == ["Closed Won", "Negotiation", "Closed Won"]
    assert sorted(desk.tasks(deal_id)) == STEPS


def test_two_csms_on_two_deals_of_one_account_do_not_fight_over_it() -> None:
    desk = a_desk()
    desk.run()
    account = desk.crm.add_account(name="Nordlys AS", industry="energy")
    first, second = won(desk, account=account), won(desk, account=account)
    desk.settle()
    desk.crm.edit(first, csm="u-tomas")
    desk.settle()
    desk.crm.edit(second, csm="u-priya")
    desk.settle()
    seen = set()
    for _ in range(2 * HOUR):
        desk.run(minutes=1)
        seen.add((desk.deal(first)["csm"], desk.deal(second)["csm"], desk.crm.row(account).values["csm"]))
    assert seen == {("u-tomas", "u-priya", "u-priya")}, "the latest choice stands on the account, and stays"


def test_where_accounts_do_not_keep_their_csm_an_older_deal_does_not_take_them_back() -> None:
    policy = a_policy()
    policy = dataclasses.replace(policy, assignment=dataclasses.replace(policy.assignment, keep_current=False))
    desk = a_desk(policy=policy)
    desk.run()
    account = desk.crm.add_account(name="Nordlys AS", industry="energy")
    first, second = won(desk, account=account), won(desk, account=account)
    chosen = [desk.deal(first)["csm"], desk.deal(second)["csm"]]
    for _ in range(HOUR):
        desk.run(minutes=1)
    assert [desk.deal(first)["csm"], desk.deal(second)["csm"]] == chosen
    assert desk.crm.row(account).values["csm"] == chosen[1]


def test_deals_of_one_account_won_at_once_and_in_the_next_pass_get_one_csm() -> None:
    desk = a_desk()
    desk.run()
    account = desk.crm.add_account(name="Nordlys AS", industry="energy")
    deals = [desk.a_deal(account=account) for _ in range(3)]
    desk.run()
    desk.win(deals[0])
    desk.win(deals[1])
    desk.run()
    desk.win(deals[2])
    desk.settle()
    assert len({desk.deal(each)["csm"] for each in deals}) == 1


def test_what_people_delete_move_and_rewrite_stays_so() -> None:
    desk = a_desk()
    desk.run()
    deal_id = won(desk)
    desk.settle()
    tasks = desk.tasks(deal_id)
    desk.crm.delete(tasks["setup-call"].id)
    desk.crm.edit(tasks["welcome-packet"].id, owner="u-priya")
    desk.crm.edit(tasks["prepare"].id, due=date(2026, 5, 1))
    desk.crm.edit(deal_id, summary="My own words", gate=None, percent=Decimal(3))
    desk.crm.edit(desk.notes(deal_id)[0].id, body="My own note")
    for _ in range(HOUR // 2):
        desk.run(minutes=1)
    tasks, deal = desk.tasks(deal_id), desk.deal(deal_id)
    assert sorted(tasks) == ["prepare", "run-call", "welcome-packet"]
    assert tasks["welcome-packet"].values["owner"] == "u-priya"
    assert tasks["prepare"].values["due"] == date(2026, 5, 1)
    assert (deal["summary"], deal["gate"], deal["percent"]) == ("My own words", None, Decimal(3))
    assert [note.values["body"] for note in desk.notes(deal_id)] == ["My own note"]


def test_won_reopened_and_won_between_two_polls_is_one_handoff() -> None:
    desk = a_desk()
    desk.run()
    deal_id = won(desk)
    desk.settle()
    desk.crm.edit(deal_id, stage="Negotiation")
    desk.clock.advance(timedelta(seconds=2))
    desk.win(deal_id)
    desk.settle()
    assert sorted(desk.tasks(deal_id)) == STEPS
    assert len(desk.notes(deal_id)) == len(desk.told) == 1


def test_a_held_deal_whose_owner_left_goes_to_the_owners_manager() -> None:
    desk = a_desk()
    desk.run()
    deal_id = won(desk, champion=None)
    desk.crm.set_person(dataclasses.replace(PEOPLE["u-ae"], active=False))
    desk.clock.advance(timedelta(minutes=11))
    desk.crm.edit(deal_id, champion="Bo Holm", stage="Closed Won")
    desk.settle()
    assert desk.tasks(deal_id)["welcome-packet"].values["owner"] == "u-manager"
    assert not desk.store.parked(desk.system.name)


@pytest.mark.parametrize("lost", [False, True])
def test_an_override_withdrawn_after_it_let_the_deal_through_pulls_nothing_back(*, lost: bool) -> None:
    desk = a_desk()
    desk.run()
    reason = "The customer signs today, the rest follows on Monday"
    deal_id = won(
        desk,
        champion=None,
        override_requested=True,
        override_approver="u-manager",
        override_reason=reason,
        override_expires=date(2026, 3, 5),
    )
    desk.crm.edit(deal_id, override_requested=False)
    if lost:
        desk.lose_ledger()
    desk.settle()
    assert (desk.deal(deal_id)["gate"], desk.deal(deal_id)["stage"]) == ("Overridden", "Closed Won")
    assert sorted(desk.tasks(deal_id)) == STEPS
