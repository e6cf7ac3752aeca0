"""``handoff milestones``: which actions of the first days tell customers who stayed from those who left.

Not here: the arithmetic (``handoff.analyse``). Nothing is stored and nothing is sent.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System, number
from connector.cli.plan import connect_for_reading
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.crm.batch import chunks
from connector.engine.parts import Shared
from connector.engine.parts import System as EngineSystem
from connector.engine.reconciler import observe
from connector.errors import Problem, UserError
from connector.handoff.analyse import LEAST_CUSTOMERS, Analysis, Customer, Rate, Threshold, analyse
from connector.handoff.identity import account_names
from connector.handoff.milestones import moment_of
from connector.handoff.model import Snapshot
from connector.handoff.productbook import ProductPolicy

STAYED = frozenset({"yes", "true", "1", "stayed", "kept"})
LEFT = frozenset({"no", "false", "0", "left", "churned", "lost"})
WHO, KEPT = "customer", "stayed"
"""The first columns of a CSV; every further one is an action with how often it was done."""

DEALS_AT_ONCE = 200


class Act(StrEnum):
    """What is asked of the milestones."""

    ANALYSE = "analyse"


def command(
    act: Annotated[Act, typer.Argument(help="analyse: which actions tell who stays.")],  # noqa: ARG001
    *,
    table: Annotated[
        Path | None,
        typer.Option("--csv", help="A table instead: customer, stayed (yes or no), one column an action."),
    ] = None,
    least: Annotated[
        int, typer.Option("--least", parser=number, metavar="NUMBER", help="Fewer customers are not ranked.")
    ] = LEAST_CUSTOMERS,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Find the activation milestone: which actions of the first 14 days separate customers who stayed from the others.

    Who stayed is read from the account's field that product.toml names (`[analysis] churned`): a customer counts as
    kept if they were there for `stayed_days` after the win, as lost if they left before; who is younger, as neither.
    What they did is read from the stored counts of product events. With **--csv** both come from a table.

    Each action is shown at its best threshold ("at least 3 of source_connected") with the share that stayed among those
    who reached it and those who did not, each with its 95 % interval (Wilson). All comparisons made are allowed for.
    With fewer customers than **--least**, or fewer than five on either side, nothing is ranked: exit code 1.

    For example: `handoff milestones analyse`, `handoff milestones analyse --csv customers.csv --json`.
    """
    known = list(_from_table(table) if table else _from_ledger(config, system))
    found = analyse(known, least=least)
    if as_json:
        sys.stdout.write(json.dumps(_plain(found), indent=2) + "\n")
    else:
        _print(found)
    if found.refused:
        raise typer.Exit(EXIT_FOUND)


def _from_table(path: Path) -> Iterator[Customer]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _wrong(path, f"cannot be read: {error}") from error
    if not rows or not {WHO, KEPT} <= rows[0].keys():
        raise _wrong(path, f"must begin with the columns {WHO} and {KEPT}, and have a row for each customer")
    for line, row in enumerate(rows, 2):
        kept = (row[KEPT] or "").strip().casefold()
        if kept not in STAYED | LEFT:
            raise _wrong(path, f"line {line}: {KEPT} is {row[KEPT]!r}; write yes or no")
        yield Customer(row[WHO] or str(line), kept in STAYED, _counts(path, line, row))


def _counts(path: Path, line: int, row: dict[str, Any]) -> dict[str, int]:
    found = {}
    for name, value in row.items():
        if name in (WHO, KEPT) or name is None:
            continue
        text = (value or "0").strip() or "0"
        if not text.isascii() or not text.isdigit():
            raise _wrong(path, f"line {line}: {name} is {value!r}; write how often it was done, a whole number")
        found[name] = int(text)
    return found


def _wrong(path: Path, message: str) -> UserError:
    return UserError([Problem(str(path), "--csv", message)])


