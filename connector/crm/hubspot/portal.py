"""What a portal is like: its id and time zone, pipelines, owners and properties.

Not here: records. Pipelines and property lists are kept for as long as the process runs; a stage nobody has heard of
makes the pipelines be read again.
"""

from __future__ import annotations

import contextlib

from connector.crm.hubspot import faults, wire
from connector.crm.hubspot.fields import NO_UNIQUE_HERE, Fields
from connector.crm.hubspot.history import StageTimes, stage_times
from connector.crm.hubspot.reads import Pipelines
from connector.crm.hubspot.session import Session
from connector.crm.port import (
    FieldSchema,
    ObjectSchema,
)
from connector.errors import Problem, UserError
from connector.handoff.model import Kind, Person, Stage

DAILY_OLD = 900.0
"""Seconds after which the portal is asked how many calls the day has left: searches are not told of it (facts: HubSpot
§1), and a quiet portal is asked for nothing else, so a reserve reached yesterday would never be seen to have ended."""

WON_PROBABILITY = 1
"""A stage is won by probability 1.0 and ``isClosed``, never by its id (facts: HubSpot §4)."""

OWNERS_PAGE = 500
TEXT_LIMIT = 65_536
"""Characters in a text property (facts: HubSpot §5)."""


class Portal:
    """Reads what describes the portal, and keeps it."""

    def __init__(self, session: Session, fields: Fields) -> None:
        self._session = session
        self._fields = fields
        self._stages: dict[tuple[str, str], Stage] = {}
        self._strays: dict[tuple[str, str], Stage] = {}
        self._deleted: set[str] = set()
        self._properties: dict[Kind, ObjectSchema] = {}
        self._unique: dict[Kind, frozenset[str]] = {}
        self._refused: dict[Kind, frozenset[str]] = {}
        self._times: StageTimes | None = None
        self.id = ""
        self.card = ""

    def pin(self) -> None:
        """Learn which portal this is. Raises `UserError` when it is another one than before."""
        data = self._session.get("account", self._session.paths.account("details"))
        found = str(data.get("portalId", ""))
        if self.id and found != self.id:
            message = f"the token now belongs to portal {found}, before it was {self.id}: use a token of {self.id}"
            raise UserError([Problem(where="HubSpot", key="token", message=message)])
        self.id = found
        self._session.zone = str(data.get("timeZone") or "UTC")
        told = (str(data[name]) for name in ("accountType", "timeZone", "dataHostingLocation") if data.get(name))
        self.card = f"portal {found} ({', '.join(told)})"

    def recount(self) -> None:
        """Have the portal tell of the day's calls again where it did so long ago. A failure is left to what follows."""
        if self._session.daily_age >= DAILY_OLD:
            with contextlib.suppress(faults.HubSpotError):
                self._session.get("account", self._session.paths.account("details"))

    def refresh_stages(self) -> tuple[Stage, ...]:
        """Read all deal pipelines."""
        data = self._session.get("pipelines", self._session.paths.pipelines("deals"))
        found = [stage for pipeline in faults.listed(data) for stage in stages_of(pipeline)]
        self._stages = {(stage.pipeline, stage.id): stage for stage in found}
        self._strays.clear()
        self._times = None
        return tuple(found)

    def stage(self, stage_id: str, pipeline_id: str) -> Stage:
        """The stage as the portal defines it. A deleted one is neither won nor closed."""
        place = (pipeline_id, stage_id)
        if place not in self._stages and place not in self._strays:
            self.refresh_stages()
        known = self._stages.get(place) or self._strays.get(place)
        if known is None:
            # No pipeline by that name has it: the deal may just be moving from one to another.
            known = self._by_id(stage_id) or Stage(
                id=stage_id, label=stage_id, is_won=False, is_closed=False, pipeline=pipeline_id
            )
            self._strays[(pipeline_id, stage_id)] = known
        return known

    def find(self, stage_id: str) -> Stage | None:
        """The stage behind an id, in whichever pipeline; None for a deleted one, which is asked for once."""
        known = self._by_id(stage_id)
        if known is None and stage_id not in self._deleted:
            self.refresh_stages()
            known = self._by_id(stage_id)
            if known is None:
                self._deleted.add(stage_id)
        return known

    def pipelines(self) -> Pipelines:
        """What reading deals needs to know of stages."""
        return Pipelines(stage=self.stage, find=self.find, times=self.stage_times())

    def pipeline_of(self, stage_id: str) -> str:
        """The pipeline a stage belongs to; empty when no pipeline has it."""
        if not self._stages:
            self.refresh_stages()
        known = self._by_id(stage_id)
        return known.pipeline if known else ""

    def _by_id(self, stage_id: str) -> Stage | None:
        return next((stage for stage in self._stages.values() if stage.id == stage_id), None)

    def is_won(self, stage_id: str) -> bool:
        """Whether the stage is a won one, in whichever pipeline; an unknown stage is taken for won, to be looked at."""
        known = [stage for stage in self._stages.values() if stage.id == stage_id]
        return any(stage.is_won for stage in known) or not known

    def stage_times(self) -> StageTimes:
        """The properties that tell when deals entered and left stages."""
        if not self._stages:
            self.refresh_stages()
        if self._times is None:
            ours = self._fields.map.pipelines
            stages = tuple(stage for stage in self._stages.values() if not ours or stage.pipeline in ours)
            self._times = stage_times(self.properties(Kind.DEAL), stages)
        return self._times

    def people(self) -> tuple[Person, ...]:
        """All owners, the archived ones as inactive. Queues are not people."""
        found: dict[str, Person] = {}
        for archived in ("true", "false"):  # whoever is in both lists is active
            after: str | None = ""
            pages: set[str] = set()
            while after is not None:
                if after in pages:
                    raise faults.endless()
                pages.add(after)
                query = {"limit": str(OWNERS_PAGE), "archived": archived} | ({"after": after} if after else {})
                data = self._session.get("owners", self._session.paths.owners(), query=query)
                for each in faults.listed(data):
                    if each.get("type", "PERSON") == "PERSON":
                        person = _person(each, active=archived == "false")
                        found[person.id] = person
                after = wire.next_after(data)
        return tuple(found.values())

    def properties(self, kind: Kind) -> tuple[str, ...]:
        """The names of an object type's properties, read once."""
        return tuple(self.known(kind).fields)

    def forget_properties(self) -> None:
        """Have all of them read anew: an admin may have changed some."""
        self._properties.clear()

    def known(self, kind: Kind) -> ObjectSchema:
        """The properties of an object type as they were last read."""
        return self._properties.get(kind) or self.describe(kind)

    def describe(self, kind: Kind) -> ObjectSchema:
        """The properties of an object type, read anew."""
        object_name = self._fields.object(kind)
        data = self._session.get("properties", self._session.paths.properties(object_name))
        listed = [each for each in faults.listed(data) if not each.get("archived")]
        fields = {str(each["name"]): _field(each) for each in listed}
        self._unique[kind] = frozenset(str(each["name"]) for each in listed if each.get("hasUniqueValue"))
        self._refused[kind] = frozenset(
            str(each["name"]) for each in listed if NO_UNIQUE_HERE in str(each.get("description") or "")
        )
        self._properties[kind] = ObjectSchema(kind=kind, object_name=object_name, fields=fields)
        return self._properties[kind]

    def keeps_unique(self, kind: Kind) -> bool:
        """Whether the portal itself keeps a second record of one key out, as `key_problem` found it."""
        return self._fields.key(kind) in self._unique.get(kind, frozenset())

    @property
    def plain_keys(self) -> str:
        """In words, the keys that the portal would not have unique; empty when there are none."""
        found = [
            f"{self._fields.key(kind)} on {self._fields.object(kind)}"
            for kind, names in self._refused.items()
            if self._fields.key(kind) in names
        ]
        return f"Without unique values, which this portal refuses there: {', '.join(found)}" if found else ""

    def key_problem(self, kind: Kind) -> Problem | None:
        """None when the portal keeps our keys unique, or will not for anybody; otherwise what that means.

        Raises `UserError` when there is no property for the key: then nothing could be found again.
        """
        name, object_name = self._fields.key(kind), self._fields.object(kind)
        where = f"HubSpot {object_name}"
        self.known(kind)
        if not name or name not in self.properties(kind):
            wanted = name or f"{kind.value}.key"
            message = (
                f"has no property for {kind.value}.key: handoff provision makes it, or add a single-line text property "
                "with unique values"
            )
            raise UserError([Problem(where=where, key=wanted, message=message)])
        if name in self._unique[kind] or name in self._refused[kind]:
            return None
        message = (
            "is not unique in this portal, so before a record is made those on the deal are read for its key; "
            "that takes more calls. Uniqueness can only be chosen when a property is created: before the first run, "
            "map another name, and handoff provision makes it"
        )
        return Problem(where=where, key=name, message=message)


