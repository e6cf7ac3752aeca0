"""One record that the CRM cannot give holds up its own deal and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from engine.harness import SYSTEM, Desk, a_desk

from connector.crm.port import DealFacts
from connector.errors import Fault, FaultCode, RowUnread

WRONG = Fault(FaultCode.UNAVAILABLE, "INTERNAL_ERROR", "A row could not be read")


@pytest.fixture
def desk() -> Desk:
    """A daemon and twelve won deals."""
    desk = a_desk()
    desk.run()
    for deal in [desk.a_deal() for _ in range(12)]:
        desk.win(deal)
    return desk


@pytest.mark.parametrize("named", [True, False])
def test_the_other_deals_are_handed_off(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, named: bool) -> None:
    deals = sorted({row.deal_id or row.id for row in desk.crm._rows.values() if row.kind.value == "deal"})
    bad = {deals[3], deals[8]}
    real = desk.crm.fetch

    def fetch(deal_ids: Sequence[str], *, bare: bool = False) -> Mapping[str, DealFacts]:
        if hit := bad.intersection(deal_ids):
            raise RowUnread(WRONG, ids=frozenset(hit if named else ()))
        return real(deal_ids, bare=bare)

    with monkeypatch.context() as portal:
        portal.setattr(desk.crm, "fetch", fetch)
        for _ in range(20):
            assert desk.run().error == ""
        assert {deal for deal in deals if desk.tasks(deal)} == set(deals) - bad
        assert desk.store.pending_looks(SYSTEM) >= len(bad)
    desk.run(minutes=16)
    desk.settle()
    assert all(len(desk.tasks(deal)) == 4 for deal in deals)


def test_singling_out_by_name_costs_one_more_reading(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = desk.crm.fetch
    bad = "never"

    def fetch(deal_ids: Sequence[str], *, bare: bool = False) -> Mapping[str, DealFacts]:
        nonlocal bad
        asked.append(len(deal_ids))
        bad = deal_ids[0] if len(asked) == 1 else bad
        if bad in deal_ids:
            raise RowUnread(WRONG, ids=frozenset({bad}))
        return real(deal_ids, bare=bare)

    monkeypatch.setattr(desk.crm, "fetch", fetch)
    desk.run()
    assert asked[:2] == [12, 11]
