"""How changes are listened to, as config.toml says it: defaults, what is refused, and where nothing is listened to."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import UserError
from connector.settings import SAFETY_POLL, load_settings
from connector.settings.model import AccessToken, LiveSettings, RefreshToken, SystemSettings

ENV = {"SF_CLIENT_ID": "id", "SF_CLIENT_SECRET": "secret", "HS_ACCESS_TOKEN": "token"}
SALESFORCE = """\
[[systems]]
name = "sf"
vendor = "salesforce"
base_url = "{url}"
client_id_env = "SF_CLIENT_ID"
client_secret_env = "SF_CLIENT_SECRET"
"""
ORG, HERE = "https://acme.my.salesforce.com", "http://127.0.0.1:8701"


def live(folder: Path, *lines: str, url: str = ORG) -> LiveSettings | None:
    path = folder / "config.toml"
    path.write_text(SALESFORCE.format(url=url) + "\n".join(lines), encoding="utf-8")
    return load_settings(path, env=HS_ENV).systems[0].live


def test_an_org_is_listened_to_where_it_can_be(tmp_path: Path) -> None:
    assert live(tmp_path) == LiveSettings(address="", channel="", required=False, safety_poll=SAFETY_POLL)


def test_everything_may_be_said(tmp_path: Path) -> None:
    said = ('change_events = "on"', 'change_channel = "Handoff__chn"', 'pubsub_address = "bus.example:443"')
    found = live(tmp_path, *said, "safety_poll_seconds = 60")
    assert found == LiveSettings(address="bus.example:443", channel="Handoff__chn", required=True, safety_poll=60)


def test_off_is_off(tmp_path: Path) -> None:
    assert live(tmp_path, 'change_events = "off"', 'pubsub_address = "bus.example:443"') is None


def test_an_org_on_this_machine_is_never_looked_for_at_the_vendors(tmp_path: Path) -> None:
    assert live(tmp_path, url=HERE) is None
    assert live(tmp_path, 'pubsub_address = "127.0.0.1:9"', url=HERE) is not None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('pubsub_address = "https://bus.example"', "host:port"),
        ('pubsub_address = "bus.example"', "host:port"),
        ('change_channel = "Handoff"', "__chn"),
        ('change_events = "yes"', "change_events"),
        ("safety_poll_seconds = 0", "safety_poll_seconds"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(line: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        live(tmp_path, line)


HUBSPOT = """\
[[systems]]
name = "hs"
vendor = "hubspot"
"""
TOKEN = 'access_token_env = "HS_ACCESS_TOKEN"'
APP = 'client_id_env = "HS_CLIENT_ID"\nclient_secret_env = "HS_CLIENT_SECRET"'
REFRESH = 'refresh_token_env = "HS_REFRESH_TOKEN"'
URL = 'webhook_url = "https://handoff.example/webhooks/hubspot/hs"'
HS_ENV = {**ENV, "HS_CLIENT_ID": "app", "HS_CLIENT_SECRET": "hush", "HS_REFRESH_TOKEN": "again"}


def portal(folder: Path, *lines: str) -> SystemSettings:
    path = folder / "config.toml"
    path.write_text(HUBSPOT + "\n".join(lines), encoding="utf-8")
    return load_settings(path, env=HS_ENV).systems[0]


def test_a_portal_is_logged_in_to_by_a_token_or_by_oauth(tmp_path: Path) -> None:
    by_token = portal(tmp_path, TOKEN)
    assert isinstance(by_token.credentials, AccessToken)
    assert (by_token.app, by_token.live) == (None, None)
    by_oauth = portal(tmp_path, APP, REFRESH)
    assert isinstance(by_oauth.credentials, RefreshToken)
    assert by_oauth.app is not None
    assert by_oauth.app.client_id == "app"
    assert "hush" in load_settings(tmp_path / "config.toml", env=HS_ENV).secrets()


def test_an_app_beside_a_token_makes_changes_heard(tmp_path: Path) -> None:
    assert portal(tmp_path, TOKEN, APP).live == LiveSettings(
        address="", channel="", required=False, safety_poll=SAFETY_POLL
    )
    heard = portal(tmp_path, TOKEN, 'client_secret_env = "HS_CLIENT_SECRET"', URL, "safety_poll_seconds = 60")
    assert heard.live is not None
    assert heard.live.safety_poll == 60
    assert heard.webhook_url.endswith("/hs")
    assert heard.app is not None
    assert heard.app.client_id == ""
    assert portal(tmp_path, TOKEN, APP, 'change_events = "off"').live is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((TOKEN, 'pubsub_address = "a:1"'), "belongs to Salesforce"),
        ((TOKEN, REFRESH, APP), "keep one of the two"),
        ((REFRESH,), "client_id_env: is required"),
        ((TOKEN, 'client_id_env = "HS_CLIENT_ID"'), "client_secret_env: is required"),
        ((TOKEN, 'client_secret_env = "HS_CLIENT_SECRET"'), "client_id_env: is required"),
        ((TOKEN, URL), "webhooks are signed by it"),
        ((TOKEN, APP, 'webhook_url = "https://handoff.example/webhooks/hubspot/other"'), "must end in /webhooks"),
        ((TOKEN, APP, URL, 'change_events = "off"'), "of no use"),
        ((TOKEN, 'api_version = "v1"'), "no API version"),
        ((TOKEN, 'api_version = "2026-13"'), "no API version"),
        ((), "access_token_env: is required"),
    ],
)
def test_what_does_not_fit_a_portal_is_refused_in_words(lines: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        portal(tmp_path, *lines)


@pytest.mark.parametrize("line", [TOKEN, REFRESH, URL])
def test_what_belongs_to_hubspot_is_refused_for_salesforce(line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="belongs to HubSpot"):
        live(tmp_path, line)
