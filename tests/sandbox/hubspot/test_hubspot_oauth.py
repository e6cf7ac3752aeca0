"""Tokens of the portal's OAuth: granted, renewed, dead, taken back, and only as strong as their scopes."""

from __future__ import annotations

from typing import Any

import pytest
from hubspot_sdk.types.auth.access_token_response import AccessTokenResponse
from hubspot_sdk.types.auth.client_credentials_token_response import ClientCredentialsTokenResponse
from hubspot_sdk.types.auth.public_access_token_info_response import PublicAccessTokenInfoResponse
from hubspot_sdk.types.auth.public_refresh_token_info_response import PublicRefreshTokenInfoResponse
from pydantic import BaseModel

from connector.sandbox.hubspot import oauth
from connector.sandbox.hubspot.schema import APP, APP_CLIENT_ID, APP_CLIENT_SECRET, APP_REFRESH_TOKEN

APP_FORM = {"client_id": APP_CLIENT_ID, "client_secret": APP_CLIENT_SECRET}
REFRESH = {**APP_FORM, "grant_type": "refresh_token", "refresh_token": APP_REFRESH_TOKEN}
DEALS = "/crm/objects/2026-09/deals"


def post(portal: Any, path: str, form: dict[str, str]) -> Any:
    return portal.session.post(portal.url + path, data=form, timeout=10)


def granted(portal: Any, form: dict[str, str], version: str = "2026-09") -> dict[str, Any]:
    reply = post(portal, f"/oauth/{version}/token", form)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def call(portal: Any, token: str, path: str = DEALS) -> Any:
    return portal.ask("GET", path, headers={"Authorization": f"Bearer {token}"})


def exact(model: type[BaseModel], body: dict[str, Any]) -> None:
    assert not model.model_validate(body).model_extra


@pytest.mark.parametrize("version", sorted(oauth.VERSIONS))
def test_a_refresh_token_gives_a_token_of_half_an_hour(portal: Any, version: str) -> None:
    told = granted(portal, REFRESH, version)
    assert (told["expires_in"], told["refresh_token"]) == (1800, APP_REFRESH_TOKEN)
    exact(AccessTokenResponse, told)
    assert call(portal, told["access_token"]).status_code == 200
    portal.world.clock.advance(1799)
    assert call(portal, told["access_token"]).status_code == 200
    portal.world.clock.advance(1)
    late = call(portal, told["access_token"])
    assert (late.status_code, late.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert call(portal, granted(portal, REFRESH)["access_token"]).status_code == 200


def test_who_writes_with_a_granted_token_is_the_app(portal: Any) -> None:
    token = granted(portal, REFRESH)["access_token"]
    made = portal.ok("POST", DEALS, {"properties": {"dealname": "New"}}, headers={"Authorization": f"Bearer {token}"})
    assert portal.table("deals").get(made["id"]).created_by == APP


def test_a_token_can_die_after_so_many_calls(portal: Any) -> None:
    portal.world.setting("oauth_calls", 2)
    token = granted(portal, REFRESH)["access_token"]
    assert [call(portal, token).status_code for _ in range(4)] == [200, 200, 401, 401]


def test_every_token_dies_when_told(portal: Any) -> None:
    tokens = [granted(portal, REFRESH)["access_token"] for _ in range(2)]
    assert oauth.kill(portal.world) == 2
    assert [call(portal, token).status_code for token in tokens] == [401, 401]


def test_a_shorter_life_is_told_and_kept(portal: Any) -> None:
    portal.world.setting("oauth_life_s", 20)
    told = granted(portal, REFRESH)
    assert told["expires_in"] == 20
    portal.world.clock.advance(20)
    assert call(portal, told["access_token"]).status_code == 401


def test_a_rotated_refresh_token_is_good_once(portal: Any) -> None:
    portal.world.setting("oauth_rotate", value=True)
    new = granted(portal, REFRESH)["refresh_token"]
    assert new != APP_REFRESH_TOKEN
    assert post(portal, "/oauth/2026-09/token", REFRESH).status_code == 400
    granted(portal, {**REFRESH, "refresh_token": new})


def test_an_installation_is_granted_by_its_code_once(portal: Any) -> None:
    back = "http://127.0.0.1/back"
    code = oauth.authorize(portal.world, scopes=("crm.objects.companies.read",), redirect_uri=back)
    form = {**APP_FORM, "grant_type": "authorization_code", "code": code, "redirect_uri": back}
    assert post(portal, "/oauth/2026-09/token", {**form, "redirect_uri": "http://127.0.0.1/x"}).status_code == 400
    told = granted(portal, form)
    assert post(portal, "/oauth/2026-09/token", form).json()["status"] == "BAD_AUTH_CODE"
    assert call(portal, told["access_token"], "/crm/objects/2026-09/companies").status_code == 200
    lacking = call(portal, told["access_token"])
    assert lacking.status_code == 403
    assert lacking.json()["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.deals.read"]


def test_an_app_gets_a_token_of_its_own_for_scopes_that_it_has(portal: Any) -> None:
    form = {**APP_FORM, "grant_type": "client_credentials"}
    told = granted(portal, {**form, "scope": "developer.webhooks_journal.read"})
    exact(ClientCredentialsTokenResponse, told)
    assert "refresh_token" not in told
    portal.world.setting("app_scopes", ["crm.objects.deals.read"])
    refused = post(portal, "/oauth/2026-09/token", {**form, "scope": "developer.webhooks_journal.read"})
    assert (refused.status_code, refused.json()["status"]) == (400, "BAD_SCOPE")


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"refresh_token": "x"}, "BAD_REFRESH_TOKEN", "invalid_grant"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET", "invalid_client"),
        ({"client_id": "x"}, "BAD_CLIENT_ID", "invalid_client"),
        ({"grant_type": "password"}, "BAD_GRANT_TYPE", "unsupported_grant_type"),
    ],
)
def test_a_refusal_is_worded_either_way(portal: Any, change: dict[str, str], status: str, error: str) -> None:
    refused = post(portal, "/oauth/2026-09/token", {**REFRESH, **change})
    assert (refused.status_code, refused.json()["status"]) == (400, status)
    portal.world.setting("oauth_errors", "rfc")
    assert post(portal, "/oauth/2026-09/token", {**REFRESH, **change}).json()["error"] == error


