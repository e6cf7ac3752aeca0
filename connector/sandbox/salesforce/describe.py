"""What the org says about itself: versions, resources, objects, fields, limits.

Not the schema (`objects.py`): this only shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import permissions
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.auth import identity_url
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.pubsub import line
from connector.sandbox.salesforce.pubsub.capture import capture
from connector.sandbox.salesforce.soql import attributes
from connector.sandbox.salesforce.values import PICKLISTS

if TYPE_CHECKING:
    from connector.sandbox.salesforce.fields import Field, ObjectType
    from connector.sandbox.state import World

OLDEST, NEWEST = 31, 68
"""API versions that answer; older ones are gone (facts: Salesforce §4.4)."""

DAILY = {
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 1_048_576,
    "DailyBulkV2QueryJobs": 10_000,
    "DailyWorkflowEmails": 10_000,
    "DataStorageMB": 10_240,
    "HourlyPublishedPlatformEvents": 250_000,
    "SingleEmail": 5_000,
}
"""What /limits shows besides what the sandbox counts (facts: Salesforce §3.1, §6.4)."""

RESOURCES = ("sobjects", "query", "queryAll", "composite", "limits", "actions")
UNGRANTABLE = frozenset(
    {
        *("Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"),
        *("Name", "OwnerId", "IsWon", "IsClosed", "LastStageChangeDate"),
    }
)
"""Fields that no permission set may name, besides required ones (facts: Salesforce §5.1)."""

SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
}


def versions() -> list[dict[str, str]]:
    """GET /services/data/: every version that answers."""
    return [
        {"label": f"API {n}.0", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in range(OLDEST, NEWEST + 1)
    ]


def index(ask: Ask) -> Reply:
    """GET /services/data/vXX.X/: the resources and who is asking."""
    base = f"/services/data/v{ask.version}"
    found = {name: f"{base}/{name}" for name in RESOURCES}
    return Reply(200, {**found, "identity": identity_url(ask.world, ask.user, ask.base_url)})


def every(ask: Ask) -> Reply:
    """GET /sobjects: all object types, without fields."""
    sight = ask.sight
    shown = [_head(kind, ask) for kind in catalog(ask.world).objects() if sight.object(kind.name)]
    return Reply(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})


def basic(ask: Ask) -> Reply:
    """GET /sobjects/X: its head and the records touched last."""
    kind = ask.object_type(ask.path[1])
    sight = ask.sight
    recent = [row for row in ask.world.table(kind.name).live() if sight.sees(kind.name, row)][-3:]
    items = [{"attributes": attributes(kind.name, r.id, ask.version), "Id": r.id} for r in recent]
    return Reply(200, {"objectDescribe": _head(kind, ask), "recentItems": items})


def one(ask: Ask) -> Reply:
    """GET /sobjects/X/describe: everything about one object type."""
    kind = ask.seen_type(ask.path[1])
    fields = [_field(ask, kind, field) for field in kind.fields.values()]
    return Reply(200, {**_head(kind, ask), "fields": fields, "childRelationships": [], "recordTypeInfos": []})


def limits(ask: Ask) -> Reply:
    """GET /limits."""
    left = {name: (most, most) for name, most in DAILY.items()}
    total, used = usage(ask.world)
    left["DailyApiRequests"] = (total, total - used)
    events = int(line.setting(ask.world, "cdc_allocation"))
    delivered = capture(ask.world).line.delivered(ask.world.clock.now())
    left["DailyDeliveredPlatformEvents"] = (events, events - delivered)
    return Reply(200, {name: {"Max": most, "Remaining": max(0, rest)} for name, (most, rest) in sorted(left.items())})


def usage(world: World) -> tuple[int, int]:
    """The daily request limit and how many of it were used; the count starts anew with the sandbox's day."""
    day, used = world.scratch.get("api_used", ("", 0))
    today = world.clock.now().date().isoformat()
    return int(world.settings["daily_limit"]), used if day == today else 0


def use_one(world: World) -> None:
    """Count one request."""
    world.scratch["api_used"] = (world.clock.now().date().isoformat(), usage(world)[1] + 1)


def _head(kind: ObjectType, ask: Ask) -> dict[str, Any]:
    base = f"/services/data/v{ask.version}/sobjects/{kind.name}"
    given = permissions.rights(ask.world, ask.user.id, kind.name)
    return {
        "name": kind.name,
        "label": kind.label,
        "labelPlural": f"{kind.label}s",
        "keyPrefix": kind.prefix,
        "custom": kind.custom,
        "createable": kind.writable and "Create" in given,
        "updateable": kind.writable and "Edit" in given,
        "deletable": kind.writable and "Delete" in given,
        "queryable": True,
        "retrieveable": True,
        "replicateable": True,
        "searchable": True,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _field(ask: Ask, kind: ObjectType, field: Field) -> dict[str, Any]:
    writable = kind.writable and not field.read_only and permissions.opens(ask.world, ask.user.id, kind, field)
    return {
        "name": field.name,
        "label": field.label or field.name,
        "type": field.type,
        "soapType": SOAP_TYPES.get(field.type, "xsd:string"),
        "length": field.length,
        "precision": field.precision,
        "scale": field.scale,
        "custom": field.custom,
        "createable": writable,
        "updateable": writable and not field.create_only,
        "filterable": field.filterable,
        "sortable": not field.is_long,
        "groupable": field.type not in ("textarea", "datetime", "double", "currency", "percent"),
        "permissionable": not field.required and field.name not in UNGRANTABLE,
        "nillable": not field.required and field.type not in ("boolean", "id"),
        "defaultedOnCreate": field.default is not None or field.type == "boolean" or field.name == "OwnerId",
        "defaultValue": field.default,
        "inlineHelpText": field.help or None,
        "externalId": field.external_id,
        "unique": field.unique,
        "idLookup": field.external_id or field.type == "id",
        "caseSensitive": field.case_sensitive,
        "calculated": bool(field.formula),
        "restrictedPicklist": field.type in PICKLISTS and field.restricted,
        "picklistValues": [
            {"active": True, "defaultValue": v == field.default, "label": v, "value": v} for v in field.values
        ],
        "referenceTo": list(field.to),
        "relationshipName": field.hop or None,
        "extraTypeInfo": "plaintextarea" if field.type == "textarea" else None,
    }
