"""What the rules of a portal's admins refuse: told with its fix, never sent again, and never in the way of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hubspot_portal import Asked, Portal, Reply, a_crm, a_map, a_portal, confirm, confirmed

from connector.crm.hubspot.refusals import CONDITIONAL, INVALID_WORDS, ON_CREATE, explained, ruled_by
from connector.crm.writing import Applied, Operation, Refused, Write
from connector.errors import Advice, Fault, FaultCode
from connector.handoff.model import Kind, Ref
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import MappedField

WRITTEN_AT = datetime(2026, 11, 20, 9, 30, 0, 123000, tzinfo=UTC)


@pytest.fixture
def portal() -> Iterator[Portal]:
    with a_portal() as portal:
        portal.otherwise = confirm
        yield portal


def patch(deal_id: str, **values: Any) -> Write:
    return Write(kind=Kind.DEAL, operation=Operation.UPDATE, values=values, record_id=deal_id)


def conditional(by: str, needed: str = "closed_won_reason", *, code: str = CONDITIONAL) -> Fault:
    message = f"{needed} is required because of a conditional property rule based on [{by}]"
    return Fault(FaultCode.REJECTED, code, message)


def refusing(by: str, *, alone: bool) -> Any:
    """A portal with a rule: whoever writes ``by`` must also give closed_won_reason. ``alone``: in the row's own error,
    else by refusing the whole batch."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply({"results": []})
        rows = asked.body["inputs"]
        bad = [row for row in rows if by in row["properties"] and "closed_won_reason" not in row["properties"]]
        fault = conditional(by)
        inner = {"code": CONDITIONAL, "message": fault.message, "context": {"propertyName": ["closed_won_reason"]}}
        body = {"category": "VALIDATION_ERROR", "message": fault.message, "errors": [inner]}
        if bad and not alone:
            return Reply({"status": "error", **body}, status=400)
        errors = [{**body, "context": {"objectWriteTraceId": [row["objectWriteTraceId"]]}} for row in bad]
        good = [confirmed(row) for row in rows if row not in bad]
        return Reply({"results": good, "numErrors": len(errors), "errors": errors})

    return answer


@pytest.mark.parametrize(
    ("fault", "sent", "told"),
    [
        (conditional("dealstage"), ("dealstage", "pipeline"), "the rule that dealstage sets off"),
        (conditional("dealstage"), ("dealstage",), "the stage's required properties"),
        (conditional("handoff_gate"), ("handoff_gate", "handoff_missing"), "the rule that handoff_gate sets off"),
        (conditional("region"), ("handoff_gate",), "have an admin take off the rule (Settings"),
        (Fault(FaultCode.REJECTED, ON_CREATE, "hs_task_priority is required"), (), "create form"),
        (Fault(FaultCode.REJECTED, "VALIDATION_ERROR", f"{INVALID_WORDS}: [..]"), (), "validation rule"),
    ],
)
def test_a_rule_is_told_with_what_to_do_about_it(fault: Fault, sent: tuple[str, ...], told: str) -> None:
    message = explained(fault, sent).message
    assert message.startswith(fault.message)
    assert told in message
    assert message.endswith("then: handoff retry")
    assert explained(fault, sent).advice is Advice.PARK


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultCode.REJECTED, "INVALID_OPTION", "Gone was not one of the allowed options"),
        Fault(FaultCode.THROTTLED, "DAILY", "slow down"),
        Fault(FaultCode.RECORD_GONE, "OBJECT_NOT_FOUND", "no deal 7"),
    ],
)
def test_other_refusals_are_left_in_the_vendors_words(fault: Fault) -> None:
    assert explained(fault, ("dealstage",)) == fault


def test_only_what_the_row_itself_writes_can_be_left_out_and_never_the_stage() -> None:
    assert ruled_by(conditional("handoff_gate"), ("handoff_gate", "x")) == {"handoff_gate"}
    assert ruled_by(conditional("handoff_gate, region"), ("handoff_gate",)) == {"handoff_gate"}
    assert ruled_by(conditional("region"), ("handoff_gate",)) == frozenset()
    assert ruled_by(conditional("dealstage"), ("dealstage", "handoff_gate")) == frozenset()
    assert ruled_by(conditional("handoff_gate", code="INVALID_OPTION"), ("handoff_gate",)) == frozenset()


