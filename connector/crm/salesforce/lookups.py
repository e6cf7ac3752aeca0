"""The org's lists: people, stages, accounts per CSM, won deals, the first start we left, keys, and describe.

Not here: deals with all that hangs on them (``reads``) and changes (``feeds``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from connector.crm.port import (
    Change,
    FieldSchema,
    ObjectSchema,
)
from connector.crm.salesforce.fields import ACTIVITIES, STAGE_CHANGED, Names
from connector.crm.salesforce.keys import LEDGER_KEY, LEDGER_OBJECT, LEDGER_RECORD, KeyMode
from connector.crm.salesforce.reads import read_notes
from connector.crm.salesforce.session import SalesforceSession
from connector.crm.salesforce.soql import ALIVE, PAGE, Soql, both, either, select, select_in, where
from connector.crm.salesforce.wire import Row, day_of, dig, mark_in, moment_of, text_of
from connector.errors import FIX, Advice, CrmError, Fault, FaultCode
from connector.handoff.model import Kind, Person, Stage


def people(session: SalesforceSession, absences: Mapping[str, str]) -> tuple[Person, ...]:
    """Every person with a login, inactive ones included; ``absences`` names the fields of the map's [people]."""
    columns = ["Id", "Name", "Email", "IsActive", "ManagerId"]
    columns += [each for each in dict.fromkeys(absences.values()) if each not in columns]
    soql = select(columns, of="User", where=where("UserType", "=", "Standard"))
    away_from, away_until, paused = (absences.get(name) for name in ("away_from", "away_until", "paused"))
    return tuple(
        Person(
            id=str(row["Id"]),
            email=(text_of(row, "Email") or "").lower(),
            name=text_of(row, "Name") or "",
            active=bool(row.get("IsActive")),
            manager_id=text_of(row, "ManagerId"),
            away_from=day_of(row.get(away_from)) if away_from else None,
            away_until=day_of(row.get(away_until)) if away_until else None,
            paused=row.get(paused) is True if paused else False,
        )
        for row in _all(session, soql)
    )


def stages(session: SalesforceSession) -> tuple[Stage, ...]:
    """Every stage in its order; the id is what ``StageName`` holds, not the label an admin may rename (facts: §5.3)."""
    soql = select(["ApiName", "MasterLabel", "IsWon", "IsClosed"], of="OpportunityStage", order=("SortOrder ASC",))
    return tuple(
        Stage(
            id=text_of(row, "ApiName") or text_of(row, "MasterLabel") or "",
            label=text_of(row, "MasterLabel") or "",
            is_won=bool(row.get("IsWon")),
            is_closed=bool(row.get("IsClosed")),
        )
        for row in _all(session, soql)
    )


def account_counts(session: SalesforceSession, names: Names) -> dict[str, int]:
    """How many accounts each CSM holds, counted by the vendor in one call."""
    csm = names.column(Kind.ACCOUNT, "csm")
    if csm is None:
        return {}
    soql = select([csm, "COUNT(Id) held"], of=names.object(Kind.ACCOUNT), where=where(csm, "!=", None), group=csm)
    return {str(row[csm]): int(row["held"]) for row in _all(session, soql)}


def scan_won(session: SalesforceSession, names: Names, since: date | None) -> Iterator[tuple[str, ...]]:
    """Pages of ids of won deals; with ``since`` those closing, or brought to their stage, on or after that day."""
    wanted = where("IsWon", "=", value=True)
    if since is not None:
        recent = [where(names.column(Kind.DEAL, "close_date") or "CloseDate", ">=", since)]
        if names.has(Kind.DEAL, STAGE_CHANGED):
            recent.append(where(STAGE_CHANGED, ">=", datetime.combine(since, time(), UTC)))
        wanted = both(wanted, either(*recent))
    for page in session.query(select(["Id"], of=names.object(Kind.DEAL), where=wanted)):
        yield tuple(str(row["Id"]) for row in page)


def last_won(session: SalesforceSession, names: Names, count: int, since: date | None) -> tuple[str, ...]:
    """The won deals that closed last, those with the same close date by their ids."""
    closes = names.column(Kind.DEAL, "close_date") or "CloseDate"
    wanted = where("IsWon", "=", value=True)
    if since is not None:
        wanted = both(wanted, where(closes, ">=", since))
    soql = select(["Id"], of=names.object(Kind.DEAL), where=wanted, order=(f"{closes} DESC", "Id DESC"), limit=count)
    return tuple(str(row["Id"]) for row in _all(session, soql))


def scan_changed(session: SalesforceSession, names: Names, since: datetime) -> Iterator[tuple[Change, ...]]:
    """Pages of opportunities with a stamp from ``since`` on, the recycle bin included.

    By id, not by stamp: a row that changes meanwhile keeps its place, so no page can skip it (facts: Salesforce §1.1).
    """
    last = ""
    while True:
        recent = where("SystemModstamp", ">=", since)
        recent = both(recent, where("Id", ">", last)) if last else recent
        columns = ["Id", "SystemModstamp", "LastModifiedById"]
        soql = select(columns, of=names.object(Kind.DEAL), where=recent, order=("Id ASC",), limit=PAGE)
        rows: list[Row] = session.query_page(soql, all_rows=True)["records"]
        own_id = session.identity.user_id
        stamped = ((row, moment_of(row.get("SystemModstamp"))) for row in rows)
        yield tuple(
            Change(deal_id=str(row["Id"]), modified_at=at, by_self=row.get("LastModifiedById") == own_id)
            for row, at in stamped
            if at is not None
        )
        if not rows:
            return
        last = str(rows[-1]["Id"])


