"""Files of secrets and of rules: who else may read or change them, by mode, owner, way there and mount."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.errors import UserError
from connector.settings import rights, spans
from connector.settings.rights import why_not_secret, why_not_trusted

US = 10001


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that everyone can get to, as /etc is; pytest's own are closed."""
    changed = [each for each in (tmp_path, *tmp_path.parents) if not each.stat().st_mode & 0o001]
    modes = [(each, each.stat().st_mode & 0o7777) for each in changed]
    for each, mode in modes:
        each.chmod(mode | 0o011)
    yield tmp_path
    for each, mode in modes:
        each.chmod(mode)


def secret_file(folder: Path, mode: int) -> Path:
    path = folder / "token"
    path.write_text("s3cret-value")
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (0o600, ""),
        (0o400, ""),
        (0o644, "run: chmod 600"),
        (0o604, "run: chmod 600"),
        (0o602, "run: chmod 600"),
        (0o666, "run: chmod 600"),
        (0o777, "run: chmod 600"),
    ],
)
def test_a_secret_that_everyone_may_read_or_change_is_refused(open_folder: Path, mode: int, says: str) -> None:
    told = why_not_secret(secret_file(open_folder, mode))
    assert (says in told) if says else told == ""


def test_nobody_gets_through_a_closed_folder(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    assert why_not_secret(secret_file(closed, 0o644)) == ""


@pytest.mark.parametrize(
    ("owner", "group", "mode", "member", "says"),
    [
        ("us", US, 0o640, True, "chmod 600"),
        ("us", US, 0o400, True, ""),
        ("root", US, 0o440, True, ""),
        ("root", US, 0o640, True, ""),
        ("root", 4242, 0o640, False, "a group that this program is not in"),
        ("root", US, 0o444, True, "chmod 640"),
    ],
)
def test_a_group_is_fine_where_somebody_else_gave_the_file_to_ours(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch, owner: str, group: int, mode: int, member: bool, says: str
) -> None:
    path = secret_file(open_folder, mode)
    real = path.stat()
    uid = real.st_uid if owner == "us" else real.st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: real.st_gid if member else US)
    monkeypatch.setattr(os, "getgroups", lambda: [real.st_gid] if member else [])
    monkeypatch.setattr(rights, "_only_group", lambda _group: False)
    assert group
    told = why_not_secret(path)
    assert (says in told) if says else told == ""


def test_the_links_of_a_kubernetes_volume_count_as_what_they_point_at(open_folder: Path) -> None:
    version = open_folder / "..2026_11_22"
    version.mkdir(mode=0o755)
    secret_file(version, 0o644)
    (open_folder / "..data").symlink_to(version.name)
    (open_folder / "token").symlink_to("..data/token")
    assert "defaultMode: 0440" in why_not_secret(open_folder / "token")
    (version / "token").chmod(0o400)
    assert why_not_secret(open_folder / "token") == ""


def test_a_pipe_is_read_as_before(open_folder: Path) -> None:
    os.mkfifo(open_folder / "pipe", 0o644)
    assert why_not_secret(open_folder / "pipe") == ""


def test_a_file_of_rules_that_everyone_may_change_is_not_followed(open_folder: Path) -> None:
    path = open_folder / "config.toml"
    path.write_text('mode = "observe"\n')
    path.chmod(0o644)
    assert spans.read(path).data == {"mode": "observe"}
    path.chmod(0o666)
    assert why_not_trusted(path).endswith(f"chmod o-w {path}")
    with pytest.raises(UserError, match="every user of this machine may change it"):
        spans.read(path)


def test_what_nobody_can_write_to_is_followed_whatever_its_mode(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(open_folder, 0o666)

    class ReadOnly:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(os, "statvfs", lambda _path: ReadOnly)
    assert why_not_trusted(path) == ""