@pytest.mark.parametrize("alone", [True, False])
def test_a_put_back_that_a_rule_of_the_stage_refuses_is_parked_whole_with_the_fix(portal: Portal, alone: bool) -> None:
    portal.otherwise = refusing("dealstage", alone=alone)
    outcomes = a_crm(portal).apply([patch("1", stage="contractsent", gate="Held"), patch("2", gate="Held")])
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].fault.advice is Advice.PARK
    assert "closed_won_reason is required" in outcomes[0].fault.message
    assert "the rule that dealstage sets off" in outcomes[0].fault.message
    assert outcomes[1] == Applied("2", WRITTEN_AT)


@pytest.mark.parametrize("alone", [True, False])
def test_a_field_that_a_rule_hangs_on_does_not_keep_the_stage_from_being_put_back(portal: Portal, alone: bool) -> None:
    portal.otherwise = refusing("handoff_gate", alone=alone)
    writes = [patch("1", stage="contractsent", gate="Held", percent=Decimal(40)), patch("2", percent=Decimal(10))]
    outcomes = a_crm(portal).apply(writes)
    assert outcomes == (Applied("1", WRITTEN_AT, left=frozenset({"gate"})), Applied("2", WRITTEN_AT))
    last = portal.asked[-1].body["inputs"]
    assert [(row["id"], row["properties"]) for row in last] == [
        ("1", {"dealstage": "contractsent", "handoff_percent": "40"})
    ]


def test_the_field_alone_is_refused_with_the_fix(portal: Portal) -> None:
    portal.otherwise = refusing("handoff_gate", alone=True)
    (outcome,) = a_crm(portal).apply([patch("1", gate="Held")])
    assert isinstance(outcome, Refused)
    assert "the rule that handoff_gate sets off" in outcome.fault.message
    assert len(portal.asked) == 1


def test_what_stays_refused_without_the_field_keeps_its_first_words(portal: Portal) -> None:
    first = refusing("handoff_gate", alone=True)

    def answer(asked: Asked) -> Reply:
        if len(portal.asked) == 1:
            return first(asked)  # type: ignore[no-any-return]
        return Reply({"status": "error", "category": "VALIDATION_ERROR", "message": "no"}, status=400)

    portal.otherwise = answer
    (outcome,) = a_crm(portal).apply([patch("1", gate="Held", percent=Decimal(4))])
    assert isinstance(outcome, Refused)
    assert "closed_won_reason" in outcome.fault.message


def normalizing(*, on_row: bool, **made: str) -> Any:
    """A portal that rewrites these properties and says so, on each row or once for the batch."""

    def answer(asked: Asked) -> Reply:
        results, said = [], []
        for row in asked.body["inputs"]:
            kept = {name: made.get(name, text) for name, text in row["properties"].items()}
            warnings = [
                {
                    "category": "PROPERTY_VALUE_NORMALIZED",
                    "context": {"rawValue": [text], "normalizedValue": [kept[name]]},
                }
                for name, text in row["properties"].items()
                if kept[name] != text
            ]
            said += warnings
            results.append({**confirmed(row), "properties": kept} | ({"warnings": warnings} if on_row else {}))
        return Reply({"results": results} | ({} if on_row else {"warnings": said}))

    return answer


@pytest.mark.parametrize("on_row", [True, False])
def test_what_the_portal_made_of_a_value_is_told(portal: Portal, on_row: bool) -> None:
    portal.otherwise = normalizing(on_row=on_row, handoff_missing="Champion: Ask.")
    outcomes = a_crm(portal).apply([patch("1", missing="champion:  ask.", gate="Held"), patch("2", gate="Held")])
    assert outcomes == (Applied("1", WRITTEN_AT, kept=(("missing", "Champion: Ask."),)), Applied("2", WRITTEN_AT))


def test_another_value_without_the_warning_is_somebody_else_s(portal: Portal) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(
            {
                "results": [
                    {**confirmed(row), "properties": {"handoff_gate": "Released"}} for row in asked.body["inputs"]
                ]
            }
        )

    portal.otherwise = answer
    assert a_crm(portal).apply([patch("1", gate="Held")]) == (Applied("1", WRITTEN_AT),)


