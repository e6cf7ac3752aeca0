"""Who may see and do what: read from the rows of the setup objects, as an admin or a deployment left them.

Not the refusals' words on the wire alone and not sharing rules with criteria: a row of a private object is seen by
its owner, its team, and whoever holds View All. Facts: Salesforce §5.1, §2.5, §7.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.setup_objects import OBJECT_RIGHTS, STANDARD_PROFILE, USER_PERMISSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.rows import Row, Version
    from connector.sandbox.state import World

PART = "permissions"
PRIVATE = "private_objects"
"""Setting: names of the objects whose rows only their owner, their team and View All see."""

SOURCES = (
    "PermissionSet",
    "PermissionSetAssignment",
    "FieldPermissions",
    "ObjectPermissions",
    "CustomPermission",
    "SetupEntityAccess",
)
TEAMS = {
    "Account": ("AccountTeamMember", "AccountId"),
    "Opportunity": ("OpportunityTeamMember", "OpportunityId"),
}
ALL_RIGHTS = frozenset(OBJECT_RIGHTS)
READS = frozenset({"Read"})
CHANGES = frozenset({"Create", "Edit", "Delete"})
SEES_ALL = frozenset({"Read", "ViewAllRecords"})
GRANTED = frozenset({"Account", "Contact", "Opportunity"})
"""Standard objects that object permissions open; custom objects always need them."""

EDITED_BY = {"Task": "EditTask", "Event": "EditEvent"}
PARENTS = {
    "AccountTeamMember": "account",
    "OpportunityContactRole": "opportunity",
    "OpportunityHistory": "opportunity",
    "OpportunityLineItem": "opportunity",
    "OpportunityTeamMember": "opportunity",
}
"""Objects whose rows go with those of another: who edits the one edits the other."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one user may do, summed over profile and permission sets; names of objects and fields in lower case."""

    user_id: str
    user: frozenset[str]
    objects: Mapping[str, frozenset[str]]
    fields: Mapping[tuple[str, str], tuple[bool, bool]]
    custom: frozenset[str]
    seen: dict[str, ObjectType | None] = dataclasses.field(default_factory=dict, compare=False)

    def rights(self, kind: ObjectType) -> frozenset[str]:
        """The rights on an object: a subset of `OBJECT_RIGHTS`."""
        if kind.setup:
            return ALL_RIGHTS if "CustomizeApplication" in self.user else READS
        if "ModifyAllData" in self.user:
            return ALL_RIGHTS
        all_seen = SEES_ALL if "ViewAllData" in self.user else frozenset()
        if kind.name in EDITED_BY:
            return READS | all_seen | (CHANGES if EDITED_BY[kind.name] in self.user else frozenset())
        if kind.name in PARENTS:
            above = self.objects.get(PARENTS[kind.name], frozenset())
            return (above & SEES_ALL) | all_seen | (CHANGES if "Edit" in above else frozenset())
        if kind.custom or kind.name in GRANTED:
            return self.objects.get(kind.name.lower(), frozenset()) | all_seen
        return ALL_RIGHTS


class Sight:
    """The schema and the rows as one user sees them; without a user, everything. It stands beside a world."""

    def __init__(self, world: World, user_id: str | None = None) -> None:
        self.world = world
        self.org = catalog(world)
        self.access = access(world, user_id) if user_id else None

    def object(self, name: str) -> ObjectType | None:
        """The object type of this name without the fields the user may not see; None when all of it is hidden."""
        kind = self.org.object(name)
        if kind is None or self.access is None:
            return kind
        known = self.access.seen
        if kind.name not in known:
            known[kind.name] = self._seen(kind, self.access)
        return known[kind.name]

    def sees(self, name: str, row: Row | Version) -> bool:
        """Whether the user sees this row of the object."""
        if not self.keeps_rows_back(name) or self.access is None:
            return True
        user_id = self.access.user_id
        if row.values.get("OwnerId") == user_id:
            return True
        team, parent = TEAMS.get(name, ("", ""))
        members = self.world.table(team).where(parent, [row.id]) if team else ()
        return any(member.values.get("UserId") == user_id for member in members)

    def keeps_rows_back(self, name: str) -> bool:
        """Whether this user may miss rows of the object, so that each has to be looked at."""
        if self.access is None or name not in self.world.settings.get(PRIVATE, ()):
            return False
        kind = self.org.object(name)
        return kind is None or not self.access.rights(kind) & {"ViewAllRecords", "ModifyAllRecords"}

    def object_of(self, record_id: str) -> str | None:
        """The name of the object type that an id's prefix stands for."""
        return self.org.object_of(record_id)

    def _seen(self, kind: ObjectType, held: Access) -> ObjectType | None:
        if "Read" not in held.rights(kind):
            return None
        hidden = frozenset(f.name.lower() for f in kind.own if not _field(self.world, held, kind, f)[0])
        return kind.with_fields((), without=hidden) if hidden else kind


