"""What to do when the event bus refuses or a stream breaks: one table by the bus's own code, one by gRPC status.

Not here: doing it (``feed``), and message texts to branch on. This is the only place that knows gRPC's exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connector.errors import Fault, FaultCode

FAMILY = "sfdc.platform.eventbus.grpc."
"""How every code of the bus begins (facts: Salesforce §2.3)."""

CODE_KEY = "error-code"
MESSAGE_LIMIT = 500


class Remedy(StrEnum):
    """What helps against a broken subscription."""

    AGAIN = "again"
    """Open it again soon, from the same place."""

    RENEW = "renew"
    """Get a fresh token first."""

    SLOWLY = "slowly"
    """Open it again, but not soon: the org is short of something."""

    AFRESH = "afresh"
    """The place is not known any more: begin at the end, and poll what went by."""

    REFUSED = "refused"
    """Nothing helps but a person: this topic is not to be had. Asked again now and then."""


CODES: Mapping[str, Remedy] = {
    # facts: Salesforce §2.3
    "subscription.fetch.replayid.corrupted": Remedy.AFRESH,
    "subscription.fetch.replayid.validation.failed": Remedy.AFRESH,
    "subscription.fetch.requested.events.invalid": Remedy.AGAIN,
    "subscription.fetch.overflow": Remedy.AGAIN,
    "subscription.internal.error": Remedy.AGAIN,
    "subscription.limit.exceeded": Remedy.SLOWLY,
    "concurrent.client.limit.exceeded": Remedy.SLOWLY,
    "service.unavailable": Remedy.AGAIN,
    "service.auth.error": Remedy.RENEW,
    "topic.not.found": Remedy.REFUSED,
    "topic.cannot.subscribe": Remedy.REFUSED,
}
FAMILIES: Mapping[str, Remedy] = {
    "service.auth.": Remedy.RENEW,
    "service.protection.": Remedy.SLOWLY,
    "subscription.fetch.replayid.": Remedy.AFRESH,
    "topic.": Remedy.REFUSED,
}
"""For codes that are not listed, by how they begin after the family's name."""

STATUSES: Mapping[str, Remedy] = {
    "UNAUTHENTICATED": Remedy.RENEW,
    "PERMISSION_DENIED": Remedy.REFUSED,
    "NOT_FOUND": Remedy.REFUSED,
    "UNIMPLEMENTED": Remedy.REFUSED,
    "RESOURCE_EXHAUSTED": Remedy.SLOWLY,
    "OUT_OF_RANGE": Remedy.AFRESH,
}
"""For a refusal without a code of the bus: a proxy's or gRPC's own. Whatever is not listed is tried again."""

TROUBLES: Mapping[Remedy, FaultCode] = {
    Remedy.AGAIN: FaultCode.UNAVAILABLE,
    Remedy.RENEW: FaultCode.AUTH_REVOKED,
    Remedy.SLOWLY: FaultCode.THROTTLED,
    Remedy.AFRESH: FaultCode.UNAVAILABLE,
    Remedy.REFUSED: FaultCode.NOT_PERMITTED,
}


@dataclass(frozen=True, slots=True)
class Broken:
    """How a subscription or a call ended: what to do, the bus's code, and its words."""

    remedy: Remedy
    code: str
    words: str

    def __str__(self) -> str:
        return f"{self.code}: {self.words}" if self.words else self.code

    @property
    def fault(self) -> Fault:
        """The same in the connector's words."""
        return Fault(TROUBLES[self.remedy], self.code, self.words)


ENDED = Broken(Remedy.AGAIN, "STREAM_ENDED", "the bus ended the stream without a reason")


def broken(error: Any) -> Broken:
    """What a ``grpc.RpcError`` means. Never raises: an error without status or trailers is one to try again."""
    status = getattr(error.code() if hasattr(error, "code") else None, "name", "UNKNOWN")
    words = str(error.details() or "") if hasattr(error, "details") else str(error)
    code = _code(error)
    return Broken(_remedy(code, status), code or status, words[:MESSAGE_LIMIT])


def _remedy(code: str, status: str) -> Remedy:
    short = code.removeprefix(FAMILY)
    if short in CODES:
        return CODES[short]
    family = next((remedy for start, remedy in FAMILIES.items() if short.startswith(start)), None)
    return family or STATUSES.get(status, Remedy.AGAIN)


def _code(error: Any) -> str:
    """The bus's code from the trailers; values may be bytes."""
    trailers = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
    for key, value in trailers or ():
        if key == CODE_KEY:
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return ""
