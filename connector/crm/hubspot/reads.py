"""Reading deals and all that hangs on them, in batches: about 8 calls per 100 deals, 6 of which serve 1,000.

Not here: searching (``search``), writing (``writes``), what the values mean (``handoff``). Related records are found by
association and read by id, never searched: search lags behind writes, these do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.crm.batch import chunks
from connector.crm.hubspot import associations, wire
from connector.crm.hubspot.faults import UnreadRow
from connector.crm.hubspot.fields import (
    DEAL_TYPE,
    MODIFIED,
    PIPELINE,
    STAGE,
    TOUCH_PROPERTIES,
    Fields,
    missed_at,
    reply_at,
    touch,
)
from connector.crm.hubspot.history import Course, StageOf, StageTimes, from_history, was_won, win_from_times
from connector.crm.hubspot.movers import own_sources
from connector.crm.hubspot.session import Session
from connector.crm.port import (
    DealFacts,
)
from connector.handoff.model import Contact, CrmMeeting, CrmNote, CrmTask, Gate, Kind, Record, Stage, Touch

READ_LIMIT = 100
HISTORY_LIMIT = 50
"""Inputs per batch read, and per batch read with history (facts: HubSpot §1)."""

CONTACT_PROPERTIES = ("firstname", "lastname", "jobtitle", "email")

MERGED = "hs_merged_object_ids"
"""Which records became part of a record; a portal without the property leaves it out (facts: HubSpot §2a, merges)."""

STARTED_LATER = timedelta(minutes=5)
"""A win so much later than our start of its handoff is another win; less may be two clocks."""


@dataclass(frozen=True, slots=True)
class Pipelines:
    """The portal's stages: by id and pipeline (always one), by id alone (None: deleted), and their stage times."""

    stage: Callable[[str, str], Stage]
    find: StageOf
    times: StageTimes


