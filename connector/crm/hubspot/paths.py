"""Where each of HubSpot's APIs lives, for the dated versions and for the old numbered ones.

Not here: calling them (``session``). Numbered paths serve portals that must wait with the dated ones; HubSpot ends them
(facts: HubSpot §A), and rules that an admin made hold on dated paths only (facts: HubSpot §4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

API_VERSION = "2026-09"
"""The dated version in every path (facts: HubSpot §A)."""

NUMBERED = "v3"
NUMBERED_ASSOCIATIONS = "v4"
SUPPORTED_MONTHS = 18
"""A dated version is supported that long from the month in its name (facts: HubSpot §A)."""

NUMBERED_ENDS = (
    ("v3", date(2027, 9, 1)),
    ("v4", date(2027, 3, 30)),
)
"""When the numbered versions go unsupported (facts: HubSpot §A)."""

RULES_VERSION = "2026-09-beta"
"""The Pipeline Rules API is only there (facts: HubSpot §4)."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one version: ``2026-09`` and its like, or ``v3``."""

    version: str = API_VERSION

    @property
    def dated(self) -> bool:
        """Whether the version is a date; only then the portal's own rules are enforced."""
        return self.version != NUMBERED

    @property
    def sunsets(self) -> tuple[tuple[str, date], ...]:
        """Each version in use and the day its support ends."""
        if not self.dated:
            return NUMBERED_ENDS
        year, month = int(self.version[:4]), int(self.version[5:7])
        months = year * 12 + month - 1 + SUPPORTED_MONTHS
        return ((self.version, date(months // 12, months % 12 + 1, 1)),)

    @property
    def _recent(self) -> str:
        """For what has no numbered path that we would use."""
        return self.version if self.dated else API_VERSION

    def objects(self, name: str, *rest: str) -> str:
        """Records of one type, by its name or its type id."""
        return _path("crm/objects" if self.dated else "crm", self.version, *self._last("objects"), name, *rest)

    def associations(self, from_object: str, to_object: str, *rest: str) -> str:
        """An association batch endpoint."""
        pair = (from_object, to_object, "batch", *rest)
        if self.dated:
            return _path("crm/associations", self.version, *pair)
        return _path("crm", NUMBERED_ASSOCIATIONS, "associations", *pair)

    def properties(self, object_name: str, *rest: str) -> str:
        """Properties and their groups (``groups`` as the first of ``rest``)."""
        return self._schema("properties", object_name, *rest)

    def pipelines(self, object_name: str, *rest: str) -> str:
        """Pipelines and their stages."""
        return self._schema("pipelines", object_name, *rest)

    def owners(self) -> str:
        """The users who may own something."""
        return self._schema("owners")

    def limits(self, what: str) -> str:
        """What the portal may hold, such as ``custom-properties``."""
        return self._schema("limits", what)

    def account(self, *rest: str) -> str:
        """The portal itself; ``details`` tells its id and time zone."""
        return _path("account-info", self.version, *rest)

    def pipeline_rules(self, object_type_id: str, pipeline_id: str, *rest: str) -> str:
        """The rules of one pipeline; beta, the same whatever version is in use."""
        return _path("crm/pipelines-rules", RULES_VERSION, object_type_id, pipeline_id, *rest)

    def workflows(self) -> str:
        """The portal's workflows; beta, the same whatever version is in use (facts: HubSpot §4)."""
        return _path("automation", RULES_VERSION, "flows")

    def validations(self, object_type_id: str) -> str:
        """The formats that values of one type's properties must have."""
        return self._schema("property-validations", object_type_id)

    def token(self) -> str:
        """Where OAuth tokens come from."""
        return _path("oauth", self.version, "token")

    def journal(self, *rest: str) -> str:
        """The webhooks journal; it has no numbered path."""
        return _path("webhooks-journal/journal", self._recent, *rest)

    def journal_subscriptions(self, *rest: str) -> str:
        """What the journal tells of."""
        return _path("webhooks-journal/subscriptions", self._recent, *rest)

    def _schema(self, area: str, *rest: str) -> str:
        return _path(f"crm/{area}" if self.dated else "crm", self.version, *self._last(area), *rest)

    def _last(self, area: str) -> tuple[str, ...]:
        return () if self.dated else (area,)


def _path(*parts: str) -> str:
    return "/" + "/".join(parts)
