"""Signature v3: the vendor's own example, and every way in which a request is not what it was when it was signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.crm.hubspot.live.signature import AHEAD, OLDEST, Flaw, Signed, addresses, decoded, flaw, signature_of

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URL = "https://www.example.com/webhook_uri"
BODY = b"{'example_field':'example_value'}"
STAMP = "1693657560000"
THEN = datetime.fromtimestamp(1693657560, tz=UTC)
VECTOR = Signed("POST", "", BODY, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=", STAMP)
"""facts: HubSpot §2b"""


def judged(
    signed: Signed, *, url: str = URL, secrets: tuple[str, ...] = (SECRET,), now: datetime = THEN
) -> Flaw | None:
    return flaw(signed, configured=url, secrets=secrets, now=now)


def signed_for(uri: str, *, secret: str = SECRET, query: str = "", body: bytes = BODY) -> Signed:
    return Signed("POST", query, body, signature_of(secret, "POST", uri, body, STAMP), STAMP)


def test_the_vendors_example_passes() -> None:
    assert signature_of(SECRET, "POST", URL, BODY, STAMP) == VECTOR.signature
    assert judged(VECTOR) is None


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"body": BODY.replace(b"value", b"valve")}, Flaw.WRONG),
        ({"body": BODY + b"\n"}, Flaw.WRONG),
        ({"body": b""}, Flaw.WRONG),
        ({"method": "PUT"}, Flaw.WRONG),
        ({"timestamp": "1693657560001"}, Flaw.WRONG),
        ({"signature": VECTOR.signature.lower()}, Flaw.WRONG),
        ({"signature": VECTOR.signature[:-1]}, Flaw.WRONG),
        ({"signature": f" {VECTOR.signature}"}, Flaw.WRONG),
        ({"signature": "ÿ\ud800"}, Flaw.WRONG),
        ({"signature": ""}, Flaw.MISSING),
        ({"timestamp": ""}, Flaw.MISSING),
        ({"timestamp": "-1693657560000"}, Flaw.MISSING),
        ({"timestamp": "1693657560000.0"}, Flaw.MISSING),
        ({"timestamp": "1693657560000\n"}, Flaw.MISSING),
        ({"timestamp": "٣٣"}, Flaw.MISSING),
        ({"timestamp": "9" * 400}, Flaw.MISSING),
        ({"timestamp": "1693657560"}, Flaw.STALE),
    ],
)
def test_what_was_changed_on_the_way_is_refused(changes: dict[str, str | bytes], found: Flaw) -> None:
    assert judged(replace(VECTOR, **changes)) is found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("later", "found"),
    [
        (OLDEST, None),
        (OLDEST + timedelta(milliseconds=1), Flaw.STALE),
        (timedelta(days=365), Flaw.STALE),
        (-AHEAD, None),
        (-AHEAD - timedelta(milliseconds=1), Flaw.FUTURE),
        (-timedelta(days=1), Flaw.FUTURE),
    ],
)
def test_only_a_stamp_of_the_last_minutes_counts(later: timedelta, found: Flaw | None) -> None:
    assert judged(VECTOR, now=THEN + later) is found


def test_a_secret_that_is_going_out_of_use_is_taken_too() -> None:
    old, new = signed_for(URL, secret="old"), signed_for(URL, secret="new")
    assert judged(old, secrets=("new", "old")) is None
    assert judged(new, secrets=("new", "old")) is None
    assert judged(old, secrets=("new",)) is Flaw.WRONG
    assert judged(old, secrets=()) is Flaw.WRONG


@pytest.mark.parametrize("signed_uri", ["http://www.example.com/webhook_uri", "https://inside:8788/webhook_uri", ""])
def test_only_the_configured_address_counts(signed_uri: str) -> None:
    assert judged(signed_for(signed_uri)) is Flaw.WRONG


def test_a_query_is_signed_with_the_address() -> None:
    asked = "a=1&b=%E2%82%AC"
    assert judged(signed_for(f"{URL}?{asked}", query=asked)) is None
    assert judged(signed_for(f"{URL}?{asked}", query="a=2&b=%E2%82%AC")) is Flaw.WRONG
    assert judged(signed_for(f"{URL}?kept=1", query=""), url=f"{URL}?kept=1") is None
    assert judged(signed_for(URL, query=""), url=f"{URL}?kept=1") is Flaw.WRONG


def test_exactly_the_vendors_list_is_decoded() -> None:
    assert decoded("https%3A%2F%2Fh%3fp%40%21%24%27%28%29%2a%2C%3B") == "https://h?p@!$'()*,;"
    assert decoded("%20%23%25%26%2B%3D%5B%E4") == "%20%23%25%26%2B%3D%5B%E4"
    assert decoded("%253A") == "%253A"
    assert addresses("https://h/a%2Fb", "") == ("https://h/a/b",)
    assert judged(signed_for("https://h/a/b?to=x@y", query="to=x%40y"), url="https://h/a%2Fb") is None
