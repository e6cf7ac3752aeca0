"""The daemon's figures, for Prometheus: what it did, what waits, how late it is.

Not here: serving them (``web``). Labels are bounded: systems, kinds and states, never a record or a person.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` is in kibibytes on Linux and in bytes on macOS."""
OWN_STATUS, HIGH_WATER, KIB = "/proc/self/status", "VmHWM:", 1024
"""Where Linux tells it (``man 5 proc``), in kibibytes."""
ANSWER_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0, 5.0)
PASS_SECONDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def peak_memory() -> float:
    """The most resident memory this process ever held, in bytes.

    Linux keeps ``ru_maxrss`` across exec, so a daemon started by a large program would be told that program's peak; the
    high-water mark of the process's own memory is asked first.
    """
    try:
        with open(OWN_STATUS, encoding="ascii", errors="replace") as lines:
            marks = [line.split()[1] for line in lines if line.startswith(HIGH_WATER)]
        return float(marks[0]) * KIB
    except (OSError, IndexError, ValueError):
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT)


class Telemetry:
    """One process's figures in a registry of their own, so that several can live in one test."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.began = time.time()
        ProcessCollector(registry=self.registry)
        self.passes = self._counter("passes", "Passes over a system, by how they ended", "system", "result")
        self.pass_seconds = Histogram(
            "handoff_pass_seconds", "How long a pass took", ["system"], buckets=PASS_SECONDS, registry=self.registry
        )
        self.looks = self._counter("looks", "Deals read and decided", "system")
        self.decisions = self._counter("decisions", "Decisions, by the deal's phase", "system", "phase")
        self.gate_events = self._counter(
            "gate_events", "Wins left unseen, returns after a put-back, fights given up", "system", "event"
        )
        self.effects = self._counter(
            "effects", "Writes settled, by kind of record and result", "system", "kind", "result"
        )
        self.api_calls = self._counter("api_calls", "Calls to a CRM's API, by kind", "system", "kind")
        self.faults = self._counter("faults", "Failures, by our code", "system", "code")
        self.backlog = self._gauge("backlog_deals", "Deals that wait to be looked at", "system")
        self.outbox = self._gauge("outbox_rows", "Writes not yet settled for good, by state", "system", "state")
        self.parked = self._gauge("parked_rows", "Writes a CRM refused, which wait for a person", "system")
        self.lag_seconds = self._gauge("lag_seconds", "How long the longest-waiting due look has waited", "system")
        self.calls_left = self._gauge("calls_left", "Calls of the vendor's day that are left to everybody", "system")
        self.budget_left = self._gauge(
            "budget_left_calls", "Calls left in a vendor's rate or quota, as last told", "system", "budget"
        )
        self.budget_waits = self._counter(
            "budget_wait_seconds", "Seconds that calls waited for room in a vendor's rate", "system", "budget"
        )
        self.budget_refusals = self._counter(
            "budget_refusals", "Calls a vendor refused because a rate or quota was used up", "system", "budget"
        )
        self.paused = self._gauge("paused", "1 while a system is halted", "system")
        self.stopped = self._gauge("stopped", "1 while a person lets a whole system stand still", "system")
        self.held_deals = self._gauge(
            "held_deals", "Deals held by the mass-change stop, which wait for a person", "system"
        )
        self.mass_stops = self._counter("mass_held", "Deals the mass-change stop held, by sort", "system", "sort")
        self.alarms = self._gauge("alarms", "Alarms that stand", "system")
        self.oldest_parked = self._gauge("oldest_parked_seconds", "Age of the longest parked write", "system")
        self.last_pass = self._gauge("last_pass_timestamp_seconds", "When a pass last went through", "system")
        self.live_lines = self._gauge("live_lines", "Live lines on which changes are heard as they happen", "system")
        self.hints = self._counter("hints", "Records that a live line told of", "system")
        self.deliveries = self._counter("deliveries", "Requests at the webhook door, by result", "system", "result")
        self.letters = self._counter("letters", "Delivered events, by what became of them", "system", "result")
        self.let_go = self._counter("let_go_rows", "Old rows let go of by housekeeping, by kind", "kind")
        self.letters_waiting = self._gauge("letters_waiting", "Delivered events that nobody has read yet", "system")
        self.delivery_seconds = Histogram(
            "handoff_delivery_seconds",
            "From a delivery's headers to its answer",
            ["system"],
            buckets=ANSWER_SECONDS,
            registry=self.registry,
        )
        peak = self._gauge("peak_memory_bytes", "The most memory this process ever held")
        peak.set_function(peak_memory)
        self.measure = self._gauge(
            "measure", "A measure of the last quarter's handoffs, in its unit", "system", "measure"
        )
        self.measured = self._gauge("measure_handoffs", "Handoffs that count for a measure", "system", "measure")
        self.last_poll = self._gauge("last_poll_timestamp_seconds", "When a poll last went through", "system")

    def show_measure(self, system: str, measure: str, *, number: float | None, handoffs: int) -> None:
        """Set one measure of the handoffs that came to count lately; without any there is no number to show."""
        self.measured.labels(system=system, measure=measure).set(handoffs)
        if number is None:
            self.measure.remove(system, measure)
        else:
            self.measure.labels(system=system, measure=measure).set(number)

    def budgets(self, system: str) -> Budgets:
        """Where one system's adapter tells how the vendor's budgets stand."""
        return Budgets(self, system)

    def last_fault(self, system: str, code: str) -> None:
        """Count one failure."""
        self.faults.labels(system=system, code=code).inc()

    def show_work(
        self,
        system: str,
        *,
        backlog: int,
        outbox: Mapping[str, int],
        lag_seconds: float,
        is_paused: bool,
        is_stopped: bool = False,
        last_pass: float | None = None,
    ) -> None:
        """Set the figures that come from the store, all at once. ``last_pass`` is the time of any process's last pass;
        before the first it is taken for when this process began, so that one that never gets through is seen to."""
        self.last_pass.labels(system=system).set(self.began if last_pass is None else last_pass)
        self.stopped.labels(system=system).set(int(is_stopped))
        self.backlog.labels(system=system).set(backlog)
        for state, rows in outbox.items():
            self.outbox.labels(system=system, state=state).set(rows)
        self.parked.labels(system=system).set(outbox.get("parked", 0))
        self.lag_seconds.labels(system=system).set(lag_seconds)
        self.paused.labels(system=system).set(int(is_paused))

    def stand_back(self, system: str) -> None:
        """Show no more what only the process that leads a system knows: another one leads it, and shows it."""
        for gauge in (self.measure, self.measured, self.alarms, self.held_deals, self.oldest_parked, self.calls_left):
            for sample in [each for metric in gauge.collect() for each in metric.samples]:
                if sample.labels["system"] == system:
                    gauge.remove(*(sample.labels[name] for name in ("system", "measure") if name in sample.labels))

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"handoff_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"handoff_{name}", what, labels, registry=self.registry)


class Budgets:
    """One system's rates and quotas, as its adapter tells of them."""

    def __init__(self, telemetry: Telemetry, system: str) -> None:
        self._telemetry = telemetry
        self._system = system

    def waited(self, budget: str, seconds: float) -> None:
        """A call waited this long for room."""
        self._telemetry.budget_waits.labels(system=self._system, budget=budget).inc(seconds)

    def left(self, budget: str, calls: float) -> None:
        """So many calls are left in the budget's window."""
        self._telemetry.budget_left.labels(system=self._system, budget=budget).set(calls)

    def refused(self, budget: str) -> None:
        """The vendor refused a call because the budget is used up."""
        self._telemetry.budget_refusals.labels(system=self._system, budget=budget).inc()
