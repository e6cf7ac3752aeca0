"""Charts as SVG text: a line over time with its target, bars, a funnel, and values with the range they may lie in.

Not here: what is drawn (whoever asks hands in numbers and the words beside them). A chart is one ``<svg>`` without
script, style or outside address, so that it stands in a page with a strict policy and on paper alike. Colours are
attributes for paper; a page overrides them by the classes. A chart says nothing that the table beside it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LINE_WIDTH = 320, 240
"""CSS pixels of a chart: no wider than a phone, or a card on a desk, shows it, so that its letters are not shrunk."""

LINE_HEIGHT, PLOT_TOP, PLOT_BOTTOM, EDGE = 96, 10.0, 76.0, 6.0
ROW, BAR, LABEL = 38, 14, 13
INK, SOFT, GRID, MAIN, GOAL, BASE = "#1c2430", "#5a6675", "#d9dfe6", "#1f7a4d", "#8a5a00", "#e7ebf0"
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


@dataclass(frozen=True, slots=True)
class Point:
    """One place of a line: what it is called, its value (None where there is none) and how that is said."""

    label: str
    value: float | None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. ``said`` stands beside it; ``low`` and ``high`` are the range the value may lie in, if it is known."""

    label: str
    value: float
    said: str
    low: float | None = None
    high: float | None = None


def line(title: str, points: Sequence[Point], *, target: float | None = None, target_said: str = "") -> str:
    """A line from left to right, broken where a value is missing; the target is a dashed line with its words."""
    known = [each.value for each in points if each.value is not None]
    top = max([*known, target or 0.0, 0.0]) or 1.0
    body: list[str] = [_rule(PLOT_BOTTOM)]
    if target is not None:
        at = _height(target, top)
        body.append(
            f'<line class="chart-goal" x1="{EDGE:g}" x2="{LINE_WIDTH - EDGE:g}" y1="{at:.1f}" y2="{at:.1f}" '
            f'stroke="{GOAL}" stroke-width="1.5" stroke-dasharray="5 4"/>'
        )
        if target_said:
            # Above the line where there is room, below it where there is none.
            words = at - 4 if at > PLOT_TOP + 12 else at + 13
            body.append(_text(LINE_WIDTH - EDGE, words, target_said, "chart-goal-said", anchor="end", fill=GOAL))
    places = [_across(number, len(points)) for number in range(len(points))]
    for run in _runs(points):
        path = " ".join(f"{places[each]:.1f},{_height(points[each].value or 0.0, top):.1f}" for each in run)
        body.append(f'<polyline class="chart-line" points="{path}" fill="none" stroke="{MAIN}" stroke-width="2.5"/>')
    body += [
        f'<circle class="chart-dot" cx="{places[number]:.1f}" cy="{_height(each.value, top):.1f}" r="3" fill="{MAIN}"/>'
        for number, each in enumerate(points)
        if each.value is not None
    ]
    if points:
        body.append(_text(EDGE, LINE_HEIGHT - 4, points[0].label, "chart-soft", fill=SOFT))
        if len(points) > 1:
            end = _text(LINE_WIDTH - EDGE, LINE_HEIGHT - 4, points[-1].label, "chart-soft", anchor="end", fill=SOFT)
            body.append(end)
    return _svg(title, body, width=LINE_WIDTH, height=LINE_HEIGHT)


def bars(title: str, rows: Sequence[Bar], *, most: float | None = None, target: float | None = None) -> str:
    """Bars below one another, each under its words; ``most`` is the value that fills the width."""
    top = most or max((max(row.value, row.high or 0.0) for row in rows), default=0.0) or 1.0
    top = max(top, target or 0.0)
    room = WIDTH - 2 * EDGE
    body: list[str] = []
    for number, row in enumerate(rows):
        y = number * ROW
        wide = max(0.0, min(1.0, row.value / top)) * room
        body.append(_text(EDGE, y + LABEL, row.label, "chart-ink"))
        body.append(_text(WIDTH - EDGE, y + LABEL, row.said, "chart-ink", anchor="end"))
        body.append(_box("chart-base", x=EDGE, y=y + LABEL + 5, width=room, fill=BASE))
        if wide:
            body.append(_box("chart-bar", x=EDGE, y=y + LABEL + 5, width=wide, fill=MAIN))
        if row.low is not None and row.high is not None:
            body.append(_whisker(row.low / top * room, row.high / top * room, y + LABEL + 5 + BAR / 2))
    if target is not None and rows:
        x = EDGE + target / top * room
        body.append(
            f'<line class="chart-goal" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{len(rows) * ROW}" '
            f'stroke="{GOAL}" stroke-width="1.5" stroke-dasharray="5 4"/>'
        )
    return _svg(title, body, height=max(ROW, len(rows) * ROW))


def funnel(title: str, rows: Sequence[Bar]) -> str:
    """Bars in the middle, each as wide as the share of the first that came so far."""
    top = max((row.value for row in rows), default=0.0) or 1.0
    room = WIDTH - 2 * EDGE
    body: list[str] = []
    for number, row in enumerate(rows):
        y = number * ROW
        wide = max(0.0, min(1.0, row.value / top)) * room
        body.append(_text(EDGE, y + LABEL, row.label, "chart-ink"))
        body.append(_text(WIDTH - EDGE, y + LABEL, row.said, "chart-ink", anchor="end"))
        body.append(_box("chart-base", x=EDGE, y=y + LABEL + 5, width=room, fill=BASE))
        if wide:
            body.append(_box("chart-bar", x=EDGE + (room - wide) / 2, y=y + LABEL + 5, width=wide, fill=MAIN))
    return _svg(title, body, height=max(ROW, len(rows) * ROW))


def _runs(points: Sequence[Point]) -> Iterator[list[int]]:
    """Neighbours that all have a value; one alone is a dot and no line."""
    run: list[int] = []
    for number, each in enumerate(points):
        if each.value is not None:
            run.append(number)
            continue
        if len(run) > 1:
            yield run
        run = []
    if len(run) > 1:
        yield run


def _across(number: int, of: int) -> float:
    return EDGE + (LINE_WIDTH - 2 * EDGE) * (number / (of - 1) if of > 1 else 0.5)


def _height(value: float, top: float) -> float:
    return PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * max(0.0, min(1.0, value / top))


def _rule(y: float) -> str:
    return (
        f'<line class="chart-grid" x1="{EDGE:g}" x2="{LINE_WIDTH - EDGE:g}" y1="{y:g}" y2="{y:g}" '
        f'stroke="{GRID}" stroke-width="1"/>'
    )


def _box(name: str, *, x: float, y: float, width: float, fill: str) -> str:
    return f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" rx="3" fill="{fill}"/>'


def _whisker(low: float, high: float, y: float) -> str:
    room = WIDTH - 2 * EDGE
    left, right = EDGE + max(0.0, min(low, room)), EDGE + max(0.0, min(high, room))
    return (
        f'<path class="chart-range" d="M{left:.1f} {y:.1f}H{right:.1f}M{left:.1f} {y - 4:.1f}v8M{right:.1f} '
        f'{y - 4:.1f}v8" fill="none" stroke="{INK}" stroke-width="1.5"/>'
    )


def _text(x: float, y: float, said: str, name: str, *, anchor: str = "start", fill: str = INK) -> str:
    return f'<text class="{name}" x="{x:g}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(said)}</text>'


def _svg(title: str, body: Sequence[str], *, height: int, width: int = WIDTH) -> str:
    said = escape(title, quote=True)
    return (
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{said}" {FONT}><title>{escape(title)}</title>{"".join(body)}</svg>'
    )
