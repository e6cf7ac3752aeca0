"""What an old deal is filled with: figures only, only where nothing else stands, and nothing the second time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from factories import BASELINE, NOW, OPEN_STAGE, a_policy, a_snapshot

from connector.handoff.backfill import DEFAULT, FIELDS, STEP, backfill, patch_of
from connector.handoff.decide import decide
from connector.handoff.model import Kind, Ref, Snapshot
from connector.handoff.plan import Order, Patch, Phase

LONG_BEFORE = BASELINE - timedelta(days=400)
EVERYTHING = tuple(FIELDS)


def old(deal: dict[str, Any] | None = None, **changes: Any) -> Snapshot:
    return a_snapshot(deal=deal or {}, **{"won_at": LONG_BEFORE, **changes})


def filled_with(snapshot: Snapshot, fields: tuple[str, ...] = DEFAULT) -> dict[str, Any]:
    plan = backfill(snapshot, a_policy(), NOW, fields=fields)
    assert plan is not None
    patch = patch_of(plan)
    return dict(patch.values) if patch else {}


def test_an_old_deal_gets_its_figures_and_nothing_else() -> None:
    plan = backfill(old({"champion": None}), a_policy(), NOW, fields=DEFAULT)
    assert plan is not None
    [patch] = plan.actions
    assert isinstance(patch, Patch)
    assert (patch.step, patch.order, patch.ref.kind) == (STEP, Order.BACKFILL, Kind.DEAL)
    assert patch.values["percent"] == patch.values["metric_completion"] == Decimal(75)
    assert str(patch.values["missing"]).startswith("Won before handoffs were checked: 1 of 4 required fields is empty.")
    assert set(patch.values) == set(DEFAULT)
    assert plan.phase is Phase.BEFORE_START
    assert plan.assignment is None
    assert "won before the start" in plan.findings[1].reason.lower()


def test_marks_of_a_handoff_are_never_written() -> None:
    values = filled_with(old({"champion": None}), EVERYTHING)
    assert set(values) == {"percent", "missing", "metric_completion", "status", "summary"}
    assert not {"gate", "started_at", "csm", "stage"} & set(FIELDS)
    written = old({**values, "champion": None}, ledger={"written": {Ref(Kind.DEAL, "D1"): values}})
    assert decide(written, a_policy(), NOW).phase is Phase.BEFORE_START
    assert decide(written, a_policy(), NOW).actions == ()


def test_a_second_time_there_is_nothing_to_do() -> None:
    first = old({"champion": None})
    values = filled_with(first, EVERYTHING)
    again = old({"champion": None, **values}, ledger={"written": {first.deal.ref: values}})
    assert filled_with(again, EVERYTHING) == {}
    lost = old({"champion": None, **values})
    assert filled_with(lost, EVERYTHING) == {}


def test_what_somebody_else_wrote_stays() -> None:
    theirs = {"champion": None, "percent": Decimal(12), "summary": "Ask Elena.", "missing": "Nothing, really."}
    plan = backfill(old(theirs), a_policy(), NOW, fields=EVERYTHING)
    assert plan is not None
    patch = patch_of(plan)
    assert patch is not None
    assert set(patch.values) == {"metric_completion", "status"}
    assert "Left as it is because a person edited it" in plan.findings[1].reason


def test_what_we_wrote_follows_the_deal_except_the_figure_of_that_time() -> None:
    before = old({"champion": None})
    values = filled_with(before)
    now_full = old(values, ledger={"written": {before.deal.ref: values}})
    assert filled_with(now_full) == {"percent": Decimal(100), "missing": None}


@pytest.mark.parametrize(
    "snapshot",
    [a_snapshot(), a_snapshot(stage=OPEN_STAGE, won_at=None), old(ledger={"adopted": True})],
    ids=["won since", "open", "taken up on request"],
)
def test_other_deals_are_left_to_the_handoff(snapshot: Snapshot) -> None:
    assert backfill(snapshot, a_policy(), NOW, fields=DEFAULT) is None


def test_a_field_that_is_not_filled_in_this_way_is_refused() -> None:
    with pytest.raises(ValueError, match="gate, started_at"):
        backfill(old(), a_policy(), NOW, fields=("percent", "gate", "started_at"))