def stages_of(pipeline: wire.Json) -> tuple[Stage, ...]:
    """The stages of a pipeline as an answer shows it, in the order they are told."""
    named = str(pipeline.get("id", ""))
    return tuple(_stage(each, pipeline=named) for each in pipeline.get("stages") or ())


def _stage(data: wire.Json, *, pipeline: str) -> Stage:
    metadata = data.get("metadata") or {}
    closed = str(metadata.get("isClosed", "")).lower() == "true"
    probability = wire.number(str(metadata.get("probability", "")))
    return Stage(
        id=str(data.get("id", "")),
        label=str(data.get("label", "")),
        is_won=closed and probability == WON_PROBABILITY,
        is_closed=closed,
        pipeline=pipeline,
    )


def _person(data: wire.Json, *, active: bool) -> Person:
    name = " ".join(str(data.get(part) or "") for part in ("firstName", "lastName")).strip()
    email = str(data.get("email") or "").lower()
    # An archived owner's user id is null, but told under another name (facts: HubSpot §6).
    user = data.get("userId") or data.get("userIdIncludingInactive")
    return Person(
        id=str(data.get("id", "")), email=email, name=name or email, active=active, user_id=str(user) if user else ""
    )


def _field(data: wire.Json) -> FieldSchema:
    kind = str(data.get("type", ""))
    read_only = bool((data.get("modificationMetadata") or {}).get("readOnlyValue"))
    return FieldSchema(
        name=str(data["name"]),
        label=str(data.get("label", "")),
        type=kind,
        writable=not read_only and not data.get("calculated"),
        max_length=TEXT_LIMIT if kind == "string" else 0,
        choices=tuple(str(option["value"]) for option in data.get("options") or () if not option.get("hidden")),
        refers=(str(data["referencedObjectType"]),) if data.get("referencedObjectType") else (),
    )
