"""``handoff review``: which period it takes, what it writes where, and what is wrong with how it was asked."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner
from unit.test_cli_exceptions import CONFIG, HS, MAPPINGS

from connector.cli.app import build
from connector.clock import SystemClock
from connector.errors import UserError
from connector.store import open_store


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(mappings=MAPPINGS), encoding="utf-8")
    monkeypatch.setenv("HS_ACCESS_TOKEN", "pat-na1-test")
    (tmp_path / "state").mkdir()
    store = open_store(f"sqlite:///{tmp_path / 'state' / 'handoff.db'}", clock=SystemClock(), mode="tool")
    store.set_baseline(HS, SystemClock().now() - timedelta(days=17))
    store.close()
    return path


def asked(config: Path, *words: str) -> str:
    result = CliRunner().invoke(build(("review",)), ["review", "--config", str(config), *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_month_is_shown_as_markdown(config: Path) -> None:
    shown = asked(config, "--month", "2026-10")
    assert shown.startswith("# Handoff review: October 2026\n")
    assert "No deal was won in the period" in shown


@pytest.mark.parametrize(
    ("words", "name"),
    [(("--quarter", "2026-q3"), "2026-Q3"), (("--hypercare",), "week-2"), (("--week", "1"), "week-1")],
)
def test_quarters_and_weeks_since_the_go_live(config: Path, words: tuple[str, ...], name: str) -> None:
    (told,) = json.loads(asked(config, *words, "--json"))
    assert (told["system"], told["period"], told["deals"], told["proposals"]) == ("hs", name, 0, [])


def test_several_formats_are_several_files(config: Path, tmp_path: Path) -> None:
    asked(config, "--month", "2026-10", "--out", str(tmp_path / "october"), "--format", "md,html")
    assert (tmp_path / "october.md").read_text(encoding="utf-8").startswith("# Handoff review")
    assert "<h1" in (tmp_path / "october.html").read_text(encoding="utf-8")
    asked(config, "--touched", "--month", "2026-10", "--out", str(tmp_path / "touched.html"))
    assert "Steps touched by hand" in (tmp_path / "touched.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--month", "2026-13"), "--month: '2026-13' is not a month; write it as 2026-10"),
        (("--month", "2026-10", "--hypercare"), "takes one of --month, --quarter and --hypercare"),
        (("--format", "pdf"), "--format: a PDF, or several at once, need a file: add --out FILE"),
        (("--month", "2026-10", "--out", "october.doc"), "--out: ends in .doc, which is none of .md, .html, .pdf"),
        (("--format", "docx"), "--format: 'docx' is none; use one or more of: md, html, pdf"),
        (("--system", "sf"), "--system: there is no system 'sf' in config.toml; use one of: hs"),
        (("--week", "9"), "name one from 1 to 3"),
        (("--month", "2026-10", "--out", "/nowhere/at/all.md"), "/nowhere/at/all.md cannot be written"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(config: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError) as told:
        asked(config, *words)
    assert said in str(told.value)