def test_json_is_no_form_and_other_versions_are_not_there(portal: Any) -> None:
    assert portal.ask("POST", "/oauth/2026-09/token", REFRESH).status_code == 415
    assert post(portal, "/oauth/2025-09/token", REFRESH).status_code == 404


@pytest.mark.parametrize("path", ["/oauth/2026-09/introspect", "/oauth/2026-09/token/introspect"])
def test_a_token_is_shown_and_taken_back(portal: Any, path: str) -> None:
    token = granted(portal, REFRESH)["access_token"]
    shown = post(portal, path, {**APP_FORM, "token": token}).json()
    exact(PublicAccessTokenInfoResponse, shown)
    assert shown["active"]
    exact(PublicRefreshTokenInfoResponse, post(portal, path, {**APP_FORM, "token": APP_REFRESH_TOKEN}).json())
    revoke = path.replace("introspect", "revoke")
    assert post(portal, revoke, {**APP_FORM, "token": token}).status_code == 204
    assert not post(portal, path, {**APP_FORM, "token": token}).json()["active"]
    assert call(portal, token).status_code == 401
    post(portal, revoke, {**APP_FORM, "token": APP_REFRESH_TOKEN})
    assert post(portal, "/oauth/2026-09/token", REFRESH).json()["status"] == "BAD_REFRESH_TOKEN"
    assert post(portal, path, {**APP_FORM, "token": "nobody's"}).status_code == 400


def test_the_first_version_shows_tokens_by_path(portal: Any) -> None:
    token = granted(portal, REFRESH, "v1")["access_token"]
    assert portal.ok("GET", f"/oauth/v1/access-tokens/{token}")["hub_id"] == 4242001
    assert portal.ask("DELETE", f"/oauth/v1/refresh-tokens/{APP_REFRESH_TOKEN}").status_code == 204
    assert portal.ask("GET", f"/oauth/2026-09/access-tokens/{token}").status_code == 404


def test_grants_outlive_a_restart(portal: Any, tmp_path: Any) -> None:
    portal.world.attach(tmp_path)
    token = granted(portal, REFRESH)["access_token"]
    portal.world.detach()
    portal.world.settings.pop(oauth.GRANTS)
    portal.world.attach(tmp_path)
    assert call(portal, token).status_code == 200
    portal.world.detach()
