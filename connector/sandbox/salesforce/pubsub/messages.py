"""The messages of eventbus.v1 (facts: Salesforce §2.1), described here and kept in a pool of their own.

Not generated from a .proto file, and unknown to the process's default pool, where a client's stubs may live.
Imported only by the server: it needs protobuf.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "eventbus.v1"
SERVICE = f"{PACKAGE}.PubSub"
LATEST, EARLIEST, CUSTOM = 0, 1, 2

_Type = descriptor_pb2.FieldDescriptorProto
_KINDS = {"string": _Type.TYPE_STRING, "bytes": _Type.TYPE_BYTES, "int32": _Type.TYPE_INT32, "bool": _Type.TYPE_BOOL}
_PRESETS = ("LATEST", "EARLIEST", "CUSTOM")
_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "TopicInfo": (
        *((1, "topic_name", "string"), (2, "tenant_guid", "string"), (3, "can_publish", "bool")),
        *((4, "can_subscribe", "bool"), (5, "schema_id", "string"), (6, "rpc_id", "string")),
    ),
    "TopicRequest": ((1, "topic_name", "string"),),
    "EventHeader": ((1, "key", "string"), (2, "value", "bytes")),
    "ProducerEvent": (
        *((1, "id", "string"), (2, "schema_id", "string"), (3, "payload", "bytes")),
        (4, "headers", "*EventHeader"),
    ),
    "ConsumerEvent": ((1, "event", "ProducerEvent"), (2, "replay_id", "bytes")),
    "SchemaRequest": ((1, "schema_id", "string"),),
    "SchemaInfo": ((1, "schema_json", "string"), (2, "schema_id", "string"), (3, "rpc_id", "string")),
    "FetchRequest": (
        *((1, "topic_name", "string"), (2, "replay_preset", "ReplayPreset"), (3, "replay_id", "bytes")),
        *((4, "num_requested", "int32"), (5, "auth_refresh", "string")),
    ),
    "FetchResponse": (
        *((1, "events", "*ConsumerEvent"), (2, "latest_replay_id", "bytes")),
        *((3, "rpc_id", "string"), (4, "pending_num_requested", "int32")),
    ),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    found = descriptor_pb2.FileDescriptorProto(name="sandbox_pubsub.proto", package=PACKAGE, syntax="proto3")
    presets = found.enum_type.add(name="ReplayPreset")
    for number, name in enumerate(_PRESETS):
        presets.value.add(name=name, number=number)
    for message_name, fields in _MESSAGES.items():
        message = found.message_type.add(name=message_name)
        for number, name, kind in fields:
            bare = kind.removeprefix("*")
            label = _Type.LABEL_REPEATED if kind.startswith("*") else _Type.LABEL_OPTIONAL
            field = message.field.add(name=name, number=number, label=label)
            if bare in _KINDS:
                field.type = _KINDS[bare]
            else:
                field.type = _Type.TYPE_ENUM if bare == "ReplayPreset" else _Type.TYPE_MESSAGE
                field.type_name = f".{PACKAGE}.{bare}"
    return found


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


TopicInfo = _class("TopicInfo")
TopicRequest = _class("TopicRequest")
ProducerEvent = _class("ProducerEvent")
ConsumerEvent = _class("ConsumerEvent")
SchemaRequest = _class("SchemaRequest")
SchemaInfo = _class("SchemaInfo")
FetchRequest = _class("FetchRequest")
FetchResponse = _class("FetchResponse")
