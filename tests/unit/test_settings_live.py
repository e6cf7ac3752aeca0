"""How changes are listened to, as config.toml says it: defaults, what is refused, and where nothing is listened to."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import UserError
from connector.settings import SAFETY_POLL, load_settings
from connector.settings.model import LiveSettings

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
    return load_settings(path, env=ENV).systems[0].live


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


@pytest.mark.parametrize("key", ['change_events = "auto"', 'pubsub_address = "a:1"', "safety_poll_seconds = 60"])
def test_hubspot_has_none_of_it(key: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[[systems]]\nname = "hs"\nvendor = "hubspot"\naccess_token_env = "HS_ACCESS_TOKEN"\n{key}\n')
    with pytest.raises(UserError, match="belongs to Salesforce"):
        load_settings(path, env=ENV)
