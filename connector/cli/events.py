"""``handoff events``: product events that could not be matched to an account, and why.

Not here: how an event is matched (product.toml, ``handoff.identity``).
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.policy.load import load_all
from connector.store import Unmatched


class Act(StrEnum):
    """What is asked of the events."""

    UNMATCHED = "unmatched"


def command(
    act: Annotated[Act, typer.Argument(help="unmatched: what could not be matched to an account.")],  # noqa: ARG001
    *,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Show product events that were counted for no account, how many of each, and why.

    An event goes by the first way of product.toml (`[[identities]]`) that finds a name in it. It counts once exactly
    one account of a deal in handoff answers to that name; it is kept until then, so what is mended in the CRM or in
    product.toml counts afterwards, too. Of users no more is shown than the domain of their mail address.

    For example: `handoff events unmatched --json`.
    """
    _, loaded = load_all(config)
    opened = bootstrap.open_store_only(config, mode="read")
    found: list[tuple[str, Unmatched]] = []
    try:
        for each, policy in loaded.policies.items():
            if policy.product is None:
                message = "there is no product.toml among the mapping files: nothing is made of product events"
                raise UserError([Problem("", "product.toml", message)])
            if system in ("", each):
                found += [(each, one) for one in opened.store.unmatched_events(each, policy.product)]
    finally:
        opened.store.close()
    if system and system not in loaded.policies:
        raise UserError([Problem("", "--system", f"there is no system {system!r} in {config}")])
    if as_json:
        sys.stdout.write(json.dumps([_plain(name, one) for name, one in found], indent=2) + "\n")
        return
    table = PlainTable("System", "Source", "Name", "Events", "Why")
    for name, one in found:
        table.add_row(name, one.source, one.name or "none", str(one.count), one.why)
    console().print(table if found else "Every event that was read is matched to an account.")


def _plain(system: str, one: Unmatched) -> dict[str, object]:
    return {
        "system": system,
        "source": one.source,
        "named_by": one.way,
        "name": one.name,
        "events": list(one.events),
        "count": one.count,
        "last": one.last.isoformat(),
        "why": one.why,
    }
