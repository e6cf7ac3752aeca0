"""Named places where a test may end the process as if the machine had lost power.

Not here: any fault of a CRM (the sandbox does those). Without ``HANDOFF_FAILPOINT`` in the environment a failpoint
is one dictionary lookup; with it, the process kills itself at the n-th time it comes by. It stands on the lowest floor
because a process may die inside a transaction as well as between two.
"""

from __future__ import annotations

import os
import signal
import threading
from enum import StrEnum
from pathlib import Path

VARIABLE = "HANDOFF_FAILPOINT"
"""``name`` or ``name:n``: die at the n-th passage (1 is the first); ``name:n:anything`` is the same, told apart from an
earlier one. ``@file``: read that from a file at each passage, so that a process can be doomed while it runs; passages
are counted from when the file says something new."""


class Failpoint(StrEnum):
    """The lines that matter when the process dies on them. Those that end in ``-open`` are in a transaction, with all
    of it written and nothing committed."""

    IN_MIGRATION = "in-migration"
    BASELINE_SET = "baseline-set"
    PAGE_READ = "page-read"
    INBOX_OPEN = "inbox-open"
    INBOX_COMMITTED = "inbox-committed"
    HINT_READ = "hint-read"
    HINT_COMMITTED = "hint-committed"
    LETTER_OPEN = "letter-open"
    LETTER_STORED = "letter-stored"
    LETTER_DROPPED = "letter-dropped"
    OBSERVED = "observed"
    DECIDED = "decided"
    RECORD_OPEN = "record-open"
    RECORDED = "recorded"
    CLAIM_OPEN = "claim-open"
    BEFORE_CALL = "before-call"
    NOTICE_SENT = "notice-sent"
    AFTER_CALL = "after-call"
    SETTLE_OPEN = "settle-open"
    SETTLED = "settled"
    JOB_OPENED = "job-opened"
    JOB_STORED = "job-stored"
    JOB_UPLOADED = "job-uploaded"
    JOB_ASKED = "job-asked"
    IN_VERIFY = "in-verify"
    VERIFIED = "verified"
    IN_RESCUE = "in-rescue"
    RESCUED = "rescued"
    IN_SWEEP = "in-sweep"
    HEARTBEAT = "heartbeat"
    IN_SHUTDOWN = "in-shutdown"
    DRAINED = "drained"


_passages: dict[str, int] = {}
_counting = threading.Lock()


def passing(point: Failpoint) -> None:
    """Kill this process (SIGKILL, no clean-up) if the environment asks for it at this point."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    if wanted.startswith("@"):
        wanted = _told(Path(wanted[1:]))
    name, nth, *_ = f"{wanted}::".split(":")
    if name != point.value:
        return
    with _counting:
        _passages[wanted] = _passages.get(wanted, 0) + 1
        struck = _passages[wanted] == int(nth or 1)
    if struck:
        os.kill(os.getpid(), signal.SIGKILL)


def _told(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
