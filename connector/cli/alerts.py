"""The alerts of this daemon for Prometheus: each names the system, what it means for people, and the command to run.

Not here: the figures (``telemetry``) and where the files go (``observability``). What counts as long is told by
config.toml where it depends on that: how often is polled, and within how many minutes a CSM is to be told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

WARNING, CRITICAL = "warning", "critical"
POLLS_MISSED = 10
LEAST_QUIET = 600
"""Seconds without a pass that are always let go by: a restart, a vendor's maintenance of some minutes."""


UNLESS_STOPPED = " unless on (system) max by (system) (handoff_stopped) == 1"
"""Whoever typed `handoff pause` need not be woken because of it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between polls, and within how many seconds a CSM is to be told of a win."""

    poll: float
    told: float

    @property
    def quiet(self) -> int:
        """After how many seconds without a pass something is wrong."""
        return int(max(LEAST_QUIET, POLLS_MISSED * self.poll))


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: PromQL, how long it must hold, how bad it is, and for people what it is, means, and wants done."""

    name: str
    expr: str
    held: str
    severity: str
    summary: str
    consequence: str
    command: str


def alerts(pace: Pace) -> Iterator[Alert]:
    """All of them, the worst first."""
    yield Alert(
        "HandoffDaemonDown",
        'up{job=~".*handoff.*"} == 0',
        "5m",
        CRITICAL,
        "the daemon at {{ $labels.instance }} does not answer",
        "Wins are neither held nor handed over, and no CSM is told. Nothing is lost: it goes on where it was.",
        "look at the container and its log, start it again, then: handoff status",
    )
    yield Alert(
        "HandoffNoPass",
        f"time() - max by (system) (handoff_last_pass_timestamp_seconds) > {pace.quiet}{UNLESS_STOPPED}",
        "2m",
        CRITICAL,
        "{{ $labels.system }}: no pass went through for {{ $value | humanizeDuration }}",
        "Wins of this CRM wait: no gate, no CSM, no tasks, until passes go through again.",
        "handoff status, which says why; then handoff check --system {{ $labels.system }}",
    )
    yield Alert(
        "HandoffHalted",
        # Its login is tried each minute: between two tries it is not halted, for the length of a poll.
        "max by (system) (max_over_time(handoff_paused[5m])) == 1",
        "10m",
        CRITICAL,
        "{{ $labels.system }} is halted",
        "Nothing is read from or written to this CRM; mostly its login or the day's calls are the cause.",
        "handoff status names the cause; handoff check --system {{ $labels.system }} says how to mend it",
    )
    yield Alert(
        "HandoffHeldByMassStop",
        "max by (system) (handoff_held_deals) > 0",
        "15m",
        CRITICAL,
        "{{ $labels.system }}: {{ $value }} deals are held because too much changed at once",
        "These deals get no CSM and no tasks until a person has looked at them.",
        "handoff release, which shows them with examples; then handoff release --all or handoff drop",
    )
    yield Alert(
        "HandoffLate",
        f"max by (system) (handoff_lag_seconds) > {int(pace.told)}{UNLESS_STOPPED}",
        "5m",
        WARNING,
        "{{ $labels.system }}: deals wait to be looked at for {{ $value | humanizeDuration }}",
        "CSMs are told of wins later than was promised.",
        "handoff status shows what waits and how many calls of the day are left",
    )
    yield Alert(
        "HandoffParkedWrites",
        "max by (system) (handoff_parked_rows) > 0",
        "15m",
        WARNING,
        "{{ $labels.system }}: the CRM refused {{ $value }} writes for good",
        "A task, note, field or message of these deals is missing until somebody mends what the CRM names.",
        "handoff retry lists them with the CRM's own words; mend, then handoff retry --all",
    )
    yield Alert(
        "HandoffWritesInDoubt",
        'max by (system) (handoff_outbox_rows{state="unknown"}) > 0',
        "1h",
        WARNING,
        "{{ $labels.system }}: {{ $value }} writes have had no answer for an hour",
        "They are looked up before anything is sent again; until then those deals stand still.",
        "handoff status; when the CRM answers and they stay, handoff check --system {{ $labels.system }}",
    )
    yield Alert(
        "HandoffAlarmStands",
        "max by (system) (handoff_alarms) > 0",
        "1m",
        WARNING,
        "{{ $labels.system }}: {{ $value }} alarms stand",
        "Something wants a person: a field that is gone, a feed that fell silent, nobody to choose as CSM.",
        "handoff status prints each with what to do",
    )
    yield Alert(
        "HandoffCallsRunOut",
        "predict_linear(handoff_calls_left[2h], 6 * 3600) < 0",
        "30m",
        WARNING,
        "{{ $labels.system }}: the day's API calls will be used up within six hours",
        "Everybody in this CRM shares them. Handoffs go on with essentials only while few are left.",
        "find out in the CRM's usage page which program takes them; handoff status shows what is left",
    )
    yield Alert(
        "HandoffNotPolled",
        f"time() - max by (system) (handoff_last_poll_timestamp_seconds) > {pace.quiet}{UNLESS_STOPPED}",
        "10m",
        WARNING,
        "{{ $labels.system }}: its feeds were not read for {{ $value | humanizeDuration }}",
        "Changes that no live line tells of are not seen.",
        "handoff status, then the log's lines feed.* and pass.failed",
    )
    yield Alert(
        "HandoffDeliveriesRefused",
        'sum by (system) (rate(handoff_deliveries_total{result=~"unsigned|full|failed"}[10m])) > 0',
        "10m",
        WARNING,
        "{{ $labels.system }}: webhooks or product events are refused",
        "Wins are noticed by polling instead of at once; product events that are refused do not count.",
        "handoff check --system {{ $labels.system }}; after a change of secret see the operator guide, Webhooks",
    )
    yield Alert(
        "HandoffLiveLinesLost",
        "max by (system) (handoff_live_lines) == 0 and max by (system) (max_over_time(handoff_live_lines[1d])) > 0",
        "30m",
        WARNING,
        "{{ $labels.system }}: nothing is heard live any more",
        "Everything is polled: wins are noticed within a poll, and each poll costs calls.",
        "handoff check --system {{ $labels.system }} says why the lines are down",
    )


def rules(pace: Pace) -> str:
    """All alerts as a rule file of Prometheus. Strings are written as JSON, which YAML reads as they are."""
    lines = [
        "# Alerts of the handoff connector for Prometheus. Written by handoff observability; write it again after a",
        "# change of poll_seconds or [targets] csm_told_minutes, and after an upgrade.",
        "groups:",
        "  - name: handoff",
        "    rules:",
    ]
    for each in alerts(pace):
        lines += [
            f"      - alert: {each.name}",
            f"        expr: {json.dumps(each.expr)}",
            f"        for: {each.held}",
            "        labels:",
            f"          severity: {each.severity}",
            "        annotations:",
            f"          summary: {json.dumps(each.summary)}",
            f"          consequence: {json.dumps(each.consequence)}",
            f"          command: {json.dumps(each.command)}",
        ]
    return "\n".join(lines) + "\n"
