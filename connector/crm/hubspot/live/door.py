"""HubSpot's webhook deliveries: who signed them, for which portal they are, and what of them is kept.

Not here: HTTP (``connector.web.hooks``), the signature itself (``signature``) and what an event means (``webhooks``).
Values of properties are not kept: nothing is ever decided by them, and customers' words need not lie about.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.crm.hooks import Delivery, Mail, Refusal, Refused
from connector.crm.hubspot.live import signature

MOST_EVENTS = 1000
"""The vendor sends 100 at most (facts: HubSpot §2a); ten times that is still read, should it change its mind."""

REMEMBERED = 10_000
"""Deliveries whose signature is remembered while its stamp is still good."""

FORGET_AFTER = (signature.OLDEST + signature.AHEAD).total_seconds()
VALUE = "propertyValue"


class HubSpotDoor:
    """One portal's deliveries. Implements `connector.crm.hooks.Door`.

    ``url`` is the address as the app has it; ``home`` tells the portal's id, empty while it is not known. The app is
    known by its secret: whatever was signed with it is of that app, and may be for any portal that installed it.
    """

    def __init__(
        self,
        *,
        url: str,
        secrets: Sequence[str],
        home: Callable[[], str],
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._secrets = tuple(secrets)
        self._home = home
        self._now = now
        self._monotonic = monotonic
        self._seen: OrderedDict[str, float] = OrderedDict()

    def knock(self, headers: Mapping[str, str]) -> None:
        """Whether there is a signature and a fresh stamp at all. Raises `Refused`."""
        given, stamp = headers.get(signature.SIGNATURE, ""), headers.get(signature.TIMESTAMP, "")
        flaw = signature.untimely(given, stamp, now=self._now())
        if flaw is not None:
            raise Refused(Refusal.UNSIGNED, flaw.value)

    def open(self, delivery: Delivery) -> Mail:
        """The events of a delivery, each as a letter. Raises `Refused`."""
        mark = self._check(delivery)
        if self._is_known(mark):
            return Mail(letters=(), foreign=0, again=True, mark=mark)
        events = _events(delivery.body)
        ours = [event for event in events if self._is_ours(event)]
        return Mail(letters=_letters(ours), foreign=len(events) - len(ours), again=False, mark=mark)

    def kept(self, mail: Mail) -> None:
        """Remember the delivery for as long as its stamp is good."""
        self._seen[mail.mark] = self._monotonic() + FORGET_AFTER
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _check(self, delivery: Delivery) -> str:
        signed = signature.Signed(
            method=delivery.method,
            query=delivery.query,
            body=delivery.body,
            signature=delivery.headers.get(signature.SIGNATURE, ""),
            timestamp=delivery.headers.get(signature.TIMESTAMP, ""),
        )
        flaw = signature.flaw(signed, configured=self._url, secrets=self._secrets, now=self._now())
        if flaw is not None:
            raise Refused(Refusal.UNSIGNED, flaw.value)
        return signed.signature

    def _is_known(self, mark: str) -> bool:
        until = self._seen.get(mark)
        return until is not None and self._monotonic() < until

    def _is_ours(self, event: dict[str, Any]) -> bool:
        home, portal = self._home(), event.get("portalId")
        return not home or portal is None or str(portal) == home


def _events(body: bytes) -> list[dict[str, Any]]:
    try:
        told = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Refused(Refusal.UNREADABLE, "not JSON") from error
    if not isinstance(told, list) or not all(isinstance(event, dict) for event in told):
        raise Refused(Refusal.UNREADABLE, "not a list of events")
    if len(told) > MOST_EVENTS:
        raise Refused(Refusal.UNREADABLE, f"{len(told)} events, more than {MOST_EVENTS}")
    return told


def _letters(events: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    kept = ({name: value for name, value in event.items() if name != VALUE} for event in events)
    try:
        return tuple(json.dumps(event, separators=(",", ":")) for event in kept)
    except RecursionError as error:  # what could just be read may be too deep to be written
        raise Refused(Refusal.UNREADABLE, "nested too deeply") from error
