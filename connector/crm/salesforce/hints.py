"""What a person can do about a row or a login that Salesforce refused, by the vendor's code.

Not here: what the engine does (``faults``). The vendor's own words, a validation rule's message among them, always come
first; a hint follows them where they alone would leave an admin searching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RETRY = "then: handoff retry"

HINTS: Mapping[str, str] = {
    # facts: Salesforce §3.3, §6.6, §6.7, §7; codes that §3.3 marks as unconfirmed are general knowledge
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": (
        f"one of your validation rules refuses this save; mend the record or exempt the connector's user, {RETRY}"
    ),
    "INVALID_FIELD_FOR_INSERT_UPDATE": (
        "field-level security or the kind of field forbids this login to write it; give the connector's permission set "
        f"edit access (handoff check names the field), {RETRY}"
    ),
    "INVALID_FIELD": (
        "the field is gone or field-level security hides it; handoff check says which line of the mapping it is"
    ),
    "INSUFFICIENT_ACCESS_OR_READONLY": (
        "the record is not shared with the connector's user, is locked by an approval, or the object may not be "
        f"edited; give its permission set View All and Edit, or unlock the record, {RETRY}"
    ),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": (
        "a record this one points to (account, owner, record type) is not shared with the connector's user; "
        f"give its permission set View All on that object, or assign the record type to it, {RETRY}"
    ),
    "INVALID_CROSS_REFERENCE_KEY": (
        "something this record points to is gone, or its record type is not assigned to the connector's user; "
        f"assign the record type or correct the reference, {RETRY}"
    ),
    "INACTIVE_OWNER_OR_USER": (
        "this person no longer works in Salesforce; take them out of the pool or name another CSM on the account, "
        + RETRY
    ),
    "OP_WITH_INVALID_USER_TYPE_EXCEPTION": (
        f"this user's licence cannot own such a record; take them out of the pool, {RETRY}"
    ),
    "TRANSFER_REQUIRES_READ": (
        f"the new owner may not read this record; give that person's profile read access to the object, {RETRY}"
    ),
    "REQUIRED_FIELD_MISSING": (
        "your org requires a field that the connector does not fill; fill it by default or a flow, or map it, " + RETRY
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (
        f"the picklist does not hold this value; add it, or translate it under `values` in the mapping, {RETRY}"
    ),
    "STRING_TOO_LONG": f"make the field longer, or set max_chars for it in the mapping, {RETRY}",
    "DUPLICATES_DETECTED": (
        'a duplicate rule holds this row back; exempt the connector\'s user, or set duplicate_rules = "allow", ' + RETRY
    ),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": f"a trigger of your org failed on this save; mend it, {RETRY}",
    "CANNOT_EXECUTE_FLOW_TRIGGER": f"a flow of your org failed on this save; mend it, {RETRY}",
    "API_DISABLED_FOR_ORG": (
        "give the connector's user API Enabled (ApiEnabled) by its permission set; where it has that, the edition "
        "of the org comes without the API"
    ),
    "LIMIT_EXCEEDED": f"a limit of your org stopped this save; the message names it, {RETRY}",
}

PERSON_NAME = (
    "a person account's name is made of its first and last name and cannot be written; take the line for the account's "
    f"name out of what the connector keeps, {RETRY}"
)
NAME_FIELD = "Name"


def hint(vendor_code: str, fields: Sequence[str]) -> str:
    """What to do about a refusal, a sentence without its end; empty where the vendor's words say it all."""
    if vendor_code == "INVALID_FIELD_FOR_INSERT_UPDATE" and NAME_FIELD in fields:
        return PERSON_NAME
    return HINTS.get(vendor_code, "")
