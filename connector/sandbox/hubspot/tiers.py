"""What a portal's subscription allows: calls, custom properties, and which guards of a stage exist at all.

Not the counting of calls (`ratelimit.py`). Facts: HubSpot §3e for calls, §4 for guards, §5 for properties; the number
of custom properties of each tier is not documented, so a caller has to ask the limits API.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.sandbox.state import World

TIER = "tier"
"""Setting: free, starter, pro or enterprise."""
CUSTOM_PROPERTIES = "custom_properties_per_type"
"""Setting: how many custom properties an object type may have; by tier when absent."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One subscription. `burst` is calls in ten seconds for each app, `daily` calls for the account."""

    name: str
    burst: int
    daily: int
    custom_properties: int
    conditional_rules: bool = True
    pipeline_rules: bool = True
    approvals: bool = True
    hidden: frozenset[str] = frozenset()


# facts: HubSpot §4: "entered current stage" is for Professional and Enterprise only.
PAID_ONLY = frozenset({"hs_v2_date_entered_current_stage"})
# facts: HubSpot §5: Free is commonly quoted with 10, a developer test account was seen to allow 1,000.
FREE_PROPERTIES = 10
USUAL_PROPERTIES = 1_000

TIERS: dict[str, Tier] = {
    tier.name: tier
    for tier in (
        Tier(
            name="free",
            burst=100,
            daily=250_000,
            custom_properties=FREE_PROPERTIES,
            conditional_rules=False,
            pipeline_rules=False,
            approvals=False,
            hidden=PAID_ONLY,
        ),
        Tier(
            name="starter",
            burst=100,
            daily=250_000,
            custom_properties=USUAL_PROPERTIES,
            conditional_rules=False,
            pipeline_rules=False,
            approvals=False,
            hidden=PAID_ONLY,
        ),
        Tier(name="pro", burst=190, daily=625_000, custom_properties=USUAL_PROPERTIES, approvals=False),
        Tier(name="enterprise", burst=190, daily=1_000_000, custom_properties=USUAL_PROPERTIES),
    )
}
USUAL = TIERS["enterprise"]


def tier(world: World) -> Tier:
    """The subscription of this portal. Raises ValueError for a setting that names none."""
    name = world.settings.get(TIER, USUAL.name)
    if name not in TIERS:
        raise ValueError(f"no tier {name!r}: choose one of {', '.join(TIERS)}")
    return TIERS[name]


def custom_properties(world: World) -> int:
    """How many custom properties an object type may have here."""
    found = world.settings.get(CUSTOM_PROPERTIES)
    return tier(world).custom_properties if found is None else int(found)
