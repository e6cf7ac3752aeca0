"""The Salesforce-like org in the vocabulary of `views`: opportunities, accounts, tasks, events, notes, users.

Writes rows directly, as the screens do; the wire API with its checks is in `salesforce/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import actions
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.views import (
    ACCOUNT_STEMS,
    CUSTOM_STEMS,
    AccountView,
    ActivityKind,
    ActivityView,
    BellView,
    ChangeView,
    ContactView,
    DealView,
    FieldKind,
    FieldView,
    MemberView,
    NoteView,
    Record,
    Stage,
    TaskView,
    UserView,
    as_day,
    as_kind,
    as_moment,
    as_number,
    typed,
)

if TYPE_CHECKING:
    from connector.sandbox.agreed import DealType
    from connector.sandbox.book import Phase
    from connector.sandbox.people import Person
    from connector.sandbox.rows import Row
    from connector.sandbox.salesforce.fields import Field
    from connector.sandbox.state import World

PIPELINE = "default"
_WON, _LOST = "Closed Won", "Closed Lost"
_STAGE_OF_PHASE: dict[str, str] = {
    "lead": "Prospecting",
    "qualified": "Qualification",
    "demo": "Needs Analysis",
    "proposal": "Proposal/Price Quote",
    "negotiation": "Negotiation/Review",
    "won": _WON,
    "lost": _LOST,
}
_STAGES = {
    name: Stage(name, name, PIPELINE, name == _WON, name in (_WON, _LOST), order)
    for order, name in enumerate(_STAGE_OF_PHASE.values())
}
_TYPES: dict[DealType, str] = {"new": "New Business", "renewal": "Renewal", "upsell": "Upsell"}
_TYPE_OF: dict[str, DealType] = {name: key for key, name in _TYPES.items()}

_UPPER = {word: word.upper() for word in ("ae", "csm", "ttft", "ttfv", "nps", "csat")}


def _custom(stem: str) -> str:
    return "Handoff_" + "_".join(_UPPER.get(part, part.capitalize()) for part in stem.split("_")) + "__c"


_CUSTOM: dict[str, str] = {name: _custom(stem) for name, stem in CUSTOM_STEMS.items()}
_STANDARD: dict[str, str] = {
    "name": "Name",
    "stage": "StageName",
    "amount": "Amount",
    "close_date": "CloseDate",
    "owner": "OwnerId",
    "account": "AccountId",
    "next_step": "NextStep",
    "lead_source": "LeadSource",
    "description": "Description",
}
_API: dict[str, str] = _CUSTOM | _STANDARD
_CANONICAL: dict[str, str] = {api: name for name, api in _API.items()}
_ACCOUNT = {
    "name": "Name",
    "industry": "Industry",
    "country": "BillingCountry",
    "employees": "NumberOfEmployees",
    "website": "Website",
    "csm": "Handoff_CSM__c",
    "parent": "ParentId",
    "revenue": "AnnualRevenue",
}
_ACCOUNT_CANONICAL: dict[str, str] = {_custom(stem): stem for stem in ACCOUNT_STEMS}
_OBJECTS: dict[Record, str] = {"deal": "Opportunity", "account": "Account"}
_TEAMS: dict[Record, tuple[str, str]] = {
    "deal": ("OpportunityTeamMember", "OpportunityId"),
    "account": ("AccountTeamMember", "AccountId"),
}
_KINDS: dict[str, FieldKind] = {
    "boolean": "checkbox", "date": "date", "datetime": "moment", "picklist": "choice", "double": "number",
    "currency": "number", "percent": "number", "int": "number", "reference": "user",
}  # fmt: skip
_DONE = "Completed"
_SEEN_AS_TASK = (None, "Task")


class SalesforceView:
    """What people see and do in the org. See `views.CrmView`."""

    label = "Salesforce org"

    def __init__(self, world: World) -> None:
        self.world = world
        # The screens and the tally need to know who changed what; an org would call it field history tracking.
        deals = world.table("Opportunity")
        deals.tracked = deals.tracked | {"*"}

    # stages and people

    def stages(self) -> list[Stage]:
        """The stages in board order."""
        return list(_STAGES.values())

    def stage_of(self, phase: Phase, deal_type: DealType) -> Stage:  # noqa: ARG002 - one pipeline for every type
        """The stage that a phase of the sale stands for."""
        return _STAGES[_STAGE_OF_PHASE[phase]]

    def users(self) -> list[UserView]:
        """Everybody, those who left included."""
        return [self._user(row) for row in self.world.table("User").live()]

    def user_named(self, email: str) -> UserView:
        """The user with this e-mail address."""
        row = next(self.world.table("User").where("Email", [email]), None)
        if row is None:
            raise KeyError(email)
        return self._user(row)

    def who(self, by: str) -> str:
        """The name of the user with this id, or the id."""
        row = self.world.table("User").get(by)
        return str(row.values.get("Name") or by) if row else by

    def actor(self, by: str) -> str:
        """How a user's writes are signed."""
        return by

    def has_field(self, name: str) -> bool:
        """Whether deals have this field: a bare org lacks those that the product adds."""
        found = catalog(self.world).object("Opportunity")
        return name not in _API or (found is not None and found.find(_API[name]) is not None)

    def custom(self, record: Record) -> list[FieldView]:
        """The fields that an admin gave a deal or an account."""
        names = _CANONICAL if record == "deal" else _ACCOUNT_CANONICAL
        found = catalog(self.world).object(_OBJECTS[record])
        own = [field for field in found.own if field.custom] if found else []
        return [
            FieldView(names.get(f.name, f.name), f.label or f.name, _kind(f), f.values, f.read_only or bool(f.formula))
            for f in own
            if f.type != "reference" or f.to == ("User",)
        ]

    def values(self, record: Record, record_id: str) -> dict[str, Any]:
        """What stands in them, where they are not empty."""
        names = _CUSTOM if record == "deal" else {stem: api for api, stem in _ACCOUNT_CANONICAL.items()}
        row = self._need(_OBJECTS[record], record_id)
        stored = {f.name: as_kind(f.kind, row.values.get(names.get(f.name, f.name))) for f in self.custom(record)}
        return {name: value for name, value in stored.items() if value is not None}

    def team_of(self, record: Record, record_id: str) -> list[MemberView]:
        """Who is on the opportunity's or the account's team."""
        table, to = _TEAMS[record]
        rows = self.world.table(table).where(to, [record_id])
        return [MemberView(r.values.get("UserId") or "", r.values.get("TeamMemberRole") or "") for r in rows]

    # deals and accounts

    def deals(self) -> Iterator[DealView]:
        """Every deal."""
        return (self._deal(row) for row in self.world.table("Opportunity").live())

    def deal(self, deal_id: str) -> DealView:
        """One deal."""
        return self._deal(self._need("Opportunity", deal_id))

    def accounts(self) -> Iterator[AccountView]:
        """Every account."""
        return (_account(row) for row in self.world.table("Account").live())

    def account(self, account_id: str) -> AccountView:
        """One account."""
        return _account(self._need("Account", account_id))

    def deals_of(self, account_id: str) -> list[DealView]:
        """The deals of an account."""
        return [self._deal(row) for row in self.world.table("Opportunity").where("AccountId", [account_id])]

    def contacts_of(self, account_id: str) -> list[ContactView]:
        """The contacts of an account."""
        return [_contact(row) for row in self.world.table("Contact").where("AccountId", [account_id])]

    # what hangs on a deal

    def tasks(self) -> Iterator[TaskView]:
        """Every to-do, also one to call or mail; logged calls and e-mails are activities."""
        return (_task(row) for row in self.world.table("Task").live() if _to_do(row))

    def tasks_of(self, deal_id: str) -> list[TaskView]:
        """The to-dos of a deal."""
        return [_task(row) for row in self.world.table("Task").where("WhatId", [deal_id]) if _to_do(row)]

    def tasks_of_account(self, account_id: str) -> list[TaskView]:
        """The to-dos of an account and of its deals."""
        about = [account_id, *(deal.id for deal in self.deals_of(account_id))]
        return [_task(row) for row in self.world.table("Task").where("WhatId", about) if _to_do(row)]

    def task(self, task_id: str) -> TaskView | None:
        """One task; None when it is not there, or deleted."""
        row = self.world.table("Task").get(task_id)
        return _task(row) if row is not None else None

    def notes(self) -> Iterator[NoteView]:
        """Every note."""
        return (_note(row) for row in self.world.table("Note").live())

    def notes_of(self, deal_id: str) -> list[NoteView]:
        """The notes of a deal."""
        return [_note(row) for row in self.world.table("Note").where("ParentId", [deal_id])]

    def activities_of(self, deal_id: str) -> list[ActivityView]:
        """Logged calls and e-mails, and events."""
        tasks = self.world.table("Task").where("WhatId", [deal_id])
        found = [_call(row) for row in tasks if not _to_do(row)]
        found += [_event(row) for row in self.world.table("Event").where("WhatId", [deal_id])]
        return sorted(found, key=lambda it: it.at)

    def bells_of(self, user_id: str) -> list[BellView]:
        """The notifications of a person, newest first."""
        return [_bell(self.world, row) for row in actions.bells_of(self.world, user_id)]

    def history(self, deal_id: str) -> list[ChangeView]:
        """Every tracked change, oldest first."""
        row = self._need("Opportunity", deal_id)
        shown = (c for c in row.history if c.field in _CANONICAL)
        return [ChangeView(c.at, _CANONICAL[c.field], c.old, c.new, c.by) for c in shown]

    def wins(self, deal_id: str) -> list[datetime]:
        """When the deal entered Closed Won, oldest first."""
        row = self._need("Opportunity", deal_id)
        return [c.at for c in row.history if c.field == "StageName" and c.new == _WON]

    # writing

    def add_user(self, person: Person, *, number: int) -> str:  # noqa: ARG002 - only a portal numbers its users
        """Add a person as a user."""
        users = self.world.table("User")
        manager = next(users.where("Email", [person.manager]), None) if person.manager else None
        values = {
            "FirstName": person.first,
            "LastName": person.last,
            "Name": person.name,
            "Email": person.email,
            "Username": person.email,
            "Title": person.title,
            "Department": person.region,
            "IsActive": person.active,
            "UserRoleId": self._role(person.title),
            "ManagerId": manager.id if manager else None,
        }
        return users.insert(values, by="system").id

    def add_account(self, values: Mapping[str, Any], *, by: str) -> str:
        """Add an account from canonical values."""
        named = self._there("Account", {_ACCOUNT[key]: value for key, value in values.items() if key in _ACCOUNT})
        return self.world.table("Account").insert({"OwnerId": by, **named}, by=by).id

    def add_contact(self, account_id: str, values: Mapping[str, str], *, deal_id: str, by: str) -> str:
        """Add a contact: first, last, title, email, part."""
        contact = {
            "AccountId": account_id,
            "FirstName": values["first"],
            "LastName": values["last"],
            "Name": f"{values['first']} {values['last']}",
            "Title": values["title"],
            "Email": values["email"],
            "OwnerId": by,
        }
        contact_id = self.world.table("Contact").insert(contact, by=by).id
        if deal_id:
            self.link_contact(deal_id, contact_id, part=values["part"], by=by)
        return contact_id

    def link_contact(self, deal_id: str, contact_id: str, *, part: str, by: str) -> None:
        """Give a contact its role on a deal."""
        values = {
            "OpportunityId": deal_id,
            "ContactId": contact_id,
            "Role": part.title(),
            "IsPrimary": part == "champion",
        }
        self.world.table("OpportunityContactRole").insert(values, by=by)

    def add_deal(self, values: Mapping[str, Any], *, stage: str, deal_type: DealType, by: str) -> str:
        """Add a deal from canonical values."""
        named = self._named(values) | {"StageName": stage, "Type": _TYPES[deal_type]}
        return self.world.table("Opportunity").insert(named, by=by).id

    def set_deal(self, deal_id: str, changes: Mapping[str, Any], *, by: str) -> None:
        """Change canonical fields of a deal."""
        self.world.table("Opportunity").update(deal_id, self._named(changes), by=by)

    def move_deal(self, deal_id: str, stage: str, *, by: str, also: Mapping[str, Any] | None = None) -> None:
        """Put a deal into another stage, and change other fields in the same save.

        Winning or losing sets the close date to today, as the CRM does.
        """
        changes: dict[str, Any] = {"StageName": stage}
        if _STAGES[stage].closed:
            changes["CloseDate"] = self.world.clock.now().date()
        self.world.table("Opportunity").update(deal_id, {**changes, **self._named(also or {})}, by=by)

    def canonical(self, field: str) -> str:
        """The canonical name of a deal's field; the org's own when it has none."""
        return _CANONICAL.get(field, field)

    def add_task(self, deal_id: str, *, subject: str, due: datetime, owner: str, by: str) -> str:
        """Add a to-do of a person's own."""
        values = {
            "WhatId": deal_id,
            "Subject": subject,
            "ActivityDate": due.date(),
            "OwnerId": owner,
            "Status": "Not Started",
            "Priority": "Normal",
            "TaskSubtype": "Task",
        }
        return self.world.table("Task").insert(values, by=by).id

    def complete_task(self, task_id: str, *, by: str) -> None:
        """Tick a to-do off."""
        self._need("Task", task_id)
        self.world.table("Task").update(task_id, {"Status": _DONE}, by=by)

    def add_activity(
        self, deal_id: str, kind: ActivityKind, *, subject: str, body: str, at: datetime, minutes: int, by: str
    ) -> str:
        """Log a call or e-mail (a completed task of that subtype) or a meeting (an event)."""
        common: dict[str, Any] = {"WhatId": deal_id, "Subject": subject, "Description": body or None, "OwnerId": by}
        if kind == "meeting":
            times = {"StartDateTime": at, "EndDateTime": at + timedelta(minutes=minutes), "DurationInMinutes": minutes}
            return self.world.table("Event").insert(common | times, by=by).id
        done = {"TaskSubtype": kind.capitalize(), "Status": _DONE, "ActivityDate": at.date(), "Priority": "Normal"}
        return self.world.table("Task").insert(common | done, by=by).id

    # inside

    def _need(self, table: str, row_id: str) -> Row:
        row = self.world.table(table).get(row_id)
        if row is None:
            raise KeyError(row_id)
        return row

    def _user(self, row: Row) -> UserView:
        v = row.values
        return UserView(
            row.id, v.get("Name") or "", v.get("Email") or "", v.get("Title") or "", bool(v.get("IsActive"))
        )

    def _role(self, title: str) -> str:
        roles = self.world.table("UserRole")
        found = next(roles.where("Name", [title]), None)
        return found.id if found else roles.insert({"Name": title}, by="system").id

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: value for name, value in values.items() if name.endswith("__c")}
        named = {_API[name]: value for name, value in values.items() if name in _API}
        return self._there("Opportunity", own | named)

    def _there(self, kind: str, named: dict[str, Any]) -> dict[str, Any]:
        # A bare org has not all of the fields that people here would fill.
        found = catalog(self.world).object(kind)
        return {name: value for name, value in named.items() if found is not None and found.find(name)}

    def _deal(self, row: Row) -> DealView:
        v = row.values
        fields = {name: typed(name, v.get(api)) for name, api in _CUSTOM.items() if v.get(api) not in (None, "")}
        fields |= {name: v[_STANDARD[name]] for name in ("next_step", "description") if v.get(_STANDARD[name])}
        return DealView(
            id=row.id,
            name=v.get("Name") or "",
            stage=_STAGES.get(v.get("StageName", ""), _STAGES["Prospecting"]),
            amount=as_number(v.get("Amount")),
            close_date=as_day(v.get("CloseDate")),
            deal_type=_TYPE_OF.get(v.get("Type") or "", "new"),
            owner=v.get("OwnerId") or "",
            account=v.get("AccountId") or "",
            created_at=row.created_at,
            modified_at=row.modified_at,
            modified_by=row.modified_by,
            fields=fields,
        )


