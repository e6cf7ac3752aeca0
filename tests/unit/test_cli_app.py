"""How failures leave the command line: in words, with an exit code, and a traceback only for a bug."""

from __future__ import annotations

import sqlite3

import pytest
import typer
from sqlalchemy.exc import OperationalError

from connector.cli import app


def run_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    made = typer.Typer(pretty_exceptions_enable=False)

    @made.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(app, "build", lambda _names: made)
    monkeypatch.setattr("sys.argv", ["handoff"])
    return app.run()


def test_a_full_disk_is_told_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    full = OperationalError("insert into outbox", {"secret": "x"}, sqlite3.OperationalError("database or disk is full"))
    assert run_with(full, monkeypatch) == app.EXIT_FOUND
    said = capsys.readouterr().err
    assert "The database failed: database or disk is full" in said
    assert "outbox" not in said


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        run_with(RuntimeError("a bug"), monkeypatch)
