"""Which records hang together: batch reads, and the default link of an activity to its deal and account.

Not here: what a label means (``CrmMap.role``), and single-record association calls; batches are cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from connector.crm.hubspot import faults, wire
from connector.crm.hubspot.session import Session

READ_LIMIT = 1000
CREATE_LIMIT = 2000
"""Inputs per call (facts: HubSpot §3c)."""

OWN = "USER_DEFINED"
"""The category of labels that a portal made for itself (facts: HubSpot §3c)."""

PRIMARY_COMPANY = 5
"""deal → primary company (facts: HubSpot §3c)."""

TYPE_IDS: dict[tuple[str, str], int] = {
    ("tasks", "deals"): 216,
    ("tasks", "companies"): 192,
    ("notes", "deals"): 214,
    ("notes", "companies"): 190,
    ("meetings", "deals"): 212,
    ("meetings", "companies"): 188,
    ("emails", "deals"): 210,
    ("emails", "companies"): 186,
}
"""HUBSPOT_DEFINED ids, for links made together with the record (facts: HubSpot §3c)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A record at the other end, the types of the link, and the labels that the company gave it."""

    id: str
    types: frozenset[int]
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Pair:
    """One link to make."""

    from_id: str
    to_id: str


def read(session: Session, from_object: str, to_object: str, ids: Sequence[str]) -> dict[str, tuple[Link, ...]]:
    """What each record hangs together with; records without any are missing. One call per 1,000 ids.

    Raises `HubSpotError` also when the links of a record do not come to an end.
    """
    found: dict[str, list[Link]] = {}
    unread: list[dict[str, str]] = [{"id": each} for each in dict.fromkeys(ids)]
    pages: set[tuple[str, str]] = set()
    path = session.associations(from_object, to_object, "read")
    while unread:
        inputs, unread = unread[:READ_LIMIT], unread[READ_LIMIT:]
        data = session.ask("associations.batch.read", path, {"inputs": inputs})
        for result in data.get("results") or ():
            from_id = str((result.get("from") or {}).get("id", ""))
            found.setdefault(from_id, []).extend(_links(result))
            after = wire.next_after(result)
            if after is not None:
                if (from_id, after) in pages:
                    raise faults.endless()
                pages.add((from_id, after))
                unread.append({"id": from_id, "after": after})
    return {from_id: tuple(links) for from_id, links in found.items() if links}


def _links(result: wire.Json) -> Iterable[Link]:
    for to in result.get("to") or ():
        told = to.get("associationTypes") or ()
        types = frozenset(int(each["typeId"]) for each in told if "typeId" in each)
        labels = frozenset(str(each["label"]) for each in told if each.get("label") and each.get("category") == OWN)
        yield Link(id=str(to.get("toObjectId", "")), types=types, labels=labels)


def primary(links: Sequence[Link]) -> str | None:
    """The primary company; where none is marked, the oldest record (lowest id)."""
    if not links:
        return None
    marked = [link for link in links if PRIMARY_COMPANY in link.types]
    return min(marked or links, key=lambda link: (len(link.id), link.id)).id


def ids(found: Mapping[str, tuple[Link, ...]]) -> tuple[str, ...]:
    """Every record at the other end, once."""
    return tuple(dict.fromkeys(link.id for links in found.values() for link in links))


def link(session: Session, from_object: str, to_object: str, pairs: Sequence[Pair]) -> wire.Json:
    """Make default links, at most `CREATE_LIMIT`; making one that exists changes nothing. Returns the answer."""
    inputs = [{"from": {"id": pair.from_id}, "to": {"id": pair.to_id}} for pair in pairs]
    path = session.associations(from_object, to_object, "associate", "default")
    return session.send("associations.batch.default", path, {"inputs": inputs})


def confirmed(answer: wire.Json) -> frozenset[Pair]:
    """The pairs an answer confirms, in whichever direction it lists them."""
    pairs: set[Pair] = set()
    for result in answer.get("results") or ():
        from_id = str((result.get("from") or {}).get("id", ""))
        to_id = str((result.get("to") or {}).get("id", ""))
        pairs.update((Pair(from_id, to_id), Pair(to_id, from_id)))
    return frozenset(pairs)


def inline(from_object: str, to_object: str, to_id: str) -> dict[str, object]:
    """A link as part of a create. Raises KeyError for a pair of objects this connector never links."""
    type_id = TYPE_IDS[(from_object, to_object)]
    return {
        "to": {"id": to_id},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}],
    }
