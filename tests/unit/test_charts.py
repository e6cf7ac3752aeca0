"""Charts: well-formed, nothing in them that a page's policy forbids, as high as their numbers say."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from connector.charts import PLOT_BOTTOM, PLOT_TOP, WIDTH, Bar, Point, bars, funnel, line

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert(1)</script>" onload="x'
CHARTS = {
    "line": line(HOSTILE, [Point(HOSTILE, 1.0), Point("b", 2.0)], target=3.0, target_said=HOSTILE),
    "no points": line("Nothing", []),
    "one point": line("One", [Point("now", 5.0)]),
    "all nothing": line("Zero", [Point("a", 0.0), Point("b", 0.0)], target=0.0),
    "bars": bars(HOSTILE, [Bar(HOSTILE, 3.0, HOSTILE, 2.0, 4.0), Bar("b", 0.0, "0")], target=2.0),
    "no bars": bars("Nothing", []),
    "funnel": funnel(HOSTILE, [Bar("Won", 10.0, "10"), Bar(HOSTILE, 0.0, "0")]),
}


@pytest.mark.parametrize("svg", CHARTS.values(), ids=list(CHARTS))
def test_a_chart_is_whole_says_its_title_and_acts_on_nothing(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == root.get("aria-label")
    names = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert names <= {"svg", "title", "line", "polyline", "circle", "rect", "path", "text"}
    attributes = {name for each in root.iter() for name in each.attrib}
    assert not {name for name in attributes if name.startswith("on") or name in ("style", "href", "src", "id")}
    assert "nan" not in svg
    assert "inf" not in svg.replace("infinity", "")


def test_a_line_is_as_high_as_its_numbers_and_broken_where_one_is_missing() -> None:
    svg = line("t", [Point("1", 0.0), Point("2", 10.0), Point("3", None), Point("4", 5.0), Point("5", 5.0)], target=20)
    root = ElementTree.fromstring(svg)
    runs = [each.get("points", "") for each in root.iter(f"{SVG}polyline")]
    assert len(runs) == 2
    heights = [[float(pair.split(",")[1]) for pair in run.split()] for run in runs]
    middle, quarter = (PLOT_BOTTOM + PLOT_TOP) / 2, PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) / 4
    assert heights == [[PLOT_BOTTOM, middle], [quarter, quarter]]
    goal = next(each for each in root.iter(f"{SVG}line") if each.get("class") == "chart-goal")
    assert float(goal.get("y1", "")) == PLOT_TOP
    assert len(list(root.iter(f"{SVG}circle"))) == 4


def test_bars_are_as_wide_as_their_numbers_and_stay_within() -> None:
    root = ElementTree.fromstring(bars("t", [Bar("a", 50, "50"), Bar("b", 100, "100"), Bar("c", 400, "400")], most=100))
    wide = [float(each.get("width", "")) for each in root.iter(f"{SVG}rect") if each.get("class") == "chart-bar"]
    assert wide[0] == pytest.approx(wide[1] / 2)
    assert wide[1] == wide[2]
    edges = [float(x) for x in re.findall(r'(?:x|x2)="([\d.]+)"', bars("t", [Bar("a", 9, "9", 1, 99)], most=10))]
    assert max(edges) <= WIDTH
