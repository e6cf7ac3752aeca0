"""HubSpot's signature v3: whether a request was signed with the app's secret, for the configured address, just now.

Not here: what the request says (``door``). Signatures v1 and v2 are never looked at: neither covers the time, so
whoever saw one request could bring it again for ever (facts: HubSpot §2b).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

SIGNATURE = "x-hubspot-signature-v3"
TIMESTAMP = "x-hubspot-request-timestamp"
"""In small letters, as the server hands headers over (facts: HubSpot §2b)."""

OLDEST = timedelta(minutes=5)
"""facts: HubSpot §2b"""

AHEAD = timedelta(seconds=60)
"""How far a stamp may lie in the future: this machine's clock may be a little behind. The vendor names no limit."""

DIGEST = re.compile(r"\A[A-Za-z0-9+/]{43}=\Z")
"""32 bytes in base64 (facts: HubSpot §2b)."""

MILLIS = re.compile(r"\A[0-9]{1,15}\Z")
DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.I)
"""What the vendor decodes before it signs, and nothing else (facts: HubSpot §2b)."""


class Flaw(StrEnum):
    """What is wrong with a request's signature."""

    MISSING = "no signature"
    STALE = "too old"
    FUTURE = "from the future"
    WRONG = "wrong signature"


@dataclass(frozen=True, slots=True)
class Signed:
    """One request as it came. ``query`` is raw, without the question mark."""

    method: str
    query: str
    body: bytes
    signature: str
    timestamp: str


def signature_of(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """The signature a request must bear; ``uri`` whole and decoded, ``timestamp`` as sent."""
    mac = hmac.new(secret.encode(), f"{method}{uri}".encode(), hashlib.sha256)
    mac.update(body)
    mac.update(timestamp.encode())
    return b64encode(mac.digest()).decode()


def decoded(uri: str) -> str:
    """An address as the vendor signs it."""
    return DECODED.sub(lambda found: chr(int(found[1], 16)), uri)


def addresses(configured: str, query: str) -> tuple[str, ...]:
    """The addresses that may have been signed: the configured one, with the query that came, and as it stands.

    What the request says of its own host and scheme counts for nothing: a proxy before us changes both, and a forger
    could write anything there.
    """
    bare = urlsplit(configured)._replace(query="", fragment="").geturl()
    asked = f"{bare}?{query}" if query else configured
    return tuple(dict.fromkeys(decoded(each) for each in (asked, configured)))


def untimely(given: str, stamp: str, *, now: datetime) -> Flaw | None:
    """What is wrong before the body is looked at: no signature of the right shape, or an old stamp."""
    if not given or not MILLIS.match(stamp):
        return Flaw.MISSING
    age = now.timestamp() - int(stamp) / 1000
    if age > OLDEST.total_seconds():
        return Flaw.STALE
    if age < -AHEAD.total_seconds():
        return Flaw.FUTURE
    return None if DIGEST.match(given) else Flaw.WRONG


def flaw(signed: Signed, *, configured: str, secrets: Sequence[str], now: datetime) -> Flaw | None:
    """What is wrong; None when one of the secrets signed it for the configured address within the last five minutes.

    Every secret and address is tried, so that how long it takes says nothing of which came near.
    """
    late = untimely(signed.signature, signed.timestamp, now=now)
    if late is not None:
        return late
    given = signed.signature.encode("utf-8", "surrogatepass")
    good = False
    for secret in secrets:
        for uri in addresses(configured, signed.query):
            wanted = signature_of(secret, signed.method, uri, signed.body, signed.timestamp).encode()
            good |= hmac.compare_digest(wanted, given)
    return None if good else Flaw.WRONG
