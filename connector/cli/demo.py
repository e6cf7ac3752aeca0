"""``handoff demo``: the main job on this machine, with nothing but this program.

Not here: the scripted sales period (``demo_period``) and the processes (``demo_parts``).
"""

from __future__ import annotations

import shutil
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from connector.cli import demo_parts
from connector.cli.demo_period import play
from connector.errors import Problem, UserError

MARK = ".handoff-demo"
"""A file in each demo folder: ``--fresh`` removes a folder only if this stands in it."""


def command(
    *,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its state, config and logs.")] = Path(
        "handoff-demo"
    ),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over: remove what an earlier demo left in the folder.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides the people, accounts and deals of the sandbox.")] = 7,
    headless: Annotated[
        bool, typer.Option("--headless", help="Play a scripted sales period without a person, then stop.")
    ] = False,
    deals: Annotated[int, typer.Option(min=1, help="With --headless: deals that are won on each CRM.")] = 200,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --headless: print one JSON object on standard output.")
    ] = False,
    poll_seconds: Annotated[float, typer.Option(min=1.0, help="How often the daemon looks at each CRM.")] = 2.0,
) -> None:
    """Start two sandbox CRMs and the daemon, and watch a handoff happen.

    Nothing leaves this machine. Running it again continues where it stopped; **--fresh** starts over.

    With **--headless** people are played by a script on both CRMs: deals won with and without gaps, corrected,
    overridden, reopened, imported in bulk. Exit code 0 only if nothing was lost and nothing was doubled.
    """
    _prepare(folder, fresh=fresh or headless)
    ports = demo_parts.free_ports()
    if headless:
        raise typer.Exit(
            play(folder, ports, deals=deals, seed=seed, as_json=as_json, poll_seconds=min(poll_seconds, 1.0))
        )
    _watch(folder, ports, seed=seed, poll_seconds=poll_seconds)


def _prepare(folder: Path, *, fresh: bool) -> None:
    if fresh and folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            message = "is not empty and no demo made it; choose another with --folder"
            raise UserError([Problem(str(folder), "--fresh", message)])
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("A demo of handoff keeps its state here. `handoff demo --fresh` removes this folder.\n")


def _watch(folder: Path, ports: demo_parts.Ports, *, seed: int, poll_seconds: float) -> None:
    console = Console()
    arrived = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: arrived.set())
    console.print("Starting the sandbox CRMs and the daemon ...")
    with demo_parts.running(folder, ports, seed=seed, deals=120, poll_seconds=poll_seconds) as (sandbox, daemon):
        console.print(
            WELCOME.format(sf=ports.url("sf"), hs=ports.url("hs"), web=ports.url("web"), folder=folder.resolve()),
            highlight=False,
        )
        while not arrived.wait(1.0):
            for child in (sandbox, daemon):
                if child.process.poll() is not None:
                    raise UserError([Problem(str(child.log), child.name, "stopped by itself; its log says why")])
        console.print("\nStopping; work in hand is settled first ...")
    console.print(f"Stopped. State is kept in {folder.resolve()}; run `make demo` again to continue.", highlight=False)


WELCOME = """
[bold]Ready.[/]

  Salesforce-like org    {sf}
  HubSpot-like portal    {hs}
  Daemon's status page   {web}

[bold]Try this[/]
  1. Open one of the CRMs. Drag a deal to Closed Won (or use Move on its card).
     With handoff fields missing it comes back within seconds; open it and read why.
  2. Fill the fields it names and win it again. It stays, and the record shows its CSM,
     the onboarding tasks, the handoff summary and the metric fields.
  3. Drag it back and win it once more: nothing is made twice.
  4. The status page shows each decision with its reasons.
  5. Edit mappings/process.toml in the folder below and restart to change the rules.

State, config and logs: {folder}
Ctrl-C stops everything cleanly.
"""
