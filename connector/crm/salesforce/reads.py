"""Re-reading deals and all that hangs on them, in as few calls as Salesforce allows.

Not here: which deals (``feeds``, ``lookups``) and what is concluded. Per call: deals with their accounts, tasks, notes,
meetings, and stage history only for wins that nobody has handled yet.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from connector.crm.batch import chunks
from connector.crm.port import (
    DealFacts,
)
from connector.crm.salesforce.currency import CODE, Rates
from connector.crm.salesforce.fields import STAGE_CHANGED, Names
from connector.crm.salesforce.keys import LEDGER_DEAL, LEDGER_KEY, LEDGER_OBJECT, LEDGER_RECORD, KeyMode
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import ALIVE, Open, select_in
from connector.crm.salesforce.wire import Row, day_of, dig, mark_in, moment_of, note_of, record_of, text_of
from connector.errors import Advice, CrmError
from connector.handoff.model import (
    Contact,
    CrmMeeting,
    CrmNote,
    CrmTask,
    Kind,
    Outcome,
    Record,
    Stage,
    Touch,
    TouchKind,
)

RETRIEVE_LIMIT = 2000
"""Records of one Collections retrieve by POST (facts: Salesforce §1.1, unconfirmed there, so it is probed)."""

FIELDS_ASKED = 100
"""Fields of one query where records cannot be retrieved: names of 40 characters leave most of an address to ids."""

DELETED = "IsDeleted"

ACCOUNT = "Account"
"""The relationship from Opportunity to its account."""

TOUCH_SUBTYPES: Mapping[str, TouchKind] = {"Call": TouchKind.CALL, "Email": TouchKind.EMAIL}

HISTORY = select_in(["Id", "OpportunityId", "StageName", "CreatedDate"], of="OpportunityHistory", field="OpportunityId")

CONTACT_ROLE, CONTACT = "OpportunityContactRole", "Contact"
_CONTACT_COLUMNS = ("OpportunityId", "ContactId", "Role", "IsPrimary", "Contact.Name", "Contact.Title", "Contact.Email")
ROLES = select_in(_CONTACT_COLUMNS, of=CONTACT_ROLE, where=ALIVE, field="OpportunityId")
"""Who has which part in a deal; it shares its call with what else hangs on deals."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
StageOf = Callable[[str], Stage | None]


@dataclass(slots=True)
class Surroundings:
    """What hangs on deals: by deal id, then by its own id, so that a row told twice counts once."""

    tasks: dict[str, dict[str, CrmTask]] = field(default_factory=lambda: defaultdict(dict))
    notes: dict[str, dict[str, CrmNote]] = field(default_factory=lambda: defaultdict(dict))
    touches: dict[str, dict[str, Touch]] = field(default_factory=lambda: defaultdict(dict))
    no_shows: dict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    meetings: dict[str, dict[str, CrmMeeting]] = field(default_factory=lambda: defaultdict(dict))
    contacts: dict[str, dict[str, Contact]] = field(default_factory=lambda: defaultdict(dict))
    history: dict[str, list[tuple[datetime, str, str]]] = field(default_factory=lambda: defaultdict(list))
    """When, the row's id (two steps may share a second), the stage."""
    keys: dict[str, str] = field(default_factory=dict)
    """Keys that stand in the ledger object, by the id of the record they belong to."""


