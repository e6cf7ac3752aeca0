"""One open subscription: a connection of its own, a thread that reads it, and requests for more that never end.

Not here: what events mean (``events``), when a stream is opened again (``feed``). Closing one kills it for certain: a
second stream beside a forgotten one would tell everything twice (facts: Salesforce §2.2).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from connector.crm.salesforce.pubsub.faults import ENDED, Broken, Remedy, broken
from connector.crm.salesforce.transport import is_loopback

MOST_ASKED = 100
"""Events that may be outstanding on one stream (facts: Salesforce §2.2)."""

REFILL_AT = 50
"""Asked for again when no more than this are outstanding: one request for many events, and never a pause."""

MESSAGE_BYTES = 8 * 1024 * 1024
"""More than the bus sends at once, 3 MB (facts: Salesforce §2.2)."""

JOIN_SECONDS = 1.0
UNARY_SECONDS = 20.0
"""For one schema; about a second is usual (facts: Salesforce §2.4)."""

TOPIC_SECONDS = 10.0
"""For one topic, connecting included: a person waits, and a firewall may say nothing at all."""

OPTIONS: tuple[tuple[str, int], ...] = (
    # A connection that died without a word is noticed by a ping (facts: Salesforce §2.2). gRPC itself doubles the time
    # when a server finds that too often.
    ("grpc.keepalive_time_ms", 90_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # Every stream has its own connection: opening one again must not end up on the one that was half dead.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pass:
    """What every call shows at the door: the bare token, the org's address and its 18-character id."""

    token: str
    instance_url: str
    org_id: str

    @property
    def metadata(self) -> Metadata:
        """As the bus takes it, in small letters (facts: Salesforce §2.1)."""
        return (("accesstoken", self.token), ("instanceurl", self.instance_url), ("tenantid", self.org_id))

    def __repr__(self) -> str:
        return f"Pass({self.org_id})"


def open_channel(address: str) -> Any:
    """A connection to ``host:port``: encrypted, except to this machine itself."""
    import grpc

    if is_loopback(address.rpartition(":")[0].strip("[]")):
        return grpc.insecure_channel(address, options=OPTIONS)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(), options=OPTIONS)


class Stream:
    """A subscription to one topic. What it hears goes to ``heard``: responses, and in the end a `Broken`."""

    def __init__(
        self, address: str, topic: str, *, replay_id: bytes | None, door: Pass, heard: Callable[[Stream, Any], None]
    ) -> None:
        import grpc

        from connector.crm.salesforce.pubsub import eventbus_pb2, eventbus_pb2_grpc

        self.door = door
        self._topic = topic
        self._replay_id = replay_id
        self._heard = heard
        self._types = eventbus_pb2
        self._error = grpc.RpcError
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._outstanding = MOST_ASKED
        self._closed = threading.Event()
        self._answered = False
        self._channel = open_channel(address)
        self._ready = grpc.channel_ready_future(self._channel)
        self._stub = eventbus_pb2_grpc.PubSubStub(self._channel)
        self._call = self._stub.Subscribe(self._requests(), metadata=door.metadata)
        self._thread = threading.Thread(target=self._read, name=f"stream:{topic}", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether the connection stands; the subscription may still be refused."""
        return bool(self._ready.done())

    @property
    def answered(self) -> bool:
        """Whether the bus took the subscription: its headers came, and no refusal with them."""
        return self._answered

    def took(self, events: int, *, pending: int) -> None:
        """So many events were dealt with, and the bus said how many are still to come: ask for more in time."""
        with self._lock:
            self._outstanding = max(self._outstanding - events, 0) if pending else 0
            if self._outstanding > REFILL_AT:
                return
            wanted, self._outstanding = MOST_ASKED - self._outstanding, MOST_ASKED
        self._asked.put(wanted)

    def schema(self, schema_id: str) -> str:
        """A schema's JSON. Raises ``grpc.RpcError``."""
        request = self._types.SchemaRequest(schema_id=schema_id)
        answer = self._stub.GetSchema(request, metadata=self.door.metadata, timeout=UNARY_SECONDS)
        return str(answer.schema_json)

    def close(self) -> None:
        """Kill it: nothing is heard of it from here on. May be called twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._asked.put(0)
        self._call.cancel()
        self._ready.cancel()
        self._channel.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(JOIN_SECONDS)

    def _requests(self) -> Iterator[Any]:
        """The first request, and one more each time some were dealt with. Ending would close the stream's half."""
        first = self._types.FetchRequest(topic_name=self._topic, num_requested=MOST_ASKED)
        if self._replay_id is not None:
            first.replay_preset, first.replay_id = self._types.ReplayPreset.CUSTOM, self._replay_id
        yield first
        while wanted := self._asked.get():
            yield self._types.FetchRequest(topic_name=self._topic, num_requested=wanted)

    def _read(self) -> None:
        end: Broken = ENDED
        try:
            # Waits for the headers. Some servers send them only with the first message; a refusal comes with them too.
            self._call.initial_metadata()
            self._answered = bool(self._call.is_active())
            for response in self._call:
                if self._closed.is_set():
                    return
                self._heard(self, response)
        except self._error as error:
            end = broken(error)
        except Exception as error:  # noqa: BLE001  # told: a reader that ends silently would look like a quiet org
            end = Broken(Remedy.AGAIN, type(error).__name__, str(error))
        if not self._closed.is_set():
            self._heard(self, end)


def ask_topic(address: str, topic: str, *, door: Pass) -> Broken | None:
    """Whether a topic may be listened to; what stands in the way, or None."""
    import grpc

    from connector.crm.salesforce.pubsub import eventbus_pb2, eventbus_pb2_grpc

    channel = open_channel(address)
    try:
        request = eventbus_pb2.TopicRequest(topic_name=topic)
        stub = eventbus_pb2_grpc.PubSubStub(channel)
        answer = stub.GetTopic(request, metadata=door.metadata, timeout=TOPIC_SECONDS)
    except grpc.RpcError as error:
        return broken(error)
    finally:
        channel.close()
    return None if answer.can_subscribe else Broken(Remedy.REFUSED, "CANNOT_SUBSCRIBE", "this login may not listen")
