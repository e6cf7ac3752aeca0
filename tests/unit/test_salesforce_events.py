"""Change events decoded: bitmaps, many records, wildcards, gaps, who made the change, and what it hangs on."""

from __future__ import annotations

import difflib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contract.maps import salesforce_map
from eventbus import BITS, NOW, SCHEMA, payload

from connector.crm.live import (
    Sighting,
)
from connector.crm.salesforce.fields import Names
from connector.crm.salesforce.pubsub import installed
from connector.crm.salesforce.pubsub.events import Reader, Seen, named, read
from connector.crm.salesforce.pubsub.schemas import KEPT, Schemas, parse
from connector.crm.salesforce.pubsub.topics import LiveOptions, Places, event_of, topics_of
from connector.handoff.model import Kind, Ref

US = "005000000000009AAA"
DEAL, OTHER, TASK, ACCOUNT = "006000000000001AAA", "006000000000002AAA", "00T000000000001AAA", "001000000000001AAA"
SCHEMA_READ = parse(json.dumps(SCHEMA))
ROOT = Path(__file__).resolve().parents[2]


def seen(body: bytes) -> Seen:
    return Reader(Names(salesforce_map()), user_id=US).seen(read(SCHEMA_READ, body))


def one(body: bytes) -> Sighting:
    (found,) = seen(body).sightings
    return found


# bitmaps


@pytest.mark.parametrize(
    ("bitmaps", "names"),
    [
        (["0x2"], {"Name"}),
        (["0x6"], {"Name", "StageName"}),
        (["0X14"], {"StageName", "Status"}),
        (["0x0"], set()),
        ([], set()),
        (["6-0x2"], {"BillingAddress", "BillingAddress.City"}),
        (["0x2", "6-0x5"], {"Name", "BillingAddress", "BillingAddress.Street", "BillingAddress.PostalCode"}),
        (["0x800000000000000002"], {"Name"}),
        (["6-0x80"], {"BillingAddress"}),
        (["99-0x1"], set()),
        (["1-0x1"], {"Name"}),
        (["StageName"], {"StageName"}),
    ],
)
def test_a_bitmap_names_the_fields_of_its_schema(bitmaps: list[str], names: set[str]) -> None:
    assert set(named(bitmaps, SCHEMA_READ)) == names


def test_the_order_is_that_of_the_schema_the_event_was_written_with() -> None:
    moved = {**SCHEMA, "fields": [SCHEMA["fields"][0], *reversed(SCHEMA["fields"][1:])]}
    assert set(named(["0x2"], parse(json.dumps(moved)))) == {"BillingAddress"}


def test_an_event_tells_what_changed_and_when() -> None:
    event = read(SCHEMA_READ, payload("Opportunity", DEAL, changed=("StageName", "Status"), StageName="Closed Won"))
    assert (event.entity, event.ids, event.change, event.at) == ("Opportunity", (DEAL,), "UPDATE", NOW)
    assert event.changed == {"StageName", "Status"}


@pytest.mark.parametrize("body", [b"", b"\x01", b"\xff" * 40], ids=["empty", "short", "noise"])
def test_a_payload_of_another_shape_is_told_as_that(body: bytes) -> None:
    with pytest.raises(ValueError, match="does not fit its schema"):
        read(SCHEMA_READ, body)


@pytest.mark.parametrize(
    "text",
    [
        '"string"',
        '{"type": "record", "name": "X"}',
        "[]",
        "not json",
        '{"fields": [{}]}',
        '{"type": "record", "name": "X", "fields": ["a"]}',
        '{"type": "record", "name": "X", "fields": [{"name": "a", "type": "nothing"}]}',
    ],
)
def test_a_schema_of_another_shape_is_told_as_that(text: str) -> None:
    with pytest.raises(ValueError, match=r"schema|Expecting"):
        parse(text)


