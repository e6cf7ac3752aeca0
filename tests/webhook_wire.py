"""HubSpot's side of a webhook delivery, for tests: events as the vendor sends them, and their signature.

Signed here with plain ``hmac``, not with the connector's own code: both must agree.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

SECRET = "b5b0c2a1-0000-4000-8000-1f2e3d4c5b6a"
URL = "https://handoff.seller.example/webhooks/hubspot/hs"
PATH = "/webhooks/hubspot/hs"
PORTAL, APP = 4_800_123, 777_001
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def an_event(kind: str = "deal.propertyChange", **changes: Any) -> dict[str, Any]:
    """One event as delivered (facts: HubSpot §2a); a change of None takes a field out."""
    event = {
        "eventId": 3816279340,
        "subscriptionId": 25,
        "portalId": PORTAL,
        "appId": APP,
        "occurredAt": millis(AT),
        "subscriptionType": kind,
        "attemptNumber": 0,
        "objectId": 501,
        "changeSource": "CRM_UI",
        "sourceId": "userId:882761034",
    }
    if kind.endswith("propertyChange"):
        event |= {"propertyName": "dealstage", "propertyValue": "closedwon"}
    return {name: value for name, value in (event | changes).items() if value is not None}


def signed(
    body: bytes, *, secret: str = SECRET, url: str = URL, at: datetime | None = None, method: str = "POST"
) -> dict[str, str]:
    """The headers of a delivery."""
    stamp = str(millis(at or datetime.now(UTC)))
    message = method.encode() + url.encode() + body + stamp.encode()
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
        "X-HubSpot-Request-Timestamp": stamp,
    }


def as_body(*events: Mapping[str, Any]) -> bytes:
    return json.dumps(list(events)).encode()
