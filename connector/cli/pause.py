"""``handoff pause``: let a system, or one rule of it, stand still. Not here: what that means (``engine``)."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from typing import Annotated

import typer

from connector import bootstrap
from connector.bootstrap.acts import Acts, pick_watched, who
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.handoff.rules import RULES
from connector.web.status import Watched

RULE_NAMES: tuple[str, ...] = tuple(dict.fromkeys(sys.modules[rule.__module__].NAME for rule in RULES))
SPAN = re.compile(r"^(\d{1,5})\s*(min|m|h|d)$")
UNITS = {"min": timedelta(minutes=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def command(
    what: Annotated[str, typer.Argument(help="A system's name in config.toml, or SYSTEM:RULE.")],
    *,
    config: Config = DEFAULT_CONFIG,
    span: Annotated[str, typer.Option("--for", help="How long: 30min, 2h, 3d. Until resumed, by default.")] = "",
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever wonders.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let a system stand still, or one rule of it.

    Rules: gate, prefill, readiness, assignment, teams, buddy, review, playbook, stuck, onboarding, mails, acceptance,
    completion, summary, metrics, answering, notify, late, red_flags, commitments, governance, digest, changes.

    A system that is paused is neither read nor written; when it goes on, it finds what happened meanwhile. What a
    paused rule wants is neither written nor lost: those deals are looked at again when it goes on. Rules that build
    upon a paused one wait with it (after gate and assignment, all). Survives restarts, counts for all replicas.

    For example: `handoff pause sf --for 2h --why "the org is being migrated"`, `handoff pause hs:summary`. Then:
    `handoff resume`.
    """
    opened = bootstrap.open_store_only(config, mode="tool")
    system, rule = target(what, opened.watched)
    until = opened.store.clock.now() + length(span) if span else None
    Acts(opened.store).pause(system, rule=rule, until=until, by=who(), why=why)
    if as_json:
        data = {"system": system, "rule": rule, "until": until.isoformat() if until else None, "by": who(), "why": why}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    end = f"until {until:%Y-%m-%d %H:%M} UTC" if until else f"until: handoff resume {what}"
    console().print(f"{what} stands still {end}.", markup=False, highlight=False)


def target(what: str, watched: tuple[Watched, ...]) -> tuple[SystemName, str]:
    """A system and, after a colon, a rule of it. Raises `UserError` for one there is not."""
    name, _, rule = what.partition(":")
    (found,) = pick_watched(watched, name or "?")
    if rule and rule not in RULE_NAMES:
        raise UserError([Problem("", "SYSTEM:RULE", f"no rule is called {rule!r}; there are {', '.join(RULE_NAMES)}")])
    return found.name, rule


def length(text: str) -> timedelta:
    """A span such as ``2h``. Raises `UserError`."""
    found = SPAN.match(text.strip())
    if not found or not int(found[1]):
        raise UserError([Problem("", "--for", f"{text!r} is no span; write 30min, 2h or 3d")])
    return int(found[1]) * UNITS[found[2]]
