"""The command line: which commands there are, and how errors leave it.

Not here: what a command does (a module each). Exit codes: 0 done, 1 something was found that needs a person,
2 a mistake in files, settings or arguments, 3 a CRM could not be reached.
"""

from __future__ import annotations

import sys
from importlib import import_module

import typer
from rich.text import Text

from connector.cli.screen import Screen, complain
from connector.errors import CrmError, UserError

EXIT_FOUND = 1
EXIT_USER = 2
EXIT_CRM = 3

COMMANDS = {
    "demo": "connector.cli.demo",
    "sandbox": "connector.cli.sandbox",
    "run": "connector.cli.daemon",
    "once": "connector.cli.once",
    "plan": "connector.cli.plan",
    "backfill": "connector.cli.backfill",
    "explain": "connector.cli.explain",
    "playbook": "connector.cli.playbook",
    "docs": "connector.cli.docs",
    "policy": "connector.cli.policy",
    "events": "connector.cli.events",
    "milestones": "connector.cli.milestones",
    "audit": "connector.cli.audit",
    "init": "connector.cli.init",
    "check": "connector.cli.check",
    "map": "connector.cli.map",
    "pilot": "connector.cli.pilot",
    "provision": "connector.cli.provision",
    "webhooks": "connector.cli.webhooks",
    "status": "connector.cli.status",
    "observability": "connector.cli.observability",
    "overview": "connector.cli.overview",
    "metrics": "connector.cli.metrics",
    "exceptions": "connector.cli.exceptions",
    "review": "connector.cli.review",
    "retry": "connector.cli.retry",
    "drop": "connector.cli.drop",
    "release": "connector.cli.release",
    "pause": "connector.cli.pause",
    "resume": "connector.cli.resume",
    "replay": "connector.cli.replay",
    "backup": "connector.cli.backup",
    "restore": "connector.cli.restore",
    "trail": "connector.cli.trail",
    "export": "connector.cli.export",
    "forget": "connector.cli.forget",
    "migrate": "connector.cli.migrate",
}
"""Command name -> the module whose ``command`` function it is. The order is the order of ``--help``."""

HELP = """Keeps a won deal from being lost between the signature and the first success.

Try it first: `handoff demo` starts two sandbox CRMs and the daemon on this machine; no account is needed.

In earnest: `handoff init` writes a first config.toml and mappings; then `handoff audit`, `handoff check`,
`handoff plan`, `handoff run`.
"""


def build(names: tuple[str, ...] = tuple(COMMANDS)) -> typer.Typer:
    """The Typer application with these commands."""
    app = typer.Typer(
        name="handoff",
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        app.command(name)(import_module(COMMANDS[name]).command)
    app.callback()(_root)
    return app


def _root() -> None:
    """Present so that Typer keeps command names even when only one is registered."""


def run() -> int:
    """Run with the process's arguments and return the exit code."""
    asked = tuple(name for name in sys.argv[1:2] if name in COMMANDS)
    try:
        build(asked or tuple(COMMANDS))(standalone_mode=True)
    except UserError as error:
        return _tell(error)
    except CrmError as error:
        console = Screen(stderr=True, highlight=False)
        console.print(
            Text("The CRM did not do it", style="bold red"),
            f": {error.fault.vendor_code}: {error.fault.message}",
            sep="",
            markup=False,
        )
        console.print(f"What to do: {NEXT[error.fault.advice.value]}")
        return EXIT_CRM
    except Exception as error:  # noqa: BLE001  # told in words, or raised again
        return _tell_failure(error)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else EXIT_USER
    return 0


NEXT = {
    "retry": "try again in a minute; the daemon does so by itself.",
    "reread": "run the command again; the record changed meanwhile.",
    "verify": "run the command again; it looks up what became of the call first.",
    "park": "mend what the CRM names (permission, field, value), then run it again.",
    "halt": "check the credentials and the API limits of this system: handoff check.",
}


def _tell_failure(error: Exception) -> int:
    """Say what the database could not do; raises again whatever else it was. What was recorded before stands."""
    from connector.store import failure  # not before it is needed: --help must be quick

    words = failure(error)
    if not words:
        raise error
    complain(
        f"The database failed: {words}\nWhat to do: see to its disk or server, then run it again; "
        "nothing that was recorded is lost, and nothing is done twice."
    )
    return EXIT_FOUND


def _tell(error: UserError) -> int:
    for problem in error.problems:
        complain(str(problem))
    count = len(error.problems)
    if count > 1:
        complain(f"{count} problems. Nothing was changed.")
    return EXIT_USER