@pytest.mark.parametrize("whole", [True, False])
def test_a_deal_that_was_merged_away_is_read_anew_and_sinks_no_other(portal: Portal, whole: bool) -> None:
    """A merged-away id works in a single PATCH, not in a batch update (facts: HubSpot §3a)."""
    gone = {"category": "OBJECT_NOT_FOUND", "message": "Deal 7 does not exist", "context": {"ids": ["7"]}}

    def answer(asked: Asked) -> Reply:
        good = [confirmed(row) for row in asked.body["inputs"] if row["id"] != "7"]
        if len(good) == len(asked.body["inputs"]):
            return Reply({"results": good})
        return (
            Reply({"status": "error", **gone}, status=404)
            if whole
            else Reply({"results": good, "numErrors": 1, "errors": [gone]})
        )

    portal.otherwise = answer
    outcomes = a_crm(portal).apply([patch(each, gate="Held") for each in ("1", "7", "9")])
    assert [outcomes[0], outcomes[2]] == [Applied("1", WRITTEN_AT), Applied("9", WRITTEN_AT)]
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].fault.advice is Advice.REREAD


@pytest.mark.parametrize("kind", [Kind.TASK, Kind.NOTE, Kind.MEETING])
def test_every_row_of_an_upsert_carries_its_trace_id(portal: Portal, kind: Kind) -> None:
    writes = [
        Write(kind, Operation.UPSERT, {"body": "x"}, key=f"hs:31:1:{n}", parents=(Ref(Kind.DEAL, "31"),))
        for n in range(3)
    ]
    assert all(isinstance(each, Applied) for each in a_crm(portal).apply(writes))
    (upsert,) = [asked for asked in portal.asked if asked.path.endswith("/batch/upsert")]
    traces = [row["objectWriteTraceId"] for row in upsert.body["inputs"]]
    assert len(set(traces)) == 3


def test_a_meeting_is_upserted_with_its_start_as_its_place_among_the_activities(portal: Portal) -> None:
    start, end = datetime(2026, 11, 25, 14, tzinfo=UTC), datetime(2026, 11, 25, 14, 15, tzinfo=UTC)
    values = {"subject": "Handoff", "body": "Why <now>\nWho", "start": start, "end": end, "owner": "7001"}
    parents = (Ref(Kind.DEAL, "31"), Ref(Kind.ACCOUNT, "21"))
    write = Write(Kind.MEETING, Operation.UPSERT, values, key="hs:31:1:handoff-meeting", parents=parents)
    assert a_crm(portal).apply([write]) == (Applied("id-of-hs:31:1:handoff-meeting", WRITTEN_AT),)
    assert portal.paths()[1:] == [
        "/crm/objects/2026-09/meetings/batch/upsert",
        "/crm/associations/2026-09/meetings/companies/batch/associate/default",
        "/crm/associations/2026-09/meetings/deals/batch/associate/default",
    ]
    assert portal.asked[1].body["inputs"][0]["properties"] == {
        "hs_timestamp": "2026-11-25T14:00:00.000Z",
        "hs_meeting_start_time": "2026-11-25T14:00:00.000Z",
        "hs_meeting_end_time": "2026-11-25T14:15:00.000Z",
        "hs_meeting_title": "Handoff",
        "hs_meeting_body": "Why &lt;now&gt;<br>Who",
        "hs_meeting_outcome": "SCHEDULED",
        "hubspot_owner_id": "7001",
        "handoff_key": "hs:31:1:handoff-meeting",
    }


def test_a_meeting_that_is_moved_keeps_what_a_person_said_of_it(portal: Portal) -> None:
    later = datetime(2026, 11, 26, 14, tzinfo=UTC)
    move = Write(Kind.MEETING, Operation.UPSERT, {"start": later}, record_id="91", key="hs:31:1:kickoff")
    a_crm(portal).apply([move])
    assert portal.asked[0].body["inputs"][0]["properties"] == {
        "hs_timestamp": "2026-11-26T14:00:00.000Z",
        "hs_meeting_start_time": "2026-11-26T14:00:00.000Z",
    }


