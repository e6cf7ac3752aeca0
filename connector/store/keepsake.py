"""What outlives the SQLite database, in a small file beside it: when acting began, and how far the audit trail was.

Not here: anything that is read while the database is there and is the latest. A lost ledger is rebuilt from the CRM,
but the CRM cannot tell when acting began before the first handoff was finished; without that, a win in flight would
count as an old one. And nothing in an old copy of a ledger tells that it is old.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.handoff.model import SystemName

TRAIL = "trail of all"
"""Under which name the last audit row stands; no system can be called so (names have no blanks)."""

ACTING = "acting of"
"""What stands before a system's name where it is told since when is acted for whom."""


class Keepsake:
    """The file ``<database>.started``: system -> time. Losing it too costs nothing but this one memory."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.started")
        self._gate = threading.Lock()

    def started(self, system: SystemName) -> datetime | None:
        """When acting began for a system, or None when the file does not say (or cannot be read)."""
        text = self._all().get(system)
        with contextlib.suppress(ValueError, TypeError):
            return datetime.fromisoformat(text) if text else None
        return None

    def keep(self, system: SystemName, at: datetime) -> None:
        """Write it down; the file is replaced whole, so a crash leaves the old one or the new one."""
        self._put(system, at.isoformat())

    def acting(self, system: SystemName) -> str:
        """Since when was acted for whom, as it was written; empty when the file does not say."""
        found = self._all().get(f"{ACTING} {system}")
        return found if isinstance(found, str) else ""

    def keep_acting(self, system: SystemName, note: str) -> None:
        """Write down since when is acted for whom."""
        self._put(f"{ACTING} {system}", note)

    def trail(self) -> int:
        """The number of the last audit row that is known to have been written; 0 when the file does not say."""
        found = self._all().get(TRAIL)
        return found if isinstance(found, int) else 0

    def keep_trail(self, number: int) -> None:
        """Write down the number of the last audit row."""
        self._put(TRAIL, number)

    def _put(self, name: str, value: object) -> None:
        # Systems connect at the same time, each in its own thread.
        with self._gate:
            draft = self._path.with_suffix(".draft")
            with draft.open("w", encoding="utf-8") as file:
                json.dump({**self._all(), name: value}, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)

    def _all(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
        return {}
