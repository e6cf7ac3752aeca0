"""Values and stage times between HubSpot's text and the core's types."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hubspot_portal import NOW, a_map

from connector.crm.hubspot import wire
from connector.crm.hubspot.fields import Fields, decode, encode, touch
from connector.handoff.model import Kind, TouchKind, Value
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import MappedField

AT = datetime(2026, 11, 19, 14, 5, 6, 789000, tzinfo=UTC)


def mapped(type_: FieldType, **values: str) -> MappedField:
    return MappedField("x", Kind.DEAL, "x", type_, FieldOwner.DAEMON, "X", values)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (FieldType.TEXT, "Ålesund & Søn"),
        (FieldType.LONG_TEXT, "two\nlines"),
        (FieldType.NUMBER, Decimal("12.50")),
        (FieldType.NUMBER, Decimal("1E+3")),
        (FieldType.BOOL, True),
        (FieldType.BOOL, False),
        (FieldType.DATE, date(2027, 1, 5)),
        (FieldType.DATETIME, AT),
        (FieldType.PERSON, "7001"),
        (FieldType.TEXT, None),
    ],
)
def test_what_was_written_reads_back_equal(type_: FieldType, value: Value) -> None:
    text = encode(value)
    assert isinstance(text, str)
    assert decode(mapped(type_), text) == value


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (FieldType.DATE, "2026-11-22T00:00:00Z", date(2026, 11, 22)),
        (FieldType.DATE, str(wire.millis(datetime(2026, 11, 22, tzinfo=UTC))), date(2026, 11, 22)),
        (FieldType.DATETIME, str(wire.millis(AT)), AT),
        (FieldType.DATETIME, "no date", None),
        (FieldType.NUMBER, "n/a", None),
        (FieldType.NUMBER, "", None),
    ],
)
def test_the_vendors_other_spellings_are_read(type_: FieldType, text: str, value: Value) -> None:
    assert decode(mapped(type_), text) == value


def test_choices_travel_in_the_vendors_words() -> None:
    fields = {"gate": MappedField("gate", Kind.DEAL, "g", FieldType.CHOICE, FieldOwner.DAEMON, "G", {"Held": "held_v"})}
    fields_ = Fields(a_map(fields={**a_map().fields, **fields}))
    assert fields_.patch(Kind.DEAL, {"gate": "Held"}) == {"g": "held_v"}
    assert fields_.record(Kind.DEAL, wire.Obj("1", {"g": "held_v"})).get("gate") == "Held"


def test_milliseconds_do_not_drift() -> None:
    for micro in (1000, 57_000, 123_000, 289_000, 999_000):
        at = datetime(2026, 11, 22, 5, 57, 34, micro, tzinfo=UTC)
        assert wire.moment(str(wire.millis(at))) == at
        assert wire.moment(wire.iso(at)) == at


@pytest.mark.parametrize("zone", [-11, -8, 0, 9, 11])
def test_a_due_day_stays_that_day_in_every_time_zone(zone: int) -> None:
    text = Fields(a_map()).task({"due": date(2026, 12, 1)})["hs_timestamp"]
    at = wire.moment(text)
    assert at is not None
    assert (at + timedelta(hours=zone)).date() == date(2026, 12, 1)


NOTE = "Why: grew 3× & fast\n\n<b>not bold</b>\nDone."


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda body: body,
        lambda body: f'<div style="" dir="auto" data-top-level="true">{body}</div>',
        lambda body: "<p>" + body.replace("<br>", "<br/>") + "</p>",
    ],
)
def test_a_note_reads_back_as_its_words_whatever_tags_stand_around_them(rewritten: Any) -> None:
    fields = Fields(a_map())
    html = fields.new_note({"title": "Handoff <A&B>", "body": NOTE, "owner": "7"}, key="hs:1:1:summary", now=NOW)
    assert "<b>" not in html["hs_note_body"]
    row = wire.Obj("5", {"handoff_key": "hs:1:1:summary", "hs_note_body": rewritten(html["hs_note_body"])})
    note = fields.to_note(row)
    assert note is not None
    assert note.body == NOTE


def test_a_persons_own_note_is_none_of_ours() -> None:
    assert Fields(a_map()).to_note(wire.Obj("5", {"hs_note_body": "hello"})) is None


def test_a_task_is_read_with_its_key_state_and_day() -> None:
    row = wire.Obj(
        "9",
        {
            "hs_task_subject": "Call",
            "hubspot_owner_id": "7",
            "hs_task_status": "COMPLETED",
            "hs_timestamp": "2026-12-01T12:00:00Z",
            "hs_task_completion_date": "2026-11-30T08:00:00Z",
            "handoff_key": "hs:1:1:call",
        },
    )
    task = Fields(a_map()).to_task(row)
    assert (task.key, task.subject, task.owner_id, task.done, task.due) == (
        "hs:1:1:call",
        "Call",
        "7",
        True,
        date(2026, 12, 1),
    )
    assert task.done_at == datetime(2026, 11, 30, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("object_name", "properties", "counts"),
    [
        ("meetings", {"hs_meeting_start_time": "2026-11-20T09:00:00Z"}, True),
        ("meetings", {"hs_meeting_start_time": "2036-11-20T10:00:00Z"}, True),
        ("meetings", {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_meeting_outcome": "NO_SHOW"}, False),
        ("calls", {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_call_status": "COMPLETED"}, True),
        ("calls", {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_call_status": "NO_ANSWER"}, False),
        ("emails", {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_email_status": "SENT"}, True),
        ("emails", {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_email_direction": "INCOMING_EMAIL"}, False),
        ("emails", {}, False),
    ],
)
def test_only_what_reached_somebody_or_is_planned_to_is_a_touch(
    object_name: str,
    properties: dict[str, str],
    counts: bool,
) -> None:
    found = touch(object_name, wire.Obj("1", {**properties, "hubspot_owner_id": "7"}))
    assert (found is not None) is counts
    if found is not None:
        assert (found.kind, found.by) == (TouchKind(object_name.removesuffix("s")), "7")
