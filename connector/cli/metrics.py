"""``handoff metrics``: how the handoffs are doing, by whom and when; what each measure means; what was put right.

Not here: any definition or sum (``handoff.measures``, ``store``) and how it is printed (``metrics_show``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from connector import bootstrap
from connector.bootstrap.acts import who
from connector.cli import metrics_show as show
from connector.cli.app import EXIT_FOUND
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config, System
from connector.cli.plan import connect_for_reading
from connector.cli.screen import complain
from connector.engine.measuring import Comparison, from_nothing
from connector.errors import Problem, UserError
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.model import Measure
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.watch import Targets
from connector.policy.load import load_all
from connector.settings.mistakes import did_you_mean
from connector.store import Store
from connector.store.figures import WEEKDAYS, Dimension, Selection

DAY = ["%Y-%m-%d"]
FOR_COHORTS = ("completion", "ttft", "kickoff", "ttfv", "activation30", "drop", "escalations")
"""Shown of each group where no measure is named: as many as fit on a line."""


class Act(StrEnum):
    """What is asked besides the figures."""

    DEFINE = "define"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which handoffs, told apart by what, which measures."""

    selection: Selection
    by: Dimension
    measures: tuple[str, ...]
    targets: Targets


def command(
    act: Annotated[Act | None, typer.Argument(help="define: what the measures mean.")] = None,
    key: Annotated[str | None, typer.Argument(help="With define: only this measure.")] = None,
    *,
    by: Annotated[Dimension, typer.Option("--by", help="Tell the handoffs apart by this.")] = Dimension.NONE,
    since: Annotated[datetime | None, typer.Option(formats=DAY, help="Deals won on this day or later.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=DAY, help="Deals won before this day.")] = None,
    ae: Annotated[str, typer.Option(help="Deals of this AE, by id or name.")] = "",
    csm: Annotated[str, typer.Option(help="Deals of this CSM, by id or name.")] = "",
    segment: Annotated[str, typer.Option(help="Deals of this segment.")] = "",
    tier: Annotated[str, typer.Option(help="Deals of this tier.")] = "",
    source: Annotated[str, typer.Option(help="Deals that came from this source.")] = "",
    deal_type: Annotated[str, typer.Option("--type", help="new, renewal or upsell.")] = "",
    weekday: Annotated[str, typer.Option(help="Deals won on this day of the week, e.g. Friday.")] = "",
    hour: Annotated[int | None, typer.Option(min=0, max=23, help="Deals won in this hour.")] = None,
    measure: Annotated[list[str] | None, typer.Option("--measure", help="Only this one; may be given often.")] = None,
    corrected: Annotated[
        bool, typer.Option("--corrections", help="What was put right of figures told before.")
    ] = False,
    anew: Annotated[bool, typer.Option("--from-nothing", help="Work all of it out anew and compare.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="With --from-nothing: put right what differs.")] = False,
    config: Config = DEFAULT_CONFIG,
    system: System = "",
    as_json: AsJson = False,
) -> None:
    """Show how the handoffs are doing: every measure with its number, how many count, how sure it is, and its target.

    **--by csm** (or ae, segment, tier, source, weekday, hour, week, month) tells them apart; groups with fewer handoffs
    than `[targets] few` are marked, for nobody is to be judged by so little. `handoff metrics define` says what each
    measure means. **--corrections** lists figures of past months that changed when something was entered late.

    **--from-nothing** reads every handoff's deal from the CRM, works its figures out anew and compares them with those
    that were kept: exit code 1 when they differ. With **--apply** they are put right, and the trail says what was.

    For example: `handoff metrics --since 2026-10-01 --by ae`. For the deals behind a number: the page for leadership.
    """
    if act is Act.DEFINE:
        show.define([_measure(key)] if key else list(MEASURES.values()), as_json=as_json)
        return
    if apply and not anew:
        raise UserError([Problem("", "--apply", "it goes with --from-nothing only")])
    if anew:
        _compare(config, system, apply=apply, as_json=as_json)
        return
    _, loaded = load_all(config)
    opened = bootstrap.open_store_only(config, mode="read")
    systems = tuple(each.name for each in opened.watched if not system or each.name == system)
    if not systems:
        raise UserError([Problem("", "--system", f"there is no system {system!r} in {config}")])
    if corrected:
        at = since.replace(tzinfo=UTC) if since else None
        show.corrections(opened.store.corrections(systems=systems, since=at), as_json=as_json)
        return
    chosen = Selection(
        systems=systems,
        since=since.date() if since else None,
        until=until.date() if until else None,
        ae=ae,
        csm=csm,
        segment=segment,
        tier=tier,
        source=source,
        deal_type=deal_type,
        weekday=_weekday(weekday),
        hour=hour,
    )
    named = tuple(_measure(each).key for each in measure or ())
    if not opened.store.listed(chosen, limit=1):
        _none_fits(chosen, [loaded.policies[each] for each in systems])
    _figures(opened.store, Asked(chosen, by, named, loaded.policies[systems[0]].targets), as_json=as_json)


def _figures(store: Store, asked: Asked, *, as_json: bool) -> None:
    wanted = asked.measures or (tuple(MEASURES) if asked.by is Dimension.NONE or as_json else FOR_COHORTS)
    sums = store.sums(asked.selection, by=asked.by, measures=wanted, targets=asked.targets)
    pace = store.velocity(asked.selection, by=asked.by) if "velocity" in wanted else {}
    # By the key: somebody who has another name since may be called by either.
    paces = {group.key: {"velocity": found} for group, found in pace.items()}
    groups = {group: {**found, **paces.get(group.key, {})} for group, found in sums.items()}
    measures = [MEASURES[each] for each in wanted]
    if as_json:
        show.as_data(groups, measures, targets=asked.targets, covered=store.covered(asked.selection))
    elif asked.by is Dimension.NONE:
        (found,) = groups.values()
        show.overview(found, measures, targets=asked.targets)
        show.coverage(store.covered(asked.selection))
    else:
        show.cohorts(asked.by, groups, measures, targets=asked.targets)


def _none_fits(chosen: Selection, policies: Sequence[Policy]) -> None:
    """Say on standard error that numbers are empty because nothing was chosen, and which word may be a slip."""
    segments = {each.name for policy in policies for each in policy.segments}
    tiers = {each.name for policy in policies for each in policy.tiers}
    slips = [
        f" There is no {what} {word!r}; {did_you_mean(word, known)}"
        for what, word, known in (("segment", chosen.segment, segments), ("tier", chosen.tier, tiers))
        if word and word not in known
    ]
    complain("No handoff fits what was asked for, so every number is empty." + "".join(slips))


def _compare(config: Any, system: str, *, apply: bool, as_json: bool) -> None:
    runtime = bootstrap.open_runtime(config, mode="tool" if apply else "read")
    found: dict[str, Comparison] = {}
    for each in runtime.chosen(system):
        connect_for_reading(each)
        found[each.name] = one = from_nothing(runtime.shared, each)
        if apply and one.right:
            runtime.shared.store.put_right(one.right, by=who())
    show.compared(found, applied=apply, as_json=as_json)
    if any(one.differences for one in found.values()) and not apply:
        raise typer.Exit(EXIT_FOUND)


def _measure(key: str) -> Measure:
    if key not in MEASURES:
        raise UserError([Problem("", key, f"is no measure; {did_you_mean(key, MEASURES)} All: handoff metrics define")])
    return MEASURES[key]


def _weekday(word: str) -> int | None:
    if not word:
        return None
    found = [number for number, name in enumerate(WEEKDAYS) if name.casefold().startswith(word.casefold()[:3])]
    if not found or len(word) < 3:
        raise UserError([Problem("", "--weekday", f"{word!r} is no day of the week; say {', '.join(WEEKDAYS)}")])
    return found[0]
