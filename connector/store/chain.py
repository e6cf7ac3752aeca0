"""How audit rows hang together: each carries a hash over itself and the row before it, one chain per system.

Not here: tables and queries (``audit`` writes, ``trail`` reads and verifies). What a row says (its reason and data)
enters its hash only as a digest made with a random salt. So reason, data and salt can be erased later and the chain
still holds, while nobody can find out from the digest what was there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Link:
    """What of a row its hash covers beside the hash before it. ``digest`` is `payload_digest` of what it says."""

    seq: int
    at: datetime
    system: str
    deal_id: str | None
    generation: int
    kind: str
    who: str | None
    digest: str


def new_salts(count: int) -> Sequence[str]:
    """So many random salts, as hexadecimal text."""
    drawn = secrets.token_hex(SALT_BYTES * count)
    width = 2 * SALT_BYTES
    return [drawn[start : start + width] for start in range(0, len(drawn), width)]


def payload_digest(salt: str, reason: str, data: str) -> str:
    """The digest of what a row says; ``data`` is its JSON text as it is stored."""
    return hashlib.sha256(f"{salt}\n{len(reason)}\n{reason}\n{data}".encode()).hexdigest()


def link_hash(before: str, link: Link) -> str:
    """The hash of a row whose predecessor has the hash ``before`` (empty for the first of a system)."""
    covered = (
        before,
        link.seq,
        link.at.astimezone(UTC).isoformat(timespec="microseconds"),
        link.system,
        link.deal_id,
        link.generation,
        link.kind,
        link.who,
        link.digest,
    )
    return hashlib.sha256(json.dumps(covered, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()