def test_a_schema_is_asked_for_once_and_old_ones_are_let_go() -> None:
    asked: list[str] = []

    def ask(schema_id: str) -> str:
        asked.append(schema_id)
        return json.dumps(SCHEMA)

    schemas = Schemas(ask)
    for _ in range(3):
        schemas.get("first")
    assert asked == ["first"]
    for number in range(KEPT):
        schemas.get(f"later-{number}")
    schemas.get("first")
    assert asked.count("first") == 2


# what is seen


def test_a_deal_that_changed_is_seen_itself() -> None:
    assert one(payload("Opportunity", DEAL)) == Sighting(Ref(Kind.DEAL, DEAL), NOW, (DEAL,))


@pytest.mark.parametrize(
    ("how", "minor"),
    [
        ({"changed": ("Status",)}, True),
        ({"changed": ("Status", "StageName")}, False),
        ({"changed": ("Name",)}, False),
        ({"changed": ()}, False),
        ({"changed": ("Status",), "change": "CREATE"}, False),
        ({"changed": ("Status",), "change": "GAP_UPDATE"}, False),
    ],
)
def test_a_deal_that_changed_in_nothing_that_is_mapped_may_wait(how: dict[str, Any], minor: bool) -> None:
    assert one(payload("Opportunity", DEAL, **how)).minor is minor


def test_many_records_of_one_event_are_all_seen() -> None:
    assert [each.deal_ids for each in seen(payload("Opportunity", DEAL, OTHER)).sightings] == [(DEAL,), (OTHER,)]


@pytest.mark.parametrize("change", ["DELETE", "UNDELETE", "GAP_UPDATE", "GAP_DELETE", "GAP_CREATE", "GAP_UNDELETE"])
def test_gaps_and_deletions_of_deals_are_looked_at(change: str) -> None:
    assert one(payload("Opportunity", DEAL, change=change)).deal_ids == (DEAL,)


@pytest.mark.parametrize(
    ("entity", "ids", "change", "kind"),
    [
        ("Opportunity", ("006*",), "UPDATE", Kind.DEAL),
        ("Opportunity", ("000000000000000AAA",), "GAP_OVERFLOW", Kind.DEAL),
        ("Task", (), "GAP_OVERFLOW", Kind.TASK),
        ("Account", (ACCOUNT, "001*"), "GAP_UPDATE", Kind.ACCOUNT),
    ],
)
def test_records_without_a_name_ask_for_their_whole_kind(
    entity: str, ids: tuple[str, ...], change: str, kind: Kind
) -> None:
    found = seen(payload(entity, *ids, change=change))
    assert found.sightings == ()
    assert found.unnamed is kind
    assert found.why


def test_other_objects_are_none_of_our_business() -> None:
    assert seen(payload("Lead", "00Q000000000001AAA")) == Seen()


@pytest.mark.parametrize(
    ("origin", "by", "own"),
    [
        ("com/salesforce/api/rest/67.0;client=handoff", "005000000000001AAA", True),
        ("com/salesforce/api/rest/67.0;client=handoff-other", "005000000000001AAA", False),
        ("com/salesforce/api/rest/67.0;client=hand", "005000000000001AAA", False),
        ("", US, True),
        ("", US[:15], True),
        ("", "", False),
        ("", "005000000000001AAA", False),
    ],
)
def test_own_changes_are_known_by_client_or_by_user(origin: str, by: str, own: bool) -> None:
    assert one(payload("Opportunity", DEAL, origin=origin, by=by)).by_self is own


