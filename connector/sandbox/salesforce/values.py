"""JSON values in, stored values out, wire values back: one rule per field type.

Stored form: text, bool, number, date as "2026-01-31", datetime as "2026-01-31T09:00:00.000+0000" (so that text order
is time order). Not here: required fields, references and other rules between fields (`writes.py`).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.errors import ApiError, json_parser
from connector.sandbox.salesforce.fields import NUMBER, TEXT, Field
from connector.sandbox.salesforce.ids import canonical

if TYPE_CHECKING:
    from collections.abc import Callable

PICKLISTS = frozenset({"picklist", "multipicklist"})
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)")


def wire_datetime(moment: datetime) -> str:
    """An instant as the API writes it: UTC, second resolution (facts: Salesforce §1.1)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def parse_datetime(text: str) -> datetime | None:
    """An instant from ISO text with a zone, cut to the second; None when it is none."""
    found = _DATETIME.fullmatch(text)
    if not found:
        return None
    try:
        return datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")).astimezone(UTC)
    except ValueError:
        return None


def parse_date(text: str) -> date | None:
    """A calendar day from ISO text; None when it is none."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def plain(value: Any) -> Any:
    """The stored form of a Python value written by someone inside the sandbox."""
    if isinstance(value, datetime):
        return wire_datetime(value)
    return value.isoformat() if isinstance(value, date) else value


def parse(field: Field, value: Any) -> Any:
    """The stored form of a JSON value. Raises ApiError: JSON_PARSER_ERROR for a wrong type, else the row's fault."""
    if value is None or value == "":
        if field.type == "boolean":
            raise ApiError(
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                f"{field.label or field.name}: value not of required type: {value}",
                (field.name,),
            )
        return None
    return _PARSERS[field.type](field, value)


def _text(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        raise json_parser("string", value)
    # Leading and trailing blanks do not survive a save.
    kept = value.strip()
    if field.length and len(kept) > field.length:
        raise ApiError(
            "STRING_TOO_LONG",
            f"{field.label or field.name}: data value too large: {kept[:60]} (max length={field.length})",
            (field.name,),
        )
    if field.values and kept and field.restricted and field.type in PICKLISTS and not _chosen(field, kept):
        raise ApiError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label or field.name}: bad value for restricted picklist field: {kept}",
            (field.name,),
        )
    return kept or None


def _chosen(field: Field, kept: str) -> bool:
    # Several choices stand in one text, divided by semicolons.
    picked = kept.split(";") if field.type == "multipicklist" else [kept]
    return all(one in field.values for one in picked)


def _boolean(_field: Field, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise json_parser("boolean", value)


def _number(field: Field, value: Any) -> float | int:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise json_parser(field.type, value) from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise json_parser(field.type, value)
    if field.type == "int" and value != int(value):
        raise json_parser("int", value)
    if field.precision and abs(value) >= 10 ** (field.precision - field.scale):
        raise ApiError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label or field.name}: value outside of valid range on numeric field: {value}",
            (field.name,),
        )
    return int(value) if field.type == "int" else round(float(value), field.scale)


def _date(_field: Field, value: Any) -> str:
    day = parse_date(value) if isinstance(value, str) else None
    if day is None:
        raise json_parser("date", value)
    return day.isoformat()


def _datetime(_field: Field, value: Any) -> str:
    moment = parse_datetime(value) if isinstance(value, str) else None
    if moment is None:
        raise json_parser("datetime", value)
    return wire_datetime(moment)


def _reference(field: Field, value: Any) -> str:
    found = canonical(value) if isinstance(value, str) else None
    if found is None:
        raise ApiError(
            "MALFORMED_ID", f"{field.label or field.name}: id value of incorrect type: {value}", (field.name,)
        )
    return found


_PARSERS: dict[str, Callable[[Field, Any], Any]] = {
    **dict.fromkeys(TEXT, _text),
    **dict.fromkeys(NUMBER, _number),
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "reference": _reference,
    "id": _reference,
}
