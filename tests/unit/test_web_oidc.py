"""Signing in by OpenID Connect against a real provider on loopback, one that keeps to the rules and one that does not.

Not here: sessions and forms (``test_web_page``).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import oidc_provider
import pytest
import requests
from oidc_provider import CLIENT, CLIENT_SECRET, Provider
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from connector.errors import UserError
from connector.settings import OidcSettings, WebSettings
from connector.web.app import Pages, create_app
from connector.web.oidc import AWAY_SECONDS, BACK, MOST_USED, Oidc
from connector.web.server import serve_in_thread
from connector.web.status import Status

PAGE = "https://handoff.seller.example"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with oidc_provider.running() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Iterator[Provider]:
    """The same provider, honest again."""
    kept = dict(running.claims)
    yield running
    running.claims, running.metadata, running.sign = kept, {}, None
    running.token = lambda claims: None


def an_oidc(provider: Provider, *, people: tuple[str, ...] = ("@seller.example",), **given: Any) -> Oidc:
    settings = OidcSettings(
        issuer=provider.url, client_id=CLIENT, client_secret=SecretStr(CLIENT_SECRET), people=people
    )
    return Oidc(settings, public_url=PAGE, **given)


def away_and_back(oidc: Oidc) -> tuple[dict[str, str], str]:
    """Through the provider like a browser: the query that comes back, and what the browser kept."""
    address, kept = oidc.leave()
    answer = requests.get(address, timeout=10, allow_redirects=False)
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == PAGE + BACK
    return {name: values[0] for name, values in parse_qs(back.query).items()}, kept


def come(oidc: Oidc) -> str:
    query, kept = away_and_back(oidc)
    return oidc.come_back(query, kept)


def test_whoever_the_provider_knows_comes_in_by_their_verified_address(provider: Provider) -> None:
    assert come(an_oidc(provider)) == "ana@seller.example"
    assert come(an_oidc(provider, people=("ana@seller.example",))) == "ana@seller.example"
    assert len(provider.asked[-1]["code_verifier"]) >= 43


def test_every_sign_in_has_secrets_of_its_own(provider: Provider) -> None:
    oidc = an_oidc(provider)
    asked = [parse_qs(urlsplit(oidc.leave()[0]).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["response_type"] == ["code"]


@pytest.mark.parametrize(
    ("people", "claims"),
    [
        (("bo@seller.example",), {}),
        (("@seller.example.evil.example",), {}),
        (("@example",), {}),
        (("@seller.example",), {"email": "ana@sub.seller.example"}),
        (("@seller.example",), {"email": "evil@evil.example@seller.example>"}),
        (("@seller.example",), {"email": "@seller.example\nx"}),
        (("@seller.example",), {"email_verified": False}),
        (("@seller.example",), {"email_verified": "false"}),
        (("@seller.example",), {"email_verified": None}),
        (("@seller.example",), {"email": None}),
        (("@kseller.example",), {"email": "ana@\u212aseller.example"}),
        (("@seller.example",), {"email": ["ana@seller.example"]}),
    ],
    ids=str,
)
def test_nobody_else_does(people: tuple[str, ...], claims: dict[str, Any], provider: Provider) -> None:
    provider.claims |= claims
    with pytest.raises(UserError):
        come(an_oidc(provider, people=people))


def lie(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def twist(claims: dict[str, Any]) -> None:
        claims.update(changes)
        for name in [name for name, value in changes.items() if value is None]:
            del claims[name]

    return twist


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": [CLIENT, "another"]},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"nonce": None, "nonce_supported": False},
        {"exp": time.time() - 3600},
        {"exp": None},
        {"iat": time.time() + 3600},
        {"sub": None},
        {"at_hash": "of another access token"},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_a_token_that_is_not_for_us_and_for_now_is_refused(changes: dict[str, Any], provider: Provider) -> None:
    provider.token = lie(**changes)
    with pytest.raises(UserError, match="cannot be trusted"):
        come(an_oidc(provider))


def _unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, None, algorithm="none")  # type: ignore[arg-type]


def _by_our_secret(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, CLIENT_SECRET.ljust(32, "x"), algorithm="HS256")


def _by_another_key(claims: dict[str, Any]) -> str:
    return Provider().signed(claims)


def _bent(claims: dict[str, Any]) -> str:
    return _by_another_key(claims)[:-10] + "AAAAAAAAAA"


@pytest.mark.parametrize("sign", [_unsigned, _by_our_secret, _by_another_key, _bent, lambda claims: "no token"])
def test_a_token_that_the_provider_did_not_sign_is_refused(
    sign: Callable[[dict[str, Any]], str], provider: Provider
) -> None:
    provider.sign = sign
    with pytest.raises(UserError, match="cannot be trusted"):
        come(an_oidc(provider))


def test_a_new_key_is_asked_for(provider: Provider) -> None:
    oidc = an_oidc(provider)
    come(oidc)
    provider.new_key()
    assert come(oidc) == "ana@seller.example"


def test_a_sign_in_is_good_once_in_time_and_in_its_own_browser(provider: Provider) -> None:
    now = [0.0]
    oidc = an_oidc(provider, monotonic=lambda: now[0])
    query, kept = away_and_back(oidc)
    with pytest.raises(UserError, match="another browser"):
        oidc.come_back(query, "what another browser kept")
    with pytest.raises(UserError, match="another browser"):
        oidc.come_back(query | {"state": "9" + query["state"]}, kept)
    assert oidc.come_back(query, kept), "whoever tried before with a stolen address keeps nobody out"
    with pytest.raises(UserError, match="begin again"):
        oidc.come_back(query, kept)
    query, kept = away_and_back(oidc)
    now[0] += AWAY_SECONDS + 1
    with pytest.raises(UserError, match="is over"):
        oidc.come_back(query, kept)
    with pytest.raises(UserError, match="never begun"):
        oidc.come_back({"code": "x"}, "")
    with pytest.raises(UserError, match="never begun"):
        oidc.come_back({"code": "x", "state": "9" * 5000 + ".x.\udcff"}, "")


def test_thousands_who_only_leave_keep_nobody_out(provider: Provider) -> None:
    oidc = an_oidc(provider)
    query, kept = away_and_back(oidc)
    for _ in range(MOST_USED + 1):
        oidc.leave()
    assert oidc.come_back(query, kept)


@pytest.mark.parametrize("change", [{"error": "access_denied"}, {"code": ""}, {"iss": "https://evil.example"}])
def test_an_answer_that_is_none_lets_nobody_in(change: dict[str, str], provider: Provider) -> None:
    oidc = an_oidc(provider)
    query, kept = away_and_back(oidc)
    with pytest.raises(UserError) as caught:
        oidc.come_back(query | change, kept)
    assert "evil" not in str(caught.value)


def test_a_code_of_another_sign_in_is_refused(provider: Provider) -> None:
    """PKCE: whoever steals a code and puts it into a sign-in of their own has not its verifier."""
    oidc = an_oidc(provider)
    stolen, _ = away_and_back(oidc)
    query, kept = away_and_back(oidc)
    with pytest.raises(UserError, match="cannot be trusted"):
        oidc.come_back(query | {"code": stolen["code"]}, kept)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
def test_a_provider_that_sends_us_elsewhere_is_not_followed(metadata: dict[str, Any], provider: Provider) -> None:
    provider.metadata = metadata
    with pytest.raises(UserError):
        an_oidc(provider).leave()


def test_a_provider_that_is_away_is_said_in_words() -> None:
    gone = Provider(url="http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached"):
        an_oidc(gone).leave()


def test_a_browser_signs_in_through_both_servers(provider: Provider) -> None:
    """Page and provider as real servers: the cookie that binds the browser, and the session at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    settings = OidcSettings(
        issuer=provider.url, client_id=CLIENT, client_secret=SecretStr(CLIENT_SECRET), people=("@seller.example",)
    )
    web = WebSettings(
        host="127.0.0.1", port=port, enabled=True, hooks_host="", hooks_port=0, public_url=base, oidc=settings
    )
    pages = Pages(_no_status, CollectorRegistry(), web, foreign=Oidc(settings, public_url=base))
    stop = serve_in_thread(create_app(pages), host="127.0.0.1", port=port)
    try:
        browser, thief = requests.Session(), requests.Session()
        assert "company account" in browser.get(base, timeout=10).text
        away = browser.get(f"{base}/signin/oidc", timeout=10, allow_redirects=False).headers["Location"]
        back = requests.get(away, timeout=10, allow_redirects=False).headers["Location"]
        assert thief.get(back, timeout=10).status_code == 401
        away = browser.get(f"{base}/signin/oidc", timeout=10, allow_redirects=False).headers["Location"]
        welcome = browser.get(requests.get(away, timeout=10, allow_redirects=False).headers["Location"], timeout=10)
        assert "Signed in as <strong>ana@seller.example</strong>" in welcome.text
        assert "Sign out" in browser.get(base, timeout=10).text
        assert "Sign out" not in thief.get(base, timeout=10).text
    finally:
        stop()


def _no_status() -> Status:
    return Status(at=datetime.now(UTC), systems=(), parked=(), decisions=())
