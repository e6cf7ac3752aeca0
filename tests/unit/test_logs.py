"""The log's form, and that nothing secret gets through it, from our own events or a library's."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from connector import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield io.StringIO()
    structlog.reset_defaults()
    root.handlers, _ = handlers, root.setLevel(level)


def test_an_event_is_one_line_of_json(stream: io.StringIO) -> None:
    logs.set_up(stream=stream)
    structlog.get_logger().info("pass.done", system="sf", looked=3)
    event = json.loads(stream.getvalue())
    assert (event["event"], event["system"], event["looked"], event["level"]) == ("pass.done", "sf", 3, "info")
    assert event["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_left_out(stream: io.StringIO) -> None:
    logs.set_up(stream=stream, level="warning")
    structlog.get_logger().info("pass.done")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "access_token", "client_secret", "private_key", "Cookie"]
)
def test_names_of_secrets_hide_their_value_at_any_depth(stream: io.StringIO, name: str) -> None:
    logs.set_up(stream=stream)
    structlog.get_logger().info("call.made", **{name: "abc"}, headers={name: "abc", "deeper": [{name: "abc"}]})
    assert "abc" not in stream.getvalue()
    assert stream.getvalue().count(logs.HIDDEN) == 3


SHAPES = [
    "Bearer 00Dxx0000001gERE!AQ0AQH0dMHZfz972Szmpkb58urFRkgeBGsxL",
    "token pat-eu1-1234-abcd refused",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANB\n-----END PRIVATE KEY-----",
    "POST grant_type=client_credentials&client_secret=MIIEvQIBADANB",
    '{"access_token": "MIIEvQIBADANB", "id": 1}',
    "postgresql://handoff:MIIEvQIBADANB@db/handoff",
    "https://hooks.slack.com/services/T0/B0/MIIEvQIBADANB",
    "assertion=eyJhbGciOi.eyJpc3MiOi.MIIEvQIBADANB",
]
SECRETS = ("AQ0AQH0dMHZfz", "1234-abcd", "MIIEvQIBADANB")


@pytest.mark.parametrize("text", SHAPES)
@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_known_by_their_look(stream: io.StringIO, text: str, form: logs.Format) -> None:
    logs.set_up(stream=stream, format=form)
    structlog.get_logger().warning("call.failed", message=text)
    assert not any(secret in stream.getvalue() for secret in SECRETS)
    assert logs.HIDDEN in stream.getvalue()


def test_known_secrets_are_blotted_out_wherever_they_stand(stream: io.StringIO) -> None:
    logs.set_up(stream=stream, secrets=["correct horse"])
    structlog.get_logger().info("call.made", path="/x/correct horse/y", rows=[("a", "correct horse")])
    assert "correct horse" not in stream.getvalue()


def test_emails_leave_urls_but_stay_elsewhere(stream: io.StringIO) -> None:
    logs.set_up(stream=stream)
    url = "https://api.example/owners?email=joe.doe%40seller.example&limit=1"
    structlog.get_logger().info("call.made", url=url, path="/owners/?email=joe@seller.example", to="ann@seller.example")
    event = json.loads(stream.getvalue())
    assert event["url"] == "https://api.example/owners?email=[email]&limit=1"
    assert event["path"] == "/owners/?email=[email]"
    assert event["to"] == "ann@seller.example"


def test_exceptions_and_libraries_go_through_the_same_sieve(stream: io.StringIO) -> None:
    logs.set_up(stream=stream)
    try:
        raise ValueError("Bearer MIIEvQIBADANB")
    except ValueError:
        structlog.get_logger().exception("pass.failed")
    logging.getLogger("urllib3").warning("retry after %s", "https://u:MIIEvQIBADANB@db/")
    logging.getLogger("urllib3").info("too small to tell")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert "ValueError" in first["exception"]
    assert second["level"] == "warning"
    assert "MIIEvQIBADANB" not in stream.getvalue()
