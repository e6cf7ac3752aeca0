"""Do the properties that are mapped as people hold owner ids? For `handoff check`.

Not here: reading and writing them. HubSpot knows one person by three ids, and a record can be given to an owner id
only: the user id of the settings looks the same and is an error wherever somebody is assigned (facts: HubSpot §6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connector.crm.hubspot import search, wire
from connector.crm.hubspot.fields import OWNER, OWNERSHIP, Fields
from connector.crm.hubspot.search import Query, where
from connector.crm.hubspot.session import Session
from connector.errors import Problem
from connector.handoff.model import Kind, Person
from connector.handoff.rulebook.fields import FieldType
from connector.policy.crmmap import MappedField

LOOKED_AT = 20
"""Records whose value is looked at, to say whose id stands there."""


def person_problems(session: Session, fields: Fields, people: Sequence[Person]) -> Iterator[Problem]:
    """Each property mapped as a person that is no list of the portal's owners. Raises `CrmError`.

    One call per object, and a search for each property that is none.
    """
    for kind in (Kind.DEAL, Kind.ACCOUNT):
        mapped = [one for one in fields.map.of(kind) if one.type is FieldType.PERSON and one.field != OWNER]
        if not mapped:
            continue
        object_name = fields.object(kind)
        data = session.get("properties", session.paths.properties(object_name))
        described = {str(each.get("name")): each for each in data.get("results") or ()}
        for one in mapped:
            if one.field in described and not _lists_owners(described[one.field]):
                yield _problem(one, object_name, _found_in(session, object_name, one, people))


def _lists_owners(described: wire.Json) -> bool:
    """Whether its options are the portal's owners (facts: HubSpot §5)."""
    return described.get("referencedObjectType") == OWNERSHIP or bool(described.get("externalOptions"))


def _found_in(session: Session, object_name: str, mapped: MappedField, people: Sequence[Person]) -> str:
    """What stands there now, if it is somebody's user id."""
    query = Query(
        object_name=object_name,
        groups=((where(mapped.field, "HAS_PROPERTY"),),),
        properties=(mapped.field,),
        sort=search.ID,
        limit=LOOKED_AT,
    )
    by_user_id = {person.user_id: person for person in people if person.user_id}
    owner_ids = {person.id for person in people}
    held = (row.get(mapped.field) for row in search.page(session, query).rows)
    one = next((by_user_id[each] for each in held if each in by_user_id and each not in owner_ids), None)
    return f"; it holds user ids ({one.user_id} is the user id of {one.email}, the owner id is {one.id})" if one else ""


def _problem(mapped: MappedField, object_name: str, found: str) -> Problem:
    message = (
        f"{object_name}.{mapped.field} is no list of the portal's users{found}; a person is given records by owner id "
        'only: map a property of the type "HubSpot user"'
    )
    return Problem("hubspot.toml", f"fields.{mapped.kind.value}.{mapped.name}", message)
