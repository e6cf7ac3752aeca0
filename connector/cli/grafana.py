"""A Grafana dashboard of this daemon: is it alive, is it quick, what waits, what it costs, and the measures it keeps.

Not here: the figures (``telemetry``) and the measures (``handoff.measures``), whose panels come from their own table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.model import Measure, Unit

Json = dict[str, Any]

WIDTH = 24
"""Columns of Grafana's grid."""
HEIGHT = 7
SCHEMA = 39
"""The dashboard format of Grafana 10 and 11, which later ones read."""
SOURCE = {"type": "prometheus", "uid": "${source}"}
CHOSEN = 'system=~"$system"'

UNITS = {
    Unit.MINUTES: "m",
    Unit.HOURS: "h",
    Unit.DAYS: "d",
    Unit.WORKING_DAYS: "none",
    Unit.PERCENT: "percent",
    Unit.COUNT: "none",
    Unit.SCORE: "none",
}
"""Grafana's names for the units measures are told in."""

WORK: tuple[tuple[str, str, tuple[tuple[str, str], ...], str], ...] = (
    ("Since the last pass", "time() - max by (system) (handoff_last_pass_timestamp_seconds{%s})", (), "s"),
    ("Longest wait for a look", "max by (system) (handoff_lag_seconds{%s})", (), "s"),
    ("Deals that wait to be looked at", "max by (system) (handoff_backlog_deals{%s})", (), "none"),
    ("Writes by state", "max by (system, state) (handoff_outbox_rows{%s})", (), "none"),
    ("Refused for good", "max by (system) (handoff_parked_rows{%s})", (), "none"),
    ("Held by the mass-change stop", "max by (system) (handoff_held_deals{%s})", (), "none"),
    ("Alarms", "max by (system) (handoff_alarms{%s})", (), "none"),
    ("Deals decided a minute", "sum by (system, phase) (rate(handoff_decisions_total{%s}[5m])) * 60", (), "none"),
    ("Writes settled a minute", "sum by (system, result) (rate(handoff_effects_total{%s}[5m])) * 60", (), "none"),
    ("API calls an hour", "sum by (system, kind) (rate(handoff_api_calls_total{%s}[15m])) * 3600", (), "none"),
    ("API calls left today", "min by (system) (handoff_calls_left{%s})", (), "none"),
    ("Failures an hour", "sum by (system, code) (rate(handoff_faults_total{%s}[15m])) * 3600", (), "none"),
    (
        "A pass takes, 95 of 100",
        "histogram_quantile(0.95, sum by (system, le) (rate(handoff_pass_seconds_bucket{%s}[15m])))",
        (),
        "s",
    ),
    ("Live lines", "max by (system) (handoff_live_lines{%s})", (), "none"),
)
"""Title, PromQL with a place for the chosen systems, further queries, unit."""


def dashboard() -> Json:
    """The dashboard, to be imported; it asks for its data source, and offers the systems to choose among."""
    panels: list[Json] = []
    below = 0
    for title, drawn, across in (
        ("The daemon", list(_work()), 3),
        ("The handoffs: the same figures as the page for leadership", list(_measures()), 4),
    ):
        panels.append({"type": "row", "title": title, "collapsed": False, "gridPos": _place(0, below, WIDTH, 1)})
        below += 1
        wide = WIDTH // across
        for number, panel in enumerate(drawn):
            place = _place(number % across * wide, below + number // across * HEIGHT, wide, HEIGHT)
            panels.append({**panel, "gridPos": place})
        below += -(-len(drawn) // across) * HEIGHT
    return {
        "title": "Handoff connector",
        "uid": "handoff-connector",
        "schemaVersion": SCHEMA,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "tags": ["handoff"],
        "templating": {"list": [_source(), _systems()]},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, 1)],
    }


def _place(left: int, top: int, wide: int, high: int) -> Json:
    return {"x": left, "y": top, "w": wide, "h": high}


def _work() -> Iterator[Json]:
    for title, query, _, unit in WORK:
        yield _panel(title, query % CHOSEN, unit)


def _measures() -> Iterator[Json]:
    for measure in MEASURES.values():
        if measure.gauge:
            yield _panel(measure.title, f'handoff_measure{{measure="{measure.key}",{CHOSEN}}}', UNITS[measure.unit]) | {
                "description": _said(measure)
            }


def _said(measure: Measure) -> str:
    clock = f" ({measure.clock.value} time)" if measure.starts else ""
    span = f"From: {measure.starts}. To: {measure.ends}.{clock} " if measure.starts else ""
    return f"{span}Counts: {measure.counts}. Not: {measure.excludes}."


def _panel(title: str, query: str, unit: str) -> Json:
    return {
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": query}],
    }


def _source() -> Json:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _systems() -> Json:
    return {
        "name": "system",
        "label": "System",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(handoff_last_pass_timestamp_seconds, system)", "refId": "systems"},
        "includeAll": True,
        "multi": True,
        "refresh": 2,
    }
