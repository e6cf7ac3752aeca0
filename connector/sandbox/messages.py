"""One chat message that reached the sandbox's sink. Not a chat service: nothing is delivered to anyone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was posted; `key` is its idempotency key, `id` counts from 1."""

    id: int
    at: datetime
    body: dict[str, Any]
    key: str | None
