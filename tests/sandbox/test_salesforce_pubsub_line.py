"""Streams of the Salesforce sandbox: who may open one, flow control, replay, and everything that ends or spoils one."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import grpc
import pytest
import requests
from sandbox.pubsub_client import CUSTOM, EARLIEST, SERVICE, Client, code_of

from connector.sandbox.salesforce import granting
from connector.sandbox.server import Ports, Sandbox

EVERY = "/data/ChangeEvents"
DEALS = "/data/OpportunityChangeEvent"
ENTITIES = ("Opportunity", "Account", "Task", "Event")
HOUR_S = 3_600


@pytest.fixture
def sb(running: Sandbox) -> Sandbox:
    running.pubsub.select(entities=ENTITIES)
    return running


@pytest.fixture
def client(sb: Sandbox) -> Iterator[Client]:
    found = Client(sb)
    yield found
    found.close()


@pytest.fixture
def bare() -> Iterator[Sandbox]:
    with Sandbox.running(bare_salesforce=True) as found:
        found.pubsub.select(entities=ENTITIES)
        yield found


def accounts(sb: Sandbox, count: int) -> list[str]:
    """New accounts, each committed by itself."""
    return [sb.sf.table("Account").insert({"Name": f"A{n}"}, by="u").id for n in range(count)]


def refused(client: Client, name: str, fields: dict[int, str | bytes | int]) -> str:
    """The code with which a single call is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        client.call(name, fields)
    return code_of(caught.value)


# who may


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("accesstoken", "00D!nobody", "service.auth.error"),
        ("tenantid", "00DHO0000000001", "service.auth.error"),
        ("tenantid", "00DHO0000000009XXX", "service.auth.error"),
        ("instanceurl", "http://127.0.0.1:1", "service.auth.error"),
        ("instanceurl", "elsewhere", "service.auth.error"),
        ("accesstoken", "", "service.auth.headers.invalid"),
    ],
)
def test_wrong_credentials_are_refused_on_every_call(client: Client, key: str, value: str, code: str) -> None:
    client.metadata = [(k, value if k == key else v) for k, v in client.metadata]
    assert refused(client, "GetTopic", {1: EVERY}) == code
    assert client.subscribe(EVERY).error() == code


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("/data/NothingChangeEvent", "topic.not.found"),
        ("/data/opportunitychangeevent", "topic.not.found"),
        ("/data/Missing__chn", "topic.not.found"),
        ("/event/Order__e", "topic.not.found"),
        ("", "topic.validation.empty"),
    ],
)
def test_topics_that_do_not_exist(client: Client, topic: str, code: str) -> None:
    assert refused(client, "GetTopic", {1: topic}) == code
    assert client.subscribe(topic).error() == code


def test_a_topic_names_its_schema(client: Client) -> None:
    found = client.call("GetTopic", {1: DEALS})
    assert found[1] == [DEALS.encode()]
    assert found[4] == [1]
    schema = client.schema(found[5][0].decode())
    assert schema["name"] == "OpportunityChangeEvent"
    assert schema["fields"][0]["name"] == "ChangeEventHeader"
    assert all(f["type"][0] == "null" for f in schema["fields"][1:])
    assert refused(client, "GetSchema", {1: "nosuch"}) == "schema.not.found"
    assert refused(client, "GetSchema", {1: ""}) == "schema.validation.failed"


