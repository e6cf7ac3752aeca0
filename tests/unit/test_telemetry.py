"""The figures the daemon shows: set from the store at once, counted as things happen."""

from __future__ import annotations

import subprocess
import sys

from prometheus_client import generate_latest

from connector.telemetry import Telemetry, peak_memory


def test_work_and_faults_are_shown() -> None:
    telemetry = Telemetry()
    telemetry.last_fault("sf", "rejected")
    telemetry.effects.labels(system="sf", kind="task", result="applied").inc(5)
    telemetry.show_work("sf", backlog=7, outbox={"pending": 3, "parked": 2}, lag_seconds=1.5, is_paused=True)
    lines = set(generate_latest(telemetry.registry).decode().splitlines())
    assert {
        'handoff_faults_total{code="rejected",system="sf"} 1.0',
        'handoff_effects_total{kind="task",result="applied",system="sf"} 5.0',
        'handoff_backlog_deals{system="sf"} 7.0',
        'handoff_outbox_rows{state="pending",system="sf"} 3.0',
        'handoff_parked_rows{system="sf"} 2.0',
        'handoff_lag_seconds{system="sf"} 1.5',
        'handoff_paused{system="sf"} 1.0',
    } <= lines


def test_two_in_one_process_do_not_share_figures() -> None:
    one, other = Telemetry(), Telemetry()
    one.looks.labels(system="sf").inc()
    assert 'handoff_looks_total{system="sf"}' not in generate_latest(other.registry).decode()


def test_the_peak_is_this_programs_own_and_not_that_of_who_started_it() -> None:
    ballast = bytearray(300 * 2**20)
    assert peak_memory() > len(ballast)
    asked = [sys.executable, "-c", "from connector.telemetry import peak_memory; print(peak_memory())"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert 0 < float(told) < len(ballast)


def test_a_replica_that_no_longer_leads_shows_nothing_of_what_only_the_leader_knows() -> None:
    telemetry = Telemetry()
    for system in ("sf", "hs"):
        telemetry.alarms.labels(system=system).set(2)
        telemetry.show_measure(system, "ttft", number=3.0, handoffs=5)
    telemetry.stand_back("sf")
    telemetry.stand_back("sf")
    left = {each.labels["system"] for metric in telemetry.registry.collect() for each in metric.samples if each.labels}
    assert left == {"hs"}


def test_a_system_that_never_got_through_is_as_late_as_its_process_is_old() -> None:
    telemetry = Telemetry()
    for system, last in (("never", None), ("once", 5.0)):
        telemetry.show_work(system, backlog=0, outbox={}, lag_seconds=0.0, is_paused=False, last_pass=last)
    value = telemetry.registry.get_sample_value
    assert value("handoff_last_pass_timestamp_seconds", {"system": "never"}) == telemetry.began
    assert value("handoff_last_pass_timestamp_seconds", {"system": "once"}) == 5.0
