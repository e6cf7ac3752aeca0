"""A Pub/Sub client written from the vendor's documents: messages by hand, Avro by fastavro, nothing of the sandbox.

Not the connector's client. Facts: Salesforce §2.1 to §2.4.
"""

from __future__ import annotations

import io
import json
import queue
from collections.abc import Iterator
from typing import Any

import fastavro
import grpc
import requests

from connector.sandbox.server import Sandbox

SERVICE = "/eventbus.v1.PubSub/"
LATEST, EARLIEST, CUSTOM = 0, 1, 2
TIMEOUT_S = 20


def varint(number: int) -> bytes:
    """A number in base 128; negative ones take ten bytes."""
    number &= (1 << 64) - 1
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def encode(fields: dict[int, str | bytes | int]) -> bytes:
    """A message of texts, bytes and numbers."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


def decode(raw: bytes) -> dict[int, list[Any]]:
    """A message's fields by number, each a list."""
    found: dict[int, list[Any]] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(raw):
        key = number()
        if key & 7 == 0:
            found.setdefault(key >> 3, []).append(number())
        else:
            size = number()
            found.setdefault(key >> 3, []).append(raw[at : at + size])
            at += size
    return found


class Response:
    """One FetchResponse."""

    def __init__(self, raw: bytes) -> None:
        found = decode(raw)
        self.latest: bytes = found.get(2, [b""])[0]
        self.pending: int = found.get(4, [0])[0]
        self.events = [Received(decode(each)) for each in found.get(1, [])]


class Received:
    """One ConsumerEvent, its payload still bytes."""

    def __init__(self, found: dict[int, list[Any]]) -> None:
        produced = decode(found[1][0])
        self.id: str = produced[1][0].decode()
        self.schema_id: str = produced[2][0].decode()
        self.payload: bytes = produced[3][0]
        self.replay_id: bytes = found[2][0]


class Client:
    """A channel with one user's credentials."""

    def __init__(self, sandbox: Sandbox, *, client_id: str = "handoff-daemon", secret: str = "sandbox-secret") -> None:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        self.sandbox = sandbox
        reply = requests.post(f"{sandbox.sf_url}/services/oauth2/token", data=form, timeout=5).json()
        self.token: str = reply["access_token"]
        self.metadata = [
            ("accesstoken", self.token),
            ("instanceurl", reply["instance_url"]),
            ("tenantid", reply["id"].split("/")[-2]),
        ]
        self.channel = grpc.insecure_channel(sandbox.pubsub_address)
        self._schemas: dict[str, Any] = {}

    def close(self) -> None:
        """Hang up."""
        self.channel.close()

    def call(self, name: str, fields: dict[int, str | bytes | int]) -> dict[int, list[Any]]:
        """One single call."""
        return decode(self.channel.unary_unary(SERVICE + name)(encode(fields), metadata=self.metadata, timeout=5))

    def schema(self, schema_id: str) -> Any:
        """A schema as the org gives it, not yet parsed."""
        return json.loads(self.call("GetSchema", {1: schema_id})[1][0])

    def subscribe(
        self,
        topic: str,
        *,
        count: int = 100,
        preset: int = LATEST,
        replay_id: bytes = b"",
        timeout_s: float = TIMEOUT_S,
    ) -> Subscription:
        """Open a stream and ask for events; returns once it is open, or refused."""
        first = encode({1: topic, 2: preset, 3: replay_id, 4: count})
        found = Subscription(self, topic, first, timeout_s=timeout_s)
        found.call.initial_metadata()
        return found

    def read(self, event: Received) -> dict[str, Any]:
        """An event's record, its bitmaps as names."""
        if event.schema_id not in self._schemas:
            self._schemas[event.schema_id] = self.schema(event.schema_id)
        schema = self._schemas[event.schema_id]
        record: Any = fastavro.schemaless_reader(io.BytesIO(event.payload), fastavro.parse_schema(schema), None)
        header = record["ChangeEventHeader"]
        for name in ("changedFields", "nulledFields", "diffFields"):
            header[name] = names_of(header[name], schema)
        found: dict[str, Any] = record
        return found


class Subscription:
    """One stream, read response by response."""

    def __init__(self, client: Client, topic: str, first: bytes, *, timeout_s: float) -> None:
        self._requests: queue.Queue[bytes | None] = queue.Queue()
        self._topic = topic
        self._requests.put(first)
        opened = client.channel.stream_stream(SERVICE + "Subscribe")
        self.call: Any = opened(self._outgoing(), metadata=client.metadata, timeout=timeout_s)

    def more(self, count: int, *, topic: str | None = None) -> None:
        """Ask for more events."""
        self._requests.put(encode({1: self._topic if topic is None else topic, 4: count}))

    def done(self) -> None:
        """Close our half of the stream."""
        self._requests.put(None)

    def next(self) -> Response:
        """The next response; waits for it."""
        return Response(next(self.call))

    def events(self, count: int) -> list[Received]:
        """The next events, over as many responses as they take."""
        found: list[Received] = []
        while len(found) < count:
            found += self.next().events
        return found

    def error(self) -> str:
        """The code with which the stream ends, read to its end; the gRPC status when there is no code."""
        try:
            for _ in self.call:
                pass
        except grpc.RpcError as error:
            return code_of(error)
        return "ended"

    def _outgoing(self) -> Iterator[bytes]:
        while (request := self._requests.get()) is not None:
            yield request


def code_of(error: Any) -> str:
    """The code in an error's trailer, without the vendor's prefix; the gRPC status when there is none."""
    trailers = dict(error.trailing_metadata() or ())
    code = str(trailers.get("error-code", ""))
    if code:
        assert trailers["rpc-id"] in error.details()
    return code.removeprefix("sfdc.platform.eventbus.grpc.") if code else str(error.code().name)


def names_of(bitmaps: list[str], schema: Any) -> list[str]:
    """Bitmaps -> names in the order of the schema, parts of compounds as "Compound.Part"."""
    found: list[str] = []
    for each in bitmaps:
        parent, _, bits = each.rpartition("-")
        if not parent:
            found += _set(bits, [f["name"] for f in schema["fields"]])
            continue
        field = schema["fields"][int(parent)]
        parts = next(t for t in field["type"] if isinstance(t, dict))["fields"]
        found += [f"{field['name']}.{name}" for name in _set(bits, [p["name"] for p in parts])]
    return found


def _set(bits: str, names: list[str]) -> list[str]:
    assert bits.startswith("0x")
    assert len(bits) % 2 == 0
    number = int(bits, 16)
    return [name for index, name in enumerate(names) if number >> index & 1]
