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
from connector.crm.hubspot.fields import (
    DEAL_TYPE,
    MODIFIED,
    OBJECTS,
    PIPELINE,
    STAGE,
    TOUCH_PROPERTIES,
    Fields,
    touch,
)
from connector.crm.hubspot.session import Session
from connector.crm.port import (
    DealFacts,
)
from connector.handoff.model import CrmMeeting, CrmNote, CrmTask, Kind, Record, Stage, Touch

READ_LIMIT = 100
HISTORY_LIMIT = 50
"""Inputs per batch read, and per batch read with history (facts: HubSpot §1)."""

ENTERED, EXITED = "hs_v2_date_entered_", "hs_v2_date_exited_"
SAME_MOMENT = timedelta(seconds=2)
"""Leaving one stage and entering the next are stamped together, give or take the vendor's own calculation."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Which properties tell when a deal entered and left each stage: stage id → property, as the portal lists them."""

    entered: Mapping[str, str]
    exited: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.entered.values(), *self.exited.values())


def stage_times(properties: Sequence[str], stages: Sequence[Stage]) -> StageTimes:
    """Find the properties in the portal's own list. A name may carry a suffix or a mangled id, so it is looked for
    and never put together (facts: HubSpot §4). Of entries only those into won stages matter."""
    won = tuple(stage for stage in stages if stage.is_won)
    return StageTimes(entered=_by_stage(properties, ENTERED, won), exited=_by_stage(properties, EXITED, stages))


def _by_stage(properties: Sequence[str], prefix: str, stages: Sequence[Stage]) -> dict[str, str]:
    tails = {name.removeprefix(prefix): name for name in properties if name.startswith(prefix)}
    found: dict[str, str] = {}
    for stage in stages:
        mangled = stage.id.lower().replace("-", "_")
        suffixed = [tail for tail in tails if tail.rpartition("_")[0] == mangled and tail.rpartition("_")[2].isdigit()]
        tail = next((each for each in (stage.id, stage.id.lower(), mangled) if each in tails), None)
        if tail is None and len(suffixed) == 1:
            tail = suffixed[0]
        if tail is not None:
            found[stage.id] = tails[tail]
    return found


@dataclass(frozen=True, slots=True)
class Win:
    """When a deal entered the won stage it stands in, and where it came from; None where that is not known."""

    at: datetime | None = None
    before: str | None = None


def win_from_times(row: wire.Obj, stage: Stage, times: StageTimes) -> Win:
    """The win by the stage-time properties, as far as they agree with each other.

    A stage that was left after it was entered, though the deal stands in it, shows that the portal keeps the first
    entry and not the last; then nothing is taken from them.
    """
    at = row.at(times.entered.get(stage.id, ""))
    left = row.at(times.exited.get(stage.id, ""))
    if at is None or (left is not None and left >= at):
        return Win()
    leavers = [
        other
        for other, name in times.exited.items()
        if other != stage.id and (moment := row.at(name)) is not None and abs(moment - at) <= SAME_MOMENT
    ]
    return Win(at=at, before=leavers[0] if len(leavers) == 1 else None)


def win_from_history(row: wire.Obj, stage: Stage) -> Win:
    """The win by the stage's own history, newest first."""
    entries = row.history.get(STAGE, ())
    at: datetime | None = None
    for entry in entries:
        if entry.value != stage.id:
            return Win(at=at, before=entry.value or None)
        at = entry.at
    return Win(at=at)


