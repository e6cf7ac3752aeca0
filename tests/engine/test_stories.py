"""Stories that the hostile world made up (``python -m chaos machine``) and that once ended badly, each made short.

Not the machine itself: these run with every test, cost milliseconds, and say in words what was wrong.
"""

from __future__ import annotations

from engine.harness import a_desk
from factories import LENA


def test_an_account_whose_csm_a_person_took_away_stays_without_one_for_its_next_deal() -> None:
    """What was written to the account for one deal is remembered for all: it was the second deal that wrote over it."""
    desk = a_desk()
    desk.run()
    first = desk.a_deal()
    desk.win(first)
    desk.settle()
    account = desk.crm.row(first).account_id
    assert account is not None
    desk.crm.edit(account, csm=None)
    second = desk.a_deal(account=account)
    desk.win(second)
    desk.settle()
    assert desk.crm.row(account).values["csm"] is None
    assert desk.deal(second)["csm"], "the deal itself has its CSM"


def test_an_account_given_to_somebody_who_left_is_left_to_them_by_every_deal() -> None:
    desk = a_desk()
    desk.run()
    first = desk.a_deal()
    desk.win(first)
    desk.settle()
    account = desk.crm.row(first).account_id
    assert account is not None
    desk.crm.edit(account, csm=LENA)
    second = desk.a_deal(account=account)
    desk.win(second)
    desk.settle()
    assert desk.crm.row(account).values["csm"] == LENA


def test_what_a_person_took_away_of_a_merged_handoff_is_not_made_again() -> None:
    """The note and a task went before anybody looked at the deal that took the handoff over."""
    desk = a_desk()
    desk.run()
    handed, other = desk.a_deal(), desk.a_deal(name="The same deal again")
    desk.run()
    desk.win(handed)
    desk.settle()
    desk.win(other)
    desk.crm.merge(other, handed)
    (note,) = desk.notes(other)
    gone, *kept = desk.tasks(other).values()
    desk.crm.delete(note.id)
    desk.crm.delete(gone.id)
    desk.settle()
    assert desk.notes(other) == []
    assert {row.id for row in desk.tasks(other).values()} == {row.id for row in kept}