@pytest.mark.parametrize("name", ["Publish", "PublishStream", "ManagedSubscribe"])
def test_what_nobody_needs_is_unimplemented(client: Client, name: str) -> None:
    call = client.channel.unary_unary(SERVICE + name)
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", metadata=client.metadata, timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_without_view_all_a_topic_is_closed_and_a_channel_silent(bare: Sandbox) -> None:
    client = Client(bare)
    assert client.subscribe(DEALS).error() == "subscription.topic.cannot.subscribe"
    stream = client.subscribe(EVERY)
    accounts(bare, 1)
    user = bare.sf.table("User").find_unique("Username", "integration@handoff.sandbox")
    assert user is not None
    own = granting.put_set(bare.sf, "Sees_Accounts")
    granting.grant_objects(bare.sf, own, {"Account": ("Read", "ViewAllRecords")})
    granting.assign(bare.sf, user.id, own)
    bare.sf.table("Task").insert({"Subject": "not for these eyes"}, by="u")
    accounts(bare, 1)
    assert len(client.subscribe("/data/AccountChangeEvent", preset=EARLIEST).events(2)) == 2
    assert {client.read(e)["ChangeEventHeader"]["entityName"] for e in stream.events(1)} == {"Account"}
    assert client.subscribe("/data/TaskChangeEvent").error() == "subscription.topic.cannot.subscribe"
    client.close()


# flow control


def test_no_more_comes_than_was_asked_for(client: Client, sb: Sandbox) -> None:
    accounts(sb, 5)
    stream = client.subscribe(EVERY, preset=EARLIEST, count=2)
    first = stream.next()
    assert (len(first.events), first.pending) == (2, 0)
    stream.more(1)
    second = stream.next()
    assert (len(second.events), second.pending) == (1, 0)
    assert second.latest == second.events[0].replay_id


def test_more_than_a_hundred_is_cut_to_a_hundred(client: Client, sb: Sandbox) -> None:
    accounts(sb, 130)
    stream = client.subscribe(EVERY, preset=EARLIEST, count=500)
    assert len(stream.events(100)) == 100
    stream.more(100)
    assert len(stream.events(30)) == 30


@pytest.mark.parametrize("count", [0, -3])
def test_asking_for_nothing_is_an_error(client: Client, count: int) -> None:
    assert client.subscribe(EVERY, count=count).error() == "subscription.fetch.requested.events.invalid"


def test_a_stream_keeps_its_topic(client: Client) -> None:
    stream = client.subscribe(EVERY)
    stream.more(1, topic=DEALS)
    assert stream.error() == "subscription.fetch.topic.mismatch"


def test_asking_and_asking_without_draining_overflows(client: Client) -> None:
    stream = client.subscribe(EVERY)
    for _ in range(12):
        stream.more(100)
    assert stream.error() == "subscription.fetch.overflow"


def test_a_stream_that_asks_for_no_more_is_closed(client: Client, sb: Sandbox) -> None:
    sb.sf.setting("pubsub_idle_close_s", 0.05)
    accounts(sb, 1)
    stream = client.subscribe(EVERY, preset=EARLIEST, count=1)
    assert stream.error() == "ended"


def test_closing_our_half_ends_the_stream(client: Client) -> None:
    stream = client.subscribe(EVERY)
    stream.done()
    assert stream.error() == "ended"


def test_a_quiet_stream_is_kept_alive_with_an_id_to_go_on_from(client: Client, sb: Sandbox) -> None:
    sb.sf.setting("pubsub_keepalive_s", 0.05)
    accounts(sb, 2)
    stream = client.subscribe(EVERY)
    alive = stream.next()
    assert (alive.events, alive.pending) == ([], 100)
    told = accounts(sb, 1)
    event = client.subscribe(EVERY, preset=CUSTOM, replay_id=alive.latest).events(1)[0]
    assert client.read(event)["ChangeEventHeader"]["recordIds"] == told


# replay


def test_replay_goes_on_after_an_event(client: Client, sb: Sandbox) -> None:
    ids = accounts(sb, 4)
    second = client.subscribe(EVERY, preset=EARLIEST).events(4)[1]
    rest = client.subscribe(EVERY, preset=CUSTOM, replay_id=second.replay_id).events(2)
    assert [client.read(event)["ChangeEventHeader"]["recordIds"][0] for event in rest] == ids[2:]


