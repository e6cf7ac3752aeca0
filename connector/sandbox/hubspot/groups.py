"""The endpoints of property groups: list, read, create, change, archive.

Not the properties that stand in them (`properties.py`). Facts: HubSpot §5.
"""

from __future__ import annotations

from dataclasses import replace

from connector.sandbox.hubspot import catalog
from connector.sandbox.hubspot.asked import Asked, Reply
from connector.sandbox.hubspot.errors import Refused, invalid, not_found
from connector.sandbox.hubspot.properties import NAME, exists, order_of


def list_all(asked: Asked) -> Reply:
    """GET every group of a type."""
    return Reply({"results": [g.body() for g in catalog.groups(asked.world, asked.kind).values()]})


def read(asked: Asked) -> Reply:
    """GET one group."""
    return Reply(_group(asked).body(), rows=1)


def create(asked: Asked) -> Reply:
    """POST one group."""
    sent = asked.object()
    name, label = str(sent.get("name") or ""), str(sent.get("label") or "")
    if not NAME.match(name) or not label:
        raise invalid("A property group needs a name in lower case and a label")
    if name in catalog.groups(asked.world, asked.kind):
        raise exists("group", name)
    made = catalog.Group(name=name, label=label, order=order_of(sent.get("displayOrder", -1)))
    catalog.keep_group(asked.world, asked.kind, made, by=asked.by)
    return Reply(made.body(), status=201, rows=1)


def update(asked: Asked) -> Reply:
    """PATCH the label or the order of a group."""
    sent, before = asked.object(), _group(asked)
    now = replace(
        before, label=str(sent.get("label") or before.label), order=order_of(sent.get("displayOrder", before.order))
    )
    catalog.keep_group(asked.world, asked.kind, now, by=asked.by)
    return Reply(now.body(), rows=1)


def archive(asked: Asked) -> Reply:
    """DELETE a group that no property stands in."""
    group = catalog.groups(asked.world, asked.kind).get(asked.params["name"])
    if group is None:
        return Reply(status=204)
    if any(d.group == group.name for d in catalog.properties(asked.world, asked.kind).values()):
        raise Refused(
            status=400,
            category="VALIDATION_ERROR",
            sub_category="GROUP_WITH_ACTIVE_PROPERTIES",
            message=f"Group {group.name} has active properties",
        )
    catalog.keep_group(asked.world, asked.kind, replace(group, archived=True), by=asked.by)
    return Reply(status=204, rows=1)


# inside


def _group(asked: Asked) -> catalog.Group:
    found = catalog.groups(asked.world, asked.kind).get(asked.params["name"])
    if found is None:
        raise not_found(f"Property group {asked.params['name']} does not exist")
    return found
