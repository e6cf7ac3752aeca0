"""``handoff webhooks``: what a HubSpot app must deliver, as the file its admin uploads, and the clicks that follow.

Not here: the subscriptions themselves (``crm.hubspot.live.hsmeta``). Nothing is called and nothing is changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console
from connector.errors import Problem, UserError

STEPS = """\
What to do next, in the folder of the app's project (none yet? `hs project create` makes one: an app, private
distribution, static auth):
  1. Put {file} into src/app/webhooks/.
  2. See that requiredScopes in src/app/app-hsmeta.json has:
       {scopes}
  3. hs project upload
  4. In HubSpot under Development > Projects, open the app and install it in the portal. Copy its access token and its
     client secret into the environment of the daemon, as config.toml names them.
  5. Let the proxy lead this address to the daemon, and nothing else (operator guide, Webhooks):
       {url}
  6. handoff run, then handoff check: it delivers an empty webhook to that address and says what comes back.
"""


def command(
    system: Annotated[str, typer.Argument(help="The HubSpot system, by its name in config.toml.")] = "hubspot",
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Write the file into this folder.")] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write what a HubSpot app must deliver so that the daemon hears of changes within a second.

    The file names a subscription for every property that the mapping uses, for deals that are made, deleted, merged,
    restored or linked anew, and for tasks, notes, meetings, calls and emails; `hs project upload` takes it to HubSpot.
    Run it again after a change of the mapping. Needs `webhook_url` in config.toml; without webhooks the daemon reads
    the app's journal or polls.

    For example: `handoff webhooks hubspot --out my-app/src/app/webhooks`, then `hs project upload`.
    """
    found = bootstrap.webhook_component(config, system)
    text = json.dumps(found.content, indent=2) + "\n"
    if out is not None:
        _write(out / found.file, text)
    if as_json or out is None:
        sys.stdout.write(text)
    if as_json:
        return
    steps = STEPS.format(file=found.file, scopes="\n       ".join(found.scopes), url=found.url)
    if out is None:
        sys.stderr.write(f"\n{found.subscriptions} subscriptions, for {found.file}. {steps}")
    else:
        console().print(f"{out / found.file}: {found.subscriptions} subscriptions.", highlight=False, soft_wrap=True)
        sys.stdout.write(steps)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError([Problem("--out", str(path), f"cannot be written: {error.strerror}")]) from error
