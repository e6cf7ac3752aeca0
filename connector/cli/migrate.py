"""``handoff migrate``: bring the store's tables to this version. Not here: the steps (``store.migrations``)."""

from __future__ import annotations

import json
import sys

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console


def command(*, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Bring the database to this version's schema and say which it is.

    **run** does the same when it starts; this is for upgrades that want it as a step of its own. Stop the daemon
    first when the store is SQLite.

    For example: `handoff migrate --config config.toml`, then `handoff run`.
    """
    after = bootstrap.migrate_store(config)
    if as_json:
        sys.stdout.write(json.dumps({"schema": after}) + "\n")
    else:
        console().print(f"The store is at schema {after}.")
