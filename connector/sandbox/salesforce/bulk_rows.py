"""The rows of a Bulk 2.0 job: CSV in, each row saved as any other save, CSV of what became of it out.

Not jobs and their states (`bulk.py`). Facts: Salesforce §3.1: an empty cell leaves a field as it is, ``#N/A`` empties
it; a row fails by itself. A row's error is the vendor's ``CODE:message:fields --``.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import writes
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.ids import canonical
from connector.sandbox.salesforce.pubsub.capture import capture
from connector.sandbox.salesforce.rowfaults import struck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connector.sandbox.faults import Fault
    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.fields import Field, ObjectType
    from connector.sandbox.state import World

DELIMITERS = {"COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"}
NULL = "#N/A"
TOGETHER = 200
"""Rows of a batch that are saved together, as any API save: an id may stand among them once."""

ROW_FAULTS = frozenset({"partial", "row_lock"})
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
WRONG_TYPE = "INVALID_TYPE_ON_FIELD_IN_RECORD"
HUGE = 10_000_000
"""Characters a cell may hold; Python's own limit is below a long text area's."""

csv.field_size_limit(HUGE)


class BadData(Exception):
    """The data of a job cannot be read at all: the job fails, and nothing was done."""


def read(text: str, job: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Column names and rows. Raises BadData."""
    head = text[: text.find("\n") + 1]
    ending = job["lineEnding"]
    if head and head.endswith("\r\n") != (ending == "CRLF"):
        raise BadData(f"ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {ending}")
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=_delimiter(job))
    lines = [line for line in reader if line]
    if not lines:
        raise BadData("InvalidBatch : Unable to find any data")
    columns = lines.pop(0)
    if any(len(line) != len(columns) for line in lines):
        raise BadData("InvalidBatch : a row has not as many columns as the header")
    return columns, lines


def write(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Rows as the vendor gives them back: everything in quotes, lines that end in LF."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rows of one batch, by how they ended; each begins with its id and what the vendor says of it."""

    ok: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done with every row of one job."""

    world: World
    kind: ObjectType
    operation: str
    by: str
    fields: tuple[Field | None, ...]
    columns: tuple[str, ...]
    key: Field | None
    origin: str = ""

    @classmethod
    def of(cls, world: World, job: Row, columns: list[str]) -> Work:
        """The work of a job with these columns. Raises BadData for a column that is no field."""
        kind = catalog(world).object(job.values["object"])
        if kind is None:
            raise BadData(f"InvalidBatch : Unable to find object: {job.values['object']}")
        found = tuple(kind.find(name) for name in columns)
        unknown = next((name for name, one in zip(columns, found, strict=True) if one is None), None)
        if unknown is not None:
            raise BadData(f"InvalidBatch : Field name not found : {unknown}")
        name = job.values.get("externalIdFieldName")
        key = writes.external_key(kind, name) if name else None
        operation, origin = job.values["operation"], job.values.get("origin", "")
        return cls(world, kind, operation, job.created_by, found, tuple(columns), key, origin)

    def done(self, rows: Sequence[list[str]], fault: Fault | None) -> Outcome:
        """Save the rows of one batch, each by itself."""
        failing = struck(fault, len(rows))
        outcome = Outcome()
        for start in range(0, len(rows), TOGETHER):
            group = rows[start : start + TOGETHER]
            doubled = self._doubled(group)
            with capture(self.world).apart(self.origin):
                for index, row in enumerate(group, start):
                    self._one(row, failing.get(index), doubled, outcome)
        return outcome

    def _one(self, row: list[str], planted: ApiError | None, doubled: set[str], outcome: Outcome) -> None:
        try:
            if planted is not None:
                raise planted
            if self._identity(row) in doubled:
                raise ApiError("DUPLICATE_VALUE", f"duplicate id in list: {self._identity(row)}")
            record_id, created = self._save(row)
        except ApiError as error:
            # What is malformed in JSON is a value of the wrong type in a cell.
            told = ApiError(WRONG_TYPE, error.message) if error.code == "JSON_PARSER_ERROR" else error
            outcome.failed.append([canonical(self._cell(row, "id")) or "", spoken(told), *row])
        else:
            outcome.ok.append([record_id, str(created).lower(), *row])

    def _save(self, row: list[str]) -> tuple[str, bool]:
        world, kind, by = self.world, self.kind, self.by
        record_id = self._cell(row, "id")
        if self.operation == "delete":
            target = writes.live(world, kind, record_id)
            writes.delete(world, kind, target.id, by=by)
            return target.id, False
        values = self._values(row)
        if self.operation == "update":
            if not record_id:
                raise ApiError("MISSING_ARGUMENT", "Id not specified in an update call")
            target = writes.live(world, kind, record_id)
            found = writes.prepare(world, kind, values, creating=False, by=by)
            return writes.update(world, kind, target.id, found, by=by).id, False
        if self.operation == "insert" or self.key is None:
            found = writes.prepare(world, kind, values, creating=True, by=by)
            return writes.create(world, kind, found, by=by).id, True
        value = values.pop(self.key.name, None)
        if not value:
            raise ApiError("MISSING_ARGUMENT", f"{self.key.name} not specified")
        exists = world.table(kind.name).find_unique(self.key.name, value) is not None
        found = writes.prepare(world, kind, values, creating=not exists, by=by)
        saved, created = writes.upsert(world, kind, self.key, value, found, by=by)
        return saved.id, created

    def _values(self, row: list[str]) -> dict[str, Any]:
        return {
            one.name: _value(one, text)
            for one, text in zip(self.fields, row, strict=True)
            if one is not None and text != "" and one.name != "Id"
        }

    def _identity(self, row: list[str]) -> str:
        return self._cell(row, self.key.name.lower()) if self.key else canonical(self._cell(row, "id")) or ""

    def _doubled(self, rows: Sequence[list[str]]) -> set[str]:
        return {name for name, count in Counter(map(self._identity, rows)).items() if name and count > 1}

    def _cell(self, row: list[str], column: str) -> str:
        return next((text for name, text in zip(self.columns, row, strict=True) if name.lower() == column), "")


def spoken(error: ApiError) -> str:
    """A row's error as it stands in ``sf__Error``; several rules that block a row follow each other (unconfirmed)."""
    return "".join(f"{one['statusCode']}:{one['message']}:{' '.join(one['fields'])} --" for one in error.rows())


def _value(one: Field, text: str) -> Any:
    """A cell as JSON would have it."""
    if text == NULL:
        return None
    if one.type == "boolean":
        if text.lower() not in BOOLEANS:
            raise _wrong_type(one, text)
        return BOOLEANS[text.lower()]
    if one.type in ("int", "double", "currency", "percent"):
        try:
            return float(text)
        except ValueError as error:
            raise _wrong_type(one, text) from error
    return text


def _wrong_type(one: Field, text: str) -> ApiError:
    words = f"{one.label or one.name}: value not of required type: {text}"
    return ApiError(WRONG_TYPE, words, (one.name,))


def _delimiter(job: Mapping[str, Any]) -> str:
    return DELIMITERS[job["columnDelimiter"]]