def may_read(world: World, user_id: str, object_name: str, field_name: str) -> bool:
    """Whether the user sees the field; False for one that does not exist."""
    found = Sight(world, user_id).object(object_name)
    return found is not None and found.find(field_name) is not None


def may_edit(world: World, user_id: str, object_name: str, field_name: str) -> bool:
    """Whether the user may write the field of a record they may edit; False for one that does not exist."""
    kind = catalog(world).object(object_name)
    field = kind.find(field_name) if kind else None
    if kind is None or field is None or "Edit" not in rights(world, user_id, object_name):
        return False
    return opens(world, user_id, kind, field)


def opens(world: World, user_id: str, kind: ObjectType, field: Field) -> bool:
    """Whether field-level security lets the user write a field."""
    return _field(world, access(world, user_id), kind, field)[1]


def holds(world: World, user_id: str, custom_permission: str) -> bool:
    """Whether a permission set gives the user this custom permission (in any case)."""
    return custom_permission.lower() in access(world, user_id).custom


def may_customize(world: World, user_id: str) -> bool:
    """Whether the user may change the org's setup: Customize Application."""
    return "CustomizeApplication" in access(world, user_id).user


def has(world: World, user_id: str, user_permission: str) -> bool:
    """Whether the user holds one of `USER_PERMISSIONS`."""
    return user_permission in access(world, user_id).user


def rights(world: World, user_id: str, object_name: str) -> frozenset[str]:
    """The user's rights on an object: a subset of `OBJECT_RIGHTS`."""
    kind = catalog(world).object(object_name)
    return access(world, user_id).rights(kind) if kind else frozenset()


def access(world: World, user_id: str) -> Access:
    """All that a user may do. Cached until a row of setup, the schema or the user's profile changes."""
    stamp = (catalog(world).changes, *(world.tables[name].writes for name in SOURCES))
    kept_stamp, kept = world.parts.get(PART, (None, {}))
    if kept_stamp != stamp:
        kept = {}
        world.parts[PART] = (stamp, kept)
    user = world.table("User").get(user_id)
    profile = user.values.get("ProfileId") if user else None
    found: Access | None = kept.get((user_id, profile))
    if found is None:
        found = kept[user_id, profile] = _summed(world, user_id, profile)
    return found


def profile_id(world: World, name: str) -> str | None:
    """The id of the profile of this name, or None before the org is furnished."""
    found = world.table("Profile").find_unique("Name", name)
    return found.id if found else None


def _field(world: World, held: Access, kind: ObjectType, field: Field) -> tuple[bool, bool]:
    # Required fields are always open and computed ones never written (facts: Salesforce §5.1).
    if field.required or not catalog(world).gated(kind.name, field.name):
        return True, True
    read, edit = held.fields.get((kind.name.lower(), field.name.lower()), (False, False))
    return read or edit, edit and not field.read_only


def _summed(world: World, user_id: str, profile: str | None) -> Access:
    sets = _sets(world, user_id, profile or profile_id(world, STANDARD_PROFILE))
    ids = [row.id for row in sets]
    objects: dict[str, frozenset[str]] = {}
    for row in world.table("ObjectPermissions").where("ParentId", ids):
        name = str(row.values["SobjectType"]).lower()
        given = frozenset(r for r in OBJECT_RIGHTS if row.values.get(f"Permissions{r}"))
        objects[name] = objects.get(name, frozenset()) | given
    return Access(
        user_id=user_id,
        user=frozenset(p for p in USER_PERMISSIONS for row in sets if row.values.get(f"Permissions{p}")),
        objects=objects,
        fields=_fields(world, ids),
        custom=_custom(world, ids),
    )


def _sets(world: World, user_id: str, profile: str | None) -> list[Row]:
    table = world.table("PermissionSet")
    assigned = world.table("PermissionSetAssignment").where("AssigneeId", [user_id])
    found = [table.get(row.values["PermissionSetId"]) for row in assigned]
    owned = table.where("ProfileId", [profile]) if profile else ()
    return [row for row in (*owned, *found) if row is not None]


def _fields(world: World, set_ids: list[str]) -> dict[tuple[str, str], tuple[bool, bool]]:
    found: dict[tuple[str, str], tuple[bool, bool]] = {}
    for row in world.table("FieldPermissions").where("ParentId", set_ids):
        owner, _, field = str(row.values["Field"]).lower().partition(".")
        read, edit = found.get((owner, field), (False, False))
        found[owner, field] = (
            read or bool(row.values.get("PermissionsRead")),
            edit or bool(row.values.get("PermissionsEdit")),
        )
    return found


def _custom(world: World, set_ids: list[str]) -> frozenset[str]:
    table = world.table("CustomPermission")
    given = (table.get(r.values["SetupEntityId"]) for r in world.table("SetupEntityAccess").where("ParentId", set_ids))
    return frozenset(str(row.values["DeveloperName"]).lower() for row in given if row is not None)
