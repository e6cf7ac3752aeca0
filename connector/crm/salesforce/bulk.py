"""Writing by Bulk API 2.0 jobs, driven by ourselves, one call at a time (facts: Salesforce §3.1, §3.6).

Not here: when a job is worth it, and keeping its id (``engine``, ``store``). The SDK's own bulk client is not used: it
tells a job's id only at the end, gives a job up when a look at it fails, and cannot empty a field. Updates by id only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from connector.crm.salesforce.faults import INVALID_JOB_STATE, of_row
from connector.crm.salesforce.fields import Names
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.wire import fields_of
from connector.crm.writing import (
    Applied,
    Bulk,
    JobState,
    Operation,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import Advice, CrmError, Fault, FaultCode
from connector.handoff.model import Kind

THRESHOLD = 2000
"""Rows: ten Collections calls of 200, against six or seven of a job."""

ROWS = 10_000
"""Rows of a job: one internal batch, so that a job that breaks off leaves few in question (facts: Salesforce §3.1)."""

CHARS = 20_000_000
"""Characters of a job: a fifth of the 100 MB that fit (facts: Salesforce §3.1), so that a job fits in memory too."""

CALLS = 5
"""Open, load, close, ask once, fetch what succeeded; rows that failed or were left out are a call each."""

LANES: tuple[tuple[Kind, Operation], ...] = ((Kind.DEAL, Operation.UPDATE),)
"""Tasks, notes and the CSM on the account never go by job: somebody waits for them."""

NULL = "#N/A"
"""Empties a field; an empty cell would leave it as it is (facts: Salesforce §3.1)."""

PATH = "jobs/ingest"
STATES: Mapping[str, JobState] = {
    "Open": JobState.OPEN,
    "UploadComplete": JobState.RUNNING,
    "InProgress": JobState.RUNNING,
    "JobComplete": JobState.ENDED,
    "Failed": JobState.BROKEN_OFF,
    "Aborted": JobState.BROKEN_OFF,
}
"""A state that is not listed counts as running: it is asked again."""

LEFT_OUT = Fault(
    code=FaultCode.UNAVAILABLE,
    vendor_code="UNPROCESSED",
    message="the job ended before it came to this row",
)
UNTOLD = Fault(
    code=FaultCode.OUTCOME_UNKNOWN,
    vendor_code="UNTOLD",
    message="the job's results do not mention this row",
)
CELL_CHARS = 1_000_000
"""Most of one cell: Python's own limit is below a long text area's 131,072 characters with every one escaped."""

ID_CHARS = 15
"""Of an id that tell records apart; the other three are a checksum."""

csv.field_size_limit(CELL_CHARS)


def offered(threshold: int) -> dict[tuple[Kind, Operation], Bulk]:
    """The lanes with jobs, as capabilities tell them; none for threshold 0."""
    if threshold == 0:
        return {}
    return dict.fromkeys(LANES, Bulk(threshold=threshold, size=ROWS, chars=CHARS, calls=CALLS))


class BulkJobs:
    """Implements `connector.crm.port.Jobs` for one org."""

    def __init__(self, session: SalesforceSession, names: Names) -> None:
        self._session = session
        self._names = names

    def open(self, kind: Kind, operation: Operation) -> str:
        """Open a job and return its id."""
        body = {
            "object": self._names.object(kind),
            "operation": operation.value,
            "contentType": "CSV",
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        answer = self._session.write("bulk.open", PATH, method="POST", body=body)
        job_id = answer.get("id") if isinstance(answer, Mapping) else None
        if not job_id:
            raise CrmError(Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", "a job was opened without an id"))
        return str(job_id)

    def load(self, job_id: str, writes: Sequence[Write]) -> None:
        """Send the rows and close the job."""
        self._session.put_csv("bulk.load", f"{PATH}/{job_id}/batches", _as_utf8(self.table(writes)))
        self._session.write("bulk.close", f"{PATH}/{job_id}", method="PATCH", body={"state": "UploadComplete"})

    def ask(self, job_id: str) -> JobState:
        """How the job stands."""
        try:
            answer = self._session.read("bulk.ask", f"{PATH}/{job_id}")
        except CrmError as error:
            if error.fault.code is FaultCode.RECORD_GONE:
                return JobState.GONE
            raise
        state = str(answer.get("state")) if isinstance(answer, Mapping) else ""
        return STATES.get(state, JobState.RUNNING)

    def results(self, job_id: str, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """What became of each row; what is not needed is not fetched."""
        told: dict[str, WriteOutcome] = {}
        for row in self._fetch(job_id, "successfulResults", needs="sf__Id"):
            if record_id := row["sf__Id"]:
                told[_short(record_id)] = Applied(record_id)
        if not _all_told(writes, told):
            for row in self._fetch(job_id, "failedResults", needs="sf__Error"):
                told[_identity(row)] = Refused(of_row([row_error(row["sf__Error"] or "")], key_field=None))
        if not _all_told(writes, told):
            for row in self._fetch(job_id, "unprocessedrecords", needs="Id"):
                told.setdefault(_identity(row), Refused(LEFT_OUT))
        return tuple(told.get(_short(write.record_id), Unknown(UNTOLD)) for write in writes)

    def give_up(self, job_id: str) -> bool:
        """Abort an open job; one that is gone or has been given up already cannot run either."""
        try:
            self._session.write("bulk.abort", f"{PATH}/{job_id}", method="PATCH", body={"state": "Aborted"})
        except CrmError as error:
            if error.fault.code is FaultCode.RECORD_GONE:
                return True
            if error.fault.vendor_code == INVALID_JOB_STATE or error.fault.advice in (Advice.PARK, Advice.VERIFY):
                return False
            raise
        return True

    def table(self, writes: Sequence[Write]) -> str:
        """The rows as CSV, those of one account side by side: fewer lock conflicts (facts: Salesforce §3.1)."""
        ordered = sorted(writes, key=lambda write: (_account_of(write), write.record_id or ""))
        rows = [{"Id": write.record_id or "", **fields_of(write, self._names)} for write in ordered]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(columns)
        table.writerows([cell(row[name]) if name in row else "" for name in columns] for row in rows)
        return out.getvalue()

    def _fetch(self, job_id: str, which: str, *, needs: str) -> list[dict[str, str | None]]:
        """The rows of one of a job's results; cells that a short line lacks are None. Nothing at all is no rows."""
        text = self._session.text("bulk.results", f"{PATH}/{job_id}/{which}")
        table = csv.DictReader(io.StringIO(text, newline=""))
        try:
            rows: list[dict[str, str | None]] = list(table)
        except csv.Error as error:
            raise CrmError(_unreadable(which)) from error
        if text.strip() and needs not in (table.fieldnames or ()):
            raise CrmError(_unreadable(which))
        return rows


