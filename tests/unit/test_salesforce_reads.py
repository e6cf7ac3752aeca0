"""Deals read by id, where an org answers otherwise than the sandbox's."""

from __future__ import annotations

import json

import requests
import responses
from salesforce_wire import DATA, DATE, a_rig, records

RETRIEVE = DATA + "composite/sobjects/Opportunity"
HERE, BINNED, UNKNOWN = "006000000000001AAA", "006000000000002AAA", "006000000000003AAA"


def test_a_deal_in_the_recycle_bin_is_gone_even_where_it_can_be_retrieved() -> None:
    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked = json.loads(str(request.body))
        rows = [{"Id": each, "IsDeleted": each == BINNED} for each in asked["ids"] if each != UNKNOWN]
        told = [{name: value for name, value in row.items() if name in asked["fields"]} for row in rows]
        return 200, {"Date": DATE}, json.dumps([*told, *(None for each in asked["ids"] if each == UNKNOWN)])

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        rig = a_rig(mock)
        mock.add_callback(responses.POST, RETRIEVE, callback=answer)
        mock.add(responses.POST, DATA + "composite", json={"compositeResponse": []})
        mock.add(responses.GET, DATA + "queryAll/", json=records())
        mock.add(responses.GET, DATA + "query/", json=records())
        rig.crm._reader.retrieve = True
        assert set(rig.crm.fetch([HERE, BINNED, UNKNOWN])) == {HERE}
