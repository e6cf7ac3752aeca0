"""What an admin switches on for good: several currencies, person accounts, record types. Each adds fields.

Not custom fields: these come with the feature and need no grant. Facts: Salesforce §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.fields import Field
from connector.sandbox.salesforce.sales_objects import CURRENCY_TYPE

if TYPE_CHECKING:
    from connector.sandbox.state import World

PRICED = ("Account", "Contact", "Opportunity", "OpportunityHistory", "OpportunityLineItem")
CURRENCY = "CurrencyIsoCode"
PERSON_FIELDS = (
    Field("IsPersonAccount", "boolean", label="Is Person Account", read_only=True, default=False),
    Field("FirstName", "string", 40),
    Field("LastName", "string", 80),
    Field("PersonEmail", "email", 80, "Email"),
)


def several_currencies(world: World, codes: tuple[str, ...], *, by: str = "setup") -> None:
    """Switch on multi-currency, the first code being the corporate one; records that exist get that one."""
    schema = catalog(world)
    schema.put_object(CURRENCY_TYPE)
    table = world.table(CURRENCY_TYPE.name)
    for code in codes:
        if table.find_unique("IsoCode", code) is None:
            table.insert({"IsoCode": code, "IsCorporate": code == codes[0]}, by=by)
    for name in PRICED:
        field = Field(CURRENCY, "picklist", 3, "Currency", values=codes, default=codes[0])
        schema.put_field(name, field, visible=True)
        for row in list(world.table(name).live()):
            if CURRENCY not in row.values:
                world.table(name).update(row.id, {CURRENCY: codes[0]}, by=by, touch=False)


def person_accounts(world: World) -> None:
    """Switch on person accounts: an account with a last name of its own is a person, and cannot be renamed."""
    for field in PERSON_FIELDS:
        catalog(world).put_field("Account", field, visible=True)


def record_type(world: World, object_name: str, developer_name: str, *, by: str = "setup") -> str:
    """Add a record type to an object and return its id; the object gets the field RecordTypeId with its first one."""
    kind = catalog(world).object(object_name)
    if kind is None:
        raise KeyError(object_name)
    if kind.find("RecordTypeId") is None:
        field = Field("RecordTypeId", "reference", 18, "Record Type", to=("RecordType",))
        catalog(world).put_field(kind.name, field, visible=True)
    label = developer_name.replace("_", " ")
    values = {"SobjectType": kind.name, "DeveloperName": developer_name, "Name": label}
    return world.table("RecordType").insert(values, by=by).id
