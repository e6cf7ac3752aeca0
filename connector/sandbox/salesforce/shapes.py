"""Short ways to write down an object type and its fields, and the fields that every record has.

Not any object itself: those are in `objects.py` and `setup_objects.py`.
"""

from __future__ import annotations

from connector.sandbox.salesforce.fields import Field, ObjectType
from connector.sandbox.salesforce.ids import PREFIXES

LONG = 32_768

SYSTEM = (
    Field("Id", "id", 18, read_only=True),
    Field("IsDeleted", "boolean", read_only=True),
    Field("CreatedDate", "datetime", read_only=True),
    Field("CreatedById", "reference", 18, read_only=True, to=("User",)),
    Field("LastModifiedDate", "datetime", read_only=True),
    Field("LastModifiedById", "reference", 18, read_only=True, to=("User",)),
    Field("SystemModstamp", "datetime", read_only=True),
)
OWNER = Field("OwnerId", "reference", 18, to=("User",))


def text(name: str, label: str = "", length: int = 255) -> Field:
    """A line of text."""
    return Field(name, "string", length, label)


def long_text(name: str, label: str, length: int = LONG) -> Field:
    """A long text area."""
    return Field(name, "textarea", length, label)


def to_user(name: str, label: str) -> Field:
    """A lookup to a user."""
    return Field(name, "reference", 18, label, to=("User",))


def number(name: str, label: str, precision: int, scale: int) -> Field:
    """A number with this many digits, `scale` of them after the point."""
    return Field(name, "double", label=label, precision=precision, scale=scale)


def flag(name: str, *, read_only: bool = False) -> Field:
    """A checkbox, off unless said."""
    return Field(name, "boolean", default=False, read_only=read_only)


def a_object(
    name: str,
    *own: Field,
    label: str = "",
    indexed: tuple[str, ...] = (),
    parents: tuple[str, ...] = (),
    writable: bool = True,
    setup: bool = False,
) -> ObjectType:
    """A standard object type with the prefix that its ids have."""
    return ObjectType(
        name,
        label or name,
        PREFIXES[name],
        own,
        writable=writable,
        indexed=indexed,
        parents=parents,
        system=SYSTEM,
        setup=setup,
    )
