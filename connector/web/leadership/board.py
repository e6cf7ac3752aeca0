"""Everything the page shows at once: the numbers with their trend, the funnel, who is stuck, what is due, cohorts.

Not here: what an address means (``asked``), sums (``store.figures``), how it looks (templates), files (``exports``).
Totals and trend come of one question to the database: whole numbers by week, added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from connector import charts
from connector.handoff.measures.catalogue import MEASURES, PER_HANDOFF
from connector.handoff.measures.figure import Figure, Funnel
from connector.handoff.measures.summing import NOTHING, Sum, number, shown
from connector.handoff.rulebook.watch import Targets
from connector.store import Store
from connector.store.behind import Listing
from connector.store.figures import Dimension, Group, Trend, monday_of
from connector.web.leadership.asked import BOARD, CUT_WORDS, DEALS, WEEKS, Asked
from connector.web.leadership.told import Told, tell

LEAD = ("completion", "ttft", "kickoff", "ttfv", "drop", "activation30", "escalations")
"""What leadership looks at first, in this order; the other measures stand in a table below."""

SHORT_LIST = 8
"""Rows of a list on the board; the whole list is one click away."""

MOST_COHORTS = 40
"""Groups shown; with more of them a table is no overview, and the export has all."""

MOST_DRAWN = 12
"""Groups of the chart, those with the most handoffs."""

STUCK_WORDS: Mapping[str, str] = {"held": "held at the gate", "no-csm": "waits for a CSM"}
"""What stands still by itself; signals and red flags have the names that their files give them."""

FUNNEL_WORDS: Mapping[Funnel, str] = {
    Funnel.WON: "Won",
    Funnel.RELEASED: "Handoff begun",
    Funnel.ASSIGNED: "CSM assigned",
    Funnel.TOUCHED: "Customer touched",
    Funnel.KICKED_OFF: "Kickoff held",
    Funnel.ACTIVATED: "First value",
}


@dataclass(frozen=True, slots=True)
class Book:
    """What the page is made of: the ledger, what the numbers are held against, the company's own time, the systems."""

    store: Store
    targets: Targets
    zone: ZoneInfo
    systems: tuple[str, ...]
    now: Callable[[], datetime]

    def today(self) -> date:
        """The day by the company's clock."""
        return self.now().astimezone(self.zone).date()


@dataclass(frozen=True, slots=True)
class Span:
    """One week of a trend: its Monday, how a chart says it, and its first and last day as far as they are asked for."""

    monday: str
    said: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Week:
    """One week of wins: its Monday, its number as it is said, and how many handoffs it is made of."""

    monday: str
    said: str
    counted: int
    address: str


@dataclass(frozen=True, slots=True)
class Card:
    """A number with its trend and the addresses of the deals behind it."""

    told: Told
    chart: Markup
    weeks: tuple[Week, ...]
    counted_at: str
    met_at: str
    missed_at: str
    left: int = 0
    left_at: str = ""
    """Handoffs that do not count, or not yet: a mean over those that were touched says nothing of those that wait."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A count with its words, its share of the first in percent, and the address of the deals behind it."""

    words: str
    deals: int
    share: float
    address: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """One group of handoffs: what it is called, how many, and the lead measures over it."""

    label: str
    handoffs: int
    told: tuple[Told, ...]
    address: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What a filter can choose from: its name in the address, its words, the options, and which is chosen."""

    name: str
    words: str
    options: tuple[Group, ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class Board:
    """The page, ready to be laid out."""

    asked: Asked
    at: datetime
    cards: tuple[Card, ...]
    others: tuple[Card, ...]
    funnel: tuple[Counted, ...]
    funnel_chart: Markup
    stuck: tuple[Figure, ...]
    stuck_more: bool
    due: tuple[Owed, ...]
    due_more: bool
    cohorts: tuple[Cohort, ...]
    cohorts_left: int
    cohort_chart: Markup
    coverage: tuple[Counted, ...]
    won: int
    unexplained: int
    choices: tuple[Choice, ...]
    empty: bool
    anything: bool
    weekly: Mapping[Group, Mapping[str, Sum]]
    """The lead measures week by week, and group by group; all there are."""
    groups: Mapping[Group, Mapping[str, Sum]]

    @property
    def cut_words(self) -> str:
        """By what the cohorts are cut, in words."""
        return CUT_WORDS[self.asked.by]


def stands_still(figure: Figure) -> str:
    """What is stuck about a handoff, in words."""
    return stuck_said(figure.stuck)


def stuck_said(signals: Iterable[str]) -> str:
    """The same, of the signals' names."""
    return "; ".join(STUCK_WORDS.get(each, each.replace("-", " ").replace("_", " ")) for each in signals)


