"""One record written by API: every check Salesforce makes before it saves, then the save.

Not batches (`batches.py`) and not derived fields (`derived.py`). Refusals are ApiErrors; a JSON_PARSER_ERROR
concerns the whole request, every other one the row.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from connector.sandbox.rows import Missing, NotUnique
from connector.sandbox.salesforce import grants_fit, guards, peculiar, values
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError, no_such_column
from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.ids import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

NOT_DATA = frozenset({"attributes", "id"})
EVENT_NEEDS = ("DurationInMinutes", "EndDateTime")


def prepare(world: World, kind: ObjectType, body: Mapping[str, Any], *, creating: bool, by: str = "") -> dict[str, Any]:
    """The stored values that a JSON body means, checked; `by` is the user whose permissions count. Raises ApiError."""
    guards.check_object(world, kind, "Create" if creating else "Edit", by=by)
    if not kind.writable:
        raise ApiError("INSUFFICIENT_ACCESS_OR_READONLY", f"entity type {kind.name} cannot be written by API")
    found: dict[str, Any] = {}
    for name, value in body.items():
        if name.lower() in NOT_DATA:
            continue
        field = kind.find(name)
        if field is None:
            raise no_such_column(name, kind.name)
        if field.read_only or (field.create_only and not creating):
            raise ApiError(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {field.name}. The field is read-only for this user or object.",
                (field.name,),
            )
        guards.check_field(world, kind, field, by=by)
        found[field.name] = values.parse(field, value)
    _require(kind, found, creating=creating)
    for name, value in found.items():
        if value is not None and (field := kind.find(name)) and field.to:
            _check_reference(world, kind, field, value)
            guards.check_named_row(world, field, value, by=by)
    return found


def create(world: World, kind: ObjectType, found: dict[str, Any], *, by: str) -> Row:
    """Insert prepared values. Raises ApiError DUPLICATE_VALUE and others."""
    guards.check_object(world, kind, "Create", by=by)
    given = dict(found)
    if kind.find("OwnerId") and given.get("OwnerId") is None:
        given["OwnerId"] = by
    if kind.find("OwnerId"):
        _check_owner(world, kind, given["OwnerId"])
    grants_fit.check(world, kind, None, given)
    peculiar.check_lock(world, kind, None, given)
    try:
        known = peculiar.instead_of_insert(world, kind, given, by=by)
        return known or world.table(kind.name).insert(given, by=by)
    except NotUnique as error:
        raise duplicate(error) from error


def update(world: World, kind: ObjectType, record_id: str, found: dict[str, Any], *, by: str) -> Row:
    """Change a record by prepared values. Raises ApiError; a missing record is INVALID_CROSS_REFERENCE_KEY."""
    row = live(world, kind, record_id)
    guards.check_row(world, kind, row, "Edit", by=by)
    owner = found.get("OwnerId")
    if owner is not None and owner != row.values.get("OwnerId"):
        guards.check_transfer(world, kind, row, by=by)
        _check_owner(world, kind, owner)
    grants_fit.check(world, kind, row, found)
    peculiar.check_update(kind, row, found)
    peculiar.check_lock(world, kind, row, found)
    before = dict(row.values)
    try:
        saved = world.table(kind.name).update(row.id, found, by=by)
    except NotUnique as error:
        raise duplicate(error) from error
    peculiar.after_update(world, kind, saved, before, by=by)
    return saved


def delete(world: World, kind: ObjectType, record_id: str, *, by: str) -> None:
    """Move a record, and the records that hang on it, to the recycle bin. Raises ApiError."""
    org, first = catalog(world), live(world, kind, record_id)
    guards.check_row(world, kind, first, "Delete", by=by)
    todo = deque([(kind.name, first)])
    while todo:
        name, row = todo.popleft()
        for child, parent in org.hanging(name):
            todo.extend((child, hung) for hung in world.table(child).where(parent, [row.id]))
        try:
            world.table(name).delete(row.id, by=by)
        except Missing:
            # Reached twice, through two parents.
            continue
        peculiar.after_delete(world, name, row, by=by)


def upsert(
    world: World, kind: ObjectType, key: Field, value: str, found: dict[str, Any], *, by: str
) -> tuple[Row, bool]:
    """Update the record with this external id or create it; the flag says created. Raises ApiError, Ambiguous."""
    matches = list(world.table(kind.name).where(key.name, [value]))
    if len(matches) > 1:
        raise Ambiguous([row.id for row in matches])
    if matches:
        return update(world, kind, matches[0].id, found, by=by), False
    _require(kind, found, creating=True)
    return create(world, kind, {**found, key.name: value}, by=by), True


def live(world: World, kind: ObjectType, record_id: Any) -> Row:
    """The live record with this id. Raises ApiError MALFORMED_ID, ENTITY_IS_DELETED, INVALID_CROSS_REFERENCE_KEY."""
    found = canonical(record_id) if isinstance(record_id, str) else None
    if found is None:
        raise ApiError("MALFORMED_ID", f"malformed id {record_id}", ("Id",))
    row = world.table(kind.name).get(found, deleted=True)
    if row is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if row.deleted_at is not None:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted")
    return row


def external_key(kind: ObjectType, name: str) -> Field:
    """The external id field of this name. Raises ApiError when there is none such."""
    field = kind.find(name)
    if field is None or not field.external_id:
        raise ApiError("INVALID_FIELD", f"{name} is no external ID field of {kind.name}")
    return field


def duplicate(error: NotUnique) -> ApiError:
    """The refusal that names the record holding the value already (facts: Salesforce §3.3)."""
    return ApiError(
        "DUPLICATE_VALUE",
        f"duplicate value found: {error.field} duplicates value on record with id: {error.existing_id}",
    )


class Ambiguous(ApiError):
    """An external id stands in more than one record: HTTP 300 for a single upsert."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__("DUPLICATE_EXTERNAL_ID", "more than one record found for external id field", ())
        self.ids = ids


def _require(kind: ObjectType, found: Mapping[str, Any], *, creating: bool) -> None:
    required = [f.name for f in kind.own if f.required]
    if kind.name == "Event" and creating:
        required.append("StartDateTime")
        if not any(found.get(name) is not None for name in EVENT_NEEDS):
            required.extend(EVENT_NEEDS[:1])
    missing = [n for n in required if found.get(n) is None and (creating or n in found)]
    if missing:
        raise ApiError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", tuple(missing))


def _check_reference(world: World, kind: ObjectType, field: Field, value: str) -> None:
    target = catalog(world).object_of(value)
    if target is None or target not in field.to:
        raise ApiError(
            "FIELD_INTEGRITY_EXCEPTION",
            f"{field.label or field.name}: id value of incorrect type: {value}",
            (field.name,),
        )
    row = world.table(target).get(value, deleted=True)
    if row is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
    if row.deleted_at is not None:
        raise ApiError("ENTITY_IS_DELETED", f"entity is deleted: {kind.name}.{field.name}", (field.name,))
    if target == "RecordType" and (row.values["SobjectType"] != kind.name or not row.values.get("IsActive")):
        raise ApiError(
            "INVALID_CROSS_REFERENCE_KEY",
            f"Record Type ID: this ID value isn't valid for the user: {value}",
            (field.name,),
        )


def _check_owner(world: World, kind: ObjectType, owner: str) -> None:
    user = world.table("User").get(owner)
    if user is None or not user.values.get("IsActive"):
        raise ApiError(
            "INACTIVE_OWNER_OR_USER",
            f"operation performed with inactive user [{owner}] as owner of {kind.name.lower()}",
            ("OwnerId",),
        )