def _from_ledger(config: Path, system: str) -> Iterator[Customer]:
    runtime = bootstrap.open_runtime(config, mode="read")
    for each in runtime.chosen(system):
        product = each.policy.product
        if product is None or not product.churned:
            message = 'name the account\'s field that says who left: [analysis] churned = "account.…", or give --csv'
            raise UserError([Problem("product.toml", "analysis.churned", message)])
        connect_for_reading(each)
        yield from customers(runtime.shared, each, product)


def customers(shared: Shared, system: EngineSystem, product: ProductPolicy) -> Iterator[Customer]:
    """One customer per account, from its first deal whose handoff is known."""
    began = shared.store.handoffs_of_accounts(system.name)
    since = shared.store.counted_since()
    for deals in chunks(sorted(began), size=DEALS_AT_ONCE):
        for snapshot in observe(shared, system, deals, bare=True, unread={}):
            won = snapshot.won_at or began[snapshot.key.deal_id]
            kept = _kept(snapshot, product, won, shared.clock.now())
            # Of whom the first days were not counted, nothing is known: they did not do nothing.
            if kept is None or snapshot.account is None or since is None or won < since:
                continue
            names = account_names(product.identities, account_id=snapshot.account.ref.id, value=snapshot.field)
            until = won + product.first
            yield Customer(
                snapshot.account.ref.id, kept, shared.store.actions_of(names, since=won, until=until) if names else {}
            )


def _kept(snapshot: Snapshot, product: ProductPolicy, won: datetime, now: datetime) -> bool | None:
    """Whether a customer stayed long enough; None for one of whom that is not known yet.

    A box that is ticked does not say when they left: it counts as lost, whenever it was.
    """
    left = snapshot.field(product.churned)
    at = moment_of(left)
    if at is not None and at <= now:
        return at >= won + product.stayed
    if left is True:
        return False
    return True if now >= won + product.stayed else None


def _print(found: Analysis) -> None:
    out = console()
    out.print(f"{found.customers} customers: {found.kept} stayed, {found.lost} left.", markup=False)
    if found.refused:
        out.print(f"Not ranked: {found.refused}.", markup=False)
    table = PlainTable(
        "Action", "At least", "Stayed, of who did", "Stayed, of who did not", "More by", "p", "p, corrected"
    )
    for row in found.rows:
        table.add_row(
            row.action.removeprefix("event "),
            str(row.at_least),
            _rate(row.reached),
            _rate(row.missed),
            "" if found.refused else f"{row.lift * 100:+.0f} points",
            "" if found.refused else f"{row.p:.3f}",
            "" if found.refused else f"{row.adjusted:.3f}{' *' if row.is_telling else ''}",
        )
    out.print(table)
    for note in found.notes:
        out.print(note, markup=False)


def _rate(rate: Rate) -> str:
    if rate.share is None:
        return "nobody"
    low, high = rate.interval
    return f"{rate.kept} of {rate.of} = {rate.share * 100:.0f}% ({low * 100:.0f} to {high * 100:.0f}%)"


def _plain(found: Analysis) -> dict[str, Any]:
    return {
        "customers": found.customers,
        "stayed": found.kept,
        "left": found.lost,
        "comparisons": found.tests,
        "refused": found.refused,
        "ranked": not found.refused,
        "actions": [_plain_row(row) for row in found.rows],
        "notes": list(found.notes),
    }


def _plain_row(row: Threshold) -> dict[str, Any]:
    return {
        "action": row.action.removeprefix("event "),
        "is_measure": not row.action.startswith("event "),
        "at_least": row.at_least,
        "did": _plain_rate(row.reached),
        "did_not": _plain_rate(row.missed),
        "lift": round(row.lift, 4),
        "p": round(row.p, 6),
        "p_corrected": round(row.adjusted, 6),
        "telling": row.is_telling,
    }


def _plain_rate(rate: Rate) -> dict[str, Any]:
    low, high = rate.interval
    share = None if rate.share is None else round(rate.share, 4)
    return {"stayed": rate.kept, "of": rate.of, "share": share, "low": round(low, 4), "high": round(high, 4)}
