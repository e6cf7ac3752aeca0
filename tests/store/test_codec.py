"""Values and actions survive the store exactly; plans become JSON that anyone can read."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import a_check, a_deal_patch, a_full_set, a_mail, a_notice, a_plan, a_task, an_account_patch

from connector.handoff.plan import Action
from connector.store import codec

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


@given(VALUES)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = codec.decode_value(json.loads(codec.dumps(codec.encode_value(value))))
    assert back == value
    assert type(back) is type(value)


def test_decimal_keeps_its_places() -> None:
    assert str(codec.decode_value(codec.encode_value(Decimal("120000.00")))) == "120000.00"


def test_times_are_kept_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    back = codec.decode_value(codec.encode_value(datetime(2026, 3, 3, 10, tzinfo=berlin)))
    assert back == datetime(2026, 3, 3, 9, tzinfo=UTC)
    assert isinstance(back, datetime)
    assert back.tzinfo == UTC


@pytest.mark.parametrize("value", [datetime(2026, 3, 3), 3, 3.5, ["x"], {"decimal": "1"}])  # noqa: DTZ001
def test_what_is_no_field_value_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        codec.encode_value(value)


def test_unknown_tags_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown value tag"):
        codec.decode_value({"money": "1"})
    with pytest.raises(ValueError, match="unknown action type"):
        codec.action_from_json({"type": "fax", "order": "2-create"})


@pytest.mark.parametrize(
    "action",
    [
        a_deal_patch(),
        an_account_patch(values={"csm": None, "since": date(2026, 3, 3)}),
        a_task(),
        a_task(record_id="T1", values={"status": "done"}),
        a_notice(),
        a_mail(),
    ],
)
def test_actions_come_back_as_they_were(action: Action) -> None:
    assert codec.action_from_json(json.loads(codec.dumps(codec.action_to_json(action)))) == action


def test_plan_reads_without_knowing_our_types() -> None:
    plan = a_plan("D1", *a_full_set(), missing=(a_check(),), percent=75)
    data = json.loads(json.dumps(codec.plan_to_json(plan)))
    assert data["coverage"] == data["findings"][0]["reason"] == "Every required field is filled."
    assert data["missing"][0]["label"] == "Why they bought"
    assert [one["person_id"] for one in data["assignment"]["candidates"]] == ["u-maya", "u-tomas"]
    patch = next(one for one in data["actions"] if one["step"] == "patch-deal")
    assert patch["values"] == {"percent": 100, "status": "2 Welcome"}
    task = next(one for one in data["actions"] if one["step"] == "step-0")
    assert task["values"]["due"] == "2026-03-05"
    assert data["findings"][0]["steps"] == [action.step for action in plan.actions]


def test_digest_tells_decisions_apart_by_what_they_say() -> None:
    plain = codec.decision_digest(codec.plan_to_json(a_plan("D1", a_deal_patch())))
    later = a_plan("D1", a_deal_patch(), recheck_at=datetime(2026, 4, 1, tzinfo=UTC))
    assert codec.decision_digest(codec.plan_to_json(later)) == plain
    other = a_plan("D1", a_deal_patch(values={"percent": Decimal(50)}))
    assert codec.decision_digest(codec.plan_to_json(other)) != plain