def test_ids_that_open_nothing(client: Client, sb: Sandbox) -> None:
    accounts(sb, 1)
    good = client.subscribe(EVERY, preset=EARLIEST).events(1)[0].replay_id
    corrupted = "subscription.fetch.replayid.corrupted"
    assert client.subscribe(EVERY, preset=CUSTOM).error() == "subscription.fetch.replayid.validation.failed"
    assert client.subscribe(EVERY, preset=CUSTOM, replay_id=b"x").error() == corrupted
    assert client.subscribe(EVERY, preset=CUSTOM, replay_id=good[:-1] + b"\0").error() == corrupted
    with Sandbox.running() as other:
        other.pubsub.select(entities=ENTITIES)
        accounts(other, 1)
        elsewhere = Client(other)
        foreign = elsewhere.subscribe(EVERY, preset=EARLIEST).events(1)[0].replay_id
        elsewhere.close()
    assert client.subscribe(EVERY, preset=CUSTOM, replay_id=foreign).error() == corrupted


def test_an_id_opens_for_72_hours(client: Client, sb: Sandbox) -> None:
    accounts(sb, 1)
    old = client.subscribe(EVERY, preset=EARLIEST).events(1)[0].replay_id
    sb.clock.advance(71 * HOUR_S)
    fresh = accounts(sb, 1)
    event = client.subscribe(EVERY, preset=CUSTOM, replay_id=old).events(1)[0]
    assert client.read(event)["ChangeEventHeader"]["recordIds"] == fresh
    sb.clock.advance(2 * HOUR_S)
    expired = client.subscribe(EVERY, preset=CUSTOM, replay_id=old)
    assert expired.error() == "subscription.fetch.replayid.corrupted"
    assert client.subscribe(EVERY, preset=EARLIEST).next().events[0].id == event.id


def test_ids_can_be_made_to_expire_and_do_with_a_reset(client: Client, sb: Sandbox) -> None:
    accounts(sb, 1)
    first = client.subscribe(EVERY, preset=EARLIEST).events(1)[0].replay_id
    sb.pubsub.expire()
    gone = client.subscribe(EVERY, preset=CUSTOM, replay_id=first)
    assert gone.error() == "subscription.fetch.replayid.corrupted"
    assert sb.pubsub.state()["kept"] == 0
    accounts(sb, 1)
    second = client.subscribe(EVERY, preset=EARLIEST).events(1)[0].replay_id
    requests.post(f"{sb.control_url}/reset", json={"system": "sf"}, timeout=10)
    after = Client(sb)
    gone = after.subscribe(EVERY, preset=CUSTOM, replay_id=second)
    assert gone.error() == "subscription.fetch.replayid.corrupted"
    after.close()


# what spoils a stream


def test_the_allocation_ends_streams_and_a_day_later_there_is_more(client: Client, sb: Sandbox) -> None:
    sb.sf.setting("cdc_allocation", 2)
    accounts(sb, 3)
    stream = client.subscribe(EVERY, preset=EARLIEST)
    last = stream.events(2)[-1]
    assert stream.error() == "subscription.limit.exceeded"
    sb.clock.advance(25 * HOUR_S)
    assert len(client.subscribe(EVERY, preset=CUSTOM, replay_id=last.replay_id).events(1)) == 1


def test_streams_are_cut_on_command_and_by_age(client: Client, sb: Sandbox) -> None:
    streams = [client.subscribe(EVERY) for _ in range(2)]
    sb.pubsub.cut()
    assert [stream.error() for stream in streams] == ["UNAVAILABLE", "UNAVAILABLE"]
    stream = client.subscribe(EVERY)
    sb.pubsub.cut("service.unavailable")
    assert stream.error() == "service.unavailable"
    sb.pubsub.cut_every(0.05)
    assert client.subscribe(EVERY).error() == "UNAVAILABLE"


def test_silence_holds_events_and_keepalives_back(client: Client, sb: Sandbox) -> None:
    sb.sf.setting("pubsub_keepalive_s", 0.01)
    sb.pubsub.silence()
    stream = client.subscribe(EVERY)
    ids = accounts(sb, 1)
    quiet = client.subscribe(EVERY, preset=EARLIEST, timeout_s=0.3)
    assert quiet.error() == "DEADLINE_EXCEEDED"
    sb.pubsub.speak()
    assert client.read(stream.events(1)[0])["ChangeEventHeader"]["recordIds"] == ids


