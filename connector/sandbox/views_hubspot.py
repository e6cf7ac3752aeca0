"""The HubSpot-like portal in the vocabulary of `views`: deals, companies, engagements, owners.

Writes rows directly, as the screens do; the wire API with its checks is in `hubspot/`. User ids here are
owner ids, which is what deal fields hold.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import catalog, links
from connector.sandbox.hubspot.kinds import Kind, kind_of
from connector.sandbox.hubspot.schema import add_owner
from connector.sandbox.hubspot.stages import PIPELINE_OF, PIPELINES, RENEWALS, SALES
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
    from connector.sandbox.hubspot.defs import Definition
    from connector.sandbox.people import Person
    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

DEAL, COMPANY, CONTACT = kind_of("deals"), kind_of("companies"), kind_of("contacts")
TASK, NOTE = kind_of("tasks"), kind_of("notes")
_STAGES = {
    stage.id: Stage(stage.id, stage.label, pipeline.id, stage.won, stage.closed, order)
    for pipeline in PIPELINES.values()
    for order, stage in enumerate(pipeline.stages)
}
_SALES_PHASES = dict(
    zip(
        ("lead", "qualified", "demo", "proposal", "negotiation", "won", "lost"),
        (s.id for s in SALES.stages),
        strict=True,
    )
)
_DUE, _TALKS, _RENEWED, _GONE = (s.id for s in RENEWALS.stages)
_RENEWAL_PHASES = {
    "lead": _DUE, "qualified": _DUE, "demo": _DUE, "proposal": _TALKS, "negotiation": _TALKS, "won": _RENEWED,
    "lost": _GONE,
}  # fmt: skip
_TYPES: dict[DealType, str] = {"new": "newbusiness", "renewal": "renewal", "upsell": "existingbusiness"}
_TYPE_OF: dict[str, DealType] = {name: key for key, name in _TYPES.items()}
_CUSTOM = {name: f"handoff_{stem}" for name, stem in CUSTOM_STEMS.items()}
_STANDARD = {
    "name": "dealname",
    "stage": "dealstage",
    "amount": "amount",
    "close_date": "closedate",
    "owner": "hubspot_owner_id",
    "next_step": "hs_next_step",
    "lead_source": "hs_analytics_source",
    "description": "description",
}
_API = _CUSTOM | _STANDARD
_CANONICAL = {api: name for name, api in _API.items()}
_COMPANY = {
    "name": "name",
    "industry": "industry",
    "country": "country",
    "employees": "numberofemployees",
    "website": "domain",
    "csm": "handoff_csm",
    "revenue": "annualrevenue",
    "description": "description",
}
_COMPANY_CANONICAL = {f"handoff_{stem}": stem for stem in ACCOUNT_STEMS}
_RECORDS: dict[Record, Kind] = {"deal": DEAL, "account": COMPANY}
_KINDS: dict[tuple[str, str], FieldKind] = {
    ("bool", "booleancheckbox"): "checkbox", ("enumeration", "booleancheckbox"): "checkbox", ("date", "date"): "date",
    ("datetime", "date"): "moment", ("string", "textarea"): "text", ("string", "html"): "text",
    ("number", "number"): "number", ("enumeration", "select"): "choice", ("enumeration", "radio"): "choice",
}  # fmt: skip
_OURS = "handoff_"
_DONE = "COMPLETED"
_ACTIVITIES: tuple[tuple[ActivityKind, Kind, str, str], ...] = (
    ("call", kind_of("calls"), "hs_call_title", "hs_call_body"),
    ("meeting", kind_of("meetings"), "hs_meeting_title", "hs_meeting_body"),
    ("email", kind_of("emails"), "hs_email_subject", "hs_email_text"),
)
# User ids are nothing like owner ids, so that one in place of the other shows.
FIRST_USER_ID = 9_100_400
_BREAKS = re.compile(r"<br\s*/?>|</(?:p|div|li|h\d)>", re.IGNORECASE)
_TAGS = re.compile(r"<[^>]+>")


class HubSpotView:
    """What people see and do in the portal. See `views.CrmView`."""

    label = "HubSpot portal"

    def __init__(self, world: World) -> None:
        self.world = world

    # stages and people

    def stages(self) -> list[Stage]:
        """The stages of both pipelines in board order."""
        return list(_STAGES.values())

    def stage_of(self, phase: Phase, deal_type: DealType) -> Stage:
        """The stage that a phase of the sale stands for; renewals have a pipeline of their own."""
        return _STAGES[(_RENEWAL_PHASES if deal_type == "renewal" else _SALES_PHASES)[phase]]

    def users(self) -> list[UserView]:
        """Every owner, those who left included."""
        return [_user(row) for row in self.world.table("owners").live()]

    def user_named(self, email: str) -> UserView:
        """The owner with this e-mail address."""
        row = self.world.table("owners").find_unique("email", email)
        if row is None:
            raise KeyError(email)
        return _user(row)

    def who(self, by: str) -> str:
        """The name of the owner with this id, or what the program calls itself."""
        row = self.world.table("owners").get(by)
        return _user(row).name if row else by.removeprefix("app:")

    # deals and companies

    def deals(self) -> Iterator[DealView]:
        """Every deal."""
        return (self._deal(row) for row in self.world.table("deals").live())

    def deal(self, deal_id: str) -> DealView:
        """One deal."""
        return self._deal(self._need("deals", deal_id))

    def accounts(self) -> Iterator[AccountView]:
        """Every company."""
        return (_account(row) for row in self.world.table("companies").live())

    def account(self, account_id: str) -> AccountView:
        """One company."""
        return _account(self._need("companies", account_id))

    def deals_of(self, account_id: str) -> list[DealView]:
        """The deals of a company."""
        return [self._deal(row) for row in self._linked(COMPANY, account_id, DEAL)]

    def contacts_of(self, account_id: str) -> list[ContactView]:
        """The contacts of a company."""
        return [_contact(row) for row in self._linked(COMPANY, account_id, CONTACT)]

    # what hangs on a deal

    def tasks(self) -> Iterator[TaskView]:
        """Every task."""
        return (self._task(row) for row in self.world.table("tasks").live())

    def tasks_of(self, deal_id: str) -> list[TaskView]:
        """The tasks of a deal."""
        return [self._task(row, deal=deal_id) for row in self._linked(DEAL, deal_id, TASK)]

    def tasks_of_account(self, account_id: str) -> list[TaskView]:
        """The tasks of a company and of its deals."""
        mine = [self._task(row) for row in self._linked(COMPANY, account_id, TASK)]
        theirs = [task for deal in self.deals_of(account_id) for task in self.tasks_of(deal.id)]
        return list({task.id: task for task in (*mine, *theirs)}.values())

    def task(self, task_id: str) -> TaskView | None:
        """One task; None when it is not there, or deleted."""
        row = self.world.table("tasks").get(task_id)
        return self._task(row) if row is not None else None

    def notes(self) -> Iterator[NoteView]:
        """Every note."""
        return (self._note(row) for row in self.world.table("notes").live())

    def notes_of(self, deal_id: str) -> list[NoteView]:
        """The notes of a deal."""
        return [self._note(row, deal=deal_id) for row in self._linked(DEAL, deal_id, NOTE)]

    def activities_of(self, deal_id: str) -> list[ActivityView]:
        """Calls, meetings and e-mails of a deal."""
        found = [
            ActivityView(
                row.id, name, plain(row.values.get(title)), plain(row.values.get(body)),
                as_moment(row.values.get("hs_timestamp")) or row.created_at, row.values.get("hubspot_owner_id") or "",
                row.values.get("handoff_key") or "", as_moment(row.values.get("hs_meeting_end_time")),
            )
            for name, kind, title, body in _ACTIVITIES
            for row in self._linked(DEAL, deal_id, kind)
        ]  # fmt: skip
        return sorted(found, key=lambda it: it.at)

    def has_field(self, name: str) -> bool:
        """Whether deals have this field: a bare portal lacks those that the product adds."""
        return name not in _API or _API[name] in catalog.properties(self.world, DEAL)

    def custom(self, record: Record) -> list[FieldView]:
        """The properties that an admin gave deals or companies, as far as they are for people to see."""
        names = _CANONICAL if record == "deal" else _COMPANY_CANONICAL
        return [
            FieldView(
                names.get(d.name, d.name), d.label, _kind(d), tuple(o.value for o in d.options if not o.hidden),
                d.read_only or d.calculated,
            )
            for d in catalog.properties(self.world, _RECORDS[record]).values()
            if (d.name.startswith(_OURS) or not d.built_in) and not d.hidden
        ]  # fmt: skip

    def values(self, record: Record, record_id: str) -> dict[str, Any]:
        """What stands in them, where they are not empty."""
        names = _CUSTOM if record == "deal" else {stem: api for api, stem in _COMPANY_CANONICAL.items()}
        row = self._need(_RECORDS[record].table, record_id)
        stored = {f.name: as_kind(f.kind, row.values.get(names.get(f.name, f.name))) for f in self.custom(record)}
        return {name: value for name, value in stored.items() if value is not None}

    def team_of(self, record: Record, record_id: str) -> list[MemberView]:  # noqa: ARG002 - the portal has no teams
        """Who is on the record's team."""
        return []

    def bells_of(self, user_id: str) -> list[BellView]:  # noqa: ARG002 - the portal rings no bell
        """The notifications of a person."""
        return []

    def history(self, deal_id: str) -> list[ChangeView]:
        """Every tracked change, oldest first."""
        row = self._need("deals", deal_id)
        return [ChangeView(c.at, _CANONICAL.get(c.field, c.field), c.old, c.new, c.by) for c in row.history]

    def wins(self, deal_id: str) -> list[datetime]:
        """When the deal entered a won stage, oldest first."""
        row = self._need("deals", deal_id)
        entered = (c for c in row.history if c.field == "dealstage")
        return [c.at for c in entered if (stage := _STAGES.get(str(c.new))) and stage.won]

    # writing

    def add_user(self, person: Person, *, number: int) -> str:
        """Add a person as an owner; somebody who left is archived in the portal."""
        row = add_owner(
            self.world, email=person.email, first=person.first, last=person.last, user_id=FIRST_USER_ID + 37 * number,
            title=person.title, active=person.active,
        )  # fmt: skip
        return row.id

    def add_account(self, values: Mapping[str, Any], *, by: str) -> str:
        """Add a company from canonical values."""
        named = self._there(COMPANY, {_COMPANY[key]: value for key, value in values.items() if key in _COMPANY})
        return self.world.table("companies").insert({"hubspot_owner_id": by, **named}, by=by).id

    def add_contact(self, account_id: str, values: Mapping[str, str], *, deal_id: str, by: str) -> str:
        """Add a contact: first, last, title, email, part."""
        contact = {
            "firstname": values["first"],
            "lastname": values["last"],
            "jobtitle": values["title"],
            "email": values["email"],
            "hubspot_owner_id": by,
        }
        contact_id = self.world.table("contacts").insert(contact, by=by).id
        links.link(self.world, CONTACT, contact_id, COMPANY, account_id, by=by)
        if deal_id:
            self.link_contact(deal_id, contact_id, part=values["part"], by=by)
        return contact_id

    def link_contact(self, deal_id: str, contact_id: str, *, part: str, by: str) -> None:
        """Associate a contact with a deal, under the portal's label for that part where it has one."""
        own = links.own_type(DEAL, CONTACT, part)
        links.link(self.world, DEAL, deal_id, CONTACT, contact_id, by=by, types=() if own is None else (own,))

    def add_deal(self, values: Mapping[str, Any], *, stage: str, deal_type: DealType, by: str) -> str:
        """Add a deal from canonical values and link its company."""
        named = self._named(values) | {
            "dealstage": stage,
            "pipeline": PIPELINE_OF[stage].id,
            "dealtype": _TYPES[deal_type],
        }
        deal_id = self.world.table("deals").insert(named, by=by).id
        if values.get("account"):
            links.link(self.world, DEAL, deal_id, COMPANY, values["account"], by=by)
        return deal_id

    def set_deal(self, deal_id: str, changes: Mapping[str, Any], *, by: str) -> None:
        """Change canonical fields of a deal."""
        self.world.table("deals").update(deal_id, self._named(changes), by=by)

    def move_deal(self, deal_id: str, stage: str, *, by: str, also: Mapping[str, Any] | None = None) -> None:
        """Put a deal into another stage, and change other fields in the same save.

        Winning or losing sets the close date to now, as the CRM does.
        """
        changes: dict[str, Any] = {"dealstage": stage, "pipeline": PIPELINE_OF[stage].id}
        if _STAGES[stage].closed:
            changes["closedate"] = self.world.clock.now()
        self.world.table("deals").update(deal_id, {**changes, **self._named(also or {})}, by=by)

    def canonical(self, field: str) -> str:
        """The canonical name of a deal's property; the portal's own when it has none."""
        return _CANONICAL.get(field, field)

    def add_task(self, deal_id: str, *, subject: str, due: datetime, owner: str, by: str) -> str:
        """Add a task of a person's own."""
        values = {
            "hs_task_subject": subject,
            "hs_timestamp": due,
            "hubspot_owner_id": owner,
            "hs_task_status": "NOT_STARTED",
            "hs_task_priority": "NONE",
            "hs_task_type": "TODO",
        }
        return self._add_linked(TASK, values, deal_id, by=by)

    def complete_task(self, task_id: str, *, by: str) -> None:
        """Tick a task off."""
        self._need("tasks", task_id)
        self.world.table("tasks").update(task_id, {"hs_task_status": _DONE}, by=by)

    def add_activity(
        self, deal_id: str, kind: ActivityKind, *, subject: str, body: str, at: datetime, minutes: int, by: str
    ) -> str:
        """Log a call, meeting or e-mail that took place."""
        _, record, title, text = next(entry for entry in _ACTIVITIES if entry[0] == kind)
        values: dict[str, Any] = {title: subject, text: body, "hs_timestamp": at, "hubspot_owner_id": by}
        if kind == "call":
            values |= {"hs_call_duration": minutes * 60_000, "hs_call_status": _DONE, "hs_call_direction": "OUTBOUND"}
        if kind == "meeting":
            values |= {"hs_meeting_start_time": at, "hs_meeting_end_time": at + timedelta(minutes=minutes)}
            values["hs_meeting_outcome"] = _DONE
        return self._add_linked(record, values, deal_id, by=by)

    # inside

    def _need(self, table: str, row_id: str) -> Row:
        row = self.world.table(table).get(row_id)
        if row is None:
            raise KeyError(row_id)
        return row

    def _linked(self, kind: Kind, row_id: str, to: Kind) -> list[Row]:
        rows = (self.world.table(to.table).get(other) for other, _ in links.linked(self.world, kind, row_id, to))
        return [row for row in rows if row is not None]

    def _first(self, kind: Kind, row_id: str, to: Kind) -> str:
        found = links.linked(self.world, kind, row_id, to)
        primary = links.PRIMARIES.get((kind.table, to.table))
        return next((other for other, types in found if primary in types), found[0][0] if found else "")

    def _add_linked(self, kind: Kind, values: dict[str, Any], deal_id: str, *, by: str) -> str:
        row = self.world.table(kind.table).insert(values, by=by)
        links.link(self.world, kind, row.id, DEAL, deal_id, by=by)
        if company := self._first(DEAL, deal_id, COMPANY):
            links.link(self.world, kind, row.id, COMPANY, company, by=by)
        return row.id

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        unknown = values.keys() - _API.keys()
        own = {field.name for field in self.custom("deal")} if unknown else set()
        named = {name: values[name] for name in unknown & own}
        named |= {_API[name]: value for name, value in values.items() if name in _API}
        if day := as_day(values.get("close_date")):
            named["closedate"] = as_moment(datetime.combine(day, time(12)))
        return self._there(DEAL, named)

    def _there(self, kind: Kind, named: dict[str, Any]) -> dict[str, Any]:
        # A bare portal has not all of the properties that people here would fill.
        known = catalog.properties(self.world, kind)
        return {name: value for name, value in named.items() if name in known}

    def _deal(self, row: Row) -> DealView:
        v = row.values
        fields = {name: typed(name, v.get(api)) for name, api in _CUSTOM.items() if v.get(api) not in (None, "")}
        fields |= {name: v[_STANDARD[name]] for name in ("next_step", "description") if v.get(_STANDARD[name])}
        return DealView(
            id=row.id,
            name=v.get("dealname") or "",
            stage=_STAGES.get(v.get("dealstage") or "", _STAGES[SALES.stages[0].id]),
            amount=as_number(v.get("amount")),
            close_date=as_day(v.get("closedate")),
            deal_type=_TYPE_OF.get(v.get("dealtype") or "", "new"),
            owner=v.get("hubspot_owner_id") or "",
            account=self._first(DEAL, row.id, COMPANY),
            created_at=row.created_at,
            modified_at=row.modified_at,
            modified_by=row.modified_by,
            fields=fields,
        )

    def _task(self, row: Row, *, deal: str | None = None) -> TaskView:
        v = row.values
        return TaskView(
            id=row.id,
            subject=v.get("hs_task_subject") or "",
            body=plain(v.get("hs_task_body")),
            due=as_moment(v.get("hs_timestamp")),
            owner=v.get("hubspot_owner_id") or "",
            done=v.get("hs_task_status") == _DONE,
            key=v.get("handoff_key") or "",
            deal=self._first(TASK, row.id, DEAL) if deal is None else deal,
            created_at=row.created_at,
            created_by=row.created_by,
        )

    def _note(self, row: Row, *, deal: str | None = None) -> NoteView:
        v = row.values
        title, _, rest = plain(v.get("hs_note_body")).partition("\n")
        return NoteView(
            id=row.id,
            title=title.strip(),
            body=rest.strip(),
            owner=v.get("hubspot_owner_id") or row.created_by,
            key=v.get("handoff_key") or "",
            deal=self._first(NOTE, row.id, DEAL) if deal is None else deal,
            created_at=row.created_at,
            created_by=row.created_by,
        )


