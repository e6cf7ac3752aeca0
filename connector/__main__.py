"""``handoff``, the command. Not here: any command (``cli``)."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; a mistake a person can mend is shown without a traceback and exits with 2."""
    from connector import crash  # keeps `python -m connector --help` quick
    from connector.cli.app import run

    crash.show_crashes()
    sys.exit(run())


if __name__ == "__main__":
    main()
