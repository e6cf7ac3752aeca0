"""Named places in a pass where a test may end the process as if the machine had lost power.

Not here: any fault of a CRM (the sandbox does those). Without ``HANDOFF_FAILPOINT`` in the environment a failpoint
is one dictionary lookup; with it, the process kills itself at the n-th time it comes by.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

VARIABLE = "HANDOFF_FAILPOINT"
"""``name`` or ``name:n``: die at the n-th passage (1 is the first)."""


class Failpoint(StrEnum):
    """The lines of a pass that matter when the process dies on them."""

    PAGE_READ = "page-read"
    INBOX_COMMITTED = "inbox-committed"
    HINT_READ = "hint-read"
    HINT_COMMITTED = "hint-committed"
    DECIDED = "decided"
    RECORDED = "recorded"
    BEFORE_CALL = "before-call"
    AFTER_CALL = "after-call"
    SETTLED = "settled"
    JOB_OPENED = "job-opened"
    JOB_STORED = "job-stored"
    JOB_UPLOADED = "job-uploaded"
    JOB_ASKED = "job-asked"
    IN_VERIFY = "in-verify"
    IN_RESCUE = "in-rescue"
    IN_SHUTDOWN = "in-shutdown"


_passages: dict[str, int] = {}


def passing(point: Failpoint) -> None:
    """Kill this process (SIGKILL, no clean-up) if the environment asks for it at this point."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, _, nth = wanted.partition(":")
    if name != point.value:
        return
    _passages[name] = _passages.get(name, 0) + 1
    if _passages[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
