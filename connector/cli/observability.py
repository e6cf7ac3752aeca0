"""``handoff observability``: alerts for Prometheus and a dashboard for Grafana, as files.

Not here: what they say (``alerts``, ``grafana``). Nothing is called; without a config.toml the shipped pace counts.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.alerts import Pace, alerts, rules
from connector.cli.grafana import dashboard
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console
from connector.errors import Problem, UserError
from connector.handoff.rulebook.watch import Targets
from connector.policy.load import load_mappings

RULES, DASHBOARD = "prometheus-rules.yaml", "grafana-dashboard.json"
SHIPPED_POLL = 15.0
MINUTE = 60


def command(
    folder: Annotated[Path, typer.Argument(help="Where the files go; it is made if need be.")] = Path("observability"),
    *,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write alerts for Prometheus and a dashboard for Grafana, as files for your own monitoring.

    Every alert names the system, what it means for people and the command to run. How long is too long follows
    `poll_seconds` in config.toml and `csm_told_minutes` in process.toml, so write them again when those change.

    For example: `handoff observability /etc/prometheus/handoff`, then name the file under `rule_files` in
    prometheus.yml and import the other in Grafana (Dashboards, New, Import).
    """
    files = written(pace_of(config))
    for name, text in files.items():
        _write(folder / name, text)
    if as_json:
        sys.stdout.write(json.dumps([str(folder / name) for name in files], indent=2) + "\n")
        return
    out = console()
    count = sum(1 for _ in alerts(pace_of(config)))
    out.print(f"{folder / RULES}: {count} alerts. Name it under rule_files in prometheus.yml.", markup=False)
    out.print(f"{folder / DASHBOARD}: import it in Grafana, and choose the data source.", markup=False)
    out.print("The daemon's figures are at /metrics of its page; they name no record and no person.", markup=False)


def written(pace: Pace) -> Mapping[str, str]:
    """Both files by name."""
    return {RULES: rules(pace), DASHBOARD: json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"}


def pace_of(config: Path) -> Pace:
    """What the files here say of pace; the shipped one where there is no config.toml."""
    if not config.exists():
        return Pace(SHIPPED_POLL, float(Targets().csm_told_minutes) * MINUTE)
    policies = load_mappings(config).policies.values()  # which says what is wrong with the files
    told = min(each.targets.csm_told_minutes for each in policies)
    poll = tomllib.loads(config.read_text(encoding="utf-8")).get("daemon", {}).get("poll_seconds", SHIPPED_POLL)
    return Pace(float(poll), float(told) * MINUTE)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError([Problem("FOLDER", str(path), f"cannot be written: {error.strerror}")]) from error