@dataclass(frozen=True, slots=True)
class Owed:
    """A handoff with promises of the sale still to keep: the next day on which one is due, and what they are."""

    figure: Figure
    due: date
    late: bool
    said: str


def board_of(book: Book, asked: Asked, *, ranged: Sequence[str] = LEAD) -> Board:
    """The whole page for one address, of one state of the ledger; ``ranged``: the measures that are told with the range
    in which the true figure lies, which the page shows of the first ones only."""
    with book.store.one_state():
        return _board_of(book, asked, ranged)


def _board_of(book: Book, asked: Asked, ranged: Sequence[str]) -> Board:
    trend = book.store.trend(asked.selection, of=LEAD, ranged=ranged, targets=book.targets)
    standing = book.store.standing(asked.selection)
    groups = book.store.cohorts(asked.selection, by=asked.cut, measures=LEAD, targets=book.targets)
    won, coverage = standing.funnel, standing.coverage
    stuck = book.store.behind(asked.selection, Listing(stuck=True), limit=SHORT_LIST + 1)
    due = owed(book, asked, limit=SHORT_LIST + 1)
    cohorts = _cohorts(book, asked, groups)
    weeks = spans(asked, (group.key for group in trend.weekly if group.key))
    is_empty = not any(won.values()) and not coverage.won
    return Board(
        asked=asked,
        at=book.now(),
        cards=tuple(card(book, asked, key, trend, of=standing.handoffs, days=weeks) for key in LEAD),
        others=tuple(
            card(book, asked, one.key, trend, of=standing.handoffs, ranged=one.key in ranged)
            for one in PER_HANDOFF
            if one.key not in LEAD
        )
        + _velocity(book, asked),
        funnel=_funnel(asked, won),
        funnel_chart=_funnel_chart(won),
        stuck=stuck[:SHORT_LIST],
        stuck_more=len(stuck) > SHORT_LIST,
        due=due[:SHORT_LIST],
        due_more=len(due) > SHORT_LIST,
        cohorts=cohorts[:MOST_COHORTS],
        cohorts_left=max(0, len(cohorts) - MOST_COHORTS),
        cohort_chart=_cohort_chart(asked, cohorts),
        coverage=_coverage(asked, coverage.handed, coverage.reasons),
        won=coverage.won,
        unexplained=coverage.unexplained,
        choices=choices(book, asked),
        empty=is_empty,
        anything=not is_empty or book.store.covered().won > 0,
        weekly=trend.weekly,
        groups={group: sums for group, (_, sums) in groups.items()},
    )


def card(
    book: Book, asked: Asked, key: str, trend: Trend, *, of: int, days: Sequence[Span] = (), ranged: bool = True
) -> Card:
    """One measure's card, ``of`` so many handoffs, with a trend over these weeks."""
    measure = MEASURES[key]
    told = tell(measure, trend.totals.get(key, NOTHING), book.targets, ranged=ranged)
    by_week = {group.key: sums[key] for group, sums in trend.weekly.items()} if days else {}
    counted, weeks, points = f"{key}:counted", list[Week](), list[charts.Point]()
    for day in days:
        one = by_week.get(day.monday, NOTHING)
        said = shown(measure, one).text
        weeks.append(
            Week(day.monday, said, one.counted, asked.address(DEALS, of=counted, since=day.since, until=day.until))
        )
        # A week in which nothing counts is a gap in the line; a total of nothing would be one at zero.
        points.append(charts.Point(day.said, number(measure, one) if one.counted else None))
    title = f"{measure.title} by week of the win"
    drawn = charts.line(title, points, target=told.target, target_said=told.target_said) if points else ""
    return Card(
        told=told,
        chart=Markup(drawn),  # noqa: S704 - every text in it was escaped when it was drawn
        weeks=tuple(weeks),
        counted_at=asked.address(DEALS, of=counted),
        met_at=asked.address(DEALS, of=f"{key}:met"),
        missed_at=asked.address(DEALS, of=f"{key}:missed"),
        left=of - told.counted,
        left_at=asked.address(DEALS, of=f"{key}:open"),
    )


