"""Salesforce's refusals: codes, statuses and body shapes (facts: Salesforce §3.3).

Not Python-side logging or translation: the text is what a client receives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.sandbox.rows import Refused

STATUS = {
    "INVALID_SESSION_ID": 401,
    "API_DISABLED_FOR_ORG": 403,
    "REQUEST_LIMIT_EXCEEDED": 403,
    "NOT_FOUND": 404,
    "ENTITY_IS_DELETED": 404,
    "METHOD_NOT_ALLOWED": 405,
    "UNSUPPORTED_API_VERSION": 410,
    "URI_TOO_LONG": 414,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "UNKNOWN_EXCEPTION": 500,
    "SERVER_UNAVAILABLE": 503,
}
"""Codes whose HTTP status is not 400."""


class ApiError(Exception):
    """The request, or one row of it, is refused. `code` is the vendor's error code."""

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields

    @property
    def status(self) -> int:
        """The HTTP status when the whole request fails with it."""
        return STATUS.get(self.code, 400)

    def body(self) -> list[dict[str, Any]]:
        """The body of a failed request: an array, with `errorCode`."""
        found: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        return [{**found, "fields": list(self.fields)} if self.fields else found]

    def row(self) -> dict[str, Any]:
        """The error inside one row's result: `statusCode`, not `errorCode`."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def rows(self) -> list[dict[str, Any]]:
        """Every error inside one row's result."""
        return [self.row()]


class RuleViolation(ApiError, Refused):
    """Validation rules that do not let a record through, each with its own words (facts: Salesforce §3.3).

    The API names a rule's field only when a layout shows it; `reasons` name it in any case, for the sandbox's own
    screens, which have a layout of their own.
    """

    def __init__(self, errors: tuple[ApiError, ...], reasons: tuple[tuple[str, str], ...]) -> None:
        super().__init__(errors[0].code, errors[0].message, errors[0].fields)
        self.errors = errors
        self.reasons = reasons

    def body(self) -> list[dict[str, Any]]:
        """One entry for each rule; `fields` is always there, and empty for a message at the top of the page."""
        return [{"message": e.message, "errorCode": e.code, "fields": list(e.fields)} for e in self.errors]

    def rows(self) -> list[dict[str, Any]]:
        """One entry for each rule."""
        return [each.row() for each in self.errors]


@dataclass(frozen=True, slots=True)
class OAuthError(Exception):
    """The token endpoint refuses; its body is a bare object."""

    error: str
    description: str

    def body(self) -> dict[str, str]:
        """The body of the refusal."""
        return {"error": self.error, "error_description": self.description}


def not_found() -> ApiError:
    """No such resource or record."""
    return ApiError("NOT_FOUND", "The requested resource does not exist")


def no_such_column(name: str, entity: str) -> ApiError:
    """A field that the object does not have, or that the user may not see."""
    return ApiError(
        "INVALID_FIELD",
        f"No such column '{name}' on entity '{entity}'. A custom field needs its '__c'; "
        "see the describe call for the names.",
    )


def no_such_type(name: str) -> ApiError:
    """An object type that does not exist in a query."""
    return ApiError("INVALID_TYPE", f"sObject type '{name}' is not supported.")


def json_parser(wanted: str, got: object) -> ApiError:
    """A JSON value of the wrong type: refused before any row is looked at."""
    kind = {bool: "VALUE_BOOLEAN", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT", str: "VALUE_STRING"}
    shown = kind.get(type(got), "START_OBJECT")
    return ApiError("JSON_PARSER_ERROR", f"Cannot deserialize instance of {wanted} from {shown} value {got}")
