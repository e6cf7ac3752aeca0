"""Which handler answers which path: the dated paths and v3/v4 are one table.

Not HTTP (`app.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connector.sandbox.hubspot import (
    associations,
    batch,
    governance,
    groups,
    objects,
    portal,
    properties,
    search,
    validations,
    workflows,
)
from connector.sandbox.hubspot.asked import Asked, Reply
from connector.sandbox.hubspot.kinds import BETA_2026, DATED, V3, V4, Version, kind_of

Handler = Callable[[Asked], Reply]

RULED, LOCKED, FLOWS = "pipelines-rules", "stage-edit-permissions", "flows"
GOVERNED = frozenset({RULED, LOCKED, "approvals", FLOWS})
# What each undated version still serves, and the beta; the dated ones serve everything that is out of beta.
_SERVED = {
    BETA_2026: GOVERNED,
    V3: frozenset({"objects", "properties", "property-validations", "pipelines", "owners", "account-info"}),
    V4: frozenset({"links", "associations"}),
}
_VERSIONS = {v.name: v for v in (*DATED, BETA_2026, V3, V4)}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path. `kind` is its name in the journal; "{type}" stands for the object's plural."""

    method: str
    area: str
    tail: tuple[str, ...]
    kind: str
    handler: Handler
    write: bool = False

    @property
    def is_search(self) -> bool:
        """Whether it counts against the searches per second."""
        return self.handler is search.search

    def label(self, params: dict[str, str]) -> str:
        """The journal's name for one request. Raises Refused (400) for an unknown object type."""
        return self.kind.replace("{type}", kind_of(params["type"]).table) if "{type}" in self.kind else self.kind


@dataclass(frozen=True, slots=True)
class Match:
    """The endpoint of a path with its parameters."""

    endpoint: Endpoint
    version: Version
    params: dict[str, str]


def _at(method: str, area: str, tail: str, kind: str, handler: Handler, *, write: bool = False) -> Endpoint:
    return Endpoint(method, area, tuple(t for t in tail.split("/") if t), kind, handler, write)


_LINK = "{type}/{id}/associations"
_PAIR = "{from}/{to}"
_RULED = "{type}/{pipeline}"
ENDPOINTS: tuple[Endpoint, ...] = (
    _at("POST", "objects", "{type}/search", "search.{type}", search.search),
    _at("POST", "objects", "{type}/batch/read", "{type}.batch.read", batch.read),
    _at("POST", "objects", "{type}/batch/create", "{type}.batch.create", batch.create, write=True),
    _at("POST", "objects", "{type}/batch/update", "{type}.batch.update", batch.update, write=True),
    _at("POST", "objects", "{type}/batch/upsert", "{type}.batch.upsert", batch.upsert, write=True),
    _at("POST", "objects", "{type}/batch/archive", "{type}.batch.archive", batch.archive, write=True),
    _at("POST", "objects", "{type}/merge", "{type}.merge", objects.merge, write=True),
    _at("GET", "objects", "{type}", "{type}.list", objects.list_page),
    _at("POST", "objects", "{type}", "{type}.create", objects.create, write=True),
    _at("GET", "objects", "{type}/{id}", "{type}.get", objects.read),
    _at("PATCH", "objects", "{type}/{id}", "{type}.update", objects.update, write=True),
    _at("DELETE", "objects", "{type}/{id}", "{type}.archive", objects.archive, write=True),
    _at("PUT", "links", f"{_LINK}/default/{{to}}/{{to_id}}", "associations.put", associations.put_default, write=True),
    _at("GET", "links", f"{_LINK}/{{to}}", "associations.list", associations.list_page),
    _at("PUT", "links", f"{_LINK}/{{to}}/{{to_id}}", "associations.put", associations.put_labels, write=True),
    _at("DELETE", "links", f"{_LINK}/{{to}}/{{to_id}}", "associations.delete", associations.delete, write=True),
    _at("GET", "associations", f"{_PAIR}/labels", "associations.labels", associations.labels),
    _at("POST", "associations", f"{_PAIR}/batch/read", "associations.batch.read", associations.batch_read),
    _at(
        "POST",
        "associations",
        f"{_PAIR}/batch/associate/default",
        "associations.batch.default",
        associations.batch_default,
        write=True,
    ),
    _at(
        "POST",
        "associations",
        f"{_PAIR}/batch/create",
        "associations.batch.create",
        associations.batch_create,
        write=True,
    ),
    _at(
        "POST",
        "associations",
        f"{_PAIR}/batch/archive",
        "associations.batch.archive",
        associations.batch_archive,
        write=True,
    ),
    _at(
        "POST",
        "associations",
        f"{_PAIR}/batch/labels/archive",
        "associations.batch.archive",
        associations.batch_archive_labels,
        write=True,
    ),
    _at("POST", "properties", "{type}/batch/read", "properties.batch.read", properties.batch_read),
    _at("POST", "properties", "{type}/batch/create", "properties.write", properties.batch_create, write=True),
    _at("POST", "properties", "{type}/batch/archive", "properties.write", properties.batch_archive, write=True),
    _at("GET", "properties", "{type}/groups", "properties.groups", groups.list_all),
    _at("POST", "properties", "{type}/groups", "properties.write", groups.create, write=True),
    _at("GET", "properties", "{type}/groups/{name}", "properties.groups", groups.read),
    _at("PATCH", "properties", "{type}/groups/{name}", "properties.write", groups.update, write=True),
    _at("DELETE", "properties", "{type}/groups/{name}", "properties.write", groups.archive, write=True),
    _at("GET", "properties", "{type}", "properties", properties.list_all),
    _at("POST", "properties", "{type}", "properties.write", properties.create, write=True),
    _at("GET", "properties", "{type}/{name}", "properties", properties.read),
    _at("PATCH", "properties", "{type}/{name}", "properties.write", properties.update, write=True),
    _at("DELETE", "properties", "{type}/{name}", "properties.write", properties.archive, write=True),
    _at("GET", "pipelines", "{type}", "pipelines", portal.pipelines),
    _at("GET", "pipelines", "{type}/{pipeline}", "pipelines", portal.pipeline),
    _at("GET", "pipelines", "{type}/{pipeline}/stages", "pipelines", portal.stages),
    _at("GET", "pipelines", "{type}/{pipeline}/stages/{stage}", "pipelines", portal.stage),
    _at("GET", RULED, _RULED, "pipeline_rules", governance.read),
    _at("PUT", RULED, _RULED, "pipeline_rules.write", governance.put, write=True),
    _at("PATCH", RULED, _RULED, "pipeline_rules.write", governance.patch, write=True),
    _at("DELETE", RULED, _RULED, "pipeline_rules.write", governance.delete, write=True),
    _at("GET", LOCKED, f"{_RULED}/{LOCKED}", "pipeline_rules", governance.read_permissions),
    _at("PUT", LOCKED, f"{_RULED}/{LOCKED}", "pipeline_rules.write", governance.put_permissions, write=True),
    _at("GET", "approvals", f"{_RULED}/approvals/{{id}}", "pipeline_rules", governance.read_approval),
    _at("GET", FLOWS, "", "workflows", workflows.list_all),
    _at("GET", "property-validations", "{type}", "validations", validations.list_all),
    _at("GET", "property-validations", "{type}/{name}", "validations", validations.list_of),
    _at("GET", "property-validations", "{type}/{name}/rule-type/{rule}", "validations", validations.read),
    _at(
        "PUT",
        "property-validations",
        "{type}/{name}/rule-type/{rule}",
        "validations.write",
        validations.put,
        write=True,
    ),
    _at("GET", "owners", "", "owners", portal.owners),
    _at("GET", "owners", "{id}", "owners", portal.owner),
    _at("GET", "account-info", "details", "account", portal.details),
    _at("GET", "account-info", "api-usage/daily/private-apps", "account", portal.daily_usage),
    _at("GET", "limits", "custom-properties", "limits", portal.property_limits),
    _at("GET", "limits", "calculated-properties", "limits", portal.calculated_limits),
    _at("GET", "limits", "pipelines", "limits", portal.pipeline_limits),
    _at("GET", "limits", "records", "limits", portal.record_limits),
    _at("GET", "limits", "custom-object-types", "limits", portal.object_type_limits),
    _at("GET", "limits", "associations/labels", "limits", portal.label_limits),
)


