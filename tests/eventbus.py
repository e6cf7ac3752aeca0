"""A small event bus on loopback, spoken to by the connector's own stubs: for streams that misbehave in every known way.

Not here: expectations, and an imitation of the vendor (the sandbox has that one, with definitions of its own).
"""

from __future__ import annotations

import contextlib
import io
import json
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import fastavro
import grpc

from connector.crm.salesforce.pubsub import eventbus_pb2 as types
from connector.crm.salesforce.pubsub import eventbus_pb2_grpc as services

FAMILY = "sfdc.platform.eventbus.grpc."
SCHEMA_ID = "schema-1"
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

HEADER: dict[str, Any] = {
    "type": "record",
    "name": "ChangeEventHeader",
    "fields": [
        {"name": "entityName", "type": "string"},
        {"name": "recordIds", "type": {"type": "array", "items": "string"}},
        {"name": "changeType", "type": "string"},
        {"name": "changeOrigin", "type": "string"},
        {"name": "transactionKey", "type": "string"},
        {"name": "sequenceNumber", "type": "int"},
        {"name": "commitTimestamp", "type": "long"},
        {"name": "commitNumber", "type": "long"},
        {"name": "commitUser", "type": "string"},
        {"name": "nulledFields", "type": {"type": "array", "items": "string"}},
        {"name": "diffFields", "type": {"type": "array", "items": "string"}},
        {"name": "changedFields", "type": {"type": "array", "items": "string"}},
    ],
}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [
        {"name": name, "type": ["null", "string"], "default": None} for name in ("Street", "City", "PostalCode")
    ],
}
FIELDS = ("Name", "StageName", "WhatId", "Status", "Industry")
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "AnyChangeEvent",
    "fields": [
        {"name": "ChangeEventHeader", "type": HEADER},
        *({"name": name, "type": ["null", "string"], "default": None} for name in FIELDS),
        {"name": "BillingAddress", "type": ["null", ADDRESS], "default": None},
    ],
}
"""Bit 0 is the header, then `FIELDS`, then the address: Name 0x2, StageName 0x4, WhatId 0x8, Status 0x10."""
BITS = {name: 1 << place for place, name in enumerate(("ChangeEventHeader", *FIELDS, "BillingAddress"))}
PARSED = fastavro.parse_schema(json.loads(json.dumps(SCHEMA)))


def payload(
    entity: str,
    *ids: str,
    change: str = "UPDATE",
    changed: tuple[str, ...] = ("Name",),
    origin: str = "com/salesforce/api/soap/67.0;client=SfdcInternalAPI/",
    by: str = "005000000000001AAA",
    **values: Any,
) -> bytes:
    """One event as it travels."""
    bits = sum(BITS[name] for name in changed)
    header = {
        "entityName": entity,
        "recordIds": list(ids),
        "changeType": change,
        "changeOrigin": origin,
        "transactionKey": "t-1",
        "sequenceNumber": 1,
        "commitTimestamp": int(NOW.timestamp() * 1000),
        "commitNumber": 1,
        "commitUser": by,
        "nulledFields": [],
        "diffFields": [],
        "changedFields": [f"0x{bits:x}"] if change == "UPDATE" else [],
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED, {"ChangeEventHeader": header, **values})
    return out.getvalue()


@dataclass
class Subscription:
    """One stream as the bus sees it. ``asked`` are the numbers of every request on it."""

    topic: str
    first: Any
    metadata: dict[str, str]
    asked: list[int] = field(default_factory=list)
    outbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    granted: int = 0
    open: bool = True
    ended: threading.Event = field(default_factory=threading.Event)


