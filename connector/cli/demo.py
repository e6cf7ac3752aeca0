"""``handoff demo``: the main job on this machine, with nothing but this program.

Not here: the scripted sales period (``demo_period``) and the processes (``demo_parts``).
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from connector.cli import demo_parts
from connector.cli.demo_period import play
from connector.cli.screen import Screen
from connector.errors import Problem, UserError

MARK = ".handoff-demo"
"""A file in each demo folder: a folder with other things in it is neither used nor removed."""
DEALS = 120
"""Deals the sandbox is seeded with in each CRM, when a person plays."""
PLAYED = 200
"""Deals that the script wins in each CRM."""
FEWEST, DEALS_IN_15_DAYS = 3, 8
"""Deals of a quarter in each CRM: enough for several of each kind of customer, few enough for two minutes."""
LOOK_EVERY = 0.5
"""Seconds between two looks at whether the children still run."""


def command(
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where it keeps state, config and logs: handoff-demo, or handoff-demo-headless with --headless."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over: remove what an earlier demo left in the folder.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Decides the people, accounts and deals of the sandbox.")] = 7,
    headless: Annotated[
        bool, typer.Option("--headless", help="Play a scripted sales period without a person, then stop.")
    ] = False,
    deals: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --headless: deals on each CRM: 200, or with --days so many as a team closes in them."
        ),
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            min=0, help="With --headless: play so many days of people's work by the sandbox's clock, e.g. 90."
        ),
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --headless: print one JSON object on standard output.")
    ] = False,
    poll_seconds: Annotated[float, typer.Option(min=1.0, help="How often the daemon looks at each CRM.")] = 2.0,
) -> None:
    """Start two sandbox CRMs and the daemon, and watch a handoff happen.

    Nothing leaves this machine. Running it again continues where it stopped; **--fresh** starts over.

    With **--headless** people are played by a script on both CRMs: deals won with and without gaps, corrected,
    overridden, reopened, imported in bulk. Exit code 0 only if nothing was lost and nothing was doubled.

    With **--headless --days 90** a whole quarter is played on both CRMs, 48 deals on each, in about two minutes: AEs
    who fill in well, late, badly or never, CSMs with holidays, customers who do well, get stuck, answer no mail, miss
    meetings or ask for more, and a playbook that gets one step more half-way.

    Real in it are the adapters over HTTP, the engine, the ledger, the door for signed product events, and the mappings,
    the same files for both CRMs but for the field map. Not real are the people, the clock, which jumps to whatever
    comes next, and the daemon's timer: polls that could find nothing are left out, and what only a clock sets off is
    looked at when somebody does something, or at nine in the morning and in the evening. **--seed** decides everything:
    two runs agree but for the seconds.

    Exit code 0 only if every promise held: each handoff told to its CSM within 5 minutes (p99), each step done, told up
    the ladder or not due yet, each signal and red flag raised for whom it is meant and for nobody in the control group,
    nothing doubled, handoffs under way left alone by the change, no false alarm. What was broken is named, with the
    customer.

        handoff demo --headless --days 90 --seed 7

        handoff demo --headless --days 24 --deals 12 --json
    """
    folder = folder or Path("handoff-demo-headless" if headless else "handoff-demo")
    with _interruptible(), _held(folder, fresh=fresh or headless):
        if headless and days:
            from connector.cli.demo_quarter import play_quarter

            wins = deals or max(FEWEST, days * DEALS_IN_15_DAYS // 15)
            raise typer.Exit(play_quarter(folder, days=days, deals=wins, seed=seed, as_json=as_json))
        ports = demo_parts.free_ports()
        if headless:
            code = play(
                folder, ports, deals=deals or PLAYED, seed=seed, as_json=as_json, poll_seconds=min(poll_seconds, 1.0)
            )
            raise typer.Exit(code)
        _watch(folder, ports, seed=seed, poll_seconds=poll_seconds)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, a closed terminal and SIGTERM end the block once, in order; more of them cannot break the stopping."""

    def interrupt(*_: object) -> None:
        for number in demo_parts.STOPPING:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # Whoever started the demo with nohup wants it to outlive the terminal.
    nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    wanted = [number for number in demo_parts.STOPPING if not (number == signal.SIGHUP and nohup)]
    before = {number: signal.signal(number, interrupt) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _held(folder: Path, *, fresh: bool) -> Iterator[None]:
    """Make the folder, or empty it, and hold it against a second demo. Raises `UserError` when it is not to be had."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).exists())):
        raise UserError([Problem(str(folder), "--folder", "is there already and no demo made it; name another folder")])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("a+") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = "a demo is running in it; stop that one with Ctrl-C, or name another folder for this one"
            raise UserError([Problem(str(folder), "--folder", message)]) from None
        if fresh:
            for old in folder.iterdir():
                if old.name != MARK:
                    shutil.rmtree(old) if old.is_dir() else old.unlink()
        mark.truncate(0)
        mark.write("A demo of handoff keeps its state here. `handoff demo --fresh` empties this folder.\n")
        mark.flush()
        yield


def _watch(folder: Path, ports: demo_parts.Ports, *, seed: int, poll_seconds: float) -> None:
    console = Screen(highlight=False, soft_wrap=True)
    again = (folder / "sandbox").exists()
    console.print(
        f"Continuing the demo in {folder} ..." if again else f"Starting a new demo in {folder}; a few seconds ..."
    )
    try:
        with demo_parts.running(folder, ports, seed=seed, deals=DEALS, poll_seconds=poll_seconds) as children:
            _welcome(console, folder, ports)
            try:
                _until_one_ends(children)
            except KeyboardInterrupt:
                console.print("\nStopping; work in hand is settled first ...")
                raise
    except KeyboardInterrupt:
        console.print(f"Stopped. Everything is kept in {folder.resolve()}")
        console.print("Run it again to continue, or with --fresh to start over.")


def _until_one_ends(children: Iterable[demo_parts.Child]) -> None:
    while True:
        for child in children:
            if child.process.poll() is not None:
                raise UserError([Problem(str(child.log), child.name, "stopped by itself; its log says why")])
        time.sleep(LOOK_EVERY)


def _welcome(console: Screen, folder: Path, ports: demo_parts.Ports) -> None:
    moved = "" if ports == demo_parts.WISHED else "\n(Some usual ports are taken, so these are others.)\n"
    console.print(
        WELCOME.format(sf=ports.url("sf"), hs=ports.url("hs"), web=ports.url("web"), moved=moved, folder=folder)
    )


WELCOME = """
[bold]Ready.[/] Open these in a browser:

  Salesforce org   {sf}
  HubSpot portal   {hs}
  Status page      {web}
{moved}
[bold]Try this[/]
  1. In one of the CRMs drag a deal to Closed Won, or choose it under "Move to".
     If handoff fields are empty, the deal is back within seconds. Open it: it
     says what is missing and why it matters.
  2. Press Edit, fill what is asked, save, and win it again. Now it stays, and
     shows its CSM, five tasks, the handoff summary and the metric fields.
  3. Drag it back and win it once more: nothing is made twice.
  4. The status page has every decision with its reasons.
  5. Change a rule in {folder}/mappings/process.toml, press Ctrl-C, start again.

Nothing leaves this machine. State, config and logs are in {folder}/
[bold]Ctrl-C[/] stops everything.
"""
