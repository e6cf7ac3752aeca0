"""Record ids in Salesforce's shape: 15 case-sensitive characters and a 3-character suffix that makes case matter less.

Not random: ids count up, so that `Id > :last` pages in order of creation.
"""

from __future__ import annotations

import re
import string

PREFIXES = {
    "DuplicateRule": "0Bm",
    "Account": "001",
    "Note": "002",
    "Contact": "003",
    "User": "005",
    "Opportunity": "006",
    "OpportunityHistory": "008",
    "OpportunityContactRole": "00K",
    "Organization": "00D",
    "UserRole": "00E",
    "Task": "00T",
    "Event": "00U",
    "OpportunityStage": "01J",
    "OpportunityLineItem": "00k",
    "OpportunityTeamMember": "00q",
    "AccountTeamMember": "01M",
    "CurrencyType": "01L",
    "Profile": "00e",
    "PermissionSet": "0PS",
    "PermissionSetAssignment": "0Pa",
    "FieldPermissions": "01k",
    "ObjectPermissions": "110",
    "CustomPermission": "0CP",
    "SetupEntityAccess": "0J0",
    "RecordType": "012",
    "CustomNotificationType": "0ML",
}
CUSTOM_PREFIXES = "a"
"""Ids of custom objects begin with a letter a, and two characters that are the org's own."""
POD = "HO000"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
SUFFIX_LETTERS = string.ascii_uppercase + "012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Z]{3})?")


def make_id(prefix: str, n: int) -> str:
    """The n-th id of an object type with this prefix, 18 characters."""
    digits = ""
    while n:
        n, rest = divmod(n, 62)
        digits = DIGITS[rest] + digits
    return to_18(f"{prefix}{POD}{digits.rjust(7, '0')}")


def to_18(short: str) -> str:
    """A 15-character id with its suffix; other strings come back unchanged."""
    if len(short) != 15:
        return short
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << i for i, char in enumerate(short[start : start + 5]) if char.isupper())
        suffix += SUFFIX_LETTERS[bits]
    return short + suffix


def canonical(text: str) -> str | None:
    """The 18-character form of an id of either length, or None when it has not the shape of one."""
    return to_18(text[:15]) if _SHAPE.fullmatch(text) else None


def custom_prefix(n: int) -> str:
    """The n-th prefix of a custom object, counting from 0."""
    return f"{CUSTOM_PREFIXES}{DIGITS[n // len(DIGITS)]}{DIGITS[n % len(DIGITS)]}"
