"""Bulk API 2.0, loading: a job is opened, given one CSV, closed, and worked off later, 10,000 rows at a time.

Not the rows (`bulk_rows.py`) and not query jobs (`bulk_query.py`). Facts: Salesforce §3.1, §3.6. A closed job is worked
off by the sandbox's clock, and whenever somebody asks about it: each batch takes the setting `bulk_batch_s` (seconds,
1 by default), so that a job can be met while it is under way. Jobs, their data and their results are kept like records.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import bulk_rows
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.bulk_rows import DELIMITERS, BadData
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError, not_found
from connector.sandbox.salesforce.ids import make_id
from connector.sandbox.salesforce.pubsub.capture import origin
from connector.sandbox.salesforce.values import wire_datetime
from connector.sandbox.salesforce.writes import external_key

if TYPE_CHECKING:
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

JOBS, DATA = "BulkJob", "BulkData"
"""Tables beside those of the objects: no query sees them."""

PREFIX = "750"
"""Ids of jobs begin so."""

BATCH_ROWS = 10_000
MAX_BYTES = 150_000_000
"""Of one job's data in base64 (facts: Salesforce §3.1)."""

BATCH_SECONDS = 1.0
OPERATIONS = ("insert", "update", "upsert", "delete")
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
OPEN, QUEUED, RUNNING, DONE, FAILED, ABORTED = (
    "Open",
    "UploadComplete",
    "InProgress",
    "JobComplete",
    "Failed",
    "Aborted",
)
ENDED = frozenset({DONE, FAILED, ABORTED})
RESULTS = {"successfulresults": "ok", "failedresults": "failed", "unprocessedrecords": "left"}
HEADS = {"ok": ("sf__Id", "sf__Created"), "failed": ("sf__Id", "sf__Error"), "left": ()}
CSV_TYPE = {"content-type": "text/csv; charset=UTF-8"}


def add_tables(world: World) -> None:
    """Make room for jobs in a new world."""
    world.add_table(JOBS)
    world.add_table(DATA)


def create(ask: Ask) -> Reply:
    """POST /jobs/ingest."""
    body = ask.fields_of()
    operation = str(body.get("operation", ""))
    kind = catalog(ask.world).object(str(body.get("object", "")))
    if kind is None:
        raise ApiError("INVALIDENTITY", f"Unable to find object: {body.get('object')}")
    if operation not in OPERATIONS:
        raise ApiError("INVALIDOPERATION", f"the operation {operation!r} is not one of {', '.join(OPERATIONS)}")
    key = str(body.get("externalIdFieldName") or "")
    if operation == "upsert":
        external_key(kind, key)
    delimiter, ending = str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF"))
    if delimiter not in DELIMITERS or ending not in LINE_ENDINGS or body.get("contentType", "CSV") != "CSV":
        raise ApiError("INVALIDJOB", "contentType is CSV; columnDelimiter and lineEnding are one of the documented")
    job = open_job(
        ask,
        jobType="V2Ingest",
        object=kind.name,
        operation=operation,
        externalIdFieldName=key,
        origin=origin(ask.version, ask.headers.get("sforce-call-options", "")),
        columnDelimiter=delimiter,
        lineEnding=ending,
    )
    return Reply(200, info(job))


def upload(ask: Ask) -> Reply:
    """PUT /jobs/ingest/ID/batches: the data, once."""
    job = found(ask, "V2Ingest")
    if job.values["state"] != OPEN or ask.world.table(DATA).get(_name(job, "upload")):
        raise ApiError("INVALIDJOBSTATE", "data is taken once, while the job is open")
    if not isinstance(ask.body, bytes):
        raise ApiError("INVALIDJOB", "the data must be sent as text/csv")
    if len(ask.body) * 4 // 3 > ask.world.settings.get("bulk_max_bytes", MAX_BYTES):
        raise ApiError("LIMIT_EXCEEDED", "the data of a job must not exceed 150 MB in base64")
    try:
        text = ask.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ApiError("INVALIDJOB", "the data is not UTF-8") from error
    ask.world.table(DATA).insert({"text": text}, by=ask.user.id, id=_name(job, "upload"))
    return Reply(201)


