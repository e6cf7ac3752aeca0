"""``handoff run``: the daemon. Not here: what it does (``engine``) and how it is put together (``bootstrap``)."""

from __future__ import annotations

from connector import bootstrap
from connector.cli.options import DEFAULT_CONFIG, Config
from connector.engine.daemon import run_daemon


def command(*, config: Config = DEFAULT_CONFIG) -> None:
    """Run the daemon until SIGTERM or Ctrl-C.

    Every poll it looks at what changed in each CRM, decides from the deals' present state, and writes what is owed.
    The status page says where it listens when it starts. Stopping settles the batch in flight; nothing is lost.

    A first run acts on wins from now on; deals won earlier are only observed. Try
    `handoff check` and `handoff plan` before.

    For example: `handoff run --config config.toml`, and in another terminal `handoff status`.
    """
    runtime = bootstrap.open_runtime(config, mode="daemon")
    run_daemon(
        runtime.shared,
        runtime.systems,
        poll_seconds=runtime.settings.daemon.poll_seconds,
        start_web=lambda: bootstrap.start_web(runtime),
        weekly=bootstrap.weekly_of(runtime),
    )
