"""One whole turn of work at a CRM, step by step, and what a login may do there, taken away piece by piece.

Not here: any expectation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from contract.suite import meeting, note, patch, task
from contract.worlds import MAYA, World

from connector.crm.port import CRM, ChangePage
from connector.crm.salesforce.provision.component import Component, Tree
from connector.crm.writing import Applied, Write
from connector.errors import CrmError, UserError
from connector.handoff.model import Kind
from connector.handoff.rulebook.policy import Policy
from connector.policy.check import check
from connector.policy.crmmap import CrmMap
from connector.sandbox.salesforce import granting
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.users import integration_user
from connector.sandbox.state import World as State

RIGHT_TAGS = {
    "allowRead": "Read",
    "allowCreate": "Create",
    "allowEdit": "Edit",
    "allowDelete": "Delete",
    "viewAllRecords": "ViewAllRecords",
    "modifyAllRecords": "ModifyAllRecords",
}
"""The tags of a permission set's object rights and what the sandbox calls them (specs: PermissionSet)."""

CHECKED = (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.MEETING)
DUE = date(2026, 12, 1)
SOON = datetime(2026, 12, 1, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a permission set gives."""

    user: frozenset[str]
    objects: Mapping[str, frozenset[str]]
    fields: Mapping[str, tuple[bool, bool]]

    def pieces(self) -> Iterator[tuple[str, Rights]]:
        """The same without each single right of a user or on an object in turn, with that right's name."""
        for each in sorted(self.user):
            yield each, Rights(self.user - {each}, self.objects, self.fields)
        for name, rights in sorted(self.objects.items()):
            for right in sorted(rights):
                less = {**self.objects, name: rights - {right}}
                yield f"{right} on {name}", Rights(self.user, less, self.fields)


def rights_of(component: Component) -> Rights:
    """What a permission set of our own making says."""
    user, objects, fields = set(), {}, {}
    for tag, told in component.body:
        if not isinstance(told, tuple):
            continue
        row = _flat(told)
        if tag == "userPermissions":
            user.add(row["name"])
        elif tag == "objectPermissions":
            objects[row["object"]] = frozenset(right for key, right in RIGHT_TAGS.items() if row.get(key) == "true")
        elif tag == "fieldPermissions":
            fields[row["field"]] = (row["readable"] == "true", row["editable"] == "true")
    return Rights(frozenset(user), objects, fields)


def _flat(told: Tree) -> dict[str, str]:
    return {name: value for name, value in told if isinstance(value, str)}


def give(org: State, rights: Rights) -> None:
    """Let the connector's user do exactly this and nothing that a profile would add."""
    user = integration_user(org)
    with org.lock:
        bare = org.table("Profile").find_unique("Name", "Nothing") or org.table("Profile").insert(
            {"Name": "Nothing"}, by="setup"
        )
        granting.put_set(org, "NothingOfItsOwn", profile=bare.id)
        org.table("User").update(user.id, {"ProfileId": bare.id}, by="setup")
        held = granting.put_set(org, "Handoff_Integration")
        for row in list(org.table("FieldPermissions").where("ParentId", [held])):
            org.table("FieldPermissions").delete(row.id, by="setup")
        known = org.table("PermissionSet").get(held)
        assert known is not None
        every = {key: False for key, value in known.values.items() if key.startswith("Permissions") and value is True}
        org.table("PermissionSet").update(held, every, by="setup")
        granting.grant_user(org, held, rights.user)
        granting.grant_objects(org, held, {name: rights.objects.get(name, ()) for name in rights.objects})
        granting.grant_fields(org, held, rights.fields)
        granting.assign(org, user.id, held)


def gate_fields(org: State, names: Iterator[str]) -> None:
    """Have these fields be hidden from whoever is not granted them, as fields made by an installation are."""
    for full in names:
        owner, _, name = full.partition(".")
        catalog(org).hide_field(owner, name)


def told_by_check(crm: CRM, *, policy: Policy, crm_map: CrmMap) -> list[str]:
    """What ``handoff check`` would say of a login: of connecting, the mapped fields, rights and limits."""
    try:
        problems = [*crm.connect()]
        schemas = {kind: crm.describe(kind) for kind in CHECKED}
        problems += check(policy, crm_map, schemas=schemas, stages=crm.stages(), people=crm.people())
        problems += crm.examine().problems
    except (CrmError, UserError) as error:
        return [str(error)]
    return [str(problem) for problem in problems]


def work(world: World, **more: Any) -> list[str]:
    """Gate, assign, tasks, summary, meetings, sweep and feeds. Returns which steps failed, with the vendor's words."""
    crm, failed = world.crm, []
    deal = more.get("deal") or ""

    def step(name: str, done: bool, words: object = "") -> None:
        if not done:
            failed.append(f"{name}: {words}"[:300])

    try:
        csm = next((each.id for each in crm.people() if each.email == MAYA), "")
        step("people", bool(csm))
        step("stages", any(stage.is_won for stage in crm.stages()))
        crm.account_counts()
        step("sweep", any(deal in page for page in crm.scan_won(None)))
        cursors = {feed: crm.start_cursor(feed, world.now() - timedelta(days=1)) for feed in crm.feeds()}
        for name, page in crm.poll(cursors).items():
            step(f"feed {name}", isinstance(page, ChangePage), page)
        facts = crm.fetch([deal])
        step("read", deal in facts and facts[deal].account is not None)
        account = facts[deal].account.ref.id if deal in facts and facts[deal].account else ""
        rows: dict[str, Write] = {
            "gate": patch(Kind.DEAL, deal, gate="Held", missing="why", csm=csm, status="1 Preparation"),
            "assign": patch(Kind.ACCOUNT, account, csm=csm),
            "task": task(deal, subject="First call", owner=csm, due=DUE),
            "summary": note(deal, title="Handoff summary", body="x\nHandoff reference: k", owner=csm),
            "meeting": meeting(deal, subject="Kickoff", owner=csm, start=SOON, end=SOON + timedelta(minutes=30)),
        }
        for name, row in rows.items():
            (outcome,) = crm.apply([row])
            step(name, isinstance(outcome, Applied), outcome)
        found = crm.find(Kind.TASK, {rows["task"].key or "": deal})
        step("find", bool(found))
        again = crm.fetch([deal])[deal]
        step("read back", again.deal.values.get("gate") == "Held" and bool(again.tasks) and bool(again.notes))
    except (CrmError, UserError, KeyError) as error:
        failed.append(f"{type(error).__name__}: {error}"[:300])
    return failed
