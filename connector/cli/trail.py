"""``handoff trail``: the audit trail, shown, verified and exported.

Not here: what a chain is and how it is verified (``store.chain``, ``store.trail``).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System, number
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.plain import row_number
from connector.sheets import write_csv
from connector.store import Anchor, AuditKind, Broken, Store, TrailRow, Verified, Wanted, trail_data

SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
COLUMNS = (
    *("id", "seq", "at", "system", "deal", "generation", "kind", "by", "reason", "data"),
    *("erased", "salt", "digest", "hash"),
)
ERASED = "(erased; row {row} tells why)"


class Act(StrEnum):
    """What is to be done with the trail."""

    SHOW = "show"
    VERIFY = "verify"
    EXPORT = "export"


def command(
    act: Annotated[Act, typer.Argument(help="show, verify or export.")],
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    deal: Annotated[str, typer.Option("--deal", help="show, export: only this deal, by its id in the CRM.")] = "",
    since: Annotated[
        str, typer.Option("--since", help="show, export: from a day or time on (2026-03-01), or a span back: 2h, 7d.")
    ] = "",
    who: Annotated[str, typer.Option("--who", help="show, export: only what this person did.")] = "",
    kind: Annotated[AuditKind | None, typer.Option("--kind", help="show, export: only rows of this kind.")] = None,
    last: Annotated[
        int, typer.Option("--last", parser=number, metavar="NUMBER", help="show: at most so many, the newest.")
    ] = 50,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="verify: also against an export's file, or an end as it was logged."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="export: the file to write; standard output else.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="export: a table for people instead of JSON Lines.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show, verify or export the audit trail: what was decided and written, when, why, and what people did.

    **show** prints the newest rows; narrow it by --deal, --who, --kind, --since.

    **verify** goes through each system's chain: every row carries a hash over itself and the row before it. Exit code 1
    names the first row that was altered, removed, put in or moved, or says that the end was cut off. Whoever may write
    to the whole database can forge a whole chain: that shows only **against** an end that was kept elsewhere, by an
    export or in the log (`trail.anchored`, once a day).

    **export** writes everything as JSON Lines, or as CSV for people, and ends with the end of each chain. Keep the file
    where the daemon cannot write.

    For example: `handoff trail show --deal 006HO0000000001YAA`, `handoff trail export --out trail.jsonl`, and a month
    later `handoff trail verify --against trail.jsonl`.
    """
    store = bootstrap.open_store_only(config, mode="read").store
    if act is Act.VERIFY:
        _verify(store, system, against or [], as_json=as_json)
        return
    wanted = Wanted(
        system=system or None,
        deal_id=deal or None,
        since=moment(since, now=datetime.now(UTC)) if since else None,
        by=who or None,
        kind=kind,
    )
    if act is Act.SHOW:
        _show(store.trail(wanted, newest=last), as_json=as_json)
    else:
        _export(store, wanted, out, csv=csv)


def moment(text: str, *, now: datetime) -> datetime:
    """A day, a time, or a span back from now. Raises `UserError`."""
    try:
        if text[-1:] in SPANS and text[:-1].isdecimal():
            return now - timedelta(**{SPANS[text[-1]]: int(text[:-1])})
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        message = f"{text!r} is neither a day or time (2026-03-01, 2026-03-01T09:00) nor a span back (30m, 2h, 7d, 4w)"
        raise UserError([Problem("", "--since", message)]) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _show(rows: Iterable[TrailRow], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([trail_data(row) for row in rows], indent=2) + "\n")
        return
    table = PlainTable("#", "When (UTC)", "System", "Deal", "What", "By", "Why", "Before and after")
    for row in rows:
        why = ERASED.format(row=row.erased) if row.erased is not None else row.reason
        at = f"{row.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(row.id), at, row.system, row.deal_id or "", row.kind, row.by, why, _change(row))
    console().print(table)


def _change(row: TrailRow) -> str:
    """Each value that a write changed, with what stood there."""
    data = json.loads(row.data)
    after, before = data.get("after"), data.get("before")
    if not isinstance(after, dict):
        return str(data.get("step", data.get("record", "")))
    known = before if isinstance(before, dict) else {}
    return "\n".join(
        f"{name}: {_said(known.get(name)) + ' → ' if before else ''}{_said(after[name])}" for name in after
    )


def _said(value: Any) -> str:
    match value:
        case None:
            return "(empty)"
        case {"text": _, "chars": int(chars)}:
            return f"(a text of {chars} characters)"
        case {"decimal": text} | {"date": text} | {"datetime": text}:
            return str(text)
        case {"unknown": True}:
            return "(not known)"
    return str(value)


