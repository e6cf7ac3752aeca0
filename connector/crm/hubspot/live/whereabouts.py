"""Which deals a record or an account belongs to, asked of the portal in one call per type of record.

Not here: whether it is worth asking (``meaning``) and what the ledger knows already (the engine asks that first).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from connector.crm.hubspot import associations
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.live.meaning import OBJECT_NAMES, ref_of, type_of
from connector.crm.hubspot.session import Session
from connector.errors import FaultCode
from connector.handoff.model import Ref

REFUSED = "hints.refused"

log = structlog.get_logger()


def deals_of(session: Session, refs: Sequence[Ref]) -> Mapping[Ref, tuple[str, ...]]:
    """The deals by record; records that hang on none are left out. Raises `HubSpotError`.

    A type that this login may not see is left out too: polling cannot see it either, and says so.
    """
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for ref in refs:
        object_type_id, record_id = type_of(ref)
        wanted[object_type_id].append(record_id)
    found: dict[Ref, tuple[str, ...]] = {}
    for object_type_id, ids in wanted.items():
        object_name = OBJECT_NAMES[object_type_id]
        try:
            links = associations.read(session, object_name, "deals", ids)
        except HubSpotError as error:
            if error.fault.code is not FaultCode.NOT_PERMITTED:
                raise
            log.warning(REFUSED, object=object_name, vendor_code=error.fault.vendor_code)
            continue
        for record_id, ends in links.items():
            found[ref_of(object_type_id, record_id)] = tuple(dict.fromkeys(end.id for end in ends))
    return found