class Reader:
    """Reads for one system. Holds the session and the translation."""

    def __init__(self, session: Session, fields: Fields) -> None:
        self._session = session
        self._fields = fields
        self.heirs: dict[str, str] = {}
        """Which deal each merged one went into, as far as survivors were read."""

    def deals(
        self, deal_ids: Sequence[str], *, stages: Callable[[str, str], Stage], times: StageTimes, now: datetime
    ) -> dict[str, DealFacts]:
        """Deals with all that hangs on them. ``stages`` gives the stage for (stage id, pipeline id)."""
        fields = self._fields
        names = (*fields.read_names(Kind.DEAL), STAGE, PIPELINE, DEAL_TYPE, MODIFIED, *times.names)
        rows = self.rows("deals", deal_ids, names)
        if not rows:
            return {}
        found = {each: stages(row.get(STAGE), row.get(PIPELINE)) for each, row in rows.items()}
        wins = self._wins(rows, found, times)
        around = self._around(tuple(rows))
        return {
            each: DealFacts(
                deal=fields.record(Kind.DEAL, row),
                stage=found[each],
                deal_type=fields.map.deal_type(row.get(DEAL_TYPE)),
                modified_at=row.at(MODIFIED) or row.updated_at or now,
                account=around.account(each, fields),
                won_at=wins[each].at,
                stage_before_win=wins[each].before,
                tasks=around.tasks.get(each, ()),
                notes=around.notes.get(each, ()),
                touches=around.touches.get(each, ()),
                meetings=around.meetings.get(each, ()),
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

    def _wins(self, rows: Mapping[str, wire.Obj], stages: Mapping[str, Stage], times: StageTimes) -> dict[str, Win]:
        """When and from where each deal was won.

        The stage-time properties come with the deal and cost no call. The history does (50 deals a call instead of
        100), so it is read in a second step and only for won deals of which something is still unknown: the time, or,
        until the handoff has started, the stage to go back to.
        """
        wins = {
            each: win_from_times(row, stages[each], times) if stages[each].is_won else Win()
            for each, row in rows.items()
        }
        started = self._fields.map.get(Kind.DEAL, "started_at")
        unsure = [
            each
            for each, win in wins.items()
            if stages[each].is_won
            and (win.at is None or (win.before is None and not (started and rows[each].get(started.field))))
        ]
        told = self.rows("deals", unsure, (STAGE,), history=(STAGE,)) if unsure else {}
        for each, row in told.items():
            past = win_from_history(row, stages[each])
            wins[each] = Win(at=past.at or wins[each].at, before=past.before)
        return wins

    def _around(self, deal_ids: Sequence[str]) -> Around:
        fields, session = self._fields, self._session
        companies = {
            each: company
            for each, links in associations.read(session, "deals", "companies", deal_ids).items()
            if (company := associations.primary(links)) is not None
        }
        accounts = self.rows("companies", tuple(companies.values()), fields.read_names(Kind.ACCOUNT))
        task_links, tasks = self._hanging("tasks", deal_ids, fields.task_names())
        note_links, notes = self._hanging("notes", deal_ids, fields.note_names())
        touches: dict[str, list[Touch]] = {}
        meetings: dict[str, list[CrmMeeting]] = {}
        for object_name, names in TOUCH_PROPERTIES.items():
            own = fields.meeting_names() if object_name == OBJECTS[Kind.MEETING] else ()
            links, rows = self._hanging(object_name, deal_ids, (*names, *own))
            for each, one in ((each, rows[one]) for each, ids in links.items() for one in ids if one in rows):
                # What this connector put into the calendar proves no contact: the core asks whether it was held.
                if own and (meeting := fields.to_meeting(one)) is not None:
                    meetings.setdefault(each, []).append(meeting)
                elif (read := touch(object_name, one)) is not None:
                    touches.setdefault(each, []).append(read)
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
        )

    def _hanging(
        self, object_name: str, deal_ids: Sequence[str], properties: Sequence[str]
    ) -> tuple[dict[str, tuple[str, ...]], dict[str, wire.Obj]]:
        """The records of one type on each deal; no second call when there are none."""
        links = associations.read(self._session, "deals", object_name, deal_ids)
        ids = associations.ids(links)
        rows = self.rows(object_name, ids, properties) if ids else {}
        return {each: tuple(link.id for link in found) for each, found in links.items()}, rows


@dataclass(frozen=True, slots=True)
class Around:
    """What hangs on the deals of one reading, by deal id; ``accounts`` by company id."""

    companies: Mapping[str, str]
    accounts: Mapping[str, wire.Obj]
    tasks: Mapping[str, tuple[CrmTask, ...]]
    notes: Mapping[str, tuple[CrmNote, ...]]
    touches: Mapping[str, tuple[Touch, ...]]
    meetings: Mapping[str, tuple[CrmMeeting, ...]]

    def account(self, deal_id: str, fields: Fields) -> Record | None:
        """The deal's primary company, as far as it could be read."""
        row = self.accounts.get(self.companies.get(deal_id, ""))
        return fields.record(Kind.ACCOUNT, row) if row else None
