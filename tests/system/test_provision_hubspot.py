"""From a portal with nothing of ours to a handoff in it, by the commands alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemons import Site, until

from connector.cli import app
from connector.sandbox.server import Sandbox

pytestmark = pytest.mark.system

ADMIN = "HS_ADMIN_TOKEN"
MINE = "pat-of-an-admin"
FROM_THE_START = 'first_run = "act_since"\nact_since = 2020-01-01'
Run = Callable[..., tuple[int, str]]
MAY_READ = (
    *(f"crm.objects.{name}.{way}" for name in ("deals", "companies", "contacts") for way in ("read", "write")),
    *(f"crm.schemas.{name}.read" for name in ("deals", "companies", "contacts")),
    "crm.objects.owners.read",
)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Site]:
    """A bare portal; the daemon's own token may not change properties, the admin's may."""
    with Sandbox.running(bare_hubspot=True) as sandbox:
        made = Site(tmp_path, sandbox, {"systems": ("hs",), "first_run": FROM_THE_START})
        world = sandbox.hs
        world.settings["tokens"] = {MINE: "app:admin"}
        world.settings["token_scopes"] = {made.secrets["HS_ACCESS_TOKEN"]: list(MAY_READ)}
        made.secrets[ADMIN] = MINE
        try:
            yield made
        finally:
            made.stop_all()


@pytest.fixture
def command(ground: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command in this process, with the site's secrets: its exit code and all it said."""
    for name, value in ground.secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHAT_WEBHOOK_URL", f"{ground.sandbox.control_url}/sink/chat")
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["handoff", *arguments, "--config", str(ground.folder / "config.toml")])
        code = app.run()
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_bare_portal_is_checked_provisioned_and_worked_in(ground: Site, command: Run) -> None:
    code, said = command("check")
    assert code == 1, said
    assert "fields are missing or hidden: handoff provision hs plans" in said.strip().splitlines()[-1]

    code, said = command("provision", "hubspot", "--apply", "--yes")
    assert code == 2, said
    assert "deals: crm.schemas.deals.write" in said
    assert "--token-env NAME" in said

    code, said = command("provision", "hubspot", "--token-env", ADMIN)
    assert code == 0, said
    assert "portal 4242001, a sandbox account" in said
    assert "+ Property deals.handoff_gate: Dropdown select, Held, Released" in said
    assert "3. Show Success criteria (handoff_success_criteria) and tick Required" in said
    assert f"handoff provision hs --config {ground.folder}/config.toml --token-env {ADMIN} --apply" in said

    code, said = command("provision", "hubspot", "--apply", "--yes", "--token-env", ADMIN)
    assert code == 0, said
    assert "Read again: nothing is left to do." in said
    code, said = command("provision", "hubspot", "--fail-on-changes", "--ledger")
    assert (code, "--ledger: means nothing in HubSpot" in said) == (2, True), said
    code, said = command("provision", "hubspot", "--fail-on-changes")
    assert (code, "Nothing to do: the portal has everything." in said) == (0, True), said
    code, said = command("check")
    assert code == 0, said

    deal = ground.hs.win(ground.hs.deal())
    gaps = ground.hs.win(ground.hs.deal(without=("champion",)), outcome=None)
    with ground.daemon():
        until(lambda: ground.hs.handed_off(deal) and ground.hs.see(gaps).text("missing"), "work in the new fields")
        until(lambda: ground.hs.clean, "everything once")
    assert "Champion" in ground.hs.see(gaps).text("missing")

    code, said = command("provision", "hs", "--json", "--remove", "--apply", "--yes", "--token-env", ADMIN)
    assert code == 0, said
    assert json.loads(said)["applied"] is None, "fields stay until they are asked for"
