"""Whether the webhook address leads to the running daemon: an empty delivery is sent there, signed as the app signs.

Not here: judging deliveries (``door``). It proves the way from this machine only; the vendor's own way is proved by the
first thing it delivers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import urllib3
from urllib3.exceptions import HTTPError

from connector.crm.hubspot.live import signature

SECONDS = 5.0
"""The vendor waits no longer either (facts: HubSpot §2a)."""

EMPTY = b"[]"
TAKEN = 204

ANSWERS: Mapping[int, str] = {
    401: "refuses what is signed with this app's secret: the daemon there has another secret or another clock",
    404: "answers, but has no such path: the proxy leads elsewhere, or the daemon there has no webhook_url for it",
    405: "answers, but takes no POST: the proxy leads elsewhere",
    502: "answers that nothing is behind it: is the daemon running?",
    503: "is too busy or cannot store anything",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the vendor delivers: the address as the app has it, and the secret it signs with."""

    url: str
    secret: str = field(repr=False)
    now: Callable[[], datetime]

    def trouble(self) -> str:
        """What is in the way; empty when the daemon behind the address took the delivery."""
        stamp = str(int(self.now().timestamp() * 1000))
        (uri,) = signature.addresses(self.url, "")
        signed = signature.signature_of(self.secret, "POST", uri, EMPTY, stamp)
        headers = {
            "Content-Type": "application/json",
            signature.SIGNATURE: signed,
            signature.TIMESTAMP: stamp,
        }
        try:
            with urllib3.PoolManager(timeout=SECONDS, retries=False) as pool:
                status = pool.request("POST", self.url, body=EMPTY, headers=headers, redirect=False).status
        except HTTPError as error:
            return f"{self.url} cannot be reached from here: {type(error).__name__}"
        if status == TAKEN:
            return ""
        return f"{self.url} {ANSWERS.get(status, f'answers {status}')}"
