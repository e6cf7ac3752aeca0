"""A bare Salesforce org in this process, an admin's token for it, and the command that installs into it.

Not here: any expectation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from daemons import Ran, Site

from connector.sandbox.salesforce.auth import ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET
from connector.sandbox.salesforce.metadata.store import store
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

ADMIN = "SF_ADMIN_TOKEN"


@dataclass(slots=True)
class Bare:
    """An org as a customer has it on day one."""

    site: Site

    @property
    def world(self) -> World:
        """What stands in it."""
        return self.site.sandbox.sf

    def provision(self, *arguments: str, as_admin: bool = True) -> Ran:
        """The command, by default with an admin's token."""
        token = ("--token-env", ADMIN) if as_admin else ()
        return self.site.run("provision", "sf", *arguments, *token)

    def plan(self, *arguments: str) -> dict[str, Any]:
        """What it plans, as data."""
        ran = self.provision("--json", *arguments)
        assert ran.out, ran.text
        return dict(ran.data)

    def apply(self, *arguments: str) -> dict[str, Any]:
        """What became of applying it."""
        return self.plan("--apply", "--yes", *arguments)

    def deploys(self) -> list[str]:
        """How packages were handed over, oldest first: their paths in the journal."""
        return [
            call.path for call in self.world.journal.calls(system="sf") if "deployRequest" in call.path and call.write
        ]

    def inside(self, type: str) -> set[str]:
        """The full names of what was deployed of one type."""
        return {one.name for one in store(self.world).of(type)}


def admin_token(url: str) -> str:
    """An access token of the org's admin."""
    form = {"grant_type": "client_credentials", "client_id": ADMIN_CLIENT_ID, "client_secret": ADMIN_CLIENT_SECRET}
    reply = requests.post(f"{url}/services/oauth2/token", data=form, timeout=30)
    reply.raise_for_status()
    return str(reply.json()["access_token"])


@contextlib.contextmanager
def bare_org(folder: Path) -> Iterator[Bare]:
    """An org without anything of ours, and a config folder for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox.running(bare_salesforce=True) as sandbox:
        made = Site(folder, sandbox, {"systems": ("sf",)})
        made.secrets[ADMIN] = admin_token(sandbox.sf_url)
        try:
            yield Bare(made)
        finally:
            made.stop_all()