def _by_shape() -> dict[tuple[str, int], tuple[Endpoint, ...]]:
    found: dict[tuple[str, int], list[Endpoint]] = {}
    for endpoint in ENDPOINTS:
        found.setdefault((endpoint.area, len(endpoint.tail)), []).append(endpoint)
    return {shape: tuple(some) for shape, some in found.items()}


_SHAPES = _by_shape()


def match(method: str, path: str) -> Match | frozenset[str]:
    """The endpoint that answers; else the methods this path does have, none for an unknown path."""
    split = _split([s for s in path.split("/") if s])
    if split is None:
        return frozenset()
    area, version, tail = split
    others: set[str] = set()
    for endpoint in _SHAPES.get((area, len(tail)), ()):
        params = _fit(endpoint.tail, tail)
        if params is None:
            continue
        if endpoint.method == method:
            return Match(endpoint=endpoint, version=version, params=params)
        others.add(endpoint.method)
    return frozenset(others)


# inside


def _split(parts: list[str]) -> tuple[str, Version, list[str]] | None:
    """Area, version and the rest of a path in either style, or None for a path of neither."""
    if len(parts) >= 2 and parts[0] == "account-info":
        area, version, tail = "account-info", _VERSIONS.get(parts[1]), parts[2:]
    elif len(parts) >= 3 and parts[0] == "automation":
        area, version, tail = parts[2], _VERSIONS.get(parts[1]), parts[3:]
    elif len(parts) >= 3 and parts[0] == "crm":
        dated = parts[2] in _VERSIONS and _VERSIONS[parts[2]].dated
        area, name = (parts[1], parts[2]) if dated else (parts[2], parts[1])
        version, tail = _VERSIONS.get(name), parts[3:]
    else:
        return None
    if area == "objects" and len(tail) >= 4 and tail[2] == "associations":
        area = "links"
    if area == RULED and len(tail) > 2:
        area = tail[2] if tail[2] in GOVERNED else area
    if version is None or area not in _SERVED.get(version, {area} - GOVERNED):
        return None
    return area, version, tail


def _fit(pattern: tuple[str, ...], tail: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for want, got in zip(pattern, tail, strict=True):
        if want.startswith("{"):
            params[want[1:-1]] = got
        elif want != got:
            return None
    return params
