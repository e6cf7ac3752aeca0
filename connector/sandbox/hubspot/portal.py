"""What the portal says of itself: pipelines, owners, account details, usage and limits. All read-only.

Not records.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import backdrop, catalog, ratelimit, tiers
from connector.sandbox.hubspot.asked import Asked, Reply, is_number
from connector.sandbox.hubspot.derive import iso
from connector.sandbox.hubspot.errors import invalid, not_found
from connector.sandbox.hubspot.kinds import KINDS, Kind
from connector.sandbox.hubspot.schema import PORTAL_ID
from connector.sandbox.hubspot.stages import PIPELINES, PIPELINES_MADE, Pipeline, Stage

if TYPE_CHECKING:
    from connector.sandbox.rows import Row

OWNERS_DEFAULT = 100
OWNERS_MOST = 500
# What a developer test account was seen to allow (facts: HubSpot §5); per type it is the tier that decides.
CALCULATED_OVERALL = 1_000
PROPERTIES_OVERALL = 10_000
PIPELINES_PER_TYPE = 100
RECORDS_PER_TYPE = 15_000_000


# pipelines


def pipelines(asked: Asked) -> Reply:
    """GET every pipeline of a type; only deals have any here."""
    return Reply({"results": [_pipeline(p, n) for n, p in enumerate(_pipelines(asked).values())]})


def pipeline(asked: Asked) -> Reply:
    """GET one pipeline."""
    found = _found(asked)
    return Reply(_pipeline(found, list(PIPELINES).index(found.id)), rows=1)


def stages(asked: Asked) -> Reply:
    """GET the stages of a pipeline."""
    return Reply({"results": [_stage(s, n) for n, s in enumerate(_found(asked).stages)]})


def stage(asked: Asked) -> Reply:
    """GET one stage."""
    found = _found(asked)
    wanted = found.stage(asked.params["stage"])
    if wanted is None:
        raise not_found(f"Stage {asked.params['stage']} does not exist in pipeline {found.id}")
    return Reply(_stage(wanted, found.stages.index(wanted)), rows=1)


# owners


def owners(asked: Asked) -> Reply:
    """GET owners, active or archived, by e-mail if asked."""
    archived, email = asked.flag("archived"), asked.one("email")
    limit = asked.number("limit", OWNERS_DEFAULT, most=OWNERS_MOST)
    rows = sorted(
        (
            r
            for r in asked.world.table("owners").live()
            if _gone(r) is archived and (email is None or r.values["email"].casefold() == email.casefold())
        ),
        key=lambda r: int(r.id),
    )
    after = asked.one("after")
    if after is not None and not is_number(after):
        raise invalid(f"after must be a paging cursor, not {after!r}")
    rest = [r for r in rows if after is None or int(r.id) > int(after)]
    body: dict[str, Any] = {"results": [_owner(r) for r in rest[:limit]]}
    if len(rest) > limit:
        body["paging"] = {"next": {"after": rest[limit - 1].id}}
    return Reply(body, rows=len(body["results"]))


def owner(asked: Asked) -> Reply:
    """GET one owner by owner id, or by user id if asked."""
    table, wanted = asked.world.table("owners"), asked.params["id"]
    if asked.one("idProperty") == "userId":
        row = next((r for r in table.live() if str(r.values["userId"]) == wanted), None)
    else:
        row = table.get(wanted)
    if row is None or _gone(row) is not asked.flag("archived"):
        raise not_found(f"Owner {wanted} does not exist")
    return Reply(_owner(row), rows=1)


# account


def details(_asked: Asked) -> Reply:
    """GET which portal this is."""
    return Reply(
        {
            "portalId": PORTAL_ID,
            "accountType": "SANDBOX",
            "timeZone": "UTC",
            "companyCurrency": "EUR",
            "additionalCurrencies": [],
            "utcOffset": "+00:00",
            "utcOffsetMilliseconds": 0,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }
    )


def daily_usage(asked: Asked) -> Reply:
    """GET the calls counted today against the daily quota."""
    now = asked.world.clock.now()
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    usage = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": ratelimit.daily_limit(asked.world),
        "currentUsage": ratelimit.gate(asked.world).today(asked.world),
        "collectedAt": iso(now),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(midnight),
    }
    return Reply({"results": [usage]})


# limits


def property_limits(asked: Asked) -> Reply:
    """GET how many custom properties there are and may be."""
    usage = {k: sum(not d.built_in for d in catalog.properties(asked.world, k).values()) for k in KINDS}
    most = tiers.custom_properties(asked.world)
    rows = [_limit(k, most, n) for k, n in usage.items()]
    return Reply({**_overall(PROPERTIES_OVERALL, sum(usage.values())), "byObjectType": rows})


def calculated_limits(_asked: Asked) -> Reply:
    """GET how many calculated properties there are and may be."""
    return Reply({**_overall(CALCULATED_OVERALL, 0), "byObjectType": []})


def pipeline_limits(_asked: Asked) -> Reply:
    """GET how many pipelines there are and may be."""
    deals = next(k for k in KINDS if k.table == "deals")
    return Reply(_by_origin([_limit(deals, PIPELINES_PER_TYPE, len(PIPELINES))]))


def record_limits(asked: Asked) -> Reply:
    """GET how many records there are and may be."""
    behind = backdrop.of(asked.world)
    more = {"deals": behind.count} if behind else {}
    usage = {k: len(asked.world.table(k.table).rows) + more.get(k.table, 0) for k in KINDS}
    rows = [_limit(k, RECORDS_PER_TYPE, n) for k, n in usage.items()]
    return Reply(_by_origin(rows))


def object_type_limits(_asked: Asked) -> Reply:
    """GET how many custom object types there are and may be."""
    return Reply({"limit": 10, "usage": 0, "percentage": 0.0})


def label_limits(_asked: Asked) -> Reply:
    """GET how many association labels were made: none."""
    return Reply({"results": []})


# inside


def _pipelines(asked: Asked) -> dict[str, Pipeline]:
    return PIPELINES if asked.kind.table == "deals" else {}


def _found(asked: Asked) -> Pipeline:
    found = _pipelines(asked).get(asked.params["pipeline"])
    if found is None:
        raise not_found(f"Pipeline {asked.params['pipeline']} does not exist for {asked.kind.type_id}")
    return found


def _pipeline(found: Pipeline, order: int) -> dict[str, Any]:
    return {
        "id": found.id,
        "label": found.label,
        "displayOrder": order,
        "stages": [_stage(s, n) for n, s in enumerate(found.stages)],
        **_made(),
    }


def _stage(found: Stage, order: int) -> dict[str, Any]:
    return {
        "id": found.id,
        "label": found.label,
        "displayOrder": order,
        "metadata": {"isClosed": "true" if found.closed else "false", "probability": found.probability},
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
        **_made(),
    }


def _made() -> dict[str, Any]:
    return {"createdAt": iso(PIPELINES_MADE), "updatedAt": iso(PIPELINES_MADE), "archived": False}


def _gone(row: Row) -> bool:
    return not row.values.get("active", True)


def _owner(row: Row) -> dict[str, Any]:
    # An archived owner has no user id any more (facts: HubSpot §6).
    user_id = int(row.values["userId"])
    return {
        "id": row.id,
        "email": row.values["email"],
        "firstName": row.values.get("firstName", ""),
        "lastName": row.values.get("lastName", ""),
        "type": "PERSON",
        "userId": None if _gone(row) else user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": iso(row.created_at),
        "updatedAt": iso(row.modified_at),
        "archived": _gone(row),
    }


def _limit(kind: Kind, limit: int, usage: int) -> dict[str, Any]:
    return {
        "objectTypeId": kind.type_id,
        "singularLabel": kind.label,
        "pluralLabel": kind.labels,
        "limit": limit,
        "usage": usage,
        "percentage": _percent(usage, limit),
    }


def _overall(limit: int, usage: int) -> dict[str, Any]:
    return {"overallLimit": limit, "overallUsage": usage, "overallPercentage": _percent(usage, limit)}


def _by_origin(rows: list[dict[str, Any]]) -> dict[str, Any]:
    custom = {**_overall(RECORDS_PER_TYPE, 0), "byObjectType": []}
    return {"hubspotDefinedObjectTypes": rows, "customObjectTypes": custom}


def _percent(usage: int, limit: int) -> float:
    return round(100 * usage / limit, 2)
