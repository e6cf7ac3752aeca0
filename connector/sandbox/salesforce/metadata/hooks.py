"""What the org's setup tells the rules at a save: which fields a layout shows.

Not the rules themselves (`rules.py`): they ask through a part of the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.sandbox.salesforce import rules
from connector.sandbox.salesforce.metadata.store import store

if TYPE_CHECKING:
    from connector.sandbox.state import World


def install(world: World) -> None:
    """Answer what rules ask, from now on."""

    def on_layout(object_name: str, field_name: str) -> bool:
        # A field on no layout has its message at the top of the page (facts: Salesforce §5.3).
        return any(
            item.get("field").lower() == field_name.lower()
            for layout in store(world).of("Layout")
            if layout.name.lower().startswith(f"{object_name.lower()}-")
            for item in layout.node.deep("layoutItems")
        )

    world.parts[rules.ON_LAYOUT] = on_layout