def spans(asked: Asked, known: Iterable[str]) -> tuple[Span, ...]:
    """The weeks of a trend: those asked for, of all those ``known`` by their Mondays, the latest four `WEEKS`."""
    last = min(asked.last or asked.today, asked.today)
    end = monday_of(last)
    first = asked.first or date.fromisoformat(min(known, default=end.isoformat()))
    begin = max(monday_of(first), end - timedelta(weeks=4 * WEEKS - 1))
    return tuple(_span(begin + timedelta(weeks=number), asked) for number in range((end - begin).days // 7 + 1))


def _span(monday: date, asked: Asked) -> Span:
    since, until = monday, monday + timedelta(days=6)
    since = max(since, asked.first) if asked.first else since
    until = min(until, asked.last) if asked.last else until
    return Span(monday.isoformat(), f"{monday.day} {monday:%b}", since.isoformat(), until.isoformat())


def owed(book: Book, asked: Asked, *, limit: int, offset: int = 0) -> tuple[Owed, ...]:
    """Handoffs with promises to keep, those due first before the others."""
    today = book.today()
    return tuple(
        Owed(one, day, day < today, said)
        for one, day, said in book.store.promised(asked.selection, limit=limit, offset=offset)
    )


def choices(book: Book, asked: Asked) -> tuple[Choice, ...]:
    """The filters that people choose from."""
    systems = (asked.system,) if asked.system else ()
    found = [Choice("system", "System", tuple(Group(each, each) for each in book.systems), asked.system)]
    known = book.store.all_options(tuple(_OPTIONS.values()), systems=systems)
    for name, dimension in _OPTIONS.items():
        chosen, options = str(getattr(asked, name)), known[dimension]
        if chosen and chosen not in {each.key for each in options}:
            options = (*options, Group(chosen, chosen))
        found.append(Choice(name, CUT_WORDS[name], options, chosen))
    return tuple(each for each in found if len(each.options) > 1 or each.chosen)


_OPTIONS = {
    "ae": Dimension.AE,
    "csm": Dimension.CSM,
    "segment": Dimension.SEGMENT,
    "tier": Dimension.TIER,
    "source": Dimension.SOURCE,
}


def _velocity(book: Book, asked: Asked) -> tuple[Card, ...]:
    """Activations per CSM and week: worked out over weeks, so there is no single handoff behind it and no trend."""
    found = book.store.velocity(asked.selection, today=book.today())
    told = tell(MEASURES["velocity"], sum(found.values(), NOTHING), book.targets)
    return (Card(told, Markup(), (), "", "", ""),)


def _funnel(asked: Asked, counts: Mapping[Funnel, int]) -> tuple[Counted, ...]:
    first = counts[Funnel.WON]
    return tuple(
        Counted(
            FUNNEL_WORDS[stage],
            count,
            100 * count / first if first else 0.0,
            asked.address(DEALS, of=f"funnel:{stage.value}"),
        )
        for stage, count in counts.items()
    )


def _funnel_chart(counts: Mapping[Funnel, int]) -> Markup:
    first = counts[Funnel.WON] or 1
    rows = [
        charts.Bar(FUNNEL_WORDS[stage], count, f"{count:,} · {100 * count / first:.0f} %")
        for stage, count in counts.items()
    ]
    return Markup(charts.funnel("From the win to first value", rows))  # noqa: S704 - escaped when it was drawn


def _cohorts(book: Book, asked: Asked, groups: Mapping[Group, tuple[int, Mapping[str, Sum]]]) -> tuple[Cohort, ...]:
    return tuple(
        Cohort(
            group.label or "(none)",
            size,
            tuple([tell(MEASURES[key], sums[key], book.targets, defined=False) for key in LEAD]),
            _group_address(asked, group),
        )
        for group, (size, sums) in groups.items()
    )


def _group_address(asked: Asked, group: Group) -> str:
    """The page narrowed to one group; empty where no filter says it."""
    if not group.key:
        return ""
    if asked.by == "month":
        first = date.fromisoformat(f"{group.key}-01")
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        since = max(first, asked.first) if asked.first else first
        until = min(last, asked.last) if asked.last else last
        return asked.address(BOARD, since=since.isoformat(), until=until.isoformat())
    return asked.address(BOARD, **{asked.by: group.key})


def _cohort_chart(asked: Asked, cohorts: Sequence[Cohort]) -> Markup:
    """The first measure over the largest groups, with the range in which each may truly lie."""
    large = sorted(cohorts, key=lambda each: each.handoffs, reverse=True)[:MOST_DRAWN]
    judged = [(each.label, each.told[0]) for each in cohorts if each in large and each.told[0].value is not None]
    rows = [charts.Bar(label, told.value or 0.0, _beside(told), low=told.low, high=told.high) for label, told in judged]
    title = f"{MEASURES[LEAD[0]].title} by {CUT_WORDS[asked.by]}"
    target = judged[0][1].target if judged else None
    return Markup(charts.bars(title, rows, most=100.0, target=target))  # noqa: S704 - escaped when it was drawn


def _beside(told: Told) -> str:
    return f"{told.said} of {told.counted}" + (" · too few" if told.few else "")


def _coverage(asked: Asked, handed: int, reasons: Mapping[str, int]) -> tuple[Counted, ...]:
    total = handed + sum(reasons.values())
    rows = [("There is a handoff.", handed, "handed"), *((why, count, why) for why, count in reasons.items())]
    return tuple(
        Counted(words, count, 100 * count / total if total else 0.0, asked.address(DEALS, of=f"coverage:{key}"))
        for words, count, key in rows
        if count or key == "handed"
    )
