"""Which Salesforce field stands behind a canonical name: the admin's map, and standard fields where it says nothing.

Not here: how a value looks on the wire (``wire``). No custom field is named in this package.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.crm.port import (
    ObjectSchema,
)
from connector.crm.salesforce.keys import KeyMode
from connector.errors import Problem
from connector.handoff.model import Kind
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.crmmap import CrmMap, MappedField, path_of

ACTIVITIES = frozenset({Kind.TASK, Kind.MEETING})
"""What a custom field of Activity belongs to (facts: Salesforce §3.4)."""

DEAL_PREFIX = "006"
"""Every Opportunity's id begins so, in every org."""

OBJECTS: Mapping[Kind, str] = {
    Kind.DEAL: "Opportunity",
    Kind.ACCOUNT: "Account",
    Kind.TASK: "Task",
    Kind.NOTE: "Note",
    Kind.MEETING: "Event",
    Kind.MEMBER: "OpportunityTeamMember",
}

STANDARD: Mapping[Kind, Mapping[str, tuple[str, FieldType]]] = {
    Kind.DEAL: {
        "stage": ("StageName", FieldType.CHOICE),
        "close_date": ("CloseDate", FieldType.DATE),
        "type": ("Type", FieldType.CHOICE),
        "owner": ("OwnerId", FieldType.PERSON),
        "account": ("AccountId", FieldType.REFERENCE),
    },
    Kind.ACCOUNT: {},
    Kind.TASK: {
        "subject": ("Subject", FieldType.TEXT),
        "body": ("Description", FieldType.LONG_TEXT),
        "due": ("ActivityDate", FieldType.DATE),
        "owner": ("OwnerId", FieldType.PERSON),
        "status": ("Status", FieldType.CHOICE),
        "deal": ("WhatId", FieldType.REFERENCE),
        "remind_at": ("ReminderDateTime", FieldType.DATETIME),
    },
    Kind.NOTE: {
        "title": ("Title", FieldType.TEXT),
        "body": ("Body", FieldType.LONG_TEXT),
        "owner": ("OwnerId", FieldType.PERSON),
        "deal": ("ParentId", FieldType.REFERENCE),
    },
    Kind.MEMBER: {},
    Kind.MEETING: {
        "subject": ("Subject", FieldType.TEXT),
        "body": ("Description", FieldType.LONG_TEXT),
        "owner": ("OwnerId", FieldType.PERSON),
        "start": ("StartDateTime", FieldType.DATETIME),
        "end": ("EndDateTime", FieldType.DATETIME),
        "deal": ("WhatId", FieldType.REFERENCE),
    },
}
"""Fields every org has (facts: Salesforce §6), used where the mapping file does not name another."""

TASK_STATUSES: Mapping[str, str] = {"done": "Completed", "open": "Not Started"}
"""The standard task statuses; the map's own values come first."""

STAGE_CHANGED = "LastStageChangeDate"
"""Since API 52 (facts: Salesforce §6.10); a login may lack sight of it."""


class Names:
    """The names of one org. Fields that `learn` found absent are left out of every read."""

    def __init__(self, crm_map: CrmMap) -> None:
        self._map = crm_map
        self._absent: set[tuple[Kind, str]] = set()
        self.key_mode = KeyMode.UPSERT
        self._no_cover: set[Kind] = set()

    def object(self, kind: Kind) -> str:
        """The vendor's object type."""
        return self._map.objects.get(kind, OBJECTS[kind])

    def mapped(self, kind: Kind) -> tuple[MappedField, ...]:
        """The fields of a record as the core sees it, in the map's order, without those that are absent."""
        return tuple(each for each in self._map.of(kind) if (kind, each.field) not in self._absent)

    def field(self, kind: Kind, name: str) -> MappedField | None:
        """The field behind a canonical name: mapped, else standard, else None."""
        mapped = self._map.get(kind, name)
        if mapped is not None:
            return None if (kind, mapped.field) in self._absent else mapped
        standard = STANDARD[kind].get(name)
        if standard is None:
            return None
        return MappedField(
            path=path_of(kind, name),
            kind=kind,
            field=standard[0],
            type=standard[1],
            owner=FieldOwner.DAEMON,
            label=standard[0],
        )

    def column(self, kind: Kind, name: str) -> str | None:
        """The vendor's field name, or None."""
        mapped = self.field(kind, name)
        return mapped.field if mapped else None

    def tells_cover(self, kind: Kind) -> bool:
        """Whether the org has not yet refused to say how far its changes of an object can be trusted."""
        return kind not in self._no_cover

    def no_cover(self, kind: Kind) -> None:
        """It has: some objects and logins have no replication."""
        self._no_cover.add(kind)

    def marks(self, kind: Kind) -> bool:
        """Whether the key of a record stands in a line of its text, for want of a field."""
        if kind is Kind.NOTE:
            return True
        return self.key_mode is KeyMode.MARKER and kind in ACTIVITIES and self.column(kind, "key") is None

    def has(self, kind: Kind, field: str) -> bool:
        """Whether a vendor's field was not found absent."""
        return (kind, field) not in self._absent

    def learn(self, schema: ObjectSchema, *, also: tuple[str, ...] = ()) -> tuple[Problem, ...]:
        """Compare the map with what the org shows; absent fields are dropped from reads and told, once each.

        What was absent the last time and is there now counts again.
        """
        problems = []
        self._absent = {each for each in self._absent if each[0] is not schema.kind}
        spelled = {name.lower(): name for name in schema.fields}
        self._absent.update((schema.kind, field) for field in also if field not in schema.fields)
        for mapped in self._map.of(schema.kind):
            if "." in mapped.field or mapped.field in schema.fields:
                continue
            self._absent.add((schema.kind, mapped.field))
            theirs = spelled.get(mapped.field.lower())
            message = f"{schema.object_name} has no field {mapped.field}, or this login may not see it; "
            message += "rules that need it rest. "
            message += (
                f"The CRM spells it {theirs}: write it so"
                if theirs
                else "Create the field, or give the connector's permission set access to it"
            )
            problems.append(Problem(where="the CRM", key=mapped.path, message=message))
        return tuple(problems)

    @property
    def crm_map(self) -> CrmMap:
        """The map itself."""
        return self._map
