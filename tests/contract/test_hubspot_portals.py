"""What an admin is told of a portal before anything is set up: tier, scopes, limits, how changes are learned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.crm.hubspot.adapter import HubSpotCRM
from connector.crm.hubspot.login import App
from connector.crm.port import Examination
from connector.errors import CrmError
from connector.handoff.model import Kind, SystemName
from connector.policy.load import load_all
from connector.sandbox.hubspot import schema
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World
from tests.hubspot_portal import a_map

KEY = "pat-of-this-test"
EVERY_SCOPE = (
    "crm.objects.deals.read",
    "crm.objects.deals.write",
    "crm.objects.companies.read",
    "crm.objects.companies.write",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.owners.read",
    "crm.schemas.deals.read",
    "crm.schemas.companies.read",
    "crm.schemas.contacts.read",
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.running() as running:
        yield running


@pytest.fixture
def portal(sandbox: Sandbox) -> Iterator[World]:
    world = sandbox.hs
    world.settings["tokens"] = {KEY: "an app"}
    world.settings["token_scopes"] = {KEY: list(EVERY_SCOPE)}
    world.settings["token_kinds"] = {KEY: "service_key"}
    yield world
    for name in ("tokens", "token_scopes", "token_kinds", "tier"):
        world.settings.pop(name, None)


def crm(sandbox: Sandbox, *, token: str = KEY, app: App | None = None, version: str = "2026-09") -> HubSpotCRM:
    return HubSpotCRM(
        system=SystemName("hs"), map=a_map(), token=token, app=app, base_url=sandbox.hs_url, api_version=version
    )


def examined(sandbox: Sandbox, **given: str) -> Examination:
    found = crm(sandbox, **given)
    found.connect()
    return found.examine()


def test_a_portal_that_lacks_nothing_is_told_what_it_allows(sandbox: Sandbox, portal: World) -> None:
    told = examined(sandbox)
    assert told.problems == ()
    said = "\n".join(told.notes)
    assert f"portal {schema.PORTAL_ID}" in said
    assert "190 calls in ten seconds: Professional or Enterprise" in said
    assert "custom properties used" in said
    assert "2026-09 until 2028-03-01" in said
    assert "polling alone" in said
    assert "no call that notifies a person" in said


def test_a_free_portal_is_told_that_only_the_daemon_holds_the_gate(sandbox: Sandbox, portal: World) -> None:
    portal.settings["tier"] = "free"
    said = "\n".join(examined(sandbox).notes)
    assert "100 calls in ten seconds: Free or Starter" in said
    assert "only the daemon holds the gate" in said


@pytest.mark.parametrize(("burst", "said"), [(110, "110 calls in ten seconds: a marketplace app"), (250, "add-on")])
def test_an_edition_that_the_calls_do_not_tell_is_not_called_too_low(
    sandbox: Sandbox, portal: World, burst: int, said: str
) -> None:
    portal.settings["burst_limit"] = burst
    try:
        notes = "\n".join(examined(sandbox).notes)
    finally:
        portal.settings.pop("burst_limit")
    assert said in notes
    assert "only the daemon holds the gate" not in notes


def test_missing_scopes_are_all_named_at_once_with_what_each_is_for(sandbox: Sandbox, portal: World) -> None:
    lacking = ("crm.objects.owners.read", "crm.objects.deals.write", "crm.objects.contacts.write")
    portal.settings["token_scopes"] = {KEY: [each for each in EVERY_SCOPE if each not in lacking]}
    told = examined(sandbox)
    assert {problem.key for problem in told.problems} == set(lacking)
    assert any("to make tasks, notes and meetings" in problem.message for problem in told.problems)


def test_scopes_without_which_nothing_can_begin_are_named_at_once_too(sandbox: Sandbox, portal: World) -> None:
    portal.settings["token_scopes"] = {KEY: ["crm.objects.contacts.read"]}
    with pytest.raises(CrmError) as refused:
        crm(sandbox).connect()
    for scope in ("crm.schemas.deals.read", "crm.objects.owners.read", "crm.objects.deals.write"):
        assert scope in refused.value.fault.message


def test_asking_for_scopes_changes_nothing(sandbox: Sandbox, portal: World) -> None:
    before = {name: {row.id: row.modified_at for row in table.live()} for name, table in portal.tables.items()}
    examined(sandbox)
    assert {name: {row.id: row.modified_at for row in table.live()} for name, table in portal.tables.items()} == before


def test_the_old_paths_still_serve_and_say_when_they_end(sandbox: Sandbox, portal: World) -> None:
    found = crm(sandbox, version="v3")
    found.connect()
    assert found.describe(Kind.DEAL).fields
    assert found.people()
    told = found.examine()
    assert "v3 until 2027-09-01, v4 until 2027-03-30" in "\n".join(told.notes)
    assert "do not check the required properties" in "\n".join(told.notes)


def test_an_app_installed_by_oauth_logs_in_by_its_refresh_token(sandbox: Sandbox, portal: World) -> None:
    app = App(schema.APP_CLIENT_ID, schema.APP_CLIENT_SECRET, schema.APP_REFRESH_TOKEN)
    found = crm(sandbox, token="", app=app)
    found.connect()
    assert found.portal_id == str(schema.PORTAL_ID)


def test_the_example_config_names_what_hubspot_can_be_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    text = (root / "config.example.toml").read_text(encoding="utf-8")
    for line in ("client_id_env", "client_secret_env"):
        text = text.replace(f'# {line} = "HS', f'{line} = "HS')
    text = text.replace("# webhook_url =", "webhook_url =").replace(
        'mappings = "mappings"', f'mappings = "{root}/mappings"'
    )
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    for name in ("SF_CLIENT_ID", "SF_CLIENT_SECRET", "HS_ACCESS_TOKEN", "HS_CLIENT_ID", "HS_CLIENT_SECRET"):
        monkeypatch.setenv(name, "value")
    settings, _ = load_all(tmp_path / "config.toml")
    portal = settings.system("hs")
    assert portal.webhook_url.endswith("/webhooks/hubspot/hs")
    assert portal.live is not None