class DealReader:
    """Reads deals of one org. ``retrieve`` says whether Collections retrieve is used instead of a query.

    ``contacts`` says whether the people at the customer are read as well. With ``rates``, the fields named by ``money``
    (ours) are told in the corporate currency.
    """

    def __init__(self, session: SalesforceSession, names: Names, *, stage_of: StageOf) -> None:
        self._session = session
        self._names = names
        self._stage_of = stage_of
        self.retrieve = False
        self.contacts = False
        self.rates: Rates | None = None
        self.money: frozenset[str] = frozenset()

    def probe(self) -> None:
        """Find out whether records can be retrieved by id in one POST: it spares the 200-row pages of long texts."""
        probe = {"ids": ["006000000000000AAA"], "fields": ["Id"]}
        try:
            answer = self._session.read("collections.get", self._retrieve_path(Kind.DEAL), body=probe)
        except CrmError as error:
            if error.fault.advice is not Advice.PARK and error.fault.advice is not Advice.REREAD:
                raise
            return
        self.retrieve = isinstance(answer, list)

    def fetch(self, deal_ids: Sequence[str], *, bare: bool = False) -> dict[str, DealFacts]:
        """The facts of every deal that still exists, by id; ``bare`` ones without what hangs on them."""
        wanted = tuple(dict.fromkeys(deal_ids))
        rows = self._retrieved(wanted) if self._retrievable() else self._queried(wanted)
        if not rows:
            return {}
        around = Surroundings()
        if bare:
            self._read_history([each for each, row in rows.items() if not row.get(STAGE_CHANGED)], around)
        else:
            self._read_around(tuple(rows), [each for each, row in rows.items() if self._needs_history(row)], around)
        return {deal_id: self._facts(row, around) for deal_id, row in rows.items()}

    def texts(self, kind: Kind, ids: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, str]]:
        """What stands in these fields of deals or accounts, as text."""
        wanted = tuple(dict.fromkeys(ids))
        found: dict[str, dict[str, str]] = {each: {} for each in wanted}
        for row in self._by_id(kind, wanted, ["Id", *fields]) if self.retrieve else self._asked(kind, wanted, fields):
            told = {name: text for name in fields if (text := text_of(row, name)) is not None}
            found.setdefault(str(row["Id"]), {}).update(told)
        return found

    def _asked(self, kind: Kind, ids: Sequence[str], fields: Sequence[str]) -> Iterator[Row]:
        """The same by queries, some fields at a time: what is asked for stands in the address."""
        statements = [
            soql
            for part in chunks(tuple(fields), size=FIELDS_ASKED)
            for soql in select_in(["Id", *part], of=self._names.object(kind), where=ALIVE, field="Id").of(ids)
        ]
        yield from (row for _, row in self._session.read_all(statements))

    # the deal and its account

    def _queried(self, ids: Sequence[str]) -> dict[str, Row]:
        names = self._names
        below = [f"{ACCOUNT}.{each}" for each in self._account_columns()]
        fields = [*self._deal_columns(), *below]
        asked = select_in(fields, of=names.object(Kind.DEAL), where=ALIVE, field="Id")
        return {str(row["Id"]): row for _, row in self._session.read_all(list(asked.of(ids)))}

    def _retrieved(self, ids: Sequence[str]) -> dict[str, Row]:
        # Whether what lies in the recycle bin is retrieved is nowhere said, so its mark is asked for.
        rows = self._by_id(Kind.DEAL, ids, [*self._deal_columns(), DELETED])
        deals = {str(row["Id"]): dict(row) for row in rows if not row.get(DELETED)}
        account_field = self._names.column(Kind.DEAL, "account") or "AccountId"
        account_ids = sorted({found for row in deals.values() if (found := text_of(row, account_field))})
        accounts = {str(row["Id"]): row for row in self._by_id(Kind.ACCOUNT, account_ids, self._account_columns())}
        for row in deals.values():
            row[ACCOUNT] = accounts.get(text_of(row, account_field) or "")
        return dict(deals)

    def _by_id(self, kind: Kind, ids: Sequence[str], fields: Sequence[str]) -> Iterator[Row]:
        wanted = list({name.lower(): name for name in fields}.values())
        for part in chunks(ids, size=RETRIEVE_LIMIT):
            body = {"ids": list(part), "fields": wanted}
            found = self._session.read("collections.get", self._retrieve_path(kind), body=body)
            yield from (row for row in found or () if row)

    def _retrieve_path(self, kind: Kind) -> str:
        return f"composite/sobjects/{self._names.object(kind)}"

    def _retrievable(self) -> bool:
        """Retrieve knows no relationship paths, so a map that uses one (``Owner.Email``) is queried."""
        return self.retrieve and not any("." in each for each in (*self._deal_columns(), *self._account_columns()))

    def _deal_columns(self) -> list[str]:
        names = self._names
        own = [names.column(Kind.DEAL, each) for each in ("stage", "account", "type")]
        fixed = ["Id", "SystemModstamp", "IsWon", "IsClosed", *filter(None, own)]
        if names.has(Kind.DEAL, STAGE_CHANGED):
            fixed.append(STAGE_CHANGED)
        if self.rates is not None:
            fixed += [CODE, names.column(Kind.DEAL, "close_date") or "CloseDate"]
        return [*fixed, *(mapped.field for mapped in names.mapped(Kind.DEAL))]

    def _account_columns(self) -> list[str]:
        return ["Id", *(mapped.field for mapped in self._names.mapped(Kind.ACCOUNT))]

    # what hangs on it

    def _read_around(self, ids: Sequence[str], unhandled: Sequence[str], around: Surroundings) -> None:
        """All of it together, so that statements can share calls."""
        names = self._names
        note_fields = names.column(Kind.NOTE, "deal"), names.column(Kind.NOTE, "body")
        if names.key_mode is KeyMode.LEDGER:
            around.keys.update(read_ledger(self._session, ids))
        asked: tuple[tuple[Open, Sequence[str], Callable[[Row], None]], ...] = (
            (self._about_tasks(), ids, lambda row: self._take_task(row, around)),
            (_about(names, Kind.NOTE, note_fields), ids, lambda row: self._take_note(row, around)),
            (self._about_meetings(), ids, lambda row: self._take_meeting(row, around)),
            (HISTORY, unhandled, lambda row: _take_history(row, around)),
            *(((ROLES, ids, lambda row: self._take_contact(row, around)),) if self.contacts else ()),
        )
        statements = [(soql, take) for question, of, take in asked for soql in question.of(of)]
        for place, row in self._session.read_all([soql for soql, _ in statements]):
            statements[place][1](row)

    def _read_history(self, ids: Sequence[str], around: Surroundings) -> None:
        """Where a deal itself does not tell when it came to its stage."""
        for _, row in self._session.read_all(list(HISTORY.of(ids))):
            _take_history(row, around)

    def _about_tasks(self) -> Open:
        read = ("deal", "key", "subject", "owner", "due", *(("body",) if self._names.marks(Kind.TASK) else ()))
        own = (self._names.column(Kind.TASK, each) for each in read)
        fixed = ("IsClosed", "CompletedDateTime", "CreatedDate", "TaskSubtype")
        return _about(self._names, Kind.TASK, (*own, *fixed))

    def _about_meetings(self) -> Open:
        marked = ("body",) if self._names.marks(Kind.MEETING) else ()
        read = ("deal", "key", "subject", "owner", "start", "end", "outcome", *marked)
        return _about(self._names, Kind.MEETING, tuple(self._names.column(Kind.MEETING, each) for each in read))

    def _take_task(self, row: Row, around: Surroundings) -> None:
        names = self._names
        deal_id = text_of(row, names.column(Kind.TASK, "deal")) or ""
        owner = text_of(row, names.column(Kind.TASK, "owner"))
        key = self._key_of(Kind.TASK, row, around)
        done_at = moment_of(row.get("CompletedDateTime"))
        touch = TOUCH_SUBTYPES.get(str(row.get("TaskSubtype")))
        if touch is not None and key is None:
            if row.get("IsClosed"):
                at = done_at or moment_of(row.get("CreatedDate")) or EPOCH
                around.touches[deal_id][str(row["Id"])] = Touch(kind=touch, at=at, by=owner)
            return
        due = names.column(Kind.TASK, "due")
        around.tasks[deal_id][str(row["Id"])] = CrmTask(
            id=str(row["Id"]),
            key=key,
            subject=text_of(row, names.column(Kind.TASK, "subject")) or "",
            owner_id=owner,
            done=bool(row.get("IsClosed")),
            due=day_of(dig(row, due)) if due else None,
            done_at=done_at,
        )

    def _key_of(self, kind: Kind, row: Row, around: Surroundings) -> str | None:
        names = self._names
        if names.marks(kind):
            return mark_in(text_of(row, names.column(kind, "body")))
        return around.keys.get(str(row["Id"])) or text_of(row, names.column(kind, "key"))

    def _take_note(self, row: Row, around: Surroundings) -> None:
        note = note_of(row, self._names)
        if note is not None:
            around.notes[text_of(row, self._names.column(Kind.NOTE, "deal")) or ""][note.id] = note

    def _take_meeting(self, row: Row, around: Surroundings) -> None:
        """A meeting that people had, or plan, is a touch; one that this connector put into the calendar proves none."""
        names, record_id = self._names, str(row["Id"])
        deal_id = text_of(row, names.column(Kind.MEETING, "deal")) or ""
        at = moment_of(text_of(row, names.column(Kind.MEETING, "start")))
        owner = text_of(row, names.column(Kind.MEETING, "owner"))
        key = self._key_of(Kind.MEETING, row, around)
        outcome = self._outcome(text_of(row, names.column(Kind.MEETING, "outcome")))
        if key is not None:
            around.meetings[deal_id][record_id] = CrmMeeting(
                id=record_id,
                key=key,
                subject=text_of(row, names.column(Kind.MEETING, "subject")) or "",
                owner_id=owner,
                start=at,
                end=moment_of(text_of(row, names.column(Kind.MEETING, "end"))),
                outcome=outcome,
            )
        elif at is not None and outcome is Outcome.MISSED:
            around.no_shows[deal_id][record_id] = at
        elif at is not None and outcome not in (Outcome.MOVED, Outcome.CANCELED):
            around.touches[deal_id][record_id] = Touch(kind=TouchKind.MEETING, at=at, by=owner)

    def _take_contact(self, row: Row, around: Surroundings) -> None:
        """One role of one contact; somebody may have several."""
        deal_id, contact_id = text_of(row, "OpportunityId") or "", text_of(row, "ContactId") or ""
        known = around.contacts[deal_id].get(contact_id)
        told = text_of(row, "Role")
        roles = (*(known.roles if known else ()), *((self._names.crm_map.role(told),) if told else ()))
        around.contacts[deal_id][contact_id] = Contact(
            id=contact_id,
            name=text_of(row, "Contact.Name") or "",
            title=text_of(row, "Contact.Title") or "",
            email=text_of(row, "Contact.Email") or "",
            roles=tuple(dict.fromkeys(roles)),
            primary=bool(row.get("IsPrimary")) or bool(known and known.primary),
        )

    def _outcome(self, told: str | None) -> Outcome:
        """By the mapping's words: an Event has no outcome of its own (facts: Salesforce §6.9)."""
        mapped = self._names.field(Kind.MEETING, "outcome")
        ours = mapped.from_vendor(told) if mapped and told else ""
        return Outcome(ours) if ours in set(Outcome) else Outcome.PLANNED

    def _needs_history(self, row: Row) -> bool:
        """A win that carries neither our gate nor our start: only then is the stage before it of use."""
        if not row.get("IsWon"):
            return False
        names = self._names
        handled = all(text_of(row, names.column(Kind.DEAL, each)) for each in ("gate", "started_at"))
        return not handled or not row.get(STAGE_CHANGED)

    # put together

    def _facts(self, row: Row, around: Surroundings) -> DealFacts:
        names = self._names
        deal_id = str(row["Id"])
        deal = record_of(Kind.DEAL, row, names.mapped(Kind.DEAL))
        if deal is None:
            raise AssertionError("a deal row always has an id")
        history = [(at, stage) for at, _, stage in sorted(around.history.get(deal_id, ()))]
        stage = self._stage(row)
        return DealFacts(
            deal=self._in_one_currency(deal, row),
            stage=stage,
            deal_type=names.crm_map.deal_type(text_of(row, names.column(Kind.DEAL, "type"))),
            modified_at=moment_of(row.get("SystemModstamp")) or EPOCH,
            account=self._account(row),
            won_at=self._won_at(row, history),
            stage_before_win=self._stage_before(history),
            tasks=_sorted_by_id(around.tasks[deal_id]),
            notes=_sorted_by_id(around.notes[deal_id]),
            touches=tuple(sorted(around.touches[deal_id].values(), key=lambda each: each.at)),
            no_shows=tuple(sorted(around.no_shows[deal_id].values())),
            meetings=_sorted_by_id(around.meetings[deal_id]),
            stage_since=moment_of(row.get(STAGE_CHANGED)),
            contacts=tuple(one for _, one in sorted(around.contacts[deal_id].items())),
        )

    def _in_one_currency(self, deal: Record, row: Row) -> Record:
        code = text_of(row, CODE)
        if self.rates is None or code is None:
            return deal
        on = day_of(text_of(row, self._names.column(Kind.DEAL, "close_date") or "CloseDate"))
        told = {
            name: self.rates.corporate(value, code, on=on)
            for name, value in deal.values.items()
            if name in self.money and isinstance(value, Decimal)
        }
        return dataclasses.replace(deal, values={**deal.values, **told})

    def _account(self, row: Row) -> Record | None:
        return record_of(Kind.ACCOUNT, row, self._names.mapped(Kind.ACCOUNT), under=ACCOUNT)

    def _stage(self, row: Row) -> Stage:
        """Won and closed are read off the record itself; the stage table only adds the label."""
        name = text_of(row, self._names.column(Kind.DEAL, "stage")) or ""
        known = self._stage_of(name)
        return Stage(
            id=name,
            label=known.label if known else name,
            is_won=bool(row.get("IsWon")),
            is_closed=bool(row.get("IsClosed")),
        )

    def _won_at(self, row: Row, history: Sequence[tuple[datetime, str]]) -> datetime | None:
        if not row.get("IsWon"):
            return None
        changed = moment_of(row.get(STAGE_CHANGED))
        won: datetime | None = None
        for at, stage in reversed(history):
            if not self._is(stage, won=True):
                break
            won = at
        # The last change of stage may have been a step from one won stage to another: won it was before.
        return min((each for each in (changed, won) if each is not None), default=None)

    def _stage_before(self, history: Sequence[tuple[datetime, str]]) -> str | None:
        """The last open stage it stood in."""
        return next((stage for _, stage in reversed(history) if self._is(stage, closed=False)), None)

    def _is(self, name: str, *, won: bool | None = None, closed: bool | None = None) -> bool:
        stage = self._stage_of(name)
        if stage is None:
            return False
        return (won is None or stage.is_won is won) and (closed is None or stage.is_closed is closed)