def _unreadable(which: str) -> Fault:
    return Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", f"a job's {which} are not the table that is documented")


def _as_utf8(text: str) -> bytes:
    """JSON may bring half of a pair of code units into a text; one deal with such a letter must not stop all others."""
    return text.encode("utf-8", "replace")


def cell(value: Any) -> str:
    """A field of a row as a cell; nothing at all is ``#N/A``."""
    if value is None or value == "":
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).replace("\r\n", "\n").replace("\r", "\n")


def row_error(text: str) -> dict[str, Any]:
    """A row's ``CODE:message:fields --`` as Collections would tell it; the fields are after the last colon, if any."""
    code, _, rest = text.partition(":")
    message, colon, fields = rest.removesuffix("--").rstrip().rpartition(":")
    if not colon:
        message, fields = fields, ""
    return {"statusCode": code, "message": message, "fields": fields.replace(",", " ").split()}


def _all_told(writes: Sequence[Write], told: Mapping[str, WriteOutcome]) -> bool:
    return all(_short(write.record_id) in told for write in writes)


def _identity(row: Mapping[str, str | None]) -> str:
    return _short(row.get("sf__Id") or row.get("Id"))


def _short(record_id: str | None) -> str:
    return (record_id or "")[:ID_CHARS]


def _account_of(write: Write) -> str:
    return next((ref.id for ref in write.parents if ref.kind is Kind.ACCOUNT), "")
