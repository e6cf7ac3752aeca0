"""A mail that was sent, as Salesforce keeps it among what was done: a closed task of the subtype Email.

Not here: EmailMessage, which only orgs with Enhanced Email or cases have. Its key is that of tasks, so a mail is there
once, and what carries a key of ours is no contact that its owner had (``reads``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from connector.crm.writing import Write
from connector.handoff.model import Kind, Value

SUBTYPE, EMAIL = "TaskSubtype", "Email"
"""Set when a task is made and never after (facts: Salesforce, Task)."""


def as_tasks(writes: Sequence[Write]) -> tuple[Write, ...]:
    """The writes with each mail as the task it is kept as; everything else as it was."""
    return tuple(_as_task(write) if write.kind is Kind.EMAIL else write for write in writes)


def kept_as(kind: Kind) -> Kind:
    """The kind of record that stands for another one here."""
    return Kind.TASK if kind is Kind.EMAIL else kind


def _as_task(write: Write) -> Write:
    at = write.values.get("at")
    values: dict[str, Value] = {name: value for name, value in write.values.items() if name != "at"}
    values |= {"status": "done", "due": at.date() if isinstance(at, datetime) else None}
    if write.record_id is None:
        values[SUBTYPE] = EMAIL
    return dataclasses.replace(write, kind=Kind.TASK, values=values)
