"""What people who are signed in can do from the page, as the page needs it.

Not here: doing it (``bootstrap`` hands in an object that does) and who may (``signin``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from connector.errors import Problem, UserError
from connector.plain import row_number

LONGEST_REASON = 500
"""Characters of a reason that somebody types: a sentence or three, kept in the audit trail for good."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that stands still until a person says otherwise: ``what`` stands, ``why``, ``since`` when (an age).

    ``act`` is the word by which it goes on from here ("release", "resume"; empty when it cannot), always for the whole
    system. ``examples`` are deals.
    """

    system: str
    what: str
    why: str
    since: str
    act: str = ""
    examples: tuple[str, ...] = ()


class Desk(Protocol):
    """What a person does. Each returns a sentence that says what happened; raises `UserError` in words if it cannot.

    ``by`` goes into the audit trail.
    """

    def stops(self) -> Sequence[Stop]:
        """All that stands still."""
        ...

    def retry(self, row: int, *, by: str) -> str:
        """Send a parked row again."""
        ...

    def drop(self, row: int, *, by: str, why: str) -> str:
        """Give a parked row up for good."""
        ...

    def release(self, system: str, *, by: str) -> str:
        """Let go all deals of a system that are held because too much changed at once."""
        ...

    def pause(self, system: str, *, by: str, why: str) -> str:
        """Let a system stand still."""
        ...

    def resume(self, system: str, *, by: str) -> str:
        """Let it go on."""
        ...


Form = Mapping[str, str]


def _number(form: Form) -> int:
    number = row_number(form.get("what", ""))
    if number is None:
        raise UserError([Problem("", "", "no such row")])
    return number


def _why(form: Form) -> str:
    text = " ".join(form.get("why", "").split())
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise UserError([Problem("", "", f"say why, in at most {LONGEST_REASON} characters")])
    return text


ACTS: Mapping[str, Callable[[Desk, Form, str], str]] = {
    "retry": lambda desk, form, by: desk.retry(_number(form), by=by),
    "drop": lambda desk, form, by: desk.drop(_number(form), by=by, why=_why(form)),
    "release": lambda desk, form, by: desk.release(form.get("what", ""), by=by),
    "pause": lambda desk, form, by: desk.pause(form.get("what", ""), by=by, why=_why(form)),
    "resume": lambda desk, form, by: desk.resume(form.get("what", ""), by=by),
}
"""What a form may ask for: its address is ``/act/`` and the word."""
