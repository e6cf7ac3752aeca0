"""The lock that keeps a second daemon away from one SQLite file.

Not here: locks between replicas (``lease``, PostgreSQL). The lock is the operating system's and goes with the
process, however it ends; the file beside the database stays and means nothing by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from connector.errors import Problem, UserError

PRIVATE = 0o600
"""Who may only read a file may lock it all the same (flock(2)): any other user could keep the daemon from starting."""


class FileLock:
    """An exclusive hold on ``<database>.lock`` until `release` or the end of the process."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another process has it. Raises OSError when the folder cannot be written."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        with contextlib.suppress(OSError):  # one of an earlier release; where it is another's, it is not ours to mend
            os.fchmod(fd, PRIVATE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        """Let go; nothing happens when it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def second_process(database: Path) -> UserError:
    """The error for a daemon that finds the lock taken."""
    return UserError(
        [
            Problem(
                where="config",
                key="daemon.state",
                message=f"{database} is in use by another running daemon; stop that one first, or, if both are meant "
                "to run, let daemon.store_url_env name a PostgreSQL database: several replicas need PostgreSQL",
            )
        ]
    )
