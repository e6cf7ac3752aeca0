"""What `handoff check` asks of an org beyond its fields: rights on objects, the gate's bypass, what is left of limits.

Not here: fields, types and choices (``policy.check``), keys of tasks and change events (``adapter.connect``). Setup
objects that this login may not read are left out and said, never taken for absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.crm.port import (
    Examination,
)
from connector.crm.salesforce.fields import OBJECTS, Names
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import Soql, both, select, select_in, tooling_path, where
from connector.errors import Advice, CrmError, Problem
from connector.handoff.model import Kind
from connector.policy.known import WRITERS

WHERE = "the CRM"
BYPASS = "Handoff_Gate_Bypass"
"""The permission to pass the native gate; a daemon that held it would defeat its own gate (facts: Salesforce §7)."""

SCARCE = 0.1
"""The share of the day's calls below which `check` warns."""

CALLS = "DailyApiRequests"
VIEW_ALL = (Kind.DEAL, Kind.ACCOUNT)
"""What must be seen whole: a record that is not shared is a silent gap (facts: Salesforce §7)."""

_Wish = tuple[str, str, str]
READ: _Wish = ("queryable", "Read", "it cannot be read")
EDIT: _Wish = ("updateable", "Edit", "it cannot be written")
CREATE: _Wish = ("createable", "Create", "it cannot be made")
"""Flag in describe, the right's name in a permission set, what follows without it."""


def examine(session: SalesforceSession, names: Names) -> Examination:
    """Problems, each with its fix, and what an admin may want to know. Raises `CrmError`."""
    problems = [*_objects(session, names), *_bypass(session)]
    seen_whole, unread = _view_all(session, names)
    problems += seen_whole
    limit_problems, limits = _limits(session)
    problems += limit_problems
    notes = (_who(session), limits, *_channel(session), *unread)
    return Examination(tuple(problems), tuple(note for note in notes if note))


def _objects(session: SalesforceSession, names: Names) -> Iterator[Problem]:
    for kind, wishes in _wishes(names).items():
        name = names.object(kind)
        told = _read(session, f"sobjects/{name}/describe")
        if told is None:
            message = f"{name} is hidden from this login; give its permission set Read on {name}"
            yield Problem(WHERE, f"objects.{kind.value}", message)
            continue
        for flag, right, effect in wishes:
            if told.get(flag) is False:
                message = f"{name}: {effect} with this login; give its permission set {right} on {name}"
                yield Problem(WHERE, f"objects.{kind.value}", message)


def _wishes(names: Names) -> dict[Kind, Sequence[_Wish]]:
    """What the mapping makes of each object: an account that is only read needs no Edit."""
    account = (READ, EDIT) if any(one.owner in WRITERS for one in names.mapped(Kind.ACCOUNT)) else (READ,)
    wishes: dict[Kind, Sequence[_Wish]] = {Kind.DEAL: (READ, EDIT), Kind.ACCOUNT: account}
    wishes |= {Kind.TASK: (READ, CREATE, EDIT), Kind.NOTE: (CREATE,)}
    if names.crm_map.get(Kind.MEETING, "key") is not None:
        wishes[Kind.MEETING] = (READ, CREATE, EDIT)
    return wishes


def _view_all(session: SalesforceSession, names: Names) -> tuple[list[Problem], list[str]]:
    held = _rows(
        session,
        select(
            ["PermissionSetId"],
            of="PermissionSetAssignment",
            where=where("AssigneeId", "=", session.identity.user_id),
        ),
    )
    sets = [str(row["PermissionSetId"]) for row in held or ()]
    all_seen = where("PermissionsViewAllRecords", "=", value=True)
    asked = select_in(["SobjectType"], of="ObjectPermissions", where=all_seen, field="ParentId")
    rows = _rows(session, next(asked.of(sets))) if sets else None
    if rows is None:  # refused, or not even its profile's own set is shown
        return [], ["whether it sees all deals and accounts cannot be read with this login"]
    seen = {str(row["SobjectType"]) for row in rows}
    return [
        Problem(
            WHERE,
            f"objects.{kind.value}",
            f"{name}: records that are not shared with this login are not seen, and nothing tells of them; "
            f"give its permission set View All on {name}",
        )
        for kind in VIEW_ALL
        if (name := names.object(kind)) not in seen
    ], []


def _bypass(session: SalesforceSession) -> Iterator[Problem]:
    held = both(where("AssigneeId", "=", session.identity.user_id), where("PermissionSet.Name", "=", BYPASS))
    if _rows(session, select(["Id"], of="PermissionSetAssignment", where=held)):
        message = f"the connector's user holds {BYPASS}, so the native gate does not look at its writes; take it away"
        yield Problem(WHERE, "permissions", message)


def _limits(session: SalesforceSession) -> tuple[list[Problem], str]:
    told = (_read(session, "limits/") or {}).get(CALLS)
    if not isinstance(told, Mapping) or not told.get("Max"):
        return [], "the day's API calls cannot be read with this login"
    most, left = int(told["Max"]), int(told["Remaining"])
    problems = []
    if left < most * SCARCE:
        message = f"only {left:,} of {most:,} API calls are left today; see which program uses them (Setup > API Usage)"
        problems.append(Problem(WHERE, "limits", message))
    return problems, f"{left:,} of {most:,} API calls left today"


def _who(session: SalesforceSession) -> str:
    rows = _rows(session, select(["IsSandbox"], of="Organization")) or []
    kind = "sandbox org" if any(row.get("IsSandbox") for row in rows) else "org"
    return f"{kind} {session.identity.org_id}, user {session.identity.user_id}, API {session.api_version}"


def _channel(session: SalesforceSession) -> Iterator[str]:
    """Which changes the org tells of; setup data, so a login of few rights may not see it."""
    soql = select(["SelectedEntity"], of="PlatformEventChannelMember")
    told = _read(session, tooling_path(soql))
    if told is None:
        return
    selected = sorted({str(row.get("SelectedEntity")) for row in told.get("records") or ()})
    ours = [name for name in OBJECTS.values() if f"{name}ChangeEvent" in selected]
    yield f"change events: {', '.join(ours)}" if ours else "change events: none selected, so changes are polled"


def _rows(session: SalesforceSession, soql: Soql) -> list[Mapping[str, Any]] | None:
    try:
        return [row for page in session.query(soql) for row in page]
    except CrmError as error:
        _raise_unless_refused(error)
        return None


def _read(session: SalesforceSession, path: str) -> Mapping[str, Any] | None:
    try:
        told = session.read("check", path)
    except CrmError as error:
        _raise_unless_refused(error)
        return None
    return told if isinstance(told, Mapping) else None


def _raise_unless_refused(error: CrmError) -> None:
    if error.fault.advice not in (Advice.PARK, Advice.REREAD):
        raise error