def test_events_can_come_twice_backwards_or_not_at_all(client: Client, sb: Sandbox) -> None:
    stream = client.subscribe(EVERY)
    sb.pubsub.double(1)
    accounts(sb, 1)
    once, twice = stream.events(2)
    assert (once.id, once.replay_id) == (twice.id, twice.replay_id)
    sb.pubsub.reorder(1)
    earlier, later = accounts(sb, 2)
    got = [client.read(event)["ChangeEventHeader"]["recordIds"][0] for event in stream.events(2)]
    assert got == [later, earlier]
    sb.pubsub.lose(1)
    _lost, kept = accounts(sb, 2)
    assert client.read(stream.events(1)[0])["ChangeEventHeader"]["recordIds"] == [kept]


def test_a_revoked_token_leaves_the_stream_and_fails_the_next_call(client: Client, sb: Sandbox) -> None:
    stream = client.subscribe(EVERY)
    sb.pubsub.revoke_tokens()
    accounts(sb, 1)
    event = stream.events(1)[0]
    assert refused(client, "GetSchema", {1: event.schema_id}) == "service.auth.error"
    fresh = Client(sb)
    assert fresh.read(event)["Name"] == "A0"
    fresh.close()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired_token", "service.auth.error"),
        ("503", "service.unavailable"),
        ("500", "subscription.internal.error"),
        ("429", "service.protection.triggered"),
        ("reset_before", "UNAVAILABLE"),
    ],
)
def test_planted_faults_hit_calls(client: Client, sb: Sandbox, kind: str, code: str) -> None:
    sb.sf.faults.add(system="sf", match="GRPC .*Subscribe", kind=kind)
    assert client.subscribe(EVERY).error() == code
    assert client.call("GetTopic", {1: EVERY})[4] == [1]
    accounts(sb, 1)
    assert client.subscribe(EVERY, preset=EARLIEST).events(1)


def test_calls_stand_in_the_journal(client: Client, sb: Sandbox) -> None:
    sb.sf.journal.clear()
    client.subscribe(EVERY)
    client.call("GetTopic", {1: EVERY})
    assert sb.sf.journal.counts(system="sf") == {"pubsub.GetTopic": 1, "pubsub.Subscribe": 1}
    assert {call.caller for call in sb.sf.journal.calls()} == {"integration@handoff.sandbox"}


def test_the_control_port_has_the_same_hand(client: Client, sb: Sandbox) -> None:
    url = f"{sb.control_url}/pubsub"
    stream = client.subscribe(EVERY)
    assert requests.get(url, timeout=5).json()["streams"] == 1
    told = requests.post(url, json={"do": "plant_gap", "entity": "Account", "ids": ["001HO0000000001YAA"]}, timeout=5)
    assert told.json()["kept"] == 1
    assert client.read(stream.events(1)[0])["ChangeEventHeader"]["changeType"] == "GAP_UPDATE"
    requests.post(url, json={"do": "cut"}, timeout=5)
    assert stream.error() == "UNAVAILABLE"
    assert requests.post(url, json={"do": "dance"}, timeout=5).status_code == 400
    assert requests.post(url, json={"do": "select", "entities": ["Nothing"]}, timeout=5).status_code == 400


def test_without_the_libraries_the_sandbox_starts_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "connector.sandbox.salesforce.pubsub.server", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with Sandbox.running() as plain:
        assert plain.pubsub_address == ""
        plain.pubsub.select(entities=["Account"])
        accounts(plain, 1)
        assert plain.pubsub.state()["kept"] == 1


def test_two_sandboxes_do_not_share_a_port(sb: Sandbox) -> None:
    taken = int(sb.pubsub_address.rpartition(":")[2])
    with (
        pytest.raises(RuntimeError, match="did not start") as caught,
        Sandbox.running(ports=Ports(control=0, sf=0, hs=0, pubsub=taken)),
    ):
        raise AssertionError("it started")
    assert isinstance(caught.value.__cause__, OSError)