def plain(text: Any) -> str:
    """Rich text as plain lines: bodies of engagements may hold simple HTML."""
    value = str(text or "")
    if "<" not in value:
        return html.unescape(value).strip() if "&" in value else value.strip()
    return html.unescape(_TAGS.sub("", _BREAKS.sub("\n", value))).strip()


def _user(row: Row) -> UserView:
    v = row.values
    name = f"{v.get('firstName', '')} {v.get('lastName', '')}".strip()
    active = str(v.get("active", True)).lower() == "true"
    return UserView(row.id, name, v.get("email") or "", v.get("title") or "", active)


def _kind(definition: Definition) -> FieldKind:
    if definition.owner:
        return "user"
    return _KINDS.get((definition.type, definition.field_type), "line")


def _account(row: Row) -> AccountView:
    v = row.values
    staff = as_number(v.get("numberofemployees"))
    return AccountView(
        id=row.id,
        name=v.get("name") or "",
        industry=v.get("industry") or "",
        country=v.get("country") or "",
        employees=int(staff) if staff is not None else None,
        website=v.get("domain") or "",
        csm=v.get("handoff_csm") or "",
    )


def _contact(row: Row) -> ContactView:
    v = row.values
    name = f"{v.get('firstname', '')} {v.get('lastname', '')}".strip()
    return ContactView(row.id, name, v.get("jobtitle") or "", v.get("email") or "")
