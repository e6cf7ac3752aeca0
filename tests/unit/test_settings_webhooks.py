"""What config.toml says of webhooks beside their address: two secrets, and a door of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import UserError
from connector.settings import Settings, load_settings

ENV = {"HS_ACCESS_TOKEN": "token", "HS_CLIENT_SECRET": "the new one", "HS_OLD_SECRET": "the old one"}
PORTAL = """\
[[systems]]
name = "hs"
vendor = "hubspot"
access_token_env = "HS_ACCESS_TOKEN"
"""
HOOKS = """\
client_secret_env = "HS_CLIENT_SECRET"
webhook_url = "https://handoff.seller.example/webhooks/hubspot/hs"
"""
OLD = 'previous_client_secret_env = "HS_OLD_SECRET"\n'


def settings(folder: Path, *parts: str) -> Settings:
    path = folder / "config.toml"
    path.write_text("".join(parts), encoding="utf-8")
    return load_settings(path, env=ENV)


def test_two_secrets_count_while_one_replaces_the_other(tmp_path: Path) -> None:
    found = settings(tmp_path, PORTAL, HOOKS, OLD)
    app = found.systems[0].app
    assert app is not None
    assert app.previous_secret is not None
    assert app.client_secret.get_secret_value() == "the new one"
    assert app.previous_secret.get_secret_value() == "the old one"
    assert {"the new one", "the old one"} <= set(found.secrets()), "both are blotted out of the log"
    plain = settings(tmp_path, PORTAL, HOOKS).systems[0].app
    assert plain is not None
    assert plain.previous_secret is None


def test_the_door_is_on_this_machine_and_beside_the_page_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    web = settings(tmp_path, PORTAL).web
    assert (web.hooks_host, web.hooks_port) == ("127.0.0.1", 8788)
    assert web.hooks_port != web.port
    said = settings(tmp_path, PORTAL, '[web]\nhooks_host = "0.0.0.0"\nhooks_port = 9000\n').web
    assert (said.hooks_host, said.hooks_port, said.host) == ("0.0.0.0", 9000, "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PORTAL + OLD, "is of use only with webhook_url"),
        (PORTAL + HOOKS + 'previous_client_secret_env = "HS_LOST"\n', "HS_LOST"),
        (PORTAL + HOOKS + 'previous_client_secret = "abc"\n', "a secret must not stand in a file"),
        (PORTAL + "[web]\nhooks_port = 70000\n", "at most 65535"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        settings(tmp_path, text)
