"""A batch read that lists errors of some rows says whose they are, and which deals they hang on.

Answers that go on for ever are a fault too.
"""

from __future__ import annotations

from typing import Any

import pytest
from hubspot_portal import Asked, Reply, a_crm, a_portal

from connector.errors import Advice, CrmError, RowUnread

STAGES = [{"id": "won", "label": "Won", "metadata": {"probability": "1.0", "isClosed": "true"}}]


def answering(bad: str) -> Any:
    """A portal of two deals with a task each, in which one record of this type, number 2, cannot be read."""

    def answer(asked: Asked) -> Reply:
        if "/pipelines/" in asked.path:
            return Reply({"results": [{"id": "default", "stages": STAGES}]})
        if "/associations/" in asked.path:
            ids = [each["id"] for each in asked.body["inputs"]] if "/tasks/" in asked.path else []
            return Reply({"results": [{"from": {"id": each}, "to": [{"toObjectId": f"t{each}"}]} for each in ids]})
        if asked.path.endswith("/batch/read"):
            inputs = [each["id"] for each in asked.body["inputs"]]
            wrong = [each for each in inputs if f"/{bad}/" in asked.path and each.endswith("2")]
            rows = [{"id": each, "properties": {"dealstage": "won", "pipeline": "default"}} for each in inputs]
            error = {"category": "INTERNAL_ERROR", "message": "try again", "context": {"ids": wrong}}
            found = {"results": [row for row in rows if row["id"] not in wrong]}
            return Reply({**found, "numErrors": 1, "errors": [error]} if wrong else found)
        return Reply({"results": []})

    return answer


@pytest.mark.parametrize("bad", ["deals", "tasks"])
def test_the_deal_is_named_that_cannot_be_read(bad: str) -> None:
    with a_portal() as portal:
        portal.otherwise = answering(bad)
        crm = a_crm(portal)
        with pytest.raises(RowUnread) as caught:
            crm.fetch(["1", "2"])
        assert caught.value.ids == {"2"}
        assert caught.value.fault.advice is Advice.RETRY
        assert set(crm.fetch(["1"])) == {"1"}


@pytest.mark.parametrize("path", ["/associations/", "/owners/"])
def test_an_answer_without_end_is_a_fault_and_not_a_loop(path: str) -> None:
    def answer(asked: Asked) -> Reply:
        reply = answering("none")(asked)
        more = {"paging": {"next": {"after": "7"}}}
        if path == "/owners/" and path in asked.path:
            return Reply({"results": [], **more})
        if path in asked.path:
            return Reply({"results": [{**each, **more} for each in reply.body["results"]]})
        return reply

    with a_portal() as portal:
        portal.otherwise = answer
        crm = a_crm(portal)
        ask = crm.people if path == "/owners/" else lambda: crm.fetch(["1"])
        with pytest.raises(CrmError) as caught:
            ask()
        assert caught.value.fault.vendor_code == "ENDLESS_PAGES"
        assert len(portal.asked) < 20
