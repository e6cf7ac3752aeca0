"""A product's side of its events, for tests: an event as Segment relays it, and how it signs a body.

Signed here with plain ``hmac``, not with the connector's own code: both must agree.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

SECRET = "a shared secret of the source"
PATH = "/events/app"

_numbers = itertools.count(1)


def a_call(**changes: Any) -> dict[str, Any]:
    """One ``track`` call, fresh; a change of None takes a field out."""
    now = datetime.now(UTC)
    call = {
        "type": "track",
        "messageId": f"ajs-next-{next(_numbers)}",
        "event": "Report Exported",
        "userId": "priya@customer.example",
        "context": {"groupId": "customer-42", "ip": "203.0.113.9"},
        "properties": {"rows": 120, "format": "csv"},
        "timestamp": (now - timedelta(seconds=3)).isoformat().replace("+00:00", "Z"),
        "sentAt": now.isoformat().replace("+00:00", "Z"),
    }
    return {name: value for name, value in (call | changes).items() if value is not None}


def track_body(*calls: dict[str, Any]) -> bytes:
    """One call as it is, several as a batch."""
    return json.dumps(calls[0] if len(calls) == 1 else {"batch": list(calls)}).encode()


def track_signed(body: bytes, *, secret: str = SECRET) -> dict[str, str]:
    """The headers of a delivery."""
    digest = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    return {"Content-Type": "application/json", "X-Signature": digest}