def _kind(field: Field) -> FieldKind:
    return "text" if field.is_long else _KINDS.get(field.type, "line")


def _account(row: Row) -> AccountView:
    v = row.values
    staff = as_number(v.get("NumberOfEmployees"))
    return AccountView(
        id=row.id,
        name=v.get("Name") or "",
        industry=v.get("Industry") or "",
        country=v.get("BillingCountry") or "",
        employees=int(staff) if staff is not None else None,
        website=v.get("Website") or "",
        csm=v.get("Handoff_CSM__c") or "",
    )


def _contact(row: Row) -> ContactView:
    v = row.values
    return ContactView(
        row.id, f"{v.get('FirstName', '')} {v.get('LastName', '')}", v.get("Title", ""), v.get("Email", "")
    )


def _to_do(row: Row) -> bool:
    """Whether a task is something to do: what was logged is a call or mail that nobody planned, and is completed."""
    v = row.values
    planned = v.get("Status") != _DONE or bool(v.get("Handoff_Key__c"))
    return planned or v.get("TaskSubtype") in _SEEN_AS_TASK


def _task(row: Row) -> TaskView:
    v = row.values
    return TaskView(
        id=row.id,
        subject=v.get("Subject") or "",
        body=v.get("Description") or "",
        due=as_moment(v.get("ReminderDateTime") if v.get("IsReminderSet") else v.get("ActivityDate")),
        owner=v.get("OwnerId") or "",
        done=v.get("Status") == _DONE,
        key=v.get("Handoff_Key__c") or "",
        deal=v.get("WhatId") or "",
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _note(row: Row) -> NoteView:
    v = row.values
    return NoteView(
        id=row.id,
        title=v.get("Title") or "",
        body=v.get("Body") or "",
        owner=v.get("OwnerId") or row.created_by,
        key="",
        deal=v.get("ParentId") or "",
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _bell(world: World, row: Row) -> BellView:
    v = row.values
    target = v.get("TargetId") or ""
    deal = target if world.table("Opportunity").get(target) else ""
    return BellView(row.id, v.get("Title") or "", v.get("Body") or "", deal, row.created_at)


def _call(row: Row) -> ActivityView:
    v = row.values
    kind: ActivityKind = "email" if v.get("TaskSubtype") == "Email" else "call"
    return ActivityView(
        row.id, kind, v.get("Subject") or "", v.get("Description") or "", row.created_at, v.get("OwnerId") or "",
        v.get("Handoff_Key__c") or "",
    )  # fmt: skip


def _event(row: Row) -> ActivityView:
    v = row.values
    at = as_moment(v.get("StartDateTime")) or row.created_at
    return ActivityView(
        row.id, "meeting", v.get("Subject") or "", v.get("Description") or "", at, v.get("OwnerId") or "",
        v.get("Handoff_Key__c") or "", as_moment(v.get("EndDateTime")),
    )  # fmt: skip