def change(ask: Ask) -> Reply:
    """PATCH /jobs/ingest/ID: close it, or give it up."""
    job = found(ask, "V2Ingest")
    wanted, state = ask.fields_of().get("state"), job.values["state"]
    if wanted == QUEUED:
        if state != OPEN:
            raise ApiError("INVALIDJOBSTATE", f"Closing already {state} Job not allowed")
        now = wire_moment(ask)
        job = set_job(ask.world, job, state=QUEUED, closed=now)
    elif wanted == ABORTED:
        if state in ENDED:
            # These words stand in restforce issue 905.
            raise ApiError("INVALIDJOBSTATE", f"Aborting already {_spoken(state)} Job not allowed")
        job = set_job(ask.world, job, state=ABORTED)
    else:
        raise ApiError("INVALIDJOB", "a job can be set to UploadComplete or Aborted")
    return Reply(200, info(job))


def one(ask: Ask) -> Reply:
    """GET /jobs/ingest/ID."""
    return Reply(200, {**info(found(ask, "V2Ingest")), **_figures(found(ask, "V2Ingest"))})


def every(ask: Ask) -> Reply:
    """GET /jobs/ingest: all jobs, the newest first; one page."""
    jobs = [row for row in ask.world.table(JOBS).live() if row.values["jobType"] == "V2Ingest"]
    return Reply(200, {"done": True, "nextRecordsUrl": None, "records": [info(job) for job in reversed(jobs)]})


def delete(ask: Ask) -> Reply:
    """DELETE /jobs/ingest/ID: forget a job that has ended."""
    job = found(ask, "V2Ingest")
    if job.values["state"] not in ENDED:
        raise ApiError("INVALIDJOBSTATE", "only a job that has ended can be deleted")
    ask.world.table(JOBS).delete(job.id, by=ask.user.id)
    for row in list(ask.world.table(DATA).live()):
        if row.id.startswith(f"{job.id}:"):
            ask.world.table(DATA).delete(row.id, by=ask.user.id)
    return Reply(204)


def results(ask: Ask) -> Reply:
    """GET /jobs/ingest/ID/successfulResults, failedResults and unprocessedrecords, as CSV."""
    job = found(ask, "V2Ingest")
    which = RESULTS[ask.path[3].lower()]
    if job.values["state"] not in ENDED:
        raise ApiError("INVALIDJOBSTATE", "the results are there once the job has ended")
    data = ask.world.table(DATA).get(_name(job, "upload"))
    columns, rows = bulk_rows.read(data.values["text"], job.values) if data else ((), [])
    if which == "left":
        lines = rows[int(job.values.get("batches_done") or 0) * BATCH_ROWS :]
    else:
        lines = [line for part in _parts(ask.world, job, which) for line in part]
    ask.count(len(lines))
    return Reply(200, bulk_rows.write([*HEADS[which], *columns], lines).encode(), dict(CSV_TYPE))


# shared with query jobs


def open_job(ask: Ask, **values: Any) -> Row:
    """Keep a new job."""
    number = ask.world.counters[JOBS] = ask.world.counters[JOBS] + 1
    given = {**values, "state": OPEN, "apiVersion": float(ask.version), "created": wire_moment(ask)}
    return ask.world.table(JOBS).insert(given, by=ask.user.id, id=make_id(PREFIX, number))


def found(ask: Ask, job_type: str) -> Row:
    """The job a path names, worked off as far as its time has come. Raises ApiError NOT_FOUND."""
    job = ask.world.table(JOBS).get(ask.path[2])
    if job is None or job.values["jobType"] != job_type:
        raise not_found()
    return _worked_off(ask.world, job) if job_type == "V2Ingest" else job


def set_job(world: World, job: Row, **values: Any) -> Row:
    """Change a job."""
    return world.table(JOBS).update(job.id, values, by=job.created_by)


