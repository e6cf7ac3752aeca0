"""The Pub/Sub API on its port: gRPC without TLS, generic handlers, no generated stubs.

Not the streams (`stream.py`). Importing this needs grpcio, protobuf and fastavro: the extra `pubsub`.
"""

from __future__ import annotations

import threading
import time
import uuid
from concurrent import futures
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from connector.sandbox.salesforce.pubsub import messages, refusals, rights
from connector.sandbox.salesforce.pubsub.org import Org
from connector.sandbox.salesforce.pubsub.refusals import TRAILER_CODE, TRAILER_RPC, Refused
from connector.sandbox.salesforce.pubsub.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.sandbox.state import World

HOST = "127.0.0.1"
METHOD = "GRPC"
"""What stands for the HTTP method in journal and faults; the path is /eventbus.v1.PubSub/<RPC>."""

MAX_STREAMS = 48
WORKERS = MAX_STREAMS + 16
"""Each stream holds a thread; the rest answer single calls."""

SLOW_S = 2.0
STOP_WAIT_S = 5.0
OPTIONS = (
    # Two sandboxes must not share a port unknowingly.
    ("grpc.so_reuseport", 0),
    # Clients may ping an idle stream often: theirs is the watchdog (facts: Salesforce §2.2).
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
)


class Server:
    """The server of one org. `port` is known once it was made; `start` begins to answer."""

    def __init__(self, world: World, *, port: int, org_port: int | None = None) -> None:
        """Take the port, 0 for a free one. Raises OSError when it is taken."""
        self._org = Org(world)
        self._world = world
        self._org_port = org_port
        self._stopping = threading.Event()
        self._pool = futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="pubsub")
        self._server = grpc.server(self._pool, options=OPTIONS)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        try:
            self.port: int = self._server.add_insecure_port(f"{HOST}:{port}")
        except RuntimeError as error:
            raise OSError(f"port {port} is taken") from error

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self) -> None:
        """End every stream and close the port."""
        self._stopping.set()
        self._org.close()
        self._server.stop(0).wait(STOP_WAIT_S)
        self._pool.shutdown(wait=False)

    # the methods

    def _handlers(self) -> Any:
        # A method that is not listed is UNIMPLEMENTED, as gRPC itself says it: Publish and ManagedSubscribe are.
        single = grpc.unary_unary_rpc_method_handler
        table = {
            "Subscribe": grpc.stream_stream_rpc_method_handler(
                self._subscribe, messages.FetchRequest.FromString, messages.FetchResponse.SerializeToString
            ),
            "GetSchema": single(
                self._answer("GetSchema", self._get_schema),
                messages.SchemaRequest.FromString,
                messages.SchemaInfo.SerializeToString,
            ),
            "GetTopic": single(
                self._answer("GetTopic", self._get_topic),
                messages.TopicRequest.FromString,
                messages.TopicInfo.SerializeToString,
            ),
        }
        return grpc.method_handlers_generic_handler(messages.SERVICE, table)

    def _get_schema(self, request: Any, _user: str, rpc_id: str) -> Any:
        text = self._org.schema_json(request.schema_id)
        return messages.SchemaInfo(schema_json=text, schema_id=request.schema_id, rpc_id=rpc_id)

    def _get_topic(self, request: Any, user: str, rpc_id: str) -> Any:
        topic = self._org.topic(user, request.topic_name)
        return messages.TopicInfo(
            topic_name=topic.name,
            tenant_guid=str(uuid.uuid5(uuid.NAMESPACE_OID, rights.tenant(self._world))),
            can_subscribe=True,
            schema_id=self._org.topic_schema_id(topic),
            rpc_id=rpc_id,
        )

    def _subscribe(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        with self._call("Subscribe", context) as (user, rpc_id):
            line = self._org.capture.line
            if line.streams >= MAX_STREAMS:
                raise refusals.TOO_MANY
            # Headers go out as soon as the stream is open, so that a client can tell.
            stream = Stream(self._org, user, rpc_id, on_open=lambda: context.send_initial_metadata(()))
            context.add_callback(stream.end)
            threading.Thread(target=_read, args=(requests, stream), name="pubsub-requests", daemon=True).start()
            line.streams += 1
            try:
                yield from stream.responses()
            finally:
                line.streams -= 1

    # around each call

    def _answer(self, name: str, do: Callable[[Any, str, str], Any]) -> Callable[[Any, Any], Any]:
        def answer(request: Any, context: Any) -> Any:
            with self._call(name, context) as (user, rpc_id):
                return do(request, user, rpc_id)

        return answer

    @contextmanager
    def _call(self, name: str, context: Any) -> Iterator[tuple[str, str]]:
        rpc_id = str(uuid.uuid4())
        started = time.perf_counter()
        user = ""
        try:
            self._act_out_fault(name)
            metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
            user = rights.caller(self._world, metadata, port=self._org_port)
            self._note(name, user=user, status=200, started=started)
            yield user, rpc_id
        except Refused as refused:
            if not user or refused is not refusals.BROKEN:
                self._note(f"{name}.refused", user=user, status=400, started=started)
            if refused.code:
                context.set_trailing_metadata(((TRAILER_CODE, refused.code), (TRAILER_RPC, rpc_id)))
            context.abort(grpc.StatusCode[refused.status], f"{refused.text} rpcId: {rpc_id}")

    def _act_out_fault(self, name: str) -> None:
        with self._world.lock:
            fault = self._world.faults.take(
                self._world.name, METHOD, f"/{messages.SERVICE}/{name}", kinds=frozenset({*refusals.BY_FAULT, "slow"})
            )
        if fault is None:
            return
        if fault.kind == "slow":
            self._stopping.wait(fault.seconds(SLOW_S))
        else:
            raise refusals.BY_FAULT[fault.kind]

    def _note(self, name: str, *, user: str, status: int, started: float) -> None:
        with self._world.lock:
            row = self._world.table("User").get(user)
            self._world.journal.add(
                at=self._world.clock.now(),
                system=self._world.name,
                method=METHOD,
                path=f"/{messages.SERVICE}/{name.partition('.')[0]}",
                kind=f"pubsub.{name}",
                rows=0,
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 3),
                caller=str(row.values["Username"]) if row else "",
                write=False,
            )


def _read(requests: Iterator[Any], stream: Stream) -> None:
    try:
        for request in requests:
            stream.ask(request)
    except grpc.RpcError:
        # The call is over; whoever reads the stream's end learns it from `end`.
        pass
    finally:
        stream.end()