class Reader:
    """Reads for one system. Holds the session and the translation."""

    def __init__(self, session: Session, fields: Fields) -> None:
        self._session = session
        self._fields = fields
        self.heirs: dict[str, str] = {}
        """Which deal each merged one went into, as far as survivors were read."""

    def deals(self, deal_ids: Sequence[str], *, pipelines: Pipelines, now: datetime) -> dict[str, DealFacts]:
        """Deals with all that hangs on them."""
        fields = self._fields
        names = (*fields.read_names(Kind.DEAL), STAGE, PIPELINE, DEAL_TYPE, MODIFIED, MERGED, *pipelines.times.names)
        rows = self.rows("deals", deal_ids, names)
        if not rows:
            return {}
        self.heirs.update((each, row.id) for row in rows.values() for each in merged_ids(row))
        found = {each: pipelines.stage(row.get(STAGE), row.get(PIPELINE)) for each, row in rows.items()}
        courses = self._courses(rows, found, pipelines)
        around = self._around(tuple(rows))
        return {
            each: DealFacts(
                deal=fields.record(Kind.DEAL, row),
                stage=found[each],
                deal_type=fields.map.deal_type(row.get(DEAL_TYPE)),
                modified_at=row.at(MODIFIED) or row.updated_at or now,
                account=around.account(each, fields),
                won_at=courses[each].at,
                stage_before_win=courses[each].before,
                won_by=courses[each].by,
                passed=courses[each].passed,
                merged=merged_ids(row),
                tasks=around.tasks.get(each, ()),
                notes=around.notes.get(each, ()),
                touches=around.touches.get(each, ()),
                replies=around.replies.get(each, ()),
                no_shows=around.no_shows.get(each, ()),
                meetings=around.meetings.get(each, ()),
                contacts=around.contacts.get(each, ()),
            )
            for each, row in rows.items()
        }

    def rows(
        self, object_name: str, ids: Sequence[str], properties: Sequence[str], *, history: Sequence[str] = ()
    ) -> dict[str, wire.Obj]:
        """Records by id, in the order asked; those that are gone are missing."""
        found: dict[str, wire.Obj] = {}
        for part in chunks(tuple(dict.fromkeys(ids)), size=HISTORY_LIMIT if history else READ_LIMIT):
            found.update((row.id, row) for row in self._batch(object_name, part, properties, history=history))
        return {each: found[each] for each in ids if each in found}

    def by_key(self, kind: Kind, keys: Sequence[str]) -> dict[str, str]:
        """Record ids by our natural key, where the portal enforces that keys are unique."""
        name = self._fields.key(kind)
        found: dict[str, str] = {}
        for part in chunks(tuple(dict.fromkeys(keys)), size=READ_LIMIT):
            for row in self._batch(self._fields.object(kind), part, (name,), id_property=name):
                found[row.get(name)] = row.id
        return {key: found[key] for key in keys if key in found}

    def _batch(
        self,
        object_name: str,
        ids: Sequence[str],
        properties: Sequence[str],
        *,
        history: Sequence[str] = (),
        id_property: str = "",
    ) -> tuple[wire.Obj, ...]:
        body: dict[str, object] = {
            "properties": list(dict.fromkeys(properties)),
            "propertiesWithHistory": list(history),
            "inputs": [{"id": each} for each in ids],
        }
        if id_property:
            body["idProperty"] = id_property
        path = self._session.objects(object_name, "batch", "read")
        return wire.batch(self._session.ask(f"{object_name}.batch.read", path, body)).results

    def _courses(
        self, rows: Mapping[str, wire.Obj], stages: Mapping[str, Stage], pipelines: Pipelines
    ) -> dict[str, Course]:
        """When and from where each deal was won, who moved it, and which wins were left again.

        The stage-time properties come with the deal and cost no call. The history does (50 deals a call instead of
        100), so it is read in a second step and only where something is unclear. The mark of the gate comes with its
        history: who wrote that is this connector.
        """
        times = pipelines.times
        courses = {
            each: win_from_times(row, stages[each], times) if stages[each].is_won else Course()
            for each, row in rows.items()
        }
        unclear = [each for each, row in rows.items() if self._unclear(row, stages[each], courses[each], times)]
        mark = self._mark("gate")
        told = self.rows("deals", unclear, (STAGE,), history=(STAGE, *((mark,) if mark else ()))) if unclear else {}
        for each, past in told.items():
            own = own_sources(past.history.get(mark, ()))
            courses[each] = from_history(
                past, row=rows[each], stage=stages[each], times=times, stage_of=pipelines.find, own=own
            )
        return courses

    def _unclear(self, row: wire.Obj, stage: Stage, course: Course, times: StageTimes) -> bool:
        """Whether the history has to be asked.

        Of a won deal: its time is unknown, or, until the handoff has started, the stage to go back to; it was held
        before, so that somebody may be undoing that; or it was won anew since its handoff started. Of any other: it was
        in a won stage, or no property would tell.
        """
        if not stage.is_won:
            return was_won(row, times)
        started = row.at(self._mark("started_at"))
        if course.at is None or self._is_held(row):
            return True
        return course.before is None if started is None else course.at > started + STARTED_LATER

    def _is_held(self, row: wire.Obj) -> bool:
        mapped = self._fields.map.get(Kind.DEAL, "gate")
        return mapped is not None and mapped.from_vendor(row.get(mapped.field)) == Gate.HELD.value

    def _mark(self, name: str) -> str:
        """The property that carries one of our own marks on the deal; empty when none is mapped or readable."""
        mapped = self._fields.map.get(Kind.DEAL, name)
        return mapped.field if mapped and mapped.field in self._fields.read_names(Kind.DEAL) else ""

    def _around(self, deal_ids: Sequence[str]) -> Around:
        fields, session = self._fields, self._session
        companies = {
            each: company
            for each, links in associations.read(session, "deals", "companies", deal_ids).items()
            if (company := associations.primary(links)) is not None
        }
        accounts = self._hung(
            "companies",
            tuple(companies.values()),
            fields.read_names(Kind.ACCOUNT),
            on={each: (company,) for each, company in companies.items()},
        )
        task_links, tasks = self._hanging("tasks", deal_ids, fields.task_names())
        note_links, notes = self._hanging("notes", deal_ids, fields.note_names())
        touches: dict[str, list[Touch]] = {}
        meetings: dict[str, list[CrmMeeting]] = {}
        replies: dict[str, list[datetime]] = {}
        no_shows: dict[str, list[datetime]] = {}
        for object_name, names in TOUCH_PROPERTIES.items():
            own = fields.own_names(object_name)
            links, rows = self._hanging(object_name, deal_ids, (*names, *own))
            for each, one in ((each, rows[one]) for each, ids in links.items() for one in ids if one in rows):
                # What this connector put into the calendar proves no contact: the core asks whether it was held.
                if fields.sent_by_us(object_name, one):
                    continue
                if own and (meeting := fields.to_meeting(one)) is not None:
                    meetings.setdefault(each, []).append(meeting)
                elif (read := touch(object_name, one)) is not None:
                    touches.setdefault(each, []).append(read)
                elif (written := reply_at(one)) is not None:
                    replies.setdefault(each, []).append(written)
                elif (missed := missed_at(one)) is not None:
                    no_shows.setdefault(each, []).append(missed)
        return Around(
            companies=companies,
            accounts=accounts,
            tasks={
                each: tuple(fields.to_task(tasks[i]) for i in ids if i in tasks) for each, ids in task_links.items()
            },
            notes={
                each: tuple(note for i in ids if i in notes and (note := fields.to_note(notes[i])) is not None)
                for each, ids in note_links.items()
            },
            touches={each: tuple(sorted(found, key=lambda one: one.at)) for each, found in touches.items()},
            meetings={each: tuple(found) for each, found in meetings.items()},
            replies={each: tuple(sorted(found)) for each, found in replies.items()},
            no_shows={each: tuple(sorted(found)) for each, found in no_shows.items()},
            contacts=self._contacts(deal_ids) if fields.map.contacts is not None else {},
        )

    def _contacts(self, deal_ids: Sequence[str]) -> dict[str, tuple[Contact, ...]]:
        """Who is linked with each deal, by the labels of the link; the portal's own order of ids."""
        links = associations.read(self._session, "deals", "contacts", deal_ids)
        on = {each: tuple(link.id for link in found) for each, found in links.items()}
        rows = self._hung("contacts", associations.ids(links), CONTACT_PROPERTIES, on=on) if links else {}
        role = self._fields.map.role
        return {
            each: tuple(
                Contact(
                    id=link.id,
                    name=" ".join(filter(None, (row.get("firstname"), row.get("lastname")))),
                    title=row.get("jobtitle"),
                    email=row.get("email"),
                    roles=tuple(dict.fromkeys(role(label) for label in sorted(link.labels))),
                )
                for link in found
                if (row := rows.get(link.id)) is not None
            )
            for each, found in links.items()
        }

    def _hanging(
        self, object_name: str, deal_ids: Sequence[str], properties: Sequence[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, wire.Obj]]:
        """The records of one type on each deal; no second call when there are none."""
        links = associations.read(self._session, "deals", object_name, deal_ids)
        ids = associations.ids(links)
        hanging = {each: tuple(link.id for link in found) for each, found in links.items()}
        return hanging, self._hung(object_name, ids, properties, on=hanging) if ids else {}

    def _hung(
        self, object_name: str, ids: Sequence[str], properties: Sequence[str], *, on: Mapping[str, Sequence[str]]
    ) -> dict[str, wire.Obj]:
        """Records that hang on deals. One that cannot be read makes its deals unreadable, and no others."""
        try:
            return self.rows(object_name, ids, properties)
        except UnreadRow as error:
            deals = frozenset(each for each, hanging in on.items() if error.ids.intersection(hanging))
            raise UnreadRow(error.fault, ids=deals) from error


def merged_ids(row: wire.Obj) -> tuple[str, ...]:
    """The ids of the records that became part of this one; its own is none of them."""
    return tuple(each for each in row.get(MERGED).split(";") if each and each != row.id)


@dataclass(frozen=True, slots=True)
class Around:
    """What hangs on the deals of one reading, by deal id; ``accounts`` by company id."""

    companies: Mapping[str, str]
    accounts: Mapping[str, wire.Obj]
    tasks: Mapping[str, tuple[CrmTask, ...]]
    notes: Mapping[str, tuple[CrmNote, ...]]
    touches: Mapping[str, tuple[Touch, ...]]
    meetings: Mapping[str, tuple[CrmMeeting, ...]]
    replies: Mapping[str, tuple[datetime, ...]]
    no_shows: Mapping[str, tuple[datetime, ...]]
    contacts: Mapping[str, tuple[Contact, ...]]

    def account(self, deal_id: str, fields: Fields) -> Record | None:
        """The deal's primary company, as far as it could be read."""
        row = self.accounts.get(self.companies.get(deal_id, ""))
        return fields.record(Kind.ACCOUNT, row) if row else None
