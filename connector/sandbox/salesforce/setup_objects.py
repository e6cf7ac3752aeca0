"""The objects in which an org keeps who may do what: profiles, permission sets and what these grant.

Not the meaning of their rows (`permissions.py`) and not the rows every org has (`schema.py`).
"""

from __future__ import annotations

from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.shapes import a_object, flag, text

USER_PERMISSIONS = (
    "ActivitiesAccess",
    "ApiEnabled",
    "CustomizeApplication",
    "EditEvent",
    "EditTask",
    "ModifyAllData",
    "ModifyMetadata",
    "SendCustomNotifications",
    "TransferAnyEntity",
    "ViewAllData",
    "ViewSetup",
)
"""The permissions of a user that the sandbox knows, without the `Permissions` that their fields begin with."""

OBJECT_RIGHTS = ("Read", "Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")
STANDARD_PROFILE = "Standard User"
ACTIVITIES = ("Task", "Event")
"""A custom field of tasks and events is defined on Activity and stands on both (facts: Salesforce §3.4)."""


def _to(name: str, *targets: str, required: bool = True) -> Field:
    return Field(name, "reference", 18, required=required, create_only=required, to=targets)


SETUP_OBJECTS = (
    a_object("Profile", Field("Name", "string", 255, unique=True), text("Description"), writable=False, setup=True),
    a_object(
        "PermissionSet",
        Field("Name", "string", 80, required=True, unique=True),
        Field("Label", "string", 80, required=True),
        text("Description"),
        flag("IsOwnedByProfile", read_only=True),
        flag("IsCustom", read_only=True),
        Field("ProfileId", "reference", 18, read_only=True, to=("Profile",)),
        flag("HasActivationRequired"),
        *(flag(f"Permissions{name}") for name in USER_PERMISSIONS),
        label="Permission Set",
        indexed=("ProfileId",),
        setup=True,
    ),
    a_object(
        "PermissionSetAssignment",
        _to("AssigneeId", "User"),
        _to("PermissionSetId", "PermissionSet"),
        flag("IsActive", read_only=True),
        label="Permission Set Assignment",
        indexed=("AssigneeId", "PermissionSetId"),
        parents=("PermissionSetId",),
        setup=True,
    ),
    a_object(
        "FieldPermissions",
        _to("ParentId", "PermissionSet"),
        Field("SobjectType", "string", 80, required=True, create_only=True),
        Field("Field", "string", 255, required=True, create_only=True),
        flag("PermissionsRead"),
        flag("PermissionsEdit"),
        label="Field Permissions",
        indexed=("ParentId", "Field"),
        parents=("ParentId",),
        setup=True,
    ),
    a_object(
        "ObjectPermissions",
        _to("ParentId", "PermissionSet"),
        Field("SobjectType", "string", 80, required=True, create_only=True),
        *(flag(f"Permissions{name}") for name in OBJECT_RIGHTS),
        label="Object Permissions",
        indexed=("ParentId", "SobjectType"),
        parents=("ParentId",),
        setup=True,
    ),
    a_object(
        "CustomPermission",
        Field("DeveloperName", "string", 80, required=True, unique=True),
        Field("MasterLabel", "string", 80, required=True),
        text("Description"),
        label="Custom Permission",
        setup=True,
    ),
    a_object(
        "SetupEntityAccess",
        _to("ParentId", "PermissionSet"),
        _to("SetupEntityId", "CustomPermission"),
        Field("SetupEntityType", "string", 80, read_only=True, default="CustomPermission"),
        label="Setup Entity Access",
        indexed=("ParentId", "SetupEntityId"),
        parents=("ParentId", "SetupEntityId"),
        setup=True,
    ),
    a_object(
        "RecordType",
        Field("SobjectType", "string", 80, required=True, create_only=True),
        Field("DeveloperName", "string", 80, required=True),
        Field("Name", "string", 80, required=True),
        Field("IsActive", "boolean", default=True),
        label="Record Type",
        indexed=("SobjectType",),
        setup=True,
    ),
    a_object(
        "CustomNotificationType",
        Field("DeveloperName", "string", 80, required=True, unique=True),
        Field("CustomNotifTypeName", "string", 80, required=True),
        Field("MasterLabel", "string", 80, required=True),
        flag("Desktop"),
        flag("Mobile"),
        label="Custom Notification Type",
        setup=True,
    ),
    a_object(
        "DuplicateRule",
        Field("SobjectType", "string", 80, required=True, create_only=True),
        Field("DeveloperName", "string", 80, required=True),
        Field("MasterLabel", "string", 80, required=True),
        flag("IsActive"),
        label="Duplicate Rule",
        indexed=("SobjectType",),
        writable=False,
        setup=True,
    ),
)
