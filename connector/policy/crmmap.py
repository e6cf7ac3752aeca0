"""Which CRM field stands behind each canonical name, for one system: what the adapters translate by.

Not here: reading the mapping files (``load``), what the core wants of a field (``handoff.rulebook``), and how a value
looks on the wire (each adapter's ``wire``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from connector.handoff.model import DealType, Kind
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.handoff.rulebook.people import NO_TEAMS, Teams


@dataclass(frozen=True, slots=True)
class MappedField:
    """One mapped field. ``path`` is canonical (``why_bought``, ``account.csm``, ``task.key``), ``field`` theirs.

    ``values`` translates choices, canonical to vendor; a choice it does not list is the same in both.
    ``max_chars`` is the most text the admin wants in the field; 0 leaves it to the CRM.
    """

    path: str
    kind: Kind
    field: str
    type: FieldType
    owner: FieldOwner
    label: str
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    max_chars: int = 0

    @property
    def name(self) -> str:
        """The canonical name within its record: ``csm`` for ``account.csm``; the key used in a record's values."""
        return self.path.rpartition(".")[2]

    def to_vendor(self, choice: str) -> str:
        """The vendor's word for a canonical choice."""
        return self.values.get(choice, choice)

    def from_vendor(self, choice: str) -> str:
        """The canonical word for a vendor's choice."""
        return next((ours for ours, theirs in self.values.items() if theirs == choice), choice)


@dataclass(frozen=True, slots=True, order=True)
class MapFile:
    """Which file of the mappings folder is a system's, and of which vendor it is; the vendor's own if none is named."""

    vendor: str
    named: str = ""

    @property
    def file(self) -> str:
        """Its name in the folder."""
        return self.named or f"{self.vendor}.toml"


@dataclass(frozen=True, slots=True)
class CrmMap:
    """One CRM's names. ``fields`` is keyed by canonical path; ``objects`` names the vendor's object per kind.

    ``deal_types`` maps vendor values; any other value, or none, is ``other_deal_type``. ``pipelines`` empty means all.
    ``team_access`` is what a place on the team of a ``deal`` or ``account`` allows. ``bell`` names the vendor's kind of
    notification, empty for none; ``mail`` lets the CRM send mails. ``held_when_over`` takes a meeting of the playbook
    whose time has passed for one that was held; ``calendars`` lets people's calendars be looked into. ``people`` names
    the fields of the CRM's users that say who is ``paused``, or away (``away_from``, ``away_until``). ``contacts`` are
    the CRM's words for each of our roles of people at the customer; None leaves contacts unread.
    """

    vendor: str
    objects: Mapping[Kind, str]
    fields: Mapping[str, MappedField]
    deal_types: Mapping[str, DealType] = dataclasses.field(default_factory=dict)
    other_deal_type: DealType = DealType.NEW
    pipelines: tuple[str, ...] = ()
    teams: Teams = NO_TEAMS
    team_access: Mapping[str, str] = dataclasses.field(default_factory=dict)
    bell: str = ""
    mail: bool = False
    held_when_over: bool = False
    calendars: bool = False
    people: Mapping[str, str] = dataclasses.field(default_factory=dict)
    contacts: Mapping[str, tuple[str, ...]] | None = None
    named: str = ""
    """The file, where it is not the vendor's own."""

    @property
    def file(self) -> str:
        """The file it stands in."""
        return MapFile(self.vendor, self.named).file

    def of(self, kind: Kind) -> tuple[MappedField, ...]:
        """The mapped fields of one kind of record, in the order of the mapping file."""
        return tuple(mapped for mapped in self.fields.values() if mapped.kind is kind)

    def get(self, kind: Kind, name: str) -> MappedField | None:
        """The field behind a name as a record's values use it (``csm`` of an account); None when it is not mapped."""
        return self.fields.get(path_of(kind, name))

    def role(self, word: str) -> str:
        """Our role for the CRM's word, whatever its case; the word itself where the mapping has none."""
        told = word.strip().casefold()
        ours = (
            role for role, words in (self.contacts or {}).items() if told in {each.strip().casefold() for each in words}
        )
        return next(ours, word.strip())

    def deal_type(self, value: str | None) -> DealType:
        """What was sold, from the CRM's own value."""
        return self.deal_types.get(value or "", self.other_deal_type)


def path_of(kind: Kind, name: str) -> str:
    """The canonical path of a field: deals need no prefix, every other kind is ``kind.name``."""
    return name if kind is Kind.DEAL else f"{kind.value}.{name}"
