"""The search for secrets: every one that a run uses is looked for, and a find is told by its name alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemons import SECRETS

from chaos import doors, secret_site, secrets, weather_postgres
from chaos.sections import Effort


def effort(folder: Path) -> Effort:
    return Effort(short=True, seed=1, folder=folder, lanes=1, say=lambda _line: None)


@pytest.mark.parametrize(
    "used",
    [
        *SECRETS.values(),
        doors.SECRET,
        doors.APP_CLIENT_SECRET,
        weather_postgres.PASSWORD,
        secret_site.PAGE_TOKEN,
        secret_site.SMTP_PASSWORD,
        secret_site.WRONG,
    ],
)
def test_every_secret_of_a_run_is_found_in_whatever_form_and_told_by_name(used: str, tmp_path: Path) -> None:
    wanted = secrets.needles(secrets.NAMED)
    for number, form in enumerate(secrets.forms(used).values()):
        (tmp_path / f"{number}.log").write_bytes(b"before " + form + b" after")
    found = list(secrets.search(tmp_path, wanted))
    assert {each.path for each in found} == set(tmp_path.iterdir())
    assert not any(used in each.what for each in found)


@pytest.mark.parametrize("others", [True, False], ids=["after others", "alone"])
def test_a_section_played_alone_does_not_claim_to_have_searched_the_others(others: bool, tmp_path: Path) -> None:
    (tmp_path / "daemon.log").write_text("quiet")
    (tmp_path / f"pg-1-postgres{weather_postgres.DUMPED}").write_text("1\ta row\n")
    row = secrets._searched(effort(tmp_path), secrets.needles(secrets.NAMED), [], others=others)
    assert row.held
    assert ("all played before" in row.what) is others


def test_what_never_came_about_and_what_was_not_dumped_fails_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "daemon.log").write_text("quiet")
    monkeypatch.setattr(secrets, "installed", lambda: True)
    row = secrets._searched(effort(tmp_path), {}, ["plan ended with 2"], others=False)
    assert row.other == 2
    assert row.note.startswith("plan ended with 2; no database of PostgreSQL was dumped")
