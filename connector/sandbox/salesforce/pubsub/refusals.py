"""How an RPC is refused: a gRPC status, and the code in the trailer that a client branches on.

Not when: that is for whoever raises it. Facts: Salesforce §2.3; a few codes that the sheet abridges are whole here.
"""

from __future__ import annotations

from dataclasses import dataclass

CODES = "sfdc.platform.eventbus.grpc."
TRAILER_CODE, TRAILER_RPC = "error-code", "rpc-id"


@dataclass(frozen=True)
class Refused(Exception):
    """One refusal. `status` names a grpc.StatusCode; an empty `code` is a line that broke, without trailers."""

    status: str
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.text}"


def _of(status: str, code: str, text: str) -> Refused:
    return Refused(status, CODES + code, text)


NO_AUTH_HEADER = _of("UNAUTHENTICATED", "service.auth.headers.invalid", "An authentication header is missing or blank.")
NO_AUTH = _of("UNAUTHENTICATED", "service.auth.error", "An authentication exception occurred.")
UNAVAILABLE = _of("UNAVAILABLE", "service.unavailable", "The service is not available.")
INTERNAL = _of("INTERNAL", "subscription.internal.error", "An internal error occurred in the subscription.")
PROTECTED = _of("RESOURCE_EXHAUSTED", "service.protection.triggered", "Too many connections or requests.")
TOO_MANY = _of("RESOURCE_EXHAUSTED", "concurrent.client.limit.exceeded", "Too many clients are connected.")
NO_TOPIC_NAME = _of("INVALID_ARGUMENT", "topic.validation.empty", "The topic name is blank.")
NO_TOPIC = _of("NOT_FOUND", "topic.not.found", "The topic does not exist.")
NO_ACCESS = _of("PERMISSION_DENIED", "subscription.topic.cannot.subscribe", "The user may not subscribe to the topic.")
NO_SCHEMA_ID = _of("INVALID_ARGUMENT", "schema.validation.failed", "The schema id is blank.")
NO_SCHEMA = _of("NOT_FOUND", "schema.not.found", "The schema does not exist.")
BAD_REPLAY = _of("INVALID_ARGUMENT", "subscription.fetch.replayid.corrupted", "The Replay ID validation failed.")
NO_REPLAY = _of("INVALID_ARGUMENT", "subscription.fetch.replayid.validation.failed", "CUSTOM needs a replay id.")
BAD_COUNT = _of("INVALID_ARGUMENT", "subscription.fetch.requested.events.invalid", "num_requested must be positive.")
OVERFLOW = _of("RESOURCE_EXHAUSTED", "subscription.fetch.overflow", "More events were requested than were drained.")
OTHER_TOPIC = _of("INVALID_ARGUMENT", "subscription.fetch.topic.mismatch", "The topic of a stream cannot change.")
NO_ALLOCATION = _of(
    "RESOURCE_EXHAUSTED",
    "subscription.limit.exceeded",
    "You have exceeded the event delivery limit for your org.",
)
BROKEN = Refused("UNAVAILABLE", "", "Connection reset by peer")
NOT_SERVED = Refused("UNIMPLEMENTED", "", "This sandbox does not serve the method.")

BY_FAULT = {
    "expired_token": NO_AUTH,
    "429": PROTECTED,
    "500": INTERNAL,
    "502": UNAVAILABLE,
    "503": UNAVAILABLE,
    "reset_before": BROKEN,
}
"""Kinds of planted fault -> what an RPC gets; the other kinds leave RPCs alone."""
