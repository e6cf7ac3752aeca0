"""How the portal says no: bodies with category and correlation id, whole requests and single rows alike.

Not the rules that lead to a no; those raise `Refused` where they are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Detail:
    """One entry of `errors[]`."""

    message: str
    code: str | None = None
    context: dict[str, list[str]] | None = None

    def body(self) -> dict[str, Any]:
        """As it stands in JSON."""
        found: dict[str, Any] = {"message": self.message}
        if self.code:
            found["code"] = self.code
        if self.context:
            found["context"] = self.context
        return found


class Refused(Exception):
    """The portal refuses a request or a row (facts: HubSpot §3d)."""

    def __init__(
        self,
        *,
        status: int,
        category: str,
        message: str,
        sub_category: str | None = None,
        context: dict[str, list[str]] | None = None,
        details: tuple[Detail, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.sub_category = sub_category
        self.context = context or {}
        self.details = details

    def body(self, correlation_id: str) -> dict[str, Any]:
        """The body of a refused request."""
        found: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
            "category": self.category,
        }
        if self.sub_category:
            found["subCategory"] = self.sub_category
        if self.context:
            found["context"] = self.context
        if self.details:
            found["errors"] = [d.body() for d in self.details]
        return found

    def row(self, context: dict[str, list[str]]) -> dict[str, Any]:
        """The entry of a refused row in `errors[]` of a batch."""
        found: dict[str, Any] = {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": {**self.context, **context},
            "links": {},
            "errors": [d.body() for d in self.details],
        }
        if self.sub_category:
            found["subCategory"] = self.sub_category
        return found


def invalid(message: str, *details: Detail) -> Refused:
    """A 400 about what was sent."""
    return Refused(status=400, category="VALIDATION_ERROR", message=message, details=details)


def not_found(message: str, **context: list[str]) -> Refused:
    """A 404 about what was asked for."""
    return Refused(status=404, category="OBJECT_NOT_FOUND", message=message, context=context)


def locked(record_id: str) -> Refused:
    """A 423: the record is being synced in bulk; the lock lasts two seconds (facts: HubSpot §3d)."""
    message = f"Record {record_id} is locked by another operation."
    return Refused(status=423, category="LOCKED", message=message, context={"id": [record_id]})