def _sorted_by_id(found: Mapping[str, T]) -> tuple[T, ...]:
    return tuple(found[each] for each in sorted(found))


def _about(names: Names, kind: Kind, fields: Iterable[str | None]) -> Open:
    """A statement that asks for what hangs on deals, open for the list of their ids."""
    deal = names.column(kind, "deal") or ""
    return select_in(["Id", *filter(None, fields)], of=names.object(kind), where=ALIVE, field=deal)


def _take_history(row: Row, around: Surroundings) -> None:
    at = moment_of(row.get("CreatedDate")) or EPOCH
    around.history[str(row["OpportunityId"])].append((at, str(row.get("Id")), str(row["StageName"])))


def read_notes(session: SalesforceSession, names: Names, ids: Sequence[str]) -> Iterator[CrmNote]:
    """Our notes on these deals."""
    asked = _about(names, Kind.NOTE, (names.column(Kind.NOTE, "deal"), names.column(Kind.NOTE, "body")))
    for _, row in session.read_all(list(asked.of(ids))):
        note = note_of(row, names)
        if note is not None:
            yield note


def read_ledger(session: SalesforceSession, deal_ids: Sequence[str]) -> dict[str, str]:
    """The keys of these deals' tasks and meetings in the ledger object, by record id."""
    asked = select_in([LEDGER_KEY, LEDGER_RECORD], of=LEDGER_OBJECT, where=ALIVE, field=LEDGER_DEAL)
    rows = session.read_all(list(asked.of(deal_ids)))
    return {str(row[LEDGER_RECORD]): str(row[LEDGER_KEY]) for _, row in rows}
