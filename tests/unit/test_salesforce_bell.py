"""Telling people inside Salesforce, when the answer is not the one that was hoped for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from salesforce_wire import DATA, a_rig

from connector.errors import Advice, CrmError, FaultCode
from connector.handoff.plan import Notify, Order

MAIL = DATA + "actions/standard/emailSimple"
NOTICE = Notify(
    step="notify-csm_assigned-mail",
    order=Order.NOTIFY,
    key="k",
    to_email="maya@acme.example",
    to_name="Maya",
    subject="New customer",
    text="You are the CSM.",
    fingerprint="f",
    reason="r",
    way="mail",
    to_id="005000000000002AAA",
    deal_id="006000000000001AAA",
)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.mark.parametrize("status", [200, 400])
def test_a_refused_action_tells_its_reason_whatever_its_status(mock: responses.RequestsMock, status: int) -> None:
    error = {"statusCode": "DAILY_LIMIT", "message": "No more mails today", "fields": []}
    result: dict[str, Any] = {"actionName": "emailSimple", "isSuccess": False, "errors": [error], "outputValues": None}
    mock.add(responses.POST, MAIL, json=[result], status=status)
    with pytest.raises(CrmError) as caught:
        a_rig(mock).crm.tell(NOTICE)
    fault = caught.value.fault
    assert (fault.vendor_code, fault.message, fault.advice) == ("DAILY_LIMIT", "No more mails today", Advice.PARK)


@pytest.mark.parametrize("answer", [{"json": []}, {"json": {}}, {"body": ""}, {"json": ["odd"]}])
def test_an_action_without_a_result_is_in_doubt(mock: responses.RequestsMock, answer: dict[str, Any]) -> None:
    mock.add(responses.POST, MAIL, **answer)
    with pytest.raises(CrmError) as caught:
        a_rig(mock).crm.tell(NOTICE)
    assert caught.value.fault.code is FaultCode.OUTCOME_UNKNOWN


def test_a_bell_that_was_taken_out_of_the_mapping_meanwhile_is_left_to_a_person(mock: responses.RequestsMock) -> None:
    rig = a_rig(mock)
    with pytest.raises(CrmError, match=r"\[tell\]") as caught:
        rig.crm.tell(dataclasses.replace(NOTICE, way="bell"))
    assert caught.value.fault.advice is Advice.PARK
    assert rig.calls == {}
