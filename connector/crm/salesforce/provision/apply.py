"""Doing a plan: one check-only deploy, then one deploy of the same package, then who holds which permission set.

Not here: what the plan holds (``compare``, ``remove``). Everything of a package is done or nothing is
(rollbackOnError); the rows that assign permission sets are each their own call and may be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.crm.salesforce.provision.items import Grant
from connector.crm.salesforce.provision.metadata import MetadataLine, waits
from connector.crm.salesforce.provision.org import rows
from connector.crm.salesforce.soql import both, select, where
from connector.errors import Advice, CrmError, Fault, FaultCode

ALREADY_THERE = "DUPLICATE_VALUE"
"""What the org answers when the assignment exists."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One component that was refused, in the vendor's words."""

    type: str
    name: str
    file: str
    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a deploy is."""

    job: str
    check_only: bool
    done: int
    total: int
    state: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deploy ended. Nothing was changed unless ``ok``, and nothing by a check-only one."""

    job: str
    ok: bool
    failures: tuple[Failure, ...] = ()
    words: str = ""


DEPLOY_PATIENCE = 3600.0
"""Seconds. Deploys wait in the org's queue behind others; where nobody sits at the terminal, an end must be told."""


class LeftRunning(Exception):
    """Ctrl-C while the org works on a deploy, or a ``fault`` that keeps us from seeing its end. It goes on there."""

    def __init__(self, job: str, *, check_only: bool, fault: Fault | None = None) -> None:
        self.job = job
        self.check_only = check_only
        self.fault = fault
        super().__init__(job)


def deploy(
    line: MetadataLine,
    archive: bytes,
    *,
    check_only: bool,
    told: Callable[[Progress], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Deploy a package and wait for its end, up to `DEPLOY_PATIENCE`.

    Raises `CrmError` when nothing was handed over, or perhaps (its advice is then VERIFY), and `LeftRunning` when the
    person stops waiting, the login stops working meanwhile (an admin's token may end before a long deploy does), or the
    org takes longer: it goes on there, and a plan later shows what came of it.
    """
    job = line.start_deploy(archive, check_only=check_only)
    waited = 0.0
    try:
        for wait in waits():
            result = _status(line, job)
            told(_progress(job, result, check_only=check_only))
            if result.get("done"):
                return _outcome(job, result)
            if waited > DEPLOY_PATIENCE:
                words = f"the org has not finished it after {waited / 60:.0f} minutes"
                raise CrmError(Fault(FaultCode.UNAVAILABLE, "STILL_RUNNING", words))
            sleep(wait)
            waited += wait
    except KeyboardInterrupt as error:
        raise LeftRunning(job, check_only=check_only) from error
    except CrmError as error:
        raise LeftRunning(job, check_only=check_only, fault=error.fault) from error
    raise AssertionError("waits never ends")


def settle_grants(line: MetadataLine, grants: Sequence[Grant]) -> Iterator[tuple[Grant, str]]:
    """Give or take permission sets; each with the vendor's refusal, empty when it is as wanted."""
    for grant in grants:
        try:
            _take(line, grant) if grant.take else _give(line, grant)
        except CrmError as error:
            refused = error.fault.vendor_code != ALREADY_THERE
            yield grant, f"{error.fault.vendor_code}: {error.fault.message}" if refused else ""
        else:
            yield grant, ""


def _give(line: MetadataLine, grant: Grant) -> None:
    soql = select(["Id"], of="PermissionSet", where=where("Name", "=", grant.permission_set))
    found = next((str(row["Id"]) for row in rows(line, soql)), "")
    if not found:
        words = f"the org shows no permission set {grant.permission_set}"
        raise CrmError(Fault(FaultCode.REJECTED, "NOT_FOUND", words))
    body = {"AssigneeId": grant.user_id, "PermissionSetId": found}
    line.session.write("permission.assign", "sobjects/PermissionSetAssignment/", method="POST", body=body)


def _take(line: MetadataLine, grant: Grant) -> None:
    held = both(where("AssigneeId", "=", grant.user_id), where("PermissionSet.Name", "=", grant.permission_set))
    for row in list(rows(line, select(["Id"], of="PermissionSetAssignment", where=held))):
        path = f"sobjects/PermissionSetAssignment/{row['Id']}"
        line.session.write("permission.unassign", path, method="DELETE", body=None)


def _status(line: MetadataLine, job: str) -> Mapping[str, Any]:
    """How the deploy stands; a line that is down for a while is no end of it."""
    try:
        return line.deploy_status(job)
    except CrmError as error:
        if error.fault.advice is not Advice.RETRY:
            raise
        return {"status": f"no answer ({error.fault.vendor_code})"}


def _progress(job: str, result: Mapping[str, Any], *, check_only: bool) -> Progress:
    return Progress(
        job=job,
        check_only=check_only,
        done=int(result.get("numberComponentsDeployed") or 0),
        total=int(result.get("numberComponentsTotal") or 0),
        state=str(result.get("stateDetail") or result.get("status") or ""),
    )


def _outcome(job: str, result: Mapping[str, Any]) -> Outcome:
    details = result.get("details")
    told = details.get("componentFailures") if isinstance(details, Mapping) else None
    failures = tuple(_failure(each) for each in _listed(told))
    words = str(result.get("errorMessage") or result.get("status") or "")
    return Outcome(job, ok=bool(result.get("success")), failures=failures, words=words)


def _failure(told: Mapping[str, Any]) -> Failure:
    return Failure(
        type=str(told.get("componentType") or ""),
        name=str(told.get("fullName") or ""),
        file=str(told.get("fileName") or ""),
        line=int(told.get("lineNumber") or 0),
        problem=str(told.get("problem") or "no reason was given"),
    )


def _listed(told: Any) -> Sequence[Mapping[str, Any]]:
    """One failure may come bare, several as a list."""
    if isinstance(told, Mapping):
        return [told]
    return [each for each in told or () if isinstance(each, Mapping)]
