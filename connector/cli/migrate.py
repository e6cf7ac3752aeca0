"""``handoff migrate``: bring the store's tables to this version. Not here: the steps (``store.migrations``)."""

from __future__ import annotations

import json
import sys

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console


def command(*, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Bring the database to this version's schema and say from where to where.

    **run** does the same when it starts; this is for upgrades that want it as a step of its own. Stop the daemon
    first when the store is SQLite.
    """
    before, after = bootstrap.migrate_store(config)
    if as_json:
        sys.stdout.write(json.dumps({"from": before, "to": after}) + "\n")
    elif before == after:
        console().print(f"The store is up to date (schema {after}).")
    else:
        console().print(f"The store was brought from {before or 'nothing'} to schema {after}.")