class Bus(services.PubSubServicer):  # type: ignore[misc]  # generated, without types
    """Keeps events per topic and hands them to who subscribes. Planted refusals are used up one by one."""

    def __init__(self) -> None:
        self.kept: dict[str, list[tuple[bytes, bytes, str]]] = {}
        self.subscriptions: list[Subscription] = []
        self.refusals: dict[str, list[tuple[grpc.StatusCode, str]]] = {}
        self.schemas: dict[str, str] = {SCHEMA_ID: json.dumps(SCHEMA)}
        self.schema_calls = 0
        self.schema_refusals: list[tuple[grpc.StatusCode, str]] = []
        self.unknown_places: set[bytes] = set()
        self.refused_tokens: set[str] = set()
        self._numbers = iter(range(1, 1_000_000))
        self._lock = threading.Lock()
        self.address = ""

    # what a test does

    def publish(self, topic: str, body: bytes, *, schema_id: str = SCHEMA_ID) -> bytes:
        """An event happens. Returns its place."""
        with self._lock:
            place = next(self._numbers).to_bytes(8, "big")
            self.kept.setdefault(topic, []).append((place, body, schema_id))
            for each in self.subscriptions:
                if each.topic == topic and each.open:
                    each.outbox.put([(place, body, schema_id)])
        return place

    def burst(self, topic: str, bodies: list[bytes]) -> None:
        """Several events in one answer."""
        with self._lock:
            events = [(next(self._numbers).to_bytes(8, "big"), body, SCHEMA_ID) for body in bodies]
            self.kept.setdefault(topic, []).extend(events)
            for each in self.subscriptions:
                if each.topic == topic and each.open:
                    each.outbox.put(events)

    def keep_alive(self, topic: str, place: bytes) -> None:
        """A sign of life."""
        for each in self.open(topic):
            each.outbox.put(place)

    def cut(self, topic: str = "", code: str = "", status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        """Streams end."""
        for each in self.open(topic):
            each.outbox.put((status, code))

    def refuse(self, topic: str, code: str, status: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> None:
        """The next subscription to a topic is refused."""
        self.refusals.setdefault(topic, []).append((status, code))

    def open(self, topic: str = "") -> list[Subscription]:
        """The streams that are open now."""
        with self._lock:
            return [each for each in self.subscriptions if each.open and topic in ("", each.topic)]

    # the service

    def Subscribe(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        """Send what is asked for."""
        first = next(request_iterator)
        metadata = dict(context.invocation_metadata())
        if metadata.get("accesstoken") in self.refused_tokens:
            _abort(context, grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")
        if self.refusals.get(first.topic_name):
            _abort(context, *self.refusals[first.topic_name].pop(0))
        if first.replay_preset == types.ReplayPreset.CUSTOM and bytes(first.replay_id) in self.unknown_places:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted")
        sub = Subscription(first.topic_name, first, metadata, [first.num_requested], granted=first.num_requested)
        with self._lock:
            if first.replay_preset == types.ReplayPreset.CUSTOM:
                after = [each for each in self.kept.get(first.topic_name, []) if each[0] > bytes(first.replay_id)]
                if after:
                    sub.outbox.put(after)
            self.subscriptions.append(sub)
        context.add_callback(lambda: (setattr(sub, "open", False), sub.outbox.put(None), sub.ended.set()))
        threading.Thread(target=self._read, args=(sub, request_iterator), daemon=True).start()
        yield from self._answers(sub, context)

    def _read(self, sub: Subscription, requests: Iterator[Any]) -> None:
        with contextlib.suppress(Exception):
            for each in requests:
                sub.asked.append(each.num_requested)
                sub.granted += each.num_requested
        sub.outbox.put(None)

    def _answers(self, sub: Subscription, context: Any) -> Iterator[Any]:
        while (what := sub.outbox.get()) is not None:
            if isinstance(what, bytes):
                yield types.FetchResponse(latest_replay_id=what, pending_num_requested=sub.granted)
            elif isinstance(what, tuple):
                sub.open = False
                _abort(context, *what)
            else:
                sub.granted -= len(what)
                events = [
                    types.ConsumerEvent(
                        event=types.ProducerEvent(id=place.hex(), schema_id=schema, payload=body), replay_id=place
                    )
                    for place, body, schema in what
                ]
                yield types.FetchResponse(
                    events=events, latest_replay_id=what[-1][0], pending_num_requested=max(sub.granted, 0)
                )
        sub.open = False

    def GetSchema(self, request: Any, context: Any) -> Any:
        """A schema."""
        self.schema_calls += 1
        if self.schema_refusals:
            _abort(context, *self.schema_refusals.pop(0))
        if dict(context.invocation_metadata()).get("accesstoken") in self.refused_tokens:
            _abort(context, grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")
        return types.SchemaInfo(schema_json=self.schemas[request.schema_id], schema_id=request.schema_id)

    def GetTopic(self, request: Any, context: Any) -> Any:
        """Whether a topic may be listened to."""
        if self.refusals.get(request.topic_name):
            _abort(context, *self.refusals[request.topic_name][0])
        return types.TopicInfo(topic_name=request.topic_name, can_subscribe=True, schema_id=SCHEMA_ID)


def _abort(context: Any, status: grpc.StatusCode, code: str) -> None:
    if code:
        context.set_trailing_metadata((("error-code", FAMILY + code), ("rpc-id", "r-1")))
    context.abort(status, "as planted")


@contextlib.contextmanager
def a_bus() -> Iterator[Bus]:
    """A bus on a free port, until the block ends."""
    bus = Bus()
    server = grpc.server(ThreadPoolExecutor(32))
    services.add_PubSubServicer_to_server(bus, server)
    bus.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield bus
    finally:
        server.stop(None).wait()