def _verify(store: Store, system: str, against: Sequence[str], *, as_json: bool) -> None:
    anchors = [anchor for each in against for anchor in anchors_in(each) if not system or anchor.system == system]
    names = sorted({*store.trail_systems(), *(anchor.system for anchor in anchors)})
    chains = [store.verify_trail(name) for name in names if not system or name == system]
    missed = [(anchor, broken) for anchor in anchors if (broken := store.check_anchor(anchor)) is not None]
    whole = not missed and all(each.broken is None for each in chains)
    if as_json:
        data = {
            "whole": whole,
            "chains": [_chain_data(each) for each in chains],
            "against": [{"end": str(anchor), "broken": _broken_data(dict(missed).get(anchor))} for anchor in anchors],
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        for each in chains:
            console().print(_sentence(each), soft_wrap=True, highlight=False, markup=False)
        for anchor, broken in missed:
            console().print(f"{anchor.system}: not as it was: {broken.words}.", markup=False, highlight=False)
        if anchors and not missed:
            held = f"{len(anchors)} end{'' if len(anchors) == 1 else 's'} kept elsewhere"
            console().print(f"{held}: every chain still passes through.", highlight=False)
    if not whole:
        raise typer.Exit(EXIT_FOUND)


def _sentence(chain: Verified) -> str:
    name = chain.anchor.system or "(no system)"
    if (broken := chain.broken) is not None:
        return f"{name}: broken at row {broken.seq} of its chain, {broken.damage.value}: {broken.words}."
    extra = f", {chain.erased} of them erased since" if chain.erased else ""
    extra += f", and {chain.waiting} of an earlier release not chained yet" if chain.waiting else ""
    return f"{name}: whole, {chain.rows} rows{extra}. Its end: {chain.anchor}"


def _chain_data(chain: Verified) -> Mapping[str, Any]:
    return {
        "system": chain.anchor.system,
        "rows": chain.rows,
        "erased": chain.erased,
        "waiting": chain.waiting,
        "end": str(chain.anchor),
        "broken": _broken_data(chain.broken),
    }


def _broken_data(broken: Broken | None) -> Mapping[str, Any] | None:
    if broken is None:
        return None
    return {"damage": broken.damage.value, "seq": broken.seq, "row": broken.id, "words": broken.words}


def anchors_in(text: str) -> Iterator[Anchor]:
    """The ends in an export's file, or one as it was printed: system, rows and hash with colons between.

    Raises `UserError`.
    """
    path = Path(text)
    if not path.is_file():
        parts = text.rsplit(":", 2)
        rows = row_number(parts[1]) if len(parts) == 3 else None
        if rows is None:
            raise UserError([Problem("", "--against", f"{text}: no such file, and no end of a chain (sf:120:9f2c…)")])
        yield Anchor(parts[0], rows, parts[2])
        return
    try:
        with path.open(encoding="utf-8") as lines:
            found = [_anchor(json.loads(line)["end"]) for line in lines if line.startswith('{"end":')]
    except (OSError, ValueError, TypeError) as error:
        raise UserError([Problem(text, "--against", f"cannot be read as an export of the trail: {error}")]) from error
    yield from found
    if not found:
        raise UserError(
            [Problem(text, "--against", "holds no end of a chain; was it written whole, and without --csv?")]
        )


def _anchor(end: Mapping[str, Any]) -> Anchor:
    anchor = Anchor(**end)
    if row_number(str(anchor.seq)) is None:
        raise ValueError(f"no chain has {anchor.seq} rows")
    return anchor


def _export(store: Store, wanted: Wanted, out: Path | None, *, csv: bool) -> None:
    # The ends come first: what is written meanwhile is then in the file, and not the other way round.
    anchors = store.anchors()
    if out is None:
        _write(sys.stdout, store.trail(wanted), anchors, csv=csv)
    else:
        with own_file(out, "--out") as file:
            _write(file, store.trail(wanted), anchors, csv=csv)
    if csv or out is not None:
        for anchor in anchors:
            sys.stderr.write(f"end of {anchor.system}: {anchor}\n")


def own_file(path: Path, option: str) -> TextIO:
    """A new file that its owner alone can read: what is exported names people. Raises `UserError`."""
    try:
        return open(path, "x", encoding="utf-8", newline="", opener=lambda name, flags: os.open(name, flags, 0o600))
    except OSError as error:
        raise UserError([Problem(str(path), option, error.strerror or "cannot be written")]) from error


def _write(file: TextIO, rows: Iterable[TrailRow], anchors: Sequence[Anchor], *, csv: bool) -> None:
    if csv:
        write_csv(file, COLUMNS, ([_cell(trail_data(row)[name]) for name in COLUMNS] for row in rows))
        return
    for row in rows:
        file.write(json.dumps(trail_data(row)) + "\n")
    for anchor in anchors:
        end = {"system": anchor.system, "seq": anchor.seq, "hash": anchor.hash}
        file.write(json.dumps({"end": end}, separators=(",", ":")) + "\n")


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
