"""What config.toml says of who may see the page, act on it, and bring product events.

Not here: the sign-in itself (``test_web_page``, ``test_web_oidc``).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.settings import Settings, load_settings

ENV = {"HS_ACCESS_TOKEN": "token", "OIDC_CLIENT_ID": "page", "OIDC_CLIENT_SECRET": "oidc secret", "APP_SECRET": "shh"}
PORTAL = """\
[[systems]]
name = "hs"
vendor = "hubspot"
access_token_env = "HS_ACCESS_TOKEN"
"""
TOKEN = "0123456789abcdef" * 2
FAR = '[web]\nhost = "0.0.0.0"\n'
BY_TOKEN = 'token_file = "page_token"\n'
BY_PROXY = 'trusted_proxies = ["10.0.0.0/8"]\nproxy_user_header = "X-Forwarded-Email"\n'
OIDC = """\
[web.oidc]
issuer = "https://id.seller.example"
client_id_env = "OIDC_CLIENT_ID"
people = ["Ana@Seller.example", "@ops.seller.example"]
"""
PUBLIC = 'public_url = "https://handoff.seller.example"\n'
SOURCE = '[[sources]]\nname = "app"\nsigning_secret_env = "APP_SECRET"\n'


def settings(folder: Path, *parts: str, token: str = TOKEN, mode: int = 0o600) -> Settings:
    (folder / "page_token").write_text(token + "\n", encoding="utf-8")
    (folder / "page_token").chmod(mode)
    path = folder / "config.toml"
    path.write_text("".join((PORTAL, *parts)), encoding="utf-8")
    return load_settings(path, env=ENV)


def test_on_this_machine_no_sign_in_is_needed(tmp_path: Path) -> None:
    web = settings(tmp_path).web
    assert (web.host, web.token, web.oidc, web.proxy_user_header) == ("127.0.0.1", None, None, "")
    assert settings(tmp_path, '[web]\nallowed_hosts = ["page.localhost"]\n').web.allowed_hosts == ("page.localhost",)


@pytest.mark.parametrize("way", [BY_TOKEN, BY_PROXY, PUBLIC + OIDC, "enabled = false\n"])
def test_beyond_it_any_way_to_sign_in_will_do(way: str, tmp_path: Path) -> None:
    assert settings(tmp_path, FAR, way).web.host == "0.0.0.0"


def test_what_is_given_is_what_counts(tmp_path: Path) -> None:
    found = settings(tmp_path, FAR, PUBLIC, BY_TOKEN, BY_PROXY, OIDC, 'client_secret_env = "OIDC_CLIENT_SECRET"\n')
    web = found.web
    assert web.token is not None
    assert web.oidc is not None
    assert web.token.get_secret_value() == TOKEN
    assert (web.trusted_proxies, web.proxy_user_header) == (("10.0.0.0/8",), "x-forwarded-email")
    assert web.oidc.people == ("ana@seller.example", "@ops.seller.example")
    assert {TOKEN, "oidc secret"} <= set(found.secrets()), "both are blotted out of the log"


def test_sources_have_names_and_secrets(tmp_path: Path) -> None:
    found = settings(tmp_path, SOURCE, 'previous_signing_secret_env = "HS_ACCESS_TOKEN"\n')
    (source,) = found.sources
    assert source.previous_secret is not None
    assert (source.name, source.signing_secret.get_secret_value()) == ("app", "shh")
    assert "shh" in found.secrets()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((FAR,), r"web\.host: '0\.0\.0\.0' lets other machines see the page: say how people sign in"),
        (('[web]\nhost = "handoff.internal"\n',), "lets other machines see the page"),
        (("[web]\n" + PUBLIC,), r"web\.public_url: opens the page to others"),
        (('[web]\nallowed_hosts = ["handoff.internal"]\n',), "opens the page to other machines"),
        ((FAR, 'trusted_proxies = ["10.0.0.0/8"]\n'), "lets other machines see the page"),
        ((FAR, 'proxy_user_header = "X-User"\n'), "anybody could send this header"),
        ((FAR, BY_PROXY.replace("0.0/8", "0.1/8")), "is no network"),
        ((FAR, BY_PROXY.replace("10.0.0.0/8", "0.0.0.0/0")), "is everybody"),
        ((FAR, BY_PROXY.replace("10.0.0.0/8", "::/0")), "is everybody"),
        ((FAR, BY_PROXY.replace("X-Forwarded-Email", "X: y")), "is no name of a header"),
        ((FAR, BY_TOKEN.replace("page_token", "lost")), "cannot be read: No such file"),
        ((FAR, 'token = "abc"\n'), "a secret must not stand in a file"),
        ((FAR, OIDC), r"web\.public_url: is required with \[web\.oidc\]"),
        ((FAR, PUBLIC, OIDC.replace('"Ana@Seller.example"', '"Ana"')), "neither an address"),
        ((FAR, PUBLIC, OIDC.replace('["Ana@Seller.example", "@ops.seller.example"]', "[]")), "give at least one"),
        ((FAR, PUBLIC, OIDC.replace("https://id", "http://id")), "unencrypted"),
        ((SOURCE, SOURCE), "there are two sources 'app'"),
        ((SOURCE.replace("APP_SECRET", "LOST"),), "LOST is not set"),
        ((SOURCE.replace("_env", ""),), "a secret must not stand in a file"),
        ((SOURCE.replace('"app"', '"../app"'),), "small letters, digits and dashes"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_lets_the_wrong_people_in_is_refused_in_words(parts: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        settings(tmp_path, *parts)


def test_a_token_must_be_long_and_kept_from_others(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds 31 characters; at least 32"):
        settings(tmp_path, FAR, BY_TOKEN, token=TOKEN[:-1])
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # else nobody else gets at the file anyway
        with pytest.raises(UserError, match="page_token is open to every user"):
            settings(Path(folder), FAR, BY_TOKEN, mode=0o644)


QUERY = """\
[[queries]]
name = "warehouse"
url_env = "APP_SECRET"
sql = "SELECT at, n, ws FROM usage"
event = "Used"
at_column = "at"
cursor_column = "n"
group_id_column = "ws"
"""


def test_a_database_is_asked_with_an_address_from_the_environment(tmp_path: Path) -> None:
    (query,) = settings(tmp_path, QUERY).queries
    assert (query.name, query.url.get_secret_value(), query.every_minutes) == ("warehouse", "shh", 60.0)
    assert "shh" not in repr(query)
    assert "shh" in settings(tmp_path, QUERY).secrets()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("SELECT at", "DELETE at", "queries[warehouse].sql: must begin with SELECT or WITH"),
        ("FROM usage", "FROM usage; DROP TABLE usage", "queries[warehouse].sql: must be one statement"),
        ('event = "Used"\n', "", "queries[warehouse]: must name either event"),
        ('group_id_column = "ws"\n', "", "queries[warehouse]: must say whose an event is"),
        ('url_env = "APP_SECRET"\n', "", 'url_env: is required; write url_env = "WAREHOUSE_URL"'),
        ('name = "warehouse"', 'name = "app"', "there are two sources of events 'app'; rename one"),
    ],
)
def test_a_query_that_cannot_be_one_is_told(before: str, after: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as told:
        settings(tmp_path, SOURCE, QUERY.replace(before, after))
    assert message in str(told.value)
