"""What makes a folder, a Report or a Dashboard one the org accepts.

Not the running of a report. Columns and report types: facts: Salesforce §5.4, and the usual ones beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.metadata.shapes import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector.sandbox.salesforce.metadata.tree import Node
    from connector.sandbox.salesforce.metadata.view import View

MAX_NAME = 40
"""Facts: Salesforce §5.4."""
MAX_DESCRIPTION = 255
_STANDARD = {
    "Opportunity": (
        "OPPORTUNITY_NAME ACCOUNT_NAME STAGE_NAME AMOUNT CLOSE_DATE FULL_NAME PROBABILITY TYPE CREATED_DATE "
        "LEAD_SOURCE NEXT_STEP EXP_AMOUNT AGE CLOSED WON LAST_UPDATE LAST_ACTIVITY DESCRIPTION FISCAL_QUARTER "
        "FISCAL_YEAR FORECAST_CATEGORY CREATED LAST_UPDATE_BY ROLLUP_DESCRIPTION CLOSE_MONTH OPPORTUNITY_ID"
    ),
    "AccountList": "ACCOUNT.NAME ACCOUNT.TYPE USERS.NAME ACCOUNT_OWNER CREATED_DATE LAST_UPDATE RATING INDUSTRY",
    "Activity": (
        "SUBJECT STATUS PRIORITY DUE_DATE ASSIGNED ACCOUNT OPPORTUNITY TASK CREATED_DATE CLOSED CONTACT_NAME "
        "ACTIVITY_TYPE LAST_UPDATE"
    ),
}
COLUMNS: dict[str, frozenset[str]] = {kind: frozenset(names.split()) for kind, names in _STANDARD.items()}
"""Standard columns by report type; a custom field is `Object.Field__c`."""
ROW_COUNT = "RowCount"
GROUPED = {"Summary": ("groupingsDown",), "Matrix": ("groupingsDown", "groupingsAcross")}


def folder(_view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A ReportFolder or DashboardFolder."""
    if not node.get("name"):
        yield _at(node, "Required field is missing: name")
    if "/" in name and not name.rpartition("/")[0]:
        yield _at(node, f"Invalid folder name: {name}")


def report(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A Report named `Folder/Report`."""
    yield from _in_folder(view, "ReportFolder", name, node)
    if len(node.get("name")) > MAX_NAME:
        yield _at(node.first("name") or node, f"Value too long for field: Name maximum length is:{MAX_NAME}")
    if len(node.get("description")) > MAX_DESCRIPTION:
        yield _at(node, f"Value too long for field: Description maximum length is:{MAX_DESCRIPTION}")
    kind = node.get("reportType")
    if kind not in COLUMNS and not kind.endswith("__c"):
        yield _at(node.first("reportType") or node, f"Invalid value specified: {kind} is no report type")
        return
    for grouping in GROUPED.get(node.get("format"), ()):
        if node.first(grouping) is None:
            yield _at(node, f"A report of format {node.get('format')} must have {grouping}")
    grouped = {g.get("field") for tag in ("groupingsDown", "groupingsAcross") for g in node.all(tag)}
    for place, column in _columns(node):
        if not _known(view, kind, column):
            yield _at(place, f"Invalid field name: {column}")
    for place in node.all("columns"):
        if place.get("field") in grouped:
            yield _at(place, f"A grouping field cannot be a column too: {place.get('field')}")


def dashboard(view: View, name: str, node: Node) -> Iterator[Flaw]:
    """A Dashboard named `Folder/Dashboard`."""
    yield from _in_folder(view, "DashboardFolder", name, node)
    for component in (*node.deep("components"), *node.deep("dashboardComponent")):
        source = component.get("report")
        if source and view.get("Report", source) is None:
            yield _at(component, f"In field: report - no Report named {source} found")
    runs_as = node.get("runningUser")
    if runs_as and view.world.table("User").find_unique("Username", runs_as) is None:
        yield _at(node.first("runningUser") or node, f"In field: runningUser - no User named {runs_as} found")
    if node.get("dashboardType") in ("", "SpecifiedUser") and not runs_as:
        yield _at(node, "Must specify a runningUser for a dashboard that runs as a specified user")


def _in_folder(view: View, folder_type: str, name: str, node: Node) -> Iterator[Flaw]:
    holder = name.rpartition("/")[0]
    if not holder or view.get(folder_type, holder) is None:
        yield _at(node, f"Cannot find folder:{holder}")


def _columns(node: Node) -> Iterator[tuple[Node, str]]:
    for tag in ("columns", "groupingsDown", "groupingsAcross"):
        for place in node.all(tag):
            yield place, place.get("field")
    for place in node.deep("criteriaItems"):
        yield place, place.get("column")
    frame = node.first("timeFrameFilter")
    if frame is not None:
        yield frame, frame.get("dateColumn")


def _known(view: View, kind: str, column: str) -> bool:
    if column == ROW_COUNT or column in COLUMNS.get(kind, ()):
        return True
    # A custom report type names standard fields by Object.Field or Object$Field as well.
    path = column.replace("$", ".")
    if kind.endswith("__c") or path.endswith("__c"):
        return path.count(".") == 1 and view.field(path) is not None
    return False


def _at(node: Node, problem: str) -> Flaw:
    return Flaw(problem, node.line, node.column)
