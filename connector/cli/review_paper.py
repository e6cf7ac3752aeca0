"""The review of a period as a paper, and as plain data for ``--json``.

Not here: what it says (``handoff.governing``) and what the blocks look like (``papers``). Every number stands beside
how many handoffs it rests on; where they are too few to judge anybody by, it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.handoff.governing.breaches import Ruling, bound
from connector.handoff.governing.fold import Touched
from connector.handoff.governing.review import Line, Proposal, Review, lacks_of
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.summing import Sum, aim, interval, shown, shown_aim
from connector.handoff.measures.summing import number as exact
from connector.handoff.model import SystemName
from connector.handoff.rulebook.watch import Targets
from connector.papers import Align, Block, Bullets, Grid, Heading, Paper, Text, Words, rich

MOST_DEALS = 5
MOST_COMMENTS = 30
MOST_PLACES = 3
"""Of the places that use an answer; ``--json`` has them all."""
RIGHT, LEFT = Align.RIGHT, Align.LEFT
FEW = "too few to judge"


def paper_of(
    reviews: Sequence[tuple[Review, tuple[Proposal, ...]]], targets: Mapping[SystemName, Targets], *, made_at: datetime
) -> Paper:
    """The review of one period, a chapter for each system."""
    period = reviews[0][0].period
    blocks: list[Block] = []
    for review, proposals in reviews:
        if len(reviews) > 1:
            blocks.append(Heading(1, review.system))
        blocks += _chapter(review, proposals, targets[SystemName(review.system)], level=2 if len(reviews) > 1 else 1)
    days = f"Wins from {period.first.isoformat()} to {period.last.isoformat()}"
    unfinished = "; not over yet" if any(review.partial for review, _ in reviews) else ""
    return Paper(
        title=f"Handoff review: {period.title}",
        subtitle=f"{days}{unfinished}. {', '.join(review.system for review, _ in reviews)}.",
        blocks=tuple(blocks),
        foot=f"handoff review {period.flag}",
        made=made_at.date(),
    )


def touched_paper(reviews: Sequence[tuple[Review, tuple[Proposal, ...]]], *, made_at: datetime) -> Paper:
    """Only the steps called automated that a person touched."""
    period = reviews[0][0].period
    blocks: list[Block] = []
    for review, _ in reviews:
        blocks.append(Heading(1, review.system))
        blocks += _touched(review)
    return Paper(
        title=f"Steps touched by hand: {period.title}",
        subtitle="Steps called automated that a person closed, changed or took over.",
        blocks=tuple(blocks),
        foot=f"handoff review --touched {period.flag}",
        made=made_at.date(),
    )


def data_of(review: Review, proposals: tuple[Proposal, ...], targets: Targets) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "system": review.system,
        "period": review.period.name,
        "from": review.period.first.isoformat(),
        "until": review.period.end.isoformat(),
        "over": not review.partial,
        "deals": review.deals,
        "measures": [_line_data(line, targets) for line in review.lines],
        "thresholds": [_ruling_data(one) for one in review.rulings],
        "required_fields": [
            {
                "field": one.field,
                "label": one.label,
                "used_by": list(one.used_by),
                "required_of": one.asked,
                "missing_on": one.lacked,
                "changes_told": one.changed,
            }
            for one in review.fields
        ],
        "silent": [{"kind": one.kind, "name": one.name, "key": one.key, "said": one.said} for one in review.silent],
        "exceptions": {
            "count": review.excused,
            "repeat": [{"what": one.what, "who": one.who, "deals": list(one.deals)} for one in review.repeats],
        },
        "touched": touched_data(review),
        "ratings": [
            {
                "ae": one.name,
                "rating": exact(MEASURES["rating"], one.rating),
                "rated": one.rating.counted,
                "asked_again": exact(MEASURES["repeat_asks"], one.repeat_asks),
                "accepted_first": exact(MEASURES["accepted_first"], one.accepted_first),
            }
            for one in review.rated
        ],
        "comments": [{"deal": deal, "text": text} for deal, text in review.comments],
        "lost": [
            {"deal": one.deal_id, "account": one.account, "ae": one.ae, "csm": one.csm, "lacked": list(one.lacks)}
            for one in review.lost
        ],
        "proposals": [{"change": one.change, "evidence": one.evidence, "key": one.key} for one in proposals],
    }


def touched_data(review: Review) -> list[dict[str, Any]]:
    """Steps touched by hand, as plain data."""
    return [{"step": one.step, "touch": one.touch.value, "deals": list(one.deals)} for one in review.touched]


def _chapter(review: Review, proposals: tuple[Proposal, ...], targets: Targets, *, level: int) -> Iterator[Block]:
    yield Heading(level, "What to change")
    if not proposals:
        yield Words("Nothing: no threshold was breached, and nothing stands out.")
    yield Grid(("Proposal", "Evidence", "Key to edit"), [(one.change, one.evidence, one.key) for one in proposals])
    yield Heading(level, "Thresholds")
    yield from _thresholds(review)
    yield Heading(level, "Figures against targets")
    yield _figures(review, targets)
    yield Words(
        f"“{FEW}”: fewer than {targets.few} cases. What counts only from a certain day after the win on is about the "
        "wins that came to that day within the period; handoff metrics define explains each measure."
    )
    yield Heading(level, "Required fields, and who reads them")
    yield from _fields(review)
    yield Heading(level, "Rules that never fired")
    yield from _silent(review)
    yield Heading(level, "Exceptions that repeat")
    yield from _exceptions(review)
    yield Heading(level, "Automated steps that people touched")
    yield from _touched(review)
    yield Heading(level, "What the CSMs say")
    yield from _said(review, targets)
    yield Heading(level, "Customers who left within 90 days")
    yield from _lost(review)


def _thresholds(review: Review) -> Iterator[Block]:
    if not review.rulings:
        yield Words("None is set for this kind of period: process.toml [governance].")
    rows: list[tuple[Text, ...]] = []
    for one in review.rulings:
        side = "above" if one.threshold.over else "below"
        limit = f"not {side} {bound(one.threshold, MEASURES[one.threshold.measure])}"
        for_long = f", {one.threshold.runs} in a row" if one.threshold.runs > 1 else ""
        told = "; ".join(f"{each.text} of {each.counted}" for each in one.stood)
        rows.append((one.threshold.name, MEASURES[one.threshold.measure].title, limit + for_long, told, _verdict(one)))
    yield Grid(("Threshold", "Measure", "Must be", "Is (the newest first)", ""), rows)


def _verdict(one: Ruling) -> Text:
    if one.breached is None:
        return "too few to say"
    return rich("**breached**") if one.breached else "kept"


def _figures(review: Review, targets: Targets) -> Grid:
    head = ("Measure", "Target", review.period.name, "of", "95 %", *(one.name for one in review.before), "")
    rows = [_figure(line, targets, len(review.before)) for line in review.lines if any(s.counted for s in line.sums)]
    return Grid(head, rows, (LEFT, LEFT, RIGHT, RIGHT, RIGHT, *(RIGHT for _ in review.before), LEFT))


def _figure(line: Line, targets: Targets, earlier: int) -> tuple[Text, ...]:
    measure, now = line.measure, line.sums[0]
    bounds = interval(measure, now)
    sure = f"{bounds.low:.1f} to {bounds.high:.1f}" if bounds else ""
    before = [f"{shown(measure, one).text} of {one.counted}" if one.counted else "–" for one in line.sums[1:]]
    before += ["–"] * (earlier - len(before))
    aimed = shown_aim(measure, aim(measure, targets))
    return (measure.title, aimed, shown(measure, now).text, str(now.counted), sure, *before, _judged(line))


def _judged(line: Line) -> Text:
    if line.good is None or not line.sums[0].counted:
        return ""
    if line.few:
        return FEW
    return "on target" if line.good else rich("**off target**")


def _fields(review: Review) -> Iterator[Block]:
    unread = review.unread
    if unread:
        names = ", ".join(one.label for one in unread)
        yield Words(
            rich(
                "**Nobody reads {names}**: no summary section, draft, message, condition or playbook uses it.",
                names=names,
            )
        )
    yield Words(
        "The answers are used by the places named here. Whether a person then reads what is shown to them, nobody can "
        "know from these records."
    )
    yield Grid(
        ("Field", "Required of", "Missing on", "Changes told", "Used by"),
        [
            (
                one.label,
                str(one.asked),
                str(one.lacked),
                str(one.changed),
                _places(one.used_by),
            )
            for one in review.fields
        ],
        (LEFT, RIGHT, RIGHT, RIGHT, LEFT),
    )


def _places(used_by: Sequence[str]) -> Text:
    if not used_by:
        return rich("**nothing**")
    left = len(used_by) - MOST_PLACES
    return "; ".join(used_by[:MOST_PLACES]) + (f"; and {left} more" if left > 0 else "")


def _silent(review: Review) -> Iterator[Block]:
    if not review.deals:
        yield Words("No deal was won in the period, so nothing could fire.")
    elif not review.silent:
        yield Words("All of them fired.")
    yield Grid(
        ("Rule", "Name", "What is known", "Key"), [(one.kind, one.name, one.said, one.key) for one in review.silent]
    )


def _exceptions(review: Review) -> Iterator[Block]:
    yield Words(f"{review.excused} deals were let through with gaps by a manager in the period.")
    rows = [(one.what, one.who, str(len(one.deals)), _named(review, one.deals)) for one in review.repeats]
    yield Grid(("By", "Who or what", "Times", "Deals"), rows, (LEFT, LEFT, RIGHT, LEFT))


def _touched(review: Review) -> Iterator[Block]:
    if not review.touched:
        yield Words("None: every automated step of these handoffs went by itself.")
    yield Grid(
        ("Step", "What people did", "Deals", "Which"),
        [(one.step, one.touch.value, str(len(one.deals)), _named(review, one.deals)) for one in _by_count(review)],
        (LEFT, LEFT, RIGHT, LEFT),
    )


def _by_count(review: Review) -> list[Touched]:
    return sorted(review.touched, key=lambda one: (-len(one.deals), one.step, one.touch))


def _said(review: Review, targets: Targets) -> Iterator[Block]:
    if not review.rated and not review.comments:
        yield Words("Nothing yet: no handoff of the period was rated, accepted or commented on.")
    rows = [
        (
            one.name,
            _told("rating", one.rating, targets),
            _told("repeat_asks", one.repeat_asks, targets),
            _told("accepted_first", one.accepted_first, targets),
        )
        for one in review.rated
    ]
    yield Grid(("AE", "Rating", "Customers asked again", "Accepted the first time"), rows, (LEFT, RIGHT, RIGHT, RIGHT))
    yield Bullets([f"{review.titles.get(deal, deal)}: {text}" for deal, text in review.comments[:MOST_COMMENTS]])


def _told(key: str, found: Sum, targets: Targets) -> str:
    if not found.counted:
        return "–"
    few = f" ({FEW})" if found.counted < targets.few else ""
    return f"{shown(MEASURES[key], found).text} of {found.counted}{few}"


def _lost(review: Review) -> Iterator[Block]:
    if not review.lost:
        yield Words("None of the customers whose first 90 days ended in the period, as far as the accounts say.")
        return
    yield Grid(
        ("What their handoffs lacked", "Customers"),
        [(lack, str(count)) for lack, count in lacks_of(review.lost).most_common()],
        (LEFT, RIGHT),
    )
    yield Grid(
        ("Customer", "AE", "CSM", "Lacked"),
        [(one.account, one.ae, one.csm, "; ".join(one.lacks) or "nothing that is known") for one in review.lost],
    )


def _named(review: Review, deals: Sequence[str]) -> str:
    named = [f"{review.titles[deal]} ({deal})" if deal in review.titles else deal for deal in deals[:MOST_DEALS]]
    left = len(deals) - len(named)
    return ", ".join(named) + (f" and {left} more" if left > 0 else "")


def _line_data(line: Line, targets: Targets) -> dict[str, Any]:
    return {
        "measure": line.measure.key,
        "title": line.measure.title,
        "unit": line.measure.unit.value,
        "target": shown_aim(line.measure, aim(line.measure, targets)),
        "periods": [{"value": exact(line.measure, one), "counted": one.counted} for one in line.sums],
        "on_target": line.good,
        "few": line.few,
    }


def _ruling_data(one: Ruling) -> dict[str, Any]:
    return {
        "name": one.threshold.name,
        "measure": one.threshold.measure,
        "over": one.threshold.over,
        "limit": float(one.threshold.limit),
        "for": one.threshold.runs,
        "breached": one.breached,
        "periods": [
            {"period": each.period.name, "value": None if each.value is None else float(each.value), "of": each.counted}
            for each in one.stood
        ],
    }
