"""The report of a pilot as a paper: both groups side by side, what people said, what to decide.

Not here: the numbers (``handoff.rollout``), reading them and writing files (``cli.pilot``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date

from connector.handoff.rollout import Middle, Rollout, Said, Side
from connector.papers import Align, Block, Bullets, Grid, Heading, Paper, Words

RIGHT = (Align.LEFT, Align.RIGHT, Align.RIGHT)

ROWS: Mapping[str, Callable[[Side], str]] = {
    "Wins": lambda side: str(side.wins),
    "Held, or would have been": lambda side: _part(side.held, side.wins),
    "… of those filled in the end": lambda side: _part(side.filled, side.held),
    "… of those let go with gaps": lambda side: _part(side.let_go, side.held),
    "Required answers filled at the win (mean)": lambda side: _number(side.percent_first, "%"),
    "Required answers filled now (mean)": lambda side: _number(side.percent_now, "%"),
    "The CSM is whom the rules chose": lambda side: _part(side.same, side.same + side.other),
    "From the win to a CSM (median)": lambda side: _number(side.csm_minutes, " min"),
    "From the win to the CSM's first touch (median)": lambda side: _number(side.touch_hours, " h"),
    "Without a CSM": lambda side: _part(side.without_csm, side.wins),
    "Tasks made, or that would have been": lambda side: str(side.tasks),
    "Messages, likewise": lambda side: str(side.messages),
    "The CSMs' rating, 1 to 5 (mean)": lambda side: _number(side.rating, ""),
}
"""What is compared, and how it reads."""


def paper(found: Mapping[str, Rollout], *, made: date | None = None) -> Paper:
    """The report over one or more systems."""
    blocks = [block for system, one in found.items() for block in _blocks(system, one, several=len(found) > 1)]
    note = "Acted on: handed over by the connector. Only observed: done by people alone. Times are wall time."
    return Paper(title="Report of the pilot", subtitle=note, blocks=blocks, made=made)


def _blocks(system: str, one: Rollout, *, several: bool) -> Iterator[Block]:
    level = 2 if several else 1
    if several:
        yield Heading(1, system)
    if not one.acted.wins and not one.observed.wins:
        yield Words("No win was compared yet. The comparison begins with the first win in mode observe or pilot.")
        return
    if one.since and one.until:
        yield Words(f"Wins from {one.since:%d %B %Y} to {one.until:%d %B %Y}.")
    yield Heading(level, "Both groups")
    rows = [(name, cell(one.acted), cell(one.observed)) for name, cell in ROWS.items()]
    yield Grid(("", "Acted on", "Only observed"), rows, RIGHT)
    yield Heading(level, "What to decide before act")
    yield Bullets(one.decide)
    if one.gaps:
        yield Heading(level, "What lacked on observed wins")
        yield Grid(("Answer", "Wins"), [(label, str(count)) for label, count in one.gaps], RIGHT[:2])
    if one.choices:
        yield Heading(level, "Where people chose another CSM than the rules")
        choices = [(would, csm, str(count)) for would, csm, count in one.choices]
        yield Grid(("The rules", "People", "Wins"), choices, (Align.LEFT, Align.LEFT, Align.RIGHT))
    if one.said:
        yield Heading(level, "What CSMs and AEs wrote")
        yield Grid(("Deal", "Group", "CSM", "AE", "Rating", "Feedback"), [_said(each) for each in one.said])


def _said(each: Said) -> tuple[str, ...]:
    group = "acted on" if each.acted else "observed"
    rating = "" if each.rating is None else str(each.rating)
    return (each.deal_id, group, each.csm or "nobody", each.ae, rating, each.text)


def _part(number: int, of: int) -> str:
    return f"{number} of {of} ({round(100 * number / of)}%)" if of else "–"


def _number(middle: Middle, unit: str) -> str:
    return "–" if middle.value is None else f"{middle.value:g}{unit} (of {middle.of})"
