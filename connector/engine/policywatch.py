"""Notice that a system runs with another policy than last time, and say so.

Not here: what the change leads to (``policydiff``), and stopping when it is too much (``masschange``).
"""

from __future__ import annotations

import json

import structlog

from connector.engine.brake_words import policy_note
from connector.engine.parts import Shared, System
from connector.store import POLICY_NOTE

POLICY_CHANGED = "policy.changed"

log = structlog.get_logger()


def note_policy(shared: Shared, system: System) -> bool:
    """Note which policy the system runs with from now on. Returns whether it is another than before."""
    digest = system.policy_digest or system.policy.version
    known = policy_note(shared, system)
    before = str(known.get("digest", ""))
    if digest == before:
        return False
    note = {"digest": digest, "since": shared.clock.now().isoformat(), "before": before}
    shared.store.set_cursor(system.name, POLICY_NOTE, json.dumps(note))
    if before:
        log.warning(
            POLICY_CHANGED,
            system=system.name,
            before=before,
            now=digest,
            next="handoff plan --policy-diff shows what it changes on handoffs under way",
        )
    return bool(before)
