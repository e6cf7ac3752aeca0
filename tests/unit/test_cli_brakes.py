"""The commands by which a person lets go, drops, pauses and resumes, over a ledger on disk and no CRM at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from plans import REFUSED, a_plan, a_task
from typer.testing import CliRunner

from connector.bootstrap.desk import PageDesk
from connector.cli import pause
from connector.cli.app import EXIT_FOUND, EXIT_USER, build
from connector.clock import SystemClock
from connector.engine.parts import Shared
from connector.errors import UserError
from connector.handoff.model import HandoffKey, SystemName
from connector.store import Decided, HeldDeal, HoldState, Park, Settlement, Store, open_store

HS = SystemName("hs")
MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
CONFIG = """\
mappings = "{mappings}"
[daemon]
mode = "act"
[[systems]]
name = "hs"
vendor = "hubspot"
access_token_env = "HS_ACCESS_TOKEN"
"""
WRITES = [{"step": "patch-deal", "write": "update deal", "fields": ["status"], "reason": "All fields are filled."}]

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a ledger that holds two imported wins and one changed handoff; gives its JSON, or its code."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(mappings=MAPPINGS), encoding="utf-8")
    monkeypatch.setenv("HS_ACCESS_TOKEN", "pat-na1-test")
    (tmp_path / "state").mkdir()
    store = ledger(tmp_path)
    now = datetime.now(UTC)
    for deal_id, cause in (("D1", "imported"), ("D2", "imported"), ("D3", "changed")):
        what = {"generation": 1, "mover": "", "writes": WRITES}
        held = HeldDeal(HS, deal_id, HoldState.HELD, cause, now, "an import.", what)
        store.hold_deals(HS, [held], [], stop="an import")
    store.close()

    def call(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(build((words[0],)), [*words, "--config", str(config), "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return call


def ledger(folder: Path) -> Store:
    return open_store(f"sqlite:///{folder / 'state' / 'handoff.db'}", clock=SystemClock(), mode="tool")


def test_release_shows_first_and_lets_go_only_what_is_named(run: Run, tmp_path: Path) -> None:
    shown = run("release", code=EXIT_FOUND)
    assert [each["deal"] for each in shown["held"]["hs"]] == ["D1", "D2", "D3"]
    assert shown["held"]["hs"][0]["writes"] == WRITES
    assert shown["released"] == 0
    with pytest.raises(UserError, match="--yes"):
        run("release", "--all")
    assert run("release", "--only", "D1", "--yes")["released"] == 1
    assert run("release", "--all", "--yes")["released"] == 2
    assert run("release")["held"] == {}
    store = ledger(tmp_path)
    assert len(store.due(HS, limit=9)) == 3
    store.close()


def parked(folder: Path, deal_id: str) -> int:
    """The number of a write of this deal that the CRM refused."""
    store = ledger(folder)
    task = a_task(deal_id=deal_id, key=f"{HS}:{deal_id}:1:welcome-packet")
    plan = a_plan(deal_id, actions=(task,), key=HandoffKey(HS, deal_id))
    store.record(HS, [Decided(plan)], act=True)
    claimed = store.claim(HS, owner="me", batch=lambda _lane: 10, lease_seconds=60)
    assert claimed is not None
    (row,) = claimed.rows
    store.settle([Settlement(row.id, row.attempt, Park(REFUSED))])
    store.close()
    return row.id


def test_retry_says_what_waits_for_a_release_and_what_stays_parked(run: Run, tmp_path: Path) -> None:
    free, held, let_be = (str(parked(tmp_path, each)) for each in ("D9", "D1", "D2"))
    run("drop", "--deal", "D2", "--why", "for the records")
    said = run("retry", free, held, let_be)
    assert (said["retried"], said["held"], said["let_be"]) == (2, 1, 1)
    store = ledger(tmp_path)
    desk = PageDesk(cast("Shared", SimpleNamespace(store=store)), [HS])
    with pytest.raises(UserError, match="let be"):
        desk.retry(int(let_be), by="ada")
    with pytest.raises(UserError, match="not parked any more"):
        desk.retry(int(free), by="ada")
    store.close()


def test_the_page_says_that_a_retried_row_waits_for_the_release_of_its_deal(run: Run, tmp_path: Path) -> None:
    row = parked(tmp_path, "D1")
    store = ledger(tmp_path)
    desk = PageDesk(cast("Shared", SimpleNamespace(store=store)), [HS])
    assert "when its deal is released" in desk.retry(row, by="ada")
    assert "at the next pass" in desk.retry(parked(tmp_path, "D9"), by="ada")
    store.close()
    assert len(run("release", "--only", "D1", "--yes")["held"]["hs"]) == 1


def test_drop_lets_wins_be_and_no_changes(run: Run) -> None:
    with pytest.raises(UserError, match="say why"):
        run("drop", "--all-held")
    said = run("drop", "--all-held", "--why", "for the records")
    assert said == {"dropped": 0, "let_be": 2, "not_wins": ["D3"]}
    with pytest.raises(UserError, match="--deal"):
        run("drop", "--all-held", "--undo")
    assert run("drop", "--deal", "D1", "--undo")["taken_up"] == 1


def test_pause_and_resume(run: Run, tmp_path: Path) -> None:
    assert run("pause", "hs:summary", "--for", "2h", "--why", "moving")["rule"] == "summary"
    assert run("pause", "hs")["until"] is None
    store = ledger(tmp_path)
    assert [each.rule for each in store.pauses(HS)] == ["", "summary"]
    store.close()
    assert run("resume", "hs", "--all")["ended"] == 2
    assert run("resume", "hs")["ended"] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("retry", "{}"),
        ("drop", "17", "{}", "--why", "x"),
        ("drop", "{}", "--undo"),
        ("replay", "--event", "{}"),
        ("trail", "show", "--last", "{}"),
        ("backfill", "--limit", "{}"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("number", [str(2**63), "9" * 5000, "0", "-1", "²", "x"])
def test_a_number_that_no_row_can_have_is_a_mistake_in_words(
    tmp_path: Path, words: tuple[str, ...], number: str
) -> None:
    # Behind "--": a number below zero is no option.
    *before, last = [each.format(number) for each in words]
    given = [*before[:1], "--config", str(tmp_path / "none.toml"), *before[1:]]
    given += [last] if words[-1] != "{}" or before[-1].startswith("--") else ["--", last]
    result = CliRunner().invoke(build((words[0],)), given, env={"COLUMNS": "200"})
    assert result.exit_code == EXIT_USER
    assert isinstance(result.exception, SystemExit), "a mistake, and no failure of the database"
    assert number[:40] in result.output


def test_the_greatest_number_of_all_is_asked_for_and_not_there(run: Run) -> None:
    assert run("retry", str(2**63 - 1))["retried"] == 0
    assert run("drop", str(2**63 - 1), "--why", "x")["dropped"] == 0
    assert run("drop", str(2**63 - 1), "--undo")["undone"] == 0


@pytest.mark.parametrize("since", ["99999999999999999999d", "9999999d", "²d"])
def test_a_span_that_leads_before_all_time_is_a_mistake_in_words(run: Run, since: str) -> None:
    with pytest.raises(UserError, match="--since"):
        run("trail", "show", "--since", since)


def test_an_end_of_a_chain_that_none_can_have_is_a_mistake_in_words(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no end of a chain"):
        run("trail", "verify", "--against", f"hs:{2**63}:9f2c")
    file = tmp_path / "trail.jsonl"
    file.write_text(json.dumps({"end": {"system": "hs", "seq": 2**63, "hash": "9f2c"}}) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="no chain has"):
        run("trail", "verify", "--against", str(file))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pause", "sf"), "no system is called 'sf'"),
        (("pause", "hs:gates"), "no rule is called 'gates'"),
        (("pause", "hs", "--for", "soon"), "no span"),
        (("drop", "--why", "x"), "name parked writes"),
        (("replay",), "name one of"),
    ],
)
def test_a_mistake_is_told_in_words(run: Run, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(*words)


def test_the_help_of_pause_names_every_rule_once() -> None:
    listed = str(pause.command.__doc__).split("Rules:")[1].split(".")[0]
    assert [" ".join(each.split()) for each in listed.split(",")] == list(pause.RULE_NAMES)
