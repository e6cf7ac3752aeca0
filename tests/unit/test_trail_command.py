"""``handoff trail``, ``export`` and ``forget`` as they are typed: what they print, write, and leave as an exit code."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plans import NOW, SYSTEM, a_deal_patch, a_task, an_account_patch
from sending import decide, send_all
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from connector.bootstrap.acts import who
from connector.cli.app import build
from connector.cli.trail import moment
from connector.clock import ManualClock
from connector.errors import UserError
from connector.handoff.plan import Phase
from connector.store import open_store

ROOT = Path(__file__).resolve().parents[2]
CONFIG = f"""\
mappings = "{ROOT / "mappings"}"

[[systems]]
name = "{SYSTEM}"
vendor = "hubspot"
access_token_env = "HS_ACCESS_TOKEN"
"""
ACCOUNT = "9007199254"
NAME = "=Acme Möbel"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config whose ledger holds one handoff that was given up since, of an account with an awkward name."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "config.toml").write_text(CONFIG)
    store = open_store(url_of(folder), clock=ManualClock(NOW))
    decide(store, "D1", an_account_patch(ACCOUNT), a_task(values={"subject": NAME}), a_deal_patch())
    send_all(store)
    decide(store, "D1", phase=Phase.LOST)
    store.close()
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    monkeypatch.setenv("HS_ACCESS_TOKEN", "pat-secret-token")
    return Path(shutil.copytree(original, tmp_path / "copy"))


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'state' / 'handoff.db'}"


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    config = ["--config", str(folder / "config.toml")]
    ran = CliRunner().invoke(build(arguments[:1]), [*arguments, *config], catch_exceptions=False)
    return ran.exit_code, ran.stdout, ran.stderr


def test_a_trail_is_shown_exported_verified_and_its_damage_named(folder: Path) -> None:
    code, shown, _ = run(folder, "trail", "show", "--deal", "D1", "--kind", "applied", "--json")
    assert (code, [row["data"]["step"] for row in json.loads(shown)]) == (
        0,
        ["patch-account", "welcome-packet", "patch-deal"],
    )
    assert run(folder, "trail", "show", "--who", "nobody", "--json")[1] == "[]\n"
    out = str(folder / "trail.jsonl")
    _, _, ends = run(folder, "trail", "export", "--out", out)
    lines = [json.loads(line) for line in Path(out).read_text().splitlines()]
    assert Path(out).stat().st_mode & 0o077 == 0
    with pytest.raises(UserError, match="File exists"):
        run(folder, "trail", "export", "--out", out)
    assert lines[-1]["end"]["seq"] == len(lines) - 1 == 5
    end = ends.rsplit(": ", 1)[1].strip()
    assert run(folder, "trail", "verify", "--against", out, "--against", end)[0] == 0
    tamper(folder, "UPDATE audit SET reason = 'nothing' WHERE seq = 3")
    code, told, _ = run(folder, "trail", "verify", "--json")
    (chain,) = json.loads(told)["chains"]
    assert (code, chain["broken"]["damage"], chain["broken"]["seq"]) == (1, "altered", 3)
    tamper(folder, "DELETE FROM audit WHERE seq > 2", "UPDATE chain SET seq = 2, hash = (SELECT hash FROM audit"
           " WHERE seq = 2)")  # fmt: skip
    assert run(folder, "trail", "verify")[0] == 0
    code, told, _ = run(folder, "trail", "verify", "--against", out)
    assert code == 1
    assert "once had 5 rows and has 2 now" in told


def tamper(folder: Path, *statements: str) -> None:
    engine = create_engine(url_of(folder))
    with engine.begin() as connection:
        for trigger in ("audit_no_update", "audit_no_delete"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS {trigger}"))
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_what_is_stored_is_exported_and_forgotten_with_proof(folder: Path) -> None:
    asked = ("--account", ACCOUNT, "--also", NAME)
    code, exported, _ = run(folder, "export", *asked, "--csv", str(folder / "csv"), "--json")
    tables = json.loads(exported)["tables"]
    assert code == 0
    assert {row["step"] for row in tables["outbox"]} == {"patch-account", "welcome-packet", "patch-deal"}
    with (folder / "csv" / "written.csv").open(newline="") as file:
        assert {row["record_id"] for row in csv.DictReader(file)} == {ACCOUNT, "D1"}
    code, forgotten, _ = run(folder, "forget", "account", ACCOUNT, "--also", NAME, "--yes", "--json")
    assert (code, json.loads(forgotten)["left"]) == (0, {})
    assert run(folder, "export", *asked)[:2] == (1, f"Nothing is stored of account {ACCOUNT}.\n")
    assert run(folder, "trail", "verify")[0] == 0
    _, receipt, _ = run(folder, "trail", "show", "--kind", "forgotten", "--json")
    assert [row["by"] for row in json.loads(receipt)] == [who()]
    assert NAME.encode() not in (folder / "state" / "handoff.db").read_bytes()


def test_what_is_under_way_is_not_forgotten_unasked(folder: Path) -> None:
    store = open_store(url_of(folder), clock=ManualClock(NOW))
    decide(store, "D2", an_account_patch(ACCOUNT))
    store.close()
    code, told, _ = run(folder, "forget", "account", ACCOUNT, "--yes")
    assert code == 1
    assert "1 of its handoffs is under way (D2)" in told
    assert run(folder, "export", "--account", ACCOUNT)[0] == 0
    code, told, _ = run(folder, "forget", "account", ACCOUNT, "--in-flight", "--yes")
    assert code == 0
    assert "finds nothing" in told


MISTAKES = (
    (("export",), "give exactly one of them"),
    (("export", "--deal", "D1", "--system", "other"), "no system is called 'other'"),
    (("forget", "contact", "7", "--also", "Li"), "too short to look for"),
    (("trail", "show", "--since", "yesterday"), "neither a day or time"),
    (("trail", "verify", "--against", str(ROOT / "README.md")), "holds no end of a chain"),
)


def test_mistakes_in_arguments_are_told(folder: Path) -> None:
    for arguments, words in MISTAKES:
        with pytest.raises(UserError, match=words):
            run(folder, *arguments)


def test_moments() -> None:
    assert moment("2h", now=NOW) == NOW - timedelta(hours=2)
    assert moment("2026-03-01", now=NOW) == datetime(2026, 3, 1, tzinfo=UTC)
    assert moment("2026-03-01T09:00+02:00", now=NOW) == datetime(2026, 3, 1, 7, tzinfo=UTC)
