"""Search: one page, and whole sets past the 10,000 cap by record id.

Not here: what changed since (``feeds``), and what a changed activity has to do with a deal (``watched``). A page ends
nothing, however short or empty: only an absent ``paging.next`` does (facts: HubSpot §1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from connector.crm.hubspot import faults, wire
from connector.crm.hubspot.session import Session

PAGE = 200
"""Records per page (facts: HubSpot §1)."""

MOST_RESULTS = 10_000
"""Results one query can be paged through; beyond them it is refused (facts: HubSpot §1)."""

ID = "hs_object_id"
LONGEST_ID = 19
"""Digits of the largest number an id can be."""

IDLE_MOST = 60
"""Pages in a row that bring nothing and yet name a next one, after which it is a fault: a query of `MOST_RESULTS` has
50 pages in all, and one reader was seen to loop for ever (facts: HubSpot §1)."""

Filter = Mapping[str, object]


def where(name: str, operator: str, value: str | None = None) -> dict[str, object]:
    """One filter; HAS_PROPERTY and its like take no value."""
    condition: dict[str, object] = {"propertyName": name, "operator": operator}
    return condition if value is None else {**condition, "value": value}


def one_of(name: str, values: Sequence[str]) -> dict[str, object]:
    """A filter for any of these values."""
    return {"propertyName": name, "operator": "IN", "values": list(values)}


@dataclass(frozen=True, slots=True)
class Query:
    """What to search: groups are alternatives, the filters in a group must all hold."""

    object_name: str
    groups: tuple[tuple[Filter, ...], ...]
    properties: tuple[str, ...]
    sort: str
    descending: bool = False
    limit: int = PAGE
    after: str | None = None

    def also(self, *filters: Filter) -> Query:
        """The same with more filters in every group."""
        return replace(self, groups=tuple((*group, *filters) for group in self.groups or ((),)))

    def body(self) -> dict[str, object]:
        """As it is sent. HubSpot sorts by one rule only (facts: HubSpot §1)."""
        body: dict[str, object] = {
            "filterGroups": [{"filters": list(group)} for group in self.groups if group],
            "sorts": [{"propertyName": self.sort, "direction": "DESCENDING" if self.descending else "ASCENDING"}],
            "properties": list(self.properties),
            "limit": self.limit,
        }
        return body if self.after is None else {**body, "after": self.after}


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its records, how many there are in all, and where the next page begins."""

    rows: tuple[wire.Obj, ...]
    total: int
    after: str | None


def page(session: Session, query: Query) -> Page:
    """Run one search. A record that an answer lists twice is kept where it stood first."""
    data = session.search(query.object_name, query.body())
    rows: dict[str, wire.Obj] = {}
    for each in data.get("results") or ():
        row = wire.obj(each)
        rows.setdefault(row.id, row)
    total = data.get("total")
    return Page(
        rows=tuple(rows.values()), total=total if isinstance(total, int) else len(rows), after=wire.next_after(data)
    )


@dataclass(frozen=True, slots=True)
class Ids:
    """A reading of a set by record id, in progress: every page asks for ids above the last one read, so neither the cap
    nor a record that leaves the set between two pages can make it skip one.

    Whether ids are sorted as numbers or as text is not certain (facts: HubSpot §1). Where sorting and comparing go by
    the same order, either is fine. Where they do not, records are left behind, and the portal's own count tells: fewer
    follow than ``expected``. Then what lies up to ``last`` is counted (``doubt``): when that is more than was ``read``,
    all is read again one length of ids (``digits``) after the other, within which both orders are the same.
    """

    last: str = "0"
    expected: int | None = None
    read: int = 0
    doubt: bool = False
    digits: int = 0
    after: str | None = None
    idle: int = 0

    def of(self, query: Query) -> Query:
        """The query for the next page."""
        if self.doubt:
            return replace(query.also(where(ID, "LTE", self.last)), sort=ID, descending=False, limit=1, after=None)
        bounds = [where(ID, "GT", self.last)]
        if self.digits:
            bounds.append(where(ID, "LTE", "9" * self.digits))
        return replace(query.also(*bounds), sort=ID, descending=False, after=self.after)

    def onward(self, got: Page, *, fresh: int) -> Ids | None:
        """Where to go on after a page with so many records not seen before; None at the end. Raises `CrmError`."""
        if self.doubt:
            return Ids(digits=1) if got.total > self.read else replace(self, doubt=False, expected=None)
        if self.expected is not None and got.total < self.expected and not self.digits:
            return replace(self, doubt=True, after=None)
        if got.after is None:
            more = 0 < self.digits < LONGEST_ID
            return Ids(last="9" * self.digits, digits=self.digits + 1) if more else None
        stuck = bool(got.rows) and got.rows[-1].id == self.last
        idle = idle_after(self.idle, fresh=0 if stuck else fresh)
        if not got.rows:  # an empty page that has a next one is followed by its cursor
            return replace(self, after=got.after, idle=idle)
        expected, read = got.total - len(got.rows), self.read + len(got.rows)
        return replace(self, last=got.rows[-1].id, expected=expected, read=read, after=None, idle=idle)


def idle_after(idle: int, *, fresh: int) -> int:
    """How many pages in a row brought nothing. Raises `CrmError` when there is no end to them."""
    if fresh:
        return 0
    if idle >= IDLE_MOST:
        raise faults.endless()
    return idle + 1


def everything(session: Session, query: Query) -> Iterator[Page]:
    """All pages of a query, by id, each record once."""
    seen: set[str] = set()
    place: Ids | None = Ids()
    while place is not None:
        found = page(session, place.of(query))
        fresh = tuple(row for row in found.rows if row.id not in seen)
        seen.update(row.id for row in fresh)
        yield replace(found, rows=fresh)
        place = place.onward(found, fresh=len(fresh))
