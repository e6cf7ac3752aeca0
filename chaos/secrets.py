"""No secret in what a run left: every file is searched for every secret that was used, in every form it may take.

Not here: blotting them out (``connector.logs``). Searched are logs, outputs and databases under the run's folder as
bytes, write-ahead logs included, packed files unpacked, and SQLite's cells as SQL tells them, since a long text is
scattered over pages. PostgreSQL's databases are searched row by row as they were dumped before their servers went, with
the servers' logs; not what its files still hold of rows that are no more. To be sure that there is something to find,
a site is played here in which every secret meets trouble (``secret_site``); to be sure that the search finds, every
form of every secret is planted in every kind of file and must be found first.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from daemons import SECRETS

from chaos import secret_site
from chaos.sections import Effort
from chaos.table import Row
from chaos.weather_postgres import DUMPED, NOT_DUMPED, installed
from connector.sandbox.hubspot.schema import APP_CLIENT_ID

NAMED: Mapping[str, str] = {
    **SECRETS,
    **secret_site.USED,
    "app's client id": APP_CLIENT_ID,
    "chat's address": "/sink/chat",
}
"""What the runs use, by name; of the chat's address the part that only its owner knows."""

SHAPES: Mapping[str, re.Pattern[bytes]] = {
    "a Salesforce session": re.compile(rb"\b00D\w{12,15}![\w.]{8,}"),
    "a HubSpot token": re.compile(rb"\b(?:pat|hs-[a-z]+)-[A-Za-z0-9_-]{20,}"),
    "a signed token": re.compile(rb"\beyJ[\w-]{8,}\.[\w-]{8,}"),
    "a header of a login": re.compile(rb"\b(?:Bearer|Basic) [A-Za-z0-9._~+/=!-]{12,}"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
"""Secrets that a run makes on its way, by their look."""

PAGE = 4096
SHORTEST = 5
"""Characters of a piece in base64 below which it would be found by chance."""


@dataclass(frozen=True, slots=True)
class Found:
    """A secret where it should not be."""

    path: Path
    what: str


def forms(secret: str) -> Mapping[str, bytes]:
    """The forms in which a secret is looked for: as it is, in addresses, in base64 at each of its three places."""
    raw = secret.encode()
    made = {"in clear": raw, "in an address": quote(secret, safe="").encode(), "in a form": quote_plus(secret).encode()}
    made["in hexadecimal"] = raw.hex().encode()
    for place in range(3):
        # The characters at both ends depend on what stands beside it, so they are left out.
        for name, coded in (
            ("in base64", base64.b64encode(b"\0" * place + raw)),
            ("in base64 for addresses", base64.urlsafe_b64encode(b"\0" * place + raw)),
        ):
            piece = coded.rstrip(b"=")[(0, 2, 3)[place] : -1]
            if len(piece) >= SHORTEST:
                made[f"{name}, place {place}"] = piece
    return made


def needles(secrets: Mapping[str, str]) -> Mapping[bytes, str]:
    """What to look for, and what it would be; the name of a secret, never the secret."""
    return {
        form: f"{secret} {name}"
        for secret, text in secrets.items()
        for name, form in reversed(list(forms(text).items()))
    }


def search(folder: Path, wanted: Mapping[bytes, str]) -> Iterator[Found]:
    """Every finding below a folder, each kind once a file."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        told: set[str] = set()
        for text in _contents(path):
            told |= {what for form, what in wanted.items() if form in text}
            told |= {what for what, shape in SHAPES.items() if shape.search(text)}
        yield from (Found(path, what) for what in sorted(told))


def run(effort: Effort) -> Iterator[Row]:
    """Search what the run left behind, and what a site leaves that was troubled for it."""
    wanted = needles(NAMED)
    others = any(effort.folder.iterdir())
    planted, missed = _control(effort.folder / "secrets-planted", wanted)
    yield Row(
        "secrets",
        "the search itself: every form of every secret, planted in five kinds of files",
        tried=planted,
        broken=planted - len(missed),
        other=len(missed),
        note="; ".join(missed[:3]),
    )
    missing = secret_site.leave(effort.place("secrets-site"), effort)
    yield _searched(effort, wanted, missing, others=others)


def _searched(effort: Effort, wanted: Mapping[bytes, str], missing: list[str], *, others: bool) -> Row:
    """What all left that were played, or this section alone."""
    searched = [each for each in effort.folder.rglob("*") if each.is_file()]
    found = list(search(effort.folder, wanted))
    for each in found:
        effort.say(f"{each.what} stands in {each.path}")
    logs, dumps, away = (
        sum(each.name.endswith(ending) for each in searched) for ending in (".log", DUMPED, NOT_DUMPED)
    )
    silent = [*missing, *([] if logs else ["there was no log to search"])]
    if installed() and not dumps:
        silent.append("no database of PostgreSQL was dumped")
    size = sum(each.stat().st_size for each in searched) / 1e6
    kinds = f"{len(searched):,} files, {size:,.1f} MB, {logs} logs, {dumps} dumps of PostgreSQL's databases"
    if away:
        kinds += f"; {away} servers were down at their end, as was meant, and told their logs alone"
    whose = "what this section and all played before it left" if others else "what this section's own site left"
    return Row(
        "secrets",
        f"{whose}: {len(NAMED)} secrets in {len(wanted)} forms, {len(SHAPES)} looks",
        tried=len(searched),
        other=len(found) + len(silent),
        note="; ".join([*silent, kinds, *(f"{each.what} in {each.path.name}" for each in found[:3])]),
    )


def _control(folder: Path, wanted: Mapping[bytes, str]) -> tuple[int, list[str]]:
    """Plant every form in every kind of file, search, and take the files away. Returns how many, and those missed."""
    folder.mkdir(parents=True)
    shapes = [
        b"00D5g000004abcdEAA!AQ.fake_session",
        b"pat-eu1-00000000-aaaa-bbbb-cccc",
        b"eyJhbGciOiJSUzI1.eyJpc3MiOiJ4",
        b"Bearer abcdef0123456789",
        b"-----BEGIN RSA PRIVATE KEY-----",
    ]
    planted = [*wanted, *shapes]
    names = [*wanted.values(), *SHAPES]
    missed = []
    for number, (form, name) in enumerate(zip(planted, names, strict=True)):
        kind, write = list(_KINDS.items())[number % len(_KINDS)]
        place = folder / f"{number}"
        place.mkdir()
        with contextlib.ExitStack() as stack:
            write(place, form, stack)
            if name not in {each.what for each in search(place, wanted)}:
                missed.append(f"{name} in {kind}")
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()
    return len(planted), missed


def _contents(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    yield data
    if data.startswith(b"\x1f\x8b"):
        with contextlib.suppress(OSError, EOFError):
            yield gzip.decompress(data)
    if data.startswith(b"SQLite format 3\0"):
        yield b"\n".join(_cells(path))


def _cells(path: Path) -> Iterator[bytes]:
    """Every text and blob of a database, tables of any name; one that is damaged tells as far as it can be read."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_opened(path)) as connection:
        tables = [str(name) for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            with contextlib.suppress(sqlite3.Error):
                for row in connection.execute(f'select * from "{table}"'):  # a name the file itself told
                    yield from (each.encode("utf-8", "replace") for each in row if isinstance(each, str))
                    yield from (each for each in row if isinstance(each, bytes))


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


def _in_a_log(folder: Path, form: bytes, _stack: contextlib.ExitStack) -> None:
    (folder / "daemon.log").write_bytes(b'{"event": "x", "words": "' + form + b'"}\n')


def _in_a_packed_file(folder: Path, form: bytes, _stack: contextlib.ExitStack) -> None:
    (folder / "old.log.gz").write_bytes(gzip.compress(b"noise " * 100 + form))


def _in_a_dump(folder: Path, form: bytes, _stack: contextlib.ExitStack) -> None:
    (folder / "pg.sql").write_bytes(b"COPY public.outbox (id) FROM stdin;\n1\t" + form + b"\n\\.\n")


def _in_a_database(folder: Path, form: bytes, _stack: contextlib.ExitStack) -> None:
    """Across the edge of a page, where no search of bytes finds it."""
    with contextlib.closing(sqlite3.connect(folder / "handoff.db")) as connection:
        connection.execute("create table noted (words text)")
        filler = "x" * (PAGE + PAGE // 2)
        connection.executemany(
            "insert into noted values (?)",
            [(f"{filler[: PAGE + step]} {form.decode()}",) for step in range(0, 2048, 64)],
        )
        connection.commit()


def _in_a_write_ahead_log(folder: Path, form: bytes, stack: contextlib.ExitStack) -> None:
    connection = stack.enter_context(contextlib.closing(sqlite3.connect(folder / "handoff.db")))
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table noted (words text)")
    connection.execute("insert into noted values (?)", (form.decode(),))
    connection.commit()


_KINDS = {
    "a log": _in_a_log,
    "a packed file": _in_a_packed_file,
    "a dump": _in_a_dump,
    "a database": _in_a_database,
    "a write-ahead log": _in_a_write_ahead_log,
}