def info(job: Row) -> dict[str, Any]:
    """A job as POST, PATCH and the list show it."""
    told: dict[str, Any] = {
        "id": job.id,
        "operation": job.values["operation"],
        "object": job.values["object"],
        "createdById": job.created_by,
        "createdDate": job.values["created"],
        "systemModstamp": wire_datetime(job.modified_at),
        "state": job.values["state"],
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": job.values["apiVersion"],
        "jobType": job.values["jobType"],
        "lineEnding": job.values["lineEnding"],
        "columnDelimiter": job.values["columnDelimiter"],
    }
    if job.values.get("externalIdFieldName"):
        told["externalIdFieldName"] = job.values["externalIdFieldName"]
    if job.values["jobType"] == "V2Ingest" and job.values["state"] == OPEN:
        told["contentUrl"] = f"services/data/v{job.values['apiVersion']}/jobs/ingest/{job.id}/batches"
    return told


def wire_moment(ask: Ask) -> str:
    """Now, as the API writes it."""
    return wire_datetime(ask.world.clock.now())


# inside


def _figures(job: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "numberRecordsProcessed": int(job.values.get("processed") or 0),
        "numberRecordsFailed": int(job.values.get("failed") or 0),
        "retries": 0,
        "totalProcessingTime": 0,
        "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
    }
    if job.values.get("error"):
        told["errorMessage"] = job.values["error"]
    return told


def _worked_off(world: World, job: Row) -> Row:
    """The job after the batches whose time has come."""
    if job.values["state"] not in (QUEUED, RUNNING):
        return job
    data = world.table(DATA).get(_name(job, "upload"))
    try:
        if data is None:
            raise BadData("InvalidBatch : the job has no data")
        columns, rows = bulk_rows.read(data.values["text"], job.values)
        work = bulk_rows.Work.of(world, job, columns)
    except BadData as error:
        return set_job(world, job, state=FAILED, error=str(error))
    seconds = float(world.settings.get("bulk_batch_s", BATCH_SECONDS))
    waited = world.clock.now() - datetime.fromisoformat(job.values["closed"])
    whole = -(-len(rows) // BATCH_ROWS)
    due = whole if seconds <= 0 else min(whole, waited // timedelta(seconds=seconds))
    for number in range(int(job.values.get("batches_done") or 0), due):
        batch = rows[number * BATCH_ROWS : (number + 1) * BATCH_ROWS]
        fault = world.faults.take(world.name, "BATCH", f"/jobs/ingest/{job.id}/{number}")
        if fault is not None and fault.kind not in bulk_rows.ROW_FAULTS:
            # Stands for a batch that timed out in all its tries (facts: Salesforce §3.1).
            return set_job(world, job, state=FAILED, error="InternalServerError : Retried more than 20 times")
        job = _keep(world, job, number, work.done(batch, fault))
    ended = int(job.values.get("batches_done") or 0) >= whole
    state = DONE if ended else RUNNING
    return job if job.values["state"] == state else set_job(world, job, state=state)


def _keep(world: World, job: Row, number: int, outcome: bulk_rows.Outcome) -> Row:
    table = world.table(DATA)
    table.insert({"rows": outcome.ok}, by=job.created_by, id=_name(job, f"ok:{number}"))
    table.insert({"rows": outcome.failed}, by=job.created_by, id=_name(job, f"failed:{number}"))
    processed = int(job.values.get("processed") or 0) + len(outcome.ok) + len(outcome.failed)
    failed = int(job.values.get("failed") or 0) + len(outcome.failed)
    return set_job(world, job, batches_done=number + 1, processed=processed, failed=failed)


def _parts(world: World, job: Row, which: str) -> list[list[list[str]]]:
    done = range(int(job.values.get("batches_done") or 0))
    rows = (world.table(DATA).get(_name(job, f"{which}:{number}")) for number in done)
    return [row.values["rows"] for row in rows if row is not None]


def _name(job: Row, part: str) -> str:
    return f"{job.id}:{part}"


def _spoken(state: str) -> str:
    return "Completed" if state == DONE else state
