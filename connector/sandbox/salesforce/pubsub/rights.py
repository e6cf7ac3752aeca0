"""Who calls an RPC and what they may be told (facts: Salesforce §2.1, §2.5).

Not sharing: change events ignore it. What a user holds is asked of `permissions.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connector.sandbox.salesforce import auth, permissions
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError
from connector.sandbox.salesforce.pubsub.channels import SETTING
from connector.sandbox.salesforce.pubsub.refusals import NO_AUTH, NO_AUTH_HEADER
from connector.sandbox.salesforce.users import org_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.state import World

AUTH_KEYS = ("accesstoken", "instanceurl", "tenantid")
LOOPBACK = ("127.0.0.1", "localhost")
ALL_RECORDS = frozenset({"ViewAllRecords", "ModifyAllRecords"})


def caller(world: World, metadata: Mapping[str, str], *, port: int | None = None) -> str:
    """The id of the user whose token an RPC carries. `port` is that of the org's own address. Raises Refused."""
    token, url, given = (metadata.get(key, "").strip() for key in AUTH_KEYS)
    if not (token and url and given):
        raise NO_AUTH_HEADER
    # The long form of the org's id: the short one fails (facts: Salesforce §2.1).
    if given != tenant(world) or not _is_own(url, port):
        raise NO_AUTH
    with world.lock:
        try:
            return auth.caller(world, f"Bearer {token}").id
        except ApiError as error:
            raise NO_AUTH from error


def _is_own(url: str, port: int | None) -> bool:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    # A client that reaches the org under a vendor's name has an address of its own for it.
    return parts.hostname not in LOOPBACK or port in (None, parts.port)


def tenant(world: World) -> str:
    """The org's id."""
    with world.lock:
        return org_id(world)


def stamp(world: World) -> tuple[object, ...]:
    """Differs once anything changed that `may_subscribe` or `hidden_fields` depends on; needs no lock."""
    writes = (world.tables[name].writes for name in (*permissions.SOURCES, "User"))
    return (catalog(world).changes, str(world.settings.get(SETTING)), *writes)


def may_subscribe(world: World, user_id: str, entity: str) -> bool:
    """Whether a user may be told of every record of an entity: sharing is ignored, so the right must be wide.

    For tasks and events that is View All Data, which `permissions.rights` reads so too.
    """
    return bool(permissions.rights(world, user_id, entity) & ALL_RECORDS)


def hidden_fields(world: World, user_id: str, entity: str) -> frozenset[str]:
    """The fields of an entity that a user may not see."""
    whole = catalog(world).object(entity)
    seen = permissions.Sight(world, user_id).object(entity)
    if whole is None or seen is None:
        return frozenset()
    return frozenset(f.name for f in whole.own if seen.find(f.name) is None)
