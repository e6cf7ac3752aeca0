"""What was changed of a CRM's own set-up, as the trail tells it: fields, rules, layouts, permission sets and the like.

Not here: which changes those are and how they are made (``crm.<vendor>.provision``). Records of the CRM are no set-up;
what is written to them comes by the outbox (``settle``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.handoff.model import SystemName
from connector.store.audit import AuditKind, Entry, write_audit
from connector.store.database import Part
from connector.store.told import UNKNOWN, told


@dataclass(frozen=True, slots=True)
class SetUp:
    """One change of a CRM's set-up: ``do`` is create, change or remove.

    ``before`` and ``after`` are attributes as far as they are known: None for a component that was not there before, or
    is not any more. ``sure`` is False when the CRM stopped answering while it was made.
    """

    do: str
    type: str
    name: str
    before: Mapping[str, str | None] | None
    after: Mapping[str, str | None] | None
    why: str = ""
    sure: bool = True


class Provisions(Part):
    """Telling of them."""

    def provisioned(self, system: SystemName, changes: Sequence[SetUp], *, by: str) -> None:
        """Add one row a change to the trail."""
        with self._db.write() as connection:
            entries = [
                Entry(system, None, 0, AuditKind.PROVISIONED, _reason(one), _data(one), by=by) for one in changes
            ]
            write_audit(connection, self._db.now(), entries)


def _reason(one: SetUp) -> str:
    said = f"{one.do} {one.type} {one.name}" + (f": {one.why}" if one.why else "")
    return said if one.sure else f"{said} (whether it was done is not known: the CRM stopped answering)"


def _data(one: SetUp) -> dict[str, object]:
    # A removal tells no values: what stood in a component that goes is read by nobody.
    before = UNKNOWN if one.before is not None and not one.before else one.before and told(one.before)
    return {
        "record": f"{one.type} {one.name}",
        "operation": one.do,
        "before": before,
        "after": one.after and told(one.after),
        "sure": one.sure,
    }