def test_a_portal_without_a_place_for_the_key_of_meetings_makes_none_and_says_so(portal: Portal) -> None:
    unique = {"name": "handoff_key", "type": "string", "hasUniqueValue": True}

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/meetings"):
            return Reply({"results": []})
        return Reply({"results": [unique]}) if asked.path.startswith("/crm/properties") else Reply({"results": []})

    portal.otherwise = answer
    crm = a_crm(portal)
    problems = [problem.key for problem in crm.connect()]
    assert "meeting.key" in problems
    write = Write(Kind.MEETING, Operation.UPSERT, {"subject": "x"}, key="hs:31:1:k", parents=(Ref(Kind.DEAL, "31"),))
    asked = len(portal.asked)
    (outcome,) = crm.apply([write])
    assert isinstance(outcome, Refused)
    assert outcome.fault.vendor_code == "NO_KEY"
    assert "meeting.key: none is mapped, or the portal has not got its property" in outcome.fault.message
    assert len(portal.asked) <= asked + 1
    assert crm.find(Kind.MEETING, {"hs:31:1:k": "31"}) == {}


def test_a_task_carries_queue_priority_and_type_in_the_portals_words(portal: Portal) -> None:
    values = {"subject": "Call", "priority": "high", "type": "call", "queue": "7312"}
    write = Write(Kind.TASK, Operation.UPSERT, values, key="hs:31:1:call", parents=(Ref(Kind.DEAL, "31"),))
    a_crm(portal).apply([write])
    sent = portal.asked[1].body["inputs"][0]["properties"]
    assert (sent["hs_task_priority"], sent["hs_task_type"], sent["hs_queue_membership_ids"]) == ("HIGH", "CALL", "7312")


def refusing_property(name: str, *, code: str, alone: bool) -> Any:
    """A portal that does not take this property."""

    def answer(asked: Asked) -> Reply:
        if "/associate/" in asked.path or asked.method == "GET":
            return confirm(asked)
        rows = asked.body["inputs"]
        bad = [row for row in rows if name in row["properties"]]
        inner = {"code": code, "message": f"{name} is not taken", "context": {"propertyName": [name]}}
        body = {"category": "VALIDATION_ERROR", "message": "not valid", "errors": [inner]}
        if bad and not alone:
            return Reply({"status": "error", **body}, status=400)
        errors = [{**body, "context": {"objectWriteTraceId": [row["objectWriteTraceId"]]}} for row in bad]
        return Reply({"results": [confirmed(row) for row in rows if row not in bad], "errors": errors})

    return answer


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("code", ["INVALID_ENGAGEMENT", "READ_ONLY_VALUE"])
def test_a_note_that_cannot_be_pinned_keeps_nothing_else_from_being_written(
    portal: Portal, code: str, alone: bool
) -> None:
    pinned = MappedField("pinned", Kind.DEAL, "hs_pinned_engagement_id", FieldType.TEXT, FieldOwner.DAEMON, "Pinned")
    portal.otherwise = refusing_property("hs_pinned_engagement_id", code=code, alone=alone)
    crm = a_crm(portal, map=a_map(fields={**a_map().fields, "pinned": pinned}))
    outcomes = crm.apply([patch("1", pinned="91", gate="Held"), patch("2", pinned="92"), patch("3", gate="Held")])
    assert outcomes[0] == Applied("1", WRITTEN_AT, left=frozenset({"pinned"}))
    assert isinstance(outcomes[1], Refused)
    assert outcomes[2] == Applied("3", WRITTEN_AT)


@pytest.mark.parametrize(("alone", "count"), [(True, 120), (False, 3)])
def test_a_queue_that_is_gone_keeps_no_task_from_being_made(portal: Portal, alone: bool, count: int) -> None:
    portal.otherwise = refusing_property("hs_queue_membership_ids", code="INVALID_OPTION", alone=alone)
    writes = [
        Write(
            Kind.TASK,
            Operation.UPSERT,
            {"subject": "Call", "queue": "7312", "priority": "high"},
            key=f"hs:31:1:{n}",
            parents=(Ref(Kind.DEAL, "31"),),
        )
        for n in range(count)
    ]
    outcomes = a_crm(portal).apply(writes)
    assert all(isinstance(each, Applied) and each.left == {"queue"} for each in outcomes)
    links = [asked for asked in portal.asked if "/associate/" in asked.path]
    assert len(links[0].body["inputs"]) == count
    made = [
        row["properties"] for asked in portal.asked if asked.path.endswith("/upsert") for row in asked.body["inputs"]
    ]
    assert sum("hs_queue_membership_ids" not in each for each in made) == count