def earliest_start(session: SalesforceSession, names: Names) -> datetime | None:
    """The first ``started_at`` on any deal."""
    field = names.column(Kind.DEAL, "started_at")
    if field is None:
        return None
    filled = where(field, "!=", None)
    soql = select([field], of=names.object(Kind.DEAL), where=filled, order=(f"{field} ASC",), limit=1)
    return next((moment_of(row.get(field)) for row in _all(session, soql)), None)


def find(session: SalesforceSession, names: Names, kind: Kind, keys: Mapping[str, str]) -> dict[str, str]:
    """Which keys exist, as key -> record id. Deals and accounts carry no key of ours."""
    if kind is Kind.NOTE:
        notes = read_notes(session, names, tuple(dict.fromkeys(keys.values())))
        return _oldest(((note.key, note.id) for note in notes), keys)
    if kind not in ACTIVITIES:
        return {}
    if names.key_mode is KeyMode.LEDGER:
        return _by_key(session, LEDGER_OBJECT, LEDGER_KEY, LEDGER_RECORD, keys)
    if names.marks(kind):
        return _by_mark(session, names, kind, keys)
    field = names.column(kind, "key")
    return _by_key(session, names.object(kind), field, "Id", keys) if field else {}


def _by_key(session: SalesforceSession, of: str, field: str, holds_id: str, keys: Iterable[str]) -> dict[str, str]:
    asked = select_in([holds_id, field], of=of, where=ALIVE, field=field)
    rows = session.read_all(list(asked.of(list(keys))))
    return {str(row[field]): str(row[holds_id]) for _, row in rows}


def _by_mark(session: SalesforceSession, names: Names, kind: Kind, keys: Mapping[str, str]) -> dict[str, str]:
    """Texts cannot be filtered by, so the deals' own tasks are read and looked through (facts: Salesforce §6.8)."""
    deal, body = names.column(kind, "deal"), names.column(kind, "body")
    if deal is None or body is None:
        return {}
    asked = select_in(["Id", body], of=names.object(kind), where=ALIVE, field=deal)
    rows = session.read_all(list(asked.of(sorted(set(keys.values())))))
    return _oldest(((mark_in(text_of(row, body)), str(row["Id"])) for _, row in rows), keys)


def _oldest(marked: Iterable[tuple[str | None, str]], keys: Mapping[str, str]) -> dict[str, str]:
    """By key the record with the lowest id: a person who clones one copies its mark, and the clone is not ours."""
    found: dict[str, str] = {}
    for key, record_id in sorted(marked, key=lambda each: each[1]):
        if key is not None and key in keys:
            found.setdefault(key, record_id)
    return found


def raw(
    session: SalesforceSession, names: Names, kind: Kind, record_id: str, fields: Sequence[str]
) -> Mapping[str, str]:
    """One record's columns as texts, empty ones left out."""
    wanted = list({name.lower(): name for name in ("Id", *fields)}.values())
    asked = select_in(wanted, of=names.object(kind), where=ALIVE, field="Id")
    rows = [row for _, row in session.read_all(list(asked.of([record_id])))]
    found = {name: dig(rows[0], name) for name in fields} if rows else {}
    return {name: str(value) for name, value in found.items() if value is not None}


def describe(session: SalesforceSession, names: Names, kind: Kind) -> ObjectSchema:
    """The object's fields as this login sees them."""
    return _described(session, names.object(kind), kind)


def describe_object(session: SalesforceSession, name: str) -> ObjectSchema | None:
    """An object beside those the map names; None when it is not there or this login may not see it."""
    try:
        return _described(session, name, Kind.TASK)
    except CrmError as error:
        if error.fault.advice in (Advice.REREAD, Advice.PARK):
            return None
        raise


def _described(session: SalesforceSession, name: str, kind: Kind) -> ObjectSchema:
    try:
        answer = session.read("describe", f"sobjects/{name}/describe")
    except CrmError as error:
        if error.fault.advice is not Advice.REREAD:
            raise
        words = f"{name} is not there or is hidden from this login. {FIX}give its permission set Read on {name}"
        raise CrmError(Fault(FaultCode.NOT_PERMITTED, error.fault.vendor_code, words)) from error
    if not isinstance(answer, Mapping) or not isinstance(answer.get("fields"), list):
        raise CrmError(Fault(FaultCode.UNAVAILABLE, "UNREADABLE_ANSWER", f"{name} was described without fields"))
    fields = {str(each["name"]): _field(each) for each in answer["fields"]}
    return ObjectSchema(kind=kind, object_name=name, fields=fields)


def _field(told: Mapping[str, Any]) -> FieldSchema:
    return FieldSchema(
        name=str(told["name"]),
        label=str(told.get("label") or told["name"]),
        type=str(told.get("type") or ""),
        writable=bool(told.get("updateable") or told.get("createable")),
        max_length=int(told.get("length") or 0),
        choices=tuple(str(each["value"]) for each in told.get("picklistValues") or () if each.get("active", True)),
        external_id=bool(told.get("externalId")),
        unique=bool(told.get("unique")),
        createable=bool(told.get("createable")),
        updateable=bool(told.get("updateable")),
        refers=tuple(str(each) for each in told.get("referenceTo") or ()),
    )


def _all(session: SalesforceSession, soql: Soql) -> Iterator[Row]:
    for page in session.query(soql):
        yield from page
