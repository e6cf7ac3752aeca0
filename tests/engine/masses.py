"""Masses for the brakes: a daemon with small limits, deals won by the dozen, handoffs under way, what is held of them.

Not here: what is expected of any of it (``test_masschange`` and its like).
"""

from __future__ import annotations

import dataclasses

from engine.harness import SYSTEM, Desk
from factories import WON_STAGE

from connector.engine.parts import Limits
from connector.handoff.plan import Notify

SMALL = Limits(new=6, imported=2, changed=6, changed_share=0.0)
"""Limits of a company with a handful of wins an hour."""


def braked(desk: Desk, cries: list[Notify], limits: Limits = SMALL) -> Desk:
    desk.shared = dataclasses.replace(desk.shared, limits=limits, alert=cries.append)
    return desk


def won(desk: Desk, count: int, by: str = "person") -> list[str]:
    deals = [desk.a_deal() for _ in range(count)]
    for deal_id in deals:
        desk.crm.edit(deal_id, by=by, stage=WON_STAGE.id)
    return deals


def begun(desk: Desk, deals: list[str]) -> list[str]:
    """Those on which anything of ours stands."""
    return [each for each in deals if desk.tasks(each) or desk.deal(each).get("status")]


def held(desk: Desk) -> set[str]:
    return {each.deal_id for each in desk.store.held(SYSTEM)}


def in_flight(desk: Desk, count: int) -> list[str]:
    """Handoffs under way, for longer than the window."""
    deals: list[str] = []
    while len(deals) < count:
        deals += won(desk, 1)
        desk.run(minutes=15)
    desk.run(hours=2)
    desk.settle()
    assert begun(desk, deals) == deals
    return deals
