"""The object types of the portal, under all the names a caller may use, and the API versions served.

Not the properties of a type (`catalog.py`), nor the records (`records.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.sandbox.hubspot.errors import Refused


@dataclass(frozen=True, slots=True)
class Kind:
    """One object type. `table` is its plural name and the name of its table."""

    table: str
    singular: str
    type_id: str
    label: str
    labels: str
    created: str
    modified: str
    shown: tuple[str, ...]
    searched: tuple[str, ...]
    engagement: bool = False


# Properties served when none are asked for, and those that `query` looks through (facts: HubSpot §1, §6).
KINDS = (
    Kind(
        table="deals",
        singular="deal",
        type_id="0-3",
        label="Deal",
        labels="Deals",
        created="createdate",
        modified="hs_lastmodifieddate",
        shown=("amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "pipeline"),
        searched=("dealname", "pipeline", "dealstage", "description", "dealtype"),
    ),
    Kind(
        table="companies",
        singular="company",
        type_id="0-2",
        label="Company",
        labels="Companies",
        created="createdate",
        modified="hs_lastmodifieddate",
        shown=("createdate", "domain", "hs_lastmodifieddate", "name"),
        searched=("website", "phone", "name", "domain"),
    ),
    Kind(
        table="contacts",
        singular="contact",
        type_id="0-1",
        label="Contact",
        labels="Contacts",
        created="createdate",
        modified="lastmodifieddate",
        shown=("createdate", "email", "firstname", "lastmodifieddate", "lastname"),
        searched=("firstname", "lastname", "email", "phone", "company"),
    ),
    *(
        Kind(
            table=table,
            singular=singular,
            type_id=type_id,
            label=singular.capitalize(),
            labels=table.capitalize(),
            created="hs_createdate",
            modified="hs_lastmodifieddate",
            shown=("hs_createdate", "hs_lastmodifieddate"),
            searched=searched,
            engagement=True,
        )
        for table, singular, type_id, searched in (
            ("tasks", "task", "0-27", ("hs_task_subject", "hs_task_body")),
            ("notes", "note", "0-46", ("hs_note_body",)),
            ("meetings", "meeting", "0-47", ("hs_meeting_title", "hs_meeting_body")),
            ("calls", "call", "0-48", ("hs_call_title", "hs_call_body")),
            ("emails", "email", "0-49", ("hs_email_subject", "hs_email_text")),
        )
    ),
)

_BY_NAME = {name: kind for kind in KINDS for name in (kind.table, kind.singular, kind.type_id)}


def kind_of(name: str) -> Kind:
    """The type called so: plural, singular or type id, in any case. Raises Refused (400)."""
    kind = _BY_NAME.get(name.lower())
    if kind is None:
        raise Refused(status=400, category="VALIDATION_ERROR", message=f"Unable to infer object type from: {name}")
    return kind


@dataclass(frozen=True, slots=True)
class Version:
    """One API version. Partial batches answer 207 before 2026-09 and the plain status from then on (facts §3d).

    Only a version that `enforces` holds writes to what admins require (facts: HubSpot §4).
    """

    name: str
    dated: bool
    mixed: int | None
    enforces: bool = False

    def status(self, normal: int, *, failures: int) -> int:
        """The status of a batch of which `failures` rows were refused."""
        return self.mixed if failures and self.mixed else normal


MULTI_STATUS = 207
V3 = Version(name="v3", dated=False, mixed=MULTI_STATUS)
V4 = Version(name="v4", dated=False, mixed=MULTI_STATUS)
MARCH_2026 = Version(name="2026-03", dated=True, mixed=MULTI_STATUS)
SEPTEMBER_2026 = Version(name="2026-09", dated=True, mixed=None, enforces=True)
BETA_2026 = Version(name="2026-09-beta", dated=True, mixed=None, enforces=True)
DATED = (MARCH_2026, SEPTEMBER_2026)
