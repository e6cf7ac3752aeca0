"""Product events as Segment sends them: who signed them, how old they are, and what of each is kept.

Not here: HTTP (``hooks``), keeping them (``connector.store.productevents``) and what they mean (``handoff``).

What is leaned on, from Segment's public documents and the source of its Webhooks (Actions) destination: ``X-Signature``
is the body's HMAC-SHA1 in hexadecimal; a batch has at most 500 KB and 2,500 events, one event 32 KB; ``messageId`` is
its own id of an event; ``receivedAt`` is its own clock's. Where its batching is on, it signs the first event alone, so
such a batch is refused: its other events could be anybody's. Not confirmed: that any answer from 200 to 299 counts as
success (200 is given), and that 400, 401 and 413 are not tried again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.crm.hooks import Delivery, Mail, Refusal, Refused
from connector.store.productevents import ProductEvent

SIGNATURE = "x-signature"
DIGEST = re.compile(r"\A[0-9a-f]{40}\Z")
MOST_BYTES = 500 * 1024
MOST_EVENT_BYTES = 32 * 1024
MOST_EVENTS = 2500
LONGEST_ID = 255

OLDEST = timedelta(hours=24)
"""Older than that nothing is taken: a sender that could not reach us tries again for some hours, and whoever recorded a
delivery may play it again until then to no effect, because its messages are known. Retention must be longer."""

AHEAD = timedelta(minutes=5)
"""How far a sender's clock may be before ours."""

CLOCKS = ("receivedAt", "sentAt", "timestamp")
"""What tells when an event was sent, the most trustworthy first: the relay's own clock, the device's, the moment the
event itself claims."""

TRACK = "track"
PATH = "/events/"


class TrackDoor:
    """One source's deliveries: an event, a list of them, or ``{"batch": […]}``. Fits `connector.crm.hooks.Door`."""

    def __init__(self, *, secrets: Sequence[str], now: Callable[[], datetime]) -> None:
        self._secrets = tuple(each.encode() for each in secrets)
        self._now = now

    def knock(self, headers: Mapping[str, str]) -> None:
        """Whether there is a signature at all. Raises `Refused`."""
        if not DIGEST.match(headers.get(SIGNATURE, "")):
            raise Refused(Refusal.UNSIGNED, "no signature")

    def open(self, delivery: Delivery) -> Mail:
        """The events of a delivery, each as a letter; other calls than ``track`` are counted as foreign."""
        self.knock(delivery.headers)
        given = delivery.headers[SIGNATURE]
        if not self._is_signed(delivery.body, given):
            raise Refused(Refusal.UNSIGNED, "wrong signature")
        calls = _calls(delivery.body)
        tracked = [call for call in calls if str(call.get("type", TRACK)).lower() == TRACK]
        now = self._now()
        letters = tuple(_event(call, now=now).letter() for call in tracked)
        return Mail(letters=letters, foreign=len(calls) - len(tracked), again=False, mark=given)

    def kept(self, mail: Mail) -> None:
        """Nothing to remember: what comes again is known by its messages, in the store and for longer."""

    def _is_signed(self, body: bytes, given: str) -> bool:
        """Every secret is tried, so that how long it takes says nothing of which came near."""
        good = False
        for secret in self._secrets:
            good |= hmac.compare_digest(hmac.new(secret, body, hashlib.sha1).hexdigest(), given)
        return good


def _calls(body: bytes) -> list[dict[str, Any]]:
    try:
        told = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Refused(Refusal.UNREADABLE, "not JSON") from error
    shared = {}
    if isinstance(told, dict) and isinstance(told.get("batch"), list):
        shared = {name: told[name] for name in CLOCKS if name in told}
        told = told["batch"]
    calls = told if isinstance(told, list) else [told]
    if not all(isinstance(call, dict) for call in calls):
        raise Refused(Refusal.UNREADABLE, "not events")
    if len(calls) > MOST_EVENTS:
        raise Refused(Refusal.TOO_LARGE, f"{len(calls)} events, more than {MOST_EVENTS}")
    return [{**shared, **call} for call in calls]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # 1e999, which would be written out again as what is no JSON
        raise ValueError(f"{text[:20]} is too large")
    return number


def _event(call: Mapping[str, Any], *, now: datetime) -> ProductEvent:
    """One event. Raises `Refused` for one that is too old, too large, or says not what or which it is."""
    try:
        size = len(json.dumps(call, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
        properties = json.dumps(call.get("properties") or {}, separators=(",", ":"))
    except RecursionError as error:  # what could just be read may be too deep to be written
        raise Refused(Refusal.UNREADABLE, "nested too deeply") from error
    if size > MOST_EVENT_BYTES:
        raise Refused(Refusal.TOO_LARGE, f"an event of {size} bytes, more than {MOST_EVENT_BYTES}")
    _judge_age(call, now=now)
    context = call.get("context")
    group = call.get("groupId") or (context.get("groupId") if isinstance(context, dict) else None)
    return ProductEvent(
        message_id=_text(call.get("messageId"), "messageId"),
        event=_text(call.get("event"), "event"),
        at=(_moment(call.get("timestamp")) or now).isoformat(),
        user_id=_text(call["userId"], "userId") if call.get("userId") else None,
        group_id=_text(group, "groupId") if group else None,
        properties=properties,
    )


def _judge_age(call: Mapping[str, Any], *, now: datetime) -> None:
    sent = next((at for name in CLOCKS if (at := _moment(call.get(name))) is not None), None)
    if sent is None:
        raise Refused(Refusal.UNREADABLE, "no time")
    if now - sent > OLDEST:
        raise Refused(Refusal.UNSIGNED, "too old")
    if sent - now > AHEAD:
        raise Refused(Refusal.UNSIGNED, "from the future")


def _text(value: Any, name: str) -> str:
    """A word that every store can keep: PostgreSQL takes no NUL, and neither half of a character alone."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text.strip() or len(text) > LONGEST_ID or not text.isprintable():
        raise Refused(Refusal.UNREADABLE, f"no {name}")
    return text


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
