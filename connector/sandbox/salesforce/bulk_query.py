"""Bulk API 2.0, reading: a query is kept as a job and its result fetched in pages of CSV.

Not loading (`bulk.py`) and not the query language (`soql.py`). The next page is named by the header
``Sforce-Locator``, which says ``null`` on the last one (so npm jsforce expects it). A job has ended once it is asked.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import bulk, bulk_rows, soql
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.grammar import parse

if TYPE_CHECKING:
    from connector.sandbox.rows import Row

TYPE = "V2Query"
PAGE_ROWS = 50_000
OPERATIONS = ("query", "queryAll")


def create(ask: Ask) -> Reply:
    """POST /jobs/query."""
    body = ask.fields_of()
    operation, text = str(body.get("operation", "")), body.get("query")
    if operation not in OPERATIONS or not isinstance(text, str):
        raise ApiError("INVALIDJOB", "a query job needs the operation query or queryAll, and a query")
    statement = parse(text)
    job = bulk.open_job(
        ask,
        jobType=TYPE,
        operation=operation,
        object=statement.source,
        query=text,
        columnDelimiter=str(body.get("columnDelimiter", "COMMA")),
        lineEnding=str(body.get("lineEnding", "LF")),
    )
    return Reply(200, bulk.info(bulk.set_job(ask.world, job, state=bulk.QUEUED)))


def one(ask: Ask) -> Reply:
    """GET /jobs/query/ID."""
    job = bulk.found(ask, TYPE)
    if job.values["state"] == bulk.QUEUED:
        _, lines = _result(ask, job)
        job = bulk.set_job(ask.world, job, state=bulk.DONE, processed=len(lines))
    told = {"numberRecordsProcessed": int(job.values.get("processed") or 0), "retries": 0, "totalProcessingTime": 0}
    return Reply(200, {**bulk.info(job), **told})


def every(ask: Ask) -> Reply:
    """GET /jobs/query."""
    jobs = [row for row in ask.world.table(bulk.JOBS).live() if row.values["jobType"] == TYPE]
    return Reply(200, {"done": True, "nextRecordsUrl": None, "records": [bulk.info(job) for job in reversed(jobs)]})


def change(ask: Ask) -> Reply:
    """PATCH /jobs/query/ID: give it up."""
    job = bulk.found(ask, TYPE)
    if ask.fields_of().get("state") != bulk.ABORTED or job.values["state"] in bulk.ENDED:
        raise ApiError("INVALIDJOBSTATE", "a query job that has not ended can be set to Aborted")
    return Reply(200, bulk.info(bulk.set_job(ask.world, job, state=bulk.ABORTED)))


def delete(ask: Ask) -> Reply:
    """DELETE /jobs/query/ID."""
    job = bulk.found(ask, TYPE)
    ask.world.table(bulk.JOBS).delete(job.id, by=ask.user.id)
    return Reply(204)


def results(ask: Ask) -> Reply:
    """GET /jobs/query/ID/results?maxRecords=&locator=."""
    job = bulk.found(ask, TYPE)
    if job.values["state"] != bulk.DONE:
        raise ApiError("INVALIDJOBSTATE", "the results are there once the job has ended")
    columns, lines = _result(ask, job)
    start = _place(ask.query.get("locator", ""))
    end = min(start + _page_rows(ask), len(lines))
    ask.count(end - start)
    headers = {
        **bulk.CSV_TYPE,
        "Sforce-Locator": _locator(end) if end < len(lines) else "null",
        "Sforce-NumberOfRecords": str(end - start),
    }
    return Reply(200, bulk_rows.write(columns, lines[start:end]).encode(), headers)


def _result(ask: Ask, job: Row) -> tuple[list[str], list[list[str]]]:
    """Column names and rows of a job's query as the org stands now."""
    statement = parse(job.values["query"])
    deleted = job.values["operation"] == "queryAll"
    selection = soql.run(ask.world, statement, version=ask.version, deleted=deleted, user_id=ask.user.id)
    columns = [column.alias or column.path for column in statement.columns]
    rows = ({name.lower(): value for name, value in _flat(selection.show(row)).items()} for row in selection.rows)
    return columns, [[_text(row.get(name.lower())) for name in columns] for row in rows]


def _flat(record: dict[str, Any], under: str = "") -> dict[str, Any]:
    """A record with its parents' fields beside its own, named by their path."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name == "attributes":
            continue
        if isinstance(value, dict):
            flat |= _flat(value, f"{under}{name}.")
        else:
            flat[under + name] = value
    return flat


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _page_rows(ask: Ask) -> int:
    asked = ask.query.get("maxRecords", "")
    return max(1, min(PAGE_ROWS, int(asked))) if asked.isdigit() else PAGE_ROWS


def _locator(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def _place(locator: str) -> int:
    if not locator:
        return 0
    try:
        return int(base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)))
    except ValueError as error:
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator") from error
