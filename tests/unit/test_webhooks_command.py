"""``handoff webhooks``: a file that the vendor's tool would take, with what the mapping needs and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hubspot_portal import a_map
from typer.testing import CliRunner

from connector.cli.app import build
from connector.crm.hubspot.fields import Fields
from connector.crm.hubspot.live import hsmeta
from connector.crm.hubspot.live.meaning import Meaning
from connector.errors import UserError
from connector.handoff.model import Kind, SystemName
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import MappedField
from connector.sandbox.hubspot.feeds import events

ROOT = Path(__file__).resolve().parents[2]
URL = "https://handoff.seller.example/webhooks/hubspot/hs"
CONFIG = f"""\
mappings = "{ROOT / "mappings"}"

[[systems]]
name = "hs"
vendor = "hubspot"
access_token_env = "HS_ACCESS_TOKEN"
"""
HOOKS = f"""\
client_secret_env = "HS_CLIENT_SECRET"
webhook_url = "{URL}"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HS_ACCESS_TOKEN", "HS_CLIENT_SECRET"):
        monkeypatch.setenv(name, "secret")
    path = tmp_path / "config.toml"
    path.write_text(CONFIG + HOOKS)
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    ran = CliRunner().invoke(build(("webhooks",)), ["webhooks", *arguments], catch_exceptions=False)
    return ran.exit_code, ran.stdout, ran.stderr


def component(**changes: Any) -> dict[str, Any]:
    mapped = a_map(**changes)
    fields = Fields(mapped)
    return hsmeta.component(Meaning(fields, mapped, SystemName("hs")), fields, url=URL)


def test_the_file_is_taken_by_the_sandboxs_portal_and_counts_what_it_says(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "app" / "webhooks"
    code, said, _ = run("hs", "--out", str(out), "--config", str(config))
    assert code == 0
    part = json.loads((out / "webhooks-hsmeta.json").read_text())
    app = events.parse({**events.uploaded(part), "via": "http://127.0.0.1:1/"})
    assert f"{len(app.subscriptions)} subscriptions" in said
    assert app.target_url == URL
    assert "hs project upload" in said
    assert "crm.objects.deals.read" in said
    told = {(each.kind.table, each.verb) for each in app.subscriptions}
    verbs = ("creation", "deletion", "merge", "restore", "associationChange", "propertyChange")
    assert told >= {("deals", verb) for verb in verbs}
    assert {table for table, _ in told} == {"deals", "companies", "tasks", "notes", "meetings", "calls", "emails"}


def test_without_a_folder_the_file_is_alone_on_standard_output(config: Path) -> None:
    for more in ([], ["--json"]):
        code, said, aside = run("hubspot", "--config", str(config), *more)
        assert code == 0
        assert json.loads(said)["config"]["settings"] == {"targetUrl": URL, "maxConcurrentRequests": 10}
        assert ("hs project upload" in aside) is (not more)


def test_subscriptions_are_those_of_the_mapping(config: Path) -> None:
    made = component()
    classic = made["config"]["subscriptions"]["legacyCrmObjects"]
    generic = made["config"]["subscriptions"]["crmObjects"]
    deals = {each["propertyName"] for each in classic if each["subscriptionType"] == "deal.propertyChange"}
    mapped = {each.field for each in a_map().of(Kind.DEAL)}
    assert deals >= mapped
    assert "hs_lastmodifieddate" not in deals
    assert "hs_priority" not in deals
    tasks = {each["propertyName"] for each in generic if each["objectType"] == "TASK" and "propertyName" in each}
    assert "hs_task_status" in tasks
    assert "handoff_key" not in tasks, "keys are written once, by the connector itself"
    every = Counter(json.dumps(each, sort_keys=True) for each in (*classic, *generic))
    assert max(every.values()) == 1
    assert hsmeta.subscriptions_in(made) == len(every)


def test_a_mapping_too_large_for_an_app_is_refused() -> None:
    many = {
        f"field_{number}": MappedField(
            path=f"field_{number}",
            kind=Kind.DEAL,
            field=f"handoff_{number}",
            type=FieldType.TEXT,
            owner=FieldOwner.DAEMON,
            label="",
        )
        for number in range(hsmeta.MOST)
    }
    with pytest.raises(UserError, match="an app has 1,000 at most"):
        component(fields=many)


def test_without_an_address_there_is_nothing_to_write(config: Path) -> None:
    config.write_text(CONFIG)
    with pytest.raises(UserError, match="no webhook_url is given"):
        run("hs", "--config", str(config))


def test_a_folder_that_cannot_be_written_is_said_in_words(config: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        run("hs", "--config", str(config), "--out", str(tmp_path / "taken"))