@pytest.mark.parametrize(
    ("what", "deals", "ask"),
    [
        ({"change": "CREATE", "WhatId": DEAL}, (DEAL,), False),
        ({"change": "CREATE", "WhatId": ACCOUNT}, (), False),
        ({"change": "CREATE"}, (), False),
        ({"changed": ("WhatId",), "WhatId": DEAL}, (DEAL,), False),
        ({"changed": ("WhatId",)}, (), False),
        ({"changed": ("Status",), "Status": "Completed"}, (), True),
        ({"changed": ("Name",), "Name": "Another subject"}, (), False),
        ({"changed": ("Status",), "by": US}, (), False),
        ({"change": "DELETE"}, (), False),
        ({"change": "GAP_UPDATE"}, (), True),
        ({"change": "GAP_DELETE"}, (), False),
    ],
    ids=lambda each: json.dumps(each) if isinstance(each, dict) else None,
)
def test_a_task_says_what_it_hangs_on_or_is_asked_only_when_that_may_matter(
    what: dict[str, Any], deals: tuple[str, ...], ask: bool
) -> None:
    found = one(payload("Task", TASK, **what))
    assert (found.ref, found.deal_ids, found.ask) == (Ref(Kind.TASK, TASK), deals, ask)


@pytest.mark.parametrize(
    ("what", "ask"),
    [
        ({"changed": ("Name",)}, True),
        ({"changed": ("Industry",)}, False),
        ({"changed": ("Name",), "by": US}, False),
        ({"change": "CREATE"}, False),
        ({"change": "GAP_UPDATE"}, True),
    ],
)
def test_an_account_is_asked_about_when_a_field_changed_that_the_map_names(what: dict[str, Any], ask: bool) -> None:
    found = one(payload("Account", ACCOUNT, **what))
    assert (found.deal_ids, found.ask) == ((), ask)


# topics and places


def test_a_topic_for_each_object_or_one_channel_for_all() -> None:
    names = Names(salesforce_map())
    own = {topic.name: topic.feeds for topic in topics_of(names, LiveOptions())}
    assert own == {
        "/data/OpportunityChangeEvent": {"deal"},
        "/data/AccountChangeEvent": frozenset(),
        "/data/TaskChangeEvent": {"task"},
        "/data/EventChangeEvent": {"event"},
    }
    (one_for_all,) = topics_of(names, LiveOptions(channel="Handoff__chn"))
    assert (one_for_all.name, one_for_all.feeds) == ("/data/Handoff__chn", {"deal", "task", "event"})
    assert event_of("Deal__c") == "Deal__ChangeEvent"


def test_places_survive_as_text_and_are_worth_nothing_in_another_org() -> None:
    places = Places("00D1", {"/data/X": b"\x00\xff"})
    assert Places.parse(places.dump()) == places
    assert places.in_org("00D1") is places
    assert places.in_org("00D2") == Places("00D2")
    assert [Places.parse(text) for text in (None, "", "{}", "[]", "nonsense", '{"org": 1, "at": {"x": "zz"}}')] == [
        Places()
    ] * 6


# the stubs


def test_the_stubs_are_those_of_the_definition(tmp_path: Path) -> None:
    """Made anew they are the same, line by line: ``make stubs``."""
    if importlib.util.find_spec("grpc_tools") is None:
        pytest.skip("the compiler is not installed")
    folder = Path("connector/crm/salesforce/pubsub")
    out = [f"--{each}_out={tmp_path}" for each in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *out, str(folder / "eventbus.proto")], cwd=ROOT, check=True
    )
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.py*"))
    assert len(made) == 3
    for path in made:
        fresh, kept = ((root / path).read_text().splitlines() for root in (tmp_path, ROOT))
        assert not list(difflib.unified_diff(kept, fresh)), f"{path} is not what its definition makes"


def test_nothing_of_the_extra_is_imported_before_a_stream_is_opened() -> None:
    extra = "{'grpc', 'fastavro', 'google.protobuf'}"
    code = f"import sys, connector.crm.salesforce.adapter; print({extra} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_a_missing_library_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed()
    monkeypatch.setattr("connector.crm.salesforce.pubsub.LIBRARIES", ("grpc", "no_such_package.inside"))
    assert not installed()


def test_the_bits_of_the_test_schema_are_as_documented() -> None:
    assert BITS["Name"] == 2
    assert SCHEMA_READ.nested[6] == ("Street", "City", "PostalCode")
