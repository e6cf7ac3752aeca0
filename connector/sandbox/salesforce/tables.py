"""The table behind an object type: what is unique and indexed in it, and what happens at every save.

Not the object types (`catalog.py`). Whatever has to see every write of a record, by API or at a screen, is put on
the table here, so that an object made while the org runs is treated like one it began with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import derived

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector.sandbox.rows import Table
    from connector.sandbox.salesforce.fields import Field, ObjectType
    from connector.sandbox.state import World


def make_table(world: World, kind: ObjectType, *, defaults: Callable[[], Mapping[str, Any]]) -> Table:
    """Add the table of an object type to the world; `defaults` tells what an insert leaves out, asked each time."""
    table = world.add_table(
        kind.name,
        unique=tuple(f.name for f in kind.own if f.unique),
        indexed=kind.indexed,
        lasting=kind.setup,
    )
    for field in kind.own:
        index(table, field)
    derived.hook(table, defaults)
    return table


def index(table: Table, field: Field) -> None:
    """Bring the table's indexes in step with a field: unique values, keys and custom lookups are found by hash."""
    if field.unique:
        table.add_unique(field.name)
    else:
        table.drop_unique(field.name)
    if field.external_id or (field.custom and field.type == "reference"):
        table.add_index(field.name)
