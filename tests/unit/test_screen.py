"""The terminal: whatever a CRM says is shown, and none of it acts on the terminal or is read as markup."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from connector.cli.screen import PlainTable, Screen, complain

HOSTILE = (
    "\x1b[2J\x1b[H wiped",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x9b31m eight-bit",
    "\u202etxt.exe",
    "one\rtwo",
    "nul\x00and half \ud800",
    "[red]not red[/] [link=http://evil.example]click[/link] [/] [nothing",
)


def shown(text: str) -> str:
    out = io.StringIO()
    screen = Screen(file=out, force_terminal=True, width=200, highlight=False, color_system=None)
    table = PlainTable("What")
    table.add_row(text)
    screen.print(table)
    screen.print(text, markup=False)
    screen.print(Text(text))
    return out.getvalue()


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_acts_reaches_the_terminal(text: str) -> None:
    out = shown(text)
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r", "\x00", "\ud800"} & set(out)
    assert "evil.example" not in text or "evil.example" in out


def test_markup_of_a_crm_is_shown_as_it_was_typed() -> None:
    assert shown(HOSTILE[-1]).count("[red]not red[/] [link=http://evil.example]") == 3


def test_a_complaint_is_harmless_too(capsys: pytest.CaptureFixture[str]) -> None:
    complain("\x1b[31mred\nsecond line\x00")
    assert capsys.readouterr().err == "\\x1b[31mred\nsecond line\\x00\n"
