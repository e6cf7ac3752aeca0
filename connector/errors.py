"""Errors that say what to do next.

Not here: vendor exceptions (they are translated in ``crm/<vendor>/faults.py`` and nowhere else) and message texts
to branch on: the engine switches on `Advice`, never on a class list or a string.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Advice(StrEnum):
    """What the engine does about a failure."""

    RETRY = "retry"
    REREAD = "reread"
    VERIFY = "verify"
    PARK = "park"
    HALT = "halt"


class FaultCode(StrEnum):
    """What went wrong, in our words; the vendor's code and message travel beside it."""

    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    ROW_LOCKED = "row_locked"
    CONFLICT = "conflict"
    RECORD_GONE = "record_gone"
    DUPLICATE = "duplicate"
    OUTCOME_UNKNOWN = "outcome_unknown"
    REJECTED = "rejected"
    NOT_PERMITTED = "not_permitted"
    AUTH_REVOKED = "auth_revoked"
    QUOTA_EXHAUSTED = "quota_exhausted"
    NOT_SUPPORTED = "not_supported"


ADVICE: dict[FaultCode, Advice] = {
    FaultCode.THROTTLED: Advice.RETRY,
    FaultCode.UNAVAILABLE: Advice.RETRY,
    FaultCode.ROW_LOCKED: Advice.RETRY,
    FaultCode.CONFLICT: Advice.REREAD,
    FaultCode.RECORD_GONE: Advice.REREAD,
    FaultCode.DUPLICATE: Advice.REREAD,
    FaultCode.OUTCOME_UNKNOWN: Advice.VERIFY,
    FaultCode.REJECTED: Advice.PARK,
    FaultCode.NOT_PERMITTED: Advice.PARK,
    FaultCode.AUTH_REVOKED: Advice.HALT,
    FaultCode.QUOTA_EXHAUSTED: Advice.HALT,
    FaultCode.NOT_SUPPORTED: Advice.HALT,
}
"""One row per code; a test holds the table complete."""

FIX = "What to do: "
"""How the fix begins that an adapter puts behind a vendor's words, for whoever runs this and looks after the CRM."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure: our code, the vendor's own code and words, and, when the vendor said so, when to try again."""

    code: FaultCode
    vendor_code: str
    message: str
    retry_at: datetime | None = None

    @property
    def advice(self) -> Advice:
        """What to do next."""
        return ADVICE[self.code]

    @property
    def words(self) -> str:
        """What the vendor said, without the fix: for people who can neither change the CRM nor run a command."""
        return self.message.partition(FIX)[0].strip()


class CrmError(Exception):
    """A whole call to a CRM failed. ``fault.advice`` says what to do; rows that failed alone never raise."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(f"{fault.code}: {fault.vendor_code}: {fault.message}")


class RowUnread(CrmError):
    """A read went through but for some records. ``ids`` are theirs, as far as the CRM names them, or of the deals they
    hang on; the others can be asked for without them."""

    def __init__(self, fault: Fault, *, ids: frozenset[str] = frozenset()) -> None:
        super().__init__(fault)
        self.ids = ids


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file or a setting: where it is, what is wrong, what to do about it."""

    where: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class UserError(Exception):
    """The person at the keyboard can mend this. Shown without a traceback, every problem at once, exit code 2."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class LetterboxFull(Exception):
    """No more letters are taken until some were read: whoever brought them must bring them again."""
