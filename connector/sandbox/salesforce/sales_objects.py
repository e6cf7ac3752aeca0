"""Teams, products and currencies: the objects beside accounts and opportunities that bite a connector.

Not their peculiar saves: those are in `peculiar.py`.
"""

from __future__ import annotations

from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.shapes import a_object, flag

ROLES = ("Account Executive", "Customer Success Manager", "Executive Sponsor", "Sales Engineer")
LEVELS = ("None", "Read", "Edit", "All")


def _level(name: str, default: str = "Read") -> Field:
    return Field(name, "picklist", 40, values=LEVELS, default=default)


def _fixed(name: str, target: str) -> Field:
    return Field(name, "reference", 18, required=True, create_only=True, to=(target,))


SALES_OBJECTS = (
    # Both references are immutable (facts: Salesforce §6, teams).
    a_object(
        "OpportunityTeamMember",
        _fixed("OpportunityId", "Opportunity"),
        _fixed("UserId", "User"),
        Field("TeamMemberRole", "picklist", 40, values=ROLES, restricted=False),
        _level("OpportunityAccessLevel"),
        label="Opportunity Team Member",
        indexed=("OpportunityId", "UserId"),
        parents=("OpportunityId",),
    ),
    a_object(
        "AccountTeamMember",
        _fixed("AccountId", "Account"),
        _fixed("UserId", "User"),
        Field("TeamMemberRole", "picklist", 40, values=ROLES, restricted=False),
        _level("AccountAccessLevel"),
        _level("OpportunityAccessLevel", "None"),
        _level("CaseAccessLevel", "None"),
        _level("ContactAccessLevel", "None"),
        label="Account Team Member",
        indexed=("AccountId", "UserId"),
        parents=("AccountId",),
    ),
    a_object(
        "OpportunityLineItem",
        _fixed("OpportunityId", "Opportunity"),
        Field("Name", "string", 376, read_only=True),
        Field("Quantity", "double", required=True, precision=12, scale=2),
        Field("UnitPrice", "currency", precision=18, scale=2),
        Field("TotalPrice", "currency", precision=18, scale=2),
        Field("Description", "string", 255),
        label="Opportunity Product",
        indexed=("OpportunityId",),
        parents=("OpportunityId",),
    ),
)

# An org has it once it is multi-currency (`features.py`).
CURRENCY_TYPE = a_object(
    "CurrencyType",
    Field("IsoCode", "string", 3, required=True, unique=True),
    Field("ConversionRate", "double", precision=18, scale=6, default=1.0),
    flag("IsCorporate"),
    Field("IsActive", "boolean", default=True),
    label="Currency Type",
    setup=True,
)
