"""The states of a deploy and of a retrieve: asked for, looked at, cancelled, done; kept across restarts.

Not the deploying (`deploying.py`). A deploy is worked off at a later request, as there a worker does it in its own
time: a look or two finds it unfinished, and any other request to the org finds it done.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.ids import canonical, make_id
from connector.sandbox.salesforce.metadata.deploying import Options, deploy
from connector.sandbox.salesforce.values import wire_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.state import World

KEPT = "deploy:"
PREFIX = "0Af"
LOOKS = "deploy_looks"
"""Setting: how many looks at a deploy find it unfinished."""
DEFAULT_LOOKS = 1
PENDING, IN_PROGRESS, CANCELED = "Pending", "InProgress", "Canceled"
SUCCEEDED, PARTIAL, FAILED = "Succeeded", "SucceededPartial", "Failed"
NO_TESTS = "NoTestRun"
"""The level that production orgs refuse, whatever is deployed (GitHub forcedotcom/cli, issue 2105)."""
DEFAULTS: dict[str, Any] = {
    "allowMissingFiles": False,
    "autoUpdatePackage": False,
    "checkOnly": False,
    "ignoreWarnings": False,
    "performRetrieve": False,
    "purgeOnDelete": False,
    "rollbackOnError": True,
    "runTests": None,
    "singlePackage": True,
    "testLevel": None,
}


def submit(world: World, data: bytes, given: Mapping[str, Any], *, by: str, name: str) -> dict[str, Any]:
    """Take a zip in; its request: id, deployOptions, deployResult. `name` is the caller's. Raises ApiError."""
    options = {**DEFAULTS, **{k: v for k, v in given.items() if v is not None}}
    if options["testLevel"] == NO_TESTS and not _is_sandbox(world):
        raise ApiError("INVALID_OPERATION", f"testLevel of {NO_TESTS} cannot be used in production organizations")
    if "rollbackOnError" not in given and options["checkOnly"]:
        options["rollbackOnError"] = False
    number = 1 + sum(1 for key in world.settings if key.startswith(KEPT))
    at = wire_datetime(world.clock.now())
    result = {
        "checkOnly": options["checkOnly"],
        "createdBy": by,
        "createdByName": name,
        "createdDate": at,
        "done": False,
        "errorMessage": None,
        "errorStatusCode": None,
        "id": make_id(PREFIX, number),
        "ignoreWarnings": options["ignoreWarnings"],
        "lastModifiedDate": at,
        "numberComponentErrors": 0,
        "numberComponentsDeployed": 0,
        "numberComponentsTotal": 0,
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "rollbackOnError": options["rollbackOnError"],
        "runTestsEnabled": options["testLevel"] not in (None, NO_TESTS),
        "startDate": None,
        "stateDetail": None,
        "status": PENDING,
        "success": False,
        "details": None,
    }
    looks = int(world.settings.get(LOOKS, DEFAULT_LOOKS))
    request = {"id": result["id"], "deployOptions": options, "deployResult": result, "looks": looks}
    _keep(world, {**request, "zip": base64.b64encode(data).decode()})
    return request


def _is_sandbox(world: World) -> bool:
    return any(row.values.get("IsSandbox") for row in world.table("Organization").live())


def look(world: World, id: str) -> dict[str, Any]:
    """The request as a poller finds it; the looks that find it unfinished run down. Raises ApiError."""
    request = find(world, id)
    if request["deployResult"]["done"]:
        return request
    if request["looks"] <= 0:
        return _work(world, request)
    result = {**request["deployResult"], "status": IN_PROGRESS, "startDate": wire_datetime(world.clock.now())}
    request = {**request, "looks": request["looks"] - 1, "deployResult": result}
    _keep(world, request)
    return request


def cancel(world: World, id: str) -> dict[str, Any]:
    """Stop a deploy that is not done. Raises ApiError when it is."""
    request = find(world, id)
    if request["deployResult"]["done"]:
        raise ApiError("INVALID_ID_FIELD", "The deployment is already completed and cannot be canceled")
    return _finish(world, request, {"status": CANCELED, "canceledByName": request["deployResult"]["createdByName"]})


def settle(world: World) -> None:
    """Work off what is unfinished: called at every request that is no look at a deploy."""
    if world.scratch.get(KEPT, True):
        for key, request in list(world.settings.items()):
            if key.startswith(KEPT) and not request["deployResult"]["done"]:
                _work(world, request)
        world.scratch[KEPT] = False


def find(world: World, id: str) -> dict[str, Any]:
    """The request with this id. Raises ApiError."""
    found: dict[str, Any] | None = world.settings.get(f"{KEPT}{canonical(id)}")
    if found is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {id}")
    return found


def _work(world: World, request: dict[str, Any]) -> dict[str, Any]:
    given, result = request["deployOptions"], request["deployResult"]
    options = Options(
        check_only=given["checkOnly"],
        rollback=given["rollbackOnError"],
        allow_missing=given["allowMissingFiles"],
    )
    outcome = deploy(world, base64.b64decode(request["zip"]), options, by=result["createdBy"])
    at = wire_datetime(world.clock.now())
    failed = bool(outcome.failures or outcome.error)
    partly = bool(outcome.failures) and not options.rollback and len(outcome.failures) < len(outcome.components)
    status = PARTIAL if partly and not options.check_only else FAILED if failed else SUCCEEDED
    found = {**outcome.body(at), "status": status, "success": status == SUCCEEDED}
    if outcome.error:
        found.update(errorMessage=outcome.error, errorStatusCode="INVALID_OPERATION")
    return _finish(world, request, {"startDate": at, **found})


def _finish(world: World, request: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    at = wire_datetime(world.clock.now())
    result = {**request["deployResult"], "done": True, "completedDate": at, "lastModifiedDate": at, **found}
    request = {**request, "looks": 0, "deployResult": result, "zip": ""}
    _keep(world, request)
    return request


def _keep(world: World, request: dict[str, Any]) -> None:
    world.scratch[KEPT] = True
    world.setting(f"{KEPT}{request['id']}", request)
