"""``handoff release``: show what the mass-change stop holds; let it go. Not here: holding (``engine.masschange``)."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.bootstrap.acts import Acts, pick_watched, who
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.engine.brake_words import SORT_WORDS, writes_of
from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.store import HeldDeal

DEALS_SHOWN = 20


def command(
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    every: Annotated[bool, typer.Option("--all", help="Let go all that is held (of --system).")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="Let go this deal; may be given often.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is held because too much changed at once, and let it go.

    Without **--all** or **--only** nothing is changed. What is let go is read and decided anew at the next pass, and
    sent as the deal stands then; the same deals do not trip the stop again, further ones do. If the cause is a mistake
    (a mapping, a right, a field that was emptied), mend that instead: what would change nothing any more is let go by
    itself. Wins that are none: `handoff drop --deal`.

    For example: `handoff release` shows it, `handoff release --system sf --all` lets it go.
    """
    opened = bootstrap.open_store_only(config, mode="tool")
    names = [each.name for each in pick_watched(opened.watched, system)]
    held = {name: _chosen(opened.store.held(name), only) for name in names}
    if not any(held.values()):
        _say({"held": {}, "released": 0}, "None of these is held." if only else "Nothing is held.", as_json=as_json)
        return
    released: int | None = None
    if not as_json:
        for name, deals in held.items():
            _print(name, deals)
    if every or only:
        if not yes:
            _ask(sum(map(len, held.values())))
        acts = Acts(opened.store)
        released = sum(
            acts.release(name, [each.deal_id for each in deals] if only else None, by=who())
            for name, deals in held.items()
            if deals
        )
    done = (
        f"{released} deals go with the next pass." if released is not None else "To let it go: --all, or --only DEAL."
    )
    _say(
        {"held": {name: _data(deals) for name, deals in held.items()}, "released": released or 0}, done, as_json=as_json
    )
    if released is None:
        raise typer.Exit(EXIT_FOUND)


def _chosen(held: Sequence[HeldDeal], only: Sequence[str] | None) -> list[HeldDeal]:
    return [each for each in held if not only or each.deal_id in only]


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise UserError([Problem("", "--yes", f"say --yes to let {count} deals go without being asked")])
    if not typer.confirm(f"Let {count} deals go?", err=True):
        raise typer.Exit(EXIT_FOUND)


def _data(held: Sequence[HeldDeal]) -> list[dict[str, Any]]:
    return [
        {
            "deal": each.deal_id,
            "sort": each.cause,
            "since": each.at.isoformat(),
            "cause": each.why,
            "writes": each.what.get("writes", []),
        }
        for each in held
    ]


def _print(name: SystemName, held: Sequence[HeldDeal]) -> None:
    if not held:
        return
    out = console()
    out.rule(f"{name}: {len(held)} deals are held")
    for sort, count in Counter(each.cause for each in held).most_common():
        out.print(f"{count} {SORT_WORDS.get(sort, sort)}.", highlight=False)
    for why in dict.fromkeys(each.why for each in held):
        out.print(f"Likely cause: {why}", markup=False, highlight=False)
    writes: Counter[str] = Counter(write for each in held for write in writes_of(each))
    kinds = PlainTable("Write", "Deals", title="What would be written", title_justify="left")
    for write, count in writes.most_common(DEALS_SHOWN):
        kinds.add_row(write, str(count))
    out.print(kinds)
    table = PlainTable("Deal", "Held since (UTC)", "Why it would be written", title="Deals", title_justify="left")
    for each in held[:DEALS_SHOWN]:
        reasons = dict.fromkeys(write["reason"] for write in each.what.get("writes", ()))
        table.add_row(each.deal_id, f"{each.at:%Y-%m-%d %H:%M}", "\n".join(reasons))
    out.print(table)
    if len(held) > DEALS_SHOWN:
        out.print(f"… and {len(held) - DEALS_SHOWN} more; --json lists all.")


def _say(data: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        console().print(words, markup=False, highlight=False)
