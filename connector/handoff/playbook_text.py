"""A playbook as text and back: what is kept of each handoff, so that it goes on by the playbook it began with.

Not here: where the text is kept (``store``). Text of an older version reads as well: what it does not say has its
default; what this version does not know is left out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

from connector.handoff.rulebook.playbooks import Playbook, PlaybookTask, SignalKind

VERSION_CHARS = 12
_SIGNALS_BEFORE = (SignalKind.TASK_CLOSED, SignalKind.FIELD_FILLED)
"""The signals there were before playbooks were kept."""
_REMEMBERED = 256
"""Texts that are kept as playbooks: many more than a company changes its own within a process's life."""


@lru_cache(maxsize=_REMEMBERED)
def text_of(book: Playbook) -> str:
    """The playbook as JSON; equal playbooks give equal texts."""
    return json.dumps(_plain(book), ensure_ascii=True, sort_keys=True)


def version_of(book: Playbook) -> str:
    """A short name of a playbook's content."""
    return hashlib.sha256(text_of(book).encode()).hexdigest()[:VERSION_CHARS]


@lru_cache(maxsize=_REMEMBERED)
def read(text: str) -> Playbook:
    """What `text_of` was given. Raises ValueError for any other text."""
    try:
        made = _made(Playbook, json.loads(text))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a playbook: {error}") from error
    assert isinstance(made, Playbook)
    return made


def as_before(book: Playbook, steps: frozenset[str]) -> Playbook:
    """The playbook as handoffs know it that began before theirs was kept: these steps; nobody was told of a late one,
    and only its own record or a field showed that one was done."""
    known = restricted(book, steps)
    return dataclasses.replace(known, tasks=tuple(_plain_task(task) for task in known.tasks))


def restricted(book: Playbook, steps: frozenset[str]) -> Playbook:
    """The playbook with none but these steps; one whose trigger goes follows what that one followed."""
    after = {task.step: task.after for task in book.tasks}
    return dataclasses.replace(
        book, tasks=tuple(_rooted(task, after, steps) for task in book.tasks if task.step in steps)
    )


def _plain_task(task: PlaybookTask) -> PlaybookTask:
    shown = tuple(signal for signal in task.done_when if signal.kind in _SIGNALS_BEFORE)
    return dataclasses.replace(task, missed=(), done_when=shown, mail=None)


def _rooted(task: PlaybookTask, after: dict[str, str], steps: frozenset[str]) -> PlaybookTask:
    before, seen = task.after, {task.step}
    while before and before not in steps and before not in seen:
        seen.add(before)
        before = after.get(before, "")
    return dataclasses.replace(task, after=before if before in steps else "")


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | str():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case date():
            return {"date": value.isoformat()}
        case tuple():
            return [_plain(one) for one in value]
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


@lru_cache(maxsize=_REMEMBERED)
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _made(kind: Any, data: Any) -> Any:
    """A value of this type out of its plain form."""
    if isinstance(kind, types.UnionType):
        return _scalar(data) if data is None or not isinstance(data, dict) or _tagged(data) else _of_union(kind, data)
    if typing.get_origin(kind) is tuple:
        return tuple(_made(typing.get_args(kind)[0], one) for one in data)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _made(hints[name], one) for name, one in data.items() if name in hints})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    return _scalar(data)


def _of_union(kind: types.UnionType, data: Any) -> Any:
    """The one dataclass of a union such as ``Draft | None``."""
    return _made(next(one for one in typing.get_args(kind) if dataclasses.is_dataclass(one)), data)


def _tagged(data: dict[str, Any]) -> bool:
    return data.keys() <= {"decimal", "date"}


def _scalar(data: Any) -> Any:
    match data:
        case {"decimal": str(text)}:
            return Decimal(text)
        case {"date": str(text)}:
            return date.fromisoformat(text)
        case list():
            return tuple(str(one) for one in data)
    return data
