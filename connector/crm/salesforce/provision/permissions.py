"""Who may do what: the custom permission and the permission sets for the connector, Sales, approvers and CS.

Not here: who holds them (an admin assigns them) and what the org has (``org``). Required and master-detail fields
never stand in a permission set: a deploy that names one fails (facts: Salesforce §5.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from connector.crm.salesforce.keys import LEDGER_DEAL, LEDGER_KEY, LEDGER_OBJECT, LEDGER_RECORD
from connector.crm.salesforce.provision import fields
from connector.crm.salesforce.provision.component import Component, Tree, leaf
from connector.crm.salesforce.provision.fields import ACTIVITY, Place, object_of, places
from connector.crm.salesforce.provision.options import BYPASS, ByHand, Channel, Options, Part
from connector.handoff.model import Kind
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import WRITERS, is_peoples

INTEGRATION = "Handoff_Integration"
SALES = "Handoff_Sales"
APPROVER = "Handoff_Override_Approver"
SUCCESS = "Handoff_Customer_Success"

APPROVING = frozenset({"override_approver"})
"""Naming the approver is the approval: reps ask, and somebody else puts a name to it."""
INTAKE = frozenset(
    {
        *("csm", "account.csm", "account.onboarding_stage", "account.go_live_date"),
        *("reject_reason", "reject_note", "summary_reviewed", "handoff_rating", "repeat_asks"),
        *(f"account.{name}" for name in ("nps", "csat", "tickets_30", "churned_at", "renewed_at", "renewal_talk_at")),
        "account.expansion_amount",
    }
)
"""What customer success says and sets right, and Sales may not: reps neither grade themselves nor tick that the CSM has
read the summary, on which commission may hang. Any ``intake_…`` field of the map besides."""

SHARED = frozenset(
    {
        *("acceptance", "handoff_feedback", "commitments", "go_live_date", "replied_at", "scope_requests"),
        *("renewal_date", "milestones_done", "criteria_agreed", "timeline_agreed", "talk_rhythm", "escalation_contact"),
    }
)
"""What Sales fills and customer success goes on with. ``acceptance``: the CSM answers, the rep resubmits."""

_PARTS_OF_ADDRESS = re.compile(r"^(Billing|Shipping)(Street|City|State|PostalCode|Country|StateCode|CountryCode)$")
_MayEdit = Callable[[MappedField], bool]


def permissions(crm_map: CrmMap, options: Options, *, made: frozenset[str]) -> Part:
    """The custom permission and the sets. ``made`` are the full names of the custom fields this installation makes."""
    wanted = tuple(place for place in places(crm_map) if place.name in made)
    return Part(
        components=(
            _bypass(),
            _integration(crm_map, options, wanted),
            _people(SALES, "Handoff: Sales", _SALES_WHY, _field_rows(wanted, _sales_edits, options)),
            _people(
                APPROVER, "Handoff: override approver", _APPROVER_WHY, _field_rows(wanted, _approver_edits, options)
            ),
            _people(SUCCESS, "Handoff: Customer Success", _SUCCESS_WHY, _field_rows(wanted, _success_edits, options)),
            _bypass_set(),
        ),
        by_hand=tuple(_by_hand(crm_map, options)),
    )


_SALES_WHY = "Fill in the handoff fields and ask for an override; read the rest."
_APPROVER_WHY = "For the managers who may approve an override: besides what Sales may do, name the approver."
_SUCCESS_WHY = "Answer and rate handoffs, set the CSM, keep up what goes on after the win; read the rest."
_BYPASS_WHY = "For admins who load data: saves pass the native gate. The connector's own user must not hold it."


def _sales_edits(mapped: MappedField) -> bool:
    return _peoples(mapped) and mapped.path not in APPROVING and not _is_intake(mapped)


def _approver_edits(mapped: MappedField) -> bool:
    return _peoples(mapped) and not _is_intake(mapped)


def _peoples(mapped: MappedField) -> bool:
    return is_peoples(mapped.kind, mapped.name, mapped.owner)


def _success_edits(mapped: MappedField) -> bool:
    return _is_intake(mapped) or (_peoples(mapped) and mapped.path in SHARED)


def _connector_edits(mapped: MappedField) -> bool:
    return mapped.owner in WRITERS


def _is_intake(mapped: MappedField) -> bool:
    return mapped.path in INTAKE or mapped.name.startswith("intake_")


def _bypass() -> Component:
    body = (leaf("description", _BYPASS_WHY), leaf("isLicensed", False), leaf("label", "Handoff: pass the gate"))
    return Component("CustomPermission", BYPASS, body, why=_BYPASS_WHY)


def _bypass_set() -> Component:
    held: Tree = (("customPermissions", (leaf("enabled", True), leaf("name", BYPASS))),)
    return _set(BYPASS, "Handoff: pass the gate", _BYPASS_WHY, held)


def _people(name: str, label: str, why: str, rows: Iterable[tuple[str, Tree]]) -> Component:
    return _set(name, label, why, tuple(rows))


def _integration(crm_map: CrmMap, options: Options, wanted: tuple[Place, ...]) -> Component:
    why = "Least rights for the connector's own user. It never holds the permission to pass the gate."
    rows: Tree = (
        *_field_rows(wanted, _connector_edits, options),
        *_standard_rows(crm_map, options),
        *_ledger_rows(options),
        *_objects(crm_map, options),
        *(("userPermissions", (leaf("enabled", True), leaf("name", name))) for name in _user_permissions(options)),
    )
    return _set(INTEGRATION, "Handoff: connector", why, rows)


def _set(name: str, label: str, why: str, rows: Tree) -> Component:
    body = (leaf("description", why), *rows, leaf("hasActivationRequired", False), leaf("label", label))
    return Component("PermissionSet", name, tuple(sorted(body, key=_by_tag)), why=why)


def _by_tag(item: tuple[str, str | Tree]) -> str:
    return item[0]


def _field_rows(wanted: Iterable[Place], may_edit: _MayEdit, options: Options) -> Iterator[tuple[str, Tree]]:
    rows: dict[str, bool] = {}
    for place in wanted:
        # Task and Event share one right per Activity field: granted on one alone, it alters the other (facts: §3.4).
        homes = ("Task", "Event") if place.object == ACTIVITY else (place.object,)
        for home in homes:
            name = f"{home}.{place.mapped.field}"
            if name not in options.ungranted:
                rows[name] = may_edit(place.mapped) and name not in options.unwritten
    for name, editable in sorted(rows.items()):
        yield _field_row(name, editable=editable)


def _field_row(name: str, *, editable: bool) -> tuple[str, Tree]:
    return "fieldPermissions", (leaf("editable", editable), leaf("field", name), leaf("readable", True))


def _standard_rows(crm_map: CrmMap, options: Options) -> Iterator[tuple[str, Tree]]:
    rows: dict[str, bool] = {}
    for mapped in crm_map.fields.values():
        if mapped.field.endswith(fields.CUSTOM) or "." in mapped.field:
            continue
        home = object_of(crm_map, mapped.kind)
        # The parts of an address share the right of the whole.
        whole = _PARTS_OF_ADDRESS.sub(r"\1Address", mapped.field)
        name = f"{home}.{whole}"
        if not options.permissionable.isdisjoint({name, f"{home}.{mapped.field}"}):
            rows[name] = rows.get(name, False) or mapped.owner in WRITERS
    for name in _READ_BESIDES[: None if crm_map.contacts is not None else _OF_EVENTS]:
        if name in options.permissionable:
            rows.setdefault(name, False)
    for name, editable in sorted(rows.items()):
        yield _field_row(name, editable=editable)


_OF_EVENTS = 2
_READ_BESIDES = ("Event.IsAllDayEvent", "Event.ShowAs", "Contact.Email", "Contact.Title")
"""Fields that no map names: what takes time in calendars, and who the people with a role on a deal are."""


def _ledger_rows(options: Options) -> Iterator[tuple[str, Tree]]:
    if options.ledger:
        for field in sorted((LEDGER_KEY, LEDGER_RECORD, LEDGER_DEAL)):
            yield _field_row(f"{LEDGER_OBJECT}.{field}", editable=True)


def _objects(crm_map: CrmMap, options: Options) -> Iterator[tuple[str, Tree]]:
    """Deals and accounts are seen whole: polling with sharing in the way would miss wins in silence (facts: §7)."""
    deal, account = object_of(crm_map, Kind.DEAL), object_of(crm_map, Kind.ACCOUNT)
    # Who edits an account may put people on its team (facts: Salesforce §6.6).
    writes_accounts = any(mapped.owner in WRITERS for mapped in crm_map.of(Kind.ACCOUNT)) or bool(crm_map.teams.account)
    rows = {
        deal: _object_row(deal, edit=True, view_all=True),
        account: _object_row(account, edit=writes_accounts or options.writes_owner, view_all=True),
    }
    if crm_map.contacts is not None:
        rows["Contact"] = _object_row("Contact", edit=False, view_all=True)
    if options.ledger:
        rows[LEDGER_OBJECT] = _object_row(LEDGER_OBJECT, edit=True, view_all=True, create=True)
    for name in sorted(rows):
        yield "objectPermissions", rows[name]


def _object_row(name: str, *, edit: bool, view_all: bool, create: bool = False) -> Tree:
    return (
        leaf("allowCreate", create),
        leaf("allowDelete", False),
        leaf("allowEdit", edit),
        leaf("allowRead", True),
        leaf("modifyAllRecords", False),
        leaf("object", name),
        leaf("viewAllRecords", view_all),
    )


def _user_permissions(options: Options) -> list[str]:
    """What the user may do besides; activities have no object rights but these two (specs: PermissionSet)."""
    # The profiles made for integrations see no tasks and events unless they are told to.
    wanted = {"ApiEnabled": True, "ActivitiesAccess": True, "EditTask": True, "EditEvent": True}
    wanted["SendCustomNotifications"] = options.notifications
    wanted["TransferAnyEntity"] = options.writes_owner
    wanted["ViewAllData"] = options.activity_events and options.channel is not Channel.OFF
    return sorted(name for name, held in wanted.items() if held)


def _by_hand(crm_map: CrmMap, options: Options) -> Iterator[ByHand]:
    yield ByHand(
        "PermissionSetAssignment",
        "Assign the permission sets",
        f"{INTEGRATION} to the connector's user; {SALES} to reps; {APPROVER} to the managers who may approve; "
        f"{SUCCESS} to CSMs; {BYPASS} only to admins while they load data, never to the connector's user.",
        "Who works in which team is not in the mapping.",
    )
    missing = sorted(
        f"{object_of(crm_map, mapped.kind)}.{mapped.field}"
        for mapped in crm_map.fields.values()
        if not mapped.field.endswith(fields.CUSTOM) and mapped.kind in (Kind.DEAL, Kind.ACCOUNT)
    )
    if missing and not options.permissionable:
        yield ByHand(
            "PermissionSet",
            "Standard fields",
            f"Let the connector's user read {', '.join(missing)}; its profile may do so already.",
            "Which standard fields a permission set may name only the org itself can say.",
        )
