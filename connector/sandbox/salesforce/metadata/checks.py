"""Which check belongs to which type: a component is judged by its XML's shape first, then by its meaning.

Not the order of a deploy, and nothing is changed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata import (
    check_access,
    check_events,
    check_fields,
    check_pages,
    check_reports,
    check_rules,
)
from connector.sandbox.salesforce.metadata.shapes import Flaw, flaws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

CHECKS: dict[str, Callable[[View, str, Node], Iterator[Flaw]]] = {
    "CustomField": check_fields.field,
    "CustomObject": check_fields.custom_object,
    "CustomNotificationType": check_events.notification_type,
    "CustomPermission": check_access.custom_permission,
    "Dashboard": check_reports.dashboard,
    "DashboardFolder": check_reports.folder,
    "Layout": check_pages.layout,
    "PermissionSet": check_access.permission_set,
    "PlatformEventChannel": check_events.channel,
    "PlatformEventChannelMember": check_events.member,
    "Report": check_reports.report,
    "ReportFolder": check_reports.folder,
    "ValidationRule": check_rules.validation_rule,
}
"""Types without a row here are judged by shape alone."""


def judge(view: View, type: str, name: str, node: Node) -> list[Flaw]:
    """What is wrong with a component; a flawed shape is not looked at further."""
    found = list(flaws(node, type))
    check = CHECKS.get(type)
    if not found and check is not None:
        found = list(check(view, name, node))
    return found
