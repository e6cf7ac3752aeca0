"""The way back: what of ours can be taken out of an org, and how much data would go with it.

Not here: taking it out (``apply``). Rules, permissions, reports, channel members and the layout section go by
themselves; fields only when asked for, and a field that holds data only when asked for a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from connector.crm.installer import Do
from connector.crm.salesforce.keys import LEDGER_OBJECT
from connector.crm.salesforce.provision.compare import MEMBER, is_ours, on_layouts, selection
from connector.crm.salesforce.provision.component import Component, text_of
from connector.crm.salesforce.provision.desired import Desired
from connector.crm.salesforce.provision.items import Grant, Item, ProvisionPlan
from connector.crm.salesforce.provision.layout import remove_section
from connector.crm.salesforce.provision.marks import MARKED, has_mark, is_untouched
from connector.crm.salesforce.provision.metadata import MetadataLine
from connector.crm.salesforce.provision.org import OrgState, rows
from connector.crm.salesforce.soql import select, where
from connector.errors import CrmError
from connector.policy.meaning import DESCRIPTION

FIELD, OBJECT = "CustomField", "CustomObject"
ORDER = (
    "ValidationRule",
    "Dashboard",
    "DashboardFolder",
    "Report",
    "ReportFolder",
    MEMBER,
    "PermissionSet",
    "CustomPermission",
    "CustomNotificationType",
    FIELD,
    OBJECT,
)
"""What may hang on what: later types are named by earlier ones. A type that is not here comes first."""

UNFILTERABLE = frozenset({"LongTextArea", "Html", "EncryptedText"})
"""Types no query can count by: their values are read instead."""

LOOKED_THROUGH = 2_000
"""Records of which an unfilterable field is read; one page."""

ACTIVITY = {"Activity": ("Task", "Event")}


@dataclass(frozen=True, slots=True)
class Holding:
    """Data in a field: how many records have it filled at least, and whether that is all of them."""

    at_least: int
    is_all: bool

    @property
    def is_empty(self) -> bool:
        """Whether certainly no record has it filled."""
        return self.is_all and self.at_least == 0

    def __str__(self) -> str:
        if self.is_all:
            return "filled on 1 record" if self.at_least == 1 else f"filled on {self.at_least:,} records"
        return f"filled on {self.at_least:,} records of those looked at, perhaps on more"


def holdings(lines: Sequence[MetadataLine], org: OrgState) -> dict[str, Holding]:
    """How many records hold data in each of our custom fields, as the first of these logins that sees it says.

    An admin may not see a field that no permission set of theirs grants (facts: Salesforce §5.1), so the connector's
    own login is asked as well. A field that none of them sees is left out.
    """
    found: dict[str, Holding] = {}
    for one in (*org.of(FIELD), *org.of(OBJECT)):
        held = next((held for line in lines if (held := _holding(line, one))), None) if is_ours(*one.key) else None
        if held is not None:
            found[one.name] = held
    return found


def removal(
    desired: Desired,
    org: OrgState,
    held: Mapping[str, Holding],
    *,
    with_fields: bool = False,
    even_with_data: bool = False,
) -> ProvisionPlan:
    """The plan of the way back. ``held`` as `holdings` found it."""
    ours = sorted((one for one in _ours(desired, org)), key=lambda one: (_rank(one.type), one.name))
    items = [*_layouts(desired, org)]
    for one in ours:
        if one.type in (FIELD, OBJECT):
            items.append(_field(one, held.get(one.name), with_fields=with_fields, even_with_data=even_with_data))
        else:
            items.append(Item(Do.REMOVE, one.type, one.name, _holders(one, org)))
    going = {item.name for item in items if item.do is Do.REMOVE and item.type == "PermissionSet"}
    grants = tuple(
        Grant(name, user, take=True) for name in sorted(going) for user in sorted(org.assigned.get(name, frozenset()))
    )
    return ProvisionPlan(tuple(items), grants)


def _ours(desired: Desired, org: OrgState) -> Iterator[Component]:
    """What we made, whether the files still ask for it or not, and the channel selections that we would make.

    A name is no proof: an org may have a ``Handoff_…`` of its own, which is told by the want of our mark.
    """
    selected = {selection(one): one for one in desired.components if one.type == MEMBER}
    wanted = {one.key for one in desired.components}
    whole = {one.name for one in org.of(OBJECT) if one.name == LEDGER_OBJECT}
    for one in org.components.values():
        if one.type == MEMBER:
            if selection(one) in selected:
                yield one
        elif one.type == FIELD and one.name.partition(".")[0] in whole:
            continue  # goes with its object
        elif is_ours(one.type, one.name) and (one.key in wanted or one.name in whole or _bears_our_mark(one)):
            yield one


def _bears_our_mark(one: Component) -> bool:
    if one.type == MARKED:
        return has_mark(one)
    return one.type == FIELD and one.text("description").startswith(DESCRIPTION)


def _field(one: Component, held: Holding | None, *, with_fields: bool, even_with_data: bool) -> Item:
    told = str(held) if held is not None else "none of the logins sees what it holds"
    if not with_fields:
        return Item(Do.KEEP, one.type, one.name, f"{told}; fields stay unless --with-fields is given")
    if (held is None or not held.is_empty) and not even_with_data:
        return Item(Do.KEEP, one.type, one.name, f"{told}; it stays unless --even-with-data is given as well")
    lost = "" if held is not None and held.is_empty else "; THIS DATA IS LOST"
    return Item(Do.REMOVE, one.type, one.name, told + lost)


def _layouts(desired: Desired, org: OrgState) -> Iterator[Item]:
    for wanted, layout in on_layouts(desired, org):
        changed = remove_section(layout, wanted)
        if changed.body != layout.body:
            yield Item(Do.CHANGE, "Layout", layout.name, "the section is taken out; all else stays", component=changed)


def _holders(one: Component, org: OrgState) -> str:
    if one.type == MARKED and not is_untouched(one):
        return "somebody edited it since"
    count = len(org.assigned.get(one.name, frozenset())) if one.type == "PermissionSet" else 0
    who = "1 person holds it" if count == 1 else f"{count} people hold it"
    return f"{who} and would lose it" if count else ""


def _rank(type: str) -> int:
    return ORDER.index(type) if type in ORDER else -1


def _holding(line: MetadataLine, one: Component) -> Holding | None:
    name = one.name.partition(".")[0]
    field = "Id" if one.type == OBJECT else text_of(one.body, "fullName") or one.name.rpartition(".")[2]
    try:
        parts = [_counted(line, target, field, one.text("type")) for target in ACTIVITY.get(name, (name,))]
    except CrmError:
        # Hidden from this login, or of a kind that cannot be asked for: not known to be empty, so not taken away.
        return None
    return Holding(sum(part.at_least for part in parts), is_all=all(part.is_all for part in parts))


def _counted(line: MetadataLine, name: str, field: str, type: str) -> Holding:
    if type in UNFILTERABLE:
        return _looked_through(line, name, field)
    full = where(field, "=", value=True) if type == "Checkbox" else where(field, "!=", None)
    told = next(iter(rows(line, select(["COUNT(Id) filled"], of=name, where=full))), {})
    return Holding(int(told.get("filled") or 0), is_all=True)


def _looked_through(line: MetadataLine, name: str, field: str) -> Holding:
    answer = line.session.query_page(
        select(["Id", field], of=name, order=("SystemModstamp DESC",), limit=LOOKED_THROUGH)
    )
    found: Iterable[Mapping[str, object]] = answer["records"]
    filled = sum(1 for row in found if row.get(field))
    return Holding(filled, is_all=bool(answer.get("done", True)) and len(answer["records"]) < LOOKED_THROUGH)
