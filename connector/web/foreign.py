"""A sign-in at somebody else's, as the page needs it.

Not here: one (``oidc``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Foreign(Protocol):
    """Somebody else who knows people. Both methods may block, and are called in any thread."""

    def leave(self) -> tuple[str, str]:
        """Where to send a browser, and what it must bring back beside what comes in the address. Raises `UserError`."""
        ...

    def come_back(self, query: Mapping[str, str], brought: str) -> str:
        """The name of whoever comes back. Raises `UserError`."""
        ...
